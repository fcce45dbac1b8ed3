package window

import (
	"cmp"
	"slices"
)

// calm says that no end point that is not settled is known to be true, so that
// there is nothing to settle. A session is settled as a whole.
func (g *group) calm() bool {
	r := g.rule
	return !r.atClose && r.spec.Shape != Session && !g.run.open && len(g.announced) == 0 && g.hot < g.settled
}

// leap settles what lies before the close without a look.
func (g *group) leap(now int64) {
	if g.rule.spec.Shape == Tumbling {
		now, _ = g.rule.calendar.window(now)
	}
	g.settled, g.done.m = max(g.settled, now), nil
}

// settle decides, in order of time, all end points that the close has passed.
// What it finds depends on the events alone and not on their order.
func (e *Engine) settle(g *group) {
	now := e.closeOf(g.rule)
	if g.calm() {
		g.leap(now)
		return
	}
	switch g.rule.spec.Shape {
	case Sliding:
		e.settleSliding(g, now-g.rule.wait)
	case Tumbling:
		e.settleTumbling(g, now)
	case Session:
		e.settleSessions(g, now)
	}
	if x := &g.run; x.open && x.falseAt > 0 && g.settled > x.falseAt+g.rule.hold {
		e.finish(g, x.falseAt+g.rule.hold)
	}
	e.void(g)
	if g.rule.hold > 0 && !g.rule.atClose {
		g.done.m = nil // not needed for a while
	}
}

func (e *Engine) settleSliding(g *group, limit int64) {
	c := g.resume()
	for i := g.index(g.settled); i < len(g.entries) && g.entries[i].sec < limit; i = c.hi {
		e.point(g, c, c.to(g, g.entries[i].sec))
	}
	if x := &g.run; x.open && x.falseAt == 0 {
		g.remember()
		if x.last+g.rule.span < limit {
			g.over(x.last + g.rule.span)
		}
	}
	g.settled = max(g.settled, limit)
}

func (e *Engine) settleTumbling(g *group, now int64) {
	limit, _ := g.rule.calendar.window(now)
	c := g.resume()
	for i := g.index(g.settled); i < len(g.entries) && g.entries[i].sec < limit; i = c.hi {
		e.point(g, c, c.to(g, g.entries[i].sec))
		if g.run.open && g.run.falseAt == 0 {
			g.over(g.rule.emptied(c.end))
		}
	}
	g.settled = max(g.settled, limit)
}

func (e *Engine) settleSessions(g *group, now int64) {
	for i := g.index(g.settled); i < len(g.entries); i = g.index(g.settled) {
		next, end := g.session(i)
		if end > now {
			g.settled = max(g.settled, min(now, g.entries[i].sec))
			return
		}
		c := g.resume()
		for c.hi < next {
			fresh := c.to(g, g.entries[c.hi].sec)
			if g.rule.spec.lower() || c.hi == next {
				e.point(g, c, fresh)
			}
		}
		if g.run.open && g.run.falseAt == 0 {
			g.over(end)
		}
		g.settled = end
	}
	g.settled = max(g.settled, now)
}

// session returns the first entry behind the session that begins with an
// entry, and the second at which it is over.
func (g *group) session(first int) (next int, end int64) {
	r, start := g.rule, g.entries[first].sec
	last := start
	for next = first + 1; next < len(g.entries); next++ {
		sec := g.entries[next].sec
		if sec-last >= r.gap || sec-start >= r.span {
			break
		}
		last = sec
	}
	return next, min(last+r.gap, start+r.span)
}

// resume is the cursor at the last settled end point.
func (g *group) resume() *cursor {
	if g.done.m == nil {
		g.done.place(g)
	}
	return &g.done
}

