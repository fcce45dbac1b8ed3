package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
)

// Set is all rules of a process, compiled into one matcher. It does not change
// and may be shared.
type Set struct {
	rules  []*Rule
	exprs  []*expr // of the rules, with atoms shared; nil for correlations
	raise  []*expr // what raises a rule's level; nil for most
	atoms  []*atom
	byName map[string][]int32 // folded eventName to the rules that need it
	bySrc  map[string][]int32 // folded eventSource to the rules that need it and no name
	fields []fieldIndex       // to rules that need neither, but another field
	other  []int32            // all others
	state  []int32            // rules over resources
	actors bool               // some rule asks for the actor
	hash   string

	filters []filterUse // for Lint
}

// newSet indexes rules, which are sorted by id.
func newSet(rules []*Rule, report *Report) *Set {
	s := &Set{rules: rules, byName: map[string][]int32{}, bySrc: map[string][]int32{}}
	slots := map[string]int{}
	sum := sha256.New()
	s.exprs, s.raise = make([]*expr, len(rules)), make([]*expr, len(rules))
	for i, r := range rules {
		r.place = i
		r.findLookups()
		fmt.Fprintf(sum, "%s\x00%s\x00%s\x00%s\x00%t\x00%t\x00%s\x00%v\n", r.ID, r.Version, r.Level, r.Suppress, r.Staged, r.Silent, r.raiseText(), r.lists)
		if r.raise != nil {
			s.raise[i] = s.share(r.raise, slots)
		}
		if r.when != nil {
			s.exprs[i] = s.share(r.when, slots)
			s.enter(r, int32(i), report)
		}
	}
	for _, r := range rules {
		r.inheritLists()
	}
	for _, a := range s.atoms {
		s.actors = s.actors || a.path.from >= actorRoot && a.path.from <= actorComplete
	}
	s.hash = hex.EncodeToString(sum.Sum(nil)[:16])
	report.count(rules)
	report.Lists = s.listed()
	return s
}

// enter puts a rule where events, or resources, lead to it.
func (s *Set) enter(r *Rule, n int32, report *Report) {
	if r.overResources {
		s.state = append(s.state, n)
		return
	}
	if names, ok := r.when.required("eventName"); ok {
		index(s.byName, names, n)
	} else if sources, ok := r.when.required("eventSource"); ok {
		index(s.bySrc, sources, n)
	} else if !s.enterField(r.when, n) {
		s.other = append(s.other, n)
		report.Slow = append(report.Slow, r.Title+" ("+r.Origin.String()+")")
	}
}

func index(m map[string][]int32, words []string, rule int32) {
	slices.Sort(words)
	for _, w := range slices.Compact(words) {
		m[w] = append(m[w], rule)
	}
}

// share copies a tree so that equal atoms are one.
func (s *Set) share(x *expr, slots map[string]int) *expr {
	if x.op == opAtom {
		slot, known := slots[x.atom.id]
		if !known {
			slot = len(s.atoms)
			slots[x.atom.id] = slot
			s.atoms = append(s.atoms, x.atom)
		}
		return &expr{op: opAtom, atom: s.atoms[slot], slot: slot}
	}
	out := &expr{op: x.op, kids: make([]*expr, len(x.kids))}
	for i, k := range x.kids {
		out.kids[i] = s.share(k, slots)
	}
	return out
}

// Rules are the rules of the set, by id.
func (s *Set) Rules() []*Rule { return s.rules }

// Hash identifies what the set finds: its rules, their versions and levels, and
// what is held back or only tried.
func (s *Set) Hash() string { return s.hash }

// Matcher evaluates a set. It is the scratch of one goroutine.
type Matcher struct {
	set        *Set
	alone      Input       // of Match and JudgeResource
	single     [1]Resource // of JudgeResource
	view       view
	known      []uint32 // per atom: generation of its answer, and the answer in the lowest bit
	generation uint32
	candidates []int32
	matched    []*Rule
	found      []*Rule
	word       [64]byte
	ask        func(*expr) bool
}

