package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/chart"
	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/window"
)

// learned counts an event for a baseline, if it has what that looks at.
func (m *measure) learned(r *rule.Rule, in *rule.Input) bool {
	statistic := r.Baseline.WithDefaults().Statistic
	switch code, _ := in.Event.Text(cloudtrail.ErrorCode); {
	case statistic == baseline.ErrorCount && code == "":
		return false
	case statistic == baseline.Distinct || statistic == baseline.Sum:
		text, ok := r.Value.Text(in)
		return ok && m.take(text, statistic == baseline.Distinct)
	}
	m.sum++
	return true
}

// correlated counts a match of a part of a correlation.
func (m *measure) correlated(r *rule.Rule, p *rule.Part, in *rule.Input) bool {
	kind := r.Correlation.Type
	if kind != window.ValueCount && kind != window.ValueSum {
		m.sum++
		return true
	}
	tuple := make([]string, 0, len(p.Value))
	for i := range p.Value {
		text, ok := p.Value[i].Text(in)
		if !ok {
			return false
		}
		tuple = append(tuple, text)
	}
	return m.take(strings.Join(tuple, "\x00"), kind == window.ValueCount)
}

// take takes a value in: one of several different, or a number to add. It is
// false for what should be a number and is none.
func (m *measure) take(text string, distinct bool) bool {
	if !distinct {
		n, err := strconv.ParseFloat(text, 64)
		if err == nil {
			m.sum += n
		}
		return err == nil
	}
	if m.distinct == nil {
		m.distinct = map[string]bool{}
	}
	m.distinct[text] = true
	return true
}

// series is what was counted, ready to draw. Windows for which the lake has
// nothing yet are left out.
func (t *tally) series() *chart.Series {
	f := t.d.steps[0]
	s := &chart.Series{Title: f.RuleTitle, Start: t.start, Step: t.step}
	s.From = t.start.Add(time.Duration(t.place) * t.step)
	s.To = s.From.Add(t.step)
	if reason := t.unlike(); reason == "" {
		for i := range t.rule {
			s.Values = append(s.Values, t.rule[i].value())
		}
		s.Limit, s.Usual = t.bounds()
		s.Caption = t.caption(s.Usual != nil)
	} else {
		s.Values, s.Caption = t.instead(reason)
	}
	known := int(t.newest.Sub(t.start)/t.step) + 1
	s.Values = s.Values[:min(len(s.Values), max(known, t.place+1))]
	return s
}

// unlike says why the rule could not be counted again, "" when it was.
func (t *tally) unlike() string {
	switch {
	case t.d.rule == nil:
		return "the rule is not at hand (--rules names its folder)"
	case t.matcher == nil:
		return "the rule has changed since"
	case t.rule[t.place].value() == 0:
		return "what the rule counts cannot be told from rows of events alone"
	}
	return ""
}

// instead counts calls of the names that the finding's events have, by the same
// actor; when no event of it is at hand, all calls.
func (t *tally) instead(reason string) (values []float64, caption []string) {
	names := map[string]bool{}
	for _, e := range t.d.events {
		names[value(e.EventName)] = true
	}
	values = make([]float64, len(t.rule))
	for name, counts := range t.acts {
		for i := range counts {
			if names[name] || len(names) == 0 {
				values[i] += counts[i]
			}
		}
	}
	what := "all calls"
	if len(names) > 0 {
		what = "calls of " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
	}
	f := t.d.steps[0]
	who := ""
	if f.ActorRoot != nil {
		who = " by " + export.Plain(*f.ActorRoot)
	}
	return values, []string{
		"bars: " + what + who + " in account " + value(f.AccountID) + ", in windows of " + duration(t.step),
		"not what the rule counts, so without its limit: " + reason,
	}
}

// bounds are the limit and what is usual, in the unit of the bars.
func (t *tally) bounds() (limit, usual *float64) {
	f := t.d.steps[0]
	if t.d.rule.Correlation != nil {
		switch t.d.rule.Correlation.Type {
		case window.EventCount, window.ValueCount, window.ValueSum:
			return f.Threshold, nil
		}
		return nil, nil
	}
	if band, err := strconv.ParseFloat(f.Fields["upper_band"], 64); err == nil {
		limit = &band
	}
	if !ofManyWindows(f.Fields) {
		usual = f.Expected
	}
	return limit, usual
}

// ofManyWindows tells that observed and expected of a baseline's finding are
// sums over twelve windows: that is so when these are its strongest evidence.
func ofManyWindows(fields map[string]string) bool {
	strongest, most := "", 0.0
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		score, err := strconv.ParseFloat(fields[name], 64)
		if strings.HasPrefix(name, "evidence.") && err == nil && score > most {
			strongest, most = name, score
		}
	}
	return strongest == "evidence.size_long"
}

// caption says what the bars are.
func (t *tally) caption(usual bool) []string {
	r, f := t.d.rule, t.d.steps[0]
	what := "matches"
	switch {
	case r.Baseline != nil && r.Baseline.Statistic != "" && r.Baseline.Statistic != baseline.Count:
		what = strings.ReplaceAll(strings.TrimSpace(string(r.Baseline.Statistic)+" "+r.Baseline.Field), "_", " ")
	case r.Correlation != nil && (r.Correlation.Type == window.ValueCount || r.Correlation.Type == window.ValueSum):
		what = strings.ReplaceAll(r.Correlation.Type.String(), "_", " ") + " of " + strings.Join(r.Correlation.Condition.Fields, ", ")
	}
	lines := []string{"bars: " + what + group(f.GroupKey) + " in account " + value(f.AccountID) + ", counted by the rule in the lake, in windows of " + duration(t.step)}
	if r.Correlation != nil && r.Correlation.Shape == window.Sliding {
		lines = append(lines, "the rule's own windows slide; these lie end to end, so that one is the finding's")
	}
	if here := t.rule[t.place].value(); f.Observed != nil && !ofManyWindows(f.Fields) && here != *f.Observed {
		lines = append(lines, fmt.Sprintf("in the finding's window the rule had seen %s when it spoke up; the lake has %s", amount(*f.Observed), amount(here)))
	}
	if usual {
		lines = append(lines, fmt.Sprintf("usual: %s, the mean of windows in which there was something; limit: the first number that is unusual", amount(*f.Expected)))
	}
	return lines
}

func group(key map[string]string) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(key)) {
		text += " for " + name + " " + export.Plain(key[name])
	}
	return text
}

// amount writes a number as people do.
func amount(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// duration writes a time without parts that are zero.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
