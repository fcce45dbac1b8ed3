package baseline

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func newTestModel(t testing.TB, change func(*Spec)) *Model {
	t.Helper()
	m, err := NewModel(*counting(change).Baseline)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start is the number of the window at monday.
const start = Window(1767571200 / 300)

// see takes a window into a state, as the engine does without episodes.
func see(m *Model, s *State, pop *PopulationTails, t Window, y uint32) Score {
	p := m.Touch(s, t, y)
	score := m.Score(s, pop, p)
	LearnPopulation(pop, p)
	m.Learn(s, p, &score)
	return score
}

// stepwise is the model's bookkeeping done window by window, with nothing
// made up for later: the definition that the lazy one has to meet.
type stepwise struct {
	m              *Model
	n              float64
	ms, qs, ml, ql float64
	ring           []float64
	hour           [buckets]uint8
	share          float64
	used           bool // the present hour was active
	hours          int
}

// reach closes the hour before window t, if t begins another.
func (w *stepwise) reach(t Window) {
	if w.n > 0 && w.m.cal.hourOf(t) != w.m.cal.hourOf(t-1) {
		w.closeHour(w.m.cal.hourOf(t - 1))
	}
}

func (w *stepwise) window(y float64) {
	w.n++
	w.ring = append(w.ring, y)
	h := 0.0
	for _, v := range w.ring[max(0, len(w.ring)-12):] {
		h += v
	}
	a := max(1/w.m.memory, 1/w.n)
	w.ms += a * (y - w.ms)
	w.qs += a * (y*y - w.qs)
	w.ml += a * (h - w.ml)
	w.ql += a * (h*h - w.ql)
	w.used = w.used || y > 0
}

func (w *stepwise) closeHour(hour int64) {
	at := time.Unix(hour*3600, 0).UTC()
	b := at.Hour()
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		b += 24
	}
	x := 0.0
	if w.hour[b] > 0 {
		w.hour[b] -= max(1, w.hour[b]/16)
	}
	if w.used {
		w.hour[b] += 15
		x = 1
	}
	w.share += max(1.0/336, 1/float64(w.hours+2)) * (x - w.share)
	w.hours++
	w.used = false
}

// TestLazyIsStepwise: empty windows and idle hours, made up for at the next
// touch, leave what they would have left one by one.
func TestLazyIsStepwise(t *testing.T) {
	m := newTestModel(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 30), rapid.IntRange(1, 6000)), 1, 12).Draw(t, "gaps")
		var s State
		pop := m.NewPopulation()
		naive := stepwise{m: m}
		at := start
		see(m, &s, &pop, at, 7)
		naive.window(7)
		for i, gap := range gaps {
			for range gap - 1 {
				at++
				naive.reach(at)
				naive.window(0)
			}
			at++
			y := uint32(1 + i*13%50)
			p := m.Touch(&s, at, y)
			naive.reach(at)
			if s.Hour != naive.hour || math.Abs(float64(s.Share)-naive.share) > 1e-5 {
				t.Fatalf("hours at %d:\n%v share %v\n%v share %v", at, s.Hour, s.Share, naive.hour, naive.share)
			}
			naive.window(float64(y))
			score := m.Score(&s, &pop, p)
			m.Learn(&s, p, &score)
			for name, v := range map[string][2]float64{"ms": {float64(s.MS), naive.ms}, "qs": {float64(s.QS), naive.qs}, "ml": {float64(s.ML), naive.ml}, "ql": {float64(s.QL), naive.ql}} {
				if math.Abs(v[0]-v[1]) > 2e-6*math.Abs(v[1]) {
					t.Fatalf("%s at %d: lazy %v, stepwise %v", name, at, v[0], v[1])
				}
			}
			if p.N != naive.n {
				t.Fatalf("age %v, stepwise %v", p.N, naive.n)
			}
		}
	})
}

// TestBucketTables: an hour's bucket forgets a single use after fifteen
// visits and settles at 240.
func TestBucketTables(t *testing.T) {
	v, visits := usedVisit(0), 0
	for ; v > 0; visits++ {
		v = idleVisit(v)
	}
	if visits != 15 {
		t.Errorf("one use is forgotten after %d visits, want 15", visits)
	}
	if got := expectedHour(10000); got != 240 || usedVisit(240) != 240 {
		t.Errorf("always used: %v, want 240", got)
	}
	half := uint8(240)
	for range 11 {
		half = idleVisit(half)
	}
	if half < 115 || half > 130 {
		t.Errorf("after eleven idle visits %d of 240: want about half", half)
	}
}

