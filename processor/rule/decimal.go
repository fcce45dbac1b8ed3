package rule

import (
	"strconv"
	"strings"
)

// decimal is a number as it is written, without rounding: sign, digits
// without zeros at either end, and the place of the point. CloudTrail holds
// 64-bit ids, which a float would change.
type decimal struct {
	negative bool
	digits   string // "" is zero
	point    int    // value is 0.digits × 10^point
}

// parseDecimal reads a JSON number or text of the same form.
func parseDecimal(s string) (d decimal, ok bool) {
	s, d.negative = strings.CutPrefix(s, "-")
	mantissa, exponent, scientific := cutAny(s, "eE")
	shift := 0
	if scientific {
		n, err := strconv.Atoi(exponent)
		if err != nil || n > 1<<20 || n < -1<<20 {
			return d, false
		}
		shift = n
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if !allDigits(whole) || dotted && !allDigits(fraction) {
		return d, false
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	d.point = len(whole) + shift - (len(whole) + len(fraction) - len(digits))
	d.digits = strings.TrimRight(digits, "0")
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// compare orders by value.
func (d decimal) compare(e decimal) int {
	if d.sign() != e.sign() {
		return d.sign() - e.sign()
	}
	size := d.magnitude(e)
	if d.negative {
		return -size
	}
	return size
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func (d decimal) magnitude(e decimal) int {
	if d.point != e.point && d.digits != "" {
		return d.point - e.point
	}
	return strings.Compare(d.digits, e.digits)
}
