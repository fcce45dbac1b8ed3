package window

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func refs(names ...string) (out []Reference) {
	for _, n := range names {
		out = append(out, Reference{ID: n, Name: n})
	}
	return out
}

func bounds(op Op, v float64) Condition { return Condition{Bounds: []Bound{{op, v}}} }

// valid is a correlation without a mistake.
func valid() Spec {
	return Spec{ID: "c", Version: "v", Type: EventCount, Rules: refs("a"), Timespan: 10 * time.Minute,
		GroupBy: []string{"sourceIPAddress"}, Condition: bounds(GTE, 10)}
}

func TestCheckNamesEachMistake(t *testing.T) {
	tests := []struct {
		want string // part of the message; "" when there is none
		edit func(*Spec)
	}{
		{"", func(*Spec) {}},
		{"needs an id", func(s *Spec) { s.ID = "" }},
		{"needs a version", func(s *Spec) { s.Version = "" }},
		{"rules is empty", func(s *Spec) { s.Rules = nil }},
		{"more than 32 rules", func(s *Spec) { s.Rules = make([]Reference, 33) }},
		{"timespan is missing", func(s *Spec) { s.Timespan = 0 }},
		{"resolution of one second", func(s *Spec) { s.Timespan = 1500 * time.Millisecond }},
		{"a session needs a gap", func(s *Spec) { s.Shape = Session }},
		{"gap is for sessions", func(s *Spec) { s.Gap = time.Minute }},
		{"timezone is for tumbling", func(s *Spec) { s.Timezone = "Europe/Berlin" }},
		{"is not known", func(s *Spec) { s.Shape, s.Timezone = Tumbling, "Mars/Olympus" }},
		{"do not fit days", func(s *Spec) { s.Shape, s.Timezone, s.Timespan = Tumbling, "Europe/Berlin", 7*time.Hour }},
		{"", func(s *Spec) { s.Shape, s.Timezone, s.Timespan = Tumbling, "Europe/Berlin", 24*time.Hour }},
		{"above 26h", func(s *Spec) { s.Lateness = 27 * time.Hour }},
		{"no path for the rule a", func(s *Spec) { s.Aliases = map[string]map[string]string{"sourceIPAddress": {}} }},
		{"is no rule", func(s *Spec) { s.Aliases = map[string]map[string]string{"sourceIPAddress": {"a": "x", "b": "y"}} }},
		{"is not used", func(s *Spec) { s.Aliases = map[string]map[string]string{"who": {"a": "x"}} }},
		{"needs a bound", func(s *Spec) { s.Condition = Condition{} }},
		{"holds for every match", func(s *Spec) { s.Condition = bounds(GTE, 0) }},
		{"has no field", func(s *Spec) { s.Condition.Fields = []string{"x"} }},
		{"needs a field", func(s *Spec) { s.Type = ValueCount }},
		{"needs one field", func(s *Spec) { s.Type = ValueSum }},
		{"not between", func(s *Spec) {
			s.Type, s.Condition.Fields, s.Condition.Percentile = ValuePercentile, []string{"x"}, 101
		}},
		{"is for value_percentile", func(s *Spec) { s.Condition.Percentile = 50 }},
		{"sliding windows only", func(s *Spec) { s.Type, s.Shape, s.Condition = Temporal, Tumbling, Condition{} }},
		{"looks at rules", func(s *Spec) { s.Type, s.Condition = Temporal, Condition{Fields: []string{"x"}} }},
		{"either text", func(s *Spec) { s.Type, s.Condition.When = Temporal, &Expr{} }},
		{"absence names", func(s *Spec) { s.Type, s.Condition = Absence, Condition{} }},
		{"lower bounds only", func(s *Spec) { s.Type, s.Condition = TemporalOrdered, bounds(LT, 1) }},
		{"between 1 and 1", func(s *Spec) { s.Type, s.Condition = Temporal, bounds(GTE, 2) }},
		{"without any match", func(s *Spec) { s.Type, s.Condition = Temporal, Condition{When: &Expr{Op: Not, Args: []*Expr{{}}}} }},
		{"is for temporal", func(s *Spec) { s.Condition.When = &Expr{} }},
		{"by its group only", func(s *Spec) { s.Condition, s.Suppress.By = bounds(LT, 3), []string{"awsRegion"} }},
		{"", func(s *Spec) { s.Suppress.By = []string{"awsRegion"} }},
	}
	for _, test := range tests {
		s := valid()
		test.edit(&s)
		err := s.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestParseExpr(t *testing.T) {
	rules := refs("a", "b", "c", "d")
	tests := []struct{ text, want, fault string }{
		{text: "a and (b or c) and not d", want: "(0 and (1 or 2) and not 3)"},
		{text: "a or b and c", want: "(0 or (1 and 2))"},
		{text: "NOT a AND b", want: "(not 0 and 1)"},
		{text: "not not a", want: "not not 0"},
		{text: "a and", fault: "missing at the end"},
		{text: "(a or b", fault: "not closed"},
		{text: "a b", fault: `unexpected "b"`},
		{text: "a and e", fault: "no rule"},
	}
	for _, test := range tests {
		e, err := ParseExpr(test.text, rules)
		if test.fault != "" {
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%s: got %v, want %q", test.text, err, test.fault)
			}
			continue
		}
		if err != nil || e.String() != test.want {
			t.Errorf("%s: got %v, %v, want %s", test.text, e, err, test.want)
		}
	}
}

func TestClauses(t *testing.T) {
	rules := refs("a", "b", "c", "d")
	tests := []struct {
		text string
		want []clause
	}{
		{"a and (b or c) and not d", []clause{{0b0011, 0b1000}, {0b0101, 0b1000}}},
		{"a and not (b or c)", []clause{{0b0001, 0b0110}}},
		{"a and not (b and c)", []clause{{0b0001, 0b0010}, {0b0001, 0b0100}}},
		{"a and (b or not a)", []clause{{0b0011, 0}}},
		{"a and not a", nil},
	}
	for _, test := range tests {
		e, err := ParseExpr(test.text, rules)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.clauses(false)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(clause{})); diff != "" || err != nil {
			t.Errorf("%s: %v %s", test.text, err, diff)
		}
	}
}