// TestScoreRisesWithTheCount: for any state, a greater count is never less
// unusual, before and after the gates. Findings early and the upper band rest
// on it.
func TestScoreRisesWithTheCount(t *testing.T) {
	m := newTestModel(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		var s State
		pop := m.NewPopulation()
		at := start
		for _, v := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 120).Draw(t, "history") {
			at += Window(1 + v*v/9)
			see(m, &s, &pop, at, uint32(1+v*rapid.IntRange(1, 5).Draw(t, "scale")))
		}
		at += Window(rapid.IntRange(1, 400).Draw(t, "gap"))
		last, lastGated := 0.0, 0.0
		for y := uint32(1); y < 1<<20; y = grid(y) {
			c := s
			p := m.Touch(&c, at, y)
			score := m.Score(&c, &pop, p)
			a, b, off := m.Gated(&c, p, &score)
			gated := max(a, b, off)
			if score.Best() < last-1e-9 || gated < lastGated-1e-9 {
				t.Fatalf("score %v (%v) at %d, but %v (%v) at a lower count", score.Best(), gated, y, last, lastGated)
			}
			last, lastGated = score.Best(), gated
		}
	})
}

// TestStateRoundTrip: the bytes are the state, and the state is the bytes.
func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), StateBytes, StateBytes).Draw(t, "bytes")
		s, err := DecodeState(b)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := s.AppendBinary(nil); !bytes.Equal(b, again) {
			t.Fatalf("%x became %x", b, again)
		}
		g := rapid.SliceOfN(rapid.Byte(), GaugeBytes, GaugeBytes).Draw(t, "gauge")
		gauge, err := DecodeGauge(g)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := gauge.AppendBinary(nil); !bytes.Equal(g, again) {
			t.Fatalf("%x became %x", g, again)
		}
	})
	if _, err := DecodeState(make([]byte, 191)); err == nil {
		t.Error("191 bytes were taken")
	}
	if _, err := DecodeGauge(nil); err == nil {
		t.Error("no bytes were taken")
	}
}

// TestNegativeBinomialTail compares with the sum of the probabilities.
func TestNegativeBinomialTail(t *testing.T) {
	for _, c := range []struct{ m, v float64 }{{0.5, 0.6}, {2, 8}, {10, 11}, {40, 400}, {0.02, 0.021}} {
		r := c.m * c.m / (c.v - c.m)
		p := r / (r + c.m)
		below := 0.0
		for y := 0; y < 200; y++ {
			if want := 1 - below; float64(y) > c.m && want > 1e-9 {
				if got := math.Pow(10, -negativeBinomial(float64(y), c.m, c.v)); math.Abs(got-want) > 1e-6*want+1e-13 {
					t.Fatalf("mean %v, variance %v: P(Y ≥ %d) = %v, want %v", c.m, c.v, y, got, want)
				}
			}
			a, _ := math.Lgamma(float64(y) + r)
			b, _ := math.Lgamma(r)
			f, _ := math.Lgamma(float64(y) + 1)
			below += math.Exp(a - b - f + r*math.Log(p) + float64(y)*math.Log1p(-p))
		}
	}
	if got := negativeBinomial(3, 5, 9); got != 0 {
		t.Errorf("below the mean: %v", got)
	}
	for y := 10.0; y < 1e9; y *= 3 { // far out it stays a number and rises
		if a, b := negativeBinomial(y, 2, 8), negativeBinomial(3*y, 2, 8); !(b > a) || math.IsNaN(a) {
			t.Errorf("at %v: %v, then %v", y, a, b)
		}
	}
}

