package alert

import (
	"fmt"
	"strings"

	"github.com/cairnstream/cairn/export"
)

// heading is the first line of a message: how bad it is, and what.
func (m *Message) heading() string {
	text := strings.ToUpper(m.Severity) + ": " + m.Rule.Title
	if m.Step != "start" {
		text += " (" + m.Step + ")"
	}
	return text
}

// part is a titled list of lines behind the facts.
type part struct {
	title string
	lines []string
}

// parts are what stands behind the facts, in the order in which a person needs
// it. None is empty.
func (m *Message) parts() (out []part) {
	why := "Why"
	if len(m.Digest) > 0 {
		why = "Alerts"
	}
	for _, p := range []part{
		{"What it means", one(m.Rule.Description)}, {why, m.notes()}, {"What to do", one(m.Rule.Runbook)},
		{"Harmless when", m.Rule.FalsePositives}, {"More", m.Rule.References}, {"Go on", m.Next},
	} {
		if len(p.lines) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// letter is the message as plain text, for e-mail.
func (m *Message) letter() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", m.heading())
	for _, line := range export.Wrap(m.sentence(), lineWidth) {
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
	for _, f := range m.facts() {
		fmt.Fprintf(&b, "%-12s %s\n", f.name, f.text)
	}
	for _, p := range m.parts() {
		fmt.Fprintf(&b, "\n%s\n", p.title)
		for _, text := range p.lines {
			lines := []string{text}
			if p.title != "Go on" { // a command is copied as it stands
				lines = export.Wrap(text, lineWidth-2)
			}
			for _, line := range lines {
				b.WriteString("  " + line + "\n")
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n", footer(m))
	return b.String()
}

// lineWidth is how wide a letter is, in characters.
const lineWidth = 78

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
