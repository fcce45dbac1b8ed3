package kcl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairnstream/cairn/processor/processortest"
)

// answered is a reader whose calls are answered by a function and do not reach a
// network.
func answered(answer func(operation string, in any) (any, error), more ...func(*reader)) *reader {
	c := calls{hook: answer}
	client := kinesis.New(kinesis.Options{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		APIOptions: []func(*middleware.Stack) error{c.attach},
	})
	r := &reader{
		shards: &topology{name: "s"}, metrics: NewMetrics(), log: slog.New(slog.DiscardHandler),
		admit: func(string) (context.Context, error) { return context.Background(), nil },
	}
	for _, change := range more {
		change(r)
	}
	return r.before(client)
}

func shardOf(id, parent, adjacent string) types.Shard {
	s := types.Shard{ShardId: &id, HashKeyRange: &types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("1")}}
	if parent != "" {
		s.ParentShardId = &parent
	}
	if adjacent != "" {
		s.AdjacentParentShardId = &adjacent
	}
	return s
}

// Whatever the library asks for, a shard is read from where its manifest ends;
// one that came from others from its beginning; any other from where the
// operator said.
func TestDefect08StartOfReading(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	behind := func(sequence string) *kinesis.GetShardIteratorInput {
		return &kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &sequence}
	}
	plain := func(kind types.ShardIteratorType) *kinesis.GetShardIteratorInput {
		return &kinesis.GetShardIteratorInput{ShardIteratorType: kind}
	}
	tests := map[string]struct {
		shard string
		from  time.Time
		in    *kinesis.GetShardIteratorInput
		want  *kinesis.GetShardIteratorInput
	}{
		"a position passes":                      {"root", from, behind("17"), behind("17")},
		"also of a child":                        {"child", from, behind("17"), behind("17")},
		"LATEST becomes the horizon":             {"root", time.Time{}, plain(types.ShardIteratorTypeLatest), plain(types.ShardIteratorTypeTrimHorizon)},
		"the horizon becomes the operator's":     {"root", from, plain(types.ShardIteratorTypeTrimHorizon), &kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &from}},
		"a child is read whole":                  {"child", from, plain(types.ShardIteratorTypeLatest), plain(types.ShardIteratorTypeTrimHorizon)},
		"also when its parent is not listed":     {"orphan", from, plain(types.ShardIteratorTypeTrimHorizon), plain(types.ShardIteratorTypeTrimHorizon)},
		"also when it has only an adjacent one":  {"second", from, plain(types.ShardIteratorTypeLatest), plain(types.ShardIteratorTypeTrimHorizon)},
		"a shard that is not known has no child": {"unknown", time.Time{}, plain(types.ShardIteratorTypeLatest), plain(types.ShardIteratorTypeTrimHorizon)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got *kinesis.GetShardIteratorInput
			r := answered(func(operation string, in any) (any, error) {
				if operation == "ListShards" {
					return &kinesis.ListShardsOutput{Shards: []types.Shard{shardOf("root", "", ""), shardOf("child", "root", ""), shardOf("orphan", "gone", ""), shardOf("second", "", "gone")}}, nil
				}
				got = in.(*kinesis.GetShardIteratorInput)
				return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
			}, func(r *reader) { r.from = test.from })
			if _, err := r.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("s")}); err != nil {
				t.Fatal(err)
			}
			test.in.ShardId, test.in.StreamName, test.want.ShardId, test.want.StreamName = &test.shard, aws.String("s"), &test.shard, aws.String("s")
			if _, err := r.client.GetShardIterator(t.Context(), test.in); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(kinesis.GetShardIteratorInput{})); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

// read is one round of the library: an iterator, and n reads.
func read(t *testing.T, r *reader, n int) []*kinesis.GetRecordsOutput {
	t.Helper()
	it, err := r.client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		ShardId: aws.String("a"), StreamName: aws.String("s"), ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: aws.String("10"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []*kinesis.GetRecordsOutput
	next := it.ShardIterator
	for range n {
		out, err := r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out)
		next = out.NextShardIterator
	}
	return all
}

