package kcl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/state/manifest"
)

func TestSecondWorkerGetsItsShare(t *testing.T) {
	s := newStream(t, 4)
	s.puts(200)
	one := s.start("one")
	one.holds(4)
	s.all()
	two := s.start("two")
	s.puts(200)
	two.holds(2)
	one.holds(2)
	s.puts(200)
	s.all()
	if again := s.ledger.entries("again"); len(again) != 0 {
		t.Errorf("%d records were read again", len(again))
	}
	if n := len(s.ledger.entries("release")); n != 2 {
		t.Errorf("%d last commits, want one for each of 2 hand-offs", n)
	}
	if took := two.halt(); took > 5*time.Second {
		t.Errorf("stop took %v", took)
	}
	one.holds(4)
	s.puts(100)
	one.halt()
	if rolls := s.ledger.entries("roll"); len(rolls) != 6 {
		t.Errorf("%d shards were rolled by two stops, want 2 and 4", len(rolls))
	}
	three := s.start("three")
	s.all()
	three.halt()
	s.closedOnce()
	for _, r := range []*running{one, two, three} {
		if n := r.errors.Load(); n != 0 {
			t.Errorf("worker %s logged %d errors although all went well", r.cfg.Worker, n)
		}
	}
}

// closedOnce checks that each opening of a shard was followed by one closing.
func (s *testStream) closedOnce() {
	s.t.Helper()
	open := map[string]string{}
	for _, e := range s.ledger.entries("") {
		switch who := open[e.shard]; {
		case e.what == "open" && who == e.worker:
			s.t.Errorf("%s was opened by %s while it had it open", e.shard, who)
		case e.what == "open":
			open[e.shard] = e.worker
		case e.what == "close" && who == e.worker:
			delete(open, e.shard)
		}
	}
	if len(open) != 0 {
		s.t.Errorf("left open: %v", open)
	}
}

func TestTakeOverAfterAKill(t *testing.T) {
	s := newStream(t, 3)
	one := s.start("one")
	one.holds(3)
	s.puts(300)
	s.all()
	two := s.start("two", func(c *Config) { c.MaxShards = 3 })
	two.holds(1)
	began := time.Now()
	one.kill()
	s.puts(300)
	two.holds(3)
	if took := time.Since(began); took < leaseTime/2 || took > 5*leaseTime {
		t.Errorf("taken over after %v, with leases of %v", took, leaseTime)
	}
	s.all()
	t.Logf("taken over after %v, %d records read again", time.Since(began), len(s.ledger.entries("again")))
}

// A new process under the name of one that died gets all shards when the old
// leases have run out, and not before.
func TestDefect16RestartUnderTheSameName(t *testing.T) {
	s := newStream(t, 4)
	old := s.start("same")
	old.holds(4)
	s.puts(100)
	s.all()
	old.kill()
	began := time.Now()
	s.puts(100)
	again := s.start("same")
	again.holds(4)
	if took := time.Since(began); took < leaseTime/2 {
		t.Errorf("all shards after %v: leases of the dead process were taken while they ran", took)
	}
	s.all()
}

