package rule

import (
	"fmt"
	"strings"
)

// Report says what a load took in and what it left out.
type Report struct {
	Rules        int      `json:"rules"`    // that look at events or resources
	Patterns     int      `json:"patterns"` // of them, EventBridge patterns
	Correlations int      `json:"correlations"`
	Filters      int      `json:"filters"`
	Lists        []string `json:"lists,omitempty"`     // that rules ask: name, file, values, hash
	Silenced     []string `json:"silenced,omitempty"`  // rules that only feed correlations
	Converted    []string `json:"converted,omitempty"` // rules in the old form, as the new YAML
	Staged       []string `json:"staged,omitempty"`
	Foreign      []string `json:"foreign,omitempty"`  // documents for other log sources
	Replaced     []string `json:"replaced,omitempty"` // rules that took the place of others
	Slow         []string `json:"slow,omitempty"`     // rules that no field leads to, so every event is held against them
	Warnings     []string `json:"warnings,omitempty"`
}

func (r *Report) count(rules []*Rule) {
	for _, rule := range rules {
		if rule.Kind == KindCorrelation {
			r.Correlations++
		} else {
			r.Rules++
		}
		if rule.pattern {
			r.Patterns++
		}
		if rule.Staged {
			r.Staged = append(r.Staged, rule.Title)
		}
	}
}

// String is the report for people: the counts, and a line for each thing that
// somebody may want to know.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d rules, %d of them EventBridge patterns; %d correlations, %d filters; %d silenced, %d converted, %d staged, %d replaced, %d for other log sources, %d slow, %d warnings\n",
		r.Rules, r.Patterns, r.Correlations, r.Filters, len(r.Silenced), len(r.Converted), len(r.Staged), len(r.Replaced), len(r.Foreign), len(r.Slow), len(r.Warnings))
	for _, part := range []struct {
		word  string
		lines []string
	}{{"list", r.Lists}, {"silenced", r.Silenced}, {"converted", r.Converted}, {"staged", r.Staged}, {"replaced", r.Replaced}, {"foreign", r.Foreign}, {"slow", r.Slow}, {"warning", r.Warnings}} {
		for _, l := range part.lines {
			fmt.Fprintf(&b, "%-10s%s\n", part.word, l)
		}
	}
	return b.String()
}
