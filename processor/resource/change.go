package resource

import (
	"cmp"
	"slices"
	"strings"
)

// Key names a resource for as long as the state exists. Its text is the resource_key of the lake.
type Key struct {
	Account string // 12 digits: the owner's account
	Region  string // "global" for global services
	Type    string // CloudFormation type name, as AWS::EC2::Instance
	ID      string // what AWS uses to name it in calls
}

// String is "<account>/<region>/<type>/<id>". Only the id may hold a slash.
func (k Key) String() string { return k.Account + "/" + k.Region + "/" + k.Type + "/" + k.ID }

// IsZero reports whether k names nothing.
func (k Key) IsZero() bool { return k == Key{} }

// ParseKey undoes Key.String; ok is false when a part is missing.
func ParseKey(text string) (k Key, ok bool) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) != 4 || slices.Contains(parts, "") {
		return Key{}, false
	}
	return Key{parts[0], parts[1], parts[2], parts[3]}, true
}

// Effect says what kind of change an event makes.
type Effect uint8

// The effects. Create and Seed prove life and have rank 0, Delete has rank 2, the others 1.
const (
	Create Effect = iota + 1
	Update
	Delete
	Tag
	Untag
	Attach
	Detach
	Touch
	Seed
	Drift
)

var effectNames = [...]string{"", "create", "update", "delete", "tag", "untag", "attach", "detach", "touch", "seed", "drift"}

// String is the word of the column resource_changes.effect.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return ""
}

// ParseEffect undoes String.
func ParseEffect(word string) (Effect, bool) {
	i := slices.Index(effectNames[1:], word)
	return Effect(i + 1), i >= 0
}

// Rank is the effect's place inside one millisecond.
func (e Effect) Rank() Rank {
	switch e {
	case Create, Seed, Drift:
		return RankCreate
	case Delete:
		return RankDelete
	}
	return RankChange
}

// The states of a resource.
const (
	StateCreating = "creating"
	StateActive   = "active"
	StateStopped  = "stopped"
	StateDeleted  = "deleted"
	StateUnknown  = "unknown"
)

// Attr is a name with its value as text: an attribute, a tag, or a detail of a relation.
type Attr struct{ Name, Value string }

// Relation is one member of a resource's set of relations.
type Relation struct {
	Kind   string // in, uses, attached_to, member_of, allows, renamed_from, …
	Type   string // a resource type, or a word such as "rule" or "cidr" for what is no resource
	Key    string // the other resource's key; for other types the value itself
	Detail []Attr // small values such as a device name, sorted by name
}

func (r Relation) compare(s Relation) int {
	return cmp.Or(cmp.Compare(r.Kind, s.Kind), cmp.Compare(r.Type, s.Type), cmp.Compare(r.Key, s.Key))
}

// group is what a replacing relation clears: all members of one kind and type.
func (r Relation) group() string { return r.Kind + " " + r.Type }

// Actor is who did it. The caller resolves it (package identity) and hands it to Catalogue.Changes; this package only keeps it.
// It depends on what was known when the event was processed, so it takes part in the law only as a tie-break.
type Actor struct {
	Root    string // first principal
	Role    string // ARN of the role in use
	Session string // its session name
	Via     string // the service that acted for the actor; "" when none did. Changes fills it from the event where it is empty
}

// Change is what one event does to one resource. Only the named parts change; the rest of the resource is left alone.
type Change struct {
	Key     Key
	Effect  Effect
	Version Version
	// Alive is true when the change proves that the resource exists after it, as creates and seeds do, and for types whose
	// names can be used again every change but a delete. A delete has Alive false and Effect Delete; else false says nothing.
	Alive bool

	EventName, EventSource string
	Actor                  Actor

	ARN         string // as the event shows it; "" when it does not
	State       string // one of the State constants, or "" when the event does not say
	Set         []Attr // sorted by name
	Unset       []string
	Tags        []Attr // sorted by key
	Untag       []string
	ReplaceTags bool // all tags older than this change are gone
	Add, Remove []Relation
	Replace     []string // "<kind> <type>": all members of it older than this change are gone

	// Unresolved is the name that no index knew, when the id is only a name (a security group or an address): the change then
	// stands under a key made of that name. "" when the id is certain.
	Unresolved string
}

func sortAttrs(attrs []Attr) []Attr {
	slices.SortStableFunc(attrs, func(a, b Attr) int { return cmp.Compare(a.Name, b.Name) })
	return attrs
}
