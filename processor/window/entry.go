package window

import (
	"cmp"
	"slices"
)

// entry is what is known of the events of a group in one second (of a tumbling
// window: in the window that begins then) with one key.
type entry struct {
	sec  int64
	key  uint64 // hash of the value, bin of the number, set of the rules, or 0
	n    int64
	sum  num
	ids  []stamp // the first and the last of them
	sure bool    // its end point is known to be true, though values were dropped
	ctx  string  // of the last of them, for what is decided at the close
}

// stamp is an event's id with its time in milliseconds, by which ids are ordered.
type stamp struct {
	ms int64
	id string
}

func compareStamps(a, b stamp) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), cmp.Compare(a.id, b.id))
}

// Numbers of event ids that are kept.
const (
	keepIDs = 5   // first and last ones, of an entry and of a window
	sparse  = 512 // a group with more entries keeps one id for each further entry
	stepIDs = 3   // newest ones per step of a sequence
)

func compareEntries(e entry, h *hit) int {
	return cmp.Or(cmp.Compare(e.sec, h.sec), cmp.Compare(e.key, h.key))
}

// hit is a match on its way into a group.
type hit struct {
	sec int64 // of the entry
	key uint64
	sum num
	ev  *Event
	id  string // of the event; a copy that outlives its buffer
	ctx string
}

// insert adds a match to the entries and returns the place of its entry.
func (g *group) insert(h *hit) (at int, added bool) {
	at = len(g.entries)
	if at > 0 && compareEntries(g.entries[at-1], h) >= 0 {
		at, added = slices.BinarySearchFunc(g.entries, h, compareEntries)
		added = !added
	} else {
		added = true
	}
	if added {
		g.entries = slices.Insert(g.entries, at, entry{sec: h.sec, key: h.key})
		g.done.shift(g.rule, at, h.sec)
		g.tail.shift(g.rule, at, h.sec)
	}
	e := &g.entries[at]
	known := len(e.ids)
	e.n++
	e.sum = e.sum.plus(h.sum)
	limit := 2 * keepIDs
	if len(g.entries) > sparse {
		limit = 1
	}
	id := stamp{h.ev.Time.UnixMilli(), h.id}
	if e.add(id, limit); g.rule.atClose && e.ids[len(e.ids)-1] == id {
		e.ctx = h.ctx
		if at > 0 && g.entries[at-1].ctx == h.ctx {
			e.ctx = g.entries[at-1].ctx // one copy of what is the same
		}
	}
	g.grow(sizeID * int64(len(e.ids)-known))
	if added {
		g.grow(sizeEntry)
	}
	g.newest = max(g.newest, h.sec)
	return at, added
}

// add keeps the first and the last ids of an entry, in order.
func (e *entry) add(id stamp, limit int) {
	i, found := slices.BinarySearchFunc(e.ids, id, compareStamps)
	if found {
		return
	}
	if e.ids = slices.Insert(e.ids, i, id); len(e.ids) > limit {
		e.ids = slices.Delete(e.ids, limit/2, limit/2+1)
	}
}

