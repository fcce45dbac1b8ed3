package window

import (
	"fmt"
	"slices"
	"time"
)

// Counts say what became of the matches of a correlation, since the engine was
// opened.
type Counts struct {
	Matches   int64 // that reached the rule
	Late      int64 // behind the close: in no window
	NoGroup   int64 // without a grouping field
	NoValue   int64 // without the field, or not a number
	Firings   int64 // starts
	Groups    int64 // now open
	Bytes     int64 // estimate of what they take
	Evicted   int64 // groups dropped for want of room
	Coarsened int64 // times that a group lost precision
}

// rule is a correlation, made ready.
type rule struct {
	spec    *Spec
	index   int   // place in Engine.rules: inner correlations before outer ones
	span    int64 // seconds, as all below
	gap     int64
	keep    int64 // how long an entry may matter behind the last decided end point
	wait    int64 // how long after an end point it can be decided
	hold    int64 // for how long a group's finding holds back further ones, and stays open
	offset  int64 // the rule's close minus the watermark
	limit   int   // entries of a group
	atClose bool
	denies  bool // the condition can hold for want of a match
	silent  bool
	custom  bool // suppression by something else than the group
	calendar
	clauses []clause
	paths   [][]string // per grouping field: the path under each rule of the correlation
	carry   []string   // paths that outer correlations need
	outer   []member   // correlations that refer to this one
	prefix  []byte     // of the rows

	groups     map[string]*group
	counts     Counts
	incomplete int64 // findings until then may lack what was evicted
}

// member is a place in a correlation.
type member struct {
	rule int
	step int
}

func newRule(s *Spec) (*rule, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("correlation %s: %w", s.ID, err)
	}
	r := &rule{spec: s, span: int64(s.Timespan / time.Second), gap: int64(s.Gap / time.Second), atClose: !s.onArrival(), limit: limitOf(s), groups: map[string]*group{}}
	r.keep = r.span
	if s.Denies() {
		r.denies, r.wait, r.keep = true, r.span-1, 2*r.span
	}
	r.custom = len(s.Suppress.By) > 0 && !slices.Equal(s.Suppress.By, s.GroupBy)
	if !s.Suppress.None && !r.custom {
		r.hold = int64(s.suppressFor() / time.Second)
	}
	if s.Shape == Tumbling {
		r.calendar, _ = newCalendar(s.Timespan, s.Timezone)
	}
	if s.temporal() && len(s.Condition.Bounds) == 0 || s.Type == TemporalOrdered {
		r.clauses, _ = s.alternatives()
	}
	for _, name := range s.GroupBy {
		paths := make([]string, len(s.Rules))
		for i, ref := range s.Rules {
			if paths[i] = name; s.Aliases[name] != nil {
				paths[i] = s.Aliases[name][ref.Name]
			}
		}
		r.paths = append(r.paths, paths)
	}
	r.prefix = rowPrefix(s.ID, s.Version)
	return r, nil
}

func (s *Spec) suppressFor() time.Duration {
	if s.Suppress.For > 0 {
		return s.Suppress.For
	}
	return s.Timespan
}

// measure is a new measure for windows of the group.
func (r *rule) measure(g *group) measure {
	switch r.spec.Type {
	case ValueCount:
		if g.sketch != nil {
			return &estimate{group: g}
		}
		return &distinct{map[uint64]int32{}}
	case ValueSum, ValueAvg:
		return &summer{mean: r.spec.Type == ValueAvg}
	case ValuePercentile:
		return &histogram{percent: r.spec.percentile()}
	case Temporal:
		newest := make([]int64, len(r.spec.Rules))
		for i := range newest {
			newest[i] = never
		}
		return &presence{newest: newest, clauses: r.clauses, group: g}
	case TemporalOrdered, Absence:
		return newSequence(g, r.clauses)
	}
	return &counter{}
}

// holds says whether the condition holds for a value of the measure.
func (r *rule) holds(v float64) bool {
	if len(r.clauses) > 0 {
		return v > 0
	}
	for _, b := range r.spec.Condition.Bounds {
		if !b.holds(v) {
			return false
		}
	}
	return true
}

// lastSecond is the last second of the window at an end point.
func (r *rule) lastSecond(end int64) time.Time {
	if r.spec.Shape == Tumbling {
		return second(r.emptied(end) - 1)
	}
	return second(end)
}

// emptied is the first second after an end point at which its window is over,
// if nothing else comes.
func (r *rule) emptied(end int64) int64 {
	switch r.spec.Shape {
	case Tumbling:
		_, till := r.calendar.window(end)
		return till
	case Session:
		return end + r.gap
	}
	return end + r.span
}

// decidedAt is the time of what is decided at the close about an end point: for
// a want of matches the moment from which none can come any more.
func (r *rule) decidedAt(point int64) time.Time {
	if r.spec.Shape == Tumbling {
		return second(r.emptied(point))
	}
	if r.denies {
		return second(point + r.span)
	}
	return second(point)
}
