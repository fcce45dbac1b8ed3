package processor_test

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/state/gc"
)

// epoch is when the clock of a simulation starts.
var epoch = time.Date(2026, 3, 1, 9, 50, 0, 0, time.UTC)

const (
	simRecords = 60  // records that are put into the stream
	simSteps   = 300 // steps after which the faults end
	simShards  = 6   // shards that there may be, ended ones included
)

// settings are what a seed varies.
type settings struct {
	shards, accounts int
	limit            int // records of a read
	faults           int // per thousand calls without an answer
	crashes          int // per thousand steps
	takeovers        int // per thousand steps
	reshards         int // per thousand steps
	rename           bool
	mixed            bool // aggregates of several partition keys
	idle             bool // shards at their tip move their watermark
	config           processor.Config
}

// world is one simulation.
type world struct {
	seed uint64
	sum  *totals
	t    *testing.T
	rand *rand.Rand
	set  settings

	sched       *processortest.Scheduler
	gate        processortest.Gate
	state, lake *processortest.Store
	stream      *processortest.Stream
	leases      *processortest.Leases
	sink        *processortest.Sink
	gen         *processortest.Generator
	watch       *watch

	skew    time.Duration // of the clock that workers see, ahead of that of the bubble
	started time.Time
	put     int // records so far
	workers int // so far
	tenures []*tenure
	hosts   hosts
	drained map[string]bool
	logging sync.Mutex
	log     strings.Builder
}

func (w *world) logf(format string, args ...any) {
	w.logging.Lock()
	defer w.logging.Unlock()
	fmt.Fprintf(&w.log, "%s  ", w.now().Format("15:04:05"))
	fmt.Fprintf(&w.log, format, args...)
	w.log.WriteByte('\n')
}

// now is the clock of the workers and of the stream.
func (w *world) now() time.Time { return epoch.Add(time.Since(w.started) + w.skew) }

func (w *world) run(t *testing.T) {
	w.begin(t)
	for range simSteps {
		synctest.Wait()
		w.step()
		if w.watch.failed() {
			break
		}
	}
	w.settle()
	if !w.watch.failed() {
		w.drain()
	}
	if !w.watch.failed() {
		w.check()
	}
	for _, e := range w.watch.errs {
		t.Error(e)
	}
	w.count()
	if w.hosts.root != "" {
		w.must("clear the hosts", os.RemoveAll(w.hosts.root))
	}
}