// point settles one end point: the one at which the cursor is.
func (e *Engine) point(g *group, c *cursor, fresh bool) {
	x := &g.run
	if fresh && x.open && x.falseAt == 0 {
		g.over(g.rule.emptied(x.last))
	}
	if x.open && x.falseAt > 0 && c.end > x.falseAt+g.rule.hold {
		e.finish(g, x.falseAt+g.rule.hold)
	}
	v := c.m.value(c.end)
	if !g.holds(c) {
		if x.open && x.falseAt == 0 {
			g.over(c.end)
		}
		return
	}
	crossing := !x.open || x.falseAt > 0
	if x.open && x.falseAt > 0 && c.end >= x.anchor+g.rule.hold {
		e.finish(g, x.falseAt)
	}
	if !x.open {
		from := c.first(g.rule)
		lo := g.index(from)
		first, _ := g.samples(lo, c.hi)
		*x = run{open: true, anchor: c.end, from: from, counted: never, peak: v, first: first}
		x.began, x.ended = g.extent(lo, c.hi)
	}
	x.falseAt, x.last = 0, c.end
	x.total += g.between(max(x.counted+1, c.first(g.rule)), c.hi)
	x.lo = c.first(g.rule)
	x.counted = c.end
	x.peak = g.rule.further(x.peak, v)
	if crossing {
		x.named = false
	}
	if g.rule.atClose {
		e.decide(g, c, crossing)
	} else {
		e.claim(g)
	}
}

// between counts the events from a second on, before an entry.
func (g *group) between(from int64, hi int) (n int64) {
	for i := hi - 1; i >= 0 && g.entries[i].sec >= from; i-- {
		n += g.entries[i].n
	}
	return n
}

// further is the one of two values that lies further beyond the bounds.
func (r *rule) further(a, b float64) float64 {
	if list := r.spec.Condition.Bounds; len(list) > 0 && (list[0].Op == LT || list[0].Op == LTE) {
		return min(a, b)
	}
	return max(a, b)
}

// over ends a stretch of true end points.
func (g *group) over(at int64) {
	g.remember()
	g.run.falseAt = at
}

// remember keeps the last ids of the newest true window, while its entries are
// there.
func (g *group) remember() {
	if x := &g.run; x.last >= g.settled { // else it was done before
		lo, hi := g.index(x.lo), g.index(x.last+1)
		_, x.end = g.samples(lo, hi)
		_, x.ended = g.extent(lo, hi)
	}
}

// decide fires what is decided at the close.
func (e *Engine) decide(g *group, c *cursor, crossing bool) {
	x, r := &g.run, g.rule
	f := g.firing(Start, x.id, r.decidedAt(c.end))
	g.window(&f, c)
	f.Trigger, f.Context = g.trigger(c)
	if !crossing {
		if x.id != "" && x.total >= 2*x.reported {
			x.reported, f.Step, f.Count = x.total, Update, x.total
			_, ended := g.extent(g.index(x.lo), c.hi)
			f.between(x.began, ended)
			f.Context, _ = split(f.Context)
			e.emit(g, f)
		}
		return
	}
	ev := g.event(&f)
	f.ID = g.findingID(c.end, f.Trigger)
	f.SuppressedBy = x.id
	if r.custom {
		f.SuppressedBy = e.held(r.spec.ID, ev, f.ID)
	}
	x.named = true
	switch {
	case f.SuppressedBy != "":
		x.held = f.ID
	default:
		x.id, x.reported, x.trigger, x.ctx = f.ID, x.total, f.Trigger, f.Context
	}
	e.start(g, f, ev)
}

// trigger is the last event of an end point, and what was kept of it.
func (g *group) trigger(c *cursor) (id, ctx string) {
	var newest stamp
	for i := c.hi - 1; i >= c.lo && g.entries[i].sec == c.end; i-- {
		en := &g.entries[i]
		if last := en.ids[len(en.ids)-1]; newest.id == "" || compareStamps(last, newest) > 0 {
			newest, ctx = last, en.ctx
		}
	}
	return newest.id, ctx
}