// TestQuantileSettles: the tail's quantile settles where 2 % lie above, and
// its scores are probabilities there and beyond.
func TestQuantileSettles(t *testing.T) {
	var tail Tail
	exp := func(i int) float64 { return -math.Log(float64(i*7919%100003+1) / 100004) } // exponential values in a fixed order
	for i := range 50000 {
		tail.add(exp(i), &countShape)
	}
	above, far := 0, 0
	x := 0.0
	for x = float64(tail.Q); tail.nlp(x, 0, &countShape) < 3; x += 0.01 {
	}
	for i := range 50000 {
		if exp(i) > float64(tail.Q) {
			above++
		}
		if exp(i) > x {
			far++
		}
	}
	if share := float64(above) / 50000; share < 0.012 || share > 0.03 {
		t.Errorf("%.3f lie above the quantile, want 0.02", share)
	}
	if share := float64(far) / 50000; share < 0.0003 || share > 0.003 {
		t.Errorf("%.5f lie above the score of 3, want 0.001", share)
	}
}

// TestSteadyKeyDoesNotShout: a key that always did exactly three calls finds a
// fourth no reason for an alarm.
func TestSteadyKeyDoesNotShout(t *testing.T) {
	m := newTestModel(t, func(s *Spec) { s.Season = NoSeason })
	var s State
	pop := m.NewPopulation()
	at := start
	for range 3000 {
		see(m, &s, &pop, at, 3)
		at++
	}
	score := func(y uint32) float64 {
		c := s
		p := m.Touch(&c, at, y)
		sc := m.Score(&c, &pop, p)
		return sc.Best()
	}
	if got := score(4); got > 4 {
		t.Errorf("four calls score %v", got)
	}
	if got := score(60); got < 6 {
		t.Errorf("sixty calls score %v", got)
	}
}

// TestRingHalves: a count beyond 65,535 is kept to 2⁻¹⁵, and full resolution
// comes back.
func TestRingHalves(t *testing.T) {
	m := newTestModel(t, nil)
	var s State
	m.Touch(&s, start, 10)
	s.Active, s.Last = 1, start
	p := m.Touch(&s, start+1, 1_000_000)
	if math.Abs(p.H-1_000_010) > 1_000_010/32768.0 {
		t.Errorf("long sum %v, want 1000010", p.H)
	}
	s.Last = start + 1
	if p = m.Touch(&s, start+14, 3); p.H != 3 || s.shift() != 0 {
		t.Errorf("after twelve empty windows the sum is %v with shift %d", p.H, s.shift())
	}
}

// TestExcludedTimeDoesNotExist: a key whose activity in excluded time is left
// out has the same bytes as one that was never active then, and windows count
// as if that time had been cut out.
func TestExcludedTimeDoesNotExist(t *testing.T) {
	exclude := []Exclude{{Cron: "0 2 * * *", Duration: 2 * time.Hour}, {Start: monday.AddDate(0, 0, 3), End: monday.AddDate(0, 0, 4)}}
	m := newTestModel(t, func(s *Spec) { s.Exclude = exclude })
	var s State
	pop := m.NewPopulation()
	last := Point{}
	seen := 0
	for k := start; k < start+7*288; k++ {
		at := time.Unix(m.cal.start(k), 0).UTC()
		want := at.Hour() == 2 || at.Hour() == 3 || at.Day() == 8
		if m.cal.excluded(k) != want {
			t.Fatalf("%v: excluded %v", at, !want)
		}
		if want {
			continue
		}
		seen++
		last = m.Touch(&s, k, 5)
		score := m.Score(&s, &pop, last)
		m.Learn(&s, last, &score)
	}
	if int(last.N) != seen || last.H != 60 {
		t.Errorf("age %v of %d windows that exist, sum of twelve %v", last.N, seen, last.H)
	}
	if s.MS != 5 {
		t.Errorf("mean %v: excluded windows counted as empty", s.MS)
	}
	if s.Hour[2] != 0 || s.Hour[3] != 0 || s.Hour[5] == 0 {
		t.Errorf("hours %v", s.Hour)
	}
}

// TestCalendarCounts compares counts with counting.
func TestCalendarCounts(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"} {
		spec := Spec{Timezone: zone, Exclude: []Exclude{{Cron: "30 1 * * *", Duration: 150 * time.Minute}}}.WithDefaults()
		for _, excluding := range []bool{false, true} {
			if !excluding {
				spec.Exclude = nil
			}
			c, err := newCalendar(&spec)
			if err != nil {
				t.Fatal(err)
			}
			checkCalendar(t, c, zone)
		}
	}
}

