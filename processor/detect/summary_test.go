package detect

import (
	"strings"
	"testing"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/window"
)

// seen is a finding of a rule about one call.
func seen(change func(*Finding)) *Finding {
	f := &Finding{Rule: &rule.Rule{Title: "Title"}, Step: Start, Time: testStart, Count: 1, Resources: []string{"111122223333/eu-west-1/AWS::Lambda::Function/orders"},
		Context: Context{EventID: "e", Account: "111122223333", Alias: "shop", Region: "eu-west-1", Root: "arn:aws:iam::111122223333:user/ann",
			Name: "UpdateFunctionCode20150331v2", Source: "lambda.amazonaws.com", Address: "198.51.100.7"}}
	change(f)
	return f
}

// TestSentencesAboutOneCall: who, what, where, when, with names that people use.
func TestSentencesAboutOneCall(t *testing.T) {
	const rest = " called UpdateFunctionCode (lambda) on function orders in account 111122223333 (shop), eu-west-1, from 198.51.100.7 at 2026-03-01 10:00:00 UTC"
	for because, c := range map[string]struct {
		change func(*Finding)
		want   string
	}{
		"as a rule": {func(*Finding) {}, "Title: user/ann" + rest},
		"a role and a session of another account": {func(f *Finding) {
			f.Role, f.Session = "arn:aws:iam::444455556666:role/deploy", "run-7"
		}, "Title: user/ann as role/deploy of account 444455556666 (session run-7)" + rest},
		"a call that failed": {func(f *Finding) { f.Error = "AccessDenied" }, "Title: user/ann" + rest + "; it failed with AccessDenied"},
		"nobody is named":    {func(f *Finding) { f.Root = "" }, "Title: somebody unknown" + rest},
		"a service made the call": {func(f *Finding) { f.Address = "cloudformation.amazonaws.com" },
			"Title: user/ann called UpdateFunctionCode (lambda) on function orders in account 111122223333 (shop), eu-west-1, through cloudformation.amazonaws.com at 2026-03-01 10:00:00 UTC"},
		"many resources": {func(f *Finding) {
			f.Resources = []string{"a/b/c::Queue/1", "a/b/c::Queue/2", "a/b/c::Queue/3", "a/b/c::Queue/4"}
		},
			"Title: user/ann called UpdateFunctionCode (lambda) on queue 1 and queue 2 and 2 more resources in account 111122223333 (shop), eu-west-1, from 198.51.100.7 at 2026-03-01 10:00:00 UTC"},
		"little is known": {func(f *Finding) { f.Context, f.Resources = Context{EventID: "e", Name: "A", Source: "a"}, nil }, "Title: somebody unknown called A (a) at 2026-03-01 10:00:00 UTC"},
	} {
		if got := told(seen(c.change)); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", because, got, c.want)
		}
	}
}

