package baseline

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// closeWindow closes window k for all keys that have events in it and for
// those that are looked at anyway, in ascending order. The order decides what
// the population knows when a key is judged.
func (e *Engine) closeWindow(r *ruleState, k Window) error {
	list := r.windows[k]
	delete(r.windows, k)
	for x := range r.stepping {
		if x.window(k) == nil {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b *keyed) int { return cmp.Compare(a.id, b.id) })
	for _, x := range list {
		if err := e.closeKey(r, x, k); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) closeKey(r *ruleState, x *keyed, k Window) error {
	if err := e.load(r, x); err != nil {
		return err
	}
	r.touched(x)
	w := x.takeWindow(k)
	excluded := r.cal.excluded(k)
	switch {
	case excluded && w == nil: // such a window does not exist
	case excluded:
		e.judgeExcluded(r, x, w)
	case r.gauge:
		e.closeGauge(r, x, k, w)
	default:
		e.closeCount(r, x, k, w)
	}
	r.follow(x)
	return nil
}

// takeWindow takes an open window out of its key; nil when there is none.
func (x *keyed) takeWindow(k Window) *openWindow {
	w := x.window(k)
	if w == nil {
		return nil
	}
	x.open = slices.DeleteFunc(x.open, func(o *openWindow) bool { return o == w })
	if w.stored {
		x.stored = append(x.stored, k)
	}
	return w
}

// follow keeps the lists of keys that are looked at without events.
func (r *ruleState) follow(x *keyed) {
	open, cooling := false, false
	for _, p := range x.episodes {
		open = open || p != nil && p.Open
		cooling = cooling || p != nil && !p.Open
	}
	set := func(m map[*keyed]struct{}, on bool) {
		if on {
			m[x] = struct{}{}
		} else {
			delete(m, x)
		}
	}
	set(r.stepping, open || r.steps(x))
	set(r.cooling, cooling)
}

// touch brings a state up to an open window.
func (r *ruleState) touch(s *State, x *keyed, w *openWindow) (Point, []again) {
	if w.distinct == nil {
		return r.model.Touch(s, w.k, w.events), nil
	}
	y := w.value(r)
	seen := x.span.close(w.distinct, w.k, r.cal)
	return r.model.touchAgain(s, w.k, y, seen), seen
}

// touchAgain is Touch for distinct values: those that the long span held
// already leave the window in which they were last seen.
func (m *Model) touchAgain(s *State, t Window, y uint32, seen []again) Point {
	p := m.Touch(s, t, y)
	for _, a := range seen {
		if slot := int64(p.N) - 1 - int64(a.age); slot >= 0 && a.age > 0 {
			v := &s.Ring[slot%ringSlots]
			*v -= uint16(min(uint32(*v), a.count>>s.shift()))
		}
	}
	p.H = s.sum()
	return p
}

// closeCount closes a window under the count model; w is nil when no event
// fell into it.
func (e *Engine) closeCount(r *ruleState, x *keyed, k Window, w *openWindow) {
	up := x.episodes[0]
	if w == nil {
		if up != nil && up.Open && k > up.Through {
			e.quiet(r, x, up, k)
		}
		e.stepGauge(r, x, k, &openWindow{k: k})
		return
	}
	if x.state.Active > 0 && k <= x.state.Last || up != nil && up.Open && k <= up.Through {
		r.counts.Late += int64(w.events) // the watermark fell, when shards were merged
		return
	}
	base := &x.state
	if up != nil && up.Holding {
		base = up.rolled(r, x)
	}
	t := *base
	p, seen := r.touch(&t, x, w)
	c := r.judge(x, &t, p)
	c.seen = seen
	if w.distinct != nil {
		c.approximate = w.distinct.depth > 0 || x.span.depth > 0
	}
	r.learnAccount(x.account, p, c.best)
	e.follow(r, x, w, &c)
	e.take(r, x, &t, &c)
	e.stepGauge(r, x, k, w)
}

// judged is a closed window and what it is worth.
type judged struct {
	p           Point
	score       Score
	short       float64 // evidences after the gates
	long        float64
	off         float64
	best        float64
	limit       float64
	reached     bool
	approximate bool
	seen        []again
	gauge       *GaugeScore
	value       float64
	state       *State // as it was for the judgement
}

// judge scores a window that the state was brought up to.
func (r *ruleState) judge(x *keyed, t *State, p Point) judged {
	c := judged{p: p, score: r.model.Score(t, &x.account.pop, p), value: float64(p.Y), state: t}
	c.short, c.long, c.off = r.model.Gated(t, p, &c.score)
	c.best = max(c.short, c.long, c.off)
	c.limit = r.limit(x.account, p.T)
	silent := r.spec.Direction == Down || r.spec.ColdStart == Silent && c.score.Learning
	c.reached = c.best >= c.limit && !silent
	return c
}

// learnAccount teaches what all keys of the account have in common, at once,
// also in an episode.
func (r *ruleState) learnAccount(a *account, p Point, score float64) {
	LearnPopulation(&a.pop, p)
	if a.budget != nil {
		a.budget.add(score, p.T, r.model.day)
	}
	a.changed = true
	r.counts.Learned++
}

// take learns a window, or holds it back while an episode is open: an attacker
// shall not teach the model. A young key learns at once, because it knows too
// little to tell an episode.
func (e *Engine) take(r *ruleState, x *keyed, t *State, c *judged) {
	up := x.episodes[0]
	x.changed = true
	if up != nil && up.Open && (up.Holding || !c.score.Learning) {
		up.hold(t, c)
		if over(r, up, c.p.T) {
			e.end(r, x, up, EndNewLevel)
		} else if up.Run >= r.lengths.quiet {
			e.end(r, x, up, EndQuiet)
		}
		return
	}
	if x.state.Active == 0 {
		r.known++
	}
	open, run := x.state.open(), x.state.Run
	x.state = *t
	x.state.setOpen(open)
	x.state.Run = run
	r.model.Learn(&x.state, c.p, &c.score)
	if up != nil && up.Open && over(r, up, c.p.T) {
		e.end(r, x, up, EndNewLevel)
	} else if up != nil && up.Open && up.Run >= r.lengths.quiet {
		e.end(r, x, up, EndQuiet)
	}
}

// judgeExcluded reports what is unusual in excluded time, and learns nothing.
func (e *Engine) judgeExcluded(r *ruleState, x *keyed, w *openWindow) {
	if r.gauge || x.state.Active == 0 || w.k <= x.state.Last {
		return
	}
	t := x.state
	c := r.judge(x, &t, r.model.Touch(&t, w.k, w.value(r)))
	if c.reached {
		f := e.report(r, x, w, &c)
		f.Step = Start
		e.out = append(e.out, f)
	}
}

// grow judges an open window at the steps of the grid that its count passed. A
// count only grows, so a burst is reported long before its window closes. What
// is observed is the smallest step that reaches the threshold; the model
// learns nothing from it.
func (e *Engine) grow(r *ruleState, x *keyed, w *openWindow) {
	w.changed = true
	for y := w.value(r); w.next <= y; w.next = grid(w.next) {
		if x.reported() {
			continue
		}
		t := x.state
		p := r.model.Touch(&t, w.k, w.next)
		if w.distinct != nil { // all of them may have been seen in the span before
			p.H = max(p.H-float64(w.next), float64(w.next))
		}
		c := r.judge(x, &t, p)
		if c.reached && x.mayStart(0, w.k, c.best) {
			f := e.report(r, x, w, &c)
			f.Step, f.Early = Start, true
			f.Events = w.next
			w.said = &f
			e.out = append(e.out, f)
		}
		if w.next == math.MaxUint32 {
			return
		}
	}
}

// reported tells that a finding of the key is open, so that no other starts.
func (x *keyed) reported() bool {
	if p := x.episodes[0]; p != nil && p.Open {
		return true
	}
	for _, w := range x.open {
		if w.said != nil {
			return true
		}
	}
	return false
}

// report fills in a finding about a window.
func (e *Engine) report(r *ruleState, x *keyed, w *openWindow, c *judged) Finding {
	minutes := r.spec.Window.Minutes()
	start := time.Unix(r.cal.start(w.k), 0).UTC()
	f := Finding{
		ID: findingID(r, x.id, w.k, false), RuleID: r.ID, Account: x.account.place.name, Hash: x.account.place.hash, Whole: x.account.place.whole, Key: x.values,
		WindowStart: start, WindowEnd: start.Add(r.spec.Window), First: start, Threshold: c.limit, Score: c.best,
		Events: w.events, Trigger: string(w.trigger), TriggerTime: w.newestTime(), Context: string(w.context),
		Insight: Average{c.value / minutes, minutes}, Approximate: c.approximate,
	}
	f.Raised, f.Severity = w.raised, severityOf(c.best, c.gauge != nil, w.raised, c.score.Learning)
	if h := w.hot; h != nil {
		f.Attributed, f.Attributions, f.EventIDs = h.events, h.attributions(minutes), h.eventIDs()
	}
	if c.gauge != nil {
		f.explainGauge(x.gauge, c, minutes)
	} else {
		f.explain(r, x, c)
	}
	return f
}

// explain says why the count model finds a window unusual.
func (f *Finding) explain(r *ruleState, x *keyed, c *judged) {
	s := c.state
	f.Observed, f.Expected = c.value, float64(s.AS)
	if c.long > max(c.short, c.off) {
		f.Observed, f.Expected = c.p.H, float64(s.AL)
	}
	for _, v := range [...]Evidence{{"size_short", c.short}, {"size_long", c.long}, {"off_hours", c.off}} {
		if v.Score > 0 {
			f.Evidence = append(f.Evidence, v)
		}
	}
	f.Probability, f.Population = probability(c.best), c.score.Population
	f.Learning = c.score.Learning
	if f.HasBucket = c.score.HasHour; f.HasBucket {
		f.Bucket = min(1, r.model.activity(s, r.cal.hourOf(c.p.T)))
	}
	f.ActiveWindows = s.Active
	minutes := r.spec.Window.Minutes()
	f.Baseline = Average{float64(s.MS) / minutes, (c.p.N - 1) * minutes}
	f.UpperBand = r.upperBand(x, c)
}

// upperBand is the smallest count of the window that reaches the threshold, by
// bisection: the score never falls when the count rises. 0: none does.
func (r *ruleState) upperBand(x *keyed, c *judged) float64 {
	rest := c.p.H - c.value // of the long sum
	reaches := func(y uint32) bool {
		p := c.p
		p.Y, p.H = y, rest+float64(y)
		t := *c.state
		score := r.model.Score(&t, &x.account.pop, p)
		a, b, off := r.model.Gated(&t, p, &score)
		return max(a, b, off) >= c.limit
	}
	low, high := uint32(0), uint32(1)
	for !reaches(high) {
		if high >= 1<<31 {
			return 0
		}
		low, high = high, high*2
	}
	for high-low > 1 {
		if mid := low + (high-low)/2; reaches(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return float64(high)
}
