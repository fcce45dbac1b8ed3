package main

import (
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/rule"
)

// tally counts, window by window, what a finding's rule counts. When the rule
// that made the finding is not at hand, or cannot be judged by rows alone, what
// the same actor did is counted instead, and the caption says so.
type tally struct {
	d     *dossier
	start time.Time
	step  time.Duration
	place int // of the finding's window

	matcher *rule.Matcher // nil: the rule that made the finding is not at hand
	rule    []measure     // what it counts, for each window
	acts    map[string][]float64
	seen    map[string]bool    // events that were counted; a lake may have copies
	newest  time.Time          // event of these days
	matched []*export.EventRow // what the rule counted in the finding's window
}

// measure is the number of one window in the making.
type measure struct {
	sum      float64
	distinct map[string]bool
}

func (m *measure) value() float64 {
	if m.distinct != nil {
		return float64(len(m.distinct))
	}
	return m.sum
}

// windowsAfter is how many windows are shown behind the finding's.
const windowsAfter = 8

// newTally prepares to count, nil for findings without windows.
func newTally(d *dossier, windows int) *tally {
	first := d.steps[0]
	correlation := first.RuleKind == rule.KindCorrelation.String()
	if first.WindowStartTS == nil || first.WindowEndTS == nil || !correlation && first.RuleKind != rule.KindBaseline.String() {
		return nil
	}
	if d.waited() {
		return nil // what did not happen has no bars; the sentence says what was waited for, and until when
	}
	t := &tally{d: d, acts: map[string][]float64{}, seen: map[string]bool{}}
	end := time.UnixMilli(*first.WindowEndTS).UTC()
	if correlation {
		end = end.Add(time.Second) // there both ends belong to the window
	}
	t.step = end.Sub(time.UnixMilli(*first.WindowStartTS))
	if d.same() {
		t.matcher = d.set.Matcher()
		if correlation {
			t.step = d.rule.Correlation.Timespan
		} else {
			t.step = d.rule.Baseline.WithDefaults().Window
		}
	}
	t.step = max(t.step, time.Second)
	// More than a week of a large lake takes long to read.
	windows = min(windows, max(7, int(7*24*time.Hour/t.step)))
	t.place, t.start = windows-1, end.Add(-time.Duration(windows)*t.step)
	t.rule = make([]measure, windows+windowsAfter)
	return t
}

// waited tells that the finding is about what did not come.
func (d *dossier) waited() bool {
	return d.same() && d.rule.Correlation != nil && d.rule.Correlation.Denies()
}

func (t *tally) end() time.Time { return t.start.Add(time.Duration(len(t.rule)) * t.step) }

// add takes one event in.
func (t *tally) add(row *export.EventRow) error {
	if t == nil {
		return nil
	}
	at := time.UnixMilli(row.EventTS).UTC()
	t.newest = later(t.newest, at)
	if at.Before(t.start) || !at.Before(t.end()) || t.seen[row.EventID] {
		return nil
	}
	t.seen[row.EventID] = true
	i := int(at.Sub(t.start) / t.step)
	in, err := processor.InputOf(row)
	if err != nil {
		return err
	}
	f := t.d.steps[0]
	if f.AccountID != nil && in.Event.Account() != *f.AccountID {
		return nil
	}
	if f.ActorRoot == nil || in.Actor.Root == *f.ActorRoot {
		name := value(row.EventName)
		if t.acts[name] == nil {
			t.acts[name] = make([]float64, len(t.rule))
		}
		t.acts[name][i]++
	}
	if t.judge(in, &t.rule[i]) && i == t.place {
		t.matched = append(t.matched, row)
	}
	return nil
}

// judge counts an event as the rule does, and tells whether it counted.
func (t *tally) judge(in *rule.Input, m *measure) (counted bool) {
	if t.matcher == nil {
		return false
	}
	own := t.d.rule
	for _, r := range t.matcher.Judge(in) {
		if r == own && own.Baseline != nil && t.inGroup(keysOf(own), own.Keys, in) {
			counted = m.learned(own, in) || counted
		}
		for i := range own.Parts {
			if p := &own.Parts[i]; p.Rule == r && t.inGroup(own.Correlation.GroupBy, p.Keys, in) {
				counted = m.correlated(own, p, in) || counted
			}
		}
	}
	return counted
}

func keysOf(r *rule.Rule) (names []string) {
	for _, k := range r.Keys {
		names = append(names, k.String())
	}
	return names
}

// inGroup tells whether an event belongs to the group of the finding.
func (t *tally) inGroup(names []string, paths []rule.Path, in *rule.Input) bool {
	for i := range min(len(names), len(paths)) {
		found := false
		for _, text := range paths[i].AppendTexts(nil, in, rule.MaxGroups) {
			found = found || text == t.d.steps[0].GroupKey[names[i]]
		}
		if !found {
			return false
		}
	}
	return true
}
