package baseline

import (
	"fmt"
	"math"
)

// Model is the count model of a rule: it scores the windows of a key in which
// something happened, and learns from them. It may be used by one goroutine.
type Model struct {
	cal      *calendar
	memory   float64 // N: windows that the moments remember
	decay    float64 // ln(1 − 1/N)
	day      float64 // windows of a day
	offFrom  float64 // windows from which the hour of day counts
	seasons  int     // 48, 24 or 0 buckets
	own      bool    // young keys are judged by their own tails
	prior    PopulationTails
	minCount float64
	minRatio float64
}

// Constants of the count model. 40 active windows are a day or two of a
// person; half-way there the own tails weigh as much as those of the
// population.
const (
	youngActive = 20   // active windows below which a key is learning
	halfTrust   = 40   // active windows at which own tails and population weigh the same
	binomial    = 0.7  // η, the weight of the negative binomial tail
	binomialMin = 2    // scores below this cannot matter
	spread      = 0.02 // keeps the moments of a silent key defined
	shortFloor  = 0.5
	longFloor   = 1.0
	meanLeast   = 0.005 // rate of the means over active windows
)

// tries: an hour holds twelve window counts and hardly more than one
// independent long sum, so that the greatest of both favours chance among the
// counts by log₁₀ 12. Half of it is taken from the counts and half given to
// the sums, which leaves the scale of the score where it was.
var tries = 0.5 * math.Log10(ringSlots)

// NewModel returns the count model of a baseline block.
func NewModel(spec Spec) (*Model, error) {
	spec = spec.WithDefaults()
	if err := spec.Check(); err != nil {
		return nil, err
	}
	cal, err := newCalendar(&spec)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	w := spec.Window.Seconds()
	m := &Model{
		cal: cal, memory: spec.HalfLife.Seconds() / (w * math.Ln2), day: 86400 / w, offFrom: offAge / w,
		own: spec.ColdStart == Alert, prior: prior(w), minCount: spec.MinCount, minRatio: spec.MinRatio,
	}
	m.decay = math.Log1p(-1 / m.memory)
	m.seasons = map[Season]int{Weekday: 48, Day: 24, NoSeason: 0}[spec.Season]
	return m, nil
}

// Point is a window that a State was brought up to.
type Point struct {
	T     Window
	Y     uint32  // its count
	H     float64 // the long sum, this window included
	N     float64 // age of the key in windows, this one included
	Fresh bool    // the first active window of its hour
}

// Touch brings a state up to window t, in which y > 0 events fell: the hours,
// the empty windows since the last active one, and the slot of t. It does not
// learn y. A new key is a zero State.
func (m *Model) Touch(s *State, t Window, y uint32) Point {
	p := Point{T: t, Y: y, N: 1, Fresh: true}
	if s.Active == 0 {
		s.First, s.Last = t, t
		s.put(0, y)
		p.H = s.sum()
		return p
	}
	hour := m.cal.hourOf(t)
	p.Fresh = hour != m.cal.hourOf(s.Last)
	m.passHours(s, hour)
	age := m.cal.left(s.First, s.Last) + 1
	p.N = float64(m.passEmpty(s, age, m.cal.left(s.Last, t)-1) + 1)
	s.put((int64(p.N)-1)%ringSlots, y)
	p.H = s.sum()
	return p
}

// passEmpty lets gap empty windows pass over a key of so many windows. The
// first twelve still move the long sum; the others decay the moments at once.
func (m *Model) passEmpty(s *State, age, gap int64) (now int64) {
	if gap == 0 {
		return age
	}
	ms, qs, ml, ql := float64(s.MS), float64(s.QS), float64(s.ML), float64(s.QL)
	n, h := age, s.sum()
	for range min(gap, ringSlots) {
		slot := &s.Ring[n%ringSlots] // the slot of the window that comes, twelve windows old
		h -= float64(uint64(*slot) << s.shift())
		*slot = 0
		n++
		a := max(1/m.memory, 1/float64(n))
		ms *= 1 - a
		qs *= 1 - a
		ml += a * (h - ml)
		ql += a * (h*h - ql)
	}
	if rest := gap - ringSlots; rest > 0 {
		f := m.fade(float64(n), float64(n+rest))
		ms, qs, ml, ql = ms*f, qs*f, ml*f, ql*f
		n += rest
	}
	if gap >= ringSlots {
		s.Flags &^= shiftMask // the ring is empty: full resolution again
	}
	s.MS, s.QS, s.ML, s.QL = float32(ms), float32(qs), float32(ml), float32(ql)
	return n
}

// fade is the product of 1 − max(1/N, 1/j) over the ages j in (n, to].
func (m *Model) fade(n, to float64) float64 {
	f := min(n, m.memory) / min(to, m.memory)
	if to <= m.memory {
		return f
	}
	return f * math.Exp(m.decay*(to-max(n, m.memory)))
}

