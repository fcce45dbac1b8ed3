package window

import (
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// maxValues is how many groups one event can be in.
const maxValues = 16

// match is the way of an event into one correlation, whose rules it met at the
// given steps.
func (e *Engine) match(r *rule, steps []member, ev *Event) {
	r.counts.Matches++
	sec := floorSecond(ev.Time)
	if sec < e.closeOf(r) {
		r.counts.Late++
		return
	}
	h := e.borrow()
	defer e.giveBack()
	*h = hit{sec: sec, ev: ev, id: ev.ownID()}
	if !r.read(h, steps) {
		r.counts.NoValue++
		return
	}
	if r.spec.Shape == Tumbling {
		h.sec, _ = r.calendar.window(sec)
	}
	if r.atClose {
		h.ctx = r.context(ev)
	}
	if values, ok := e.single(r, ev, steps); ok {
		if g := e.group(r, ev, values); g != nil {
			e.take(g, h)
		}
		return
	}
	for _, values := range r.groupsOf(ev, steps) {
		if g := e.group(r, ev, values); g != nil {
			e.take(g, h)
		}
	}
}

// borrow gives a hit for the match in hand, which may bring others about before
// it gives it back.
func (e *Engine) borrow() *hit {
	if e.lent++; e.lent > len(e.lend) {
		e.lend = append(e.lend, &hit{})
	}
	return e.lend[e.lent-1]
}

func (e *Engine) giveBack() { e.lent-- }

// single are the values of the grouping fields in the usual case that each has
// one. They are valid until the next call.
func (e *Engine) single(r *rule, ev *Event, steps []member) ([]string, bool) {
	e.values = e.values[:0]
	for _, paths := range r.paths {
		path := paths[steps[0].step]
		for _, m := range steps[1:] {
			if paths[m.step] != path {
				return nil, false
			}
		}
		if ev.Values != nil {
			if all := ev.Values(path); len(all) == 1 {
				e.values = append(e.values, all[0])
				continue
			}
			return nil, false
		}
		v, ok := ev.Field(path)
		if !ok {
			return nil, false
		}
		e.values = append(e.values, v)
	}
	return e.values, true
}

// read takes from an event what the type of the correlation looks at.
func (r *rule) read(h *hit, steps []member) bool {
	s := r.spec
	switch s.Type {
	case Temporal, TemporalOrdered, Absence:
		for _, m := range steps {
			h.key |= 1 << m.step
		}
	case ValueCount:
		return r.readTuple(h)
	case ValueSum, ValueAvg, ValuePercentile:
		text, ok := h.ev.Field(s.Condition.Fields[0])
		if !ok || text == "" {
			return false
		}
		if h.sum, ok = parseNum(text); ok && s.Type == ValuePercentile {
			h.key, h.sum = bin(h.sum.float()), num{}
		}
		// A sum that fires on arrival must not fall again.
		return ok && (r.atClose || h.sum.hi >= 0)
	}
	return true
}

// readTuple hashes the values of the fields, each with its length, so that no
// two tuples run into each other.
func (r *rule) readTuple(h *hit) bool {
	var buf [256]byte
	text := buf[:0]
	for _, path := range r.spec.Condition.Fields {
		v, ok := h.ev.Field(path)
		if !ok {
			return false
		}
		text = append(text, byte(len(v)), byte(len(v)>>8), byte(len(v)>>16))
		text = append(text, v...)
	}
	h.key = xxhash.Sum64(text)
	return true
}

// groupsOf are the values of the grouping fields: usually one list, several
// when a path leads through an array.
func (r *rule) groupsOf(ev *Event, steps []member) [][]string {
	if len(r.paths) == 0 {
		return [][]string{nil}
	}
	lists := [][]string{make([]string, 0, len(r.paths))}
	for _, paths := range r.paths {
		values := r.valuesOf(ev, paths[steps[0].step])
		for _, m := range steps[1:] {
			if p := paths[m.step]; p != paths[steps[0].step] {
				values = append(values, r.valuesOf(ev, p)...)
			}
		}
		if len(values) == 0 {
			r.counts.NoGroup++
			return nil
		}
		lists = combine(lists, values)
	}
	return lists
}

func (r *rule) valuesOf(ev *Event, path string) []string {
	if ev.Values != nil {
		return slices.Clip(ev.Values(path))
	}
	if v, ok := ev.Field(path); ok {
		return []string{v}
	}
	return nil
}

// combine appends each value to each list, up to maxValues lists.
func combine(lists [][]string, values []string) (out [][]string) {
	if len(values) == 1 {
		for i := range lists {
			lists[i] = append(lists[i], values[0])
		}
		return lists
	}
	for _, list := range lists {
		for i, v := range values {
			if len(out) < maxValues && !slices.Contains(values[:i], v) {
				out = append(out, append(slices.Clip(slices.Clone(list)), v))
			}
		}
	}
	return out
}

// take adds a match to its group and fires what can be decided at once.
func (e *Engine) take(g *group, h *hit) {
	r := g.rule
	if now := e.closeOf(r); g.calm() && now > g.settled {
		g.leap(now)
		g.prune()
	}
	if g.sketch != nil {
		g.sketch.add(h.sec, h.key)
		plain := *h
		plain.key, h = 0, &plain
	}
	newest := g.newest
	at, added := g.insert(h)
	switch {
	case r.atClose:
	case r.spec.Shape == Tumbling:
		e.tumble(g, h, at, added)
	case g.tail.m == nil:
		e.scan(g, h)
	case h.sec >= newest:
		e.follow(g, h, at, added)
	default:
		e.late(g, h, at, added)
	}
	g.trim()
	e.touched(g)
}

// late takes in an event that is older than the newest one.
func (e *Engine) late(g *group, h *hit, at int, added bool) {
	c := &g.tail
	inside := g.on && g.said && h.sec >= g.since
	if inside && g.lone(at) && !g.holdsAt(at) {
		inside = false // it parts the run
	}
	if g.rule.ordered() || g.rule.spec.Shape == Session || !inside && g.possible(at) {
		e.scan(g, h)
		return
	}
	if h.sec >= c.from(g.rule) {
		c.add(g, h, at, added)
	}
	switch {
	case inside:
		e.count(g, h)
	case g.lone(at) && g.entries[at+1].sec == c.end:
		g.before = stretch{} // the end point before the newest is a new one, and false
	}
}

// possible says whether a window that holds an entry could meet the condition:
// all that could share a window with it is taken together. It stops as soon as
// it is so.
func (g *group) possible(at int) bool {
	r, sec := g.rule, g.entries[at].sec
	if r.spec.Type == ValueCount { // each entry is a value
		return r.holds(float64(g.index(sec+r.span) - g.index(sec-r.span+1)))
	}
	var all reach
	for i := at; i >= 0 && g.entries[i].sec > sec-r.span; i-- {
		if all.add(r, &g.entries[i]) {
			return true
		}
	}
	for i := at + 1; i < len(g.entries) && g.entries[i].sec < sec+r.span; i++ {
		if all.add(r, &g.entries[i]) {
			return true
		}
	}
	return false
}

// lone says whether an entry is the only one of its second, and of one event:
// then its end point is new.
func (g *group) lone(at int) bool {
	sec := g.entries[at].sec
	return g.entries[at].n == 1 && (at == 0 || g.entries[at-1].sec != sec) && (at+1 == len(g.entries) || g.entries[at+1].sec != sec)
}

// holdsAt says whether the condition holds at the end point of an entry, the
// only one of its second.
func (g *group) holdsAt(at int) bool {
	r, sec := g.rule, g.entries[at].sec
	lo := at
	m := r.measure(g)
	for ; lo >= 0 && g.entries[lo].sec > sec-r.span; lo-- {
		m.enter(&g.entries[lo])
		if r.holds(m.value(sec)) {
			return true
		}
	}
	return false
}

// reach is an upper limit of what a measure could come to.
type reach struct {
	n     int64
	sum   num
	rules uint32
}

// add takes an entry in and says whether the condition could hold now.
func (u *reach) add(r *rule, e *entry) bool {
	u.n, u.sum, u.rules = u.n+e.n, u.sum.plus(e.sum), u.rules|uint32(e.key)
	switch r.spec.Type {
	case EventCount:
		return r.holds(float64(u.n))
	case ValueSum:
		return r.holds(u.sum.float())
	}
	if len(r.clauses) == 0 {
		return r.holds(float64(bits.OnesCount32(u.rules)))
	}
	return slices.ContainsFunc(r.clauses, func(c clause) bool { return c.need&^u.rules == 0 })
}

// ordered says whether the order of events counts.
func (r *rule) ordered() bool { return r.spec.Type == TemporalOrdered || r.spec.Type == Absence }

// follow moves the window on to an event that is the newest.
func (e *Engine) follow(g *group, h *hit, at int, added bool) {
	c := &g.tail
	if h.sec > c.end || c.end == never {
		if c.to(g, h.sec) {
			g.on = false
		}
		g.before = g.stretch
	} else {
		c.add(g, h, at, added)
	}
	e.judge(g, h)
}

// add puts an event into a window that reaches beyond it.
func (c *cursor) add(g *group, h *hit, at int, added bool) {
	c.n++
	if added {
		if at >= c.hi { // in the second of the end point
			c.hi++
		}
		c.m.enter(&g.entries[at])
	} else {
		c.m.more(&g.entries[at], 1, h.sum)
	}
}

// judge looks at the newest end point and fires if the condition came true.
func (e *Engine) judge(g *group, h *hit) {
	if !g.holds(&g.tail) {
		g.on = false // so far: more may come in this second
		return
	}
	if !g.on {
		if g.stretch = g.before; !g.on {
			g.stretch = stretch{on: true, said: g.announcedAt(g.tail.end), since: g.tail.end}
		}
	}
	g.hot = max(g.hot, g.tail.end)
	if !g.said {
		g.said = true
		e.announce(g, &g.tail, h)
		return
	}
	e.count(g, h)
}

// tumble judges the window of an event.
func (e *Engine) tumble(g *group, h *hit, at int, added bool) {
	c := &g.tail
	if c.m != nil && c.end == h.sec {
		c.add(g, h, at, added)
	} else {
		g.locate(h.sec)
	}
	if !g.holds(c) {
		return
	}
	g.hot = max(g.hot, h.sec)
	if g.announcedAt(h.sec) {
		e.count(g, h)
		return
	}
	e.announce(g, c, h)
}

// locate places the tail on one tumbling window.
func (g *group) locate(from int64) {
	lo := g.index(from)
	g.tail = cursor{m: g.rule.measure(g), lo: lo, hi: lo, end: never}
	g.tail.to(g, from)
}
