package cloudtrail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest; deeper input is rejected
// before it can exhaust the stack. It is also the limit of jsontext.
const maxDepth = 10_000

var (
	errCut    = errors.New("JSON ends too early")
	errSyntax = errors.New("invalid JSON")
	errDeep   = fmt.Errorf("JSON nested deeper than %d", maxDepth)
)

// What the scanner met in a value.
const (
	hasSpace  uint8 = 1 << iota // white space outside strings
	hasEscape                   // a backslash in a string
	hasBadUTF                   // bytes that are not UTF-8, or the escape of half a surrogate pair
	hasHigh                     // bytes beyond ASCII in a string

	// notPlain: the text of the string is not what stands between its quotes.
	notPlain = hasEscape | hasBadUTF
)

// scanner checks JSON by the grammar of RFC 8259 and finds where values end.
// Other than the grammar says, duplicate names and invalid UTF-8 pass. All
// methods take and return positions in b; a negative position is a failure.
type scanner struct {
	b     []byte
	flags uint8 // what was met since the caller last cleared it
	err   error // of the last failure
	at    int   // where it was
}

func (s *scanner) fail(i int, err error) int {
	if i >= len(s.b) {
		i, err = len(s.b), errCut
	}
	s.at, s.err = i, err
	return -1
}

// failure describes the last failure.
func (s *scanner) failure() error { return fmt.Errorf("%w at byte %d", s.err, s.at) }

// space skips white space.
func (s *scanner) space(i int) int {
	if i < len(s.b) && s.b[i] > ' ' {
		return i
	}
	return s.spaces(i)
}

func (s *scanner) spaces(i int) int {
	for ; i < len(s.b) && isSpace(s.b[i]); i++ {
		s.flags |= hasSpace
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// value returns the end of the value that begins at i.
func (s *scanner) value(i, depth int) int {
	if i >= len(s.b) {
		return s.fail(i, errCut)
	}
	switch c := s.b[i]; c {
	case '"':
		end, flags := s.text(i)
		s.flags |= flags
		return end
	case '{':
		return s.object(i, depth+1)
	case '[':
		return s.array(i, depth+1)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		return s.number(i)
	}
}

func (s *scanner) object(i, depth int) int {
	if depth > maxDepth {
		return s.fail(i, errDeep)
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1
	}
	for {
		_, after, flags := s.name(i)
		if after < 0 {
			return after
		}
		s.flags |= flags
		if i = s.value(after, depth); i < 0 {
			return i
		}
		i = s.space(i)
		switch {
		case i < len(s.b) && s.b[i] == ',':
			i = s.space(i + 1)
		case i < len(s.b) && s.b[i] == '}':
			return i + 1
		default:
			return s.fail(i, errSyntax)
		}
	}
}

func (s *scanner) array(i, depth int) int {
	if depth > maxDepth {
		return s.fail(i, errDeep)
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth); i < 0 {
			return i
		}
		i = s.space(i)
		switch {
		case i < len(s.b) && s.b[i] == ',':
			i = s.space(i + 1)
		case i < len(s.b) && s.b[i] == ']':
			return i + 1
		default:
			return s.fail(i, errSyntax)
		}
	}
}

// name reads the name of a member and the colon: the position after the text
// of the name (its closing quote), and that of the value.
func (s *scanner) name(i int) (quote, value int, flags uint8) {
	if i >= len(s.b) || s.b[i] != '"' {
		return 0, s.fail(i, errSyntax), 0
	}
	end, flags := s.text(i)
	if end < 0 {
		return 0, end, 0
	}
	i = s.space(end)
	if i >= len(s.b) || s.b[i] != ':' {
		return 0, s.fail(i, errSyntax), 0
	}
	return end - 1, s.space(i + 1), flags
}

func (s *scanner) literal(i int, word string) int {
	for k := range len(word) {
		if i+k >= len(s.b) || s.b[i+k] != word[k] {
			return s.fail(i+k, errSyntax)
		}
	}
	return i + len(word)
}

func (s *scanner) number(i int) int {
	if s.b[i] == '-' {
		i++
	}
	switch {
	case i < len(s.b) && s.b[i] == '0':
		i++
	case i < len(s.b) && '1' <= s.b[i] && s.b[i] <= '9':
		i = s.digits(i)
	default:
		return s.fail(i, errSyntax)
	}
	if i < len(s.b) && s.b[i] == '.' {
		if i = s.someDigits(i + 1); i < 0 {
			return i
		}
	}
	if i < len(s.b) && s.b[i]|0x20 == 'e' {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		return s.someDigits(i)
	}
	return i
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && '0' <= s.b[i] && s.b[i] <= '9' {
		i++
	}
	return i
}

func (s *scanner) someDigits(i int) int {
	end := s.digits(i)
	if end == i {
		return s.fail(i, errSyntax)
	}
	return end
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of w, a little-endian word of text, that are a quote,
// a backslash, a control or beyond ASCII, by their highest bit. Marks behind the
// first one may be wrong: a borrow runs on.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & highs
}

// text returns the end of the string whose opening quote stands at i, and
// whether it holds escapes or invalid UTF-8.
func (s *scanner) text(i int) (end int, flags uint8) {
	b := s.b
	i++
	for {
		for i+8 <= len(b) {
			// The branch, rather than always adding what is plain, lets the processor
			// begin the next word before this one is decided.
			marks := special(binary.LittleEndian.Uint64(b[i:]))
			if marks == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(marks) >> 3
			if b[i] == '"' {
				return i + 1, flags
			}
			break
		}
		if i >= len(b) {
			return s.fail(i, errCut), 0
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, flags
		case c == '\\':
			flags |= hasEscape
			from := i
			if i = s.escape(i); i < 0 {
				return i, 0
			}
			if i-from == 6 && utf16.IsSurrogate(hex4(b[from+2:])) {
				flags |= hasBadUTF
			}
		case c < ' ':
			return s.fail(i, errSyntax), 0
		case c < utf8.RuneSelf:
			i++
		default:
			flags |= hasHigh
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				flags |= hasBadUTF
			}
			i += size
		}
	}
}

// escape returns the end of the escape that begins at i; the two escapes of a
// surrogate pair are one.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.b) {
		return s.fail(i+1, errCut)
	}
	switch s.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		return s.unicode(i)
	}
	return s.fail(i+1, errSyntax)
}

func (s *scanner) unicode(i int) int {
	for k := i + 2; k < i+6; k++ {
		if k >= len(s.b) || !isHex(s.b[k]) {
			return s.fail(k, errSyntax)
		}
	}
	if utf16.IsSurrogate(hex4(s.b[i+2:])) && i+12 <= len(s.b) && isHex4(s.b[i+8:]) {
		_, n := unicodeEscape(s.b[i : i+12])
		return i + n
	}
	return i + 6
}

func isHex4(b []byte) bool { return isHex(b[0]) && isHex(b[1]) && isHex(b[2]) && isHex(b[3]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
