package resource

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of a record. A value of the state store has at most 512 KiB.
const (
	maxMembers = 1000 // relations kept, the newest; a busy target group has a few hundred
	maxTags    = 400  // tag registers kept, removed ones included; AWS allows 50 tags at a time
	maxEvents  = 8    // event ids kept
)

// value is a register of a name: an attribute, a tag. The greater of two is the one with the greater version; two values with
// one version (one event that says two things) are ordered by their content, so that arrival order never decides.
type value struct {
	name    string
	version Version
	present bool
	text    string
}

func (v value) compare(w value) int {
	return cmp.Or(v.version.Compare(w.version), cmpBool(v.present, w.present), cmp.Compare(v.text, w.text))
}

// member is a register of one relation: there, or gone.
type member struct {
	Relation
	version Version
	present bool
}

func (m member) supersedes(n member) int {
	return cmp.Or(m.version.Compare(n.version), cmpBool(m.present, n.present), slices.CompareFunc(m.Detail, n.Detail, compareAttr))
}

func compareAttr(a, b Attr) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}

// deed is a register that also says who did it: born, died, changed, first.
type deed struct {
	version   Version
	effect    Effect
	eventName string
	actor     string
	via       string
}

func (d deed) compare(e deed) int {
	return cmp.Or(d.version.Compare(e.version), cmp.Compare(d.effect, e.effect), cmp.Compare(d.eventName, e.eventName),
		cmp.Compare(d.actor, e.actor), cmp.Compare(d.via, e.via))
}

// cleared is the newest change that replaced all members of a group.
type cleared struct {
	group   string
	version Version
}

// Record is the state of one resource: a set of registers, each with the version of the change that last wrote it. Applying a
// change and merging two records take the greater version register by register, so neither order nor repetition matters. The
// zero Record is a resource of which nothing is known. A Record is not safe for concurrent use.
type Record struct {
	arn, state                 value
	born, died, changed, first deed // first is the least version, the others the greatest
	lives, retagged            Version
	fields, tags               []value   // sorted by name
	members                    []member  // sorted by kind, type, key
	clears                     []cleared // sorted by group
	events                     []Version // the newest maxEvents, newest first
}

// Outcome tells what Apply found.
type Outcome struct {
	Stale    bool       // newer changes already held everything that this one sets
	Before   []Attr     // the values of attributes that the change replaced, as known on arrival
	Replaced []Relation // members that vanished because the change replaced their group
	Dropped  int        // members and tags that fell out of the record's bounds
	ARN      string     // the best ARN known after the change; "" when no event has shown one
}

// Apply folds one change into the record.
func (r *Record) Apply(c *Change) Outcome {
	out := Outcome{Before: r.before(c)}
	shown := r.replacedBy(c)
	raised := r.applyLife(c)
	raised = r.applyValues(c) || raised
	raised = r.applyMembers(c) || raised
	out.Dropped = r.normalise()
	out.Stale = !raised || r.hides(c)
	if !out.Stale {
		out.Replaced = shown
	}
	out.ARN = r.arn.text
	return out
}

// hides reports whether the change belongs to a life that has ended, so that nothing of it can show.
func (r *Record) hides(c *Change) bool { return c.Version.Less(r.born.version) }

func (r *Record) applyLife(c *Change) (raised bool) {
	d := deed{c.Version, c.Effect, c.EventName, c.Actor.Root, c.Actor.Via}
	raised = raise(&r.changed, d)
	if r.first.version.IsZero() || d.compare(r.first) < 0 {
		r.first = d
	}
	switch c.Effect {
	case Create:
		raised = raise(&r.born, d) || raised
	case Delete:
		raised = raise(&r.died, d) || raised
	}
	if c.Alive && r.lives.Less(c.Version) {
		r.lives, raised = c.Version, true
	}
	if c.ReplaceTags && r.retagged.Less(c.Version) {
		r.retagged, raised = c.Version, true
	}
	r.addEvent(c.Version)
	return raised
}

func raise(d *deed, e deed) bool {
	if e.compare(*d) <= 0 {
		return false
	}
	*d = e
	return true
}

