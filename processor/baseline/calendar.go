package baseline

import (
	"fmt"
	"time"
)

// Window is the number of a window: its start in Unix time divided by its
// length.
type Window = uint32

// buckets is the number of different hours that a season can have: 24 of
// weekdays and 24 of weekends.
const buckets = 48

// calendar tells of a rule's windows and hours which exist and what time of
// day they are. It grows with the days that it is asked for; its answers do
// not depend on what was asked before.
type calendar struct {
	window  int64 // seconds
	zone    *time.Location
	shift   int64 // seconds by which the zone's hours begin after those of UTC, negated modulo an hour
	weekday bool
	first   int64 // day number of days[0]
	days    []calendarDay
	exclude *exclusion // nil: nothing is excluded
}

// calendarDay is 24 hours in a row. Counts are differences to the first day
// that was ever built, so only differences of them mean something.
type calendarDay struct {
	bucket [24]uint8
	at     [buckets]uint8 // 1 + first hour of the day with this bucket; 0: none
	again  uint8          // 1 + the hour that repeats a bucket, when clocks go back
	gone   uint32         // bit h: hour h is wholly excluded
	visits [buckets]int32 // of each bucket before this day
	hours  int32          // that are left, before this day
}

func newCalendar(s *Spec) (*calendar, error) {
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	_, offset := time.Unix(1577836800, 0).In(zone).Zone() // 2020: the zone's hours begin where they do today
	c := &calendar{window: int64(s.Window / time.Second), zone: zone, shift: mod(int64(offset), 3600), weekday: s.Season == Weekday}
	if c.exclude, err = newExclusion(s, zone); err != nil {
		return nil, err
	}
	return c, nil
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// windowOf is the window that holds t; ok is false outside of what a number
// can say.
func (c *calendar) windowOf(t time.Time) (k Window, ok bool) {
	s := t.Unix()
	if s < 0 || s/c.window > 1<<32-2 {
		return 0, false
	}
	return Window(s / c.window), true
}

func (c *calendar) start(k Window) int64 { return int64(k) * c.window }

// left is the number of windows in [a, b) that are not excluded.
func (c *calendar) left(a, b Window) int64 {
	if c.exclude == nil {
		return int64(b) - int64(a)
	}
	return int64(b) - int64(a) - c.exclude.between(int64(a), int64(b))
}

func (c *calendar) excluded(k Window) bool { return c.exclude != nil && c.exclude.has(int64(k)) }

// hourOf is the number of the hour in which a window starts.
func (c *calendar) hourOf(k Window) int64 { return (c.start(k) + c.shift) / 3600 }

// day returns the day of an hour, built when it is asked for first, and the
// hour in it.
func (c *calendar) day(hour int64) (*calendarDay, int) {
	d := hour / 24
	if i := d - c.first; i >= 0 && i < int64(len(c.days)) {
		return &c.days[i], int(hour % 24)
	}
	c.extend(d)
	return &c.days[d-c.first], int(hour % 24)
}

func (c *calendar) extend(d int64) {
	if len(c.days) == 0 {
		c.first = d
		c.days = append(c.days, c.build(d))
		return
	}
	for last := c.first + int64(len(c.days)); last <= d; last++ {
		next := c.build(last)
		before := &c.days[len(c.days)-1]
		next.follow(before)
		c.days = append(c.days, next)
	}
	if d < c.first {
		c.prepend(d)
	}
}

// prepend builds the days before the first.
func (c *calendar) prepend(d int64) {
	early := make([]calendarDay, c.first-d)
	after := &c.days[0]
	for i := len(early) - 1; i >= 0; i-- {
		early[i] = c.build(d + int64(i))
		early[i].precede(after)
		after = &early[i]
	}
	c.days, c.first = append(early, c.days...), d
}

// build makes a day without its counts.
func (c *calendar) build(d int64) (day calendarDay) {
	for h := range int64(24) {
		start := (d*24+h)*3600 - c.shift
		local := time.Unix(start, 0).In(c.zone)
		b := uint8(local.Hour())
		if wd := local.Weekday(); c.weekday && (wd == time.Saturday || wd == time.Sunday) {
			b += 24
		}
		day.bucket[h] = b
		switch {
		case c.exclude != nil && c.exclude.wholly(start, start+3600, c.window):
			day.gone |= 1 << h
		case day.at[b] == 0:
			day.at[b] = uint8(h + 1)
		default:
			day.again = uint8(h + 1)
		}
	}
	return day
}

// count adds what the day itself holds, times sign, to counts.
func (d *calendarDay) count(to *calendarDay, sign int32) {
	for h, b := range d.bucket {
		if d.gone&(1<<h) == 0 {
			to.visits[b] += sign
			to.hours += sign
		}
	}
}

func (d *calendarDay) follow(before *calendarDay) {
	d.visits, d.hours = before.visits, before.hours
	before.count(d, 1)
}

func (d *calendarDay) precede(after *calendarDay) {
	d.visits, d.hours = after.visits, after.hours
	d.count(d, -1)
}

// bucket is the bucket of an hour; ok is false when the hour is excluded.
func (c *calendar) bucket(hour int64) (b uint8, ok bool) {
	d, h := c.day(hour)
	return d.bucket[h], d.gone&(1<<h) == 0
}

// visits is how often a bucket came by in the hours [from, to).
func (c *calendar) visits(b uint8, from, to int64) int32 { return c.before(b, to) - c.before(b, from) }

func (c *calendar) before(b uint8, hour int64) int32 {
	d, h := c.day(hour)
	n := d.visits[b]
	if at := int(d.at[b]); at != 0 && at <= h {
		n++
	}
	if again := int(d.again); again != 0 && again <= h && d.bucket[again-1] == b {
		n++
	}
	return n
}

// hours is the number of hours in [from, to) that are not excluded.
func (c *calendar) hours(from, to int64) int64 {
	if c.exclude == nil {
		return to - from
	}
	count := func(hour int64) int64 {
		d, h := c.day(hour)
		n := int64(d.hours)
		for i := range h {
			if d.gone&(1<<i) == 0 {
				n++
			}
		}
		return n
	}
	return count(to) - count(from)
}