// Children are read after all of their parents have ended, from their beginning,
// although nothing was committed of them; SHARD_END is written for each parent.
func TestDefect06To08And14SplitAndMerge(t *testing.T) {
	s := newStream(t, 2)
	one := s.start("one", func(c *Config) { c.From = time.Now().Add(-time.Minute) })
	two := s.start("two")
	s.puts(100)
	ids := s.shardIDs()
	_, err := s.client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &s.name, ShardToSplit: &ids[0], NewStartingHashKey: aws.String("85070591730234615865843651857942052864")})
	if err != nil {
		t.Fatal(err)
	}
	s.active()
	s.puts(100)
	ids = s.shardIDs() // 0 and 1, and 2 and 3 from 0
	if _, err := s.client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: &s.name, ShardToMerge: &ids[3], AdjacentShardToMerge: &ids[1]}); err != nil {
		t.Fatal(err)
	}
	s.active()
	s.puts(100)
	ids = s.shardIDs()
	s.all()
	opens := map[string]entry{}
	ends := map[string]time.Duration{}
	for _, e := range s.ledger.entries("") {
		switch e.what {
		case "open":
			if _, there := opens[e.shard]; !there {
				opens[e.shard] = e
			}
		case "end":
			ends[e.shard] = e.at
		}
	}
	family := map[string][]string{ids[2]: {ids[0]}, ids[3]: {ids[0]}, ids[4]: {ids[3], ids[1]}}
	for child, parents := range family {
		if got := opens[child].parent; !sameSet(got, parents) {
			t.Errorf("parents of %s: %v, want %v", child, got, parents)
		}
		for _, p := range parents {
			if end, ok := ends[p]; !ok || end > opens[child].at {
				t.Errorf("%s was opened at %v, its parent %s ended at %v (%v)", child, opens[child].at, p, end, ok)
			}
		}
	}
	f := &fleet{t: t, table: "t-" + s.name}
	for _, p := range []string{ids[0], ids[1], ids[3]} {
		if r := f.row(p); r.checkpoint != shardEnd || r.token != "" {
			t.Errorf("row of the ended %s: %+v", p, r)
		}
	}
	one.halt()
	two.halt()
	s.closedOnce()
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// The end of a shard is written once, by the shard. The library, which also has to
// know, adds no write of its own.
func TestDefect14EndIsWrittenOnce(t *testing.T) {
	s := newStream(t, 1)
	var ends atomic.Int32
	one := s.prepare("one")
	one.dynamo.set(func(_ string, in any) (any, error) {
		if u, ok := in.(*dynamodb.UpdateItemInput); ok {
			for _, v := range u.ExpressionAttributeValues {
				if text, ok := v.(*dynamotypes.AttributeValueMemberS); ok && text.Value == shardEnd {
					ends.Add(1)
				}
			}
		}
		return nil, nil
	})
	one.begin()
	s.puts(50)
	s.all()
	ids := s.shardIDs()
	_, err := s.client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &s.name, ShardToSplit: &ids[0], NewStartingHashKey: aws.String("170141183460469231731687303715884105728")})
	if err != nil {
		t.Fatal(err)
	}
	s.active()
	s.puts(50)
	s.all()
	one.holds(2) // the children; the library has given up their parent
	if n := ends.Load(); n != 1 {
		t.Errorf("SHARD_END was written %d times, want once", n)
	}
	f := &fleet{t: t, table: "t-" + s.name}
	if r := f.row(ids[0]); r.checkpoint != shardEnd || r.token != "" {
		t.Errorf("row of the ended shard: %+v", r)
	}
	time.Sleep(5 * one.cfg.sync)
	if n := len(s.ledger.entries("end")); n != 1 {
		t.Errorf("the shard ended %d times", n)
	}
}

// An end that fails leaves the shard unfinished: its children wait, and it is
// tried again.
func TestDefect14EndIsTriedAgain(t *testing.T) {
	s := newStream(t, 1)
	var ends atomic.Int32
	s.ledger.failing(func(what, _ string) error {
		if what == "end" && ends.Add(1) == 1 {
			return errors.New("the store is down")
		}
		return nil
	})
	s.puts(50)
	s.start("one")
	s.all()
	ids := s.shardIDs()
	_, err := s.client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &s.name, ShardToSplit: &ids[0], NewStartingHashKey: aws.String("170141183460469231731687303715884105728")})
	if err != nil {
		t.Fatal(err)
	}
	s.active()
	s.puts(50)
	s.all()
	if ends.Load() < 2 || len(s.ledger.entries("end")) != 1 {
		t.Errorf("%d attempts, %d ends", ends.Load(), len(s.ledger.entries("end")))
	}
}