func (r *Record) applyValues(c *Change) (raised bool) {
	if c.ARN != "" {
		raised = raiseValue(&r.arn, value{version: c.Version, present: true, text: c.ARN}) || raised
	}
	if c.State != "" {
		raised = raiseValue(&r.state, value{version: c.Version, present: true, text: c.State}) || raised
	}
	for _, a := range c.Set {
		raised = putValue(&r.fields, value{a.Name, c.Version, true, a.Value}) || raised
	}
	for _, name := range c.Unset {
		raised = putValue(&r.fields, value{name: name, version: c.Version}) || raised
	}
	for _, a := range c.Tags {
		raised = putValue(&r.tags, value{a.Name, c.Version, true, a.Value}) || raised
	}
	for _, name := range c.Untag {
		raised = putValue(&r.tags, value{name: name, version: c.Version}) || raised
	}
	return raised
}

func raiseValue(v *value, w value) bool {
	if w.compare(*v) <= 0 {
		return false
	}
	*v = w
	return true
}

func putValue(values *[]value, v value) bool {
	i, found := slices.BinarySearchFunc(*values, v.name, func(w value, name string) int { return cmp.Compare(w.name, name) })
	if found {
		return raiseValue(&(*values)[i], v)
	}
	*values = slices.Insert(*values, i, v)
	return true
}

func (r *Record) applyMembers(c *Change) (raised bool) {
	for _, group := range c.Replace {
		raised = r.clear(cleared{group, c.Version}) || raised
	}
	for _, rel := range c.Remove {
		raised = r.putMember(member{rel, c.Version, false}) || raised
	}
	for _, rel := range c.Add {
		raised = r.putMember(member{rel, c.Version, true}) || raised
	}
	return raised
}

func (r *Record) putMember(m member) bool {
	if !m.present {
		m.Detail = nil
	}
	i, found := slices.BinarySearchFunc(r.members, m, func(a, b member) int { return a.compare(b.Relation) })
	if !found {
		r.members = slices.Insert(r.members, i, m)
		return true
	}
	if m.supersedes(r.members[i]) <= 0 {
		return false
	}
	r.members[i] = m
	return true
}

func (r *Record) clear(c cleared) bool {
	i, found := slices.BinarySearchFunc(r.clears, c.group, func(d cleared, group string) int { return cmp.Compare(d.group, group) })
	if !found {
		r.clears = slices.Insert(r.clears, i, c)
		return true
	}
	if !r.clears[i].version.Less(c.version) {
		return false
	}
	r.clears[i].version = c.version
	return true
}

func (r *Record) clearedAt(group string) Version {
	i, found := slices.BinarySearchFunc(r.clears, group, func(d cleared, group string) int { return cmp.Compare(d.group, group) })
	if !found {
		return Version{}
	}
	return r.clears[i].version
}

func (r *Record) addEvent(v Version) {
	i, found := slices.BinarySearchFunc(r.events, v, func(a, b Version) int { return b.Compare(a) })
	if found || i == maxEvents {
		return
	}
	r.events = slices.Insert(r.events, i, v)
	r.events = r.events[:min(len(r.events), maxEvents)]
}

// normalise drops what no later change can make visible again, and what exceeds the bounds; it returns how many registers
// exceeded the bounds. Values older than born are hidden for good, because born only grows; so are tags older than retagged and
// members older than their group's clearing. Each bound keeps the greatest, which is again a maximum, so the law still holds.
func (r *Record) normalise() (dropped int) {
	since := r.born.version
	if r.arn.version.Less(since) {
		r.arn = value{}
	}
	if r.state.version.Less(since) {
		r.state = value{}
	}
	old := func(v value) bool { return v.version.Less(since) }
	r.fields = slices.DeleteFunc(r.fields, old)
	r.tags = slices.DeleteFunc(r.tags, func(v value) bool { return old(v) || v.version.Less(r.retagged) })
	r.clears = slices.DeleteFunc(r.clears, func(c cleared) bool { return c.version.Less(since) })
	r.members = slices.DeleteFunc(r.members, func(m member) bool {
		return m.version.Less(since) || len(r.clears) > 0 && m.version.Less(r.clearedAt(m.group()))
	})
	dropped = keepNewest(&r.tags, maxTags, func(a, b value) int { return cmp.Or(b.version.Compare(a.version), cmp.Compare(a.name, b.name)) })
	return dropped + keepNewest(&r.members, maxMembers, func(a, b member) int {
		return cmp.Or(b.version.Compare(a.version), a.compare(b.Relation))
	})
}

