package processor

import "time"

// ahead is how far beyond its arrival an event's own time is believed.
const ahead = 5 * time.Minute

// earliest is when CloudTrail began; an older event time is an error of its
// sender (AWS announced the service on 2013-11-13).
var earliest = time.Date(2013, 11, 1, 0, 0, 0, 0, time.UTC)

// clamp limits an event time to what its arrival makes possible.
func clamp(t, arrival time.Time) time.Time {
	if limit := arrival.Add(ahead); t.After(limit) {
		return limit
	}
	return t
}

// day is the partition of an event: the day on which it happened, or that of
// its arrival if the time cannot be right.
func day(t, arrival time.Time) string { return dayOf(t, arrival).Format(time.DateOnly) }

func dayOf(t, arrival time.Time) time.Time {
	if t.Before(earliest) || t.After(arrival.Add(24*time.Hour)) {
		return arrival
	}
	return t
}

// days is day for one event after another, which mostly are of the same.
type days struct {
	from, to int64 // seconds since 1970 of the day that was last asked for
	text     string
}

func (d *days) name(t, arrival time.Time) string {
	t = dayOf(t, arrival)
	if t.Location() != time.UTC {
		return t.Format(time.DateOnly)
	}
	if s := t.Unix(); s < d.from || s >= d.to {
		midnight := t.Truncate(24 * time.Hour)
		d.from, d.to = midnight.Unix(), midnight.Add(24*time.Hour).Unix()
		d.text = midnight.Format(time.DateOnly)
	}
	return d.text
}

// NextHour is the first full hour at or after t: the time of the last snapshot
// of a replay.
func NextHour(t time.Time) time.Time {
	hour := t.Truncate(time.Hour)
	if hour.Before(t) {
		return hour.Add(time.Hour)
	}
	return hour
}

// snapshotName is the partition of a snapshot.
func snapshotName(t time.Time) string { return t.Format("2006-01-02T15-04") }
