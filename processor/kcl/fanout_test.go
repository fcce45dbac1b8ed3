package kcl

import (
	"context"
	"crypto/md5"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/processor/processortest"
)

func TestFanOut(t *testing.T) {
	s := newStreamAt(t, local.NameKinesisLocal, 2)
	s.puts(100)
	one := s.start("one", func(c *Config) { c.FanOut = "cairn" })
	one.holds(2)
	s.all()
	s.puts(100)
	s.aggregates(t)
	s.all()
	if n := one.kinesis.count("GetRecords"); n != 0 {
		t.Errorf("%d polls beside the subscriptions", n)
	}
	if took := one.halt(); took > 5*time.Second {
		t.Errorf("stop took %v", took)
	}
	s.closedOnce()
	again := s.start("two", func(c *Config) { c.FanOut = "cairn" }) // the consumer is registered already
	s.puts(50)
	s.all()
	again.halt()
	if n := len(s.ledger.entries("again")); n != 0 {
		t.Errorf("%d records were read again", n)
	}
}

// A fan-out consumer hands a shard over, and hears of a lost lease, although no
// batch comes.
func TestDefect12FanOutLooksAtItsLease(t *testing.T) {
	s := newStreamAt(t, local.NameKinesisLocal, 2)
	one := s.start("one", func(c *Config) { c.FanOut = "cairn" })
	one.holds(2)
	two := s.start("two", func(c *Config) { c.FanOut = "cairn" })
	two.holds(1)
	one.holds(1)
	s.puts(50)
	s.all()
	one.kill()
	two.holds(2)
	s.puts(50)
	s.all()
}

// aggregates puts good and bad aggregates among plain events, in one call.
func (s *testStream) aggregates(t *testing.T) {
	t.Helper()
	var parts []processortest.Produced
	for range 5 {
		s.put++
		parts = append(parts, processortest.Produced{PartitionKey: "k", Data: event(s.put)})
	}
	good := processortest.Aggregate(parts)
	bad := processortest.Aggregate([]processortest.Produced{{PartitionKey: "k", Data: event(0)}})
	s.put++
	s.putAll([]types.PutRecordsRequestEntry{
		{PartitionKey: aws.String("k"), Data: good},
		{PartitionKey: aws.String("k"), Data: corrupt(bad)},
		{PartitionKey: aws.String("k"), Data: event(s.put)},
	})
	s.put++ // the reject is a row too
}

// corrupt breaks the message of an aggregate and gives it the right MD5, over
// which the library would drop the whole batch.
func corrupt(aggregate []byte) []byte {
	message := append([]byte{}, aggregate[len(aggregateMagic):len(aggregate)-16]...)
	message = message[:len(message)-3]
	sum := md5.Sum(message)
	return slices.Concat([]byte(aggregateMagic), message, sum[:])
}

// scripted is a protocol whose events are given.
type scripted struct {
	smithyhttp.ClientProtocol
	events []any // of *types.SubscribeToShardEvent and error
}

func (s *scripted) DeserializeEventMessage(*smithy.Schema, *smithy.TypeRegistry, io.Reader) (smithy.Deserializable, error) {
	if len(s.events) == 0 {
		return nil, io.EOF
	}
	e := s.events[0]
	s.events = s.events[1:]
	if err, ok := e.(error); ok {
		return nil, err
	}
	return e.(*types.SubscribeToShardEvent), nil
}

