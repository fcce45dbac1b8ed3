package rule

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold maps text to a form in which two texts are equal if they differ in case
// alone, by Unicode simple folding. ASCII stays ASCII, in lower case, so a
// text without upper-case and without other letters is its own form and costs
// nothing.
func fold(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.Map(foldRune, s)
		}
	}
	return s
}

// foldRune is the representative of all runes that r folds to: the lower-case
// ASCII letter if there is one, else the least.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		return lower(r)
	}
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		if o < utf8.RuneSelf {
			return lower(o)
		}
		least = min(least, o)
	}
	return least
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// ascii tells whether s holds nothing else.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// equalAt compares part, which is folded ASCII, with s from i on. Every byte
// of part that is any stands for one byte.
func equalAt(s string, i int, part string) bool {
	for j := range len(part) {
		c := s[i+j]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != part[j] && part[j] != anyByte {
			return false
		}
	}
	return true
}
