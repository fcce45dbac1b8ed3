package rule

import (
	"fmt"
	"strconv"
	"time"
)

// maxDuration bounds durations in rules: longer ones would overflow when added
// to a time of an event.
const maxDuration = 10 * 366 * 24 * time.Hour

// duration reads 30s, 10m, 1h or 7d; "" is none.
func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	unit, known := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 31)
	if !known || err != nil {
		return 0, fmt.Errorf("%q is no duration: write 30s, 10m, 1h or 7d", text)
	}
	if n > uint64(maxDuration/unit) {
		return 0, fmt.Errorf("%q is longer than ten years", text)
	}
	return time.Duration(n) * unit, nil
}

// ParseDuration reads a duration as rules have it: 30s, 10m, 1h or 7d; "" is
// none.
func ParseDuration(text string) (time.Duration, error) { return duration(text) }

// durationText writes a duration as rules have it.
func durationText(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.size && d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// duration reads a duration above zero.
func (d *document) duration(n *node) time.Duration {
	v, err := duration(n.Text)
	switch {
	case !n.Scalar():
		d.fail(n, "a duration is text such as 30s, 10m, 1h or 7d")
	case err != nil:
		d.fail(n, "%s", err)
	case v <= 0:
		d.fail(n, "a duration is more than zero: write 30s, 10m, 1h or 7d")
	}
	return v
}
