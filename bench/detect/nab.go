// Package detect measures how well the learned thresholds tell attacks from
// normal life: on labelled series of a public benchmark, and on generated
// activity with injected bursts.
package detect

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
)

// A labelled series as the Numenta Anomaly Benchmark stores them, and its
// scoring (Lavin and Ahmad 2015): each labelled window is worth the more the
// earlier a detection in it comes; a detection outside of all windows costs.

// nabSeries is one file of the benchmark.
type nabSeries struct {
	name    string
	stamps  []time.Time
	values  []float64
	windows [][2]int // first and last row of each labelled window
}

const nabTime = "2006-01-02 15:04:05"

// loadNAB reads the series of a folder with data/ and
// labels/combined_windows.json, those that are there, in order of their names.
func loadNAB(dir fs.FS) ([]nabSeries, error) {
	text, err := fs.ReadFile(dir, "labels/combined_windows.json")
	if err != nil {
		return nil, fmt.Errorf("read the labels: %w", err)
	}
	var labels map[string][][2]string
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, fmt.Errorf("read the labels: %w", err)
	}
	var out []nabSeries
	err = fs.WalkDir(dir, "data", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".csv" {
			return err
		}
		series, err := loadSeries(dir, strings.TrimPrefix(name, "data/"), labels)
		out = append(out, series)
		return err
	})
	if err == nil && len(out) == 0 {
		err = errors.New("no .csv file under data")
	}
	return out, err
}

func loadSeries(dir fs.FS, name string, labels map[string][][2]string) (s nabSeries, err error) {
	s.name = name
	f, err := dir.Open("data/" + name)
	if err != nil {
		return s, fmt.Errorf("read a series: %w", err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return s, fmt.Errorf("series %s: %w", name, err)
	}
	for i, row := range rows[min(1, len(rows)):] {
		at, err := time.Parse(nabTime, row[0])
		if err != nil || len(row) < 2 {
			return s, fmt.Errorf("series %s, row %d: want a time such as %s and a value", name, i+1, nabTime)
		}
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			return s, fmt.Errorf("series %s, row %d: %w", name, i+1, err)
		}
		s.stamps, s.values = append(s.stamps, at), append(s.values, v)
	}
	spans, ok := labels[name]
	if !ok {
		return s, fmt.Errorf("series %s has no entry in labels/combined_windows.json", name)
	}
	for _, span := range spans {
		window, err := s.rows(span)
		if err != nil {
			return s, err
		}
		s.windows = append(s.windows, window)
	}
	return s, nil
}

// rows finds the rows of a window: for a time that comes twice the first.
func (s *nabSeries) rows(span [2]string) (window [2]int, err error) {
	for i, text := range span {
		text, _, _ = strings.Cut(text, ".")
		at, err := time.Parse(nabTime, text)
		if err != nil {
			return window, fmt.Errorf("label of %s: %w", s.name, err)
		}
		if window[i] = slices.IndexFunc(s.stamps, at.Equal); window[i] < 0 {
			return window, fmt.Errorf("label of %s: no row at %s", s.name, text)
		}
	}
	return window, nil
}

// probation is the number of rows at the start that never count.
func (s *nabSeries) probation() int {
	return int(math.Min(math.Floor(0.15*float64(len(s.values))), 750))
}

// nabProfile weighs hits, misses and false positives.
type nabProfile struct{ hit, miss, false float64 }

var (
	nabStandard = nabProfile{1, 1, 0.11}
	nabLowFP    = nabProfile{1, 1, 0.22}
	nabLowFN    = nabProfile{1, 2, 0.11}
)

// sigmoid is the benchmark's scale of earliness.
func sigmoid(x float64) float64 {
	if x > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*x)) - 1
}

// worth is what a detection at each row is worth: inside of a window up to 1,
// outside down to −1. window is the number of the row's window, −1 outside.
func (s *nabSeries) worth() (worth []float64, window []int) {
	worth, window = make([]float64, len(s.values)), make([]int, len(s.values))
	last := -1
	for i := range worth {
		window[i], worth[i] = -1, -1
		for k, w := range s.windows {
			if i >= w[0] && i <= w[1] {
				window[i] = k
			}
			if w[1] < i && (last < 0 || w[1] > s.windows[last][1]) {
				last = k
			}
		}
		switch {
		case window[i] >= 0:
			a, b := s.windows[window[i]][0], s.windows[window[i]][1]
			worth[i] = sigmoid(-float64(b-i+1)/float64(b-a+1)) / sigmoid(-1)
		case last >= 0:
			a, b := s.windows[last][0], s.windows[last][1]
			worth[i] = sigmoid(float64(i-b) / float64(b-a))
		}
	}
	return worth, window
}