// An iterator that has expired is replaced by one behind the last record that
// was delivered; the library does not hear of it. Beyond five in a row it does.
func TestDefect11IteratorFollowsTheLastRecord(t *testing.T) {
	var asked []string
	reads, expired, iterators := 0, 0, 0
	r := answered(func(operation string, in any) (any, error) {
		switch in := in.(type) {
		case *kinesis.GetShardIteratorInput:
			asked = append(asked, aws.ToString(in.StartingSequenceNumber))
			iterators++
			return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String(fmt.Sprint("i", iterators))}, nil
		case *kinesis.GetRecordsInput:
			if expired > 0 {
				expired--
				return nil, &types.ExpiredIteratorException{}
			}
			reads++
			return &kinesis.GetRecordsOutput{
				Records:           []types.Record{{SequenceNumber: aws.String(fmt.Sprint(10 + reads)), Data: []byte("x")}},
				NextShardIterator: aws.String("n" + fmt.Sprint(reads)),
			}, nil
		}
		return nil, fmt.Errorf("unexpected %s", operation)
	})
	out := read(t, r, 2)
	expired = 3
	next := out[1].NextShardIterator
	again, err := r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
	if err != nil || aws.ToString(again.Records[0].SequenceNumber) != "13" {
		t.Fatalf("after three expired iterators: %v, %v", again, err)
	}
	if want := []string{"10", "12", "12", "12"}; !cmp.Equal(asked, want) {
		t.Errorf("iterators were asked for behind %v, want %v", asked, want)
	}
	expired = 6
	_, err = r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: again.NextShardIterator})
	if e := (*types.ExpiredIteratorException)(nil); !errors.As(err, &e) {
		t.Errorf("after six in a row: %v", err)
	}
	if n := len(r.iterators); n != 1 {
		t.Errorf("%d iterators are kept for one shard", n)
	}
	r.forget("a")
	if n := len(r.iterators); n != 0 {
		t.Errorf("%d iterators are kept for no shard", n)
	}
	if _, err := r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next}); err == nil {
		t.Error("read with an iterator of a shard that was given up")
	}
}

// The library gets a lag in any case, and no aggregate that it would take apart.
func TestDefect09And10AnswersAreMadeReady(t *testing.T) {
	aggregate := processortest.Aggregate([]processortest.Produced{{PartitionKey: "k", Data: []byte("{}")}})
	bad := append([]byte(aggregateMagic), "no protobuf"...)
	in := [][]byte{[]byte("plain"), aggregate, bad, []byte(aggregateMagic), []byte("\xf3\x89"), {}}
	r := answered(func(_ string, p any) (any, error) {
		if _, ok := p.(*kinesis.GetShardIteratorInput); ok {
			return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
		}
		out := &kinesis.GetRecordsOutput{NextShardIterator: aws.String("n")}
		for i, d := range in {
			out.Records = append(out.Records, types.Record{SequenceNumber: aws.String(fmt.Sprint(i)), Data: bytes.Clone(d)})
		}
		return out, nil
	})
	out := read(t, r, 1)[0]
	if out.MillisBehindLatest == nil || *out.MillisBehindLatest != 0 {
		t.Errorf("lag %v, want 0", out.MillisBehindLatest)
	}
	for i, d := range in {
		want := d
		if bytes.HasPrefix(d, []byte(aggregateMagic)) {
			want = append([]byte{0}, d...)
		}
		if !bytes.Equal(out.Records[i].Data, want) {
			t.Errorf("record %d: %q became %q", i, d, out.Records[i].Data)
		}
	}
	if n := value(t, r.metrics.records); n != 6 {
		t.Errorf("%v records counted", n)
	}
}

// A shard that must not be read any more gets an error at once, also in the
// middle of a call.
func TestReadEndsWithTheShard(t *testing.T) {
	refused := errors.New("disk full")
	ctx, end := context.WithCancelCause(context.Background())
	admitted := error(nil)
	r := answered(func(_ string, p any) (any, error) {
		if _, ok := p.(*kinesis.GetShardIteratorInput); ok {
			return &kinesis.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
		}
		end(refused)
		return nil, errors.New("connection closed")
	}, func(r *reader) { r.admit = func(string) (context.Context, error) { return ctx, admitted } })
	read(t, r, 0)
	if _, err := r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")}); !errors.Is(err, refused) {
		t.Errorf("a read during which the lease ended: %v", err)
	}
	admitted = refused
	if _, err := r.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")}); !errors.Is(err, refused) {
		t.Errorf("a read of a failed shard: %v", err)
	}
	if _, err := r.client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ShardId: aws.String("a"), ConsumerARN: aws.String("c"), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	}); !errors.Is(err, refused) {
		t.Errorf("a subscription to a failed shard: %v", err)
	}
}

// A list of shards counts when all of its pages are there.
func TestListOfShardsIsTakenWhole(t *testing.T) {
	topo := &topology{}
	page := func(token, next *string, shards ...types.Shard) {
		topo.listed(&kinesis.ListShardsInput{NextToken: token}, &kinesis.ListShardsOutput{Shards: shards, NextToken: next})
	}
	more := aws.String("more")
	page(nil, more, shardOf("a", "", ""), shardOf("b", "", ""))
	if _, ok := topo.parents("a"); ok {
		t.Error("half a list counts")
	}
	page(more, nil, shardOf("c", "a", "b"))
	if got, ok := topo.parents("c"); !ok || !sameSet(got, []string{"a", "b"}) {
		t.Errorf("parents of c: %v, %v", got, ok)
	}
	page(nil, more, shardOf("b", "", "")) // broken off
	page(nil, nil, shardOf("b", "", ""), shardOf("c", "a", "b"))
	if got, ok := topo.parents("c"); !ok || !sameSet(got, []string{"b"}) || !topo.born("c") {
		t.Errorf("parents of c, when a is not listed any more: %v, %v, born %v", got, ok, topo.born("c"))
	}
	if _, ok := topo.parents("a"); ok || topo.born("b") {
		t.Error("a is listed still, or b has parents")
	}
}
