package main

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/deploy/local/fault"
)

// open lists the shards that take records, in the order of their hash keys.
func (f *crew) open() (shards []types.Shard) {
	f.t.Helper()
	out, err := f.client.ListShards(f.t.Context(), &kinesis.ListShardsInput{StreamName: &f.stream})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range out.Shards {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			shards = append(shards, s)
		}
	}
	for i := range shards { // few; by insertion
		for j := i; j > 0 && hash(shards[j].HashKeyRange.StartingHashKey).Cmp(hash(shards[j-1].HashKeyRange.StartingHashKey)) < 0; j-- {
			shards[j], shards[j-1] = shards[j-1], shards[j]
		}
	}
	return shards
}

func hash(text *string) *big.Int {
	n, _ := new(big.Int).SetString(*text, 10)
	return n
}

// split cuts a shard in two at a part of its range.
func (f *crew) split(s types.Shard, part int64) {
	f.t.Helper()
	lo, hi := hash(s.HashKeyRange.StartingHashKey), hash(s.HashKeyRange.EndingHashKey)
	at := new(big.Int).Sub(hi, lo)
	at.Mul(at, big.NewInt(part)).Div(at, big.NewInt(100)).Add(at, lo)
	text := at.String()
	if _, err := f.client.SplitShard(f.t.Context(), &kinesis.SplitShardInput{StreamName: &f.stream, ShardToSplit: s.ShardId, NewStartingHashKey: &text}); err != nil {
		f.t.Fatal(err)
	}
	f.active()
}

// merge makes one of two shards that lie side by side.
func (f *crew) merge(a, b types.Shard) {
	f.t.Helper()
	if _, err := f.client.MergeShards(f.t.Context(), &kinesis.MergeShardsInput{StreamName: &f.stream, ShardToMerge: a.ShardId, AdjacentShardToMerge: b.ShardId}); err != nil {
		f.t.Fatal(err)
	}
	f.active()
}

// ended waits until all shards that are not open any more are committed for good.
func (f *crew) ended() {
	f.t.Helper()
	f.until("all ended shards are closed", 90*time.Second, func() bool {
		out, err := f.client.ListShards(f.t.Context(), &kinesis.ListShardsInput{StreamName: &f.stream})
		if err != nil {
			return false
		}
		manifests := f.manifests()
		for _, s := range out.Shards {
			if m := manifests[*s.ShardId]; s.SequenceNumberRange.EndingSequenceNumber != nil && (m == nil || !m.Closed) {
				return false
			}
		}
		return true
	})
}

// reshard splits shards, splits their children and merges neighbours while
// records come and workers are killed.
func (g *ground) reshard(t *testing.T) {
	times := rounds("CAIRN_RESHARDS", 1)
	tr := g.lasting(t, times)
	f := g.newFleet(t, 2)
	f.watching()
	f.worker()
	f.worker()
	chance := rand.New(rand.NewPCG(5, uint64(times)))
	stop := make(chan struct{})
	kills := f.killing(stop, 4*time.Second, 5)
	wait := f.produce(tr.pieces, time.Duration(times)*12*time.Second)
	splits, merges := 0, 0
	for range times {
		f.split(pick(chance, f.open()), 20+chance.Int64N(60))
		time.Sleep(time.Duration(chance.IntN(2000)) * time.Millisecond)
		children := f.open()
		f.split(children[len(children)-1], 50) // of a child as a rule, whose parent may not have ended yet
		splits += 2
		for len(f.open()) > 2 {
			time.Sleep(time.Duration(chance.IntN(2500)) * time.Millisecond)
			open := f.open()
			i := chance.IntN(len(open) - 1)
			f.merge(open[i], open[i+1])
			merges++
		}
	}
	wait()
	close(stop)
	n := kills()
	f.ended()
	f.consumed(tr.events)
	f.finish()
	f.note = append(f.note, fmt.Sprintf("%d events; %d splits, %d merges, %d kills", len(tr.ids), splits, merges, n))
	f.check(tr, 0)
}

func pick[T any](chance *rand.Rand, of []T) T { return of[chance.IntN(len(of))] }

// killing kills a worker now and then and starts another one. The returned
// function waits for the last and tells how many there were.
func (f *crew) killing(stop <-chan struct{}, every time.Duration, seed uint64) (wait func() int) {
	done, n := make(chan struct{}), 0
	go func() {
		defer close(done)
		chance := rand.New(rand.NewPCG(seed, seed))
		for {
			select {
			case <-stop:
				return
			case <-time.After(every/2 + time.Duration(chance.Int64N(int64(every)))):
			}
			pick(chance, f.running()).crash()
			f.worker()
			n++
		}
	}()
	return func() int { <-done; return n }
}

// deathOfAChild kills the worker that has just taken a child, and the next one
// when it has opened it and committed nothing.
func (g *ground) deathOfAChild(t *testing.T) {
	f := g.newFleet(t, 1)
	f.watching()
	first := f.worker()
	wait := f.produce(g.small.pieces, 15*time.Second)
	f.until("some is committed", 30*time.Second, func() bool { return f.sum().In > 100 })

	var died atomic.Bool
	first.doom(f.dynamo, fault.Rule{Operation: "UpdateItem", Contains: "shardId-000000000001", Calls: fault.Nth(1)}, &died)
	f.split(f.open()[0], 50)
	f.until("the worker has taken a child and died of it", 60*time.Second, func() bool { return died.Load() && first.process.ended() })

	second := f.worker()
	for try := 1; !f.caught(second); try++ {
		if try == 5 {
			t.Fatal("no child was seen between its birth and its first commit")
		}
		f.ended()
		f.split(f.open()[0], 50)
	}
	f.worker()
	wait()
	f.ended()
	f.consumed(g.small.events)
	f.finish()
	f.note = append(f.note, "killed with the lease of a child, and with an open child")
	f.check(g.small, 0)
}

// caught kills the worker when it has opened a shard and committed nothing of it;
// false: all were too fast.
func (f *crew) caught(m *member) bool {
	f.t.Helper()
	known := map[string]bool{}
	for id := range f.manifests() {
		known[id] = true
	}
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
		paths, _ := filepath.Glob(filepath.Join(f.state, "cairn", f.stream, "*", "MANIFEST"))
		for _, path := range paths {
			id := filepath.Base(filepath.Dir(path))
			if known[id] {
				continue
			}
			text, err := os.ReadFile(path)
			if err == nil && bytes.Contains(text, []byte(`"ckpt":0,`)) {
				m.crash()
				return true
			}
			known[id] = err == nil
		}
	}
	return false
}

// doom kills the worker when a call has reached its service.
func (m *member) doom(p *fault.Proxy, r fault.Rule, died *atomic.Bool) {
	r.After = func(ctx context.Context, c fault.Call) {
		fault.Kill(m.Process)(ctx, c)
		died.Store(true)
	}
	r.Fate = fault.LoseAnswer
	p.Add(r)
}
