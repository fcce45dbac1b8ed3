package alert

import (
	"cmp"
	"fmt"
	"strings"
)

// Forms of an incoming webhook of Slack: text is what a notification shows,
// blocks what the channel shows. A header takes 150 characters, a section
// 3,000, a field of one 2,000, ten of them.
type (
	slackBody struct {
		Text   string       `json:"text"`
		Blocks []slackBlock `json:"blocks"`
	}
	slackBlock struct {
		Type     string      `json:"type"`
		Text     *slackText  `json:"text,omitzero"`
		Fields   []slackText `json:"fields,omitempty"`
		Elements []slackText `json:"elements,omitempty"`
	}
	slackText struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
)

var slackMarks = map[string]string{"low": ":large_blue_circle:", "medium": ":large_yellow_circle:", "high": ":large_orange_circle:", "critical": ":red_circle:"}

func slackMessage(m *Message) slackBody {
	b := slackBody{Text: fmt.Sprintf("[%s] %s", m.Severity, escape(m.Text, 2900))}
	title := fmt.Sprintf("%s %s: %s", slackMarks[m.Severity], strings.ToUpper(m.Severity), m.Rule.Title)
	if m.Step != "start" {
		title += " (" + m.Step + ")"
	}
	b.Blocks = append(b.Blocks, slackBlock{Type: "header", Text: &slackText{"plain_text", clip(title, 150)}}, slackSection(escape(m.Text, 2900)))
	if fields := slackFields(m); len(fields) > 0 {
		b.Blocks = append(b.Blocks, slackBlock{Type: "section", Fields: fields})
	}
	for _, part := range []struct {
		title string
		lines []string
	}{{"Why", slackWhy(m)}, {"Runbook", one(m.Rule.Runbook)}, {"False positives", m.Rule.FalsePositives}, {"References", m.Rule.References}} {
		if len(part.lines) > 0 {
			b.Blocks = append(b.Blocks, slackSection("*"+part.title+"*\n"+escape(strings.Join(part.lines, "\n"), 2800)))
		}
	}
	return b.with(slackBlock{Type: "context", Elements: []slackText{{"mrkdwn", escape(footer(m), 2000)}}})
}

func (b slackBody) with(more slackBlock) slackBody {
	b.Blocks = append(b.Blocks, more)
	return b
}

func slackSection(markup string) slackBlock {
	return slackBlock{Type: "section", Text: &slackText{"mrkdwn", markup}}
}

// slackFields are the facts that people look for first, ten at most.
func slackFields(m *Message) (out []slackText) {
	for _, f := range [][2]string{
		{"Actor", m.Who.Actor}, {"Role", m.Who.Role}, {"Session", m.Who.Session},
		{"Account", joined("\n", joined(" ", m.Where.Account, m.Where.Alias), joined(", ", m.Where.Owner, m.Where.Environment))}, {"Region", m.Where.Region}, {"Address", m.Where.Address},
		{"Event", joined(" of ", m.What.Event, m.What.Service)}, {"When", period(m)}, {"Resources", strings.Join(newest(m.Resources, 5), "\n")}, {"Error", m.What.Error},
	} {
		if f[1] != "" {
			out = append(out, slackText{"mrkdwn", "*" + f[0] + "*\n" + escape(f[1], 1900)})
		}
	}
	return out
}

func slackWhy(m *Message) []string {
	lines := append([]string(nil), m.Why.Reasons...)
	for i, s := range m.Why.Steps {
		lines = append(lines, fmt.Sprintf("step %d: %s, event %s", i+1, s.Rule, s.Event))
	}
	for _, d := range m.Digest {
		lines = append(lines, fmt.Sprintf("%d × [%s] %s", d.Alerts, d.Severity, d.Title))
	}
	return lines
}

// footer names what has to be quoted: rule, author, licence and ids.
func footer(m *Message) string {
	parts := []string{"Cairn"}
	for _, p := range [][2]string{{"finding ", m.Finding}, {"rule ", joined(" ", m.Rule.ID, m.Rule.Version)}, {"tags ", strings.Join(m.Rule.Tags, " ")},
		{"by ", m.Rule.Author}, {"licence ", m.Rule.License}} {
		if p[1] != "" {
			parts = append(parts, p[0]+p[1])
		}
	}
	return strings.Join(parts, " · ")
}

// period is when it happened, for people.
func period(m *Message) string {
	if m.When.First != "" {
		return m.When.First + " to " + m.When.Last
	}
	return cmp.Or(m.When.Time)
}

// joined puts what is not empty together.
func joined(separator string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, separator)
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// escape makes a text plain for Slack: without it, an attacker who chooses a
// session name could call a whole channel or show a false link. It is cut
// first, so that no escape is.
func escape(s string, n int) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(clip(s, n))
}
