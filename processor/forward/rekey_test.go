package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/state/blob"
)

// producer puts events of some accounts on a stream under keys that are as good
// as random.
type producer struct {
	client *kinesis.Client
	stream string
	n      int
	want   map[string][]string
}

func (p *producer) put(t *testing.T, n int) {
	t.Helper()
	for range n {
		account, id := fmt.Sprintf("%012d", p.n%5), fmt.Sprint("event-", p.n)
		p.n++
		if _, err := p.client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &p.stream, PartitionKey: aws.String(id), Data: []byte(record(id, account, 300))}); err != nil {
			t.Fatal(err)
		}
		p.want[account] = append(p.want[account], id)
	}
}

func store(t *testing.T, dir string) blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openSource(t *testing.T, client *kinesis.Client, from, to string, state blob.Store, start time.Time) *Source {
	t.Helper()
	s, err := OpenSource(t.Context(), client, from, to, state, start, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.pause = func(ctx context.Context, _ time.Duration) error { return sleep(ctx, 5*time.Millisecond) }
	return s
}

// sortedIDs forgets the order, which a source that keys at random has not.
func sortedIDs(ids map[string][]string) map[string][]string {
	out := map[string][]string{}
	for account, list := range ids {
		out[account] = slices.Sorted(slices.Values(list))
	}
	return out
}

// TestRekey reads a stream with random keys through splits and merges and
// across restarts: each event is on the other stream, each account in one
// shard, and nothing is read twice after an orderly end.
func TestRekey(t *testing.T) {
	client := kinesisAt(t, local.Kinesalite(t).URL())
	createStream(t, client, "random", 2)
	createStream(t, client, "keyed", 3)
	p := &producer{client: client, stream: "random", want: map[string][]string{}}
	dir := t.TempDir()
	arrived := func() int { return onStream(t, client, "keyed").events() }
	var read int64
	leg := func(during func()) {
		t.Helper()
		src := openSource(t, client, "random", "keyed", store(t, dir), time.Time{})
		f := New(openStream(t, client, "keyed"))
		stop := run(t, func(ctx context.Context) error { return f.Rekey(ctx, src) })
		during()
		await(t, func() bool { return arrived() == p.n })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		read += src.Counts.Read
	}
	p.put(t, 40)
	leg(func() { p.put(t, 40) })
	leg(func() {
		split(t, client, "random", 0)
		p.put(t, 40)
	})
	p.put(t, 20)
	leg(func() {
		merge(t, client, "random")
		p.put(t, 40)
		split(t, client, "random", len(listShards(t, client, "random"))-1)
		p.put(t, 40)
	})
	got := onStream(t, client, "keyed")
	if diff := cmp.Diff(sortedIDs(p.want), sortedIDs(got.IDs)); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
	for account, shards := range got.Accounts {
		if len(shards) != 1 {
			t.Errorf("account %s is in %v", account, shards)
		}
	}
	if read != int64(p.n) {
		t.Errorf("%d records were read of %d: orderly ends should leave nothing to be read again", read, p.n)
	}
}

// split halves a shard, named by its place in the list.
func split(t *testing.T, client *kinesis.Client, name string, place int) {
	t.Helper()
	out, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	s := out.Shards[place]
	low, high := number(t, *s.HashKeyRange.StartingHashKey), number(t, *s.HashKeyRange.EndingHashKey)
	middle := low.Add(low, high).Rsh(low, 1).String()
	if _, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &name, ShardToSplit: s.ShardId, NewStartingHashKey: &middle}); err != nil {
		t.Fatal(err)
	}
	active(t, client, name)
}

// merge joins the last two shards, which a split made.
func merge(t *testing.T, client *kinesis.Client, name string) {
	t.Helper()
	ids := listShards(t, client, name)
	if _, err := client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: &name, ShardToMerge: &ids[len(ids)-2], AdjacentShardToMerge: &ids[len(ids)-1]}); err != nil {
		t.Fatal(err)
	}
	active(t, client, name)
}

// TestParentsBeforeChildren: the order in which shards are read.
func TestParentsBeforeChildren(t *testing.T) {
	b := &book{page: page{Shards: map[string]*place{"done": {Ended: true}}}}
	s := &Source{book: b, listed: map[string][]string{
		"done": nil, "open": nil, "child of done": {"done"}, "child of open": {"open"},
		"child of both": {"done", "open"}, "child of forgotten": {"no longer listed"},
	}}
	if diff := cmp.Diff([]string{"child of done", "child of forgotten", "open"}, s.due()); diff != "" {
		t.Errorf("shards to read (-want +got):\n%s", diff)
	}
	b.ended("open")
	if diff := cmp.Diff([]string{"child of both", "child of done", "child of forgotten", "child of open"}, s.due()); diff != "" {
		t.Errorf("after the end of open (-want +got):\n%s", diff)
	}
}

