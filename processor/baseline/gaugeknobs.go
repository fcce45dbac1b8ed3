package baseline

import "math"

// GaugeKnobs are the constants of the gauge model.
type GaugeKnobs struct {
	LowTail, LevelTail, SeasonTail, SeasonLevelTail, OwnTail float64 // levels of the quantiles above which the tails learn

	Excess float64 // least weight of a new excess in a tail
	Heavy  float64 // upper bound of a tail's shape

	Ceiling  float64 // of one evidence
	Scale    float64 // least scale of a tail, in standard deviations
	OwnScale float64 // the same of the tail of the sum, absolute
	Fast     float64 // rates of the means and of the values of the hours
	Slow     float64
	Slot     float64
	Clip     float64 // standard deviations beyond which the slow mean does not follow
	Edge     float64 // share of the range that is worth 3

	WeightLow, WeightSeason float64 // of evidences in the sum; the others weigh 1
	Sum                     float64 // weight of the sum beside its own tail
	Warm                    float64 // points before the first score
	Fade                    float64 // points in which Recent halves
}

// StandardGauge is the one configuration for all series. The values were
// tuned on the whole of a public corpus of labelled series, so a result on
// that corpus is not held out. Values fitted to half of it did no better on
// files left out of the fit ("cairn bench detect --fit"), so they stayed.
func StandardGauge() GaugeKnobs {
	return GaugeKnobs{
		LowTail: 0.99, LevelTail: 0.995, SeasonTail: 0.95, SeasonLevelTail: 0.99, OwnTail: 0.99, Excess: 0.03, Heavy: 0.25,
		Ceiling: 6, Scale: 0.08, OwnScale: 0.3, Fast: 0.04, Slow: 0.004, Slot: 0.1, Clip: 4, Edge: 0.02,
		WeightLow: 0.75, WeightSeason: 1.25, Sum: 0.5, Warm: 150, Fade: 500,
	}
}

// GaugeScorer is the gauge model with its constants.
type GaugeScorer struct {
	knobs                                GaugeKnobs
	low, level, season, seasonLevel, own gaugeTail
	warm                                 uint32
	fade                                 float64 // of Recent, per point
}

// NewGaugeScorer returns the gauge model with other constants than the standard
// ones; Gauge.Add takes those.
func NewGaugeScorer(k GaugeKnobs) *GaugeScorer {
	tail := func(level float64) gaugeTail {
		nothing := -math.Log10(1 - level)
		return gaugeTail{shape{level: level, excess: k.Excess, xiMin: 0, xiMax: k.Heavy, nothing: nothing}, nothing}
	}
	return &GaugeScorer{
		knobs: k, low: tail(k.LowTail), level: tail(k.LevelTail), season: tail(k.SeasonTail), seasonLevel: tail(k.SeasonLevelTail),
		own: tail(k.OwnTail), warm: uint32(k.Warm), fade: math.Exp2(-1 / k.Fade),
	}
}

var standardGauge = NewGaugeScorer(StandardGauge())

// gaugeTail is a tail of the gauge model: it remembers a third of what the
// tails of counts do and has a lighter end, because a series has a value in
// each window.
type gaugeTail struct {
	shape
	thin float64 // −log₁₀(1 − level)
}

// Add takes the value of a window into a series and returns its score. hour
// is the local hour, 0 to 23.
func (m *GaugeScorer) Add(g *Gauge, v float64, hour int) GaugeScore { return g.add(v, hour, m) }
