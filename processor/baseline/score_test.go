package baseline

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// worker is a key that works on weekdays from nine to five for four weeks,
// and the Tuesday after them.
func worker(t testing.TB, m *Model) (s State, pop PopulationTails, tuesday Window) {
	pop = m.NewPopulation()
	for day := range Window(29) {
		for k := Window(9 * 12); day%7 < 5 && k < 17*12; k++ {
			see(m, &s, &pop, start+day*288+k, activity[(day*5+k)%Window(len(activity))])
		}
	}
	if s.Active < 2000 {
		t.Fatalf("%d active windows", s.Active)
	}
	return s, pop, start + 29*288
}

// TestHourCountsBesideTheSize: the same burst is the more unusual the more so
// its hour is, by as much as a key is rarely active then; a count that is no
// evidence gains nothing.
func TestHourCountsBesideTheSize(t *testing.T) {
	m := newTestModel(t, nil)
	s, pop, day := worker(t, m)
	score := func(hour Window, y uint32) Score {
		c := s
		c.Last = day + hour*12 - 14 // nothing of the long sum before
		return m.Score(&c, &pop, m.Touch(&c, day+hour*12, y))
	}
	noon, night := score(12, 90), score(3, 90)
	if noon.X > 0.2 || night.X < 1 {
		t.Fatalf("noon is %v unusual, three o'clock %v", noon.X, night.X)
	}
	if got, want := night.Short-noon.Short, night.X-noon.X; math.Abs(got-want) > 1e-3 || noon.Short < 2 {
		t.Errorf("a burst is worth %v at noon and %v at night: %v more, want %v", noon.Short, night.Short, got, want)
	}
	if one := score(3, 1); one.Short != 0 || one.Long != 0 || one.Off < 3 {
		t.Errorf("one call at night: %+v", one)
	}
}

// TestCountsHaveTwelveTries: at equal tails a sum of twelve windows is worth
// log₁₀ 12 more than the count of one, once the key is trusted, and half of
// that before. The least scales of the tails differ a little.
func TestCountsHaveTwelveTries(t *testing.T) {
	m := newTestModel(t, func(s *Spec) { s.Season = NoSeason })
	s, pop, day := worker(t, m)
	s.Short, s.Active = s.Long, math.MaxUint32
	s.MS, s.QS = s.ML, s.QL
	pop.Short = pop.Long
	p := Point{T: day, Y: 400, H: 400, N: 29 * 288}
	if c := m.Score(&s, &pop, p); math.Abs(c.Long-c.Short-math.Log10(12)) > 0.03 || c.Short < 2 {
		t.Errorf("count %v, sum %v", c.Short, c.Long)
	}
	s.Active, p.Y, p.H = youngActive-1, 9000, 9000
	if c := m.Score(&s, &pop, p); math.Abs(c.Long-c.Short-math.Log10(12)/2) > 0.03 || c.Short < 2 || !c.Learning {
		t.Errorf("of a young key: count %v, sum %v", c.Short, c.Long)
	}
}

// TestStoredStateScoresAlike: what a state remembers within an hour and does
// not store changes no score.
func TestStoredStateScoresAlike(t *testing.T) {
	m := newTestModel(t, nil)
	whole, _, day := worker(t, m)
	rapid.Check(t, func(t *rapid.T) {
		kept, stored := whole, whole
		pops := [2]PopulationTails{m.NewPopulation(), m.NewPopulation()}
		at := day
		for _, gap := range rapid.SliceOfN(rapid.IntRange(1, 30), 1, 20).Draw(t, "gaps") {
			at += Window(gap)
			y := uint32(rapid.IntRange(1, 90).Draw(t, "count"))
			bytes, _ := stored.AppendBinary(nil)
			stored, _ = DecodeState(bytes)
			if a, b := see(m, &kept, &pops[0], at, y), see(m, &stored, &pops[1], at, y); a != b {
				t.Fatalf("%+v, from the bytes %+v", a, b)
			}
		}
	})
}
