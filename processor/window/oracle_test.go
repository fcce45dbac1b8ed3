package window

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// oracle says what a correlation finds in events that are all there and in
// order. It keeps no state from window to window: each one is judged from its
// events, by the definition.
type oracle struct {
	spec *Spec
	all  []match // of one group, in order of time and id
}

// verdict is one line of the oracle.
type verdict struct {
	step     Step
	time     int64
	from, to int64
	value    float64
	count    int64
	first    []string
	last     []string
	held     bool
}

func (v verdict) String() string {
	return fmt.Sprintf("%s at %d [%d,%d] value %.6g of %d %v…%v held %v", v.step, v.time, v.from, v.to, v.value, v.count, v.first, v.last, v.held)
}

// window is one candidate: events of [from, to], judged at to.
type candidate struct {
	from, to int64
	events   []match
	over     int64 // the second from which it is empty if nothing else comes
	fresh    bool  // nothing was in a window at some second since the last candidate
	final    bool  // the last of its session
}

func (o *oracle) in(from, to int64) (out []match) {
	for _, m := range o.all {
		if m.at >= from && m.at <= to {
			out = append(out, m)
		}
	}
	return out
}

func (o *oracle) candidates() (out []candidate) {
	span, gap := int64(o.spec.Timespan.Seconds()), int64(o.spec.Gap.Seconds())
	last, start := int64(math.MinInt32), int64(math.MinInt32)
	for i, m := range o.all {
		if i+1 < len(o.all) && o.all[i+1].at == m.at {
			continue // judged with the last event of the second
		}
		c := candidate{from: m.at - span + 1, to: m.at, over: m.at + span, fresh: m.at-last > span}
		switch o.spec.Shape {
		case Tumbling:
			k := int64(math.Floor(float64(base.Unix()+m.at) / float64(span)))
			c.from, c.fresh = k*span-base.Unix(), true
			c.to, c.over = c.from+span-1, c.from+span
			if i+1 < len(o.all) && o.all[i+1].at <= c.to {
				continue
			}
		case Session:
			if c.fresh = m.at-last >= gap || m.at-start >= span; c.fresh {
				start = m.at
			}
			c.from, c.over = start, min(m.at+gap, start+span)
			c.final = i+1 == len(o.all) || o.all[i+1].at >= c.over
		}
		last = m.at
		c.events = o.in(c.from, c.to)
		out = append(out, c)
	}
	return out
}

// judge is the value of a window and whether it meets the condition.
func (o *oracle) judge(c candidate) (float64, bool) {
	s := o.spec
	if s.temporal() {
		return o.judgeRules(c)
	}
	var v float64
	switch s.Type {
	case EventCount:
		v = float64(len(c.events))
	case ValueCount:
		set := map[string]bool{}
		for _, m := range c.events {
			set[m.fields["v"]] = true
		}
		v = float64(len(set))
	default:
		v = statistic(s, c.events)
	}
	for _, b := range s.Condition.Bounds {
		if !b.holds(v) {
			return v, false
		}
	}
	return v, true
}

func statistic(s *Spec, events []match) float64 {
	var numbers []float64
	sum := 0.0 // of whole numbers: exact
	for _, m := range events {
		var f float64
		fmt.Sscan(m.fields["v"], &f)
		numbers, sum = append(numbers, f), sum+f
	}
	switch s.Type {
	case ValueSum:
		return sum
	case ValueAvg:
		return sum / float64(len(numbers))
	}
	sort.Float64s(numbers)
	rank := int(math.Ceil(s.Condition.Percentile / 100 * float64(len(numbers))))
	return binMiddle(bin(numbers[max(rank, 1)-1]))
}

func (o *oracle) judgeRules(c candidate) (float64, bool) {
	s := o.spec
	ways, _ := s.alternatives()
	if s.Type == Temporal && len(s.Condition.Bounds) > 0 {
		n := 0
		for i := range s.Rules {
			if slices.ContainsFunc(c.events, func(m match) bool { return matches(s, m, i) }) {
				n++
			}
		}
		for _, b := range s.Condition.Bounds {
			if !b.holds(float64(n)) {
				return float64(n), false
			}
		}
		return float64(n), true
	}
	for _, w := range ways {
		if s.Type == Temporal && o.together(w, c) || s.Type != Temporal && o.chain(w, c, nil, 0) {
			return 1, true
		}
	}
	return 0, false
}

func matches(s *Spec, m match, rule int) bool { return slices.Contains(m.rules, s.Rules[rule].ID) }

// denied says whether a denied rule matches in [from, to).
func (o *oracle) denied(deny uint32, from, to int64) bool {
	for _, m := range o.in(from, to-1) {
		for i := range o.spec.Rules {
			if deny>>i&1 != 0 && matches(o.spec, m, i) {
				return true
			}
		}
	}
	return false
}