// index is the first entry at or after a second.
func (g *group) index(sec int64) int {
	lo, hi := 0, len(g.entries)
	if hi > 0 && g.entries[hi-1].sec < sec {
		return hi // often
	}
	for lo < hi {
		if mid := (lo + hi) / 2; g.entries[mid].sec < sec {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// has says whether a rule of the set matched in [from, to).
func (g *group) has(rules uint32, from, to int64) bool {
	for i := g.index(from); i < len(g.entries) && g.entries[i].sec < to; i++ {
		if uint32(g.entries[i].key)&rules != 0 {
			return true
		}
	}
	return false
}

// cursor is a window on its way through the entries of a group: it holds
// entries[lo:hi].
type cursor struct {
	m      measure // nil: not placed
	lo, hi int
	n      int64 // events in the window
	end    int64 // the end point
	start  int64 // of the session
}

// from is the first second of the window.
func (c *cursor) from(r *rule) int64 {
	switch r.spec.Shape {
	case Tumbling:
		return c.end
	case Session:
		return c.start
	}
	return c.end - r.span + 1
}

// shift makes room for an entry that was put in at a place. An entry that lies
// in the window has to be added to the measure as well.
func (c *cursor) shift(r *rule, at int, sec int64) {
	switch {
	case c.m == nil:
	case at < c.lo || at == c.lo && sec < c.from(r):
		c.lo++
		c.hi++
	case at < c.hi:
		c.hi++
	}
}

// unshift follows the loss of the oldest entries. Those that are still in the
// window are in no window that matters, and the cursor has to be placed anew.
func (c *cursor) unshift(n int) {
	if c.lo < n {
		c.m = nil
	}
	c.lo, c.hi = c.lo-n, c.hi-n
}

// place puts the cursor before the first end point that is not settled.
func (c *cursor) place(g *group) {
	*c = cursor{m: g.rule.measure(g), end: never, start: never}
	i := g.index(g.settled)
	switch {
	case g.rule.spec.Shape != Sliding:
		c.lo, c.hi = i, i
	case i > 0:
		c.end = g.entries[i-1].sec
	case g.run.open:
		c.end = g.run.last
	}
}

// to moves the window on to an end point, whose entries are in g. It says
// whether the window was empty at some second since the last end point.
func (c *cursor) to(g *group, end int64) (fresh bool) {
	switch g.rule.spec.Shape {
	case Sliding:
		fresh = end-c.end > g.rule.span
	case Tumbling:
		fresh = true
	case Session:
		if fresh = end-c.end >= g.rule.gap || end-c.start >= g.rule.span; fresh {
			c.start = end
		}
	}
	c.end = end
	from := c.from(g.rule)
	for ; c.hi < len(g.entries) && g.entries[c.hi].sec <= end; c.hi++ {
		c.m.enter(&g.entries[c.hi])
		c.n += g.entries[c.hi].n
	}
	for ; c.lo < c.hi && g.entries[c.lo].sec < from; c.lo++ {
		c.m.leave(&g.entries[c.lo])
		c.n -= g.entries[c.lo].n
	}
	return fresh
}

// holds says whether the condition holds at the end point of a cursor.
func (g *group) holds(c *cursor) bool {
	return g.rule.holds(c.m.value(c.end)) || c.hi > c.lo && g.entries[c.hi-1].sure && g.entries[c.hi-1].sec == c.end
}

// first is the first second that counts for a finding: that of the window, or
// of the chain.
func (c *cursor) first(r *rule) int64 {
	if m, ok := c.m.(*sequence); ok {
		return max(m.start(), c.from(r))
	}
	return c.from(r)
}

// samples are the first and the last ids of the entries [lo, hi), in order.
func (g *group) samples(lo, hi int) (first, last []string) {
	var ids []stamp
	for i := lo; i < hi && (len(ids) < keepIDs || g.entries[i].sec == g.entries[i-1].sec); i++ {
		ids = append(ids, g.entries[i].ids...)
	}
	first = texts(ids, 0, keepIDs)
	ids = ids[:0]
	for i := hi - 1; i >= lo && (len(ids) < keepIDs || g.entries[i].sec == g.entries[i+1].sec); i-- {
		ids = append(ids, g.entries[i].ids...)
	}
	return first, texts(ids, max(0, len(ids)-keepIDs), len(ids))
}

// extent is the time of the first and of the last event of the entries [lo, hi),
// as far as their ids are kept, in milliseconds; 0 without any.
func (g *group) extent(lo, hi int) (first, last int64) {
	if lo >= hi {
		return 0, 0
	}
	first, last = g.entries[lo].ids[0].ms, never
	for i := lo; i < hi && g.entries[i].sec == g.entries[lo].sec; i++ {
		first = min(first, g.entries[i].ids[0].ms)
	}
	for i := hi - 1; i >= lo && g.entries[i].sec == g.entries[hi-1].sec; i-- {
		ids := g.entries[i].ids
		last = max(last, ids[len(ids)-1].ms)
	}
	return first, last
}

// texts are some of the ids, in order.
func texts(ids []stamp, from, to int) []string {
	slices.SortFunc(ids, compareStamps)
	out := make([]string, 0, keepIDs)
	for _, id := range ids[from:min(to, len(ids))] {
		out = append(out, id.id)
	}
	return out
}
