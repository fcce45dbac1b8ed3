package resource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// maxText bounds one copied value, in bytes. Values are ids, names and words; what is longer is described, not needed in full.
const maxText = 1024

// Effects is what an event does to the inventory.
type Effects struct {
	Changes []Change  // in the order of the event
	Learned []Learned // names that the event teaches; keep them before the next event
	// Unidentified is 1 when the catalogue has the event and no entry found an id in it: calls that reach CloudTrail without
	// parameters, and attachments that nobody taught.
	Unidentified int
}

// Changes says what the event changes. For an event without effect it costs one map look-up and allocates nothing. names
// answers the look-ups of names; nil answers none. The result does not alias the event.
//
// An unknown name becomes the id of a resource of its own at once, and the change says so (Change.Unresolved); waiting for the
// create that would teach it is left to the caller.
func (c *Catalogue) Changes(e *cloudtrail.Event, actor Actor, names Names) Effects {
	if code, _ := e.Text(cloudtrail.ErrorCode); code != "" {
		return Effects{}
	}
	source, _ := e.Text(cloudtrail.EventSource)
	name, _ := e.Text(cloudtrail.EventName)
	entries := c.find(call{source, name})
	if len(entries) == 0 {
		return Effects{}
	}
	if readOnly, _ := e.Text(cloudtrail.ReadOnly); readOnly == "true" {
		return Effects{}
	}
	if done, _ := e.BlobTree(cloudtrail.ResponseElements).Get("_return").Text(); done == "false" {
		return Effects{}
	}
	if names == nil {
		names = MapNames(nil)
	}
	r := run{catalogue: c, event: e, names: names, name: strings.Clone(name), source: strings.Clone(source), id: strings.Clone(e.ID)}
	r.actor = r.cloneActor(actor)
	r.region, _ = e.Text(cloudtrail.AWSRegion)
	met := false
	for _, en := range entries {
		met = r.entry(en) || met
	}
	if !met {
		r.out.Unidentified = 1
	}
	return r.out
}

// run is the work on one event.
type run struct {
	catalogue        *Catalogue
	event            *cloudtrail.Event
	names            Names
	name, source, id string
	region           string
	actor            Actor
	out              Effects
}

// console is in invokedBy when a person uses the AWS console, which is no service acting on its own.
const console = "signin.amazonaws.com"

func (r *run) cloneActor(a Actor) Actor {
	if by, _ := r.event.Text(cloudtrail.IdentityInvokedBy); a.Via == "" && by != console {
		a.Via = by
	}
	return Actor{strings.Clone(a.Root), strings.Clone(a.Role), strings.Clone(a.Session), strings.Clone(a.Via)}
}

// entry applies one row of the catalogue. It reports whether the row understood the event: it found an id, or its condition
// says that there is nothing to do.
func (r *run) entry(en *entry) (met bool) {
	s := &scope{event: r.event, names: r.names, kind: en.kind, account: r.event.Account(), region: r.region}
	s.at = Version{r.event.Time.UnixMilli(), en.effect.Rank(), r.id}
	if en.kind != nil && en.kind.Global {
		s.region = "global"
	}
	members := []item{{}}
	if en.each != nil {
		members = en.each.eval(s)
	}
	failed := en.minus.texts(s)
	for _, m := range members {
		s.item = m
		if en.when != nil && !en.when.holds(s) || en.unless != nil && en.unless.holds(s) {
			met = true
			continue
		}
		s.unknown = ""
		for _, id := range en.ids(s) {
			met = true
			if !slices.Contains(failed, id) {
				r.change(en, s, id)
			}
		}
	}
	return met
}

// ids: with `each` a member has one id; without it the path may yield many.
func (en *entry) ids(s *scope) []string {
	if en.each == nil {
		return en.id.texts(s)
	}
	if id := en.id.first(s); id != "" {
		return []string{id}
	}
	return nil
}

