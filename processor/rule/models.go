package rule

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export/yamlat"
	"github.com/cairnstream/cairn/processor/baseline"
)

// firstSeen reads {fields, history, min_history}.
func (d *document) firstSeen(r *Rule, n *node) {
	s := &baseline.FirstSeenSpec{}
	r.FirstSeen = s
	ok := d.members(n, "first_seen", takers{
		"fields":      func(v *node) { r.Keys = d.paths(v, "fields", 3) },
		"history":     func(v *node) { s.History = d.duration(v) },
		"min_history": func(v *node) { s.MinHistory = d.duration(v) },
	})
	s.Fields = pathTexts(r.Keys)
	if ok {
		d.faults(n, s.Check())
	}
}

// baseline reads what is learned, for which keys, and what is unusual.
func (d *document) baseline(r *Rule, n *node) {
	s := &baseline.Spec{}
	r.Baseline = s
	ok := d.members(n, "baseline", takers{
		"statistic":  func(v *node) { s.Statistic = baseline.Statistic(v.Text) },
		"field":      func(v *node) { d.valueField(r, s, v) },
		"by":         func(v *node) { r.Keys = d.paths(v, "by", 4) },
		"window":     func(v *node) { s.Window = d.duration(v) },
		"half_life":  func(v *node) { s.HalfLife = d.duration(v) },
		"season":     func(v *node) { s.Season = baseline.Season(v.Text) },
		"timezone":   func(v *node) { s.Timezone = v.Text },
		"threshold":  func(v *node) { d.threshold(s, v) },
		"min_count":  func(v *node) { s.MinCount = d.number(v, "min_count") },
		"min_ratio":  func(v *node) { s.MinRatio = d.number(v, "min_ratio") },
		"direction":  func(v *node) { s.Direction = baseline.Direction(v.Text) },
		"cold_start": func(v *node) { s.ColdStart = baseline.ColdStart(v.Text) },
		"exclude":    func(v *node) { d.exclude(s, v) },
		"model":      func(v *node) { s.Model = baseline.ModelKind(v.Text) },
		"max_keys":   func(v *node) { s.MaxKeys = d.whole(v, "max_keys", 1) },
	})
	s.By = pathTexts(r.Keys)
	if ok {
		d.faults(n, s.Check())
	}
}

func (d *document) valueField(r *Rule, s *baseline.Spec, v *node) {
	if p, ok := d.path(v); ok {
		r.Value, s.Field = &p, p.String()
	}
}

func (d *document) threshold(s *baseline.Spec, n *node) {
	if n.Kind == yamlat.Map && len(n.Keys) != 1 {
		d.fail(n, "a threshold is exactly one of score, probability, band, budget")
		return
	}
	set := func(kind baseline.ThresholdKind) func(v *node) {
		return func(v *node) { s.Threshold = baseline.Threshold{Kind: kind, Value: d.number(v, string(kind))} }
	}
	d.members(n, "threshold", takers{
		"score": set(baseline.ByScore), "probability": set(baseline.ByProbability), "band": set(baseline.ByBand),
		"budget": func(v *node) {
			perDay, err := baseline.ParseBudget(v.Text)
			if err != nil {
				d.fail(v, "%s", err)
			}
			s.Threshold = baseline.Threshold{Kind: baseline.ByBudget, Value: perDay}
		},
	})
}

// exclude reads the list of times that are not learned.
func (d *document) exclude(s *baseline.Spec, n *node) {
	for _, item := range n.List() {
		var x baseline.Exclude
		d.members(item, "exclude", takers{
			"start":    func(v *node) { x.Start = d.moment(v) },
			"end":      func(v *node) { x.End = d.moment(v) },
			"cron":     func(v *node) { x.Cron = v.Text },
			"duration": func(v *node) { x.Duration = d.duration(v) },
			"alert":    func(v *node) { x.Alert = d.flag(v, "alert") },
		})
		s.Exclude = append(s.Exclude, x)
	}
}

// moment reads a time, or a day.
func (d *document) moment(v *node) time.Time {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, v.Text); err == nil {
			return t.UTC()
		}
	}
	d.fail(v, "%q is no time: write 2026-03-01T10:00:00Z, or 2026-03-01", v.Text)
	return time.Time{}
}

// faults places what a block says is wrong with it: at the key, if it is there.
func (d *document) faults(n *node, err error) {
	var joined interface{ Unwrap() []error }
	if err == nil || !errors.As(err, &joined) {
		return
	}
	for _, e := range joined.Unwrap() {
		var k *baseline.KeyError
		if !errors.As(e, &k) {
			d.fail(n, "%s", e)
			continue
		}
		name, _, _ := strings.Cut(k.Key, "[")
		if at := n.Get(name); at != nil {
			d.fail(at, "%s", k)
		} else {
			d.fail(n, "%s", k)
		}
	}
}

// pathTexts are the texts of paths.
func pathTexts(paths []Path) (out []string) {
	for _, p := range paths {
		out = append(out, p.String())
	}
	return out
}

// modelText names what the state of a baseline or a first-seen store depends
// on. A threshold is no part of it, so that what was learned survives another.
func (r *Rule) modelText() string {
	if s := r.FirstSeen; s != nil {
		return strings.Join(s.Fields, "\x01")
	}
	s := r.Baseline.WithDefaults()
	words := append([]string{string(s.Statistic), s.Field, durationText(s.Window), durationText(s.HalfLife), string(s.Season), s.Timezone,
		string(s.Model), strconv.FormatBool(s.Direction == baseline.Up)}, s.By...)
	for _, x := range s.Exclude {
		words = append(words, x.Start.String(), x.End.String(), x.Cron, x.Duration.String())
	}
	return strings.Join(words, "\x01")
}
