package window

import (
	"math"
	"math/bits"
	"strconv"
)

// num is a number in millionths, in 128 bits: sums are exact, so they do not
// depend on the order of their parts.
type num struct {
	hi int64
	lo uint64
}

const (
	numUnit  = 1_000_000
	numMax   = 1e18 // a larger number is not taken
	numScale = 6    // decimal places
)

func (a num) plus(b num) num {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	return num{a.hi + b.hi + int64(carry), lo}
}

func (a num) negated() num {
	lo, borrow := bits.Sub64(0, a.lo, 0)
	return num{-a.hi - int64(borrow), lo}
}

func (a num) minus(b num) num { return a.plus(b.negated()) }

func (a num) float() float64 {
	if a.hi < 0 {
		return -a.negated().float()
	}
	if a.hi < numUnit { // the quotient fits 64 bits
		whole, part := bits.Div64(uint64(a.hi), a.lo, numUnit)
		return float64(whole) + float64(part)/numUnit
	}
	return (float64(a.hi)*(1<<64) + float64(a.lo)) / numUnit
}

// parseNum reads a decimal number below 10¹⁸, rounded to millionths.
func parseNum(s string) (num, bool) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) >= numMax {
		return num{}, false
	}
	n, ok := parsePlain(s)
	if !ok { // with an exponent, or in hexadecimal
		whole, part := math.Modf(math.Abs(f))
		n = scaled(uint64(whole), uint64(math.Round(part*numUnit)))
		if f < 0 {
			n = n.negated()
		}
	}
	return n, true
}

func scaled(whole, millionths uint64) num {
	hi, lo := bits.Mul64(whole, numUnit)
	return num{int64(hi), lo}.plus(num{0, millionths})
}

// parsePlain reads digits with at most one point; ok is false for another form.
func parsePlain(s string) (n num, ok bool) {
	negative := s[0] == '-'
	if negative || s[0] == '+' {
		s = s[1:]
	}
	var whole, part uint64
	places := -1 // digits behind the point so far
	for i := range len(s) {
		switch d := uint64(s[i] - '0'); {
		case s[i] == '.':
			places = 0
		case d > 9:
			return num{}, false
		case places < 0:
			whole = whole*10 + d
		case places < numScale:
			part, places = part*10+d, places+1
		case places == numScale: // rounds half up
			part, places = part+(d+5)/10, places+1
		}
	}
	for ; places < numScale; places++ {
		if places < 0 {
			places = 0
		}
		part *= 10
	}
	if n = scaled(whole, part); negative {
		n = n.negated()
	}
	return n, true
}

// Bins of a percentile grow by 2 %, so that the middle of a bin is off by 1 %.
const (
	binGrowth = 1.02
	binZero   = uint64(1) << 40 // the bin of 0; bins of negative numbers lie below
	binOne    = 1_000_000       // distance of the bin that begins at 1
)

// bin returns the bin of a number; bins are ordered as numbers are.
func bin(v float64) uint64 {
	switch {
	case v > 0:
		return binZero + uint64(binOne+int64(math.Floor(math.Log(v)/math.Log(binGrowth))))
	case v < 0:
		return 2*binZero - bin(-v)
	}
	return binZero
}

// binMiddle is the number that stands for a bin.
func binMiddle(b uint64) float64 {
	switch {
	case b > binZero:
		return math.Pow(binGrowth, float64(int64(b-binZero)-binOne)+0.5)
	case b < binZero:
		return -binMiddle(2*binZero - b)
	}
	return 0
}