// claim joins the announcements of a settled end point with its run. The first
// that was not held back gives the run its id; others turn out to be the same.
func (e *Engine) claim(g *group) {
	x := &g.run
	g.announced = slices.DeleteFunc(g.announced, func(a announcement) bool {
		if a.point != x.last {
			return false
		}
		x.named = true
		switch {
		case a.by != "":
			x.held = a.id
			if x.id == "" {
				x.trigger, x.ctx = a.event, a.ctx
			}
		case x.id == "":
			x.id, x.trigger, x.ctx = a.id, a.event, a.ctx
		default:
			f := g.retracted(&a)
			f.Merged = x.id
			e.emit(g, f)
			if g.live.id == a.id {
				g.live.id = x.id
			}
		}
		return true
	})
}

// retracted is the end of what was announced, and is no finding of its own.
func (g *group) retracted(a *announcement) Firing {
	f := g.firing(End, a.id, second(a.point))
	f.From, f.To, f.Trigger, f.Context = second(a.point), g.rule.lastSecond(a.point), a.event, a.ctx
	return f
}

// finish ends the finding of a run. If all that was announced of it had been
// held back by what now is settled otherwise, it starts late, and ends.
func (e *Engine) finish(g *group, at int64) {
	x, r := g.run, g.rule
	g.run = run{}
	f := g.firing(End, x.id, second(at))
	f.From, f.To, f.Value, f.Count = second(x.from), r.lastSecond(x.last), x.peak, x.total
	f.First, f.Last, f.Trigger, f.Context = x.first, x.end, x.trigger, x.ctx
	f.between(x.began, x.ended)
	if x.id == "" && !r.atClose && (!r.custom || x.held == "") {
		f.Trigger = cmp.Or(x.trigger, x.first[0])
		if f.ID = x.held; f.ID == "" {
			f.ID = g.findingID(x.anchor, f.Trigger)
		}
		begin := f
		begin.Step, begin.Time = Start, second(x.anchor)
		r.counts.Firings++
		e.emit(g, begin)
	}
	if f.ID != "" {
		e.emit(g, f)
	}
	if g.live.id == x.id {
		g.live = live{}
	}
}

// void ends announcements whose ground is gone: late events can cut a session
// in another place.
func (e *Engine) void(g *group) {
	g.announced = slices.DeleteFunc(g.announced, func(a announcement) bool {
		gone := a.point < g.settled
		if gone && a.by == "" {
			f := g.retracted(&a)
			f.Void = true
			e.emit(g, f)
		}
		return gone
	})
}

// scan looks at every end point that is not settled, and announces each run
// that has not been.
func (e *Engine) scan(g *group, h *hit) {
	before := len(g.announced)
	for _, point := range g.survey() {
		var c cursor
		c.place(g)
		for i := g.index(g.settled); i < len(g.entries) && g.entries[i].sec <= point; i = c.hi {
			c.to(g, g.entries[i].sec)
		}
		e.announce(g, &c, h)
	}
	if g.on && len(g.announced) == before && h.sec >= g.since {
		e.count(g, h)
	}
}

// survey puts the tail at the newest end point, and returns where the runs begin
// of which nothing was announced.
func (g *group) survey() (unsaid []int64) {
	c := &g.tail
	c.place(g)
	g.on, g.said, g.since = g.run.open && g.run.falseAt == 0, g.run.named, never
	stop := func() {
		if g.on && !g.said && g.since != never {
			unsaid = append(unsaid, g.since)
		}
		g.on, g.since = false, never
	}
	for i := g.index(g.settled); i < len(g.entries); i = c.hi {
		if c.to(g, g.entries[i].sec) {
			stop()
		}
		g.before = g.stretch
		if !g.holds(c) {
			stop()
			continue
		}
		if !g.on {
			g.on, g.said = true, false
		}
		if g.since == never {
			g.since = c.end
		}
		g.hot = max(g.hot, c.end)
		g.said = g.said || g.announcedAt(c.end)
	}
	if last := g.stretch; last.on {
		stop()
		g.stretch = stretch{on: true, said: true, since: last.since}
	}
	g.before.said = true // the caller announces all that is returned
	return unsaid
}
