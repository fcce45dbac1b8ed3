package resource

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// View is the readable resource: what the columns of the table `resources` show. An empty text, a nil *bool and a zero time are
// NULL: not known.
type View struct {
	Key                                                     Key
	ARN, Name, AvailabilityZone                             string
	State, Origin                                           string
	Owner, Environment                                      string // from tags, else from the accounts file
	AccountAlias                                            string // from the accounts file
	InstanceType, ImageID, VPCID, SubnetID                  string
	PrivateDNSName, PrivateIP, PublicIP                     string
	Engine, EngineVersion, Class                            string
	MultiAZ                                                 *bool
	Runtime                                                 string
	Encrypted, Public                                       *bool
	Tags, Attributes                                        []Attr   // sorted by name
	Unknown                                                 []string // attributes of the type that nothing has shown yet, sorted
	Relations                                               []Relation
	Created, Changed, Deleted, FirstSeen                    time.Time
	CreatedBy, CreatedVia, CreatedEventID, CreatedEventName string
	ChangedBy, ChangedVia, ChangedEventID, ChangedEventName string
	DeletedBy, DeletedVia, DeletedEventID, DeletedEventName string
	EventIDs                                                []string // of the newest changes, newest first
	DroppedRelations                                        bool     // the record is at its bound, so older relations may be missing
}

// The origins of a resource.
const (
	OriginEvent   = "event"   // its create was seen
	OriginSeed    = "seed"    // first known from an import
	OriginTouched = "touched" // first known from a change
	OriginImplied = "implied" // concluded from another resource; set by the caller at a snapshot
)

// View reads the record as it stands at a time: the watermark, or a snapshot's T. The time only decides whether a creation is
// over; View does not filter by it, so the record must hold no later change.
func (c *Catalogue) View(key Key, r *Record, at time.Time) View {
	t := c.types[key.Type]
	v := View{Key: key, State: r.readState(t, at), Origin: r.origin(), ARN: t.arn(key, "")}
	since := r.since()
	if r.arn.present && !r.arn.version.Less(since) {
		v.ARN = r.arn.text
	}
	v.Attributes = visibleValues(r.fields, since)
	v.Tags = visibleValues(r.tags, later(since, r.retagged))
	v.Relations = r.relations(since)
	v.DroppedRelations = len(r.members) == maxMembers
	v.derive(t)
	v.Unknown = r.unknown(t, v.Attributes, since)
	v.columns(t)
	of := c.accounts.Look(key.Account)
	v.AccountAlias = of.Alias
	v.Owner, v.Environment = cmp.Or(firstTag(v.Tags, c.ownerTags), of.Owner), cmp.Or(firstTag(v.Tags, c.environment), of.Environment)
	v.deeds(r)
	return v
}

func visibleValues(values []value, since Version) (attrs []Attr) {
	for _, v := range values {
		if v.present && !v.version.Less(since) {
			attrs = append(attrs, Attr{v.name, v.text})
		}
	}
	return attrs
}

func (r *Record) relations(since Version) (relations []Relation) {
	for _, m := range r.members {
		if m.present && !m.version.Less(since) {
			relations = append(relations, m.Relation)
		}
	}
	return relations
}

// readState: CloudTrail does not report the end of a creation, so a resource that has been creating for longer than its type
// needs is read as active.
func (r *Record) readState(t *Type, at time.Time) string {
	if r.Gone() {
		return StateDeleted
	}
	if !r.state.present || r.state.version.Less(r.since()) || r.state.text == StateDeleted {
		return StateUnknown
	}
	if r.state.text == StateCreating && (t == nil || !at.Before(r.state.version.When().Add(t.Settle))) {
		return StateActive
	}
	return r.state.text
}

func (r *Record) origin() string {
	switch {
	case r.Created():
		return OriginEvent
	case r.first.effect == Seed || r.first.effect == Drift:
		return OriginSeed
	}
	return OriginTouched
}

