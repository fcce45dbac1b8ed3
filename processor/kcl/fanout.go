package kcl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// Times of enhanced fan-out.
const (
	// betweenSubscriptions is the least time between two subscriptions to a shard;
	// Kinesis refuses an earlier one.
	betweenSubscriptions = 5 * time.Second
	maxSubscribe         = 6 // attempts while the shard is in use
	// silence ends a subscription on which nothing came; Kinesis sends something
	// every few seconds, records or not.
	silence = 30 * time.Second
)

// fromStart is the continuation of a subscription that ended before anything
// came: the library asks for what follows it, and gets the same start again.
const fromStart = "cairn:start"

// subscribed is the last subscription to a shard.
type subscribed struct {
	at    position
	begun time.Time
}

func (r *reader) subscribe(ctx context.Context, p *kinesis.SubscribeToShardInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, md middleware.Metadata, err error,
) {
	shard := aws.ToString(p.ShardId)
	admitted, err := r.admit(shard)
	if err != nil {
		return out, md, err
	}
	r.metrics.reading(shard)
	s := &subscription{reader: r, shard: shard, events: awsjson.New11(schemas.Kinesis_20131202)}
	ctx, s.cancel = context.WithCancel(ctx)
	s.stop = context.AfterFunc(admitted, s.cancel)
	at := r.subscribeFrom(shard, p.StartingPosition)
	own := *p
	own.StartingPosition = &types.StartingPosition{Type: at.kind, Timestamp: at.time}
	if at.sequence != "" {
		own.StartingPosition.SequenceNumber = &at.sequence
	}
	ctx = context.WithValue(ctx, subscriptionKey{}, s)
	for range maxSubscribe {
		if err = r.await(ctx, shard, at); err != nil {
			break
		}
		out, md, err = next.HandleInitialize(ctx, middleware.InitializeInput{Parameters: &own})
		var inUse *types.ResourceInUseException
		var limit *types.LimitExceededException
		if !errors.As(err, &inUse) && !errors.As(err, &limit) {
			break
		}
	}
	if err != nil {
		s.release()
		return out, md, reason(admitted, err)
	}
	return out, md, nil
}

func (r *reader) subscribeFrom(shard string, p *types.StartingPosition) position {
	if p.Type == types.ShardIteratorTypeAfterSequenceNumber && aws.ToString(p.SequenceNumber) == fromStart {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.subs[shard].at
	}
	return r.start(shard, p.Type, p.SequenceNumber)
}

// await waits until Kinesis takes a subscription to the shard, and enters it.
func (r *reader) await(ctx context.Context, shard string, at position) error {
	r.mu.Lock()
	wait := time.Until(r.subs[shard].begun.Add(betweenSubscriptions))
	r.mu.Unlock()
	if wait > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subs[shard] = subscribed{at, time.Now()}
	return nil
}

type subscriptionKey struct{}

// watchBody puts a subscription around the body of the answer to
// SubscribeToShard.
func watchBody(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, md middleware.Metadata, err error,
) {
	out, md, err = next.HandleDeserialize(ctx, in)
	s, ok := ctx.Value(subscriptionKey{}).(*subscription)
	if !ok || err != nil {
		return out, md, err
	}
	if answer, ok := out.RawResponse.(*smithyhttp.Response); ok && answer.StatusCode == 200 {
		s.body = answer.Body
		s.quiet = time.AfterFunc(silence, s.abort)
		answer.Body = s
	}
	return out, md, nil
}

// subscription is the stream of one SubscribeToShard. It ends by itself when
// nothing comes.
type subscription struct {
	reader *reader
	shard  string
	// events reads this stream alone. The SDK has one reader of events for all
	// streams of a client, with state that is not guarded.
	events smithyhttp.ClientProtocol
	cancel context.CancelFunc
	stop   func() bool

	body  io.ReadCloser
	quiet *time.Timer
	once  sync.Once

	any   bool // something was delivered
	ended bool
}

func (s *subscription) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if n > 0 {
		s.quiet.Reset(silence)
	}
	return n, err
}

// Close ends the subscription.
func (s *subscription) Close() error {
	s.once.Do(s.release)
	return s.body.Close()
}

func (s *subscription) release() {
	s.stop()
	s.cancel()
	if s.quiet != nil {
		s.quiet.Stop()
	}
}

func (s *subscription) abort() {
	s.reader.log.Warn("nothing came on a subscription", "shard", s.shard, "seconds", silence.Seconds())
	s.cancel()
}

// eventProtocol reads the events of subscriptions for the library. Where the
// library would not look at an error, or end a consumer for want of a place to
// go on from, it makes an end of the stream with such a place.
type eventProtocol struct{ smithyhttp.ClientProtocol }

// DeserializeInitialResponse reads what comes before the first event.
func (p eventProtocol) DeserializeInitialResponse(schema *smithy.Schema, from io.Reader, out smithy.Deserializable) error {
	if s, ok := from.(*subscription); ok {
		return s.events.DeserializeInitialResponse(schema, from, out)
	}
	return p.ClientProtocol.DeserializeInitialResponse(schema, from, out)
}

// DeserializeEventMessage reads one event.
func (p eventProtocol) DeserializeEventMessage(schema *smithy.Schema, all *smithy.TypeRegistry, from io.Reader) (smithy.Deserializable, error) {
	s, ok := from.(*subscription)
	if !ok {
		return p.ClientProtocol.DeserializeEventMessage(schema, all, from)
	}
	if s.ended {
		return nil, io.EOF
	}
	event, err := s.events.DeserializeEventMessage(schema, all, from)
	if err != nil {
		return s.over(err)
	}
	if e, ok := event.(*types.SubscribeToShardEvent); ok {
		s.deliver(e)
	}
	return event, nil
}

func (s *subscription) deliver(e *types.SubscribeToShardEvent) {
	if e.MillisBehindLatest == nil {
		e.MillisBehindLatest = aws.Int64(0)
	}
	s.reader.metrics.read(s.shard, e.Records, *e.MillisBehindLatest)
	mask(e.Records)
	s.any = true
}

// over ends the stream. If nothing came, an empty event says where to go on.
func (s *subscription) over(err error) (smithy.Deserializable, error) {
	s.ended = true
	if !errors.Is(err, io.EOF) {
		s.reader.log.Warn("a subscription broke off", "shard", s.shard, "error", err)
	}
	if s.any {
		return nil, io.EOF
	}
	return &types.SubscribeToShardEvent{ContinuationSequenceNumber: aws.String(fromStart), MillisBehindLatest: aws.Int64(1)}, nil
}

// consumer registers an enhanced fan-out consumer of the stream if there is none
// of the name, waits until it may be used, and returns its ARN.
func fanOutConsumer(ctx context.Context, client *kinesis.Client, streamARN, name string) (string, error) {
	_, err := client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &streamARN, ConsumerName: &name})
	var there *types.ResourceInUseException
	if err != nil && !errors.As(err, &there) {
		return "", fmt.Errorf("register the fan-out consumer %s: %w", name, err)
	}
	for {
		out, err := client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{StreamARN: &streamARN, ConsumerName: &name})
		if err != nil {
			return "", fmt.Errorf("look for the fan-out consumer %s: %w", name, err)
		}
		if out.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive {
			return aws.ToString(out.ConsumerDescription.ConsumerARN), nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the fan-out consumer %s: %w", name, context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
