package window

import "slices"

// Limits of one group.
const (
	maxEntries = 8192
	mergeParts = 2048 // a merged entry covers at most this part of timespan and lateness
)

// prune drops entries that no undecided window can hold. It moves memory only
// when at least half of the entries go.
func (g *group) prune() {
	n := 0
	if g.rule.spec.Shape == Sliding {
		n = g.index(g.settled - g.rule.keep + 1)
	} else { // what is settled is over
		n = g.index(g.settled)
	}
	if g.coarse != 0 && g.coarse < g.settled-g.rule.keep {
		g.coarse = 0
	}
	if g.sketch != nil {
		g.sketch.prune(g.settled - g.rule.keep)
	}
	if n > 0 && 2*n >= len(g.entries) {
		g.entries = slices.Delete(g.entries, 0, n)
		g.done.unshift(n)
		g.tail.unshift(n)
		g.weigh()
	}
	if g.rule.ordered() && g.rule.wait == 0 && (len(g.entries) > 2*g.kept+16 || g.newest < g.settled) {
		g.unchain()
	}
}

// unchain drops the settled steps of sequences that stand without the steps
// before them.
func (g *group) unchain() {
	drop := make([]bool, len(g.entries))
	settled := g.index(g.settled)
	for i := range settled {
		drop[i] = true
	}
	for _, c := range g.rule.clauses {
		g.chained(c, settled, drop)
	}
	kept := g.entries[:0]
	for i := range g.entries {
		if !drop[i] {
			kept = append(kept, g.entries[i])
		}
	}
	if len(kept) != len(g.entries) {
		clear(g.entries[len(kept):])
		g.entries = kept
		g.done.m, g.tail.m = nil, nil
		g.weigh()
	}
	g.kept = len(g.entries)
}

// chained keeps those of the first entries that could be a part of a chain.
func (g *group) chained(c clause, settled int, drop []bool) {
	var starts [MaxSteps]int64 // latest start of a chain up to each rule
	for lo, hi := 0, 0; lo < settled; lo = hi {
		sec := g.entries[lo].sec
		for hi = lo; hi < settled && g.entries[hi].sec == sec; hi++ {
		}
		begin, seen := sec, false // the rules in order, so that one second counts as in order
		for rule := range MaxSteps {
			if c.need>>rule&1 == 0 {
				continue
			}
			if !seen {
				starts[rule] = max(starts[rule], never)
			}
			for i := lo; i < hi; i++ {
				if g.entries[i].key>>rule&1 != 0 && (!seen || begin > sec-g.rule.span) {
					drop[i] = false
					if !seen {
						starts[rule] = sec
					} else {
						starts[rule] = max(starts[rule], begin)
					}
				}
			}
			begin, seen = starts[rule], true
		}
	}
}

// trim keeps a group within its limit, at the price of precision.
func (g *group) trim() {
	if len(g.entries) <= g.rule.maxEntries() {
		return
	}
	switch {
	case g.rule.spec.Type == ValueCount && g.rule.spec.lower():
		g.forget()
	case g.rule.spec.Type == ValueCount:
		g.toSketch()
	default:
		g.merge()
	}
	g.rule.counts.Coarsened++
	g.done.m, g.tail.m = nil, nil
	g.weigh()
}

// maxEntries is enough for a lower bound to be exact at the newest end point.
func (r *rule) maxEntries() int {
	if r.spec.Type == ValueCount && r.spec.lower() {
		return max(maxEntries, 4*int(r.spec.least()))
	}
	return maxEntries
}

// merge joins the oldest entries that lie close together.
func (g *group) merge() {
	width := max(1, (g.newest-g.entries[0].sec)/mergeParts)
	spare := len(g.entries) - g.rule.maxEntries()*3/4
	kept := g.entries[:0]
	for i := range g.entries {
		e := g.entries[i]
		if spare > 0 && g.mergeable(kept, &e, width) {
			last := slices.IndexFunc(kept[max(0, len(kept)-1):], func(k entry) bool { return k.key == e.key })
			if last >= 0 {
				kept[len(kept)-1].join(&e)
				g.coarse = max(g.coarse, e.sec)
				spare--
				continue
			}
		}
		kept = append(kept, e)
	}
	clear(g.entries[len(kept):])
	g.entries = kept
}

// mergeable says whether an entry lies in one part of the window with the last
// one kept, on the same side of what is settled.
func (g *group) mergeable(kept []entry, e *entry, width int64) bool {
	if len(kept) == 0 {
		return false
	}
	last := kept[len(kept)-1].sec
	return floorDiv(last, width) == floorDiv(e.sec, width) && (last < g.settled) == (e.sec < g.settled)
}

// join takes a later entry in. The sum of both lies at the later second.
func (e *entry) join(later *entry) {
	e.sec, e.n, e.sum, e.ctx = later.sec, e.n+later.n, e.sum.plus(later.sum), later.ctx
	for _, id := range later.ids {
		e.add(id, 2)
	}
}

// forget drops what a lower bound of a distinct count needs least: values that
// came again later, then the values that were seen longest ago.
func (g *group) forget() {
	limit := g.rule.maxEntries()
	seen := make(map[uint64]bool, len(g.entries))
	half := len(g.entries) / 2
	kept := make([]entry, 0, len(g.entries))
	for i := len(g.entries) - 1; i >= 0; i-- {
		e := g.entries[i]
		if i < half && seen[e.key] || len(kept) >= limit/2 && i < half {
			g.coarse = max(g.coarse, e.sec)
			continue
		}
		seen[e.key] = true
		kept = append(kept, e)
	}
	slices.Reverse(kept)
	g.entries = kept
}
