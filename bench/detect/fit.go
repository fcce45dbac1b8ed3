package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/cairnstream/cairn/processor/baseline"
)

// A fit of the gauge model's constants to a folder of labelled series: one
// configuration for all series, on a coarse grid, by coordinate descent. What
// it is worth is the score of files that it did not see (holdout.go).

// knob is a constant that can be fitted, and the values that are tried.
type knob struct {
	name   string
	of     func(k *baseline.GaugeKnobs) *float64
	values []float64
}

// quantiles are the levels that are tried for the tail of an evidence.
var quantiles = []float64{0.95, 0.98, 0.99, 0.995, 0.998}

// knobs are the constants, those first that differ most between kinds of
// series: the least scale, what leaving the range is worth, the tail of the
// strongest evidence, and the weight of the sum. Values double from one to the
// next, or nearly so.
var knobs = []knob{
	{"scale", func(k *baseline.GaugeKnobs) *float64 { return &k.Scale }, []float64{0.02, 0.05, 0.1, 0.2, 0.4}},
	{"edge", func(k *baseline.GaugeKnobs) *float64 { return &k.Edge }, []float64{0.01, 0.02, 0.05, 0.1, 0.2}},
	{"season_tail", func(k *baseline.GaugeKnobs) *float64 { return &k.SeasonTail }, quantiles},
	{"sum", func(k *baseline.GaugeKnobs) *float64 { return &k.Sum }, []float64{0.125, 0.25, 0.5, 1, 2}},
	{"fast", func(k *baseline.GaugeKnobs) *float64 { return &k.Fast }, []float64{0.01, 0.02, 0.05, 0.1, 0.2}},
	{"slow", func(k *baseline.GaugeKnobs) *float64 { return &k.Slow }, []float64{0.001, 0.002, 0.005, 0.01, 0.02}},
	{"ceiling", func(k *baseline.GaugeKnobs) *float64 { return &k.Ceiling }, []float64{4, 5, 6, 8, 12}},
	{"slot", func(k *baseline.GaugeKnobs) *float64 { return &k.Slot }, []float64{0.025, 0.05, 0.1, 0.2, 0.4}},
	{"low_tail", func(k *baseline.GaugeKnobs) *float64 { return &k.LowTail }, quantiles},
	{"level_tail", func(k *baseline.GaugeKnobs) *float64 { return &k.LevelTail }, quantiles},
	{"season_level_tail", func(k *baseline.GaugeKnobs) *float64 { return &k.SeasonLevelTail }, quantiles},
	{"fade", func(k *baseline.GaugeKnobs) *float64 { return &k.Fade }, []float64{125, 250, 500, 1000, 2000}},
}

// MaxKnobs is how many constants Fit can fit.
var MaxKnobs = len(knobs)

// middle is where the search starts: the middle of each grid, and evidences of
// equal weight.
func middle() baseline.GaugeKnobs {
	k := baseline.StandardGauge()
	k.WeightLow, k.WeightSeason = 1, 1
	for _, n := range knobs {
		*n.of(&k) = n.values[len(n.values)/2]
	}
	return k
}

// fitter runs the gauge model over series with many configurations.
type fitter struct {
	series []nabSeries
	knobs  []knob // to fit
	seen   map[baseline.GaugeKnobs][]nabCorpus
	runs   int
}

// seenMost bounds what is remembered, a tenth of a megabyte each.
const seenMost = 2000

// scores is what a configuration gives for each series.
func (f *fitter) scores(k baseline.GaugeKnobs) []nabCorpus {
	if parts, ok := f.seen[k]; ok {
		return parts
	}
	if len(f.seen) >= seenMost {
		clear(f.seen)
	}
	f.runs++
	m := baseline.NewGaugeScorer(k)
	parts := make([]nabCorpus, len(f.series))
	for i := range f.series {
		parts[i] = f.series[i].corpus(gaugeScores(&f.series[i], m))
	}
	f.seen[k] = parts
	return parts
}

// score is a configuration's best score on some of the files.
func (f *fitter) score(k baseline.GaugeKnobs, files []int) (s NABScores) {
	c := join(pick(f.scores(k), files)...)
	s.Standard, s.Threshold = c.best(nabStandard)
	s.RewardLowFP, _ = c.best(nabLowFP)
	s.RewardLowFN, _ = c.best(nabLowFN)
	return s
}

func pick(parts []nabCorpus, files []int) []nabCorpus {
	out := make([]nabCorpus, len(files))
	for i, file := range files {
		out[i] = parts[file]
	}
	return out
}

// fit is the configuration for some of the files: each constant in turn takes
// its best value while the others stay, three times.
func (f *fitter) fit(files []int) baseline.GaugeKnobs {
	k := middle()
	for range 3 {
		before := k
		for _, n := range f.knobs {
			f.turn(&k, &n, files)
		}
		if k == before {
			break
		}
	}
	return k
}

// turn sets a constant to its best value for the mean of the three profiles.
// Half of what a value is worth are its neighbours, so that a plateau beats a
// peak.
func (f *fitter) turn(k *baseline.GaugeKnobs, n *knob, files []int) {
	worth := make([]float64, len(n.values))
	for i, v := range n.values {
		try := *k
		*n.of(&try) = v
		s := f.score(try, files)
		worth[i] = (s.Standard + s.RewardLowFP + s.RewardLowFN) / 3
	}
	most := math.Inf(-1)
	for i, v := range n.values {
		around := worth[i]/2 + worth[max(0, i-1)]/4 + worth[min(len(worth)-1, i+1)]/4
		if around > most {
			most = around
			*n.of(k) = v
		}
	}
}

// Fit fits the first n constants of the gauge model to the labelled series of a
// folder and compares the result with the constants that the model has, on the
// files themselves and on files left out of the fit.
func Fit(dir fs.FS, n int) (*FitReport, error) {
	series, err := loadNAB(dir)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(knobs) {
		return nil, fmt.Errorf("%d constants to fit: there are 1 to %d", n, len(knobs))
	}
	if len(series) < folds {
		return nil, errors.New("too few series to leave some of them out: take at least 5")
	}
	f := &fitter{series: series, knobs: knobs[:n], seen: map[baseline.GaugeKnobs][]nabCorpus{}}
	return f.report(), nil
}