func (r *Record) unknown(t *Type, shown []Attr, since Version) (unknown []string) {
	if t == nil {
		return nil
	}
	for _, name := range t.Attributes {
		if f, found := r.field(name); found && !f.version.Less(since) {
			continue
		}
		if !slices.ContainsFunc(shown, func(a Attr) bool { return a.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// Attribute returns the value of an attribute; ok is false when it is not known or not set.
func (v *View) Attribute(name string) (text string, ok bool) {
	for _, a := range v.Attributes {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

func (v *View) columns(t *Type) {
	for name, column := range map[string]*string{
		"instance_type": &v.InstanceType, "image_id": &v.ImageID, "vpc_id": &v.VPCID, "subnet_id": &v.SubnetID,
		"private_dns_name": &v.PrivateDNSName, "private_ip": &v.PrivateIP, "public_ip": &v.PublicIP, "engine": &v.Engine,
		"engine_version": &v.EngineVersion, "class": &v.Class, "runtime": &v.Runtime, "availability_zone": &v.AvailabilityZone,
	} {
		*column, _ = v.Attribute(name)
	}
	for name, column := range map[string]**bool{"multi_az": &v.MultiAZ, "encrypted": &v.Encrypted, "is_public": &v.Public} {
		if text, ok := v.Attribute(name); ok {
			truth := text == "true"
			*column = &truth
		}
	}
	v.place()
	v.Name, _ = v.Attribute("name")
	if v.Name == "" {
		v.Name = exactTag(v.Tags, "Name")
	}
	if v.Name == "" && t != nil && t.Reused {
		v.Name = v.Key.ID
	}
}

// place reads VPC and subnet from the relation `in`.
func (v *View) place() {
	for _, r := range v.Relations {
		other, ok := ParseKey(r.Key)
		switch {
		case !ok || r.Kind != "in":
		case r.Type == "AWS::EC2::VPC":
			v.VPCID = other.ID
		case r.Type == "AWS::EC2::Subnet":
			v.SubnetID = other.ID
		}
	}
}

func exactTag(tags []Attr, name string) string {
	for _, t := range tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

// firstTag is the first of the names that has a value; tags are sorted, so of two spellings the capital one counts.
func firstTag(tags []Attr, names []string) string {
	for _, name := range names {
		for _, t := range tags {
			if t.Value != "" && strings.ToLower(t.Name) == name {
				return t.Value
			}
		}
	}
	return ""
}

func (v *View) deeds(r *Record) {
	v.FirstSeen, v.Changed = r.first.version.When(), r.changed.version.When()
	v.ChangedBy, v.ChangedVia, v.ChangedEventID, v.ChangedEventName = r.changed.actor, r.changed.via, r.changed.version.EventID, r.changed.eventName
	if r.Created() {
		v.Created = r.born.version.When()
		v.CreatedBy, v.CreatedVia, v.CreatedEventID, v.CreatedEventName = r.born.actor, r.born.via, r.born.version.EventID, r.born.eventName
	}
	if r.Gone() {
		v.Deleted = r.died.version.When()
		v.DeletedBy, v.DeletedVia, v.DeletedEventID, v.DeletedEventName = r.died.actor, r.died.via, r.died.version.EventID, r.died.eventName
	}
	for _, e := range r.events {
		v.EventIDs = append(v.EventIDs, e.EventID)
	}
}

// ChangeView is one row of the table `resource_changes`: what one event says, never an after-image.
type ChangeView struct {
	Key                              Key
	ARN                              string // best known on arrival
	AccountAlias                     string // from the accounts file
	Effect, State                    string // State "" is NULL
	Alive                            *bool  // nil: the change says nothing about it
	Version                          string
	Time                             time.Time
	EventID, EventName               string
	EventSource                      string
	Stale                            bool
	Actor                            Actor
	Set, Before, Tags                []Attr
	Unset, Untag                     []string
	TagsReplaced                     bool
	RelationsAdded, RelationsRemoved []Relation
}

// ChangeView puts a change and what Apply found into the form of a row. RelationsRemoved also lists the members that vanished
// because the change replaced them all, as known on arrival.
func (c *Catalogue) ChangeView(ch *Change, out Outcome) ChangeView {
	v := ChangeView{
		Key: ch.Key, ARN: out.ARN, AccountAlias: c.accounts.Look(ch.Key.Account).Alias, Effect: ch.Effect.String(), State: ch.State, Version: ch.Version.String(), Time: ch.Version.When(),
		EventID: ch.Version.EventID, EventName: ch.EventName, EventSource: ch.EventSource, Stale: out.Stale, Actor: ch.Actor,
		Set: ch.Set, Unset: ch.Unset, Before: out.Before, Tags: ch.Tags, Untag: ch.Untag, TagsReplaced: ch.ReplaceTags,
		RelationsAdded: ch.Add, RelationsRemoved: slices.Concat(ch.Remove, out.Replaced),
	}
	if v.ARN == "" {
		v.ARN = c.types[ch.Key.Type].arn(ch.Key, "")
	}
	if ch.Alive || ch.Effect == Delete {
		alive := ch.Alive
		v.Alive = &alive
	}
	return v
}
