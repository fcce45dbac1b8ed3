package baseline

import (
	"time"
)

// exclusion knows the windows of excluded time. A window is excluded when it
// starts in such time. What it knows it keeps by day.
type exclusion struct {
	window int64
	zone   *time.Location
	ranges []excludedRange
	crons  []excludedCron
	days   map[int64]*excludedDay // by Unix day
	first  int64                  // first and last day of which the counts are known
	last   int64
}

type excludedRange struct {
	from, to int64 // Unix seconds
	alert    bool
}

type excludedCron struct {
	at       cron
	duration int64
	alert    bool
}

// excludedDay is a day's excluded windows.
type excludedDay struct {
	ranges []excludedRange
	before int64 // excluded windows before this day, since some day
	count  int64 // in this day
}

func newExclusion(s *Spec, zone *time.Location) (*exclusion, error) {
	if len(s.Exclude) == 0 {
		return nil, nil
	}
	x := &exclusion{window: int64(s.Window / time.Second), zone: zone, days: map[int64]*excludedDay{}, first: 1, last: 0}
	for _, e := range s.Exclude {
		if e.Cron == "" {
			x.ranges = append(x.ranges, excludedRange{e.Start.Unix(), e.End.Unix(), e.Alert})
			continue
		}
		at, err := parseCron(e.Cron)
		if err != nil {
			return nil, err
		}
		x.crons = append(x.crons, excludedCron{at, int64(e.Duration / time.Second), e.Alert})
	}
	return x, nil
}

const daySeconds = 24 * 60 * 60

// windowsBefore is the number of windows that start before a moment.
func (x *exclusion) windowsBefore(s int64) int64 { return (s + x.window - 1) / x.window }

// at returns the range that holds window k.
func (x *exclusion) at(k int64) (r excludedRange, ok bool) {
	s := k * x.window
	for _, r = range x.day(s / daySeconds).ranges {
		if s >= r.from && s < r.to {
			return r, true
		}
	}
	return r, false
}

func (x *exclusion) has(k int64) bool { _, ok := x.at(k); return ok }

// alerts tells that what is unusual in an excluded window is reported.
func (x *exclusion) alerts(k int64) bool { r, ok := x.at(k); return ok && r.alert }

// wholly tells that all windows that start in [from, to) are excluded; where
// none starts, that the moment from is.
func (x *exclusion) wholly(from, to, window int64) bool {
	a, b := x.windowsBefore(from), x.windowsBefore(to)
	if a == b {
		return x.has(from / window)
	}
	for k := a; k < b; k++ {
		if !x.has(k) {
			return false
		}
	}
	return true
}

// between is the number of excluded windows in [a, b).
func (x *exclusion) between(a, b int64) int64 { return x.upTo(b) - x.upTo(a) }

// upTo is the number of excluded windows before window k, since some day.
func (x *exclusion) upTo(k int64) int64 {
	s := k * x.window
	d := x.counted(s / daySeconds)
	n := d.before
	for _, r := range d.ranges {
		n += max(0, x.windowsBefore(min(r.to, s))-x.windowsBefore(r.from))
	}
	return n
}

// counted returns a day whose count before it is known.
func (x *exclusion) counted(day int64) *excludedDay {
	if x.first > x.last {
		x.first, x.last = day, day
	}
	for ; x.last < day; x.last++ {
		d := x.day(x.last)
		x.day(x.last + 1).before = d.before + d.count
	}
	for ; x.first > day; x.first-- {
		d := x.day(x.first - 1)
		d.before = x.day(x.first).before - d.count
	}
	return x.day(day)
}

// day returns the excluded time of a day: disjoint ranges in order.
func (x *exclusion) day(day int64) *excludedDay {
	if d := x.days[day]; d != nil {
		return d
	}
	from, to := day*daySeconds, (day+1)*daySeconds
	d := &excludedDay{}
	for _, r := range x.ranges {
		d.add(r, from, to)
	}
	for i := range x.crons {
		x.crons[i].over(from, to, x.zone, func(r excludedRange) { d.add(r, from, to) })
	}
	for _, r := range d.ranges {
		d.count += max(0, x.windowsBefore(r.to)-x.windowsBefore(r.from))
	}
	x.days[day] = d
	return d
}

// over yields the ranges of a cron expression that reach into [from, to).
func (c *excludedCron) over(from, to int64, zone *time.Location, yield func(excludedRange)) {
	first, last := time.Unix(from-c.duration, 0).In(zone), time.Unix(to, 0).In(zone)
	for t := time.Date(first.Year(), first.Month(), first.Day(), 12, 0, 0, 0, zone); ; t = t.AddDate(0, 0, 1) {
		if t.Add(-36 * time.Hour).After(last) {
			return
		}
		c.at.starts(t.Year(), t.Month(), t.Day(), zone, func(at time.Time) {
			yield(excludedRange{at.Unix(), at.Unix() + c.duration, c.alert})
		})
	}
}

// add puts the part of r that lies in [from, to) among the ranges, and keeps
// them disjoint: what is there already stays.
func (d *excludedDay) add(r excludedRange, from, to int64) {
	r.from, r.to = max(r.from, from), min(r.to, to)
	for i := 0; i < len(d.ranges) && r.from < r.to; i++ {
		o := d.ranges[i]
		switch {
		case o.to <= r.from:
		case o.from >= r.to:
			d.insert(i, r)
			return
		default:
			if r.from < o.from {
				d.insert(i, excludedRange{r.from, o.from, r.alert})
				i++
			}
			r.from = o.to
		}
	}
	if r.from < r.to {
		d.ranges = append(d.ranges, r)
	}
}

func (d *excludedDay) insert(i int, r excludedRange) {
	d.ranges = append(d.ranges, excludedRange{})
	copy(d.ranges[i+1:], d.ranges[i:])
	d.ranges[i] = r
}
