package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"
)

// output is the flag of all commands that print a result.
type output struct {
	Output string `help:"text for people, json for one object on standard output." enum:"text,json" default:"text" env:"CAIRN_OUTPUT"`
}

func (o output) json() bool { return o.Output == "json" }

// printJSON writes v as one indented object.
func printJSON(w io.Writer, v any) error {
	if err := json.MarshalWrite(w, v, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// table prints rows in aligned columns. Widths count characters, and colours
// are added after padding, so they do not shift anything.
type table struct {
	head   []string
	rows   [][]string
	colour func(column int, cell string) string // nil: none
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	_, _ = fmt.Fprintln(w, t.line(t.head, widths, nil))
	for _, row := range t.rows {
		_, _ = fmt.Fprintln(w, t.line(row, widths, t.colour))
	}
}

func (t *table) line(cells []string, widths []int, colour func(int, string) string) string {
	var b strings.Builder
	for i, c := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if colour != nil {
			c = colour(i, c)
		}
		b.WriteString(c)
		if i < len(cells)-1 {
			b.WriteString(pad + "  ")
		}
	}
	return b.String()
}

// terminal tells whether w is one, so that colours and a progress bar help
// instead of filling a log with noise. NO_COLOR is respected (no-color.org).
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}

// severity colours the levels of findings on a terminal.
func severity(level string) string {
	codes := map[string]string{"critical": "1;31", "high": "31", "medium": "33", "low": "36"}
	if code, ok := codes[level]; ok {
		return "\x1b[" + code + "m" + level + "\x1b[0m"
	}
	return level
}

// count writes a number with separated thousands.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes bytes in binary units.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 3 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[i])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
