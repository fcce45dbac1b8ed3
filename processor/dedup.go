package processor

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// horizon is how far back, in event time behind the watermark, an event is
// known again. CloudTrail and producers repeat a delivery for up to 24 hours;
// two more are for the files that come late.
const horizon = 26 * time.Hour

// idRow is the state key of a remembered id: its hour of event time and the
// id. The key is all there is; the row has no value.
type idRow [26]byte

// hourIDs are the ids of one hour of event time.
type hourIDs map[key.EventID]struct{}

// dedup remembers the ids of events, by hour of event time. It is the working
// copy of the shard's D rows, which live in the segments alone: a look-up per
// event in a database on disk would cost more than all else. A busy hour that
// has passed leaves it for an object in the store (dedup_pack.go).
type dedup struct {
	hours  map[int64]hourIDs
	fresh  []idRow           // since the last commit
	oldest int64             // the hours before it were forgotten
	frozen map[int64]hourIDs // in the hands of a commit: read only
	packed packedHours
}

func newDedup() *dedup {
	return &dedup{hours: map[int64]hourIDs{}, packed: packedHours{above: packAbove}}
}

// seen tells whether the event was there before, and remembers it. An event
// behind the horizon is never seen: its hour may be forgotten already.
//
// When a packed hour cannot be read, the answer may be wrong. The error is
// kept: failed returns it, and pack does, so that no commit has the answer.
func (d *dedup) seen(id string, at, watermark time.Time) bool {
	if at.Before(watermark.Add(-horizon)) {
		return false
	}
	hour, event := key.Hour(at), key.EventIDOf(id)
	if d.away(hour, event) || !d.add(hour, event) {
		return true
	}
	d.fresh = append(d.fresh, idRow(key.DedupRow(hour, event)))
	return false
}

// away tells whether the id is among those that have left hours.
func (d *dedup) away(hour int64, event key.EventID) bool {
	if _, ok := d.frozen[hour][event]; ok {
		return true
	}
	return d.packed.has(hour, event)
}

func (d *dedup) add(hour int64, event key.EventID) bool {
	ids := d.hours[hour]
	if ids == nil {
		ids = hourIDs{}
		d.hours[hour] = ids
	}
	before := len(ids)
	ids[event] = struct{}{}
	return len(ids) > before
}

// load takes in a row of a former commit, if its hour is not behind the
// horizon by now.
func (d *dedup) load(row []byte, watermark time.Time) error {
	hour, event, ok := key.ParseDedup(row)
	if !ok {
		return fmt.Errorf("state row %x is no event id", row)
	}
	if hour >= key.Hour(watermark.Add(-horizon)) {
		d.add(hour, event)
	}
	return nil
}

// take returns the rows since the last call, in key order.
func (d *dedup) take() []idRow {
	rows := d.fresh
	d.fresh = nil
	slices.SortFunc(rows, compareRows)
	return rows
}

// compareRows orders as bytes.Compare does; the first two bytes are always the
// same.
func compareRows(a, b idRow) int {
	for _, at := range [...]int{2, 10, 18} {
		if x, y := binary.BigEndian.Uint64(a[at:]), binary.BigEndian.Uint64(b[at:]); x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

// expire forgets the hours that lie wholly behind the horizon.
func (d *dedup) expire(watermark time.Time) {
	oldest := key.Hour(watermark.Add(-horizon))
	if oldest == d.oldest {
		return
	}
	d.oldest = oldest
	for hour := range d.hours {
		if hour < oldest {
			delete(d.hours, hour)
		}
	}
}

// idRows are the rows of ids as state rows.
func idRows(ids []idRow) []state.Row {
	rows := make([]state.Row, len(ids))
	for i := range ids {
		rows[i].Key = ids[i][:]
	}
	return rows
}
