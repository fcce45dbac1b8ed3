package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
)

// why is the reason of the finding in numbers.
func (d *dossier) why() string {
	r := d.telling()
	f := r.Fields
	switch r.RuleKind {
	case "baseline":
		text := numbers(r)
		if ofManyWindows(f) {
			text += ", over twelve windows"
		}
		return text
	case "first_seen":
		text := "not seen before"
		if f["new_for"] == "parent" {
			text += fmt.Sprintf(" here; %s others of the account know it", f["other_parents"])
		} else if f["new_for"] != "" {
			text += " in the whole account"
		}
		return text + prefixed("; watched since ", f["parent_since"])
	case "correlation":
		if d.waited() {
			return "waited for it until " + stamp(&d.steps[0].EventTS) + " UTC"
		}
		return numbers(r) + prefixed(", ", plural(r.EventCount, "event"))
	case "resource":
		return "the state of the resource is as the rule describes"
	}
	return "the event is as the rule describes"
}

// numbers are what was counted, against what.
func numbers(r *export.FindingRow) string {
	var parts []string
	if r.Observed != nil {
		parts = append(parts, amount(*r.Observed)+" observed")
	}
	if r.Expected != nil {
		parts = append(parts, amount(*r.Expected)+" expected")
	}
	if band := r.Fields["upper_band"]; band != "" {
		parts = append(parts, "unusual from "+band+" on")
	}
	if r.Threshold != nil && r.RuleKind != "baseline" {
		parts = append(parts, "limit "+amount(*r.Threshold))
	}
	return strings.Join(parts, ", ")
}

// evidence is what supports the finding, a line each.
func (d *dossier) evidence() (lines []string) {
	r := d.telling()
	f := r.Fields
	if score := f["score"]; score != "" {
		text := "score " + score
		if r.Threshold != nil {
			text += ", a finding from " + amount(*r.Threshold) + " on"
		}
		text += prefixed("; probability ", f["probability"])
		lines = append(lines, text)
	}
	for _, name := range withPrefix(f, "evidence.") {
		lines = append(lines, "evidence "+strings.ReplaceAll(strings.TrimPrefix(name, "evidence."), "_", " ")+" "+f[name])
	}
	if rate := f["baseline_per_minute"]; rate != "" {
		lines = append(lines, fmt.Sprintf("usually %s per minute (over %s min), now %s (over %s min)", rate, f["baseline_minutes"], f["insight_per_minute"], f["insight_minutes"]))
	}
	lines = append(lines, notEmpty(f["bucket"], prefixed("score among all of the account ", f["population_score"]),
		prefixed("the key was active in ", f["active_windows"])+prefixed(" windows: ", f["confidence"]))...)
	lines = append(lines, attributions(f)...)
	for _, name := range withPrefix(f, "step.") {
		lines = append(lines, "step "+d.ruleTitle(strings.TrimPrefix(name, "step."))+": "+d.stepEvents(f[name]))
	}
	for _, name := range []string{"approximate", "error", "incomplete", "learning", "void", "merged_into", "direction"} {
		if f[name] != "" {
			lines = append(lines, strings.ReplaceAll(name, "_", " ")+": "+f[name])
		}
	}
	return lines
}

// attributions are what stands behind the number, as far as it was watched.
func attributions(f map[string]string) (lines []string) {
	for _, name := range withPrefix(f, "attribution.") {
		text := strings.TrimPrefix(name, "attribution.")
		for _, attribute := range []string{"userIdentity.arn", "userAgent", "errorCode", "sourceIPAddress", "awsRegion"} {
			if v, ok := strings.CutPrefix(text, attribute+"."); ok {
				text = attribute + " " + v
				break
			}
		}
		lines = append(lines, "behind it: "+text+", "+f[name])
	}
	if len(lines) > 0 && f["attributed_events"] != "" {
		lines = append(lines, "(by the last "+f["attributed_events"]+" events of the window)")
	}
	return lines
}

func notEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

func withPrefix(m map[string]string, prefix string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}

// ruleTitle is the title of a rule, as far as it is at hand.
func (d *dossier) ruleTitle(id string) string {
	if d.set != nil {
		for _, r := range d.set.Rules() {
			if r.ID == id {
				return r.Title
			}
		}
	}
	return id
}

// stepEvents tells of the events of one step of a sequence.
func (d *dossier) stepEvents(ids string) string {
	var texts []string
	for _, id := range strings.Fields(ids) {
		text := id
		for _, e := range d.events {
			if e.EventID == id {
				text = value(e.EventName) + " at " + time.UnixMilli(e.EventTS).UTC().Format(time.TimeOnly)
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// explained are the names of fields that are shown in words elsewhere.
var explained = []string{
	"score", "probability", "upper_band", "confidence", "active_windows", "bucket", "population_score", "baseline_per_minute", "baseline_minutes",
	"insight_per_minute", "insight_minutes", "attributed_events", "approximate", "error", "incomplete", "learning", "void", "merged_into",
	"new_for", "other_parents", "parent_since", "reason", "direction", export.BeganField, export.EndedField,
}

// plainFields are those that the rule names.
func (d *dossier) plainFields() map[string]string {
	out := map[string]string{}
	for name, text := range d.now().Fields {
		if !slices.Contains(explained, name) && !strings.HasPrefix(name, "evidence.") && !strings.HasPrefix(name, "attribution.") && !strings.HasPrefix(name, "step.") {
			out[name] = text
		}
	}
	return out
}

// shownRule is a rule beside its finding.
type shownRule struct {
	Title          string   `json:"title"`
	Version        string   `json:"version"`
	Changed        bool     `json:"changed"` // it decides otherwise now than when it made the finding
	Description    string   `json:"description"`
	Runbook        string   `json:"runbook,omitempty"`
	References     []string `json:"references,omitempty"`
	FalsePositives []string `json:"false_positives,omitempty"`
	Author         string   `json:"author,omitempty"`
	License        string   `json:"license,omitempty"`
	Origin         string   `json:"origin"`
}

// shownChart is a chart in numbers.
type shownChart struct {
	Start       time.Time `json:"start"`
	StepSeconds float64   `json:"step_seconds"`
	Values      []float64 `json:"values"`
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Limit       *float64  `json:"limit"`
	Usual       *float64  `json:"usual"`
	Caption     []string  `json:"caption"`
}

// object is all of it for a program.
func (d *dossier) object() map[string]any {
	events := make([]columns, len(d.events))
	for i, e := range d.events {
		events[i] = columns{e}
	}
	out := map[string]any{
		"finding_id": d.now().FindingID, "severity": d.severity(), "note": d.note(), "steps": allColumns(d.steps),
		"events": events, "missing_event_ids": append([]string{}, d.missing...), "stands_for": len(d.standsFor),
		"delivery": delivery{append([]waitingAlert{}, d.delivery.Waiting...), d.delivery.Replay},
	}
	if r := d.rule; r != nil {
		out["rule"] = shownRule{r.Title, r.Version, !d.same(), r.Description, r.Runbook, r.References, r.FalsePositives, r.Author, r.License, r.Origin.String()}
	}
	if s := d.chart; s != nil {
		out["chart"] = shownChart{s.Start, s.Step.Seconds(), s.Values, s.From, s.To, s.Limit, s.Usual, s.Caption}
	}
	return out
}
