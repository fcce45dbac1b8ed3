package rule

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// Lint finds rules that load and can hardly fire: fields that no record has,
// values that a field never takes, groups that are mostly absent. What it knows
// of records is built in; events of a history teach it more. All it says are
// warnings.
type Lint struct {
	set     *Set
	matcher *Matcher
	events  int
	names   map[string]map[string]int    // eventSource to eventName, as written, to events
	shapes  map[string]map[string]*shape // folded eventName to path to what was seen there
	matches map[*Rule]int                // events that met a rule
	absent  map[*Rule]map[string]int     // of them, those without a path that groups need
	groups  map[*Rule][]Path             // paths that a rule's matches are grouped by
	users   map[*Rule]map[string][]*Rule // correlations that group by them
	removed []int                        // matches that each filter of the set took out
}

// shape is what values a path had.
type shape struct {
	events, numbers, addresses, texts int
	kinds                             kinds
}

// enough is the number of events of a name from which on an absent field says
// something.
const enough = 20

// NewLint prepares a look at a set.
func NewLint(set *Set) *Lint {
	l := &Lint{set: set, matcher: set.Matcher(), names: map[string]map[string]int{}, shapes: map[string]map[string]*shape{}, matches: map[*Rule]int{},
		absent: map[*Rule]map[string]int{}, groups: map[*Rule][]Path{}, users: map[*Rule]map[string][]*Rule{}, removed: make([]int, len(set.filters))}
	for _, r := range set.rules {
		for _, p := range r.Parts {
			for _, k := range p.Keys {
				l.group(p.Rule, k, r)
			}
		}
		for _, k := range r.Keys {
			l.group(r, k, r)
		}
	}
	return l
}

// group notes that the matches of a rule are grouped by a path, for a rule.
func (l *Lint) group(r *Rule, k Path, user *Rule) {
	if l.users[r] == nil {
		l.users[r], l.absent[r] = map[string][]*Rule{}, map[string]int{}
	}
	if l.users[r][k.String()] == nil {
		l.groups[r] = append(l.groups[r], k)
	}
	if !slices.Contains(l.users[r][k.String()], user) {
		l.users[r][k.String()] = append(l.users[r][k.String()], user)
	}
}

// Event learns from an event of a history.
func (l *Lint) Event(in *Input) {
	e := in.Event
	l.events++
	source, _ := e.Text(cloudtrail.EventSource)
	name, _ := e.Text(cloudtrail.EventName)
	if l.names[source] == nil {
		l.names[source] = map[string]int{}
	}
	l.names[source][name]++
	shapes := l.shapes[fold(name)]
	if shapes == nil {
		shapes = map[string]*shape{}
		l.shapes[fold(name)] = shapes
	}
	learn(shapes, "", e.Tree(), map[string]bool{})
	l.filter(in)
	for _, r := range l.matcher.Judge(in) {
		l.matches[r]++
		for _, k := range l.groups[r] {
			if _, ok := k.Text(in); !ok {
				l.absent[r][k.String()]++
			}
		}
	}
}

// learn notes the paths of a value, each once per event.
func learn(shapes map[string]*shape, path string, v *cloudtrail.Value, done map[string]bool) {
	switch v.Kind() {
	case '{':
		for name, member := range v.Members() {
			learn(shapes, strings.TrimPrefix(path+"."+name, "."), member, done)
		}
	case '[':
		for i := range v.Len() {
			learn(shapes, path, v.Index(i), done)
		}
	}
	if done[path] || path == "" {
		return
	}
	done[path] = true
	s := shapes[path]
	if s == nil {
		s = &shape{}
		shapes[path] = s
	}
	s.events++
	if text, ok := v.Text(); ok {
		s.texts++
		s.kinds |= kindOf(text)
		if _, err := netip.ParseAddr(text); err == nil {
			s.addresses++
		}
		if _, ok := parseDecimal(text); ok {
			s.numbers++
		}
	}
}

// Warnings are what there is to say, by rule: "file:line: kind: what".
func (l *Lint) Warnings() (out []string) {
	for _, r := range l.set.rules {
		var found []string
		if r.when != nil && !r.overResources {
			found = l.selection(r)
		}
		found = append(found, l.deadPaths(r)...)
		found = append(found, l.always(r)...)
		found = append(found, l.missing(r)...)
		slices.Sort(found)
		for _, text := range slices.Compact(found) {
			out = append(out, fmt.Sprintf("%s: %s", r.Origin, text))
		}
	}
	return append(out, l.idle()...)
}

func (l *Lint) always(r *Rule) []string {
	if l.events >= enough && l.matches[r] == l.events && r.Kind == KindMatch && !r.Silent {
		return []string{fmt.Sprintf("always: matches each of %d events: add what is unusual about those that shall be found", l.events)}
	}
	return nil
}

// missing tells of groups that most matches cannot be put into.
func (l *Lint) missing(part *Rule) (out []string) {
	for path, n := range l.absent[part] {
		if n*10 <= l.matches[part] || l.matches[part] < enough {
			continue
		}
		for _, r := range l.users[part][path] {
			out = append(out, fmt.Sprintf("group-missing: %s is absent in %d of %d matches, which are left out of %q: group by a field that all have, or demand it in the rule", path, n, l.matches[part], r.Title))
		}
	}
	return out
}

// selection looks at the tests of a rule.
func (l *Lint) selection(r *Rule) (out []string) {
	names, _ := r.when.required("eventName")
	seen, n := l.among(names)
	r.when.leaves(func(a *atom) {
		out = append(out, l.deadReference(a)...)
		switch {
		case a.path.keyword || a.path.from != fromRecord:
		case a.path.text == "eventName":
			out = append(out, l.deadNames(r, a)...)
		default:
			out = append(out, l.deadField(a)...)
			out = append(out, deadValues(a)...)
			out = append(out, clashes(a, seen)...)
		}
	})
	return append(out, unmet(r.when, seen, n)...)
}

