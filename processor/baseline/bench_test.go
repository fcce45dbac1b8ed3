package baseline

import (
	"fmt"
	"testing"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// activity is a person's counts in a working day, again and again.
var activity = [...]uint32{3, 1, 7, 2, 2, 14, 1, 1, 5, 3, 2, 9, 1, 4, 22, 2}

// BenchmarkActiveWindow is the count model alone: bring up to date, score,
// learn, of 1,000 keys in turn.
func BenchmarkActiveWindow(b *testing.B) {
	m := newTestModel(b, nil)
	pop := m.NewPopulation()
	states := make([]State, 1000)
	round := func(r int) {
		t := start + Window(r/96*288+r%96)
		for i := range states {
			see(m, &states[i], &pop, t, activity[(i+r*7)%len(activity)])
		}
	}
	for r := range 96 * 14 {
		round(r)
	}
	defer spent(b)()
	for i := 0; i < b.N; {
		r := 96*14 + i/len(states)
		round(r)
		i += len(states)
	}
}

// BenchmarkGauge is the gauge model, per point.
func BenchmarkGauge(b *testing.B) {
	var g Gauge
	defer spent(b)()
	for i := range b.N {
		g.Add(float64(100+activity[i%len(activity)]), i/12%24)
	}
}

// BenchmarkEvent is an event that falls into an open window, 1,000 keys in turn.
func BenchmarkEvent(b *testing.B) {
	for _, statistic := range []Statistic{Count, Distinct} {
		b.Run(string(statistic), func(b *testing.B) {
			e := openEngine(b, openStore(b), time.Time{}, counting(func(s *Spec) {
				if s.Statistic = statistic; statistic == Distinct {
					s.Field = "x"
				}
			}))
			events := make([]Event, 1000)
			for i := range events {
				events[i] = Event{ID: fmt.Sprintf("1f6b3c2e-0000-4000-8000-%012d", i), Time: monday, Hash: key.HashOf("111122223333"), Account: "111122223333",
					Key: []string{fmt.Sprintf("arn:aws:iam::111122223333:user/person-%d", i)}}
			}
			values := make([]string, 7200)
			for i := range values {
				values[i] = fmt.Sprintf("arn:aws:s3:::bucket/%d", i)
			}
			defer spent(b)()
			for i := range b.N {
				ev := &events[i%len(events)]
				ev.Value = values[i*7919%len(values)]
				if _, err := e.Event("r", ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkKeyWindow is a window of a key from its event to its flushed rows,
// with the store below.
func BenchmarkKeyWindow(b *testing.B) {
	e := openEngine(b, openStore(b), time.Time{}, counting(nil))
	events := make([]Event, 10_000)
	for i := range events {
		events[i] = Event{ID: fmt.Sprintf("1f6b3c2e-0000-4000-8000-%012d", i), Hash: key.HashOf("111122223333"), Account: "111122223333",
			Key: []string{fmt.Sprintf("arn:aws:iam::111122223333:user/person-%d", i)}}
	}
	at := monday
	defer spent(b)()
	for i := 0; i < b.N; i += len(events) {
		for j := range events {
			events[j].Time = at
			if _, err := e.Event("r", &events[j]); err != nil {
				b.Fatal(err)
			}
		}
		at = at.Add(window)
		if _, err := e.Advance(at); err != nil {
			b.Fatal(err)
		}
		if err := e.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFirstSeen is an event of a first-seen rule: values known on the
// day, and values that are new.
func BenchmarkFirstSeen(b *testing.B) {
	for _, kind := range []string{"known", "new"} {
		b.Run(kind, func(b *testing.B) {
			e := openEngine(b, openStore(b), monday, Rule{ID: "r", StateHash: "h", FirstSeen: &FirstSeenSpec{Fields: []string{"a", "b"}}})
			ev := &Event{ID: "x", Time: monday, Hash: key.HashOf("111122223333"), Account: "111122223333", Key: []string{"arn:aws:iam::111122223333:user/ann", ""}}
			values := make([]string, b.N)
			for i := range values {
				n := i
				if kind == "known" {
					n %= 1000
				}
				values[i] = fmt.Sprintf("i-%017d", n)
			}
			defer spent(b)()
			for _, v := range values {
				ev.Key[1] = v
				if _, err := e.FirstSeen("r", ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
