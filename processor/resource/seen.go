package resource

// FirstSeen is the version of the oldest change known.
func (r *Record) FirstSeen() Version { return r.first.version }
