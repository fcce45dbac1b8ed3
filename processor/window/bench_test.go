package window

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// load is a stream of events for benchmarks: event i comes at second
// i·step/1000, from one of the groups in turn, with one of the values in turn.
// Every back-th event is late by some seconds.
type stream struct {
	groups, values []string
	ids            []string
	perSecond      int64
	every, back    int64 // one in every is back seconds old; 0: none
	ev             Event
	i              int64
}

func newStream(groups, values int, perSecond int64) *stream {
	s := &stream{perSecond: perSecond}
	for i := range groups {
		s.groups = append(s.groups, fmt.Sprintf("198.51.%d.%d", i/256, i%256))
	}
	for i := range values {
		s.values = append(s.values, fmt.Sprintf("arn:aws:secretsmanager:eu-central-1:111111111111:secret:value-%d", i))
	}
	for i := range 1 << 12 {
		s.ids = append(s.ids, fmt.Sprintf("%08x-1111-4222-8333-444444444444", i))
	}
	s.ev = Event{Hash: key.HashOf("111111111111"), Account: "111111111111", Matched: []string{"a"}}
	s.ev.Field = func(path string) (string, bool) {
		if path == "ip" {
			return s.groups[s.i%int64(len(s.groups))], true
		}
		return s.values[s.i%int64(len(s.values))], true
	}
	return s
}

// next is the next event, and the watermark a quarter of an hour behind it.
func (s *stream) next() (*Event, time.Time) {
	s.i++
	now := base.Add(time.Duration(s.i) * time.Second / time.Duration(s.perSecond))
	s.ev.ID, s.ev.Time = s.ids[s.i%int64(len(s.ids))], now
	if s.every > 0 && s.i%s.every == 0 {
		s.ev.Time = now.Add(-time.Duration(s.i*7%s.back) * time.Second)
	}
	return &s.ev, now.Add(-15 * time.Minute)
}

func drive(b *testing.B, e *Engine, s *stream, warm int) {
	step := func() {
		ev, w := s.next()
		if _, err := e.Advance(w); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Event(ev); err != nil {
			b.Fatal(err)
		}
	}
	for range warm {
		step()
	}
	timed(b, step)
}

// timed runs steps, and reports how many a core takes in a second of its time.
func timed(b *testing.B, step func()) {
	b.ReportAllocs()
	used := cpuTime()
	for b.Loop() {
		step()
	}
	used = cpuTime() - used
	b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/used.Seconds(), "events/cpu-s")
}

// BenchmarkCount: 1,000 open windows of ten minutes, 50 events per second.
func BenchmarkCount(b *testing.B) {
	for _, late := range []int64{0, 10} {
		b.Run(fmt.Sprintf("late=%d", late), func(b *testing.B) {
			spec := counting(10)
			spec.Timespan = 10 * time.Minute
			s := newStream(1000, 1, 50)
			s.every, s.back = late, 300
			drive(b, open(b, spec), s, 100_000)
		})
	}
}

// BenchmarkDistinct: 7,200 different values in each window of an hour, in one
// group, with a threshold that is met and one that is not.
func BenchmarkDistinct(b *testing.B) {
	for _, n := range []float64{15, 7000, 10000} {
		for _, late := range []int64{0, 10} {
			b.Run(fmt.Sprintf("gte=%g/late=%d", n, late), func(b *testing.B) {
				spec := counting(n)
				spec.Type, spec.Condition.Fields, spec.Timespan = ValueCount, []string{"secret"}, time.Hour
				s := newStream(1, 100_000, 2)
				s.every, s.back = late, 300
				drive(b, open(b, spec), s, 20_000)
			})
		}
	}
}

// BenchmarkDistinctAtClose: the same, decided when the close has passed, with
// sketches when there are too many.
func BenchmarkDistinctAtClose(b *testing.B) {
	spec := counting(0)
	spec.Type, spec.Condition, spec.Timespan = ValueCount, bounds(LT, 2), time.Hour
	spec.Condition.Fields = []string{"secret"}
	drive(b, open(b, spec), newStream(1, 100_000, 2), 20_000)
}

// BenchmarkOrdered: a frequent second step whose first step never comes.
func BenchmarkOrdered(b *testing.B) {
	spec := Spec{ID: "o", Version: "1", Type: TemporalOrdered, Rules: refs("first", "a"), GroupBy: []string{"ip"}, Timespan: 30 * 24 * time.Hour}
	drive(b, open(b, spec), newStream(1000, 1, 200), 100_000)
}

// BenchmarkRules: many correlations, of which each event meets two.
func BenchmarkRules(b *testing.B) {
	for _, n := range []int{60, 800} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var specs []Spec
			for i := range n {
				s := counting(10)
				s.ID, s.Timespan, s.Rules = fmt.Sprintf("c%03d", i), 10*time.Minute, refs(fmt.Sprintf("r%03d", i), fmt.Sprintf("r%03d", (i+1)%n))
				specs = append(specs, s)
			}
			s := newStream(1000, 1, 50)
			var ids []string
			for i := range n {
				ids = append(ids, fmt.Sprintf("r%03d", i))
			}
			e := open(b, specs...)
			step := func() {
				ev, w := s.next()
				at := int(s.i) % n
				ev.Matched = ids[at : at+1]
				if _, err := e.Advance(w); err != nil {
					b.Fatal(err)
				}
				if _, err := e.Event(ev); err != nil {
					b.Fatal(err)
				}
			}
			for range 50_000 {
				step()
			}
			timed(b, step)
		})
	}
}

// BenchmarkMemory reports what an open window takes: of one event, and what the
// row of it takes in the store.
func BenchmarkMemory(b *testing.B) {
	spec := counting(10)
	spec.Timespan = time.Hour
	for b.Loop() {
		e := open(b, spec)
		s := newStream(60_000, 1, 1000)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 60_000 {
			ev, _ := s.next()
			if _, err := e.Event(ev); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/60_000, "B/window")
		if err := e.Flush(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(e.store.DirtyBytes())/60_000, "B/row")
		b.ReportMetric(float64(e.rules[0].counts.Bytes)/60_000, "B/estimate")
	}
}

// BenchmarkFlush: 1,000 windows of ten events are written.
func BenchmarkFlush(b *testing.B) {
	spec := counting(100)
	spec.Timespan = time.Hour
	e := open(b, spec)
	s := newStream(1000, 1, 50)
	for range 10_000 {
		ev, _ := s.next()
		if _, err := e.Event(ev); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for range 1000 {
			b.StopTimer()
			ev, _ := s.next()
			if _, err := e.Event(ev); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if err := e.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}