// A process that stands still for longer than its lease: its late commit and
// checkpoint are refused, it closes its shards, and nothing is twice.
func TestDefect01PausedWorker(t *testing.T) {
	s := newStream(t, 2)
	one := s.start("one")
	one.holds(2)
	s.puts(100)
	s.all()
	resume := make(chan struct{})
	stopped := func(string, any) (any, error) { <-resume; return nil, nil }
	one.dynamo.set(stopped)
	one.kinesis.set(stopped)
	two := s.start("two")
	two.holds(2)
	s.puts(100)
	s.all()
	one.dynamo.set(nil)
	one.kinesis.set(nil)
	close(resume)
	woke := time.Since(s.ledger.began)
	s.puts(100)
	s.all()
	again := map[string]bool{} // it may get its share back
	for _, e := range s.ledger.entries("") {
		switch {
		case e.worker != "one" || e.at < woke:
		case e.what == "open":
			again[e.shard] = true
		case e.what == "commit" && !again[e.shard]:
			t.Errorf("the old owner committed %s at %v, after it woke at %v", e.shard, e.at, woke)
		}
	}
	f := &fleet{t: t, table: "t-" + s.name}
	for _, shard := range s.shardIDs() {
		eventually(t, "each shard has an owner", func() bool { return f.row(shard).token != "" })
	}
	if n := one.errors.Load(); n != 0 {
		t.Errorf("%d errors in the log of a worker that has only lost its leases", n)
	}
}

func TestDefect17NoLeaseIsLostToErrors(t *testing.T) {
	s := newStream(t, 2)
	one := s.start("one", func(c *Config) { c.Lease = 4 * time.Second })
	one.holds(2)
	s.puts(50)
	s.all()
	one.dynamo.set(func(string, any) (any, error) { return nil, &dynamotypes.InternalServerError{} })
	s.puts(50)
	time.Sleep(2500 * time.Millisecond)
	one.dynamo.set(nil)
	s.puts(50)
	s.all()
	if n := len(s.ledger.entries("open")); n != 2 {
		t.Errorf("shards were opened %d times, want once each", n)
	}
	if again := s.ledger.entries("again"); len(again) != 0 {
		t.Errorf("%d records were read again", len(again))
	}
}

// When the table is away for longer than a lease, shards are closed, and opened
// again when it is back; nothing is lost or twice.
func TestTableAwayBeyondALease(t *testing.T) {
	s := newStream(t, 2)
	one := s.start("one")
	one.holds(2)
	s.puts(50)
	s.all()
	one.dynamo.set(func(string, any) (any, error) { return nil, &dynamotypes.InternalServerError{} })
	eventually(t, "the shards are closed", func() bool { return len(s.ledger.entries("close")) == 2 })
	s.puts(50)
	one.dynamo.set(nil)
	one.holds(2)
	s.all()
}

// Iterators expire, one or several in a row: the consumer stays.
func TestDefect11ExpiredIteratorsAreReplaced(t *testing.T) {
	s := newStream(t, 1)
	one := s.start("one")
	s.puts(50)
	s.all()
	var expired atomic.Int32
	for _, inARow := range []int32{1, 5} {
		expired.Store(inARow)
		one.kinesis.set(func(operation string, _ any) (any, error) {
			if operation == "GetRecords" && expired.Add(-1) >= 0 {
				return nil, &types.ExpiredIteratorException{}
			}
			return nil, nil
		})
		s.puts(50)
		s.all()
	}
	if n := len(s.ledger.entries("open")); n != 1 {
		t.Errorf("the shard was opened %d times, want once", n)
	}
	if again := s.ledger.entries("again"); len(again) != 0 {
		t.Errorf("%d records were read again", len(again))
	}
	if n := value(t, one.cfg.Metrics.expired); n != 6 {
		t.Errorf("%v iterators replaced, want 6", n)
	}
}

