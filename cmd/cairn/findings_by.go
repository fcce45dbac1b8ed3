package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/blob"
)

// groupings are the words of --by.
var groupings = []string{"rule", "account", "actor"}

// findingGroup is how many findings there are of a rule, an account or an
// actor, and how many of them a person is told of.
type findingGroup struct {
	Name     string `json:"name"`
	RuleID   string `json:"rule_id,omitzero"`
	Severity string `json:"severity"` // the worst
	Findings int    `json:"findings"`
	HeldBack int    `json:"held_back"` // by another one about the same
	OnTrial  int    `json:"on_trial"`
	Facts    int    `json:"informational"` // never sent
	Alerts   int    `json:"alerts"`        // the rest

	ADay           float64 `json:"alerts_a_day"`
	Loudest        string  `json:"loudest"` // who has most of the alerts: an actor, or of an actor the rule
	LoudestAlerts  int     `json:"loudest_alerts"`
	alertsOfOthers map[string]int
}

// groupFindings counts findings, most alerts first. days is how many days the
// lake has events of.
func groupFindings(lives []life, by string, days int) (out []*findingGroup) {
	groups := map[string]*findingGroup{}
	for i := range lives {
		l := &lives[i]
		name, other := l.groupedBy(by)
		key := name
		if by == "rule" { // two may have one title
			key = l.now().RuleID
		}
		g := groups[key]
		if g == nil {
			g = &findingGroup{Name: name, Severity: l.severity(), alertsOfOthers: map[string]int{}}
			if by == "rule" {
				g.RuleID = key
			}
			groups[key] = g
			out = append(out, g)
		}
		g.add(l, other)
	}
	for _, g := range out {
		g.finish(days)
	}
	slices.SortFunc(out, func(a, b *findingGroup) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(b.Findings, a.Findings), strings.Compare(a.Name, b.Name), strings.Compare(a.RuleID, b.RuleID))
	})
	return out
}

// groupedBy is the name of the group of a finding, and of what it is told apart
// by inside of it.
func (l *life) groupedBy(by string) (name, other string) {
	r := l.steps[0]
	actor := cmp.Or(export.ActorName(value(r.ActorRoot), value(r.AccountID)), "-")
	switch by {
	case "account":
		return cmp.Or(value(r.AccountID), "-"), actor
	case "actor":
		return actor, r.RuleTitle
	}
	return r.RuleTitle, actor
}

func (g *findingGroup) add(l *life, other string) {
	g.Findings++
	if slices.Index(levels, l.severity()) < slices.Index(levels, g.Severity) {
		g.Severity = l.severity()
	}
	switch r := l.steps[0]; {
	case r.SuppressedBy != nil:
		g.HeldBack++
	case r.Staged:
		g.OnTrial++
	case l.severity() == "informational":
		g.Facts++
	default:
		g.Alerts++
		g.alertsOfOthers[other]++
	}
}

func (g *findingGroup) finish(days int) {
	g.ADay = float64(g.Alerts) / float64(max(days, 1))
	for _, name := range slices.Sorted(maps.Keys(g.alertsOfOthers)) {
		if n := g.alertsOfOthers[name]; n > g.LoudestAlerts {
			g.Loudest, g.LoudestAlerts = name, n
		}
	}
}

// daysOfEvents is how many days the lake has events of.
func daysOfEvents(ctx context.Context, lake blob.Store) (int, error) {
	days := map[string]bool{}
	for object, err := range lake.List(ctx, string(export.Events)+"/") {
		if err != nil {
			return 0, fmt.Errorf("list the events of the lake: %w", err)
		}
		if parts := strings.Split(object.Key, "/"); len(parts) > 2 {
			days[parts[1]] = true
		}
	}
	return len(days), nil
}

// printGroups prints the counts: what there was, what was held back, and what
// a person is told of.
func printGroups(e *env, by string, groups []*findingGroup, days int) {
	t := &table{head: []string{strings.ToUpper(by), "SEVERITY", "FINDINGS", "HELD BACK", "ALERTS", "A DAY", "LOUDEST"}, colour: severityIn(e, 1)}
	var all findingGroup
	for _, g := range groups {
		loudest := ""
		if g.Alerts > 0 {
			loudest = fmt.Sprintf("%d by %s", g.LoudestAlerts, export.Plain(g.Loudest))
			if by == "actor" {
				loudest = fmt.Sprintf("%d × %s", g.LoudestAlerts, export.Plain(g.Loudest))
			}
		}
		t.add(export.Plain(g.Name), g.Severity, fmt.Sprint(g.Findings), fmt.Sprint(g.HeldBack), fmt.Sprint(g.Alerts), rate(g.ADay), loudest)
		all.Findings, all.HeldBack, all.Alerts = all.Findings+g.Findings, all.HeldBack+g.HeldBack, all.Alerts+g.Alerts
	}
	all.finish(days)
	t.add("all", "", fmt.Sprint(all.Findings), fmt.Sprint(all.HeldBack), fmt.Sprint(all.Alerts), rate(all.ADay), "")
	t.fit(pageOf(e).table, []string{"LOUDEST"}, elastic{"LOUDEST", 20}, elastic{strings.ToUpper(by), 20})
	t.print(e.out)
	_, _ = fmt.Fprintf(e.out, "\n%s with events. What is held back has another finding about the same; alerts are what is left of low severity and above, not on trial.\n", plural(int64(days), "day"))
}

func rate(v float64) string { return fmt.Sprintf("%.2f", v) }
