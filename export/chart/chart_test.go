package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var began = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func value(v float64) *float64 { return &v }

// burst is a quiet hour with one loud window at its end.
func burst() Series {
	s := Series{Title: "Burst", Caption: []string{"counted: GetSecretValue <by> ann & bob"}, Start: began, Step: 5 * time.Minute,
		Values: []float64{0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 40, 3}, Limit: value(10), Usual: value(2)}
	s.From, s.To = began.Add(50*time.Minute), began.Add(55*time.Minute)
	return s
}

// TestText: a row stands for 5 (40 in eight rows), so the bar of 40 is full,
// the limit of 10 is the upper edge of the second row, and 1 and 2 are 2 and 3
// eighths of the lowest.
func TestText(t *testing.T) {
	s := burst()
	want := strings.Join([]string{
		"Burst",
		"      40 ┤          █",
		"         ┤          █",
		"         ┤          █",
		"         ┤          █",
		"         ┤          █",
		"         ┤          █",
		"limit 10 ┤╌╌╌╌╌╌╌╌╌╌█╌",
		" usual 2 ┤·▂▃▂·▂▃▂·▂█▅",
		"       0 └────────────",
		"                    ^",
		"          2026-03-01 10:00 – 11:00 UTC",
		"counted: GetSecretValue <by> ann & bob",
		"",
	}, "\n")
	if diff := cmp.Diff(want, s.Text(80, false)); diff != "" {
		t.Errorf("drawing (-want +got):\n%s", diff)
	}
}

// TestNothingIsWiderThanTheTerminal: captions are broken between words, in the drawing too.
func TestNothingIsWiderThanTheTerminal(t *testing.T) {
	s := burst()
	s.Caption = []string{strings.Repeat("words of a caption ", 20), "short"}
	for _, columns := range []int{40, 80, 120} {
		for _, line := range strings.Split(s.Text(columns, false), "\n") {
			if n := utf8.RuneCountInString(line); n > columns {
				t.Errorf("%d of %d columns: %s", n, columns, line)
			}
		}
	}
	for _, text := range regexp.MustCompile(`>([^<]*)</text>`).FindAllStringSubmatch(string(s.SVG()), -1) {
		if n := utf8.RuneCountInString(text[1]); n > captionChars {
			t.Errorf("%d characters in a line of the drawing: %s", n, text[1])
		}
	}
}

// TestLimitAndUsualInOneRow are both told.
func TestLimitAndUsualInOneRow(t *testing.T) {
	s := burst()
	limit, usual := 3.0, 2.0
	s.Limit, s.Usual = &limit, &usual
	if text := s.Text(80, false); !strings.Contains(text, "\nlimit 3, usual 2 ┤") {
		t.Error(text)
	}
}

func TestColourIsOnlyForTheFinding(t *testing.T) {
	s := burst()
	if text := s.Text(80, true); strings.Count(text, red+"█"+plain) != 8 || strings.Count(text, red) != 8 {
		t.Errorf("want the eight cells of one bar in red:\n%s", text)
	}
}

// TestNarrow: neighbours are joined, the highest is shown, and it is said.
func TestNarrow(t *testing.T) {
	s := burst()
	s.Values = append(make([]float64, 89), s.Values...) // 101 windows
	s.Start = began.Add(-89 * s.Step)
	text := s.Text(60, false)
	if !strings.Contains(text, "highest of 3 windows of 5m") {
		t.Errorf("nothing says that windows were joined:\n%s", text)
	}
	drawn, by := s.merged(50)
	if by != 3 || len(drawn.Values) != 34 || drawn.Values[33] != 40 || !drawn.marked(33) || drawn.marked(32) {
		t.Errorf("joined by %d to %v", by, drawn.Values)
	}
	if end := drawn.at(len(drawn.Values)); !end.Equal(began.Add(time.Hour)) {
		t.Errorf("ends at %v, want with the last window", end)
	}
}

func TestRoundScale(t *testing.T) {
	for v, want := range map[float64]float64{1: 1, 1.1: 1.2, 7: 8, 10: 10, 11: 12, 41: 50, 99: 100, 1001: 1200, 0.03: 0.03} {
		if got := round(v); math.Abs(got-want) > 1e-9*want {
			t.Errorf("scale for %v ends at %v, want %v", v, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Minute: "1h30m", 30 * time.Second: "30s", 10 * time.Second: "10s", 24 * time.Hour: "24h", 20 * time.Minute: "20m"} {
		if got := span(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

// TestSVG: the document is well formed, holds all texts as texts, a bar for
// each window with something in it, and one of them in the finding's colour.
func TestSVG(t *testing.T) {
	s := burst()
	data := s.SVG()
	classes, texts := map[string]int{}, ""
	d := xml.NewDecoder(strings.NewReader(string(data)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well formed: %v\n%s", err, data)
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				if a.Name.Local == "class" && e.Name.Local != "text" {
					classes[a.Value]++
				}
			}
		case xml.CharData:
			texts += string(e)
		}
	}
	want := map[string]int{"axis": 1, "window": 1, "band": 1, "limit": 1, "usual": 1, "bar": 8, "found": 1}
	if diff := cmp.Diff(want, classes); diff != "" {
		t.Errorf("elements by class (-want +got):\n%s", diff)
	}
	for _, text := range []string{"Burst", "counted: GetSecretValue <by> ann & bob", "limit 10", "usual 2", "2026-03-01 10:00 UTC"} {
		if !strings.Contains(texts, text) {
			t.Errorf("%q is not written", text)
		}
	}
}

// TestAnySeries: whatever the numbers, no line is wider than asked for, each
// row has its label, and the SVG is well formed.
func TestAnySeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), 0, 1e-300, 1e300, -3})
		values := rapid.SliceOfN(rapid.OneOf(odd, rapid.Float64Range(0, 1000)), 0, 300).Draw(t, "values")
		s := Series{Start: began, Step: time.Minute, Values: values, From: began.Add(time.Hour), To: began.Add(61 * time.Minute)}
		if rapid.Bool().Draw(t, "limit") {
			s.Limit = value(rapid.Float64Range(-1, 1e6).Draw(t, "at"))
		}
		columns := rapid.IntRange(60, 200).Draw(t, "columns")
		for line := range strings.Lines(s.Text(columns, false)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Fatalf("%d columns, want at most %d: %q", n, columns, line)
			}
		}
		d := xml.NewDecoder(strings.NewReader(string(s.SVG())))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
