package replay

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"time"
	"unsafe"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/key"
)

const (
	// flushItems is how many pieces of the log are gathered into one round of
	// batches. A CloudTrail file holds a few dozen records, and handing them over
	// file by file would cost more than a look at each.
	flushItems = 1024
	// perFile separates the sequence numbers of two files: record n of file f has
	// the place f·10⁹+n, so a resumed replay knows its file without reading any.
	perFile = 1_000_000_000
)

// lane is the way to one shard.
type lane struct {
	batches chan *processor.Batch
	items   []processor.Item
	from    string // the shard has all up to here
}

// router gives every piece of the log its place, arrival and shard.
type router struct {
	files   []File
	lanes   []lane
	keys    map[string]route
	step    time.Duration // distance of snapshots
	lag     time.Duration // of the watermark behind arrival
	arrival time.Time     // the greatest so far, in the order of the log
	place   uint64
	digits  []byte
	waiting int // pieces since the last flush
	next    int // record number in the current file
	file    int

	rejected []Rejected
}

// route is where a partition key leads.
type route struct {
	hash  key.Hash
	shard int
}

// sequence is the text of a place in the log.
func sequence(place uint64) string { return fmt.Sprintf("%056d", place) }

// placeOf reads a sequence number of ours.
func placeOf(seq string) (place uint64) {
	for _, c := range []byte(seq) {
		place = place*10 + uint64(c-'0')
	}
	return place
}

// add routes one piece of a file.
func (r *router) add(ctx context.Context, p *piece) error {
	if p.file != r.file {
		r.file, r.next = p.file, 0
	}
	f := &r.files[p.file]
	rec := &p.records
	e, j := 0, 0
	n := pieces(rec)
	for i := range n {
		it := processor.Item{}
		switch {
		case e < len(rec.Events) && rec.Ordinals[e] == i:
			it.Event = &rec.Events[e]
			e++
		case j < len(rec.Rejects) && rec.Rejects[j].Ordinal == i:
			it.Reject = &rec.Rejects[j]
			j++
		default:
			it.Control = 1
		}
		r.route(f, it)
	}
	r.waiting += n
	if r.waiting >= flushItems {
		return r.flush(ctx)
	}
	return nil
}

func (r *router) route(f *File, it processor.Item) {
	r.place = uint64(r.file)*perFile + uint64(r.next)
	r.next++
	it.Sequence = r.text(r.place)
	before := r.arrival
	r.arrive(f, it.Event)
	it.Arrival = r.arrival
	if r.passed(before) {
		r.tick(it.Sequence)
	}
	to := r.key(f, it.Event)
	it.Key = to.hash
	if l := &r.lanes[to.shard]; it.Sequence > l.from {
		r.note(f, it.Reject)
		l.items = append(l.items, it)
	}
}

// note tells a rejected piece, and the result, where it stood.
func (r *router) note(f *File, reject *cloudtrail.Reject) {
	if reject == nil {
		return
	}
	reject.File, reject.Record = f.Path, r.next
	if n := len(r.rejected); n == 0 || r.rejected[n-1].File != f.Path {
		r.rejected = append(r.rejected, Rejected{File: f.Path})
	}
	r.rejected[len(r.rejected)-1].Pieces++
}

// tooLate is an event time that no event has: one such record must not drag
// the watermark to the end of days, behind which all others would be late.
var tooLate = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// arrive moves the arrival time: the delivery time in the file's name, else
// the greatest event time so far.
func (r *router) arrive(f *File, e *cloudtrail.Event) {
	at := f.Delivery
	if at.IsZero() && e != nil && e.Time.Before(tooLate) {
		at = e.Time
	}
	if at.After(r.arrival) {
		r.arrival = at
	}
}

// passed tells that the watermark went over a snapshot time.
func (r *router) passed(before time.Time) bool {
	if r.step <= 0 || r.arrival.Equal(before) {
		return false
	}
	return r.arrival.Add(-r.lag).Truncate(r.step).After(before.Add(-r.lag).Truncate(r.step))
}

// tick tells all shards that time moved, so that each takes the snapshot at
// the same place of the log.
func (r *router) tick(seq string) {
	for i := range r.lanes {
		if l := &r.lanes[i]; seq > l.from {
			l.items = append(l.items, processor.Item{Sequence: seq, Arrival: r.arrival})
		}
	}
}

// text renders a place without a call into fmt, and many in one allocation: it
// is made once per record.
func (r *router) text(place uint64) string {
	const width = 56
	if len(r.digits) < width {
		r.digits = make([]byte, 256*width)
	}
	buf := r.digits[:width:width]
	r.digits = r.digits[width:]
	for i := width - 1; i >= 0; i-- {
		buf[i] = byte('0' + place%10)
		place /= 10
	}
	return unsafe.String(&buf[0], width) // nobody writes to it any more
}

// key finds the shard of an event's account. A piece without an event goes
// with the account of its file.
func (r *router) key(f *File, e *cloudtrail.Event) route {
	id := ""
	if e != nil {
		id = e.Account()
	}
	if id == "" {
		id = AccountOf(f.Name)
	}
	to, ok := r.keys[id]
	if !ok {
		to = routeOf(id, len(r.lanes))
		r.keys[id] = to
	}
	return to
}

// flush hands over what was gathered; every shard hears how far the log went.
func (r *router) flush(ctx context.Context) error {
	through := sequence(r.place)
	for i := range r.lanes {
		l := &r.lanes[i]
		b := &processor.Batch{Items: l.items, Through: through, Arrival: r.arrival}
		l.items = make([]processor.Item, 0, len(l.items)+16)
		select {
		case l.batches <- b:
		case <-ctx.Done():
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
	}
	r.waiting = 0
	return nil
}

// routeOf places a partition key as Kinesis does: by its MD5 among n equal
// ranges of 128-bit numbers, floor(hash × n / 2¹²⁸).
func routeOf(account string, n int) route {
	sum := md5.Sum([]byte(account))
	hi, lo := binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])
	top, mid := bits.Mul64(hi, uint64(n))
	carry, _ := bits.Mul64(lo, uint64(n))
	_, over := bits.Add64(mid, carry, 0)
	return route{hash: key.Hash(sum[:8]), shard: int(top + over)}
}

// hashRange is the range of shard i of n, inclusive, in decimal as Kinesis
// writes it.
func hashRange(i, n int) [2]string {
	return [2]string{lowest(i, n).String(), new(big.Int).Sub(lowest(i+1, n), big.NewInt(1)).String()}
}

// lowest is ceil(i × 2¹²⁸ / n).
func lowest(i, n int) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(int64(i)), 128)
	v.Add(v, big.NewInt(int64(n-1)))
	return v.Div(v, big.NewInt(int64(n)))
}

func shardID(i int) string { return fmt.Sprintf("shardId-%012d", i) }
