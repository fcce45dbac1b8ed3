package rule

import (
	"strings"
	"unicode/utf8"
)

// anyByte and manyByte stand for the wildcards ? and * inside a compiled
// pattern. Neither byte occurs in UTF-8 text.
const (
	anyByte  = 0xff
	manyByte = 0xfe
)

// pattern is text with wildcards: pieces of text in their order, with anything
// between them.
type pattern struct {
	source string   // with anyByte and manyByte
	pieces []string // between the stars; folded unless cased
	open   bool     // begins with a star
	loose  bool     // ends with a star
	cased  bool
	plain  bool // pieces are ASCII, so that bytes can be compared
	single bool // has a ?
}

// newPattern compiles text in which wildcards stand as anyByte and manyByte.
func newPattern(source string, cased bool) *pattern {
	p := &pattern{source: source, cased: cased, plain: true}
	p.open = strings.HasPrefix(source, string([]byte{manyByte}))
	p.loose = strings.HasSuffix(source, string([]byte{manyByte}))
	for piece := range strings.SplitSeq(source, string([]byte{manyByte})) {
		if piece == "" {
			continue
		}
		p.single = p.single || strings.IndexByte(piece, anyByte) >= 0
		for i := range len(piece) {
			if piece[i] >= utf8.RuneSelf && piece[i] != anyByte {
				p.plain = false
			}
		}
		if !cased {
			piece = foldKeepingWildcards(piece)
		}
		p.pieces = append(p.pieces, piece)
	}
	return p
}

// foldKeepingWildcards folds the text around the wildcards.
func foldKeepingWildcards(piece string) string {
	parts := strings.Split(piece, string([]byte{anyByte}))
	for i := range parts {
		parts[i] = fold(parts[i])
	}
	return strings.Join(parts, string([]byte{anyByte}))
}

// literal is the text of a pattern without wildcards.
func (p *pattern) literal() (string, bool) {
	switch {
	case p.source == "":
		return "", true
	case p.open || p.loose || p.single || len(p.pieces) != 1:
		return "", false
	}
	return p.pieces[0], true
}

// key identifies equal patterns.
func (p *pattern) key() string {
	if p.cased {
		return "=" + p.source
	}
	parts := strings.Split(p.source, star)
	for i := range parts {
		parts[i] = foldKeepingWildcards(parts[i])
	}
	return "~" + strings.Join(parts, star)
}

// matches tells whether the whole of s fits.
func (p *pattern) matches(s string) bool {
	switch {
	case p.source == "":
		return s == ""
	case !p.mayBegin(s):
		return false
	case p.cased && !p.single:
		return p.fits(s, strings.Index, func(s string, i int, piece string) bool { return s[i:i+len(piece)] == piece })
	case !p.cased && p.plain && ascii(s):
		return p.fits(s, indexFold, equalAt)
	case !p.single:
		return p.fits(fold(s), strings.Index, func(s string, i int, piece string) bool { return s[i:i+len(piece)] == piece })
	}
	if !p.cased {
		s = fold(s)
	}
	return matchRunes([]rune(s), p.runes())
}

// mayBegin looks at the first byte, which settles most comparisons.
func (p *pattern) mayBegin(s string) bool {
	if p.open || len(p.pieces) == 0 {
		return true
	}
	if s == "" {
		return false
	}
	want, c := p.pieces[0][0], s[0]
	if c >= utf8.RuneSelf || want == anyByte {
		return true // a letter beyond ASCII may fold to one inside
	}
	if !p.cased && 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c == want
}

// fits places each piece as far left as it goes, which finds a fit if there is
// one.
func (p *pattern) fits(s string, index func(string, string) int, at func(string, int, string) bool) bool {
	pieces, i := p.pieces, 0
	if !p.open && len(pieces) > 0 {
		if len(s) < len(pieces[0]) || !at(s, 0, pieces[0]) {
			return false
		}
		i, pieces = len(pieces[0]), pieces[1:]
		if len(pieces) == 0 && !p.loose {
			return i == len(s)
		}
	}
	var tail string
	if !p.loose && len(pieces) > 0 {
		tail, pieces = pieces[len(pieces)-1], pieces[:len(pieces)-1]
	}
	for _, piece := range pieces {
		j := index(s[i:], piece)
		if j < 0 {
			return false
		}
		i += j + len(piece)
	}
	return len(s)-i >= len(tail) && at(s, len(s)-len(tail), tail)
}

// indexFold finds folded ASCII in ASCII text.
func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if equalAt(s, i, part) {
			return i
		}
	}
	return -1
}

// runes is the pattern for the comparison rune by rune, which only a ? beside
// letters beyond ASCII needs.
func (p *pattern) runes() []rune {
	var out []rune
	text := p.source
	if !p.cased {
		text = strings.Join(p.pieces, string([]byte{manyByte}))
		if p.open {
			text = string([]byte{manyByte}) + text
		}
		if p.loose {
			text += string([]byte{manyByte})
		}
	}
	for i := 0; i < len(text); {
		switch text[i] {
		case anyByte:
			out = append(out, -1)
			i++
		case manyByte:
			out = append(out, -2)
			i++
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			out = append(out, r)
			i += n
		}
	}
	return out
}

// matchRunes is the usual matching with one point of return: the last star.
func matchRunes(s, p []rune) bool {
	i, j, star, back := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(p) && p[j] == -2:
			star, back = j, i
			j++
		case j < len(p) && (p[j] == -1 || p[j] == s[i]):
			i++
			j++
		case star >= 0:
			back++
			i, j = back, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j] == -2 {
		j++
	}
	return j == len(p)
}

// unescape reads the text of a rule: * and ? are wildcards, \* and \? plain,
// \\ is one backslash, and a backslash before anything else is itself. Three
// or four backslashes give two.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*':
			b.WriteByte(manyByte)
		case c == '?':
			b.WriteByte(anyByte)
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`*?\`, text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return squeeze(b.String())
}

// squeeze makes one star of several in a row.
func squeeze(s string) string {
	double := string([]byte{manyByte, manyByte})
	for strings.Contains(s, double) {
		s = strings.ReplaceAll(s, double, string([]byte{manyByte}))
	}
	return s
}
