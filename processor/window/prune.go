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
	if g.rule.ordered() && !g.rule.denies && (len(g.entries) > 2*g.kept+16 || g.newest < g.settled) {
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
	if len(g.entries) <= g.rule.limit {
		return
	}
	if g.cut(g.dead()); len(g.entries) <= g.rule.limit {
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

// limitOf is how many entries a group may have: of values twice as many as of
// seconds, and enough for a lower bound to be exact at the newest end point.
func limitOf(s *Spec) int {
	switch {
	case s.Type != ValueCount:
		return maxEntries
	case s.lower():
		return max(2*maxEntries, 4*int(s.least()))
	}
	return 2 * maxEntries
}

// merge joins the oldest entries that lie close together and have one key. What
// happened counts as of the later second, so a condition with a lower bound can
// only come true by it.
func (g *group) merge() {
	width := max(1, (g.newest-g.entries[0].sec)/mergeParts)
	spare := len(g.entries) - g.rule.limit*3/4
	kept := g.entries[:0]
	for i := range g.entries {
		e := g.entries[i]
		if n := len(kept) - 1; spare > 0 && n >= 0 && kept[n].key == e.key && g.joinable(kept[n].sec, e.sec, width) {
			e.absorb(&kept[n])
			kept[n] = e
			g.coarse = max(g.coarse, e.sec)
			spare--
			continue
		}
		kept = append(kept, e)
	}
	clear(g.entries[len(kept):])
	g.entries = kept
}

// forget drops what a lower bound of a distinct count needs least: values that
// came again later, then those that were seen longest ago. What is left of a
// window at the newest end point is exact up to far beyond the bound. All
// events stay counted, and end points that are known to be true stay so.
func (g *group) forget() {
	g.assure()
	limit := g.rule.limit
	width := max(1, 4*(g.newest-g.entries[0].sec)/int64(limit))
	seen := make(map[uint64]bool, len(g.entries))
	kept := make([]entry, 0, limit)
	at := -1 // in kept, of the entry that the rest of this part of time goes to
	for i := len(g.entries) - 1; i >= 0; i-- {
		e := &g.entries[i]
		switch newest := !seen[e.key] && len(seen) < limit/2; {
		case newest:
			seen[e.key] = true
			kept = append(kept, *e)
			if at < 0 || kept[at].sec != e.sec {
				at = len(kept) - 1
			}
		case at >= 0 && g.joinable(e.sec, kept[at].sec, width):
			kept[at].absorb(e)
			g.coarse = max(g.coarse, e.sec)
		default: // the end point stays
			kept = append(kept, *e)
			at = len(kept) - 1
		}
	}
	slices.Reverse(kept)
	g.entries = kept
}

// joinable says whether what happened in one second may count as of a later
// one: both lie in one part of time, on one side of what is settled, and
// nothing was announced for the former.
func (g *group) joinable(sec, later, width int64) bool {
	return sec == later || floorDiv(sec, width) == floorDiv(later, width) && (sec < g.settled) == (later < g.settled) && !g.announcedAt(sec)
}

// absorb takes an earlier entry in, but for its key.
func (e *entry) absorb(earlier *entry) {
	e.n, e.sum, e.sure = e.n+earlier.n, e.sum.plus(earlier.sum), e.sure || earlier.sure
	for _, id := range earlier.ids {
		e.add(id, 2)
	}
}

// assure marks the end points that are not settled and known to be true.
func (g *group) assure() {
	var c cursor
	c.place(g)
	for i := g.index(g.settled); i < len(g.entries); i = c.hi {
		c.to(g, g.entries[i].sec)
		sure := g.holds(&c)
		for ; sure && i < c.hi; i++ {
			g.entries[i].sure = true
		}
	}
}