// keepNewest keeps the first n items of the order newest, in the order in which they stand.
func keepNewest[T any](items *[]T, n int, newest func(a, b T) int) (dropped int) {
	if len(*items) <= n {
		return 0
	}
	ranked := slices.SortedFunc(slices.Values(*items), newest)
	last := ranked[n-1]
	dropped = len(*items) - n
	*items = slices.DeleteFunc(*items, func(item T) bool { return newest(item, last) > 0 })
	return dropped
}

// Merge returns the union of two records of one resource: what one record would hold after the changes of both.
// It changes neither a nor b.
func Merge(a, b *Record) *Record {
	m := a.clone()
	for _, pair := range [][2]*deed{{&m.born, &b.born}, {&m.died, &b.died}, {&m.changed, &b.changed}} {
		raise(pair[0], *pair[1])
	}
	if m.first.version.IsZero() || !b.first.version.IsZero() && b.first.compare(m.first) < 0 {
		m.first = b.first
	}
	m.lives, m.retagged = later(m.lives, b.lives), later(m.retagged, b.retagged)
	raiseValue(&m.arn, b.arn)
	raiseValue(&m.state, b.state)
	for _, v := range b.fields {
		putValue(&m.fields, v)
	}
	for _, v := range b.tags {
		putValue(&m.tags, v)
	}
	for _, c := range b.clears {
		m.clear(c)
	}
	for _, x := range b.members {
		m.putMember(x)
	}
	for _, v := range b.events {
		m.addEvent(v)
	}
	m.normalise()
	return m
}

func (r *Record) clone() *Record {
	c := *r
	c.fields, c.tags = slices.Clone(r.fields), slices.Clone(r.tags)
	c.members, c.clears, c.events = slices.Clone(r.members), slices.Clone(r.clears), slices.Clone(r.events)
	return &c
}

func (r *Record) before(c *Change) (before []Attr) {
	if c.Version.Less(r.since()) {
		return nil
	}
	note := func(name, next string) {
		old, found := r.field(name)
		if found && old.present && old.version.Less(c.Version) && old.text != next {
			before = append(before, Attr{name, old.text})
		}
	}
	for _, a := range c.Set {
		note(a.Name, a.Value)
	}
	for _, name := range c.Unset {
		note(name, "\x00")
	}
	return sortAttrs(before)
}

// replacedBy lists the visible members that the change's Replace hides and that it does not add itself.
func (r *Record) replacedBy(c *Change) (gone []Relation) {
	for _, m := range r.members {
		if !m.present || m.version.Less(r.since()) || !slices.Contains(c.Replace, m.group()) || !m.version.Less(c.Version) {
			continue
		}
		if !slices.ContainsFunc(c.Add, func(rel Relation) bool { return rel.compare(m.Relation) == 0 }) {
			gone = append(gone, m.Relation)
		}
	}
	return gone
}

func (r *Record) field(name string) (value, bool) {
	i, found := slices.BinarySearchFunc(r.fields, name, func(w value, name string) int { return cmp.Compare(w.name, name) })
	if !found || r.fields[i].version.Less(r.since()) {
		return value{}, false
	}
	return r.fields[i], true
}

// Gone reports whether the resource is deleted: its newest delete is newer than the newest proof of its life.
func (r *Record) Gone() bool { return r.lives.Less(r.died.version) }

// since is the beginning of the life that is shown. A tombstone shows the life that ended.
func (r *Record) since() Version {
	if r.Gone() {
		return r.born.version
	}
	return later(r.born.version, r.died.version)
}

// Created reports whether the creation of the life that is shown is known.
func (r *Record) Created() bool {
	return !r.born.version.IsZero() && (r.Gone() || r.died.version.Less(r.born.version))
}

// Changed is the version of the newest change.
func (r *Record) Changed() Version { return r.changed.version }

// FirstSeen is the version of the oldest change known.
func (r *Record) FirstSeen() Version { return r.first.version }

// Empty reports whether no change was ever applied.
func (r *Record) Empty() bool { return r.changed.version.IsZero() }

// Expired reports whether the record is a tombstone that ended more than keep before the watermark, so that it can be dropped.
func (r *Record) Expired(watermark time.Time, keep time.Duration) bool {
	return r.Gone() && r.changed.version.When().Before(watermark.Add(-keep))
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
