package alert

import (
	"fmt"
	"maps"
	"strings"
)

// An event of PagerDuty's Events API v2. The routing key is a secret: it is put
// in when the event leaves.
type (
	pagerDutyBody struct {
		Action  string            `json:"event_action"` // trigger or resolve
		Key     string            `json:"dedup_key"`    // the finding: all its steps are one incident
		Payload *pagerDutyPayload `json:"payload,omitzero"`
		Client  string            `json:"client,omitzero"`
		Links   []pagerDutyLink   `json:"links,omitempty"`
	}
	pagerDutyPayload struct {
		Summary   string            `json:"summary"` // 1,024 characters
		Source    string            `json:"source"`
		Severity  string            `json:"severity"` // info, warning, error or critical
		Timestamp string            `json:"timestamp"`
		Component string            `json:"component,omitzero"`
		Group     string            `json:"group,omitzero"`
		Class     string            `json:"class,omitzero"`
		Details   map[string]string `json:"custom_details"` // shown as a table
	}
	pagerDutyLink struct {
		Href string `json:"href"`
		Text string `json:"text"`
	}
)

var pagerDutySeverity = map[string]string{"low": "info", "medium": "warning", "high": "error", "critical": "critical"}

func pagerDutyEvent(m *Message, resolve bool) pagerDutyBody {
	key := m.Finding
	if key == "" {
		key = m.ID
	}
	if m.Step == "end" && resolve {
		return pagerDutyBody{Action: "resolve", Key: key}
	}
	source := m.Where.Account
	if source == "" {
		source = "cairn"
	}
	b := pagerDutyBody{Action: "trigger", Key: key, Client: "Cairn", Payload: &pagerDutyPayload{
		Summary: clip(fmt.Sprintf("[%s] %s", m.Severity, m.Text), 1000), Source: source, Severity: pagerDutySeverity[m.Severity], Timestamp: m.When.Time,
		Component: m.What.Service, Group: m.Where.Account, Class: m.Rule.Tactic, Details: details(m)}}
	for _, link := range append(one(m.Rule.Runbook), m.Rule.References...) {
		if strings.HasPrefix(link, "https://") && !strings.ContainsAny(link, " \n") {
			b.Links = append(b.Links, pagerDutyLink{link, link})
		}
	}
	return b
}

// details are what an incident shows: facts and parts in words, and the ids
// that lead to the rest.
func details(m *Message) map[string]string {
	out := map[string]string{"Finding": m.Finding, "Alert": m.ID, "Rule": joined(" ", m.Rule.ID, m.Rule.Version), "Tags": strings.Join(m.Rule.Tags, " "),
		"Events": strings.Join(newest(m.What.EventIDs, 20), " "), "By": joined(", licence ", m.Rule.Author, m.Rule.License)}
	for _, f := range m.facts() {
		out[f.name] = f.text
	}
	for _, p := range m.parts() {
		out[p.title] = strings.Join(p.lines, "\n")
	}
	maps.DeleteFunc(out, func(_, text string) bool { return text == "" })
	return out
}
