package detect

import (
	"cmp"
	"math"
	"slices"
)

// The scoring of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015).

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

// appraise fills in what a detection at each row is worth: inside of a window
// up to 1, outside down to −1.
func (s *nabSeries) appraise() {
	s.worth, s.window = make([]float64, len(s.values)), make([]int, len(s.values))
	last := -1
	for i := range s.worth {
		s.window[i], s.worth[i] = -1, -1
		for k, w := range s.windows {
			if i >= w[0] && i <= w[1] {
				s.window[i] = k
			}
			if w[1] < i && (last < 0 || w[1] > s.windows[last][1]) {
				last = k
			}
		}
		switch {
		case s.window[i] >= 0:
			a, b := s.windows[s.window[i]][0], s.windows[s.window[i]][1]
			s.worth[i] = sigmoid(-float64(b-i+1)/float64(b-a+1)) / sigmoid(-1)
		case last >= 0:
			a, b := s.windows[last][0], s.windows[last][1]
			s.worth[i] = sigmoid(float64(i-b) / float64(b-a))
		}
	}
}

// nabRow is a row that counts.
type nabRow struct {
	score, worth float64
	window       int // number over all series, −1: outside
}

// nabCorpus is a scored corpus.
type nabCorpus struct {
	rows    []nabRow // of join: by falling score
	windows int      // that have a row after probation
}

// corpus scores one series; scores has one value per row. Rows without a score
// are no detections.
func (s *nabSeries) corpus(scores []float64) (c nabCorpus) {
	number := make([]int, len(s.windows))
	for w, span := range s.windows {
		number[w] = -1
		if span[1] >= s.probation() {
			number[w] = c.windows
			c.windows++
		}
	}
	for i := s.probation(); i < len(scores); i++ {
		if scores[i] <= 0 {
			continue
		}
		row := nabRow{scores[i], s.worth[i], -1}
		if w := s.window[i]; w >= 0 {
			row.window = number[w]
		}
		c.rows = append(c.rows, row)
	}
	return c
}

// join puts series together.
func join(parts ...nabCorpus) (c nabCorpus) {
	for _, part := range parts {
		for _, row := range part.rows {
			if row.window >= 0 {
				row.window += c.windows
			}
			c.rows = append(c.rows, row)
		}
		c.windows += part.windows
	}
	slices.SortStableFunc(c.rows, func(a, b nabRow) int { return cmp.Compare(b.score, a.score) })
	return c
}

// corpus puts the scores of all series together; scores[i] belongs to
// series[i].
func corpus(series []nabSeries, scores [][]float64) nabCorpus {
	parts := make([]nabCorpus, len(series))
	for i := range series {
		parts[i] = series[i].corpus(scores[i])
	}
	return join(parts...)
}

// best is the greatest score over all thresholds, and that threshold.
func (c *nabCorpus) best(p nabProfile) (score, threshold float64) {
	score, threshold = 0, math.Inf(1) // no detection at all
	c.sweep(p, func(t, at float64) {
		if at > score {
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
