package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Forms of an incoming webhook of Slack: text is what a notification shows,
// blocks what the channel shows. A header takes 150 characters, a section
// 3,000, a field of one 2,000, ten of them; an element of a context 2,000 too.
// Verbatim keeps Slack from making links and mentions of what looks like one.
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
		Type     string `json:"type"`
		Text     string `json:"text"`
		Verbatim bool   `json:"verbatim,omitzero"`
	}
)

const mostSlackFields = 10

var slackMarks = map[string]string{"low": ":large_blue_circle:", "medium": ":large_yellow_circle:", "high": ":large_orange_circle:", "critical": ":red_circle:"}

func slackMessage(m *Message) slackBody {
	b := slackBody{Text: fmt.Sprintf("[%s] %s", m.Severity, escape(m.Text, 2900))}
	b.Blocks = append(b.Blocks, slackBlock{Type: "header", Text: &slackText{Type: "plain_text", Text: clip(slackMarks[m.Severity]+" "+m.heading(), 150)}},
		slackSection(escape(m.sentence(), 1900)))
	if fields := slackFields(m); len(fields) > 0 {
		b.Blocks = append(b.Blocks, slackBlock{Type: "section", Fields: fields})
	}
	for _, p := range m.parts() {
		b.Blocks = append(b.Blocks, slackSection("*"+p.title+"*\n"+slackLines(p)))
	}
	b.Blocks = append(b.Blocks, slackBlock{Type: "context", Elements: []slackText{markup(escape(footer(m), 1500))}})
	return b
}

func markup(text string) slackText { return slackText{"mrkdwn", text, true} }

func slackSection(text string) slackBlock {
	t := markup(text)
	return slackBlock{Type: "section", Text: &t}
}

// slackFields are the facts. They stand in two columns.
func slackFields(m *Message) (out []slackText) {
	for _, f := range m.facts() {
		if len(out) == mostSlackFields {
			break
		}
		text := code(f.text, 1200)
		if f.name == "When" {
			text = escape(f.text, 200) + readersTime(m)
		}
		out = append(out, markup("*"+escape(f.name, 200)+"*\n"+text))
	}
	return out
}

// readersTime is the time where the reader is.
func readersTime(m *Message) string {
	t := moment(cmp.Or(m.When.Last, m.When.Time))
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("\n<!date^%d^{date_short_pretty} {time} for you|%s>", t.Unix(), t.Format(time.RFC3339))
}

// slackLines are the lines of a part. Only addresses that a rule gives become
// links; a part with several lines is a list.
func slackLines(p part) string {
	var lines []string
	for _, line := range p.lines {
		text := escape(strings.TrimSpace(line), 700)
		switch {
		case p.title == "Go on":
			text = code(line, 700)
		case strings.HasPrefix(line, "https://") && !strings.ContainsAny(line, " \n<>|"):
			text = "<" + text + ">"
		case len(p.lines) > 1:
			text = "• " + text
		}
		if size := len(strings.Join(lines, "\n")) + len(text); size > 2800 {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

// escape makes a text plain for Slack: without it, an attacker who chooses a
// session name could call a whole channel or show a false link. It has n bytes
// at most, and no escape is cut.
func escape(s string, n int) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		text := string(r)
		switch r {
		case '&':
			text = "&amp;"
		case '<':
			text = "&lt;"
		case '>':
			text = "&gt;"
		}
		if b.Len()+len(text) > n-len("…") {
			return b.String() + "…"
		}
		b.WriteString(text)
	}
	return b.String()
}

// code shows a text as it is, in letters of equal width: an asterisk in a name
// does not make the rest bold.
func code(s string, n int) string {
	return "`" + escape(strings.ReplaceAll(s, "`", "'"), n) + "`"
}
