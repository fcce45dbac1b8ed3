package resource

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Type is what the catalogue knows about a kind of resource.
type Type struct {
	Name       string        // CloudFormation type name
	Source     string        // event source of the service that owns it
	Global     bool          // its keys have the region "global"
	Reused     bool          // its ids are names that can be given again after a delete
	Settle     time.Duration // how long after a create it is read as active
	Attributes []string      // the closed list, sorted; derived ones included

	prefix   string // of ids, "i-"; "" when they have none
	lower    bool   // ids are compared in lower case
	cut      string // the id ends before this text: a Lambda qualifier
	last     string // the id begins after the last of this text: an IAM path
	kinds    map[string]string
	derived  map[string]string // attribute to the name of its derivation
	template string            // of ARNs; for making one
	form     *regexp.Regexp    // for reducing one to its id; of `match` where ids live inside another's ARN
	ignore   []string          // ids that name AWS's own, not a resource of the account
	isARN    bool              // what form matches is an ARN of the resource itself
}

// noARN is the template of a type whose resources have no ARN.
const noARN = "none"

// identity is what an id in an event says.
type identity struct{ account, region, id, arn string }

var placeholders = strings.NewReplacer(
	regexp.QuoteMeta("{partition}"), "[^:]*", regexp.QuoteMeta("{region}"), "(?P<region>[^:]*)",
	regexp.QuoteMeta("{account}"), "(?P<account>[^:]*)", regexp.QuoteMeta("{id}"), "(?P<id>.+)", `\*`, "[^/:]+", `\?`, ".",
)

var accountForm = regexp.MustCompile(`^\d{12}:`)

// arnForm compiles a template: {partition}, {region}, {account}, {id}, * for one part between slashes, ? for one character.
// The part before {account} is optional, because Lambda takes "<account>:function:<name>" as well.
func arnForm(template string) *regexp.Regexp {
	quoted := placeholders.Replace(regexp.QuoteMeta(template))
	head, tail, partial := strings.Cut(quoted, "(?P<account>")
	if !partial {
		return regexp.MustCompile("^" + quoted + "$")
	}
	return regexp.MustCompile("^(?:" + head + ")?(?P<account>" + tail + "$")
}

// identify reduces what an event calls the resource (an id, a name, an ARN, part of one) to its id.
func (t *Type) identify(raw string) (found identity, ok bool) {
	found.id = raw
	if strings.HasPrefix(raw, "arn:") || strings.Contains(raw, ":") {
		if !t.match(raw, &found) && strings.HasPrefix(raw, "arn:") {
			return identity{}, false
		}
	}
	if i := strings.LastIndex(found.id, t.last); t.last != "" && i >= 0 {
		found.id = found.id[i+len(t.last):]
	}
	if t.cut != "" {
		found.id, _, _ = strings.Cut(found.id, t.cut)
	}
	if t.lower {
		found.id = strings.ToLower(found.id)
	}
	return found, found.id != "" && !slices.Contains(t.ignore, found.id)
}

func (t *Type) match(raw string, found *identity) bool {
	m := t.form.FindStringSubmatch(raw)
	if m == nil || !strings.HasPrefix(raw, "arn:") && !accountForm.MatchString(raw) {
		return false
	}
	for i, name := range t.form.SubexpNames() {
		switch name {
		case "id":
			found.id = m[i]
		case "account":
			found.account = m[i]
		case "region":
			found.region = m[i]
		}
	}
	if t.isARN && strings.HasPrefix(raw, "arn:") {
		found.arn = raw
		if t.cut != "" { // without the qualifier, which is not part of the resource
			id, _, _ := strings.Cut(found.id, t.cut)
			found.arn = strings.TrimSuffix(raw, found.id) + id
		}
	}
	return true
}

// arn makes the ARN of a key from the type's template; "" when the template has parts that only an event can show.
func (t *Type) arn(k Key, eventRegion string) string {
	if t == nil || t.template == noARN || strings.ContainsAny(t.template, "*?") {
		return ""
	}
	region := k.Region
	if t.Global {
		region = ""
	}
	id := k.ID
	if strings.Contains(t.template, "/{id}") {
		id = strings.TrimPrefix(id, "/") // a parameter's name may begin with the slash that its ARN holds anyway
	}
	var b strings.Builder
	b.Grow(len(t.template) + len(id))
	for rest, more := t.template, true; more; {
		var text, name string
		text, rest, more = strings.Cut(rest, "{")
		b.WriteString(text)
		name, rest, _ = strings.Cut(rest, "}")
		switch name {
		case "partition":
			b.WriteString(partition(cmp.Or(eventRegion, region)))
		case "region":
			b.WriteString(region)
		case "account":
			b.WriteString(k.Account)
		case "id":
			b.WriteString(id)
		}
	}
	return b.String()
}

// partition follows from the region, where no ARN shows it.
func partition(region string) string {
	for _, p := range [...][2]string{{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-isob-", "aws-iso-b"}, {"us-iso-", "aws-iso"}} {
		if strings.HasPrefix(region, p[0]) {
			return p[1]
		}
	}
	return "aws"
}

// states maps what services call a state to ours. A word that is not here says nothing about the state.
var states = map[string]string{
	"pending": StateCreating, "creating": StateCreating, "provisioning": StateCreating, "create_in_progress": StateCreating,
	"running": StateActive, "available": StateActive, "active": StateActive, "in-use": StateActive, "completed": StateActive,
	"enabled": StateActive, "modifying": StateActive, "updating": StateActive, "backing-up": StateActive, "rebooting": StateActive,
	"starting": StateActive, "upgrading": StateActive, "renaming": StateActive,
	"stopping": StateStopped, "stopped": StateStopped, "disabled": StateStopped, "pendingdeletion": StateStopped, "inactive": StateStopped,
	"shutting-down": StateDeleted, "terminated": StateDeleted, "deleting": StateDeleted, "deleted": StateDeleted,
	"unknown": StateUnknown,
}
