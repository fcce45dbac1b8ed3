package window

import "cmp"

// item is something that is due when the watermark reaches a second.
type item struct {
	due  int64
	rule int    // inner correlations first
	id   string // of the group or the suppression
	g    *group // or
	h    *held
}

// schedule is a heap of items: the order in which they come out depends on
// them alone.
type schedule []item

func compareItems(a, b *item) int {
	return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.rule, b.rule), cmp.Compare(a.id, b.id))
}

func (s *schedule) push(it item) {
	*s = append(*s, it)
	q := *s
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if compareItems(&q[up], &q[i]) <= 0 {
			return
		}
		q[up], q[i] = q[i], q[up]
		i = up
	}
}

func (s *schedule) pop() item {
	q := *s
	first, last := q[0], len(q)-1
	q[0], q[last] = q[last], item{}
	q = q[:last]
	*s = q
	for i := 0; ; {
		least := i
		for _, down := range [...]int{2*i + 1, 2*i + 2} {
			if down < last && compareItems(&q[down], &q[least]) < 0 {
				least = down
			}
		}
		if least == i {
			return first
		}
		q[i], q[least] = q[least], q[i]
		i = least
	}
}

// plan enters the next deadline of a group, in the seconds of its rule.
func (e *Engine) plan(g *group, at int64) {
	at = max(at, e.closeOf(g.rule)+1) // what is due by now is done
	if at >= noDeadline || g.due != 0 && g.due <= at {
		return // it is woken before, and looks again
	}
	g.due = at
	e.queue.push(item{due: at - g.rule.offset, rule: g.rule.index, id: g.id, g: g})
}

// wake does what is due.
func (e *Engine) wake(it item) {
	switch {
	case it.h != nil:
		e.expire(it.h, it.due)
	case !it.g.gone && it.g.due == it.due+it.g.rule.offset: // else it was moved, or is gone
		g := it.g
		g.due = 0
		if e.warm(g) {
			e.settle(g)
			g.prune()
			e.touched(g)
		}
	}
}

// touched notes that a group has changed, drops it when nothing is left of it,
// and plans when to look again.
func (e *Engine) touched(g *group) {
	if g.idle(e.closeOf(g.rule)) {
		e.drop(g)
		return
	}
	if !g.dirty {
		g.dirty = true
		e.dirty = append(e.dirty, g)
	}
	g.active = true
	// The end of a session moves with each event, but never to before the one
	// that was planned, unless an earlier session begins.
	i, first := g.index(g.settled), int64(noDeadline)
	if i < len(g.entries) {
		first = g.entries[i].sec
	}
	if g.due == 0 || g.rule.spec.Shape != Session || first != g.oldest {
		e.plan(g, g.next(e.closeOf(g.rule), i))
	}
	g.oldest = first
}

// idle says that the group can have no effect any more.
func (g *group) idle(now int64) bool {
	if g.run.open || len(g.announced) > 0 || g.newest >= g.settled {
		return false
	}
	return len(g.entries) == 0 || now > g.newest+g.rule.keep
}

// next is the close at which the group has to be looked at. Entry i is the first
// that is not settled.
func (g *group) next(now int64, i int) int64 {
	r, at := g.rule, int64(noDeadline)
	open := i < len(g.entries)
	sooner := func(t int64) { at = min(at, t) }
	switch {
	case r.spec.Shape == Sliding:
		if gone := g.newest + r.keep + 1; gone > now {
			sooner(gone)
		}
		if open && !g.calm() {
			sooner(g.sliding(i))
		}
		if r.ordered() && !r.denies && g.newest >= g.settled {
			sooner(g.newest + 1)
		}
	case !open:
	case r.spec.Shape == Tumbling:
		sooner(r.emptied(g.entries[i].sec))
	default:
		_, end := g.session(i)
		sooner(end)
	}
	switch x := &g.run; {
	case !x.open:
	case x.falseAt > 0 && r.spec.Shape == Tumbling:
		sooner(r.emptied(x.falseAt + r.hold))
	case x.falseAt > 0:
		sooner(x.falseAt + r.hold + r.wait + 1)
	case r.spec.Shape == Sliding:
		sooner(x.last + r.span + r.hold + r.wait + 1)
	}
	for _, a := range g.announced {
		if r.spec.Shape == Sliding {
			sooner(a.point + 1)
		}
	}
	return at
}

// sliding is when the first end point that is not settled can make a difference.
func (g *group) sliding(first int) int64 {
	sec, r := g.entries[first].sec, g.rule
	if !r.atClose && g.run.open && g.run.falseAt == 0 {
		return sec + r.hold + 1 // it can end the run
	}
	return sec + r.wait + 1
}