// The library does not look at errors of a stream, takes a stream that closes
// with one for a reason to give the shard up, and also one that ends before its
// first event. It sees ends with a place to go on from instead.
func TestDefect21SubscriptionsEndInOrder(t *testing.T) {
	broken := errors.New("internal failure")
	event := func() *types.SubscribeToShardEvent {
		return &types.SubscribeToShardEvent{ContinuationSequenceNumber: aws.String("7"), Records: []types.Record{{Data: []byte(aggregateMagic + "x")}}}
	}
	tests := map[string]struct {
		events []any
		want   []string // continuations
	}{
		"an end":                  {[]any{event()}, []string{"7"}},
		"an error":                {[]any{event(), broken}, []string{"7"}},
		"an end before an event":  {nil, []string{fromStart}},
		"an error before it":      {[]any{broken}, []string{fromStart}},
		"nothing after the error": {[]any{broken, event()}, []string{fromStart}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := &reader{metrics: NewMetrics(), log: slog.New(slog.DiscardHandler)}
			var p eventProtocol
			s := &subscription{reader: r, shard: "a", events: &scripted{events: test.events}}
			for _, want := range test.want {
				got, err := p.DeserializeEventMessage(nil, nil, s)
				if err != nil {
					t.Fatal(err)
				}
				e := got.(*types.SubscribeToShardEvent)
				if c := aws.ToString(e.ContinuationSequenceNumber); c != want || e.MillisBehindLatest == nil {
					t.Errorf("goes on at %q with lag %v, want at %q", c, e.MillisBehindLatest, want)
				}
				if len(e.Records) > 0 && e.Records[0].Data[0] != 0 {
					t.Error("an aggregate reaches the library")
				}
			}
			if got, err := p.DeserializeEventMessage(nil, nil, s); err != io.EOF {
				t.Errorf("then %v, %v; want the end of the stream", got, err)
			}
		})
	}
}

// A stream on which nothing comes is ended after half a minute.
func TestDefect21SilentSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		body := &quietBody{ctx: ctx, bytes: 3}
		s := &subscription{reader: &reader{log: slog.New(slog.DiscardHandler)}, cancel: cancel, stop: func() bool { return true }, body: body}
		s.quiet = time.AfterFunc(silence, s.abort)
		began, n := time.Now(), 0
		for {
			_, err := s.Read(make([]byte, 1))
			if err != nil {
				break
			}
			n++
		}
		// Three bytes, 20 s apart, and then nothing.
		if took := time.Since(began); n != 3 || took != 60*time.Second+silence {
			t.Errorf("ended after %d reads and %v", n, took)
		}
		if err := s.Close(); err != nil || !body.closed {
			t.Errorf("closed: %v, %v", body.closed, err)
		}
	})
}

type quietBody struct {
	ctx    context.Context
	bytes  int
	closed bool
}

func (b *quietBody) Read(p []byte) (int, error) {
	if b.bytes--; b.bytes >= 0 {
		time.Sleep(20 * time.Second)
		return 1, nil
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func (b *quietBody) Close() error { b.closed = true; return nil }

// A new subscription waits until five seconds after the last one, is tried again
// while the shard is in use, and begins where the last one did if that had
// nothing.
func TestDefect21NewSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []types.StartingPosition
		var at []time.Duration
		began, refusals := time.Now(), 2
		stop := errors.New("far enough")
		r := answered(func(_ string, in any) (any, error) {
			starts = append(starts, *in.(*kinesis.SubscribeToShardInput).StartingPosition)
			at = append(at, time.Since(began))
			if refusals--; refusals >= 0 {
				return nil, &types.ResourceInUseException{}
			}
			return nil, stop
		})
		subscribe := func(p types.StartingPosition) {
			t.Helper()
			_, err := r.client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{ShardId: aws.String("a"), ConsumerARN: aws.String("c"), StartingPosition: &p})
			if !errors.Is(err, stop) {
				t.Errorf("subscribe: %v", err)
			}
		}
		subscribe(types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String("7")})
		subscribe(types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(fromStart)})
		for i, p := range starts {
			if p.Type != types.ShardIteratorTypeAfterSequenceNumber || aws.ToString(p.SequenceNumber) != "7" {
				t.Errorf("subscription %d begins at %v %v", i, p.Type, aws.ToString(p.SequenceNumber))
			}
			if want := time.Duration(i) * betweenSubscriptions; at[i] != want {
				t.Errorf("subscription %d after %v, want %v", i, at[i], want)
			}
		}
		if len(starts) != 4 {
			t.Errorf("%d attempts, want 4", len(starts))
		}
		refusals = 100
		_, err := r.client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
			ShardId: aws.String("a"), ConsumerARN: aws.String("c"), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
		})
		if inUse := (*types.ResourceInUseException)(nil); !errors.As(err, &inUse) {
			t.Errorf("a shard that stays in use: %v", err)
		}
	})
}
