package kcl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
)

// reader stands between the library and Kinesis. Each call passes through it on
// the way out and each answer on the way back.
type reader struct {
	client *kinesis.Client // passes through this reader
	shards *topology
	// from is where a shard without parents is read from when nothing of it is
	// committed: records that arrived then or later; zero: the oldest retained.
	from time.Time
	// admit returns a context that ends when the shard must not be read any more,
	// or an error when that is so already.
	admit    func(shard string) (context.Context, error)
	stopping <-chan struct{} // closed when no shards are looked for any more
	metrics  *Metrics
	log      *slog.Logger

	mu        sync.Mutex
	iterators map[string]cursor
	subs      map[string]subscribed
}

// cursor is what an iterator stands for.
type cursor struct {
	shard string
	at    position
}

// position is a place in a shard from where records are read.
type position struct {
	kind     types.ShardIteratorType
	sequence string
	time     *time.Time
}

func after(sequence string) position {
	return position{kind: types.ShardIteratorTypeAfterSequenceNumber, sequence: sequence}
}

// before puts a new reader before a client. What the library is given is
// reader.client.
func (r *reader) before(client *kinesis.Client) *reader {
	r.iterators, r.subs = map[string]cursor{}, map[string]subscribed{}
	r.client = kinesis.New(client.Options(), func(o *kinesis.Options) {
		// The slice is shared with the client that was given.
		o.APIOptions = append(slices.Clone(o.APIOptions), r.attach)
		o.Protocol = eventProtocol{o.Protocol}
	})
	return r
}

func (r *reader) attach(stack *middleware.Stack) error {
	if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CairnReader", r.handle), middleware.Before); err != nil {
		return err
	}
	// The last one stands next to the network, inside of what makes events of the body.
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CairnSubscription", watchBody), middleware.After)
}

func (r *reader) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, md middleware.Metadata, err error,
) {
	switch p := in.Parameters.(type) {
	case *kinesis.GetShardIteratorInput:
		return r.getIterator(ctx, p, next)
	case *kinesis.GetRecordsInput:
		return r.getRecords(ctx, p, next)
	case *kinesis.SubscribeToShardInput:
		return r.subscribe(ctx, p, next)
	case *kinesis.ListShardsInput:
		return r.listShards(ctx, p, next)
	}
	return next.HandleInitialize(ctx, in)
}

// listShards looks for shards until the worker stops: the library would wait for
// an answer, and the worker for the library.
func (r *reader) listShards(ctx context.Context, p *kinesis.ListShardsInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, md middleware.Metadata, err error,
) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-r.stopping:
			cancel(errClosing)
		case <-answered:
		}
	}()
	out, md, err = next.HandleInitialize(ctx, middleware.InitializeInput{Parameters: p})
	if err != nil {
		return out, md, reason(ctx, err)
	}
	r.shards.listed(p, out.Result.(*kinesis.ListShardsOutput))
	return out, md, nil
}

// start is where a shard is read from for a request of the library. Behind a
// sequence number is where the manifest says; whatever else the library would do
// by itself is replaced, so that nothing is left out: a shard that came from
// others is read whole.
func (r *reader) start(shard string, kind types.ShardIteratorType, sequence *string) position {
	switch {
	case kind == types.ShardIteratorTypeAfterSequenceNumber:
		return after(aws.ToString(sequence))
	case r.from.IsZero() || r.shards.born(shard):
		return position{kind: types.ShardIteratorTypeTrimHorizon}
	}
	return position{kind: types.ShardIteratorTypeAtTimestamp, time: &r.from}
}

