package baseline

import (
	"encoding/binary"
	"math"
)

// A Tail learns the upper end of what it is fed, in 24 bytes: a quantile that
// is tracked step by step, and the first two moments of what lies above it
// (peaks over threshold). From these follows a generalised Pareto tail by the
// method of moments (Hosking and Wallis 1987).
type Tail struct {
	Q    float32 // the quantile
	Step float32 // mean distance of a value from Q
	E1   float32 // mean excess over Q
	E2   float32 // mean squared excess
	N    uint32  // values seen
	NE   uint32  // of them above Q
}

// tailBytes is the size of an encoded Tail.
const tailBytes = 24

// shape is what differs between the tails of the models.
type shape struct {
	level   float64 // the quantile's level
	excess  float64 // least weight of a new excess
	xiMin   float64 // bounds of the tail's shape
	xiMax   float64
	nothing float64 // −log₁₀(1 − level): the score at Q
}

// countShape: 2 % is one excess in fifty windows, and a weight of 0.01
// remembers the last hundred of them.
var countShape = shape{level: 0.98, excess: 0.01, xiMin: 0.02, xiMax: 0.5, nothing: 1.699}

// offShape has no heavy tail: what it judges is a logarithm already.
var offShape = shape{level: 0.98, excess: 0.01, xiMin: 0.02, xiMax: 0.02, nothing: 1.699}

// add learns x. A single excess is clipped at twelve times the mean one, so
// that one burst does not set the scale; clipping harder would cut off the
// tail that a threshold needs.
func (t *Tail) add(x float64, s *shape) {
	t.N++
	if t.N == 1 {
		t.Q, t.Step = float32(x), float32(0.2*x)
		return
	}
	t.learn(x, s)
}

func (t *Tail) learn(x float64, s *shape) {
	q, n := float64(t.Q), float64(t.N)
	above := x > q
	if above && t.N > 20 {
		t.exceed(x-q, s)
	}
	step := float64(t.Step)
	stepRate, rate := 0.005, 0.01
	if t.N < 200 { // old tails spare the divisions
		stepRate = 1 / n
	}
	if t.N < 10_000 {
		rate = 1 / math.Sqrt(n)
	}
	step += stepRate * (math.Abs(x-q) - step)
	g := rate * step
	if above {
		q += s.level * g
	} else {
		q -= (1 - s.level) * g
	}
	t.Step, t.Q = float32(step), float32(q)
}

func (t *Tail) exceed(e float64, s *shape) {
	t.NE++
	e1, e2 := float64(t.E1), float64(t.E2)
	if t.NE > 10 {
		e = min(e, 12*e1)
	}
	rho := max(s.excess, 1/float64(t.NE))
	t.E1, t.E2 = float32(e1+rho*(e-e1)), float32(e2+rho*(e*e-e2))
}

// nlp is −log₁₀ of the probability of a value as high as x, 0 below Q. floor
// is the least scale: it keeps a key that always did the same from shouting
// at one more.
func (t *Tail) nlp(x, floor float64, s *shape) float64 {
	q := float64(t.Q)
	if t.N < 2 || x <= q {
		return 0
	}
	e1, e2 := float64(t.E1), float64(t.E2)
	if t.NE < 3 {
		e1 = max(e1, 0.3*q)
	}
	xi := 0.5 * (1 - e1*e1/max(e2-e1*e1, 1e-30))
	xi = min(max(xi, s.xiMin), s.xiMax)
	sigma := max(e1*(1-xi), floor+0.1*q)
	return s.nothing + math.Log(1+xi*(x-q)/sigma)/(xi*math.Ln10)
}

// append encodes the tail, little-endian.
func (t *Tail) append(b []byte) []byte {
	for _, f := range [...]float32{t.Q, t.Step, t.E1, t.E2} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	b = binary.LittleEndian.AppendUint32(b, t.N)
	return binary.LittleEndian.AppendUint32(b, t.NE)
}

func decodeTail(b []byte) Tail {
	u := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	f := func(i int) float32 { return math.Float32frombits(u(i)) }
	return Tail{f(0), f(1), f(2), f(3), u(4), u(5)}
}

// PopulationTails are the tails of all keys of an account together. A young
// key is judged by them.
type PopulationTails struct{ Short, Long Tail }

// prior is where a population starts, so that the first key of an account has
// a threshold too: fitted on 600 generated keys for windows of five minutes.
// The exponent 0.88 carries it to other windows: longer ones hold less than
// proportionally more, because activity comes in bursts.
func prior(window float64) PopulationTails {
	k := math.Pow(window/DefaultWindow.Seconds(), 0.88)
	scaled := func(q, step, e1, e2 float64) Tail {
		return Tail{float32(q * k), float32(step * k), float32(e1 * k), float32(e2 * k * k), 1000, 20}
	}
	return PopulationTails{scaled(117, 104, 77.1, 10616), scaled(1053, 913, 676, 978745)}
}