func (r *run) change(en *entry, s *scope, raw string) {
	kind, found, ok := r.identify(en, raw)
	if !ok {
		return
	}
	key, ok := r.key(kind, found)
	if !ok {
		return
	}
	inner := *s
	inner.kind = kind
	c := Change{Key: key, Effect: en.effect, Version: s.at, EventName: r.name, EventSource: r.source, Actor: r.actor, Unresolved: bound(s.unknown)}
	c.Alive = en.effect == Create || kind.Reused && en.effect != Delete
	c.ARN = bound(cmp.Or(found.arn, en.arn.first(&inner)))
	c.fill(en, &inner)
	r.teach(en, &inner, key)
	if to := en.rename.first(&inner); to != "" {
		r.rename(c, kind, to)
		return
	}
	r.out.Changes = append(r.out.Changes, c)
}

func (r *run) identify(en *entry, raw string) (*Type, identity, bool) {
	switch en.by {
	case "arn":
		kind, found := r.catalogue.byARN(r.source, raw)
		return kind, found, kind != nil
	case "prefix":
		kind := r.catalogue.byPrefix(raw)
		return kind, identity{id: raw}, kind != nil
	}
	found, ok := en.kind.identify(raw)
	return en.kind, found, ok
}

// key is the owner's key; false when the recipient of the event does not own the resource. The owner is the account of the ARN,
// else that of the record's list of resources, else the recipient.
func (r *run) key(kind *Type, found identity) (Key, bool) {
	recipient := r.event.Account()
	owner := found.account
	if owner == "" {
		owner = listedOwner(r.event, kind.Name)
	}
	owner = cmp.Or(owner, recipient)
	if owner == "" || recipient != "" && owner != recipient {
		return Key{}, false
	}
	region := cmp.Or(found.region, r.region)
	if kind.Global {
		region = "global"
	}
	if region == "" {
		return Key{}, false
	}
	return Key{strings.Clone(owner), strings.Clone(region), kind.Name, bound(found.id)}, true
}

func listedOwner(e *cloudtrail.Event, kind string) string {
	for res := range listed(e, kind) {
		if account, _ := res.Get("accountId").Text(); account != "" {
			return account
		}
	}
	return ""
}

// rename ends the old key and lets the new one live, linked to each other.
func (r *run) rename(c Change, kind *Type, to string) {
	found, ok := kind.identify(to)
	if !ok || found.id == c.Key.ID {
		r.out.Changes = append(r.out.Changes, c)
		return
	}
	old := c
	c.Key.ID, c.ARN, c.Alive = bound(found.id), "", true
	c.Add = append(slices.Clone(c.Add), Relation{Kind: "renamed_from", Type: kind.Name, Key: old.Key.String()})
	gone := Change{
		Key: old.Key, Effect: Delete, State: StateDeleted, EventName: old.EventName, EventSource: old.EventSource, Actor: old.Actor,
		Version: Version{old.Version.Time, Delete.Rank(), old.Version.EventID},
		Add:     []Relation{{Kind: "renamed_to", Type: kind.Name, Key: c.Key.String()}},
	}
	r.out.Changes = append(r.out.Changes, gone, c)
}

func (r *run) teach(en *entry, s *scope, key Key) {
	for _, l := range en.learn {
		members := []item{s.item}
		if l.each != nil {
			members = l.each.eval(s)
		}
		for _, m := range members {
			inner := *s
			inner.item, inner.kind = m, l.kind
			r.lesson(en, l, &inner, key, bound(l.vpc.first(s)))
		}
	}
}

func (r *run) lesson(en *entry, l lesson, s *scope, key Key, vpc string) {
	id := key.ID
	if l.id != nil {
		id = bound(l.id.first(s))
	}
	scope := key.Account + "/" + key.Region
	kind, text := memberKind(l.kind), bound(l.member.first(s))
	if l.name != nil {
		kind, text, scope = nameKind(l.kind), bound(l.name.first(s)), scope+"/"+cmp.Or(vpc, "default")
	}
	if id == "" || text == "" {
		return
	}
	r.out.Learned = append(r.out.Learned, Learned{
		Kind: kind, Scope: scope, Name: text, ID: id, Version: s.at, Made: en.effect == Create && l.id == nil,
		Unresolved: Key{key.Account, key.Region, l.kind.Name, text},
	})
}
