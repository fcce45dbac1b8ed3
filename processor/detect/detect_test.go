package detect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// load compiles rules given as text.
func load(t testing.TB, text string) *rule.Set {
	t.Helper()
	set, _, err := rule.Load(rule.Options{}, folder("r.yml", text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// stream feeds a detector by itself.
type stream struct {
	moved    []Move // by the next events
	t        testing.TB
	set      *rule.Set
	store    *state.Store
	detector *Detector
	now      time.Time
	n        int
	found    []Finding
}

func newStream(t testing.TB, text string) *stream {
	t.Helper()
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{t: t, set: load(t, text), store: store, now: testStart}
	s.open()
	return s
}

// open takes up what the store has, as a new owner does.
func (s *stream) open() {
	s.t.Helper()
	var err error
	watermark := s.now.Add(-Lateness)
	if s.n == 0 {
		watermark = time.Time{}
	}
	if s.detector, err = Open(s.set, s.store, Options{Lateness: Lateness, Watermark: watermark}); err != nil {
		s.t.Fatal(err)
	}
}

// event feeds one record: members as JSON, laid over what every record has.
func (s *stream) event(members string, touched ...Touched) {
	s.t.Helper()
	s.n++
	text := fmt.Sprintf(`{"eventVersion":"1.11","eventID":"00000000-0000-4000-8000-%012x","eventTime":%q,"recipientAccountId":"111122223333","awsRegion":"us-east-1",%s}`,
		s.n, s.now.Format(time.RFC3339), members)
	e, err := cloudtrail.Parse([]byte(text))
	if err != nil {
		s.t.Fatal(err, text)
	}
	in := &Event{Input: rule.Input{Event: e, Actor: identity.Resolve(e), Account: rule.Account{Alias: "prod"}}, Hash: key.HashOf("111122223333"),
		Arrival: s.now, Sequence: fmt.Sprint(s.n), Moved: s.moved}
	for _, c := range touched {
		in.Resources = append(in.Resources, c.Key)
	}
	if len(touched) > 0 {
		in.Touched = func() []Touched { return touched }
	}
	s.advance(0)
	s.take(s.detector.Event(in))
}

// advance moves time, and the watermark with it.
func (s *stream) advance(by time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(by)
	s.take(s.detector.Advance(s.now.Add(-Lateness)))
}

func (s *stream) take(found []Finding, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	s.found = append(s.found, found...)
}

// steps are the findings so far, in short.
func (s *stream) steps() (out []string) {
	for i := range s.found {
		f := &s.found[i]
		text := f.Rule.ID + " " + string(f.Step) + " " + f.Level.String()
		if f.Resolved {
			text += " resolved"
		}
		if f.SuppressedBy != "" {
			text += " held"
		}
		out = append(out, text)
	}
	return out
}

const ann = `"eventName":"A","eventSource":"a.amazonaws.com","sourceIPAddress":"198.51.100.7","userAgent":"cli","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann"}`

const bob = `"eventName":"A","eventSource":"a.amazonaws.com","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/bob"}`

// TestAlertsHoldBackOthers of the same actor for an hour, forward and back in
// time, and nobody else's.
func TestAlertsHoldBackOthers(t *testing.T) {
	s := newStream(t, small("a", "A"))
	s.event(ann)
	s.now = s.now.Add(59 * time.Minute)
	s.event(ann)
	s.event(bob)
	s.now = s.now.Add(time.Minute)
	s.event(ann)
	if diff := cmp.Diff([]string{"a start medium", "a start medium held", "a start medium", "a start medium"}, s.steps()); diff != "" {
		t.Error(diff)
	}
	if s.found[1].SuppressedBy != s.found[0].ID || s.found[1].Sent() || !s.found[0].Sent() {
		t.Errorf("held by %s, want %s", s.found[1].SuppressedBy, s.found[0].ID)
	}
}

func TestARowTellsWhoWhatAndWhere(t *testing.T) {
	s := newStream(t, "fields: [userAgent, requestParameters.x, nothing]\ntags: [attack.impact]\n"+small("a", "Something")+"level: high\ncairn: {staging: true}\n")
	s.event(ann+`,"requestParameters":{"x":{"y":[1]}},"errorCode":"Denied"`, Touched{Key: "k", After: assetFields(nil)})
	row := s.found[0].Row("s-1")
	text := func(s *string) string {
		if s == nil {
			return "NULL"
		}
		return *s
	}
	got := []string{row.RuleID, row.RuleKind, row.Severity, row.State, text(row.StateReason), text(row.AccountID), text(row.AccountAlias), text(row.Region),
		text(row.ActorRoot), text(row.ActorRole), text(row.SuppressedBy), row.TriggerEventID, row.Shard, row.Sequence, strings.Join(row.ResourceKeys, ","), row.Summary}
	want := []string{"a", "match", "high", "open", "start", "111122223333", "prod", "us-east-1", "arn:aws:iam::111122223333:user/ann", "NULL", "NULL",
		"00000000-0000-4000-8000-000000000001", "s-1", "1", "k",
		"Something: user/ann called A (a) on k in account 111122223333 (prod), us-east-1, from 198.51.100.7 at 2026-03-01 10:00:00 UTC; it failed with Denied"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"userAgent": "cli", "requestParameters.x": `{"y":[1]}`}, row.Fields); diff != "" {
		t.Error(diff)
	}
	if !row.Staged || s.found[0].Sent() || row.EventTS != testStart.UnixMilli() || row.EventCount != 1 || row.FindingID != rule.FindingID(s.set.Rules()[0], "111122223333", row.TriggerEventID) {
		t.Errorf("%+v", row)
	}
}

const burst = `---
title: Burst
id: burst
level: high
fields: [userAgent]
correlation: {type: event_count, rules: [a], timespan: 10m, group-by: [userIdentity.arn], condition: {gte: 3}}
`

func TestACorrelationIsOneFinding(t *testing.T) {
	s := newStream(t, small("a", "A")+burst)
	for range 5 {
		s.event(ann)
		s.now = s.now.Add(time.Minute)
	}
	if len(s.found) == 0 || s.found[0].Step != Start || s.found[0].Level != rule.High {
		t.Fatalf("found %q", s.steps())
	}
	f, row := &s.found[0], s.found[0].Row("s")
	if f.Count != 3 || *row.Observed != 3 || *row.Threshold != 3 || row.GroupKey["userIdentity.arn"] != "arn:aws:iam::111122223333:user/ann" || len(row.EventIDs) != 3 {
		t.Errorf("%+v", row)
	}
	if row.TriggerEventID != "00000000-0000-4000-8000-000000000003" || row.RuleKind != "correlation" || *row.Region != "us-east-1" || *row.ActorRoot != "arn:aws:iam::111122223333:user/ann" ||
		row.Fields["userAgent"] != "cli" || *row.WindowEndTS != testStart.Add(2*time.Minute).UnixMilli() ||
		*row.WindowStartTS != testStart.Add(2*time.Minute-10*time.Minute+time.Second).UnixMilli() || row.Fields[export.BeganField] != "2026-03-01T10:00:00Z" || row.Fields[export.EndedField] != "2026-03-01T10:02:00Z" || row.Sequence != "3" {
		t.Errorf("%+v", row)
	}
	if want := "Burst: 3 events (limit 3) by user/ann in account 111122223333 (prod) from 2026-03-01 10:00:00 to 10:02:00 UTC; the last was A (a) from 198.51.100.7"; f.Summary != want {
		t.Errorf("%s\n%s", f.Summary, want)
	}
	for i := range s.found {
		if s.found[i].ID != f.ID {
			t.Errorf("step %d has another id", i)
		}
	}
	s.advance(3 * time.Hour)
	if last := s.found[len(s.found)-1]; last.Step != End || last.ID != f.ID {
		t.Errorf("the last step is %s of %s", last.Step, last.ID)
	}
}

// TestContextsComeBack as they were, however they are cut.
func TestContextsComeBack(t *testing.T) {
	c := Context{EventID: "e", Arrival: testStart, Sequence: "7", Account: "1", Alias: "a", Region: "r", Root: "root", Role: "role", Session: "ses", Name: "n", Source: "s",
		Error: "err", Address: "addr", UserAgent: "ua", Fields: map[string]string{"a.b": "1", "c": ""}}
	if diff := cmp.Diff(c, decodeContext(string(c.append(nil)))); diff != "" {
		t.Error(diff)
	}
	text := string(c.append(nil))
	for n := range text {
		decodeContext(text[:n]) // must not fail
	}
	c.UserAgent = strings.Repeat("é", 200)
	if got := decodeContext(string(c.append(nil))).UserAgent; len(got) != maxText {
		t.Errorf("a text of %d bytes, want %d", len(got), maxText)
	}
}

func TestFirstSeenSpeaksOnce(t *testing.T) {
	s := newStream(t, small("a", "A")+"level: low\ncairn: {first_seen: {fields: [userIdentity.arn, awsRegion], min_history: 3d}}\n")
	for range 5 {
		s.event(ann)
		s.now = s.now.Add(24 * time.Hour)
	}
	for range 3 {
		s.event(ann + `,"awsRegion":"eu-west-1"`)
		s.event(bob + `,"awsRegion":"eu-west-1"`) // bob is new himself
	}
	if diff := cmp.Diff([]string{"a start low"}, s.steps()); diff != "" {
		t.Error(diff)
	}
	f := s.found[0]
	if diff := cmp.Diff([]Pair{{"userIdentity.arn", "arn:aws:iam::111122223333:user/ann"}, {"awsRegion", "eu-west-1"}}, f.Group); diff != "" {
		t.Error(diff)
	}
	if f.Notes["new_for"] != "account" || !strings.HasPrefix(f.Summary, "A: awsRegion eu-west-1 is new for user/ann; user/ann called A (a) ") {
		t.Errorf("%v %s", f.Notes, f.Summary)
	}
}

func TestABaselineTakesItsLevelFromTheScore(t *testing.T) {
	text := small("a", "A") + "cairn: {baseline: {statistic: count, by: [userIdentity.arn]}LEVEL}\n"
	for level, fixed := range map[string]bool{"": false, ", severity: {is: high, raise_when: s}": true} {
		s := newStream(t, strings.Replace(text, "LEVEL", level, 1))
		for range 100 {
			s.event(ann)
			s.now = s.now.Add(time.Hour)
		}
		for range 2000 {
			s.event(ann)
		}
		s.advance(3 * time.Hour)
		if len(s.found) < 2 || s.found[0].Step != Start || s.found[len(s.found)-1].Step != End {
			t.Fatalf("found %q", s.steps())
		}
		f := &s.found[0]
		if *f.Expected < 0.5 || *f.Expected > 2 || *f.Observed < 5 || f.Root != "arn:aws:iam::111122223333:user/ann" || f.Notes["score"] == "" {
			t.Errorf("%+v", f)
		}
		if (f.Level == rule.High) != fixed {
			t.Errorf("%q: level %s", level, f.Level)
		}
	}
}

// TestAnotherOwnerGoesOn: whatever commit the store is taken up from, the
// findings are those of one owner.
func TestAnotherOwnerGoesOn(t *testing.T) {
	text := small("a", "A") + burst + "---\n" + small("b", "B") + "---\n" + strings.ReplaceAll(small("c", "C"), "eventName: A", "eventName: C") + `---
title: Gone
id: gone
correlation: {type: temporal_ordered, rules: [c, b], timespan: 10m, group-by: [awsRegion], condition: c and not b, generate: true}
---
` + small("d", "D") + "cairn: {first_seen: {fields: [userIdentity.arn], min_history: 1d}}\n---\n" + small("e", "E") + "cairn: {baseline: {by: [userIdentity.arn]}}\n"
	run := func(every int) []string {
		s := newStream(t, text)
		for i := range 400 {
			switch {
			case i%50 == 49:
				s.event(strings.Replace(bob, `"A"`, `"C"`, 1))
				s.advance(25 * time.Minute)
			case i > 200 && i < 300:
				s.event(bob)
			case i%3 == 0:
				s.event(ann)
				s.advance(2 * time.Hour)
			default:
				s.event(ann)
			}
			s.now = s.now.Add(20 * time.Second)
			if every > 0 && i%every == 0 {
				if err := s.detector.Flush(); err != nil {
					t.Fatal(err)
				}
				s.open()
			}
		}
		s.advance(24 * time.Hour)
		var out []string
		for i := range s.found {
			f := &s.found[i]
			out = append(out, fmt.Sprint(f.ID, " ", f.Rule.ID, " ", f.Step, " ", f.Level, " ", f.SuppressedBy, " ", f.Summary))
		}
		return out
	}
	want := run(0)
	kinds := map[string]bool{}
	for _, line := range want {
		kinds[strings.Fields(line)[1]] = true
	}
	if len(kinds) < 5 {
		t.Errorf("only the rules %v find something", kinds)
	}
	for _, every := range []int{1, 7, 100} {
		if diff := cmp.Diff(want, run(every)); diff != "" {
			t.Errorf("another owner every %d events:\n%s", every, diff)
		}
	}
}

func TestAMissingCatalogueIsNotNeededForEvents(t *testing.T) {
	s, err := Simulate(load(t, small("a", "A")), &resource.Catalogue{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := cloudtrail.Parse([]byte(`{"eventID":"e","eventTime":"2026-03-01T10:00:00Z","eventName":"A"}`))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := s.Event(e, func(*Finding) { n++ }); err != nil || n != 1 {
		t.Errorf("%d findings, %v", n, err)
	}
}
