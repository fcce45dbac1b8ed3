package baseline

import "time"

// Keys whose silence means something: a count that is expected to be at least
// denseFrom per window gets a gauge beside its own model, until it fades below
// denseUntil. Under it silence proves nothing. A gauge that is stepped without
// events gives up after a week.
const (
	denseFrom  = 20
	denseUntil = 10
	denseDays  = 7
)

// steps tells that a window without an event is a value of the key's gauge.
func (r *ruleState) steps(x *keyed) bool {
	if x.gauge == nil || r.spec.Direction == Up {
		return false
	}
	return r.cal.left(x.gauge.Last, max(r.closed, x.gauge.Last)) <= denseDays*r.lengths.day
}

// closeGauge closes a window of a rule that is scored by the gauge model; w is
// nil when no event fell into it. Such a window is missing, unless silence is
// a value for the rule.
func (e *Engine) closeGauge(r *ruleState, x *keyed, k Window, w *openWindow) {
	switch {
	case w != nil:
		if x.gauge == nil {
			x.gauge = &Gauge{}
			r.known++
		} else if k <= x.gauge.Last {
			r.counts.Late += int64(w.events) // the watermark fell, when shards were merged
			return
		}
		e.point(r, x, w, w.level(r))
		x.gauge.Last = k
	case r.steps(x):
		e.point(r, x, &openWindow{k: k}, 0)
	default:
		for _, p := range x.episodes {
			if p != nil && p.Open && k > p.Through {
				e.quiet(r, x, p, k)
			}
		}
	}
}

// stepGauge gives a window of a dense key to the gauge beside its count model.
func (e *Engine) stepGauge(r *ruleState, x *keyed, k Window, w *openWindow) {
	if r.spec.Direction == Up {
		return
	}
	switch {
	case x.gauge == nil && w.events > 0 && x.state.MS >= denseFrom:
		x.gauge = &Gauge{}
	case x.gauge == nil:
		return
	case r.faded(x, k) < denseUntil:
		x.gauge, x.changed = nil, true
		if p := x.episodes[1]; p != nil && p.Open {
			e.end(r, x, p, EndQuiet)
		}
		return
	}
	e.point(r, x, w, float64(w.value0(r)))
	if w.events > 0 {
		x.gauge.Last = k
	}
}

// value0 is the value of a window that may be without an event.
func (w *openWindow) value0(r *ruleState) uint32 {
	if w.events == 0 {
		return 0
	}
	return w.value(r)
}

// faded is the mean count of a key's windows, up to window k.
func (r *ruleState) faded(x *keyed, k Window) float64 {
	s := &x.state
	if k <= s.Last {
		return float64(s.MS)
	}
	n := float64(r.cal.left(s.First, s.Last) + 1)
	return float64(s.MS) * r.model.fade(n, n+float64(r.cal.left(s.Last, k)))
}

// point scores a value and follows the episodes of both directions.
func (e *Engine) point(r *ruleState, x *keyed, w *openWindow, v float64) {
	x.changed = true
	if w.events == 0 {
		w.newest = time.Unix(r.cal.start(w.k), 0).UnixMilli()
	}
	g := x.gauge.Add(v, r.cal.localHour(w.k))
	c := judged{p: Point{T: w.k}, best: g.Score, limit: r.gaugeLimit(x.account, w.k), value: v, gauge: &g}
	if r.gauge {
		if b := x.account.budget; b != nil {
			b.add(g.Score, w.k, r.model.day)
			x.account.changed = true
		}
		r.counts.Learned++
	}
	which := 0
	if !g.Up {
		which = 1
	}
	for i, p := range x.episodes {
		if p != nil && p.Open && (i == 1 || r.gauge) {
			e.goOn(r, x, p, w, &c)
			e.finish(r, x, p, w.k)
		}
	}
	wanted := which == 1 || r.gauge && r.spec.Direction != Down
	if which == 1 {
		wanted = r.spec.Direction != Up
	}
	c.reached = wanted && g.Fresh && g.Score >= c.limit
	if p := x.episodes[which]; c.reached && (p == nil || !p.Open) && x.mayStart(which, w.k, g.Score) {
		e.begin(r, x, which, w, &c)
	}
}

// gaugeLimit is the threshold of a gauge: the rule's own, or, beside the count
// model, one as strict as the rule's is for counts.
func (r *ruleState) gaugeLimit(a *account, k Window) float64 {
	switch {
	case r.gauge:
		return r.limit(a, k)
	case r.threshold > 0:
		return r.threshold * DefaultGaugeScore / DefaultScore
	}
	return DefaultGaugeScore
}

// explainGauge says why the gauge model finds a value unusual.
func (f *Finding) explainGauge(g *Gauge, c *judged, minutes float64) {
	f.Observed, f.Expected = c.value, c.gauge.Expected
	f.Evidence = c.gauge.Evidences()
	f.Baseline = Average{c.gauge.Expected / minutes, float64(g.N-1) * minutes}
	f.ActiveWindows = g.N - 1
	f.Learning = g.N < standardGauge.warm
}

// localHour is the local hour of day in which a window starts.
func (c *calendar) localHour(k Window) int {
	return time.Unix(c.start(k), 0).In(c.zone).Hour()
}