// Score is what a point is worth, in −log₁₀ of a probability.
type Score struct {
	Short, Long float64 // evidence of the window count and of the long sum, each at its hour
	Off         float64 // evidence of the hour
	Population  float64 // what the population alone says of the sizes
	X           float64 // how unusual the hour is; see unusualHour
	HasHour     bool    // X is known
	Learning    bool    // the key is young
}

// Best is the score: counts, sums and hours are evidences of different things,
// and the greatest of them beats their sum at a given rate of false alarms.
func (s *Score) Best() float64 { return max(s.Short, s.Long, s.Off) }

// Score judges a point by the state that Touch left and the population.
func (m *Model) Score(s *State, pop *PopulationTails, p Point) Score {
	var out Score
	y := float64(p.Y)
	out.Learning = p.N < m.day || s.Active < youngActive
	omega, eta := 0.0, 0.0
	if !out.Learning {
		omega, eta = float64(s.Active)/(float64(s.Active)+halfTrust), binomial
	} else if m.own {
		omega = 1
	}
	ps, pl := pop.Short.nlp(y, shortFloor, &countShape), pop.Long.nlp(p.H, longFloor, &countShape)
	out.Population = max(ps, pl)
	out.Short, out.Long = (1-omega)*ps, (1-omega)*pl
	if omega > 0 {
		out.Short += omega * s.Short.nlp(y, shortFloor, &countShape)
		out.Long += omega * s.Long.nlp(p.H, longFloor, &countShape)
	}
	m.judgeHour(s, p, &out)
	out.Short = withBinomial(out.Short, eta, out.X, y, float64(s.MS), float64(s.QS))
	out.Long = withBinomial(out.Long, eta, out.X, p.H, float64(s.ML), float64(s.QL))
	out.Short = max(0, atHour(out.Short, out.X)-tries)
	if out.Long > 0 {
		out.Long = atHour(out.Long, out.X) + omega*tries
	}
	return out
}

// atHour is the evidence of a size at an hour that is x unusual: the
// probability that the key is active then, times that of such a size when it
// is. The hour counts in full beside a size that lies in the tail.
func atHour(size, x float64) float64 {
	return size + min(1, size/countShape.nothing)*x
}

// judgeHour is the part of a score that Learn needs.
func (m *Model) judgeHour(s *State, p Point, out *Score) {
	if m.seasons == 0 || p.N < m.offFrom {
		return
	}
	if hour := uint32(m.cal.hourOf(p.T)); s.hourAt != hour {
		s.hourAt, s.hourX = hour, float32(unusualHour(m.activity(s, int64(hour))))
	}
	out.HasHour, out.X = true, float64(s.hourX)
	out.Off = m.offScore(s, out.X)
}

// withBinomial mixes the negative binomial tail into the evidence a of a size
// y, unless the hour, x unusual, cannot lift the result to where it matters.
// The cap keeps the parametric tail from deciding alone.
func withBinomial(a, eta, x, y, mean, square float64) float64 {
	if eta == 0 || a == 0 || atHour((1+eta)*a+eta, x)+tries < binomialMin {
		return a
	}
	mu := mean + spread
	v := max(square-mean*mean+spread, 1.0001*mu)
	return (1-eta)*a + eta*min(negativeBinomial(y, mu, v), 2*a+1)
}

// Learn takes a scored point into the state.
func (m *Model) Learn(s *State, p Point, sc *Score) {
	y := float64(p.Y)
	s.Short.add(y, &countShape)
	s.Long.add(p.H, &countShape)
	if sc.HasHour && p.Fresh {
		s.Off.add(sc.X, &offShape)
	}
	a := max(1/m.memory, 1/p.N)
	toward(&s.MS, a, y)
	toward(&s.QS, a, y*y)
	toward(&s.ML, a, p.H)
	toward(&s.QL, a, p.H*p.H)
	s.Active++
	a = max(meanLeast, 1/float64(s.Active))
	toward(&s.AS, a, y)
	toward(&s.AL, a, p.H)
	s.Last = p.T
}

func toward(v *float32, rate, to float64) {
	*v = float32(float64(*v) + rate*(to-float64(*v)))
}

// LearnPopulation takes a point into the tails of its account.
func LearnPopulation(pop *PopulationTails, p Point) {
	pop.Short.add(float64(p.Y), &countShape)
	pop.Long.add(p.H, &countShape)
}

// NewPopulation is an account's population before its first key.
func (m *Model) NewPopulation() PopulationTails { return m.prior }

// Gated is the score that counts for a finding: evidence of too few events, or
// of hardly more than usual, is silent.
func (m *Model) Gated(s *State, p Point, sc *Score) (short, long, off float64) {
	y := float64(p.Y)
	enough := func(v, expected float64) bool {
		return v >= m.minCount && (s.Active < youngActive || v >= m.minRatio*expected)
	}
	if enough(y, float64(s.AS)) {
		short = sc.Short
	}
	if enough(p.H, float64(s.AL)) {
		long = sc.Long
	}
	if p.H >= m.minCount {
		off = sc.Off
	}
	return short, long, off
}