func TestSubsetsAreBounded(t *testing.T) {
	got, err := subsets(4, 2)
	want := []clause{{need: 3}, {need: 5}, {need: 9}, {need: 6}, {need: 10}, {need: 12}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(clause{})); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := subsets(10, 5); err == nil { // 252 sets
		t.Error("252 alternatives were taken")
	}
}

// TestDecides: what decides is in the text, a title or a suppression is not.
func TestDecides(t *testing.T) {
	a, b := valid(), valid()
	b.Suppress.None, b.Lateness, b.Generate, b.ID = true, time.Hour, true, "other"
	if a.Decides() != b.Decides() {
		t.Errorf("what does not decide is in %s", b.Decides())
	}
	for i, edit := range []func(*Spec){
		func(s *Spec) { s.Timespan++ }, func(s *Spec) { s.Shape = Tumbling }, func(s *Spec) { s.GroupBy = nil },
		func(s *Spec) { s.Condition.Bounds[0].Value++ }, func(s *Spec) { s.Rules[0].ID = "b" }, func(s *Spec) { s.Type = ValueCount },
		func(s *Spec) { s.AtClose = true },
	} {
		c := valid()
		if edit(&c); c.Decides() == a.Decides() {
			t.Errorf("change %d is not in %s", i, c.Decides())
		}
	}
}

func TestCalendar(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.Unix()
	}
	tests := []struct {
		span           time.Duration
		zone           string
		at, from, till string
	}{
		{10 * time.Minute, "", "2026-03-01T10:19:59Z", "2026-03-01T10:10:00Z", "2026-03-01T10:20:00Z"},
		{24 * time.Hour, "Europe/Berlin", "2026-03-01T23:30:00Z", "2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z"},
		// Clocks go forward at 01:00 UTC on 29 March 2026: that day has 23 hours.
		{24 * time.Hour, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{8 * time.Hour, "Europe/Berlin", "2026-03-29T21:00:00Z", "2026-03-29T15:00:00Z", "2026-03-29T22:00:00Z"},
		// 1970-01-01 begins the first pair of days; 2026-03-01 is day 20513.
		{48 * time.Hour, "Europe/Berlin", "2026-03-01T12:00:00Z", "2026-02-27T23:00:00Z", "2026-03-01T23:00:00Z"},
		{time.Hour, "", "1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"},
	}
	for _, test := range tests {
		c, err := newCalendar(test.span, test.zone)
		if err != nil {
			t.Fatal(err)
		}
		if from, till := c.window(at(test.at)); from != at(test.from) || till != at(test.till) {
			t.Errorf("%v %s: %s lies in %s to %s, want %s to %s", test.span, test.zone, test.at,
				time.Unix(from, 0).UTC(), time.Unix(till, 0).UTC(), test.from, test.till)
		}
	}
}
