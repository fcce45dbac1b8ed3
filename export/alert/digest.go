package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// join makes one message of several alerts: how many, by rule, the most severe
// first. Its id follows from theirs.
func (q *queue) join(items []*item) (*parcel, error) {
	m := digest(items)
	p := &parcel{id: m.ID, finding: m.ID, items: items}
	for _, it := range items {
		p.time = max(p.time, it.alert.Time)
	}
	data, err := q.sink.render(m, nil)
	if data == nil {
		return nil, err
	}
	if p.body, err = decodeBody(data); err != nil {
		return nil, err
	}
	return p, nil
}

func digest(items []*item) *Message {
	m := &Message{Version: 1, Step: "digest", Status: "open", Rule: Rule{ID: "digest", Title: fmt.Sprintf("%d alerts", len(items))}}
	lines := map[string]*DigestLine{}
	ids := make([]string, 0, len(items)+1)
	first, last := items[0].alert.Time, items[0].alert.Time
	for _, it := range items {
		l := lines[it.body.Rule]
		if l == nil {
			l = &DigestLine{Rule: it.body.Rule, Title: it.body.Title, Severity: it.body.Severity}
			lines[it.body.Rule] = l
		}
		l.Alerts++
		l.Severity = higher(l.Severity, it.body.Severity)
		m.Severity = higher(m.Severity, it.body.Severity)
		first, last = min(first, it.alert.Time), max(last, it.alert.Time)
		ids = append(ids, it.alert.ID)
		if len(m.Findings) < maxIDs && !slices.Contains(m.Findings, it.alert.Finding) {
			m.Findings = append(m.Findings, it.alert.Finding)
		}
	}
	slices.Sort(ids)
	m.ID, m.SeverityNumber = hash(append([]string{"digest"}, ids...)...), numbers[m.Severity]
	m.When = When{Time: stamp(last), First: stamp(first), Last: stamp(last)}
	for _, l := range lines {
		m.Digest = append(m.Digest, *l)
	}
	slices.SortFunc(m.Digest, func(a, b DigestLine) int {
		return cmp.Or(slices.Index(levels, b.Severity)-slices.Index(levels, a.Severity), b.Alerts-a.Alerts, strings.Compare(a.Rule, b.Rule))
	})
	m.Text = fmt.Sprintf("%d alerts of %d rules were joined because more came than this sink takes: %s", len(items), len(m.Digest), listed(m.Digest))
	if len(m.Digest) > maxFields {
		m.Digest, m.Cut = m.Digest[:maxFields], true
	}
	return m
}

// listed names the first rules of a digest.
func listed(lines []DigestLine) string {
	var parts []string
	for i, l := range lines {
		if i == 5 {
			parts = append(parts, fmt.Sprintf("and %d more rules", len(lines)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d × %s", l.Alerts, l.Title))
	}
	return strings.Join(parts, ", ")
}

func higher(a, b string) string {
	if slices.Index(levels, b) > slices.Index(levels, a) {
		return b
	}
	return a
}
