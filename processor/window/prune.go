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
	n := g.dead()
	if g.coarse != 0 && g.coarse < g.settled-g.rule.keep {
		g.coarse = 0
	}
	if g.sketch != nil {
		g.sketch.prune(g.settled - g.rule.keep)
	}
	if 2*n >= len(g.entries) {
		g.cut(n)
	}
	if g.rule.ordered() && g.rule.wait == 0 && (len(g.entries) > 2*g.kept+16 || g.newest < g.settled) {
		g.unchain()
	}
}

// dead is the number of entries that no undecided window can hold.
func (g *group) dead() int {
	if g.rule.spec.Shape == Sliding {
		return g.index(g.settled - g.rule.keep + 1)
	}
	return g.index(g.settled) // what is settled is over
}

// unchain drops the settled steps of sequences before which no first step is.
func (g *group) unchain() {
	var begin uint64
	for _, c := range g.rule.clauses {
		begin |= uint64(c.need & -c.need)
	}
	n, settled := 0, g.index(g.settled)
	for n < settled && g.entries[n].key&begin == 0 {
		n++
	}
	// A first step may be listed behind others of its second.
	for n > 0 && n < len(g.entries) && g.entries[n-1].sec == g.entries[n].sec {
		n--
	}
	g.cut(n)
	g.kept = len(g.entries)
}

// cut drops the first entries.
func (g *group) cut(n int) {
	if n == 0 {
		return
	}
	g.entries = slices.Delete(g.entries, 0, n)
	g.done.unshift(n)
	g.tail.unshift(n)
	g.weigh()
}

// trim keeps a group within its limit, at the price of precision.
func (g *group) trim() {
	if len(g.entries) <= g.rule.maxEntries() {
		return
	}
	if g.cut(g.dead()); len(g.entries) <= g.rule.maxEntries() {
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

// maxEntries is the limit of a group: of values twice as much as of seconds, and
// enough for a lower bound to be exact at the newest end point.
func (r *rule) maxEntries() int {
	switch {
	case r.spec.Type != ValueCount:
		return maxEntries
	case r.spec.lower():
		return max(2*maxEntries, 4*int(r.spec.least()))
	}
	return 2 * maxEntries
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