// TestFromNowOn: what was there before is left out, also by the next process,
// which comes when more was written.
func TestFromNowOn(t *testing.T) {
	client := kinesisAt(t, local.Kinesalite(t).URL())
	createStream(t, client, "random", 1)
	createStream(t, client, "keyed", 1)
	p := &producer{client: client, stream: "random", want: map[string][]string{}}
	p.put(t, 10)
	p.want = map[string][]string{}
	time.Sleep(1100 * time.Millisecond) // the emulator's arrival times are of a second
	dir := t.TempDir()
	openSource(t, client, "random", "keyed", store(t, dir), time.Now()) // and ends at once
	time.Sleep(1100 * time.Millisecond)
	p.put(t, 10)
	src := openSource(t, client, "random", "keyed", store(t, dir), time.Now().Add(time.Hour))
	f := New(openStream(t, client, "keyed"))
	stop := run(t, func(ctx context.Context) error { return f.Rekey(ctx, src) })
	await(t, func() bool { return onStream(t, client, "keyed").events() >= 10 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sortedIDs(p.want), sortedIDs(onStream(t, client, "keyed").IDs)); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
}

// TestTheSourceFailsForAWhile: expired iterators and throttled reads cost time
// and nothing else.
func TestTheSourceFailsForAWhile(t *testing.T) {
	proxy, err := fault.New(local.Kinesalite(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	client := kinesisAt(t, proxy.URL())
	createStream(t, client, "random", 2)
	createStream(t, client, "keyed", 1)
	expired := proxy.Add(fault.Rule{Operation: "GetRecords", Contains: "ShardIterator", Calls: fault.Sometimes(0.2, 1), Fate: fault.Reply, Answer: fault.Error(400, "ExpiredIteratorException")})
	busy := proxy.Add(fault.Rule{Operation: "GetRecords", Calls: fault.Sometimes(0.1, 2), Fate: fault.Reply, Answer: fault.Error(400, "ProvisionedThroughputExceededException")})
	src := openSource(t, client, "random", "keyed", store(t, t.TempDir()), time.Time{})
	f := New(openStream(t, client, "keyed"))
	stop := run(t, func(ctx context.Context) error { return f.Rekey(ctx, src) })
	p := &producer{client: client, stream: "random", want: map[string][]string{}}
	for range 20 {
		p.put(t, 5)
	}
	await(t, func() bool { return expired.Hits() > 0 && busy.Hits() > 0 })
	proxy.Clear()
	await(t, func() bool { return onStream(t, client, "keyed").events() >= p.n })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sortedIDs(p.want), sortedIDs(onStream(t, client, "keyed").IDs)); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
}

// TestTwoProcesses: the older of two finds out at its next save.
func TestTwoProcesses(t *testing.T) {
	state := store(t, t.TempDir())
	open := func() *book {
		b, err := openBook(t.Context(), state, "a", "b", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	older, newer := open(), open()
	older.moved("s", "1")
	if err := older.save(t.Context()); !errors.Is(err, ErrTaken) {
		t.Errorf("error %v, want %v", err, ErrTaken)
	}
	if err := older.saveIfDue(t.Context(), slog.New(slog.DiscardHandler), time.Now(), true); !errors.Is(err, ErrTaken) {
		t.Errorf("error %v, want %v", err, ErrTaken)
	}
	newer.moved("s", "2")
	if err := newer.save(t.Context()); err != nil {
		t.Error(err)
	}
	if got := open().shard("s").Sequence; got != "2" {
		t.Errorf("position %q, want that of the newer", got)
	}
}

// forgetful is a store whose writes work and say that they did not.
type forgetful struct {
	blob.Store
	fail bool
}

func (f *forgetful) PutIf(ctx context.Context, key string, data []byte, etag string) (string, error) {
	etag, err := f.Store.PutIf(ctx, key, data, etag)
	if f.fail && err == nil {
		return "", errors.New("connection lost")
	}
	return etag, err
}

// TestAnAmbiguousSaveIsReadBack: the process is not taken for its own rival.
func TestAnAmbiguousSaveIsReadBack(t *testing.T) {
	state := &forgetful{Store: store(t, t.TempDir())}
	b, err := openBook(t.Context(), state, "a", "b", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	state.fail = true
	b.moved("s", "1")
	if err := b.save(t.Context()); err != nil {
		t.Errorf("a write that worked: %v", err)
	}
	b.etag = "of an older write"
	b.moved("s", "2")
	state.fail = false
	if err := b.save(t.Context()); err != nil {
		t.Errorf("behind a write that nobody knows of: %v", err)
	}
}

func TestBooksOfOtherVersionsAreRefused(t *testing.T) {
	state := store(t, t.TempDir())
	if _, err := state.Put(t.Context(), "forward/a/b.json", []byte(`{"format":2,"from":"a","to":"b"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := openBook(t.Context(), state, "a", "b", time.Time{}); err == nil {
		t.Error("a book of format 2 was read")
	}
}

// TestIterators: where reading goes on.
func TestIterators(t *testing.T) {
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	b := &book{page: page{Start: start, Shards: map[string]*place{"read": {Sequence: "7"}}}}
	if in := b.iterator("read"); in.ShardIteratorType != types.ShardIteratorTypeAfterSequenceNumber || *in.StartingSequenceNumber != "7" {
		t.Errorf("a shard that was read goes on at %+v", in)
	}
	if in := b.iterator("new"); in.ShardIteratorType != types.ShardIteratorTypeAtTimestamp || !in.Timestamp.Equal(start) {
		t.Errorf("another begins at %+v, want the start", in)
	}
	b.page.Start = time.Time{}
	if in := b.iterator("new"); in.ShardIteratorType != types.ShardIteratorTypeTrimHorizon {
		t.Errorf("another begins at %+v, want the beginning", in)
	}
}
