package chart

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	rows   = 8
	narrow = 20 // columns that a drawing needs at least
	red    = "\x1b[31m"
	plain  = "\x1b[0m"
)

var eighths = []rune(" ▁▂▃▄▅▆▇█")

// Text draws the series in at most so many columns, with line ends. With colour
// the bars of the finding are red; they are marked below in any case.
func (s *Series) Text(columns int, colour bool) string {
	top := s.top()
	labels := s.labels(top)
	gutter := 0
	for _, l := range labels {
		gutter = max(gutter, utf8.RuneCountInString(l))
	}
	drawn, by := s.merged(max(columns, narrow) - gutter - 2)
	var b strings.Builder
	if s.Title != "" {
		b.WriteString(s.Title + "\n")
	}
	for row := rows - 1; row >= 0; row-- {
		fmt.Fprintf(&b, "%*s ┤", gutter, labels[row])
		b.WriteString(strings.TrimRight(drawn.row(row, top, colour), " ") + "\n")
	}
	fmt.Fprintf(&b, "%*s └%s\n", gutter, "0", strings.Repeat("─", len(drawn.Values)))
	indent := strings.Repeat(" ", gutter+2)
	if marks := drawn.marks(); marks != "" {
		b.WriteString(indent + marks + "\n")
	}
	b.WriteString(indent + drawn.axis() + "\n")
	captions := s.Caption
	if by > 1 {
		captions = append(captions[:len(captions):len(captions)], fmt.Sprintf("each column is the highest of %d windows of %s", by, span(s.Step)))
	}
	for _, line := range broken(captions, max(columns, narrow)) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// rowOf is the row of the drawing in which a value lies.
func rowOf(v, top float64) int {
	return min(max(int(math.Ceil(v/top*rows))-1, 0), rows-1)
}

// labels are the texts of the rows: the top, the limit, what is usual.
func (s *Series) labels(top float64) [rows]string {
	var l [rows]string
	l[rows-1] = number(top)
	if s.Usual != nil {
		l[rowOf(*s.Usual, top)] = "usual " + number(*s.Usual)
	}
	if s.Limit != nil {
		at := &l[rowOf(*s.Limit, top)]
		limit := "limit " + number(*s.Limit)
		if strings.HasPrefix(*at, "usual") {
			limit += ", " + *at
		}
		*at = limit
	}
	return l
}

// row draws one row: bars, and behind them the limit and what is usual.
func (s *Series) row(row int, top float64, colour bool) string {
	behind := ' '
	if s.Usual != nil && rowOf(*s.Usual, top) == row {
		behind = '·'
	}
	if s.Limit != nil && rowOf(*s.Limit, top) == row {
		behind = '╌'
	}
	var b strings.Builder
	for i, v := range s.Values {
		full := 0
		if finite(v) {
			full = min(max(int(math.Round(v/top*rows*8))-row*8, 0), 8)
			if v > 0 && row == 0 {
				full = max(full, 1) // little is not nothing
			}
		}
		cell := string(eighths[full])
		if full == 0 {
			cell = string(behind)
		}
		if colour && full > 0 && s.marked(i) {
			cell = red + cell + plain
		}
		b.WriteString(cell)
	}
	return b.String()
}

// marks is a line with an arrow below each window of the finding.
func (s *Series) marks() string {
	var b strings.Builder
	for i := range s.Values {
		if s.marked(i) {
			b.WriteByte('^')
		} else {
			b.WriteByte(' ')
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// axis is a line with the time at which the drawing begins and, where there is
// room, that at which it ends.
func (s *Series) axis() string {
	const form = "2006-01-02 15:04"
	from, to := s.Start.UTC(), s.at(len(s.Values)).UTC()
	left, right := from.Format(form), to.Format("15:04 MST")
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		right = to.Format("01-02 15:04 MST")
	}
	if gap := len(s.Values) - len(left) - len(right); gap > 0 {
		return left + strings.Repeat(" ", gap) + right
	}
	return left + " – " + right
}

// span is a duration without parts that are zero.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
