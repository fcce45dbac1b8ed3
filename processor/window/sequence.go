package window

import "slices"

// sequence looks for the rules of a clause in their listed order, within the
// timespan. Matches in one second count as in order; an event fills one step.
// Its value is 1 when a chain is in the window, else 0.
//
// Per step it keeps the latest start of a chain that has come so far: of two
// chains the one that began later is never worse.
type sequence struct {
	group  *group
	ways   []steps
	second []*pending // entries of the newest second, taken in when it is over
	sec    int64
}

// steps are the chains of one clause.
type steps struct {
	clause
	rules  []int   // that it needs, in listed order
	starts []int64 // per step, up to the second before the newest one
	now    []int64 // the same with the newest second
}

// pending is what one entry offers to the steps of its second.
type pending struct {
	key uint64
	n   int64
}

func newSequence(g *group, clauses []clause) *sequence {
	m := &sequence{group: g, sec: never}
	for _, c := range clauses {
		w := steps{clause: c}
		for i := range MaxSteps {
			if c.need>>i&1 != 0 {
				w.rules = append(w.rules, i)
				w.starts = append(w.starts, never)
			}
		}
		w.now = slices.Clone(w.starts)
		m.ways = append(m.ways, w)
	}
	return m
}

func (m *sequence) enter(e *entry) { m.more(e, e.n, num{}) }

func (m *sequence) more(e *entry, n int64, _ num) {
	if e.sec != m.sec {
		for i := range m.ways {
			copy(m.ways[i].starts, m.ways[i].now)
		}
		m.sec, m.second = e.sec, m.second[:0]
	}
	i := slices.IndexFunc(m.second, func(p *pending) bool { return p.key == e.key })
	if i < 0 {
		i, m.second = len(m.second), append(m.second, &pending{key: e.key})
	}
	m.second[i].n += n
	for i := range m.ways {
		m.ways[i].fill(m)
	}
}

// leave has nothing to do: a chain whose start left the window is seen by its start.
func (m *sequence) leave(*entry) {}

func (m *sequence) value(end int64) float64 {
	return truth(m.start() > end-m.group.rule.span)
}

// start is the second in which the latest complete chain began.
func (m *sequence) start() int64 {
	start := int64(never)
	for _, w := range m.ways {
		start = max(start, w.now[len(w.now)-1])
	}
	return start
}

// fill takes the newest second into the chains: from each step that was reached
// before it, as many steps further as different events of the second allow.
func (w *steps) fill(m *sequence) {
	copy(w.now, w.starts)
	oldest := m.sec - m.group.rule.span
	for from := range w.rules {
		start := m.sec
		if from > 0 {
			start = w.starts[from-1]
		}
		if start <= oldest {
			continue
		}
		for i, reach := from, w.reach(m, from); i < reach; i++ {
			w.now[i] = max(w.now[i], start)
		}
	}
}

// reach returns the step up to which the events of the newest second fill all
// steps from the given one, each by an event of its own.
func (w *steps) reach(m *sequence, from int) int {
	taken := make([][]int, len(m.second)) // steps that each entry fills
	for step := from; step < len(w.rules); step++ {
		if !w.valid(m, step) || !w.assign(m, taken, step, make([]bool, len(m.second))) {
			return step
		}
	}
	return len(w.rules)
}

// assign finds an event for a step; events that fill another step may move on
// to a different one (an augmenting path).
func (w *steps) assign(m *sequence, taken [][]int, step int, seen []bool) bool {
	for i, p := range m.second {
		if p.key>>w.rules[step]&1 == 0 || seen[i] {
			continue
		}
		seen[i] = true
		if int64(len(taken[i])) < p.n {
			taken[i] = append(taken[i], step)
			return true
		}
		for j, other := range taken[i] {
			if w.assign(m, taken, other, seen) {
				taken[i][j] = step
				return true
			}
		}
	}
	return false
}

// valid says whether no denied rule stands in the way of filling a step in the
// newest second: those listed behind the step, up to the next one, must not
// match within the timespan after it; those before the first step not within
// the timespan before.
func (w *steps) valid(m *sequence, step int) bool {
	if w.deny == 0 {
		return true
	}
	next := MaxSteps
	if step+1 < len(w.rules) {
		next = w.rules[step+1]
	}
	span := m.group.rule.span
	behind := w.deny & between(w.rules[step], next)
	if behind != 0 && m.group.has(behind, m.sec, m.sec+span) {
		return false
	}
	before := w.deny & between(-1, w.rules[0])
	return step > 0 || before == 0 || !m.group.has(before, m.sec-span+1, m.sec+1)
}

// between is the set of rules with an index above one and below another.
func between(above, below int) uint32 {
	return uint32((uint64(1)<<below - 1) &^ (uint64(1)<<(above+1) - 1))
}
