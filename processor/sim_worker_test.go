package processor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/state/manifest"
)

// tenure is one worker's time with one shard.
type tenure struct {
	world         *world
	worker, shard string
	cancel        context.CancelFunc
	release       chan struct{} // closed when the worker shall let go
	done          chan struct{} // closed when its goroutines have ended
	lost          bool          // somebody else has taken the shard
	dead          bool
	finish        bool  // let go at the tip
	host          *host // with its local cache; nil: in memory
	err           error
}

func (x *tenure) alive() bool {
	select {
	case <-x.done:
		return false
	default:
		return true
	}
}

// start gives a shard to a new worker.
func (w *world) start(shard string) { w.employ(shard, false) }

// employ gives a shard to a new worker, which lets go at the tip if it shall
// finish.
func (w *world) employ(shard string, finish bool) *tenure {
	w.workers++
	ctx, cancel := context.WithCancel(context.Background())
	x := &tenure{world: w, worker: fmt.Sprintf("w%03d", w.workers), shard: shard, cancel: cancel,
		release: make(chan struct{}), done: make(chan struct{}), finish: finish, host: w.hosts.take(shard)}
	for _, other := range w.tenures {
		if other.shard == shard {
			other.lost = true
		}
	}
	w.tenures = append(w.tenures, x)
	w.logf("%s takes %s", x.worker, shard)
	go func() {
		defer close(x.done)
		defer cancel()
		if x.err = x.run(ctx); x.err != nil {
			w.ended(x)
		}
	}()
	return x
}

// ended counts a tenure that an error ended.
func (w *world) ended(x *tenure) {
	w.sum.mu.Lock()
	defer w.sum.mu.Unlock()
	w.sum.Stops++
	text, _, _ := strings.Cut(x.err.Error(), "\n") // what else is wrong with it may depend on the order in which goroutines run
	w.logf("%s ends: %s", x.worker, text)
	if errors.Is(x.err, manifest.ErrFenced) {
		w.sum.Fenced++
	}
}

// run is the life of a worker with a shard: lease, take over, read and process
// until the shard ends or it has to let go.
func (x *tenure) run(ctx context.Context) (err error) {
	w := x.world
	lease, err := w.leases.Take(ctx, x.worker, x.shard)
	if err != nil || lease.Checkpoint == processortest.ShardEnd {
		return err
	}
	s, err := processor.Open(ctx, x.config(ctx, lease))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if m := s.Manifest(); !w.watch.fenced(m) {
		w.watch.report("%s works on %s without having fenced earlier owners", x.worker, x.shard)
	}
	from := s.Position()
	if w.seed%3 == 0 {
		from = lease.Checkpoint // behind the manifest: records come again
	}
	for {
		select {
		case <-x.release:
			return s.Release(ctx, w.now(), w.seed%2 == 0)
		default:
		}
		records, end, err := w.stream.Read(ctx, x.worker, x.shard, from, w.set.limit)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			continue
		}
		if err := x.take(ctx, s, records, end); err != nil || end {
			return err
		}
		if len(records) == 0 && x.finish {
			return x.letGo(ctx, s)
		}
		if len(records) > 0 {
			from = records[len(records)-1].Sequence
		}
	}
}

// letGo waits until the alerts are sent and releases the shard.
func (x *tenure) letGo(ctx context.Context, s *processor.Shard) error {
	if err := s.Release(ctx, x.world.now(), false); err != nil {
		return err
	}
	time.Sleep(time.Minute)
	return s.Release(ctx, x.world.now(), true)
}

// take hands what was read to the shard.
func (x *tenure) take(ctx context.Context, s *processor.Shard, records []processortest.Record, end bool) error {
	w := x.world
	if len(records) > 0 || !w.set.idle || end {
		if err := s.Process(ctx, w.decode(records)); err != nil {
			return err
		}
	}
	switch {
	case end:
		return s.End(ctx, w.now())
	case len(records) == 0 && w.set.idle:
		return s.Idle(ctx, w.now())
	}
	return nil
}

func (w *world) decode(records []processortest.Record) *processor.Batch {
	var d cloudtrail.Decoder
	in := make([]processor.Record, len(records))
	for i, r := range records {
		in[i] = processor.Record{Sequence: r.Sequence, PartitionKey: r.PartitionKey, Data: r.Data, Arrival: r.Arrival}
	}
	return processor.DecodeRecords(&d, in, w.now())
}

// orphan finds a shard that no living worker has and that may be worked on: its
// parents are at their end, and it is not.
func (w *world) orphan() (string, bool) {
	for _, s := range w.stream.Shards() {
		if w.ready(&s) && !slices.ContainsFunc(w.tenures, func(x *tenure) bool { return x.shard == s.ID && !x.lost && x.alive() }) {
			return s.ID, true
		}
	}
	return "", false
}

func (w *world) ready(s *processortest.Shard) bool {
	if w.drained[s.ID] || w.leases.Look(s.ID).Checkpoint == processortest.ShardEnd {
		return false
	}
	return !slices.ContainsFunc(s.Parents, func(p string) bool { return w.leases.Look(p).Checkpoint != processortest.ShardEnd })
}

// living are the tenures whose worker is alive.
func (w *world) living() (out []*tenure) {
	for _, x := range w.tenures {
		if x.alive() {
			out = append(out, x)
		}
	}
	return out
}

// crash ends a worker at once: what it has sent may still arrive, all else is
// gone.
func (w *world) crash() {
	if all := w.living(); len(all) > 0 {
		x := all[w.rand.IntN(len(all))]
		w.add(&w.sum.Crashes)
		w.logf("%s dies", x.worker)
		w.hosts.crash(x.host)
		x.dead = true
		w.sched.Kill(x.worker)
		x.cancel()
	}
}

// takeover gives a shard to another worker while its owner is alive, or ends
// one that has lost its shard and now learns of it.
func (w *world) takeover() {
	all := w.living()
	if len(all) == 0 {
		return
	}
	x := all[w.rand.IntN(len(all))]
	if x.lost {
		w.logf("%s learns that it has lost %s", x.worker, x.shard)
		x.cancel()
		return
	}
	w.add(&w.sum.Takeovers)
	w.start(x.shard)
}

// handOver tells a worker to let go of its shard.
func (w *world) handOver() {
	all := slices.DeleteFunc(w.living(), func(x *tenure) bool { return isClosed(x.release) })
	if len(all) == 0 {
		return
	}
	x := all[w.rand.IntN(len(all))]
	w.add(&w.sum.Handovers)
	w.logf("%s shall let go", x.worker)
	close(x.release)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// drain puts the rest of the records and has new workers work through all that
// is left, without faults.
func (w *world) drain() {
	for w.put < simRecords {
		w.produce()
	}
	w.logf("no more faults")
	for {
		shard, ok := w.orphan()
		if !ok {
			return
		}
		x := w.employ(shard, true)
		w.await(func() bool { return !x.alive() })
		if x.err != nil {
			w.watch.errorf("without faults: %s on %s: %v", x.worker, shard, x.err)
			return
		}
		w.drained[shard] = true
	}
}

func (w *world) shard(id string) processortest.Shard {
	shards := w.stream.Shards()
	return shards[slices.IndexFunc(shards, func(s processortest.Shard) bool { return s.ID == id })]
}