// Opening a shard takes several leases; it is done once, and the lease is kept.
func TestDefect12RestoreUnderARenewedLease(t *testing.T) {
	s := newStream(t, 1)
	s.ledger.openTakes = 3 * leaseTime
	s.puts(50)
	s.start("one")
	other := s.start("two")
	s.all()
	if opens := s.ledger.entries("open"); len(opens) != 1 {
		t.Errorf("opened %d times", len(opens))
	}
	_ = other
}

// A shard that cannot go on is closed without a commit, left alone for a while,
// and read on from what is committed: no batch is left out.
func TestFailedShardSkipsNothing(t *testing.T) {
	s := newStream(t, 1)
	var fails atomic.Int32
	fails.Store(1)
	s.ledger.failing(func(what, _ string) error {
		if what == "process" && len(s.ledger.shards) > 0 && s.put >= 100 && fails.Add(-1) >= 0 {
			return errors.New("disk full")
		}
		return nil
	})
	one := s.start("one")
	s.puts(50)
	eventually(t, "the first events are there", func() bool { return len(s.ledger.rows()) == 50 })
	s.ledger.mu.Lock()
	s.put += 50
	s.ledger.mu.Unlock()
	s.put -= 50
	s.puts(50)
	s.all()
	if n, lines := value(t, one.cfg.Metrics.shardFailures), one.errors.Load(); n < 1 || lines > int32(n) {
		t.Errorf("%v failures counted, %d errors in the log; want one for each", n, lines)
	}
	if n := len(s.ledger.entries("open")); n < 2 {
		t.Errorf("opened %d times", n)
	}
	s.once()
}

// A shard that cannot be opened does not keep the others from being read.
func TestShardThatDoesNotOpen(t *testing.T) {
	s := newStream(t, 2)
	ids := s.shardIDs()
	s.ledger.failing(func(what, shard string) error {
		if what == "open" && shard == ids[0] {
			return errors.New("segment damaged")
		}
		return nil
	})
	one := s.start("one")
	s.puts(100)
	eventually(t, "the other shard is read", func() bool { return len(s.ledger.rows()) > 20 })
	eventually(t, "the opening is tried again", func() bool { return value(t, one.cfg.Metrics.shardFailures) >= 2 })
	s.ledger.failing(nil)
	s.all()
}

// A worker that stops while a shard is being opened does not wait for it.
func TestStopWhileRestoring(t *testing.T) {
	s := newStream(t, 1)
	s.ledger.openTakes = time.Hour
	one := s.start("one")
	one.holds(1)
	time.Sleep(300 * time.Millisecond)
	if took := one.halt(); took > 3*time.Second {
		t.Errorf("stop took %v", took)
	}
	f := &fleet{t: t, table: "t-" + s.name}
	if r := f.row(s.shardIDs()[0]); r.token != "" {
		t.Errorf("the row was not released: %+v", r)
	}
}

// A stop does not look at a batch: what is read while the worker stops is left
// to the next owner.
func TestDefect15StopIsQuick(t *testing.T) {
	s := newStream(t, 4)
	one := s.start("one")
	one.holds(4)
	for range 20 {
		s.puts(100)
	}
	took := one.halt()
	if took > 3*time.Second {
		t.Errorf("stop took %v", took)
	}
	t.Logf("stopped in %v", took)
	s.start("two")
	s.all()
	if again := s.ledger.entries("again"); len(again) != 0 {
		t.Errorf("%d records were read again after a graceful stop", len(again))
	}
}

// A last commit that fails is told to the caller, once, and the row is free.
func TestStopWithoutTheLastCommit(t *testing.T) {
	s := newStream(t, 1)
	one := s.start("one")
	s.puts(10)
	s.all()
	s.ledger.failing(func(what, _ string) error {
		if what == "release" {
			return errors.New("the store is down")
		}
		return nil
	})
	one.stop()
	<-one.done
	if !errors.Is(one.err, ErrStop) || !errors.Is(one.err, errUncommitted) {
		t.Errorf("%v, want ErrStop for want of the last commit", one.err)
	}
	if n := one.errors.Load(); n != 1 {
		t.Errorf("%d errors in the log, want one", n)
	}
	f := &fleet{t: t, table: "t-" + s.name}
	if r := f.row(s.shardIDs()[0]); r.token != "" {
		t.Errorf("the row was not released: %+v", r)
	}
	s.ledger.failing(nil)
	s.start("two")
	s.puts(10)
	s.all()
}