// Matcher makes a matcher of the set.
func (s *Set) Matcher() *Matcher {
	m := &Matcher{set: s, known: make([]uint32, len(s.atoms))}
	m.ask = m.answer
	return m
}

// Match returns the rules that find something in this event alone, by id. The
// slice is valid until the next call.
func (m *Matcher) Match(e *cloudtrail.Event) []*Rule {
	m.alone = Input{Event: e}
	if m.set.actors {
		m.alone.Actor = identity.Resolve(e)
	}
	m.found = m.found[:0]
	for _, r := range m.Judge(&m.alone) {
		if r.Kind == KindMatch && !r.Silent {
			m.found = append(m.found, r)
		}
	}
	return m.found
}

// Judge returns all rules whose selection an event meets, by id: those that
// find something in it alone, and those that feed windows, baselines and
// first-seen stores. The slice is valid until the next call; until then Raised
// answers for this event.
func (m *Matcher) Judge(in *Input) []*Rule {
	m.matched = m.matched[:0]
	e := in.Event
	name, _ := e.Text(cloudtrail.EventName)
	source, _ := e.Text(cloudtrail.EventSource)
	m.candidates = append(m.candidates[:0], m.look(m.set.byName, name)...)
	m.candidates = append(m.candidates, m.look(m.set.bySrc, source)...)
	m.candidates = append(m.candidates, m.set.other...)
	for i := range m.set.fields {
		m.byField(&m.set.fields[i], e)
	}
	if e.FieldKind(cloudtrail.EventName) == '[' || e.FieldKind(cloudtrail.EventSource) == '[' {
		m.everyRule() // an array matches by any member, which the index does not see
	}
	if len(m.candidates) == 0 {
		return nil
	}
	slices.Sort(m.candidates)
	m.candidates = slices.Compact(m.candidates)
	m.begin(view{Input: in})
	for _, i := range m.candidates {
		if r := m.set.rules[i]; m.set.exprs[i].eval(m.ask) && m.asset(r) {
			m.matched = append(m.matched, r)
		}
	}
	return m.matched
}

// Level is the level of a rule that Judge or JudgeResource returned, for what
// it was asked about: one higher if the rule says so.
func (m *Matcher) Level(r *Rule) Level {
	if m.Raised(r) {
		return min(r.Level+1, Critical)
	}
	return r.Level
}

// Raised tells whether what raises a rule's level holds for what was judged
// last.
func (m *Matcher) Raised(r *Rule) bool {
	x := m.set.raise[r.place]
	return x != nil && x.eval(m.ask)
}

// everyRule makes candidates of all rules.
func (m *Matcher) everyRule() {
	m.candidates = m.candidates[:0]
	for i, r := range m.set.rules {
		if r.when != nil && !r.overResources {
			m.candidates = append(m.candidates, int32(i))
		}
	}
}

// look finds the rules of a word. Names of calls are short ASCII; they are
// folded in place, so that a look-up allocates nothing.
func (m *Matcher) look(index map[string][]int32, word string) []int32 {
	if len(word) > len(m.word) || !ascii(word) {
		return index[fold(word)]
	}
	buf := m.word[:len(word)]
	for i := range buf {
		c := word[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return index[string(buf)]
}

// begin forgets the answers for the last event.
func (m *Matcher) begin(v view) {
	m.view = v
	if m.generation++; m.generation == 1<<31 {
		clear(m.known)
		m.generation = 1
	}
}

// answer evaluates an atom, at most once per event.
func (m *Matcher) answer(x *expr) bool {
	if k := m.known[x.slot]; k>>1 == m.generation {
		return k&1 == 1
	}
	k := m.generation << 1
	holds := x.atom.holds(&m.view)
	if holds {
		k |= 1
	}
	m.known[x.slot] = k
	return holds
}
