package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// maxListTests bounds the values of a list that have to be held against an
// event one by one: those with wildcards, and all behind modifiers such as
// contains. Plain values and networks are looked up, however many there are.
const maxListTests = 1000

// listTest holds for what is in a list. It also tells which entry it was.
type listTest struct {
	list     *list
	cased    bool
	plain    map[string]int32  // folded unless cased
	numbers  map[decimal]int32 // the same, for JSON numbers
	networks *networks
	others   []listedTest
}

// listedTest is an entry that needs a test of its own.
type listedTest struct {
	test
	entry int32
}

// none is the entry of what is not in a list.
const none int32 = -1

func (t *listTest) scalar(text string, number bool) bool { return t.find(text, number) != none }

// find is the entry that a text meets, the first of the file if it is plain.
func (t *listTest) find(text string, number bool) int32 {
	if i, ok := t.lookPlain(text, number); ok {
		return i
	}
	if t.networks != nil {
		if i, ok := t.networks.find(text); ok {
			return i
		}
	}
	for _, o := range t.others {
		if o.scalar(text, number) {
			return o.entry
		}
	}
	return none
}

func (t *listTest) lookPlain(text string, number bool) (entry int32, ok bool) {
	if len(t.plain) == 0 {
		return none, false
	}
	if t.cased {
		entry, ok = t.plain[text]
		return entry, ok
	}
	if number {
		if d, reads := parseDecimal(text); reads {
			if entry, ok = t.numbers[d]; ok {
				return entry, ok
			}
		}
	}
	return lookFolded(t.plain, text)
}

// lookFolded looks text up among folded ones. Short ASCII is folded in place, so
// that nothing is allocated.
func lookFolded[V any](m map[string]V, text string) (v V, ok bool) {
	var buf [64]byte
	if len(text) > len(buf) || !ascii(text) {
		v, ok = m[fold(text)]
		return v, ok
	}
	for i := range len(text) {
		buf[i] = byte(lower(rune(text[i])))
	}
	v, ok = m[string(buf[:len(text)])]
	return v, ok
}

// searches and search are those of the entries that look into objects.
func (t *listTest) searches() bool {
	return slices.ContainsFunc(t.others, func(o listedTest) bool { return searches(o.test) })
}

func (t *listTest) search(text string) bool { return t.findIn(text) != none }

// findIn is the entry that the JSON of an object meets.
func (t *listTest) findIn(text string) int32 {
	for _, o := range t.others {
		if searches(o.test) && o.scalar(text, false) {
			return o.entry
		}
	}
	return none
}

// lookup compiles a test for what is in a list. Its place in the version of the
// rule is the list's name, not what stands in it: a rule keeps what it has
// learned when a list changes, and findings say which content they were judged
// by.
func (d *detection) lookup(p member, m modifiers, v *node, l *list) *expr {
	t := d.listTest(m, v, l)
	x := leaf(p, t, "list\x00"+m.String()+"\x00"+l.name+"\x00"+l.hash)
	x.atom.canon = p.text + "\x00list\x00" + m.String() + "\x00" + l.name
	return x
}

// listTest is compiled once for all rules that ask with the same modifiers.
func (d *detection) listTest(m modifiers, v *node, l *list) *listTest {
	if t := l.tests[m.String()]; t != nil {
		return t
	}
	t := &listTest{list: l, cased: m.cased, plain: map[string]int32{}, numbers: map[decimal]int32{}}
	c := &detection{file: l.file, scope: d.scope}
	for i := range l.entries {
		t.add(c, m, &l.entries[i], int32(i))
	}
	d.took(c.problems)
	if n := len(t.others); n > maxListTests {
		d.fail(v, "the list %s has %d values that are held against each event one by one (with wildcards, or behind a modifier), at most %d are taken: write networks with |cidr, or plain values",
			l.name, n, maxListTests)
	}
	if l.tests == nil {
		l.tests = map[string]*listTest{}
	}
	l.tests[m.String()] = t
	return t
}

// took tells of the mistakes in a list, of many the first.
func (d *detection) took(problems []error) {
	const most = 5
	d.problems = append(d.problems, problems[:min(len(problems), most)]...)
	if n := len(problems) - most; n > 0 {
		d.problems = append(d.problems, fmt.Errorf("%w (and %d more mistakes in this list)", problems[most], n-1))
	}
}