func (r *reader) getIterator(ctx context.Context, p *kinesis.GetShardIteratorInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, md middleware.Metadata, err error,
) {
	shard := aws.ToString(p.ShardId)
	admitted, err := r.admit(shard)
	if err != nil {
		return out, md, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(admitted, cancel)()
	r.metrics.reading(shard)
	at := r.start(shard, p.ShardIteratorType, p.StartingSequenceNumber)
	if p.ShardIteratorType == types.ShardIteratorTypeAtTimestamp && p.Timestamp != nil {
		at = position{kind: p.ShardIteratorType, time: p.Timestamp} // our own, for one that expired
	}
	own := *p
	own.ShardIteratorType, own.StartingSequenceNumber, own.Timestamp = at.kind, nil, at.time
	if at.sequence != "" {
		own.StartingSequenceNumber = &at.sequence
	}
	out, md, err = next.HandleInitialize(ctx, middleware.InitializeInput{Parameters: &own})
	if err != nil {
		return out, md, reason(admitted, err)
	}
	r.enter(aws.ToString(out.Result.(*kinesis.GetShardIteratorOutput).ShardIterator), cursor{shard, at})
	return out, md, nil
}

// Expired iterators are replaced this often in a row, with a wait that doubles.
const (
	maxExpired  = 5
	expiredWait = 50 * time.Millisecond
)

func (r *reader) getRecords(ctx context.Context, p *kinesis.GetRecordsInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, md middleware.Metadata, err error,
) {
	iterator := aws.ToString(p.ShardIterator)
	at, known := r.lookUp(iterator)
	if !known {
		// Iterators go with the lease. The library reads on until it looks at that.
		return out, md, fmt.Errorf("read with an iterator that is not known: %w", errReleased)
	}
	admitted, err := r.admit(at.shard)
	if err != nil {
		return out, md, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(admitted, cancel)()

	own, began := *p, time.Now()
	for i := 0; ; i++ {
		out, md, err = next.HandleInitialize(ctx, middleware.InitializeInput{Parameters: &own})
		var expired *types.ExpiredIteratorException
		if !errors.As(err, &expired) || i == maxExpired {
			break
		}
		if own.ShardIterator, err = r.replace(ctx, at, expiredWait<<i); err != nil {
			return out, md, err
		}
	}
	if err != nil {
		return out, md, reason(admitted, err)
	}
	r.metrics.readSeconds.Observe(time.Since(began).Seconds())
	r.delivered(iterator, at, out.Result.(*kinesis.GetRecordsOutput))
	return out, md, nil
}

// reason says why a call failed: that the shard must not be read any more
// explains more than the call that broke off.
func reason(admitted context.Context, err error) error {
	if cause := context.Cause(admitted); cause != nil {
		return cause
	}
	return err
}

// replace gets a new iterator for one that has expired.
func (r *reader) replace(ctx context.Context, at cursor, wait time.Duration) (*string, error) {
	r.metrics.expired.Inc()
	r.log.Info("an iterator has expired and is replaced", "shard", at.shard, "after", at.at.sequence)
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(wait):
	}
	in := &kinesis.GetShardIteratorInput{ShardId: &at.shard, StreamName: &r.shards.name, ShardIteratorType: at.at.kind, Timestamp: at.at.time}
	if at.at.sequence != "" {
		in.StartingSequenceNumber = &at.at.sequence
	}
	out, err := r.client.GetShardIterator(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("replace an expired iterator of %s: %w", at.shard, err)
	}
	r.forgetIterator(aws.ToString(out.ShardIterator)) // it is used at once, and entered as the old one
	return out.ShardIterator, nil
}

// delivered makes an answer ready for the library and moves the cursor on.
func (r *reader) delivered(iterator string, at cursor, out *kinesis.GetRecordsOutput) {
	if out.MillisBehindLatest == nil {
		out.MillisBehindLatest = aws.Int64(0)
	}
	r.metrics.read(at.shard, out.Records, *out.MillisBehindLatest)
	mask(out.Records)
	if n := len(out.Records); n > 0 {
		at.at = after(aws.ToString(out.Records[n-1].SequenceNumber))
	}
	r.forgetIterator(iterator)
	if out.NextShardIterator != nil {
		r.enter(*out.NextShardIterator, at)
	}
}

// aggregateMagic begins an aggregate of the Kinesis Producer Library.
const aggregateMagic = "\xf3\x89\x9a\xc2"

// mask puts a zero byte before aggregates, so that the library does not take
// them apart: it would drop the whole batch at a bad one, panic at another, and
// leave out explicit hash keys. The decoder takes the byte off.
func mask(records []types.Record) {
	for i := range records {
		if d := records[i].Data; strings.HasPrefix(string(d[:min(len(d), 4)]), aggregateMagic) {
			records[i].Data = append([]byte{0}, d...)
		}
	}
}

func (r *reader) enter(iterator string, at cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.iterators[iterator] = at
}

func (r *reader) lookUp(iterator string) (cursor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.iterators[iterator]
	return at, ok
}

func (r *reader) forgetIterator(iterator string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.iterators, iterator)
}

// forget drops what is kept of a shard that is not read any more.
func (r *reader) forget(shard string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.iterators, func(_ string, at cursor) bool { return at.shard == shard })
}