// together: the newest match of each rule, and no denied one within reach.
func (o *oracle) together(w clause, c candidate) bool {
	span := int64(o.spec.Timespan.Seconds())
	oldest, newest := int64(math.MaxInt32), int64(math.MinInt32)
	for i := range o.spec.Rules {
		if w.need>>i&1 == 0 {
			continue
		}
		found := int64(math.MinInt32)
		for _, m := range c.events {
			if matches(o.spec, m, i) {
				found = m.at
			}
		}
		if found == math.MinInt32 {
			return false
		}
		oldest, newest = min(oldest, found), max(newest, found)
	}
	return w.deny == 0 || !o.denied(w.deny, newest-span+1, oldest+span)
}

// chain tries all ways to fill the rules in order by different events.
func (o *oracle) chain(w clause, c candidate, used []int, rule int) bool {
	for rule < len(o.spec.Rules) && w.need>>rule&1 == 0 {
		rule++
	}
	if rule == len(o.spec.Rules) {
		return true
	}
	for i, m := range c.events {
		if slices.Contains(used, i) || !matches(o.spec, m, rule) || len(used) > 0 && m.at < c.events[used[len(used)-1]].at {
			continue
		}
		if o.allowed(w, rule, m.at, len(used) == 0) && o.chain(w, c, append(slices.Clone(used), i), rule+1) {
			return true
		}
	}
	return false
}

// latest is the second in which the latest chain of a window begins.
func (o *oracle) latest(c candidate) int64 {
	for c.from = c.to; ; c.from-- {
		c.events = o.in(c.from, c.to)
		if _, ok := o.judge(c); ok {
			return c.from
		}
	}
}

// allowed: no denied rule listed behind a step, up to the next one, within the
// timespan after it; none listed before the first step within the timespan before.
func (o *oracle) allowed(w clause, rule int, sec int64, first bool) bool {
	span := int64(o.spec.Timespan.Seconds())
	var behind, before uint32
	for i := rule + 1; i < len(o.spec.Rules) && w.need>>i&1 == 0; i++ {
		behind |= w.deny & (1 << i)
	}
	for i := range rule {
		before |= w.deny & (1 << i)
	}
	return !o.denied(behind, sec, sec+span) && (!first || !o.denied(before, sec-span+1, sec+1))
}

// verdicts are the starts and ends of the group, in order.
func (o *oracle) verdicts() (out []verdict) {
	s := o.spec
	hold, wait := int64(0), int64(0)
	if !s.Suppress.None {
		hold = int64(s.suppressFor().Seconds())
	}
	if s.Denies() {
		wait = int64(s.Timespan.Seconds())
	}
	var run *verdict // its end, as far as it is known
	var anchor, falseAt, counted, over int64
	end := func(at int64) {
		run.time = at
		out, run = append(out, *run), nil
	}
	for _, c := range o.candidates() {
		v, ok := o.judge(c)
		if ok && s.temporal() && s.Type != Temporal {
			c.from = o.latest(c)
			c.events = o.in(c.from, c.to)
		}
		if s.Shape == Session && !s.lower() {
			if c.fresh = c.final; !c.final {
				continue // a session is judged as a whole
			}
		}
		point := c.to
		if s.Shape == Tumbling {
			point = c.from
		}
		if run != nil && falseAt == 0 && (c.fresh || !ok) {
			if falseAt = point; c.fresh {
				falseAt = over
			}
		}
		if run != nil && falseAt > 0 && point > falseAt+hold {
			end(falseAt + hold)
		}
		if !ok {
			continue
		}
		if run != nil && falseAt > 0 && point >= anchor+hold {
			end(falseAt)
		}
		if run == nil || falseAt > 0 {
			start := verdict{Start, c.to + wait, c.from, c.to, v, int64(len(c.events)), ids(c.events, true), ids(c.events, false), run != nil}
			if s.Shape == Tumbling {
				start.time = c.to + 1
			}
			out = append(out, start)
		}
		if run == nil {
			run, anchor, counted = &verdict{step: End, from: c.from, value: v, first: ids(c.events, true)}, point, math.MinInt32
		}
		run.count += int64(len(o.in(max(c.from, counted+1), c.to)))
		counted, run.to, falseAt, over = c.to, c.to, 0, c.over
		if b := s.Condition.Bounds; len(b) > 0 && (b[0].Op == LT || b[0].Op == LTE) {
			run.value = min(run.value, v)
		} else {
			run.value = max(run.value, v)
		}
		run.last = ids(c.events, false)
	}
	if run != nil {
		if falseAt == 0 {
			falseAt = over
		}
		end(falseAt + hold)
	}
	return out
}

func ids(events []match, first bool) (out []string) {
	if n := len(events); !first {
		events = events[max(0, n-keepIDs):]
	}
	for _, m := range events[:min(len(events), keepIDs)] {
		out = append(out, m.id)
	}
	return out
}
