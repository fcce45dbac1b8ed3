package baseline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cron is a parsed cron expression of five fields, as crontab(5) has them:
// numbers, lists, ranges and steps. As there, a moment fits when either day
// field fits, if both are restricted.
type cron struct {
	minute, hour, day, month, weekday uint64 // bit i: value i fits
	anyDay, anyWeekday                bool
}

var cronFields = [5]struct {
	name     string
	min, max int
}{{"minute", 0, 59}, {"hour", 0, 23}, {"day", 1, 31}, {"month", 1, 12}, {"weekday", 0, 7}}

func parseCron(text string) (cron, error) {
	parts := strings.Fields(text)
	if len(parts) != len(cronFields) {
		return cron{}, fmt.Errorf("cron %q: want five fields, minute hour day month weekday", text)
	}
	var sets [5]uint64
	for i, p := range parts {
		f := cronFields[i]
		for _, item := range strings.Split(p, ",") {
			bits, ok := cronItem(item, f.min, f.max)
			if !ok {
				return cron{}, fmt.Errorf("cron %q: %s %q: want numbers from %d to %d, as *, 5, 1-4 or */15", text, f.name, item, f.min, f.max)
			}
			sets[i] |= bits
		}
	}
	if sets[4]&(1<<7) != 0 { // 7 is Sunday, as 0
		sets[4] |= 1
	}
	return cron{sets[0], sets[1], sets[2], sets[3], sets[4], strings.HasPrefix(parts[2], "*"), strings.HasPrefix(parts[4], "*")}, nil
}

// cronItem reads one item of a field as a set of values.
func cronItem(item string, low, high int) (bits uint64, ok bool) {
	span, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return 0, false
		}
	}
	from, to := low, high
	if span != "*" {
		var err error
		first, last, ranged := strings.Cut(span, "-")
		if from, err = strconv.Atoi(first); err != nil {
			return 0, false
		}
		if ranged {
			if to, err = strconv.Atoi(last); err != nil {
				return 0, false
			}
		} else if !stepped {
			to = from
		}
	}
	if from < low || to > high || from > to {
		return 0, false
	}
	for v := from; v <= to; v += step {
		bits |= 1 << v
	}
	return bits, true
}

// onDay tells that a day has moments that fit.
func (c *cron) onDay(t time.Time) bool {
	if c.month&(1<<t.Month()) == 0 {
		return false
	}
	day, weekday := c.day&(1<<t.Day()) != 0, c.weekday&(1<<t.Weekday()) != 0
	if !c.anyDay && !c.anyWeekday {
		return day || weekday
	}
	return day && weekday
}

// starts calls yield with each fitting moment of the local day that holds noon.
// A moment that daylight saving skips is taken as the clock shows it then.
func (c *cron) starts(year int, month time.Month, day int, zone *time.Location, yield func(time.Time)) {
	if !c.onDay(time.Date(year, month, day, 12, 0, 0, 0, zone)) {
		return
	}
	for h := range 24 {
		if c.hour&(1<<h) == 0 {
			continue
		}
		for m := range 60 {
			if c.minute&(1<<m) != 0 {
				yield(time.Date(year, month, day, h, m, 0, 0, zone))
			}
		}
	}
}