// A shard that turns out to be somebody else's at the last commit is a warning.
func TestStopOfAShardThatWasTakenOver(t *testing.T) {
	s := newStream(t, 1)
	one := s.start("one")
	s.puts(10)
	s.all()
	s.ledger.failing(func(what, _ string) error {
		if what == "release" {
			return fmt.Errorf("commit: %w", manifest.ErrFenced)
		}
		return nil
	})
	one.halt()
	if n := one.errors.Load(); n != 0 {
		t.Errorf("%d errors in the log", n)
	}
}

func TestStopHasADeadline(t *testing.T) {
	s := newStream(t, 1)
	stuck := make(chan struct{})
	one := s.prepare("one", func(c *Config) {
		c.commitTime = 500 * time.Millisecond
		c.Open = func(ctx context.Context, info ShardInfo) (Shard, error) {
			inner, err := s.ledger.open("one")(ctx, info)
			return hanging{inner, stuck}, err
		}
	})
	one.begin()
	one.holds(1)
	eventually(t, "the shard is open", func() bool { return len(s.ledger.entries("open")) == 1 })
	began := time.Now()
	one.stop()
	<-one.done
	if took := time.Since(began); took > 5*time.Second || !errors.Is(one.err, ErrStop) || !errors.Is(one.err, errUncommitted) {
		t.Errorf("stop took %v: %v, want it to tell that the last commit is missing", took, one.err)
	}
	close(stuck)
}

