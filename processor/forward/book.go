package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/cairnstream/cairn/state/blob"
)

// bookFormat is the number of the form of page. Another one is refused.
const bookFormat = 1

// page is what is kept of a source, as JSON.
type page struct {
	Format int               `json:"format"`
	From   string            `json:"from"`
	To     string            `json:"to"`
	Start  time.Time         `json:"start,omitzero"` // where reading began; zero: at the beginning
	Writer string            `json:"writer"`         // the process that saved last
	Shards map[string]*place `json:"shards"`
}

// place is how far a shard was forwarded.
type place struct {
	Sequence string `json:"sequence,omitempty"` // the last record; "": none yet
	Ended    bool   `json:"ended,omitempty"`
}

// book keeps the positions in a source in one object.
type book struct {
	page  page
	store blob.Store
	key   string
	etag  string
	dirty bool
	saved time.Time
}

// ErrTaken means that another process forwards between the same streams.
var ErrTaken = errors.New("another cairn forward works on the same two streams with the same state: stop one of them")

// openBook reads the positions, or begins a book.
func openBook(ctx context.Context, store blob.Store, from, to string, start time.Time) (*book, error) {
	b := &book{store: store, key: "forward/" + url.PathEscape(from) + "/" + url.PathEscape(to) + ".json", dirty: true,
		page: page{Format: bookFormat, From: from, To: to, Start: start, Writer: rand.Text(), Shards: map[string]*place{}}}
	data, etag, err := store.Get(ctx, b.key)
	if errors.Is(err, blob.ErrNotFound) {
		return b, b.save(ctx) // so that "from now on" means the same after a restart
	}
	if err != nil {
		return nil, fmt.Errorf("read the positions in %s: %w", from, err)
	}
	var old page
	if err := json.Unmarshal(data, &old); err != nil {
		return nil, fmt.Errorf("read the positions in %s: %s: %w", from, b.key, err)
	}
	if old.Format != bookFormat {
		return nil, fmt.Errorf("the positions in %s have the format %d, this version of Cairn knows %d: use the version that wrote them", b.key, old.Format, bookFormat)
	}
	b.etag, b.page.Start = etag, old.Start
	if old.Shards != nil {
		b.page.Shards = old.Shards
	}
	return b, b.save(ctx) // an older process learns of this one at its next save
}

func (b *book) shard(id string) place {
	if p := b.page.Shards[id]; p != nil {
		return *p
	}
	return place{}
}

func (b *book) at(id string) *place {
	p := b.page.Shards[id]
	if p == nil {
		p = &place{}
		b.page.Shards[id] = p
	}
	b.dirty = true
	return p
}

func (b *book) moved(id, sequence string) { b.at(id).Sequence = sequence }
func (b *book) ended(id string)           { b.at(id).Ended = true }

// forget drops shards that the stream no longer lists.
func (b *book) forget(listed map[string][]string) {
	for id := range b.page.Shards {
		if _, ok := listed[id]; !ok {
			delete(b.page.Shards, id)
			b.dirty = true
		}
	}
}

// iterator says where to go on in a shard. One that was made later than the
// start has nothing before it, so the same start serves for all shards.
func (b *book) iterator(id string) *kinesis.GetShardIteratorInput {
	in := &kinesis.GetShardIteratorInput{ShardId: &id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	switch p := b.shard(id); {
	case p.Sequence != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &p.Sequence
	case !b.page.Start.IsZero():
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &b.page.Start
	}
	return in
}

// saveIfDue saves now and then, or at once when something important happened.
// A store that cannot be written for a while only makes more to be read again.
func (b *book) saveIfDue(ctx context.Context, log *slog.Logger, now time.Time, atOnce bool) error {
	if now.Sub(b.saved) < saveEvery && !atOnce {
		return nil
	}
	b.saved = now
	err := b.save(ctx)
	if err != nil && !errors.Is(err, ErrTaken) {
		log.Warn("positions are not saved, trying again: after a restart more would be read again", "error", err)
		return nil
	}
	return err
}

// save writes the book if it says something new.
func (b *book) save(ctx context.Context) error {
	if !b.dirty {
		return nil
	}
	data, err := json.Marshal(b.page, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("save the positions: %w", err)
	}
	etag, err := b.store.PutIf(ctx, b.key, data, b.etag)
	if err != nil {
		etag, err = b.readBack(ctx, data, err)
	}
	if err != nil {
		return fmt.Errorf("save the positions in %s: %w", b.page.From, err)
	}
	b.etag, b.dirty = etag, false
	return nil
}

// readBack finds out what became of a write that failed, or of one before it:
// the writer's name in the page tells whose it is.
func (b *book) readBack(ctx context.Context, data []byte, failed error) (etag string, err error) {
	now, etag, err := b.store.Get(ctx, b.key)
	var there page
	if err == nil {
		err = json.Unmarshal(now, &there)
	}
	switch {
	case err == nil && there.Writer == b.page.Writer && string(now) == string(data):
		return etag, nil
	case err == nil && there.Writer == b.page.Writer:
		return b.store.PutIf(ctx, b.key, data, etag)
	case errors.Is(failed, blob.ErrChanged), errors.Is(failed, blob.ErrExists):
		return "", fmt.Errorf("%w: %w", ErrTaken, failed)
	}
	return "", failed
}