// TestSentencesAboutSeveralCalls: how much of what, against which limit, by whom and in which time.
func TestSentencesAboutSeveralCalls(t *testing.T) {
	const end = " in account 111122223333 (shop) from 2026-03-01 09:55:00 to 10:00:00 UTC; the last was UpdateFunctionCode (lambda) from 198.51.100.7"
	part := func(title string) rule.Part { return rule.Part{Rule: &rule.Rule{Title: title}} }
	spec := func(s *window.Spec, parts ...rule.Part) func(*Finding) {
		return func(f *Finding) {
			s.Timespan = 30 * time.Minute
			f.Rule.Correlation, f.Rule.Parts = s, parts
			f.Group = []Pair{{"actor.root", "arn:aws:iam::111122223333:user/ann"}}
			f.From, f.To, f.Count, f.Observed, f.Threshold = testStart.Add(-5*time.Minute), testStart, 20, number(15), number(10)
		}
	}
	absence := &window.Expr{Op: window.And, Args: []*window.Expr{{Op: window.Is}, {Op: window.Not, Args: []*window.Expr{{Op: window.Is, Rule: 1}}}}}
	references := []window.Reference{{ID: "a", Name: "a"}, {ID: "b", Name: "b"}}
	for because, c := range map[string]struct {
		change func(*Finding)
		want   string
	}{
		"a number of events": {spec(&window.Spec{Type: window.EventCount}), "Title: 20 events (limit 10) by user/ann" + end},
		"different values": {spec(&window.Spec{Type: window.ValueCount, Condition: window.Condition{Fields: []string{"requestParameters.secretId"}}}),
			"Title: 15 different values of secretId (limit 10) in 20 events by user/ann" + end},
		"a sum": {spec(&window.Spec{Type: window.ValueSum, Condition: window.Condition{Fields: []string{"x.bytes"}}}), "Title: sum of bytes 15 (limit 10) in 20 events by user/ann" + end},
		"a sequence": {func(f *Finding) {
			spec(&window.Spec{Type: window.TemporalOrdered, Rules: references}, part("Key made"), part("Key used"))(f)
			f.Parts = []Part{{Rule: f.Rule.Parts[0].Rule, Events: 1}, {Rule: f.Rule.Parts[1].Rule, Events: 2}}
		}, "Title: Key made, then Key used within 30m by user/ann" + end},
		"what did not happen": {func(f *Finding) {
			spec(&window.Spec{Type: window.TemporalOrdered, Rules: references, Condition: window.Condition{When: absence}}, part("Trail stopped"), part("Trail started"))(f)
			f.Parts = []Part{{Rule: f.Rule.Parts[0].Rule, Events: 1}, {Rule: f.Rule.Parts[1].Rule}}
			f.Group, f.From = []Pair{{"requestParameters.name", "main"}}, f.To
		}, "Title: user/ann called UpdateFunctionCode (lambda) with name main in account 111122223333 (shop) from 198.51.100.7 at 2026-03-01 10:00:00 UTC; within 30m this did not come: Trail started"},
		"events of a few seconds in a long window": {func(f *Finding) {
			spec(&window.Spec{Type: window.EventCount})(f)
			f.Began, f.Ended = testStart.Add(-1500*time.Millisecond), testStart.Add(-300*time.Millisecond)
		}, "Title: 20 events (limit 10) by user/ann in account 111122223333 (shop) from 2026-03-01 09:59:58 to 09:59:59 UTC; the last was UpdateFunctionCode (lambda) from 198.51.100.7"},
		"events of one second": {func(f *Finding) {
			spec(&window.Spec{Type: window.EventCount})(f)
			f.Began, f.Ended = testStart, testStart.Add(300*time.Millisecond)
		}, "Title: 20 events (limit 10) by user/ann in account 111122223333 (shop) at 2026-03-01 10:00:00 UTC; the last was UpdateFunctionCode (lambda) from 198.51.100.7"},
		"completed by one that arrived late": {func(f *Finding) {
			spec(&window.Spec{Type: window.EventCount})(f)
			f.EventIDs = []string{"e", "newer"}
		}, "Title: 20 events (limit 10) by user/ann" + strings.Replace(end, "the last was", "the last to arrive was", 1)},
		"an end": {func(f *Finding) { spec(&window.Spec{Type: window.EventCount})(f); f.Step = End }, "Title: over; 20 events by user/ann" + end},
	} {
		if got := correlated(seen(c.change)); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", because, got, c.want)
		}
	}
}

func TestSentencesAboutWhatIsUnusual(t *testing.T) {
	f := seen(func(f *Finding) { f.Group = []Pair{{"actor.root", "arn:aws:iam::111122223333:user/ann"}} })
	b := &baseline.Finding{Observed: 42, Expected: 1.23456, WindowStart: testStart.Add(-24 * time.Hour), WindowEnd: testStart, Learning: true}
	f.Rule.Baseline = &baseline.Spec{Statistic: baseline.ErrorCount}
	want := "Title: 42 failed calls where about 1.23 is usual for user/ann in account 111122223333 (shop) from 2026-02-28 10:00:00 to 2026-03-01 10:00:00 UTC; little is known of it yet"
	if got := unusually(f, b); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