func checkCalendar(t *testing.T, c *calendar, zone string) {
	rapid.Check(t, func(t *rapid.T) {
		first := c.hourOf(start) + rapid.Int64Range(-9000, 9000).Draw(t, "first")
		to := first + rapid.Int64Range(0, 2000).Draw(t, "hours")
		var want [buckets]int32
		hours := int64(0)
		for h := first; h < to; h++ {
			at := time.Unix(h*3600-c.shift, 0).In(c.zone)
			b := at.Hour()
			if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
				b += 24
			}
			got, left := c.bucket(h)
			if int(got) != b {
				t.Fatalf("%s: bucket of %v is %d, want %d", zone, at, got, b)
			}
			if left {
				want[b]++
				hours++
			}
		}
		var got [buckets]int32
		for b := range got {
			got[b] = c.visits(uint8(b), first, to)
		}
		if diff := cmp.Diff(want, got); diff != "" || c.hours(first, to) != hours {
			t.Fatalf("%s, hours %d to %d: %d, want %d; visits %s", zone, first, to, c.hours(first, to), hours, diff)
		}
		a := Window(first * 12)
		b := a + Window(rapid.IntRange(0, 3000).Draw(t, "windows"))
		n := int64(0)
		for k := a; k < b; k++ {
			if !c.excluded(k) {
				n++
			}
		}
		if got := c.left(a, b); got != n {
			t.Fatalf("%s: %d windows left in [%d, %d), want %d", zone, got, a, b, n)
		}
	})
}

// TestDistinctSpan: the ring holds the distinct values of twelve windows, each
// where it was seen last.
func TestDistinctSpan(t *testing.T) {
	m := newTestModel(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		var s State
		p := &span{}
		seen := map[uint64]Window{}
		k := start
		for range rapid.IntRange(1, 30).Draw(t, "windows") {
			k += Window(rapid.IntRange(1, 4).Draw(t, "gap"))
			values := rapid.SliceOfN(rapid.Uint64Range(1, 40), 1, 20).Draw(t, "values")
			sm := &sample{}
			for _, v := range values {
				sm.add(v)
				seen[v] = k
			}
			slices.Sort(values)
			if want := uint32(len(slices.Compact(values))); sm.size() != want {
				t.Fatalf("%d distinct values, want %d", sm.size(), want)
			}
			y := sm.size()
			pt := m.touchAgain(&s, k, y, p.close(sm, k, m.cal))
			want := 0
			for _, last := range seen {
				if k-last < ringSlots {
					want++
				}
			}
			if int(pt.H) != want {
				t.Fatalf("window %d: %v distinct values in the span, want %d", k, pt.H, want)
			}
			score := Score{}
			m.Learn(&s, pt, &score)
		}
	})
}

// TestDistinctEstimates: beyond 2,048 values the estimate stays within four
// standard errors, and the order of the values makes no difference.
func TestDistinctEstimates(t *testing.T) {
	for _, n := range []int{2048, 5000, 50_000} {
		var a, b sample
		for i := range n {
			a.add(uint64(i) * 0x9e3779b97f4a7c15)
			b.add(uint64(n-1-i) * 0x9e3779b97f4a7c15)
		}
		if diff := cmp.Diff(a.hashes, b.hashes); diff != "" || a.depth != b.depth {
			t.Errorf("%d values in the other order: %s", n, diff)
		}
		if got := float64(a.size()); math.Abs(got-float64(n)) > 4*sampleError*float64(n) || n == 2048 && got != 2048 {
			t.Errorf("%d values are estimated as %v", n, got)
		}
	}
}

// TestFixedSums: sums are exact in any order, also around zero and beyond 64 bits.
func TestFixedSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Int64Range(-1<<50, 1<<50)).Draw(t, "values")
		var f fixed
		sum := int64(0)
		for _, v := range values {
			f.add(float64(v) / 1024)
			sum += v
		}
		if got := f.float(); math.Abs(got-float64(sum)/1024) > 1e-9*math.Abs(got) {
			t.Fatalf("%v, want %v", got, float64(sum)/1024)
		}
	})
	var f fixed
	for range 1000 {
		f.add(1e20)
	}
	if got := f.float(); math.Abs(got-1e23) > 1e12 {
		t.Errorf("a thousand times 1e20: %v", got)
	}
	f.add(math.NaN())
	if math.IsNaN(f.float()) {
		t.Error("what is no number was added")
	}
}