// The parts of a stop fit into it, in their worst cases, and leave the library
// some time.
func TestStopTimes(t *testing.T) {
	w, err := New(Config{App: "a", Stream: "s", Worker: "w", Kinesis: kinesisAt("http://127.0.0.1:1"), DynamoDB: dynamodb.New(dynamodb.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	if w.cfg.commitTime != commitTime {
		t.Errorf("a worker commits for %v in a stop, want %v", w.cfg.commitTime, commitTime)
	}
	if left := StopTime - commitTime - lingerTime - freeTime; left < 4*time.Second {
		t.Errorf("%v for the library to end", left)
	}
	if rollTime >= commitTime {
		t.Errorf("files may take %v of the %v in which all has to be committed", rollTime, commitTime)
	}
}

// hanging is a shard whose last commit does not come to an end.
type hanging struct {
	Shard
	stuck chan struct{}
}

func (h hanging) Release(context.Context, time.Time, bool) error { <-h.stuck; return nil }

func TestIdleOnlyAtTheTip(t *testing.T) {
	s := newStream(t, 1)
	one := s.prepare("one")
	var behind atomic.Int64
	behind.Store(5000)
	one.kinesis.set(func(operation string, _ any) (any, error) {
		if operation != "GetRecords" {
			return nil, nil
		}
		next := "iterator"
		one.reader.enter(next, cursor{shard: "shardId-000000000000"})
		return &kinesis.GetRecordsOutput{NextShardIterator: &next, MillisBehindLatest: aws.Int64(behind.Load())}, nil
	})
	one.begin()
	eventually(t, "some empty reads", func() bool { return one.kinesis.count("GetRecords") > 3 })
	if n := len(s.ledger.entries("idle")); n != 0 {
		t.Errorf("%d times idle with empty reads 5 s behind the tip", n)
	}
	behind.Store(0)
	eventually(t, "the shard is told that it is idle", func() bool { return len(s.ledger.entries("idle")) > 0 })
}

func TestDefect10NoLag(t *testing.T) {
	s := newStream(t, 1)
	one := s.prepare("one")
	one.kinesis.set(func(operation string, in any) (any, error) {
		if operation != "GetRecords" {
			return nil, nil
		}
		return &kinesis.GetRecordsOutput{NextShardIterator: in.(*kinesis.GetRecordsInput).ShardIterator}, nil
	})
	one.begin()
	eventually(t, "several reads without a lag", func() bool { return one.kinesis.count("GetRecords") > 3 })
}

func TestUnkeyedStream(t *testing.T) {
	s := newStream(t, 1)
	auto := func(operation string, _ any) (any, error) {
		if operation != "DescribeStreamSummary" {
			return nil, nil
		}
		return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
			RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
		}}, nil
	}
	keyed := func() bool { return true }
	refused := s.prepare("refused", func(c *Config) { c.Keyed = keyed })
	refused.kinesis.set(auto)
	if err := refused.Run(t.Context()); !errors.Is(err, ErrUnkeyed) {
		t.Errorf("a stream that distributes by itself: %v, want ErrUnkeyed", err)
	}
	allowed := s.prepare("allowed", func(c *Config) { c.Keyed = func() bool { return false } })
	allowed.kinesis.set(auto)
	allowed.begin()
	allowed.holds(1)
	if v := value(t, allowed.cfg.Metrics.unkeyed); v != 1 {
		t.Errorf("metric %v, want 1", v)
	}
}

// A stream that is switched while it is read does not end the worker, which tells
// of each change once.
func TestStreamThatIsSwitched(t *testing.T) {
	s := newStream(t, 1)
	var mu sync.Mutex
	strategy := types.RecordDistributionStrategyUserPartitionKey
	var told []bool
	w := s.prepare("one", func(c *Config) {
		c.lookEvery = 50 * time.Millisecond
		c.Keyed = func() bool { return true }
		c.Distribution = func(unkeyed bool) { mu.Lock(); defer mu.Unlock(); told = append(told, unkeyed) }
	})
	looks := 0
	w.kinesis.set(func(operation string, _ any) (any, error) {
		if operation != "DescribeStreamSummary" {
			return nil, nil
		}
		mu.Lock()
		defer mu.Unlock()
		looks++
		return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{RecordDistributionStrategy: strategy}}, nil
	})
	w.begin()
	w.holds(1)
	for _, now := range []types.RecordDistributionStrategy{types.RecordDistributionStrategyAuto, types.RecordDistributionStrategyUserPartitionKey} {
		mu.Lock()
		strategy, looks = now, 0
		mu.Unlock()
		eventually(t, "it is looked at some times", func() bool { mu.Lock(); defer mu.Unlock(); return looks > 3 })
		want := 0.0
		if now == types.RecordDistributionStrategyAuto {
			want = 1
		}
		if v := value(t, w.cfg.Metrics.unkeyed); v != want {
			t.Errorf("metric %v of a stream that is %s, want %v", v, now, want)
		}
	}
	w.holds(1)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(told, []bool{false, true, false}) {
		t.Errorf("told %v, want it of the start and of two changes", told)
	}
}

func TestStreamThatIsNotThere(t *testing.T) {
	s := newStream(t, 1)
	one := s.prepare("one", func(c *Config) { c.Stream = "absent" })
	if err := one.Run(t.Context()); err == nil {
		t.Error("a worker runs on a stream that is not there")
	}
	if _, err := New(Config{Kinesis: kinesis.New(kinesis.Options{}), DynamoDB: dynamodb.New(dynamodb.Options{})}); err == nil {
		t.Error("a worker without a region")
	}
}

