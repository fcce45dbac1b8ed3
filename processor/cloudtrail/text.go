package cloudtrail

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// alias returns b as a string without a copy. The callers see to it that b is
// never written again.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendText appends the text that the inside of a checked JSON string stands
// for: escapes resolved; lone surrogates and invalid UTF-8 as U+FFFD.
func appendText(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '\\' && src[i+1] == 'u':
			r, n := unicodeEscape(src[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		case c == '\\':
			dst = append(dst, plainEscape(src[i+1]))
			i += 2
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(src[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return dst
}

// unescapeASCII is appendText for a string that holds no byte beyond ASCII. Whole
// records come as such strings, with an escape each ten bytes: it copies eight
// bytes at a time and takes back what is behind the next backslash.
func unescapeASCII(src []byte) []byte {
	dst, n := make([]byte, len(src)+8), 0 // no escape is shorter than its text
	for i := 0; i < len(src); {
		if i+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[i:])
			binary.LittleEndian.PutUint64(dst[n:], w)
			slash := w ^ ones*'\\'
			run := bits.TrailingZeros64((slash-ones)&^slash&highs) >> 3
			i, n = i+run, n+run
			if run == 8 {
				continue
			}
		}
		switch {
		case src[i] != '\\':
			dst[n] = src[i]
			i, n = i+1, n+1
		case src[i+1] == 'u':
			r, size := unicodeEscape(src[i:])
			i, n = i+size, n+utf8.EncodeRune(dst[n:], r)
		default:
			dst[n] = plainEscape(src[i+1])
			i, n = i+2, n+1
		}
	}
	return dst[:n:n]
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}

// unicodeEscape reads the escape at the start of src, and the second half of a
// surrogate pair if there is one.
func unicodeEscape(src []byte) (r rune, n int) {
	r = hex4(src[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(src) >= 12 && src[6] == '\\' && src[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(src[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		switch {
		case c <= '9':
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendCompact appends checked JSON without white space outside strings, and
// with strings that every reader accepts; all else stays as it is written.
func appendCompact(dst, src []byte) []byte {
	inside := false
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == '"':
			inside = !inside
		case inside:
			n := insideStep(src[i:])
			dst = appendStep(dst, src[i:i+n])
			i += n
			continue
		case isSpace(c):
			i++
			continue
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// appendClean appends the inside of a checked JSON string so that every reader
// accepts it: an invalid byte becomes U+FFFD, and the escape of half a surrogate
// pair, which many readers refuse, becomes that of U+FFFD.
func appendClean(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		n := insideStep(src[i:])
		dst = appendStep(dst, src[i:i+n])
		i += n
	}
	return dst
}

// insideStep returns the size of the first character or escape of the inside of
// a string; the escapes of a surrogate pair are one.
func insideStep(src []byte) int {
	switch c := src[0]; {
	case c == '\\' && src[1] == 'u':
		_, n := unicodeEscape(src)
		return n
	case c == '\\':
		return 2
	case c < utf8.RuneSelf:
		return 1
	}
	_, size := utf8.DecodeRune(src)
	return size
}

func appendStep(dst, step []byte) []byte {
	switch {
	case len(step) == 1 && step[0] >= utf8.RuneSelf:
		return utf8.AppendRune(dst, utf8.RuneError)
	case len(step) == 6 && utf16.IsSurrogate(hex4(step[2:])):
		return append(dst, `\ufffd`...)
	}
	return append(dst, step...)
}
