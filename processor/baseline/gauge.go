package baseline

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Gauge is what the gauge model knows of a series: for sums, sizes, dense keys
// whose silence means something, and any series that has a value in each
// window. Five evidences are read from it and summed; the sum is no
// probability.
type Gauge struct {
	Low      Tail // of −v: values lower than usual
	Level    Tail // of the distance of the fast mean from the slow one
	Season   Tail // of the distance from the value of the hour
	SeasonLv Tail // of the distance of the fast mean from the value of the hour
	Own      Tail // of the sum of evidences: what this series calls usual

	Fast, Slow, Var float32 // means, and the variance around the slow one
	Max, Min        float32 // all that was ever seen
	Recent          float32 // the last score that could start an episode, fading

	N    uint32 // points
	Last Window // window of the last point

	Slot    [24]float32 // value of the local hour
	Learned uint32      // bit h: Slot[h] is known
	Flags   uint32      // bit 0: an episode is open
}

// GaugeBytes is the size of an encoded Gauge.
const GaugeBytes = 256

func (t *Tail) addGauge(x float64, s *gaugeTail) {
	t.N++
	if t.N == 1 {
		t.Q, t.Step = float32(x), float32(0.1*math.Abs(x)+1e-12)
		return
	}
	t.learn(x, &s.shape)
}

func (t *Tail) nlpGauge(x, floor float64, s *gaugeTail) float64 {
	q := float64(t.Q)
	if t.N < 2 || x <= q {
		return 0
	}
	if t.NE < 3 {
		return s.thin + (x-q)/(4*floor*math.Ln10)
	}
	e1, e2 := float64(t.E1), float64(t.E2)
	xi := min(max(0.5*(1-e1*e1/max(e2-e1*e1, 1e-30)), s.xiMin), s.xiMax)
	sigma := max(e1*(1-xi), floor)
	if xi < 1e-3 {
		return s.thin + (x-q)/(sigma*math.Ln10)
	}
	return s.thin + math.Log(1+xi*(x-q)/sigma)/(xi*math.Ln10)
}

// GaugeScore is what a point of a series is worth.
type GaugeScore struct {
	Low, Range, Level, Season, SeasonLevel float64 // evidences, each at most 6
	Score                                  float64
	Fresh                                  bool    // the score is above what a recent episode left: it may start one
	Up                                     bool    // the value is not below the slow mean
	Expected                               float64 // the slow mean before the point
}

// Add takes the value of a window in and returns its score. hour is the local
// hour, 0 to 23.
func (g *Gauge) Add(v float64, hour int) GaugeScore { return standardGauge.Add(g, v, hour) }

func (g *Gauge) add(v float64, hour int, c *GaugeScorer) GaugeScore {
	v = float64(float32(v)) // as it is kept: else a value that comes again would lie outside of its own range
	g.N++
	out := GaugeScore{Expected: float64(g.Slow)}
	if g.N == 1 {
		f := float32(v)
		g.Fast, g.Slow, g.Max, g.Min = f, f, f, f
		out.Up, out.Expected = true, v
		return out
	}
	out.Up = v >= float64(g.Slow)
	before := float64(g.Var)
	floor := c.knobs.Scale*math.Sqrt(before) + 1e-12
	out.Low = g.Low.evidence(-v, floor, &c.low, c.knobs.Ceiling)
	out.Range = g.widen(v, c)
	g.follow(v, before, c)
	out.Level = g.Level.evidence(math.Abs(float64(g.Fast)-float64(g.Slow)), floor, &c.level, c.knobs.Ceiling)
	g.seasonal(v, floor, hour, c, &out)
	g.total(c, &out)
	return out
}

// evidence reads the tail, then teaches it.
func (t *Tail) evidence(x, floor float64, s *gaugeTail, ceiling float64) float64 {
	e := min(ceiling, t.nlpGauge(x, floor, s))
	t.addGauge(x, s)
	return e
}

// widen is the evidence of a value outside of all that was seen.
func (g *Gauge) widen(v float64, c *GaugeScorer) float64 {
	low, high := float64(g.Min), float64(g.Max)
	d := max(v-high, low-v)
	if d <= 0 {
		return 0
	}
	g.Max, g.Min = max(g.Max, float32(v)), min(g.Min, float32(v))
	return min(c.knobs.Ceiling, 3*d/(high-low+1e-12)/c.knobs.Edge)
}

