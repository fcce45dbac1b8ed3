package columnar

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"
)

const (
	// maxBound is the length to which bounds of strings are cut. Readers skip
	// pages and row groups as well with a bound of 64 bytes as with one of
	// 100 KB, which would stand four times in the footer.
	maxBound = 64

	// roughBound is the length for columns of long values (JSON), where
	// bounds are hardly ever of use but a column index must have some.
	roughBound = 8
)

// bounds are the least and the greatest value of a page or chunk, as Parquet
// writes them: PLAIN without length. A bound that is not exact lies outside.
type bounds struct {
	min, max           []byte
	minExact, maxExact bool
	none               bool // there are values, but none with an order (NaN)
}

// textRange finds the least and the greatest of length-prefixed strings.
func textRange(plain []byte) (least, greatest []byte) {
	var lo, hi uint64
	for first := true; len(plain) > 0; first = false {
		n := 4 + int(binary.LittleEndian.Uint32(plain))
		v := plain[4:n]
		plain = plain[n:]
		p := prefix(v)
		if first {
			least, greatest, lo, hi = v, v, p, p
			continue
		}
		if p < lo || p == lo && bytes.Compare(v, least) < 0 {
			least, lo = v, p
		}
		if p > hi || p == hi && bytes.Compare(v, greatest) > 0 {
			greatest, hi = v, p
		}
	}
	return least, greatest
}

// roughRange is textRange by the first 8 bytes alone: the least and greatest
// are strings whose prefixes are the least and the greatest.
func roughRange(plain []byte) (least, greatest []byte) {
	var lo, hi uint64
	for first := true; len(plain) > 0; first = false {
		n := 4 + int(binary.LittleEndian.Uint32(plain))
		v := plain[4:n]
		plain = plain[n:]
		p := prefix(v)
		if first || p < lo || p == lo && len(v) < len(least) {
			least, lo = v, p
		}
		if first || p > hi || p == hi && len(v) > len(greatest) {
			greatest, hi = v, p
		}
	}
	return least, greatest
}

// prefix is the first 8 bytes as a number whose order is that of the bytes;
// missing bytes are 0.
func prefix(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// cutBelow cuts a lower bound to at most n bytes, between characters.
func cutBelow(b []byte, n int) ([]byte, bool) {
	if len(b) <= n {
		return b, true
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n], false
}

// cutAbove cuts an upper bound to at most n bytes and raises its last ASCII
// character, so that it is above every string with its beginning. It returns
// false when there is none to raise.
func cutAbove(dst, b []byte, n int) ([]byte, bool) {
	for i := n - 1; i >= 0; i-- {
		if b[i] < 0x7f {
			dst = append(dst, b[:i+1]...)
			dst[len(dst)-1]++
			return dst, true
		}
	}
	return dst, false
}

// cutText makes the bounds of strings from their least and greatest. They
// must be copied before scratch is used again.
func cutText(scratch *[]byte, least, greatest []byte) bounds {
	var b bounds
	b.min, b.minExact = cutBelow(least, maxBound)
	b.max, b.maxExact = greatest, true
	if len(greatest) > maxBound {
		if cut, ok := cutAbove((*scratch)[:0], greatest, maxBound); ok {
			*scratch = cut
			b.max, b.maxExact = cut, false
		}
	}
	return b
}

// roughText makes the bounds of a page from what roughRange found. Strings
// with the greatest prefix may exceed the one that was found, so the bound is
// raised; where that is impossible the true greatest is used.
func roughText(scratch *[]byte, plain []byte) bounds {
	least, greatest := roughRange(plain)
	var b bounds
	b.min, _ = cutBelow(least, roughBound)
	if len(greatest) < roughBound {
		// It is the longest of those with its prefix, so none is greater.
		b.max = greatest
		return b
	}
	if cut, ok := cutAbove((*scratch)[:0], greatest, roughBound); ok {
		*scratch = cut
		b.max = cut
		return b
	}
	_, b.max = textRange(plain)
	return b
}

func (w *Writer) putInt64(v int64) []byte {
	w.numbers = binary.LittleEndian.AppendUint64(w.numbers, uint64(v))
	return w.numbers[len(w.numbers)-8:]
}

func (w *Writer) putInt32(v int32) []byte {
	w.numbers = binary.LittleEndian.AppendUint32(w.numbers, uint32(v))
	return w.numbers[len(w.numbers)-4:]
}

func (w *Writer) int64Bounds(values []int64) bounds {
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	w.numbers = w.numbers[:0]
	a := w.putInt64(lo)
	return bounds{min: a, max: w.putInt64(hi), minExact: true, maxExact: true}
}

func (w *Writer) int32Bounds(values []int32) bounds {
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	w.numbers = w.numbers[:0]
	a := w.putInt32(lo)
	return bounds{min: a, max: w.putInt32(hi), minExact: true, maxExact: true}
}

// doubleBounds leaves NaN out, as the format demands, and lets zeros of
// either sign lie inside.
func (w *Writer) doubleBounds(plain []byte) bounds {
	lo, hi := math.Inf(1), math.Inf(-1)
	none := true
	for ; len(plain) > 0; plain = plain[8:] {
		v := math.Float64frombits(binary.LittleEndian.Uint64(plain))
		if !math.IsNaN(v) {
			lo, hi, none = min(lo, v), max(hi, v), false
		}
	}
	if lo == 0 {
		lo = math.Copysign(0, -1)
	}
	if hi == 0 {
		hi = 0 // positive
	}
	w.numbers = w.numbers[:0]
	a := w.putInt64(int64(math.Float64bits(lo)))
	return bounds{min: a, max: w.putInt64(int64(math.Float64bits(hi))), none: none}
}

func double(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

func compareNumbers[T int32 | int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
