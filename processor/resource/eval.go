package resource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// item is one value of an expression: a JSON value of the event, or a text made from some.
type item struct {
	value *cloudtrail.Value
	made  string
}

func (it item) text() string {
	if it.value == nil {
		return it.made
	}
	t, _ := it.value.Text()
	return t
}

// absent: nothing, null, and the empty text, which some services write where they mean nothing.
func (it item) absent() bool {
	if it.value == nil {
		return it.made == ""
	}
	switch it.value.Kind() {
	case 0, 'n':
		return true
	case '"':
		return it.text() == ""
	}
	return false
}

// scope is what an expression can see.
type scope struct {
	event   *cloudtrail.Event
	names   Names
	at      Version
	item    item // what `.` means; nothing outside of `each`
	kind    *Type
	account string
	region  string
	unknown string // a name that the index did not know
}

// eval returns the values of x that are not absent, in the order of the event.
func (x *expr) eval(s *scope) []item {
	switch x.op {
	case opConstant:
		return []item{{made: x.text}}
	case opFirst:
		for _, arg := range x.args {
			if items := arg.eval(s); len(items) > 0 {
				return items
			}
		}
		return nil
	case opJoin:
		return x.join(s)
	case opCall:
		return x.call(s)
	}
	return x.path(s)
}

// join joins the first value of each part with a slash; when one is absent there is nothing.
func (x *expr) join(s *scope) []item {
	parts := make([]string, 0, len(x.args))
	for _, arg := range x.args {
		t := arg.first(s)
		if t == "" {
			return nil
		}
		parts = append(parts, t)
	}
	return []item{{made: strings.Join(parts, "/")}}
}

// first is the first value as text, "" when there is none.
func (x *expr) first(s *scope) string {
	if x == nil {
		return ""
	}
	for _, it := range x.eval(s) {
		if t := it.text(); t != "" {
			return t
		}
	}
	return ""
}

func (x *expr) texts(s *scope) (texts []string) {
	if x == nil {
		return nil
	}
	for _, it := range x.eval(s) {
		if t := it.text(); t != "" {
			texts = append(texts, t)
		}
	}
	return texts
}

var blobsOfRoots = [...]cloudtrail.Blob{
	rootRequest: cloudtrail.RequestParameters, rootResponse: cloudtrail.ResponseElements, rootAdditional: cloudtrail.AdditionalEventData,
	rootService: cloudtrail.ServiceEventDetails, rootIdentity: cloudtrail.UserIdentity,
}

func (x *expr) path(s *scope) []item {
	var start item
	switch x.root {
	case rootItem:
		start = s.item
	case rootResources:
		return resourceARNs(s.event, x.text)
	case rootAccount:
		start.made = s.account
	case rootRegion:
		start.made, _ = s.event.Text(cloudtrail.AWSRegion)
	case rootCaller:
		start.made = caller(s.event)
	default:
		start.value = s.event.BlobTree(blobsOfRoots[x.root])
	}
	return walk(nil, start, x.steps)
}

// walk follows the steps and appends what is there. Where members are meant, an object or a lone value is a list of one.
func walk(found []item, from item, steps []step) []item {
	for i, st := range steps {
		if from.value == nil {
			return found
		}
		from = item{value: from.value.Get(st.name)}
		if !st.each {
			continue
		}
		if from.value.Kind() != '[' {
			if from.value.Kind() == '{' && from.value.Len() == 0 {
				return found
			}
			continue
		}
		for member := range from.value.Items() {
			found = walk(found, item{value: member}, steps[i+1:])
		}
		return found
	}
	if from.absent() {
		return found
	}
	return append(found, from)
}

// caller is the user name of an IAM user who called; "" for everyone else. IAM calls without a user name mean the caller.
func caller(e *cloudtrail.Event) string {
	if kind, _ := e.Text(cloudtrail.IdentityType); kind != "IAMUser" {
		return ""
	}
	name, _ := e.Text(cloudtrail.IdentityUserName)
	return name
}

// resourceARNs are the ARNs of one type in the record's own list of resources.
func resourceARNs(e *cloudtrail.Event, kind string) (found []item) {
	for r := range listed(e, kind) {
		if arn := walk(nil, item{value: r}, []step{{name: "ARN"}}); len(arn) > 0 {
			found = append(found, arn[0])
		}
	}
	return found
}

func listed(e *cloudtrail.Event, kind string) func(yield func(*cloudtrail.Value) bool) {
	return func(yield func(*cloudtrail.Value) bool) {
		for r := range e.BlobTree(cloudtrail.Resources).Items() {
			if t, _ := r.Get("type").Text(); t == kind && !yield(r) {
				return
			}
		}
	}
}

func (x *expr) call(s *scope) (made []item) {
	switch x.text {
	case "name":
		return x.name(s)
	case "member":
		return x.member(s)
	}
	items := x.args[0].eval(s)
	if x.text == "keys" {
		return memberNames(items)
	}
	for _, it := range items {
		if t := x.apply(it, s); t != "" {
			made = append(made, item{made: t})
		}
	}
	return made
}

// apply is the function of one value to one text; "" is absent.
func (x *expr) apply(it item, s *scope) string {
	t := it.text()
	switch x.text {
	case "lower":
		return strings.ToLower(t)
	case "last":
		return t[strings.LastIndex(t, x.args[1].first(s))+1:]
	case "arn":
		if strings.HasPrefix(t, "arn:") {
			return t
		}
	case "bool":
		return boolean(t)
	case "digest":
		return digest(it)
	case "policy_public":
		return policyPublic(it)
	}
	return ""
}

// name asks the index which id a name had at the time of the event. A name that nobody taught stands for itself, and the
// change says so.
func (x *expr) name(s *scope) []item {
	name := x.args[0].first(s)
	if name == "" {
		return nil
	}
	if id, ok := s.names.Lookup(nameKind(s.kind), nameScope(s, ""), name, s.at); ok {
		return []item{{made: id}}
	}
	s.unknown = name
	return []item{{made: name}}
}

// member asks the index to which resource an attachment, association or internal id belongs.
func (x *expr) member(s *scope) []item {
	part := x.args[0].first(s)
	if part == "" {
		return nil
	}
	if id, ok := s.names.Lookup(memberKind(s.kind), s.account+"/"+s.region, part, s.at); ok {
		return []item{{made: id}}
	}
	return nil
}

func nameKind(t *Type) string   { return "name " + t.Name }
func memberKind(t *Type) string { return "member " + t.Name }

// nameScope is where a name is unique: account, region, and the VPC or "default".
func nameScope(s *scope, vpc string) string {
	return s.account + "/" + s.region + "/" + cmp.Or(vpc, "default")
}

func memberNames(items []item) (names []item) {
	for _, it := range items {
		for name := range it.value.Members() {
			names = append(names, item{made: name})
		}
	}
	slices.SortFunc(names, func(a, b item) int { return strings.Compare(a.made, b.made) })
	return names
}
