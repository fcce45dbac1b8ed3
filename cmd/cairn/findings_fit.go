package main

import (
	"math"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/cairnstream/cairn/export"
)

// widthOf is how many columns a terminal has; false for what is none.
func widthOf(e *env) (int, bool) {
	if f, ok := e.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			if width <= 0 { // a terminal that does not tell, as of some containers
				width = 120
			}
			return width, true
		}
	}
	return 0, false
}

// columnsOf is the width of a terminal; a file gets what fits anywhere.
func columnsOf(e *env) int {
	if width, ok := widthOf(e); ok {
		return width
	}
	return 80
}

// page is what text is laid out for.
type page struct {
	width  int  // of sentences
	table  int  // of tables: in a file nothing is cut
	colour bool // of severities and bars
}

func pageOf(e *env) page {
	p := page{width: columnsOf(e), table: math.MaxInt, colour: terminal(e.out)}
	if width, ok := widthOf(e); ok {
		p.table = width
	}
	return p
}

// elastic is a column whose cells may be cut, to so many characters at least.
type elastic struct {
	name  string
	least int
}

// fit makes a table as wide as the terminal. Columns go, those named first
// first, until cutting the elastic ones is enough.
func (t *table) fit(width int, leave []string, cut ...elastic) {
	for _, name := range leave {
		if t.width()-t.spare(cut) <= width {
			break
		}
		t.drop(name)
	}
	for _, c := range cut {
		at := slices.Index(t.head, c.name)
		over := t.width() - width
		if over <= 0 || at < 0 {
			continue
		}
		keep := max(t.widths()[at]-over, c.least)
		for _, row := range t.rows {
			row[at] = cutTo(row[at], keep)
		}
	}
}

// spare is how many characters cutting would save.
func (t *table) spare(cut []elastic) (n int) {
	widths := t.widths()
	for _, c := range cut {
		if at := slices.Index(t.head, c.name); at >= 0 {
			n += max(widths[at]-c.least, 0)
		}
	}
	return n
}

// cutTo shortens a text: a sentence at its end, a name in its middle, because
// names of one kind often differ in their last letters.
func cutTo(text string, most int) string {
	letters := []rune(text)
	switch {
	case len(letters) <= most:
		return text
	case strings.Contains(text, " "):
		return string(letters[:most-1]) + "…"
	}
	end := most / 2
	return string(letters[:most-1-end]) + "…" + string(letters[len(letters)-end:])
}

func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	return widths
}

func (t *table) width() int {
	total := 2 * (len(t.head) - 1)
	for _, w := range t.widths() {
		total += w
	}
	return total
}

// drop takes a column out.
func (t *table) drop(name string) {
	at := slices.Index(t.head, name)
	if at < 0 {
		return
	}
	t.head = slices.Delete(slices.Clone(t.head), at, at+1)
	for i, row := range t.rows {
		t.rows[i] = slices.Delete(slices.Clone(row), at, at+1)
	}
}

// empty tells that no cell of a column says anything.
func (t *table) empty(name string) bool {
	at := slices.Index(t.head, name)
	return at >= 0 && !slices.ContainsFunc(t.rows, func(row []string) bool { return row[at] != "" })
}

// same tells that all of several cells of a column are equal.
func (t *table) same(name string) bool {
	at := slices.Index(t.head, name)
	if at < 0 || len(t.rows) < 2 {
		return false
	}
	for _, row := range t.rows {
		if row[at] != t.rows[0][at] {
			return false
		}
	}
	return true
}

// quoted is a text as one word for a shell, whatever somebody put into a name.
func quoted(text string) string {
	return "'" + strings.ReplaceAll(export.Plain(text), "'", `'\''`) + "'"
}

// word is a text as one word for a shell, in quotes only where it needs them.
func word(text string) string {
	safe := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/:._-@%+=,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !safe(r) }) {
		return text
	}
	return quoted(text)
}

// paragraph is a text in lines of a width; lines behind the first are indented.
func paragraph(text string, width, indent int) string {
	return strings.Join(export.Wrap(text, max(width-indent, 40)), "\n"+strings.Repeat(" ", indent))
}
