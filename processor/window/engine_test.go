package window

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// base is the first second of the tests.
var base = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func at(s int64) time.Time { return base.Add(time.Duration(s) * time.Second) }

// open makes an engine with a state of its own.
func open(t rapid.TB, specs ...Spec) *Engine {
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return reopen(t, store, time.Time{}, specs...)
}

func reopen(t rapid.TB, store *state.Store, watermark time.Time, specs ...Spec) *Engine {
	t.Helper()
	e, err := Open(store, specs, watermark, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// match is an event of a test: at a second, of some rules, with fields.
type match struct {
	at     int64
	id     string
	rules  []string
	fields map[string]string
}

func (m match) event() *Event {
	return &Event{ID: m.id, Time: at(m.at), Hash: key.HashOf("111111111111"), Account: "111111111111", Matched: m.rules,
		Field: func(path string) (string, bool) { v, ok := m.fields[path]; return v, ok }, Context: func() string { return "context of " + m.id }}
}

// ev is a match of rule a from one address.
func ev(second int64, n int) match {
	return match{second, fmt.Sprintf("e%03d", n), []string{"a"}, map[string]string{"ip": "1"}}
}

func (m match) of(rules ...string) match { m.rules = rules; return m }
func (m match) with(path, value string) match {
	fields := map[string]string{path: value}
	for k, v := range m.fields {
		if k != path {
			fields[k] = v
		}
	}
	m.fields = fields
	return m
}

// run gives matches to an engine that never closes, and then all of time.
func feed(t rapid.TB, e *Engine, matches ...match) (out []Firing) {
	t.Helper()
	for _, m := range matches {
		f, err := e.Event(m.event())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f...)
	}
	return out
}

func advance(t rapid.TB, e *Engine, to int64) []Firing {
	t.Helper()
	f, err := e.Advance(at(to))
	if err != nil {
		t.Fatal(err)
	}
	return append([]Firing(nil), f...)
}

// brief is a firing in one line.
func brief(fs []Firing) (out []string) {
	for _, f := range fs {
		line := fmt.Sprintf("%s %s at %d [%d,%d] value %g of %d", f.Spec.ID, f.Step, f.Time.Unix()-base.Unix(), f.From.Unix()-base.Unix(), f.To.Unix()-base.Unix(), f.Value, f.Count)
		if f.SuppressedBy != "" {
			line += " held"
		}
		if f.Merged != "" {
			line += " merged"
		}
		out = append(out, line)
	}
	return out
}

// counting is a rule of so many matches of a in ten seconds.
func counting(n float64) Spec {
	return Spec{ID: "c", Version: "1", Type: EventCount, Rules: refs("a"), Timespan: 10 * time.Second, GroupBy: []string{"ip"}, Condition: bounds(GTE, n)}
}

func TestCountFiresOnArrival(t *testing.T) {
	e := open(t, counting(3))
	got := brief(feed(t, e, ev(0, 1), ev(4, 2), ev(9, 3), ev(9, 4), ev(12, 5), ev(13, 6), ev(14, 7)))
	want := []string{
		"c start at 9 [0,9] value 3 of 3",
		"c update at 13 [4,13] value 5 of 6", // twice as many events as at the start
	}
	compare(t, want, got)
	// The last true end point is 14; the window is over at 24, and stays so for
	// another ten seconds.
	compare(t, nil, brief(advance(t, e, 34)))
	compare(t, []string{"c end at 34 [0,14] value 5 of 7"}, brief(advance(t, e, 35)))
	if len(e.rules[0].groups) != 0 {
		t.Error("a group is left")
	}
}

// TestTimesAreThoseOfEvents holds that a finding tells when its events were, to
// the millisecond, also after the rows were read back: people write it into the
// timeline of an incident. Windows reach further.
func TestTimesAreThoseOfEvents(t *testing.T) {
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := reopen(t, store, time.Time{}, counting(3))
	got := feed(t, e, ev(5, 1), ev(9, 2), ev(9, 3), ev(9, 4), ev(11, 5))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	e = reopen(t, store, time.Time{}, counting(3))
	last := ev(12, 6).event()
	last.Time = last.Time.Add(250 * time.Millisecond)
	fired, err := e.Event(last)
	if err != nil {
		t.Fatal(err)
	}
	got = append(append(got, fired...), advance(t, e, 40)...)
	var times []string
	for _, f := range got {
		times = append(times, fmt.Sprintf("%s [%d,%d] events %v to %v", f.Step, f.From.Unix()-base.Unix(), f.To.Unix()-base.Unix(), f.Began.Sub(base), f.Ended.Sub(base)))
	}
	compare(t, []string{
		"start [0,9] events 5s to 9s",
		"update [3,12] events 5s to 12.25s",
		"end [0,12] events 5s to 12.25s",
	}, times)
}

func compare(t rapid.TB, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