func (w *world) begin(t *testing.T) {
	w.hosts.world = w
	if *simBadger {
		w.hosts.root = filepath.Join(t.TempDir(), strconv.FormatUint(w.seed, 10))
		if err := os.MkdirAll(w.hosts.root, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.t, w.started, w.drained = t, time.Now(), map[string]bool{}
	w.rand = rand.New(rand.NewPCG(w.seed, 1))
	w.set = w.choose()
	w.sched = processortest.NewScheduler(w.seed)
	w.gate = processortest.PassThrough(w.sched.Gate, w.unchanging)
	w.watch = newWatch(w)
	w.state, w.lake = processortest.NewStore("mem://state"), processortest.NewStore("mem://lake")
	w.lake.Rename, w.state.Watch, w.lake.Watch = w.set.rename, w.watch.state, w.watch.lake
	w.stream = processortest.NewStream(w.set.shards, 5+w.rand.Int64N(simRecords))
	w.stream.Gate = w.sched.Gate
	w.leases = processortest.NewLeases(w.sched.Gate)
	w.leases.Watch = w.watch.lease
	w.sink = processortest.NewSink(w.sched.Gate)
	w.sink.Watch = w.watch.alert
	w.gen = processortest.NewGenerator(w.seed, w.set.accounts)
	w.gen.Mixed = w.set.mixed
	if w.set.idle {
		w.gen.MaxLate = 10 * time.Hour // whether an id is behind the horizon would depend on when a shard was idle
	}
}

// count adds what happened to the totals of all seeds.
func (w *world) count() {
	w.sum.mu.Lock()
	defer w.sum.mu.Unlock()
	w.sum.Seeds++
	w.sum.Records += w.put
	w.watch.count(w.sum)
	for _, n := range w.sink.Sends() {
		w.sum.Resends += n - 1
	}
}

func (w *world) add(n *int) {
	w.sum.mu.Lock()
	defer w.sum.mu.Unlock()
	*n++
}

// chance is true n times in a thousand.
func (w *world) chance(n int) bool { return w.rand.IntN(1000) < n }

// step does one thing.
func (w *world) step() {
	w.vacate()
	w.add(&w.sum.Steps)
	switch {
	case w.chance(w.set.crashes):
		w.crash()
	case w.chance(w.set.takeovers):
		w.takeover()
	case w.chance(w.set.reshards):
		w.reshard()
	case w.chance(15):
		w.handOver()
	case w.chance(30):
		w.pass()
	case !w.set.idle && w.chance(*simCollections):
		w.collect()
	case w.put < simRecords && w.chance(250):
		w.produce()
	default:
		w.advance()
	}
}

// advance lets a call go, or gives a shard that nobody has to a worker.
func (w *world) advance() {
	calls := w.sched.Parked()
	if shard, ok := w.orphan(); ok && (len(calls) == 0 || w.chance(300)) {
		w.start(shard)
		return
	}
	if len(calls) == 0 {
		w.pass()
		return
	}
	i := w.rand.IntN(len(calls))
	v := w.verdict(calls[i])
	if v != processortest.Do {
		w.add(&w.sum.Ambiguous)
		w.logf("%v: %v", calls[i], v)
	} else {
		w.logf("%v", calls[i])
	}
	w.sched.Release(i, v)
}

// unchanging tells of a read whose answer does not depend on when it happens. It
// need not wait for its turn each time.
func (w *world) unchanging(c processortest.Call) bool {
	return !c.Write && (strings.HasSuffix(c.Key, ".seg") || strings.HasSuffix(c.Key, ".rows") || strings.HasSuffix(c.Key, ".ids"))
}

func (w *world) verdict(c processortest.Call) processortest.Verdict {
	switch {
	case c.Worker == processortest.Network:
	case !c.Write && w.chance(w.set.faults/5):
		return processortest.Fail
	case c.Write && w.chance(w.set.faults):
		return processortest.Verdict(1 + w.rand.IntN(4))
	}
	return processortest.Do
}

// pass lets time go by: moments in most cases, so that what waits goes on, at
// times as long as a process may be stopped.
func (w *world) pass() {
	d := time.Duration(1+w.rand.IntN(10)) * time.Second
	if w.chance(60) {
		d = time.Duration(1+w.rand.IntN(90)) * time.Minute
		w.logf("nothing happens for %v", d)
	}
	time.Sleep(d)
}

// collect has the garbage collected after a pause that makes everything old
// which nobody has named.
func (w *world) collect() {
	for range 3 { // also what is tried again
		w.land()
		time.Sleep(time.Minute)
		synctest.Wait()
	}
	w.land()
	time.Sleep(50 * time.Hour)
	c := gc.Collector{State: w.state.As("gc", nil), Lake: w.lake.As("gc", nil), App: w.set.config.App, Stream: w.set.config.Stream}
	r, err := c.Collect(context.Background(), time.Now())
	if err != nil {
		w.watch.errorf("collect garbage: %v", err)
		return
	}
	n := int(r.Total().Objects)
	w.logf("%d objects are garbage", n)
	w.sum.mu.Lock()
	defer w.sum.mu.Unlock()
	w.sum.Garbage += n
}

// land lets the writes go that are on their way: none travels for two days.
func (w *world) land() {
	for {
		i := slices.IndexFunc(w.sched.Parked(), func(c processortest.Call) bool { return c.Op == "putif" || c.Worker == processortest.Network })
		if i < 0 {
			return
		}
		w.sched.Release(i, processortest.Do)
		synctest.Wait()
	}
}

// produce puts a record into the stream.
func (w *world) produce() {
	if w.chance(300) {
		w.skew += time.Duration(w.rand.IntN(20)) * time.Minute
	}
	arrival := w.now().Add(-time.Duration(w.rand.IntN(2000)) * time.Millisecond)
	r := w.gen.Next(arrival)
	shard, seq := w.stream.Put(r.PartitionKey, r.Data, arrival)
	w.put++
	w.logf("put %s into %s", seq, shard)
}

// reshard splits a shard or merges two.
func (w *world) reshard() {
	shards := w.stream.Shards()
	if len(shards)+2 > simShards {
		return
	}
	shards = slices.DeleteFunc(shards, func(s processortest.Shard) bool { return len(s.Children) > 0 })
	a := shards[w.rand.IntN(len(shards))]
	if w.gen.Mixed || w.chance(600) {
		if at := w.splitAt(&a); w.stream.Split(a.ID, at) {
			w.add(&w.sum.Splits)
			w.logf("split %s at %v", a.ID, at)
		}
		return
	}
	for _, b := range shards {
		if w.stream.Merge(a.ID, b.ID) {
			w.add(&w.sum.Merges)
			w.logf("merge %s and %s", a.ID, b.ID)
		}
	}
}

// splitAt is a hash key in the shard: right behind that of a partition key in
// use, or as far before it as state can tell hashes apart. An error by one shows
// there.
func (w *world) splitAt(s *processortest.Shard) *big.Int {
	at := processortest.HashOf(w.gen.Key())
	if w.chance(500) {
		at.Add(at, big.NewInt(1))
	} else {
		at.Lsh(at.Rsh(at, 64), 64)
	}
	if at.Cmp(s.Lo) > 0 && at.Cmp(s.Hi) <= 0 {
		return at
	}
	return at.Rsh(at.Add(s.Lo, s.Hi), 1)
}

// vacate frees the hosts of workers that have ended.
func (w *world) vacate() {
	for _, x := range w.tenures {
		if x.host != nil && !x.dead && !x.alive() {
			w.hosts.giveBack(x.host)
			x.host = nil
		}
	}
}

// await lets everything go on, in one order and without faults, until done.
func (w *world) await(done func() bool) {
	for n := 0; ; n++ {
		synctest.Wait()
		calls := len(w.sched.Parked())
		switch {
		case done():
			return
		case n > 100_000:
			w.t.Fatal("it goes on forever")
		case calls > 0:
			w.sched.Release(0, processortest.Do)
		default:
			time.Sleep(time.Second)
		}
	}
}

// settle ends all workers and waits for their goroutines.
func (w *world) settle() {
	for _, x := range w.tenures {
		w.sched.Kill(x.worker)
		x.cancel()
		synctest.Wait()
	}
	w.await(func() bool { return len(w.living())+len(w.sched.Parked()) == 0 })
	w.vacate()
}
