package window

import "github.com/cairnstream/cairn/state/key"

// context is what is kept of an event for what its group decides at the close:
// the caller's own, and the fields that outer correlations ask for.
func (r *rule) context(ev *Event) string {
	context := ev.context()
	if context == "" && len(r.carry) == 0 {
		return ""
	}
	w := writer{}
	w.text(context)
	for _, path := range r.carry {
		if v, ok := ev.Field(path); ok {
			w.text(path)
			w.text(v)
		}
	}
	return string(w.buf)
}

// split takes a context apart.
func split(kept string) (context string, fields map[string]string) {
	if kept == "" {
		return "", nil
	}
	r := reader{buf: []byte(kept)}
	context, fields = r.text(), map[string]string{}
	for len(r.buf) > 0 {
		path := r.text()
		fields[path] = r.text()
	}
	return context, fields
}

// event stands for the event that completed a firing which was decided at the
// close. It knows the fields of the group and those that were kept.
func (g *group) event(f *Firing) *Event {
	context, fields := split(f.Context)
	f.Context = context
	field := func(path string) (string, bool) {
		if v, ok := fields[path]; ok {
			return v, true
		}
		for _, p := range f.Group {
			if p.Name == path {
				return p.Value, true
			}
		}
		return "", false
	}
	return &Event{ID: f.Trigger, Time: f.Time, Hash: g.hash, Account: g.account, Field: field, Context: func() string { return context }}
}

// identity is what makes a group one: partition key, account, and values.
func identity(buf []byte, ev *Event, values []string) []byte {
	buf = append(buf[:0], ev.Hash[:]...)
	buf = key.AppendString(buf, ev.Account)
	for _, v := range values {
		buf = key.AppendString(buf, v)
	}
	return buf
}
