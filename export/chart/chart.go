// Package chart draws a number per window over time, with the window of a
// finding marked in it, the limit that the finding crossed, and the band that
// was usual: with block characters for a terminal, and as SVG. It draws the
// same for the same input, and needs nothing but the standard library.
package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Series is what is drawn.
type Series struct {
	Title   string
	Caption []string // what is counted, a line each
	Start   time.Time
	Step    time.Duration // length of a window, more than 0
	Values  []float64     // one per window from Start on; NaN: not known
	// From and To are the finding's window; the windows that it touches are
	// marked. To is excluded.
	From, To time.Time
	Limit    *float64 // the value at which the finding begins; nil: none
	Usual    *float64 // the expected value; with Limit above it the upper end of the usual band
}

// marked tells whether a window is one of the finding's.
func (s *Series) marked(i int) bool {
	from := s.at(i)
	return from.Before(s.To) && s.From.Before(from.Add(s.Step))
}

func (s *Series) at(i int) time.Time { return s.Start.Add(time.Duration(i) * s.Step) }

// top is the upper end of the scale: a round number that nothing exceeds.
func (s *Series) top() float64 {
	most := 1.0
	for _, v := range s.Values {
		if finite(v) {
			most = max(most, v)
		}
	}
	for _, v := range []*float64{s.Limit, s.Usual} {
		if v != nil && finite(*v) {
			most = max(most, *v)
		}
	}
	return round(most)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// round is the next number of one or two digits that people count in.
func round(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		// A part in a billion is what the division may lose.
		if v <= m*unit*(1+1e-9) {
			return m * unit
		}
	}
	return 10 * unit
}

// number is a value as an axis has it.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// merged is the series with neighbouring windows joined, so that at most so
// many are left; each shows the highest of its own. by is how many were joined.
func (s *Series) merged(most int) (out Series, by int) {
	by = (len(s.Values) + most - 1) / most
	if by <= 1 {
		return *s, 1
	}
	out = *s
	// The last one ends where the series ends: that is where the finding is.
	lead := (by - len(s.Values)%by) % by
	out.Start, out.Step = s.at(-lead), s.Step*time.Duration(by)
	out.Values = make([]float64, (len(s.Values)+lead)/by)
	for i := range out.Values {
		out.Values[i] = math.NaN()
	}
	for i, v := range s.Values {
		if to := &out.Values[(i+lead)/by]; math.IsNaN(*to) || v > *to {
			*to = v
		}
	}
	return out, by
}

// broken are captions in lines of so many characters at most, broken between
// words. A word that is longer stands alone.
func broken(captions []string, most int) (lines []string) {
	for _, caption := range captions {
		line := ""
		for _, word := range strings.Fields(caption) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most {
				lines = append(lines, line)
				line = ""
			}
			line = strings.TrimSpace(line + " " + word)
		}
		lines = append(lines, line)
	}
	return lines
}