// nabRow is a row that counts.
type nabRow struct {
	score, worth float64
	window       int // number over all series, −1: outside
}

// nabCorpus is a scored corpus.
type nabCorpus struct {
	rows    []nabRow // by falling score
	windows int      // that have a row after probation
}

// corpus puts the scores of all series together; scores[i] belongs to
// series[i], one per row.
func corpus(series []nabSeries, scores [][]float64) nabCorpus {
	var c nabCorpus
	for k := range series {
		s := &series[k]
		worth, window := s.worth()
		number := make([]int, len(s.windows))
		for w, span := range s.windows {
			number[w] = -1
			if span[1] >= s.probation() {
				number[w] = c.windows
				c.windows++
			}
		}
		for i := s.probation(); i < len(worth); i++ {
			row := nabRow{scores[k][i], worth[i], -1}
			if window[i] >= 0 {
				row.window = number[window[i]]
			}
			c.rows = append(c.rows, row)
		}
	}
	slices.SortStableFunc(c.rows, func(a, b nabRow) int { return cmp.Compare(b.score, a.score) })
	return c
}

// best is the greatest score over all thresholds, and that threshold.
func (c *nabCorpus) best(p nabProfile) (score, threshold float64) {
	score, threshold = 0, math.Inf(1) // no detection at all
	c.sweep(p, func(t, at float64) {
		if at > score && t > 0 {
			score, threshold = at, t
		}
	})
	return score, threshold
}

// at is the score at a threshold that was fixed beforehand.
func (c *nabCorpus) at(p nabProfile, threshold float64) (score float64) {
	c.sweep(p, func(t, at float64) {
		if t >= threshold {
			score = at
		}
	})
	return score
}

// sweep lowers the threshold from row to row. Rows of one score switch
// together.
func (c *nabCorpus) sweep(p nabProfile, yield func(threshold, score float64)) {
	hit := make([]float64, c.windows)
	null, perfect := -p.miss*float64(c.windows), p.hit*float64(c.windows)
	total := null
	for i, r := range c.rows {
		switch {
		case r.window < 0:
			total += p.false * r.worth
		case r.worth > hit[r.window]:
			if hit[r.window] == 0 {
				total += p.miss
			}
			total += p.hit * (r.worth - hit[r.window])
			hit[r.window] = r.worth
		}
		if i+1 == len(c.rows) || c.rows[i+1].score != r.score {
			yield(r.score, 100*(total-null)/(perfect-null))
		}
	}
}

// NABReport is the score of the gauge model on a folder of labelled series.
// Best thresholds are chosen on the corpus itself, one for all series, as the
// benchmark does; Fixed is the score at the model's default.
type NABReport struct {
	Files       int       `json:"files"`
	Points      int       `json:"points"`
	Windows     int       `json:"windows"`
	Standard    float64   `json:"standard"`
	RewardLowFP float64   `json:"reward_low_fp"`
	RewardLowFN float64   `json:"reward_low_fn"`
	Threshold   float64   `json:"threshold"` // of Standard
	Fixed       NABScores `json:"fixed"`
}

// NABScores are scores at one threshold.
type NABScores struct {
	Threshold   float64 `json:"threshold"`
	Standard    float64 `json:"standard"`
	RewardLowFP float64 `json:"reward_low_fp"`
	RewardLowFN float64 `json:"reward_low_fn"`
}

// NAB scores the gauge model on the labelled series of a folder. The model
// sees each series once, in order, and nothing of it beforehand.
func NAB(dir fs.FS) (*NABReport, error) {
	series, err := loadNAB(dir)
	if err != nil {
		return nil, err
	}
	scores := make([][]float64, len(series))
	report := &NABReport{Files: len(series)}
	for i := range series {
		scores[i] = gaugeScores(&series[i])
		report.Points += len(scores[i])
	}
	c := corpus(series, scores)
	report.Windows = c.windows
	report.Standard, report.Threshold = c.best(nabStandard)
	report.RewardLowFP, _ = c.best(nabLowFP)
	report.RewardLowFN, _ = c.best(nabLowFN)
	t := baseline.DefaultGaugeScore
	report.Fixed = NABScores{t, c.at(nabStandard, t), c.at(nabLowFP, t), c.at(nabLowFN, t)}
	return report, nil
}

// gaugeScores runs the gauge model over a series. What could not start an
// episode is no detection.
func gaugeScores(s *nabSeries) []float64 {
	out := make([]float64, len(s.values))
	var g baseline.Gauge
	for i, v := range s.values {
		if score := g.Add(v, s.stamps[i].Hour()); score.Fresh {
			out[i] = score.Score
		}
	}
	return out
}
