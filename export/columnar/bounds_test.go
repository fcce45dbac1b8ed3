package columnar

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func plainOf(values []string) []byte {
	var plain []byte
	for _, v := range values {
		plain = binary.LittleEndian.AppendUint32(plain, uint32(len(v)))
		plain = append(plain, v...)
	}
	return plain
}

// Values that share beginnings, with characters of all lengths and bytes that
// cannot be raised.
func genValues() *rapid.Generator[[]string] {
	piece := rapid.SampledFrom([]string{"", "a", "abcdefgh", "\x00", "\x7f", "é", "日本", "🪨", "\U0010ffff", "{\"key\":", "0123456789012345678901234567890123456789012345678901234567890123"})
	value := rapid.Custom(func(t *rapid.T) string {
		s := ""
		for _, p := range rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces") {
			s += p
		}
		return s
	})
	return rapid.SliceOfN(value, 1, 20)
}

func TestTextRangeIsMinAndMax(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := genValues().Draw(rt, "values")
		lo, hi := textRange(plainOf(values))
		if string(lo) != slices.Min(values) || string(hi) != slices.Max(values) {
			rt.Fatalf("range of %q is %q to %q", values, lo, hi)
		}
	})
}

func TestCutBoundsHoldEveryValue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := genValues().Draw(rt, "values")
		plain := plainOf(values)
		var scratch []byte
		lo, hi := textRange(plain)
		b := cutText(&scratch, lo, hi)
		checkBounds(rt, values, b)
		if b.minExact != (string(b.min) == slices.Min(values)) || b.maxExact != (string(b.max) == slices.Max(values)) {
			rt.Fatalf("bounds %+v of %q are not as exact as they claim", b, values)
		}
		if len(b.min) > maxBound {
			rt.Fatalf("a minimum of %d bytes", len(b.min))
		}
		checkBounds(rt, values, roughText(&scratch, plain))
	})
}

func checkBounds(rt *rapid.T, values []string, b bounds) {
	for _, v := range values {
		if v < string(b.min) || v > string(b.max) {
			rt.Fatalf("%q is not between %q and %q", v, b.min, b.max)
		}
	}
	if !utf8.Valid(b.min) || !utf8.Valid(b.max) {
		rt.Fatalf("bounds %q and %q are no text", b.min, b.max)
	}
}

// A long JSON value must not bring its length into the footer.
func TestLongValuesHaveShortBounds(t *testing.T) {
	var scratch []byte
	long := `{"a":"` + string(bytes.Repeat([]byte("x"), 100_000))
	rough := roughText(&scratch, plainOf([]string{long, long + "y"}))
	if len(rough.min) > roughBound || len(rough.max) > roughBound {
		t.Errorf("rough bounds of %d and %d bytes", len(rough.min), len(rough.max))
	}
	b := cutText(&scratch, []byte(long), []byte(long))
	if len(b.max) != maxBound || b.maxExact || string(b.max) <= long {
		t.Errorf("a maximum of %d bytes, exact %v", len(b.max), b.maxExact)
	}
}

func TestDoubleBounds(t *testing.T) {
	nan, negative := math.NaN(), math.Copysign(0, -1)
	for _, tt := range []struct {
		values []float64
		lo, hi float64
		none   bool
	}{
		{[]float64{3, -2, 1}, -2, 3, false},
		{[]float64{nan, 1, nan}, 1, 1, false},
		{[]float64{0}, negative, 0, false},
		{[]float64{negative}, negative, 0, false},
		{[]float64{nan}, 0, 0, true},
	} {
		var plain []byte
		for _, v := range tt.values {
			plain = binary.LittleEndian.AppendUint64(plain, math.Float64bits(v))
		}
		var w Writer
		b := w.doubleBounds(plain)
		if b.none != tt.none {
			t.Errorf("%v: none is %v", tt.values, b.none)
		}
		if same := math.Float64bits(double(b.min)) == math.Float64bits(tt.lo) && math.Float64bits(double(b.max)) == math.Float64bits(tt.hi); !tt.none && !same {
			t.Errorf("%v: bounds %v to %v, want %v to %v", tt.values, double(b.min), double(b.max), tt.lo, tt.hi)
		}
	}
}
