package processor

import (
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/key"
)

// Batch is a run of consecutive pieces of a shard's stream, decoded. It ends
// where a record of the stream ends: the pieces of one are in one batch.
type Batch struct {
	Items []Item
	// Through is the place in the stream up to which the batch tells all that
	// concerns the shard, its own items or not: a decimal sequence number. It
	// is empty in a batch that only tells the time.
	Through string
	// Arrival is the arrival time at Through. It moves the watermark of a shard
	// that had no items of its own.
	Arrival time.Time
	// Now is the wall clock when the batch was read. It decides when to commit
	// and when to end a file, never what rows, findings and state are. It is
	// zero in a replay, which has no clock.
	Now time.Time
}

// Item is one piece of a stream record: an event, a piece that could not be
// decoded, or a control message. One with none of these only moves time.
type Item struct {
	Event  *cloudtrail.Event
	Reject *cloudtrail.Reject
	// Control counts control messages, which are neither events nor errors.
	Control int

	Sequence string    // place in the stream: decimal digits, padded to 56
	Ordinal  int32     // place within the stream record
	Arrival  time.Time // approximate arrival in the stream
	Key      key.Hash  // of the partition key
}

// empty tells that an item only moves time.
func (it *Item) empty() bool {
	return it.Event == nil && it.Reject == nil && it.Control == 0
}