// leaves calls yield for each atom of the tree.
func (x *expr) leaves(yield func(*atom)) {
	if x.op == opAtom {
		yield(x.atom)
		return
	}
	for _, k := range x.kids {
		k.leaves(yield)
	}
}

// among is what was seen in events of the names, and in how many.
func (l *Lint) among(names []string) (map[string]*shape, int) {
	all, n := map[string]*shape{}, 0
	for _, name := range names {
		for path, s := range l.shapes[name] {
			sum := all[path]
			if sum == nil {
				sum = &shape{}
				all[path] = sum
			}
			sum.events, sum.numbers, sum.addresses, sum.texts = sum.events+s.events, sum.numbers+s.numbers, sum.addresses+s.addresses, sum.texts+s.texts
			sum.kinds |= s.kinds
		}
	}
	for _, source := range l.names {
		for name, events := range source {
			if slices.Contains(names, fold(name)) {
				n += events
			}
		}
	}
	return all, n
}

// deadField tells of a path that leads nowhere.
func (l *Lint) deadField(a *atom) []string {
	if _, null := a.test.(isNull); null {
		return nil
	}
	return l.deadPath(&a.path, "")
}

// deadReference tells of a fieldref that leads nowhere.
func (l *Lint) deadReference(a *atom) []string {
	if t, ok := a.test.(*sameAs); ok {
		return l.deadPath(&t.other, "")
	}
	return nil
}

// deadPaths tells of the other paths of a rule that lead nowhere: what it
// groups, learns, holds back or shows by.
func (l *Lint) deadPaths(r *Rule) (out []string) {
	look := func(paths []Path, use string) {
		for i := range paths {
			out = append(out, l.deadPath(&paths[i].at, use)...)
		}
	}
	for _, p := range r.Parts {
		look(p.Keys, " (in group-by)")
		look(p.Value, " (in the condition)")
	}
	look(r.Keys, map[Kind]string{KindFirstSeen: " (in first_seen)", KindBaseline: " (in by)"}[r.Kind])
	if r.Value != nil {
		look([]Path{*r.Value}, " (in field)")
	}
	look(r.Suppress.By, " (in suppress)")
	look(r.shown, " (in fields)")
	return out
}

// deadPath tells of a path that no record has. Of what stands inside of
// requests and answers only a history can tell.
func (l *Lint) deadPath(p *member, use string) []string {
	open := p.within && p.blob != cloudtrail.UserIdentity && p.blob != cloudtrail.TLSDetails
	if p.keyword || p.from != fromRecord || recordField(p.text) || open || l.seenAnywhere(p.text) {
		return nil
	}
	return []string{fmt.Sprintf("dead-field: %s%s is no field of CloudTrail records%s", p.text, use, meantOr(p.text, recordFields(), "look its name up in a record, or take it out"))}
}

// unmet tells of parts of requests and answers that the events of a rule's
// names never have, if the rule cannot fire without them.
func unmet(when *expr, seen map[string]*shape, n int) (out []string) {
	if n < enough || possible(when, seen) {
		return nil
	}
	when.leaves(func(a *atom) {
		if a.dead(seen) {
			out = append(out, fmt.Sprintf("dead-field: %s stands in none of %d such events%s", a.path.text, n, meantOr(a.path.text, sortedPaths(seen), "look its name up in one of them")))
		}
	})
	return out
}

// dead tells whether an atom asks for a part that was never seen.
func (a *atom) dead(seen map[string]*shape) bool {
	switch t := a.test.(type) {
	case isNull:
		return false
	case keyExists:
		if !bool(t) {
			return false
		}
	}
	return a.path.within && !recordField(a.path.text) && seen[a.path.text] == nil
}

// possible tells whether a tree can hold when dead atoms never do.
func possible(x *expr, seen map[string]*shape) bool {
	switch x.op {
	case opAtom:
		return !x.atom.dead(seen)
	case opNot:
		return true
	case opAnd:
		return !slices.ContainsFunc(x.kids, func(k *expr) bool { return !possible(k, seen) })
	}
	return slices.ContainsFunc(x.kids, func(k *expr) bool { return possible(k, seen) })
}

func meant(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// meantOr is the known word that was meant, else what to do.
func meantOr(word string, known []string, advice string) string {
	return cmp.Or(meant(word, known), ": "+advice)
}

func sortedPaths(shapes map[string]*shape) []string {
	out := make([]string, 0, len(shapes))
	for path := range shapes {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

func (l *Lint) seenAnywhere(path string) bool {
	for _, shapes := range l.shapes {
		if shapes[path] != nil {
			return true
		}
	}
	return false
}

// recordField tells whether records have the field by their definition.
func recordField(path string) bool {
	if _, ok := cloudtrail.FieldByPath(path); ok {
		return true
	}
	for b := range cloudtrail.NumBlobs {
		if path == b.Path() {
			return true
		}
	}
	if path == "detail" || strings.HasPrefix(path, "detail.") {
		return true // of AWS Health
	}
	return slices.Contains([]string{"userIdentity.sessionContext", "userIdentity.sessionContext.sessionIssuer",
		"userIdentity.sessionContext.attributes", "userIdentity.sessionContext.webIdFederationData"}, path)
}

func recordFields() (out []string) {
	for f := range cloudtrail.NumFields {
		out = append(out, f.Path())
	}
	for b := range cloudtrail.NumBlobs {
		out = append(out, b.Path())
	}
	return out
}
