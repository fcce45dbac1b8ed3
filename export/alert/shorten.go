package alert

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a message.
const (
	// maxBytes is that of its JSON: a topic and an event bus take 256 KB with
	// all that is around it, Security Hub 240 KB for a finding.
	maxBytes  = 200 << 10
	maxText   = 1000 // bytes of one value
	maxName   = 200  // bytes of a name, an id or an address
	maxFields = 50
	maxLinks  = 20 // references, tags, false positives
	maxIDs    = 100
)

// shorten keeps a message within its bounds and notes what had to go.
func (m *Message) shorten() {
	cut := func(s *string, n int) {
		if short := clip(*s, n); short != *s {
			*s, m.Cut = short, true
		}
	}
	cut(&m.Text, 2*maxText)
	for _, s := range []*string{&m.Rule.Description, &m.Rule.Runbook, &m.Where.UserAgent, &m.What.Error} {
		cut(s, maxText)
	}
	for _, s := range []*string{&m.Rule.Title, &m.Rule.Author, &m.Rule.License, &m.Who.Actor, &m.Who.Role, &m.Who.Session, &m.What.Event, &m.What.Service, &m.Where.Account, &m.Where.Alias, &m.Where.Region, &m.Where.Owner, &m.Where.Environment, &m.Where.Address} {
		cut(s, 2*maxName)
	}
	m.Rule.Tags, m.Rule.References, m.Rule.FalsePositives = m.clipList(m.Rule.Tags, maxLinks), m.clipList(m.Rule.References, maxLinks), m.clipList(m.Rule.FalsePositives, maxLinks)
	m.Resources, m.What.EventIDs = m.clipList(m.Resources, maxFields), m.clipList(m.What.EventIDs, maxIDs)
	m.Group, m.Fields = m.clipMap(m.Group), m.clipMap(m.Fields)
	if len(m.Why.Steps) > maxLinks {
		m.Why.Steps, m.Cut = m.Why.Steps[:maxLinks], true
	}
	m.fit()
}

// fit drops what matters least until the message is small enough. Only texts
// that need escapes all through come that far.
func (m *Message) fit() {
	for _, drop := range []func(){
		func() { m.Fields = nil },
		func() { m.Group = nil },
		func() { m.Resources, m.What.EventIDs = newest(m.Resources, 5), newest(m.What.EventIDs, 5) },
		func() { m.Rule.Tags, m.Rule.References, m.Rule.FalsePositives = nil, nil, nil },
	} {
		if data, err := encode(m); err != nil || len(data) <= maxBytes {
			return
		}
		drop()
		m.Cut = true
	}
}

func (m *Message) clipList(list []string, n int) []string {
	m.Cut = m.Cut || len(list) > n
	list = slices.Clone(list[:min(len(list), n)])
	for i, s := range list {
		list[i] = clip(s, maxText/2)
		m.Cut = m.Cut || list[i] != s
	}
	return list
}

func (m *Message) clipMap(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(in)) {
		if i == maxFields {
			m.Cut = true
			break
		}
		v := clip(in[name], maxText)
		m.Cut = m.Cut || v != in[name] || len(name) > maxName
		out[clip(name, maxName)] = v
	}
	return out
}

// clip cuts a text to n bytes, between characters, and shows that it did.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	const mark = "…"
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + mark
}
