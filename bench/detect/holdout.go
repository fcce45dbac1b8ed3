package detect

import (
	"cmp"
	"math"
	"math/rand/v2"
	"path"
	"slices"

	"github.com/cairnstream/cairn/processor/baseline"
)

const (
	folds = 5  // parts that the files are dealt into; each is left out once
	deals = 10 // times that they are dealt anew
	draws = 200
)

// FitReport compares sets of constants of the gauge model.
type FitReport struct {
	Fitted         []string `json:"fitted"`         // names of the constants
	Configurations int      `json:"configurations"` // that were run
	Sets           []FitSet `json:"sets"`
	// Spread is the standard deviation of the standard score of the model's own
	// constants when the files are drawn with replacement: what another choice
	// of as many series would have done to it.
	Spread float64 `json:"spread_of_files"`
}

// FitSet is a set of constants and its scores.
type FitSet struct {
	Name      string              `json:"name"`
	Constants baseline.GaugeKnobs `json:"constants"`
	// Seen is the score on the files that constants and threshold were chosen on.
	Seen NABScores `json:"seen"`
	// Unseen is the score on files left out when the threshold, and for the
	// fitted set the constants, were chosen: the mean over the deals, and their
	// standard deviation.
	Unseen          NABScores `json:"unseen"`
	UnseenDeviation NABScores `json:"unseen_deviation"`
}

func (f *fitter) report() *FitReport {
	all := f.without(nil)
	r := &FitReport{Spread: f.spread()}
	for _, n := range f.knobs {
		r.Fitted = append(r.Fitted, n.name)
	}
	always := func(k baseline.GaugeKnobs) func([]int) baseline.GaugeKnobs {
		return func([]int) baseline.GaugeKnobs { return k }
	}
	for _, set := range []struct {
		name   string
		choose func(files []int) baseline.GaugeKnobs
	}{{"the model's, chosen on all files", always(baseline.StandardGauge())}, {"middle of the grid", always(middle())}, {"fitted", f.fit}} {
		k := set.choose(all)
		s := FitSet{Name: set.name, Constants: k, Seen: f.score(k, all)}
		s.Unseen, s.UnseenDeviation = f.unseen(set.choose)
		r.Sets = append(r.Sets, s)
	}
	r.Configurations = f.runs
	return r
}

// without are the numbers of the files that are not in a fold.
func (f *fitter) without(fold []int) (out []int) {
	for i := range f.series {
		if !slices.Contains(fold, i) {
			out = append(out, i)
		}
	}
	return out
}

// deal deals the files into folds, those of each folder of the benchmark evenly.
func (f *fitter) deal(seed uint64) (out [folds][]int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	order := rng.Perm(len(f.series))
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(path.Dir(f.series[a].name), path.Dir(f.series[b].name))
	})
	first := rng.IntN(folds)
	for i, file := range order {
		at := (first + i) % folds
		out[at] = append(out[at], file)
	}
	return out
}

// unseen is the score of files by constants and thresholds chosen on others.
func (f *fitter) unseen(choose func(files []int) baseline.GaugeKnobs) (mean, deviation NABScores) {
	var standard, lowFP, lowFN, threshold []float64
	for seed := range uint64(deals) {
		s := f.dealt(f.deal(seed), choose)
		standard, lowFP, lowFN, threshold = append(standard, s.Standard), append(lowFP, s.RewardLowFP), append(lowFN, s.RewardLowFN), append(threshold, s.Threshold)
	}
	mean.Standard, deviation.Standard = moments(standard)
	mean.RewardLowFP, deviation.RewardLowFP = moments(lowFP)
	mean.RewardLowFN, deviation.RewardLowFN = moments(lowFN)
	mean.Threshold, deviation.Threshold = moments(threshold)
	return mean, deviation
}

// dealt leaves each fold out once and scores all of them together, each row by
// what it is above the threshold of its fold. The threshold returned is the
// mean of the standard ones.
func (f *fitter) dealt(split [folds][]int, choose func(files []int) baseline.GaugeKnobs) (s NABScores) {
	var out [3][]nabCorpus
	for _, fold := range split {
		files := f.without(fold)
		k := choose(files)
		parts := f.scores(k)
		known := join(pick(parts, files)...)
		for i, p := range [...]nabProfile{nabStandard, nabLowFP, nabLowFN} {
			_, threshold := known.best(p)
			if i == 0 {
				s.Threshold += threshold / folds
			}
			for _, part := range pick(parts, fold) {
				out[i] = append(out[i], part.above(threshold))
			}
		}
	}
	standard, lowFP, lowFN := join(out[0]...), join(out[1]...), join(out[2]...)
	s.Standard, s.RewardLowFP, s.RewardLowFN = standard.at(nabStandard, 0), lowFP.at(nabLowFP, 0), lowFN.at(nabLowFN, 0)
	return s
}

// above is the corpus with scores counted from a threshold.
func (c *nabCorpus) above(threshold float64) nabCorpus {
	out := nabCorpus{rows: slices.Clone(c.rows), windows: c.windows}
	for i := range out.rows {
		out.rows[i].score -= threshold
	}
	return out
}

// spread is the standard deviation of the standard score over draws of the
// files with replacement.
func (f *fitter) spread() float64 {
	rng := rand.New(rand.NewPCG(1, 0))
	files, scores := make([]int, len(f.series)), make([]float64, draws)
	for i := range scores {
		for j := range files {
			files[j] = rng.IntN(len(f.series))
		}
		c := join(pick(f.scores(baseline.StandardGauge()), files)...)
		scores[i], _ = c.best(nabStandard)
	}
	_, deviation := moments(scores)
	return deviation
}

// moments are the mean and the standard deviation.
func moments(values []float64) (mean, deviation float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / max(1, n-1)
	}
	return mean, math.Sqrt(deviation)
}
