package processor

import (
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/key"
)

// Record is one record of a stream as it was read.
type Record struct {
	Sequence     string // decimal
	PartitionKey string
	Data         []byte    // not written again: events alias it
	Arrival      time.Time // approximate arrival in the stream
}

// DecodeRecords takes consecutive records of a shard apart. now is the wall
// clock when they were read; without records the batch is a tick of it.
func DecodeRecords(d *cloudtrail.Decoder, records []Record, now time.Time) *Batch {
	b := &Batch{Now: now}
	for i := range records {
		r := &records[i]
		b.Items = appendPieces(b.Items, r, d.Decode(r.Data))
		b.Through = pad(r.Sequence)
		if r.Arrival.After(b.Arrival) {
			b.Arrival = r.Arrival
		}
	}
	return b
}

// appendPieces adds what a record holds, in its order. All pieces have the
// record's sequence number; their ordinals tell them apart.
func appendPieces(items []Item, r *Record, got cloudtrail.Records) []Item {
	own := key.HashOf(r.PartitionKey)
	sequence, arrival := pad(r.Sequence), r.Arrival.UTC().Truncate(time.Millisecond)
	e, j := 0, 0
	for i := range len(got.Events) + len(got.Rejects) + got.Control {
		it := Item{Sequence: sequence, Ordinal: int32(i), Arrival: arrival, Key: own}
		switch {
		case e < len(got.Events) && got.Ordinals[e] == i:
			it.Event = &got.Events[e]
			if got.Keys != nil && got.Keys[e] != "" {
				it.Key = key.HashOf(got.Keys[e])
			}
			e++
		case j < len(got.Rejects) && got.Rejects[j].Ordinal == i:
			it.Reject = &got.Rejects[j]
			j++
		default:
			it.Control = 1
		}
		items = append(items, it)
	}
	return items
}
