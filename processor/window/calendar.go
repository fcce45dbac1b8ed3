package window

import (
	"fmt"
	"time"
)

const daySeconds = 24 * 60 * 60

// calendar cuts time into tumbling windows. Windows of whole days begin at
// midnight of the zone; shorter ones divide the day and begin anew at each
// midnight, so that a day with a change of clocks has a shorter or longer last
// one; other lengths run on from the beginning of 1970 in UTC.
type calendar struct {
	span int64 // seconds
	zone *time.Location
}

func newCalendar(span time.Duration, timezone string) (calendar, error) {
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		return calendar{}, fmt.Errorf("timezone %s is not known; write a name such as Europe/Berlin", timezone)
	}
	c := calendar{int64(span / time.Second), zone}
	if timezone != "" && timezone != "UTC" && c.span%daySeconds != 0 && daySeconds%c.span != 0 {
		return c, fmt.Errorf("windows of %v do not fit days; with a timezone write whole days or a part of a day", span)
	}
	return c, nil
}

// window returns the first second of the window that holds the second s, and
// the first one after it.
func (c calendar) window(s int64) (from, to int64) {
	if c.zone == time.UTC {
		from = s - mod(s, c.span)
		return from, from + c.span
	}
	t := time.Unix(s, 0).In(c.zone)
	y, m, d := t.Date()
	if c.span%daySeconds == 0 {
		days := c.span / daySeconds
		civil := floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), daySeconds)
		d -= int(mod(civil, days))
		return time.Date(y, m, d, 0, 0, 0, 0, c.zone).Unix(), time.Date(y, m, d+int(days), 0, 0, 0, 0, c.zone).Unix()
	}
	midnight, next := time.Date(y, m, d, 0, 0, 0, 0, c.zone).Unix(), time.Date(y, m, d+1, 0, 0, 0, 0, c.zone).Unix()
	from = midnight + (s-midnight)/c.span*c.span
	return from, min(from+c.span, next)
}

// mod is the rest of a division that rounds down.
func mod(a, b int64) int64 { return a - floorDiv(a, b)*b }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