// What a shard is told about itself.
func TestShardInfo(t *testing.T) {
	s := newStream(t, 2)
	var mu sync.Mutex
	infos := map[string]ShardInfo{}
	one := s.start("one", func(c *Config) {
		open := c.Open
		c.Open = func(ctx context.Context, i ShardInfo) (Shard, error) {
			mu.Lock()
			defer mu.Unlock()
			infos[i.Shard] = i
			return open(ctx, i)
		}
	})
	one.holds(2)
	eventually(t, "both are open", func() bool { mu.Lock(); defer mu.Unlock(); return len(infos) == 2 })
	mu.Lock()
	defer mu.Unlock()
	for shard, i := range infos {
		if i.HashShare != 0.5 || i.HashRange[1] == "" || i.Hint != "" || len(i.Parents) != 0 || i.Stream.ARN == "" || i.Stream.Source() == " " {
			t.Errorf("%s: %+v", shard, i)
		}
	}
}

// A commit that is due does not wait for the stream to answer.
func TestClockTicksWithoutReads(t *testing.T) {
	s := newStream(t, 1)
	one := s.start("one")
	one.holds(1)
	var blocked atomic.Bool
	release := make(chan struct{})
	s.puts(10)
	s.all()
	one.kinesis.set(func(operation string, _ any) (any, error) {
		if operation == "GetRecords" {
			blocked.Store(true)
			<-release
		}
		return nil, nil
	})
	defer close(release)
	eventually(t, "a read hangs", blocked.Load)
	ticks := make(chan struct{}, 100)
	s.ledger.failing(func(what, _ string) error {
		if what == "process" {
			select {
			case ticks <- struct{}{}:
			default:
			}
		}
		return nil
	})
	for i := range 2 {
		select {
		case <-ticks:
		case <-time.After(10 * time.Second):
			t.Fatalf("tick %d did not come", i)
		}
	}
}

// Aggregates are not the library's affair: a bad one costs neither its batch nor
// its neighbours.
func TestDefect09BadAggregates(t *testing.T) {
	s := newStream(t, 1)
	s.puts(20)
	s.aggregates(t)
	s.puts(20)
	s.start("one")
	s.all()
	if rows := s.ledger.rows(); rows["reject broken aggregate"] != 1 {
		t.Errorf("rows %v, want one reject", rows)
	}
	if n := len(s.ledger.entries("open")); n != 1 {
		t.Errorf("opened %d times", n)
	}
}

// A worker takes one shard in each round, and rounds are short.
func TestDefect13LeasesPerSecond(t *testing.T) {
	s := newStream(t, 10)
	one := s.start("one")
	eventually(t, "the first shard", func() bool { return len(one.leases.Held()) > 0 })
	began := time.Now()
	one.holds(10)
	if took := time.Since(began); took > 20*one.cfg.sync {
		t.Errorf("9 more shards after %v, with a round of %v", took, one.cfg.sync)
	}
	// A round lists the shards once, and is longer than half an interval.
	if scans, rounds := one.dynamo.count("Scan"), one.kinesis.count("ListShards"); scans > 2*rounds {
		t.Errorf("%d reads of the table in %d rounds over 10 shards", scans, rounds)
	}
}

func TestMaxShards(t *testing.T) {
	s := newStream(t, 3)
	one := s.start("one", func(c *Config) { c.MaxShards = 2 })
	one.holds(2)
	time.Sleep(5 * one.cfg.sync)
	if n := len(one.leases.Held()); n != 2 {
		t.Errorf("%d shards with a limit of 2", n)
	}
	s.start("two")
	s.puts(100)
	s.all()
}

// Twelve shards, workers 1 → 3 → 1, under load.
func TestFleetGrowsAndShrinks(t *testing.T) {
	s := newStream(t, 12)
	one := s.start("one")
	one.holds(12)
	s.puts(300)
	two, three := s.start("two"), s.start("three")
	for _, r := range []*running{one, two, three} {
		s.puts(100)
		r.holds(4)
	}
	s.all()
	two.halt()
	s.puts(100)
	three.halt()
	one.holds(12)
	s.puts(100)
	s.all()
	if again := s.ledger.entries("again"); len(again) != 0 {
		t.Errorf("%d records were read again", len(again))
	}
	one.halt()
	s.closedOnce()
}