// follow moves the means and the variance.
func (g *Gauge) follow(v, variance float64, c *GaugeScorer) {
	n := float64(g.N)
	toward(&g.Fast, max(c.knobs.Fast, 1/n), v)
	r := v - float64(g.Slow)
	if g.N > 50 && variance > 0 {
		limit := c.knobs.Clip * math.Sqrt(variance)
		r = min(max(r, -limit), limit)
	}
	beta := max(c.knobs.Slow, 1/n)
	g.Slow = float32(float64(g.Slow) + beta*r)
	g.Var = float32((1 - beta) * (variance + beta*r*r))
}

// seasonal compares with the value of the hour.
func (g *Gauge) seasonal(v, floor float64, hour int, c *GaugeScorer, out *GaugeScore) {
	if g.Learned&(1<<hour) == 0 {
		g.Learned |= 1 << hour
		g.Slot[hour] = float32(v)
		return
	}
	slot := float64(g.Slot[hour])
	out.Season = g.Season.evidence(math.Abs(v-slot), floor, &c.season, c.knobs.Ceiling)
	out.SeasonLevel = g.SeasonLv.evidence(math.Abs(float64(g.Fast)-slot), floor, &c.seasonLevel, c.knobs.Ceiling)
	toward(&g.Slot[hour], c.knobs.Slot, v)
}

// total sums the evidences. Their own tail says how unusual such a sum is for
// this series. A sum, because evidences of one event add up: the greatest
// alone did ten points worse.
func (g *Gauge) total(c *GaugeScorer, out *GaugeScore) {
	if g.N >= c.warm {
		sum := c.knobs.WeightLow*out.Low + out.Level + out.Range + c.knobs.WeightSeason*out.Season + out.SeasonLevel
		out.Score = c.knobs.Sum*sum + g.Own.nlpGauge(sum, c.knobs.OwnScale, &c.own)
		g.Own.addGauge(sum, &c.own)
	}
	g.Recent = float32(float64(g.Recent) * c.fade)
	if out.Score > float64(g.Recent) {
		out.Fresh = true
		g.Recent = float32(out.Score)
	}
}

// Evidences lists the evidences that speak, by name.
func (s *GaugeScore) Evidences() []Evidence {
	var list []Evidence
	for _, e := range [...]Evidence{{"low", s.Low}, {"range", s.Range}, {"level", s.Level}, {"season", s.Season}, {"season_level", s.SeasonLevel}} {
		if e.Score > 0 {
			list = append(list, e)
		}
	}
	return list
}

// AppendBinary appends the 256 bytes of the state, little-endian in the order
// of the fields. The error is always nil.
func (g *Gauge) AppendBinary(b []byte) ([]byte, error) {
	for _, t := range [...]*Tail{&g.Low, &g.Level, &g.Season, &g.SeasonLv, &g.Own} {
		b = t.append(b)
	}
	for _, v := range [...]float32{g.Fast, g.Slow, g.Var, g.Max, g.Min, g.Recent} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	b = binary.LittleEndian.AppendUint32(b, g.N)
	b = binary.LittleEndian.AppendUint32(b, g.Last)
	for _, v := range g.Slot {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	b = binary.LittleEndian.AppendUint32(b, g.Learned)
	return binary.LittleEndian.AppendUint32(b, g.Flags), nil
}

// DecodeGauge reads what AppendBinary wrote.
func DecodeGauge(b []byte) (g Gauge, err error) {
	if len(b) != GaugeBytes {
		return g, fmt.Errorf("gauge of %d bytes: want %d", len(b), GaugeBytes)
	}
	u := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	f := func(i int) float32 { return math.Float32frombits(u(i)) }
	for i, t := range [...]*Tail{&g.Low, &g.Level, &g.Season, &g.SeasonLv, &g.Own} {
		*t = decodeTail(b[tailBytes*i:])
	}
	g.Fast, g.Slow, g.Var, g.Max, g.Min, g.Recent = f(120), f(124), f(128), f(132), f(136), f(140)
	g.N, g.Last = u(144), u(148)
	for i := range g.Slot {
		g.Slot[i] = f(152 + 4*i)
	}
	g.Learned, g.Flags = u(248), u(252)
	return g, nil
}
