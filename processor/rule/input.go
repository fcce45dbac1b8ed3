package rule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
)

// Input is what rules see of one event: the record, and what Cairn knows
// beside it. Only Event is required.
type Input struct {
	Event   *cloudtrail.Event
	Actor   identity.Actor
	Account Account
	// After and Before give the resources that the event touches, with the
	// event applied and without it. They are called at most once per event, and
	// only when a rule asks for resource.*; nil means that it touches none.
	After, Before func() []Resource
}

// Account is what the accounts file says about the account of an event.
type Account = account.Account

// Resource answers for the fields of one resource, by their paths in rules:
// resource.type, resource.tags.owner, change.effect. No values mean that the
// field is not known.
type Resource func(path string) []string

// view is what the atoms of one evaluation look at.
type view struct {
	*Input
	resources []Resource // of resource.*; all that the event touches, or the one that is judged
	known     bool       // resources is filled
}

// touched are the resources that resource.* speaks of.
func (v *view) touched() []Resource {
	if !v.known {
		v.known = true
		if v.After != nil {
			v.resources = v.After()
		}
	}
	return v.resources
}

// source is where the value of a path comes from.
type source uint8

const (
	fromRecord source = iota
	actorRoot
	actorRole
	actorSession
	actorComplete
	accountAlias
	accountOwner
	accountEnvironment
	eventOutcome
	fromResource
)

// derivedPaths are the fields that stand in no record, but for resource.* and
// change.*, which are open.
var derivedPaths = map[string]source{
	"actor.root": actorRoot, "actor.role": actorRole, "actor.session": actorSession, "actor.complete": actorComplete,
	"account.alias": accountAlias, "account.owner": accountOwner, "account.environment": accountEnvironment,
	"event.outcome": eventOutcome,
}

// outcomes are the two values of event.outcome: the call was refused or went
// wrong, or not.
const success, failure = "success", "failure"

// outcome tells how the call of an event ended. A failed sign-in has a message
// without a code.
func outcome(e *cloudtrail.Event) string {
	for _, f := range [...]cloudtrail.Field{cloudtrail.ErrorCode, cloudtrail.ErrorMessage} {
		if s, _ := e.Text(f); s != "" {
			return failure
		}
	}
	return success
}

// sourceOf tells where a path leads. known is false for a derived field that
// does not exist.
func sourceOf(path string) (from source, known bool) {
	if from, known = derivedPaths[path]; known {
		return from, true
	}
	first, rest, deep := strings.Cut(path, ".")
	if first == "resource" || first == "change" {
		return fromResource, deep && rest != ""
	}
	return fromRecord, first != "actor" && first != "account"
}

// derived calls yield for the values of a field that stands in no record,
// until one call returns false. An unknown one has no value.
func (p *member) derived(v *view, yield func(text string) bool) {
	switch p.from {
	case fromResource:
		for _, r := range v.touched() {
			for _, text := range r(p.text) {
				if !yield(text) {
					return
				}
			}
		}
	case actorComplete:
		if v.Actor.Complete {
			yield("true")
		} else {
			yield("false")
		}
	default:
		if text := p.fixed(v); text != "" {
			yield(text)
		}
	}
}

// fixed is the one value of a derived field; "" when it is not known.
func (p *member) fixed(v *view) string {
	switch p.from {
	case actorRoot:
		return v.Actor.Root
	case actorRole:
		return v.Actor.Role
	case actorSession:
		return v.Actor.Session
	case accountAlias:
		return v.Account.Alias
	case accountOwner:
		return v.Account.Owner
	case accountEnvironment:
		return v.Account.Environment
	case eventOutcome:
		return outcome(v.Event)
	}
	return ""
}

// Path is a field of an event, or one derived from it, out of which a rule
// takes a group, a value, or something to show.
type Path struct{ at member }

// newPath binds a path that is known to be well formed.
func newPath(text string) Path { return Path{bindPath(text)} }

// String is the path as the rule has it.
func (p Path) String() string { return p.at.text }

// Text is the first value of the field as text; false when the event has none.
func (p *Path) Text(in *Input) (text string, ok bool) {
	if p.at.scalar {
		if text, ok = in.Event.Text(p.at.field); ok {
			return text, true
		}
	}
	p.each(in, func(s string) bool {
		text, ok = s, true
		return false
	})
	return text, ok
}

// AppendTexts appends the different values of the field, in the order of the
// record, until dst holds limit more than before. A path through an array can
// have several.
func (p *Path) AppendTexts(dst []string, in *Input, limit int) []string {
	start := len(dst)
	p.each(in, func(s string) bool {
		for _, old := range dst[start:] {
			if old == s {
				return true
			}
		}
		dst = append(dst, s)
		return len(dst)-start < limit
	})
	return dst
}

func (p *Path) each(in *Input, yield func(text string) bool) {
	v := view{Input: in}
	scalars(&p.at, &v, func(text string, _ bool) bool { return yield(text) })
}

// scope is what the fields of a selection belong to.
type scope uint8

const (
	overEvents scope = iota
	overResources
	overAsset
)

// badPath says what is wrong with a path, "" if nothing is.
func badPath(path string, in scope) string {
	for step := range strings.SplitSeq(path, ".") {
		if step == "" || allDigits(step) {
			return "the path " + quote(path) + " has the step " + quote(step) + ": a path goes through arrays by itself, leave numbers and empty steps out"
		}
	}
	from, known := sourceOf(path)
	first, _, _ := strings.Cut(path, ".")
	switch {
	case !known && from == fromResource:
		return path + " is not a field: write resource.type, resource.encrypted or another field of a resource"
	case !known:
		return path + " is not known: derived fields are " + strings.Join(slices.Sorted(maps.Keys(derivedPaths)), ", ") + " and resource.*"
	case in == overAsset && first != "resource":
		return path + " is no field of a resource: in asset all fields begin with resource., as in resource.encrypted"
	case in == overResources && from != fromResource && first != "account":
		return path + " is no field of a resource: rules over resources take resource.*, change.* and account.*"
	case in == overEvents && first == "change":
		return path + " is for rules over resources: write logsource: {product: cairn, category: resource}"
	}
	return ""
}

func quote(s string) string { return strconv.Quote(s) }

// Shown is the value of the field as a finding shows it: the text of a scalar,
// the JSON of anything else; false when the event has none.
func (p *Path) Shown(in *Input) (string, bool) {
	if text, ok := p.Text(in); ok || p.at.from != fromRecord {
		return text, ok
	}
	v := in.Event.Tree()
	for _, step := range p.at.steps {
		if v = v.Get(step); v == nil {
			return "", false
		}
	}
	return string(v.Raw()), v.Kind() != 'n'
}
