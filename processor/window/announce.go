package window

import "slices"

// count adds an event to the finding that is going on, and reports when the
// number has doubled.
func (e *Engine) count(g *group, h *hit) {
	if g.live.id == "" {
		return
	}
	g.live.began = min(g.live.began, h.ev.Time.UnixMilli())
	if g.live.events++; g.live.events < 2*g.live.reported {
		return
	}
	g.live.reported = g.live.events
	f := g.firing(Update, g.live.id, h.ev.Time)
	g.window(&f, &g.tail)
	f.between(g.live.began, f.Ended.UnixMilli())
	f.Count, f.Trigger, f.Context = g.live.events, h.id, h.ev.context()
	e.emit(g, f)
}

// announce fires a finding on arrival, for the window at a cursor.
func (e *Engine) announce(g *group, c *cursor, h *hit) {
	trigger := h.id
	if g.rule.spec.Shape == Tumbling {
		trigger = "" // the window alone makes the finding, whatever the order of its events
	}
	a := announcement{point: c.end, id: g.findingID(c.end, trigger), event: h.id, ctx: h.ev.context()}
	a.by = e.heldBy(g, &a, h)
	g.announced = append(g.announced, a)
	if a.by == "" {
		n := g.events(c)
		began, _ := g.extent(g.index(c.first(g.rule)), c.hi)
		g.live = live{a.id, n, n, began}
	} else if g.live.id == a.by {
		g.live.events++
	}
	at := h.ev.Time
	if floorSecond(at) < c.end {
		at = second(c.end)
	}
	f := g.firing(Start, a.id, at)
	g.window(&f, c)
	f.Trigger, f.Context, f.SuppressedBy = h.id, a.ctx, a.by
	e.start(g, f, h.ev)
}

// announcedAt says whether something was announced for an end point.
func (g *group) announcedAt(point int64) bool {
	return slices.ContainsFunc(g.announced, func(a announcement) bool { return a.point == point })
}

// heldBy is the finding that holds an announcement back, "" if none does.
func (e *Engine) heldBy(g *group, a *announcement, h *hit) string {
	r := g.rule
	if r.custom {
		by, err := e.Held(r.spec.ID, h.ev, a.id)
		if err != nil {
			e.err = err
		}
		return by
	}
	if g.run.open && g.run.id != "" && a.point-g.run.anchor < r.hold {
		return g.run.id
	}
	for _, other := range g.announced {
		if d := a.point - other.point; other.by == "" && max(d, -d) < r.hold {
			return other.id
		}
	}
	return ""
}

// start counts and emits the beginning of a finding, and gives it to the
// correlations that refer to this one.
func (e *Engine) start(g *group, f Firing, ev *Event) {
	g.rule.counts.Firings++
	e.emit(g, f)
	for _, m := range g.rule.outer {
		chained := *ev
		chained.ID, chained.Time, chained.own = f.Trigger, f.Time, ""
		e.match(e.rules[m.rule], []member{m}, &chained)
	}
}

func (e *Engine) emit(g *group, f Firing) {
	f.Incomplete = g.rule.incomplete > e.closeOf(g.rule)
	e.out = append(e.out, f)
}
