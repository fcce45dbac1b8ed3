package detect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/window"
)

// correlate gives the event in hand to the windows.
func (d *Detector) correlate() error {
	fired, err := d.windows.Event(&d.window)
	if err != nil {
		return fmt.Errorf("windows: %w", err)
	}
	for i := range fired {
		d.fired(&fired[i])
	}
	return nil
}

// kept is what the windows keep of the event in hand.
func (d *Detector) kept() string {
	if d.context == "" {
		c := contextOf(d.event, d.shown)
		for _, id := range d.window.Matched {
			c.listed(d.event, d.rules[id])
		}
		d.scratch = c.append(d.scratch[:0])
		d.context = string(d.scratch)
	}
	return d.context
}

// fired makes a finding of what the windows decided.
func (d *Detector) fired(w *window.Firing) {
	r := d.rules[w.Spec.ID]
	if w.Silent || r == nil {
		return
	}
	f := Finding{Rule: r, ID: w.ID, Step: Step(w.Step.String()), Level: r.Level, Context: decodeContext(w.Context), Time: w.Time,
		From: w.From, To: w.To, Began: w.Began, Ended: w.Ended, Count: w.Count, SuppressedBy: w.SuppressedBy, EventIDs: union(w.First, w.Last)}
	f.EventID, f.Account = w.Trigger, w.Account
	f.Observed, f.Threshold = number(w.Value), threshold(w.Spec)
	for _, p := range w.Group {
		f.Group = append(f.Group, Pair(p))
	}
	for _, s := range w.Steps {
		f.Parts = append(f.Parts, Part{d.rules[s.Rule], s.Events, s.IDs})
	}
	f.note(w)
	f.Summary = correlated(&f)
	d.out = append(d.out, f)
}

// note tells what has to be known to trust what the windows say.
func (f *Finding) note(w *window.Firing) {
	put := func(when bool, name, value string) {
		if !when {
			return
		}
		if f.Notes == nil {
			f.Notes = map[string]string{}
		}
		f.Notes[name] = value
	}
	put(!w.Began.IsZero(), export.BeganField, w.Began.Format(time.RFC3339Nano))
	put(!w.Ended.IsZero(), export.EndedField, w.Ended.Format(time.RFC3339Nano))
	put(w.Approximate, "approximate", "true")
	put(w.Approximate && w.Error > 0, "error", strconv.FormatFloat(w.Error, 'g', 3, 64))
	put(w.Incomplete, "incomplete", "true")
	put(w.Void, "void", "true")
	put(w.Merged != "", "merged_into", w.Merged)
	for _, s := range w.Steps {
		put(len(s.IDs) > 0, "step."+s.Rule, strings.Join(s.IDs, " "))
	}
}

// threshold is the bound that a value went beyond; nil where there is none.
func threshold(s *window.Spec) *float64 {
	for _, b := range s.Condition.Bounds {
		return number(b.Value)
	}
	return nil
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, id := range b {
		if !slices.Contains(a, id) {
			out = append(out, id)
		}
	}
	return out
}
