package baseline

import (
	"fmt"
	"testing"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// monday is a Monday at midnight.
var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

const window = 5 * time.Minute

func openStore(t testing.TB) *state.Store {
	t.Helper()
	s, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openEngine(t testing.TB, s *state.Store, w time.Time, rules ...Rule) *Engine {
	t.Helper()
	e, err := NewEngine(s, rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(w); err != nil {
		t.Fatal(err)
	}
	return e
}

func counting(change func(*Spec)) Rule {
	s := &Spec{By: []string{"actor.root"}}
	if change != nil {
		change(s)
	}
	return Rule{ID: "r", StateHash: "h", Baseline: s}
}

// feeder sends events to an engine.
type feeder struct {
	t   testing.TB
	e   *Engine
	n   int
	out []Finding
}

func (f *feeder) event(at time.Time, who string, change ...func(*Event)) {
	f.t.Helper()
	f.n++
	ev := &Event{ID: fmt.Sprintf("e%06d", f.n), Time: at, Hash: key.HashOf("111122223333"), Account: "111122223333", Key: []string{who}}
	for _, c := range change {
		c(ev)
	}
	found, err := f.e.Event("r", ev)
	if err != nil {
		f.t.Fatal(err)
	}
	f.out = append(f.out, found...)
}

func (f *feeder) events(at time.Time, who string, n int, change ...func(*Event)) {
	f.t.Helper()
	for i := range n {
		f.event(at.Add(time.Duration(i)*time.Second/10), who, change...)
	}
}

func (f *feeder) advance(w time.Time) {
	f.t.Helper()
	found, err := f.e.Advance(w)
	if err != nil {
		f.t.Fatal(err)
	}
	f.out = append(f.out, found...)
}

func (f *feeder) take() []Finding {
	out := f.out
	f.out = nil
	return out
}

// routine lets a principal make 2 to 4 calls in each window from nine to five
// on every day of some weeks, and moves the watermark on.
func (f *feeder) routine(from time.Time, days int, who string) time.Time {
	for d := range days {
		day := from.AddDate(0, 0, d)
		for h := 9; h < 17; h++ {
			for m := 0; m < 60; m += 5 {
				at := day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)
				f.events(at, who, 2+(h*7+m/5*3+d)%3)
			}
			f.advance(day.Add(time.Duration(h+1) * time.Hour))
		}
	}
	end := from.AddDate(0, 0, days)
	f.advance(end)
	return end
}

func TestBurstStartsAndEnds(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(nil))}
	day := f.routine(monday, 14, "ann")
	if got := f.take(); len(got) != 0 {
		t.Fatalf("%d findings in two ordinary weeks, first %+v", len(got), got[0])
	}
	at := day.Add(10 * time.Hour)
	f.events(at, "ann", 200, func(e *Event) {
		e.Attributes[SourceIP] = "198.51.100.7"
		e.Context = func(b []byte) []byte { return append(b, "ctx"...) }
	})
	early := f.take()
	if len(early) != 1 || early[0].Step != Start || !early[0].Early {
		t.Fatalf("a burst of 200 calls against 3 is not reported before its window closes: %+v", early)
	}
	f.advance(at.Add(window))
	f.advance(at.Add(4 * window))
	got := f.take()
	if len(got) == 0 || got[len(got)-1].Step != End || got[len(got)-1].Reason != EndQuiet {
		t.Fatalf("three quiet windows do not end it: %+v", got)
	}
	end := got[len(got)-1]
	if end.ID != early[0].ID || end.Events != 200 || end.Insight != (Average{40, 5}) || end.Severity < early[0].Severity {
		t.Errorf("end %+v of start %+v", end, early[0])
	}
	if len(end.Attributions) != 1 || end.Attributions[0].Top[0].Value != "198.51.100.7" || end.Context != "ctx" || len(end.EventIDs) != 100 {
		t.Errorf("attributions %+v, context %q, %d ids", end.Attributions, end.Context, len(end.EventIDs))
	}
	if end.UpperBand < 5 || end.UpperBand > float64(early[0].Observed) {
		t.Errorf("upper band %v, reported at %v", end.UpperBand, early[0].Observed)
	}
}
