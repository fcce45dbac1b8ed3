package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
)

// fact is a name and what there is to say, for people.
type fact struct {
	name, text string
	who        bool // it tells of the actor, such as a key
}

const (
	mostDetails = 4   // of the fields that a rule names, beside the other facts
	mostAside   = 120 // bytes of a detail that stands in the sentence
)

// facts are what people ask first, in the order in which they ask. None is
// empty.
func (m *Message) facts() (out []fact) {
	for _, f := range append([]fact{
		{name: "Who", text: m.who()},
		{name: "Account", text: joined(", ", m.account(), m.Where.Region, m.Where.Environment, prefixed("owner ", m.Where.Owner))},
		{name: "From", text: joined(" with ", m.Where.Address, m.Where.UserAgent)},
		{name: "When", text: m.period() + m.delay()},
		{name: "Call", text: joined(" of ", m.What.Event, m.What.Service)},
		{name: "Failed with", text: m.What.Error},
		{name: "On", text: m.resources()},
	}, m.details()...) {
		if f.text = strings.TrimSpace(f.text); f.text != "" {
			out = append(out, f)
		}
	}
	return out
}

// who is the name of the first principal, the role that it acted by, the
// session, and the whole ARN to look it up.
func (m *Message) who() string {
	name := export.ActorName(m.Who.Actor, m.Where.Account)
	text := joined(" as ", name, export.ActorName(m.Who.Role, m.Where.Account))
	if m.Who.Role == m.Who.Actor {
		text = name
	}
	text = joined(", session ", text, m.Who.Session)
	if name != m.Who.Actor {
		text += " (" + m.Who.Actor + ")"
	}
	return text
}

func (m *Message) account() string {
	if m.Where.Alias == "" || m.Where.Account == "" {
		return m.Where.Account
	}
	return m.Where.Account + " (" + m.Where.Alias + ")"
}

func (m *Message) resources() string {
	var names []string
	for _, key := range newest(m.Resources, 5) {
		names = append(names, export.ResourceName(key))
	}
	return strings.Join(names, ", ")
}

// details are the fields that the rule names, by the last part of their names,
// but for those that are facts anyway.
func (m *Message) details() (out []fact) {
	known := m.known()
	for _, path := range m.Rule.Details {
		value := strings.TrimSpace(m.Fields[path])
		if value == "" || strings.Contains(known, value) || len(out) == mostDetails {
			continue
		}
		out = append(out, fact{path[strings.LastIndexByte(path, '.')+1:], value, strings.HasPrefix(path, "userIdentity.")})
	}
	return out
}

// known is what the other facts tell.
func (m *Message) known() string {
	return strings.Join([]string{m.resources(), m.Who.Actor, m.Who.Session, m.Where.Region, m.Where.Address, m.Where.UserAgent, m.What.Event, m.What.Service, m.What.Error, "\x00"}, "\x00")
}

// aside are the details as the sentence has them, where they are short and tell
// of what was done rather than of who did it.
func (m *Message) aside() string {
	var parts []string
	for _, f := range m.details() {
		if !f.who && !strings.Contains(m.Text, f.text) && len(f.text) <= mostAside && f.text[0] != '{' && f.text[0] != '[' {
			parts = append(parts, f.name+" "+f.text)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// period is when it happened, for people.
func (m *Message) period() string {
	const whole = "2006-01-02 15:04:05 MST"
	from, to := moment(cmp.Or(m.When.First, m.When.Time)), moment(cmp.Or(m.When.Last, m.When.Time))
	switch {
	case to.IsZero():
		return ""
	case to.Sub(from) < time.Second:
		return to.Format(whole)
	case to.Format(time.DateOnly) == from.Format(time.DateOnly):
		return from.Format(time.DateTime) + to.Format(" to 15:04:05 MST")
	}
	return from.Format(time.DateTime) + " to " + to.Format(whole)
}

// delay is how long it took to be decided and to be noticed, where that
// matters.
func (m *Message) delay() string {
	if end := moment(m.When.Last); m.When.Last != "" && moment(m.When.Time).Sub(end) >= time.Minute {
		return ", decided at " + moment(m.When.Time).Format(time.TimeOnly)
	}
	late := moment(m.When.Arrived).Sub(moment(m.When.Time)).Round(time.Minute)
	if m.When.Arrived == "" || late < time.Minute {
		return ""
	}
	return ", noticed " + strings.TrimSuffix(late.String(), "0s") + " later"
}

// moment reads what stamp wrote; zero for nothing.
func moment(stamp string) time.Time {
	t, _ := time.Parse(time.RFC3339, stamp)
	return t.UTC()
}

// sentence is the text without the title of the rule, which stands above it.
func (m *Message) sentence() string {
	return strings.TrimPrefix(strings.TrimPrefix(m.Text, "Update: "), m.Rule.Title+": ")
}

// notes are reasons, steps and the lines of a digest.
func (m *Message) notes() []string {
	lines := append([]string(nil), m.Why.Reasons...)
	for _, s := range m.Why.Steps {
		lines = append(lines, s.Rule+": event "+s.Event)
	}
	for _, d := range m.Digest {
		lines = append(lines, fmt.Sprintf("%d × [%s] %s", d.Alerts, d.Severity, d.Title))
	}
	return lines
}
