package alert

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// crowd are waiting alerts: three of a noisy rule, one of a severe one, and
// five of others.
func crowd() (items []*item) {
	add := func(rule, severity string, n int) {
		for range n {
			i := len(items)
			items = append(items, &item{alert: Alert{ID: fmt.Sprint("a", i), Finding: fmt.Sprint("f", i), Time: at.UnixMilli() + int64(i)*1000},
				body: body{Rule: rule, Title: "Rule " + rule, Severity: severity}})
		}
	}
	add("noisy", "low", 2)
	add("noisy", "medium", 1)
	add("severe", "critical", 1)
	for i := range 5 {
		add(fmt.Sprint("other", i), "low", 1)
	}
	return items
}

func TestDigest(t *testing.T) {
	m := digest(crowd())
	if diff := cmp.Diff([]DigestLine{{"severe", "Rule severe", "critical", 1}, {"noisy", "Rule noisy", "medium", 3}, {"other0", "Rule other0", "low", 1}}, m.Digest[:3]); diff != "" {
		t.Errorf("the most severe first, then the most frequent: %s", diff)
	}
	same(t, "text", "9 alerts of 7 rules were joined because more came than this sink takes: 1 × Rule severe, 3 × Rule noisy, 1 × Rule other0, 1 × Rule other1, 1 × Rule other2, and 2 more rules", m.Text)
	same(t, "severity", "critical", m.Severity) // the worst of all decides whom to wake
	same(t, "when", When{Time: "2026-03-01T14:00:08.000Z", First: "2026-03-01T14:00:00.000Z", Last: "2026-03-01T14:00:08.000Z"}, m.When)
	backwards := crowd()
	backwards[0], backwards[8] = backwards[8], backwards[0]
	if digest(backwards).ID != m.ID || digest(crowd()[1:]).ID == m.ID {
		t.Error("the id follows from the alerts, and from nothing else")
	}
	many := crowd()
	for i := range 300 {
		many = append(many, &item{alert: Alert{ID: fmt.Sprint("b", i), Finding: fmt.Sprint("g", i)}, body: body{Rule: fmt.Sprint("r", i), Severity: "low"}})
	}
	if m := digest(many); len(m.Digest) != maxFields || len(m.Findings) != maxIDs || !m.Cut {
		t.Errorf("%d lines, %d findings", len(m.Digest), len(m.Findings))
	}
}

// TestDigestForms: each kind that joins alerts can show the result, and each
// that does not is not asked to.
func TestDigestForms(t *testing.T) {
	for _, line := range kindLines {
		s := load(t, line, map[string]string{"KEY": "k3y"}).All()[0]
		if !kinds[s.Kind].joins {
			if s.Rate.Count > 0 {
				t.Errorf("%s has a rate", s.Kind)
			}
			continue
		}
		p, err := newQueue(s, nil, NewMetrics(), slog.New(slog.DiscardHandler)).join(crowd())
		if err != nil {
			t.Fatal(err)
		}
		got := leaves(t, p.body.Payload)
		path, want := "text", p.body.Title
		switch s.Kind {
		case "slack":
			path, want = "blocks/3/text/text", "*Alerts*\n• 1 × [critical] Rule severe\n• 3 × [medium] Rule noisy\n"
		case "pagerduty":
			path, want = "payload/summary", "[critical] 9 alerts of 7 rules"
			same(t, "an incident of its own", p.id, got["dedup_key"])
		}
		if !strings.HasPrefix(got[path], want) {
			t.Errorf("%s: %s is %q", s.Kind, path, got[path])
		}
	}
}

// TestDigestOnTheBus has a type of its own, so that rules for findings do not
// meet it.
func TestDigestOnTheBus(t *testing.T) {
	s := awsService(t, "EVENTBRIDGE")
	s.kind, s.reply = "application/x-amz-json-1.1", `{"FailedEntryCount":0,"Entries":[{"EventId":"11"}]}`
	sink := load(t, busLine, nil).All()[0]
	c, err := connect(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newQueue(sink, c, NewMetrics(), slog.New(slog.DiscardHandler)).join(crowd())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.carry(t.Context(), []*parcel{p}); got[0].err != nil || !strings.Contains(string(s.body), `"DetailType":"Cairn Digest"`) {
		t.Errorf("%v %s", got, s.body)
	}
}

// TestKnownIsBounded: a sender that runs for months remembers the newest alone.
func TestKnownIsBounded(t *testing.T) {
	s := load(t, "- {name: a, file: x}", nil).All()[0]
	q := newQueue(s, nil, NewMetrics(), slog.New(slog.DiscardHandler))
	for i := range maxKnown + 5 {
		it := &item{alert: Alert{ID: fmt.Sprint(i)}, status: Status{State: Sent, At: time.Unix(int64(i), 0)}}
		q.items = append(q.items, it)
		q.forget(it)
	}
	if _, old := q.status("4"); old || len(q.known) != maxKnown || len(q.order) != maxKnown || len(q.items) > 0 {
		t.Errorf("%d known", len(q.known))
	}
	if st, ok := q.status(fmt.Sprint(maxKnown + 4)); !ok || st.State != Sent {
		t.Error("the newest is forgotten")
	}
}