// add compiles one entry.
func (t *listTest) add(c *detection, m modifiers, e *listEntry, i int32) {
	at := &node{Text: e.value, Line: e.line, Col: 1}
	if m.compare == "cidr" {
		if prefix, ok := c.prefix(at); ok {
			if t.networks == nil {
				t.networks = newNetworks()
			}
			t.networks.add(prefix, i)
		}
		return
	}
	if m.compare == "" && m.encode == "" && m.text == "" {
		if text, plain := newPattern(unescape(e.value), m.cased).literal(); plain {
			t.addPlain(text, i)
			return
		}
	}
	c.value(member{}, m, at).leaves(func(a *atom) { t.others = append(t.others, listedTest{a.test, i}) })
}

func (t *listTest) addPlain(text string, i int32) {
	if _, twice := t.plain[text]; twice {
		return
	}
	t.plain[text] = i
	if n, ok := parseDecimal(text); ok {
		t.numbers[n] = i
	}
}

// String names the modifiers, in one order.
func (m modifiers) String() string {
	words := []string{m.compare, m.text, m.encode, m.flags}
	for _, flag := range []struct {
		set  bool
		word string
	}{{m.all, "all"}, {m.cased, "cased"}} { // neq is a "not" around the test
		if flag.set {
			words = append(words, flag.word)
		}
	}
	return strings.Join(words, "|")
}

// ListUse is a list that a rule is judged by.
type ListUse struct {
	Name string
	Hash string // 12 hex digits of the SHA-256 of its file
}

// Lists are those that a rule asks, by name; those of a correlation's parts are
// its own.
func (r *Rule) Lists() []ListUse { return r.lists }

// findLookups finds the tests of a rule against lists.
func (r *Rule) findLookups() {
	take := func(a *atom) {
		if t, ok := a.test.(*listTest); ok {
			r.lookups = append(r.lookups, a)
			r.lists = append(r.lists, ListUse{t.list.name, t.list.hash})
		}
	}
	for _, x := range []*expr{r.when, r.raise} {
		if x != nil {
			x.leaves(take)
		}
	}
	r.sortLists()
}

// inheritLists gives a correlation the lists of its parts.
func (r *Rule) inheritLists() {
	for _, p := range r.Parts {
		p.Rule.inheritLists()
		r.lists = append(r.lists, p.Rule.lists...)
	}
	r.sortLists()
}

func (r *Rule) sortLists() {
	slices.SortFunc(r.lists, func(a, b ListUse) int { return strings.Compare(a.Name+a.Hash, b.Name+b.Hash) })
	r.lists = slices.Compact(r.lists)
}

// Listed gives yield what lists say of an event: for each that has one of its
// values the entry, as list.<name>.match, and what stands beside it, as
// list.<name>.<column>.
func (r *Rule) Listed(in *Input, yield func(name, value string)) {
	if len(r.lookups) == 0 {
		return
	}
	v := view{Input: in}
	done := map[string]bool{}
	for _, a := range r.lookups {
		t := a.test.(*listTest)
		if done[t.list.name] {
			continue
		}
		if i := a.entry(&v, t); i != none {
			done[t.list.name] = true
			t.list.tell(i, yield)
		}
	}
}

// entry is the first entry that a value at the path meets.
func (a *atom) entry(v *view, t *listTest) int32 {
	found := none
	scalars(&a.path, v, func(text string, number bool) bool {
		found = t.find(text, number)
		return found == none
	})
	if found != none || a.path.from != fromRecord || !t.searches() {
		return found
	}
	a.path.each(v.Event, func(value *cloudtrail.Value) bool {
		if value.Kind() == '{' {
			compact, opened := texts(value)
			if found = t.findIn(compact); found == none && opened != "" {
				found = t.findIn(opened)
			}
		}
		return found == none
	})
	return found
}

func (l *list) tell(i int32, yield func(name, value string)) {
	e := &l.entries[i]
	yield("list."+l.name+".match", e.value)
	for n, text := range e.beside {
		if text != "" {
			yield("list."+l.name+"."+l.columns[n], text)
		}
	}
}

// listed describes the lists that the rules of a set ask.
func (s *Set) listed() (out []string) {
	for _, r := range s.rules {
		for _, a := range r.lookups {
			l := a.test.(*listTest).list
			out = append(out, fmt.Sprintf("%s (%s): %d values, %s", l.name, l.file, len(l.entries), l.hash))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
