package kcl

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// The part of a shard over which its density is taken: the longer one of the
// two, as far as this worker has read it.
const (
	lagSpan    = time.Minute // of arrival time
	lagRecords = 100
)

// lag is how far the reads of a shard are behind its tip. Kinesis tells that as
// a time alone. How many records lie in that time is estimated: as many as if
// they came as densely, in arrival time, as those read last. The speed of the
// reads plays no part in it, so the estimate holds for a worker that catches up.
type lag struct {
	behind time.Duration
	at     time.Time // of the last answer, by the worker's clock
	parts  []part    // what was read last, oldest first
	total  int       // records of all parts
}

// part is what one read returned.
type part struct {
	first, last time.Time // arrivals
	records     int
}

// read takes in an answer.
func (l *lag) read(records []types.Record, behind time.Duration, now time.Time) {
	l.behind, l.at = behind, now
	var p part
	for i := range records {
		at := aws.ToTime(records[i].ApproximateArrivalTimestamp)
		if p.records == 0 || at.Before(p.first) {
			p.first = at
		}
		if p.records == 0 || at.After(p.last) {
			p.last = at
		}
		p.records++
	}
	if p.records == 0 {
		return
	}
	l.parts = append(l.parts, p)
	l.total += p.records
	for len(l.parts) > 1 && p.last.Sub(l.parts[0].last) > lagSpan && l.total-l.parts[0].records >= lagRecords {
		l.total -= l.parts[0].records
		l.parts = l.parts[1:]
	}
}

// records estimates how many are unread. It is false when too little was read to
// tell.
func (l *lag) records() (float64, bool) {
	if l.behind <= 0 {
		return 0, true
	}
	if l.total < 2 {
		return 0, false
	}
	// n records have n-1 distances. Arrivals of one burst may be the same; a
	// second is what Kinesis states its limits in.
	span := max(l.parts[len(l.parts)-1].last.Sub(l.parts[0].first), time.Second)
	return float64(l.total-1) * l.behind.Seconds() / span.Seconds(), true
}
