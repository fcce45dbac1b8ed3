// Package detect measures how well the learned thresholds tell attacks from
// normal life: on labelled series of a public benchmark, and on generated
// activity with injected bursts.
package detect

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

	worth  []float64 // of a detection at each row
	window []int     // number of the labelled window that the row is in, −1: none
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
	s.appraise()
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
	model := baseline.NewGaugeScorer(baseline.StandardGauge())
	scores := make([][]float64, len(series))
	report := &NABReport{Files: len(series)}
	for i := range series {
		scores[i] = gaugeScores(&series[i], model)
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
func gaugeScores(s *nabSeries, m *baseline.GaugeScorer) []float64 {
	out := make([]float64, len(s.values))
	var g baseline.Gauge
	for i, v := range s.values {
		if score := m.Add(&g, v, s.stamps[i].Hour()); score.Fresh {
			out[i] = score.Score
		}
	}
	return out
}
