package kcl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/worker"
)

// Config is what a worker is made of.
type Config struct {
	App, Stream string
	// Worker names this process; "": the host's name and a random part. A name
	// must not be used again after a restart.
	Worker   string
	Kinesis  *kinesis.Client
	DynamoDB *dynamodb.Client
	Table    string // of leases; "": App-Stream

	// From is where a shard is read from that has no position and came from no
	// other: records that arrived then or later; zero: the oldest retained.
	From      time.Time
	Lease     time.Duration // 0: 10 s
	MaxShards int           // that this worker has at once; 0: no limit
	FanOut    string        // name of an enhanced fan-out consumer; "": the shards are polled
	// ReadEvery is the wait between reads at the tip of a shard; 0: 250 ms. A shard
	// allows 5 reads in a second, of all its readers.
	ReadEvery time.Duration

	// Keyed, if not nil, tells whether rules of the moment need what one partition
	// key says in one shard. A worker does not begin on a stream that does not
	// place records by their key then.
	Keyed func() bool
	// Distribution, if not nil, is told whether the stream places records without
	// regard to their key: before the worker begins, and when that has changed.
	Distribution func(unkeyed bool)

	// Open opens a shard. ctx ends with the lease on it, or when the worker has to
	// give it up before it is open. It may take as long as a restore takes.
	Open func(ctx context.Context, info ShardInfo) (Shard, error)
	// Position is the sequence number up to which the shard's manifest has it; ""
	// when there is none.
	Position func(ctx context.Context, shard string) (string, error)

	Metrics *Metrics     // nil: none
	Log     *slog.Logger // nil: none

	// Tests have less.
	sync       time.Duration // interval in which shards and leases are looked at; 0: 1 s
	commitTime time.Duration // for all shards, when the worker stops; 0: 14 s
	lookEvery  time.Duration // at how the stream distributes records; 0: 5 min
}

// ShardInfo is what a worker knows of a shard that it has the lease on.
type ShardInfo struct {
	Stream    Stream
	Shard     string
	Parents   []string  // that the shard was split or merged from and that the stream lists
	HashRange [2]string // first and last hash key, decimal
	HashShare float64   // part of all hash keys
	Hint      string    // checkpoint in the lease table; "": none
	// Checkpoint writes a sequence number, or "SHARD_END", to the lease table. The
	// error is ErrLeaseLost when the lease is not this worker's any more.
	Checkpoint func(ctx context.Context, sequence string) error
}

// Worker is one member of a fleet that shares the shards of a stream.
type Worker struct {
	cfg      Config
	stream   Stream
	shards   *topology
	leases   *Leases
	reader   *reader
	library  *worker.Worker
	unkeyed  bool          // as last seen; belongs to Run
	stopping chan struct{} // closed when the worker stops

	mu        sync.Mutex
	consumers map[string]*consumer // the last one of each shard
}

// New returns a worker that has not begun.
func New(cfg Config) (*Worker, error) {
	cfg.Table = cmp.Or(cfg.Table, cfg.App+"-"+cfg.Stream)
	cfg.sync = cmp.Or(cfg.sync, time.Second)
	cfg.Lease = cmp.Or(cfg.Lease, 10*time.Second)
	cfg.commitTime = cmp.Or(cfg.commitTime, commitTime)
	cfg.lookEvery = cmp.Or(cfg.lookEvery, distributionEvery)
	cfg.ReadEvery = cmp.Or(cfg.ReadEvery, 250*time.Millisecond)
	cfg.Metrics = cmp.Or(cfg.Metrics, NewMetrics())
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("component", "kcl")
	if cfg.Worker == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("name the worker: %w", err)
		}
		cfg.Worker = host + "-" + newToken()
	}
	if cfg.Kinesis.Options().Region == "" {
		return nil, errors.New("no AWS region is set: set AWS_REGION, or region in the profile")
	}
	w := &Worker{cfg: cfg, shards: &topology{name: cfg.Stream}, stopping: make(chan struct{}), consumers: map[string]*consumer{}}
	w.leases = NewLeases(LeaseConfig{
		Client: cfg.DynamoDB, Table: cfg.Table, Worker: cfg.Worker, TTL: cfg.Lease, Sync: cfg.sync,
		Parents: w.shards.parents, Release: w.release, Metrics: cfg.Metrics, Log: cfg.Log,
	})
	w.reader = (&reader{shards: w.shards, from: cfg.From, admit: w.admit, stopping: w.stopping, metrics: cfg.Metrics, log: cfg.Log}).before(cfg.Kinesis)
	return w, nil
}

// Run consumes shards until ctx ends, and then gives them up in good order. It
// returns an error when it could not begin, or could not give up all in time.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	w.cfg.Log.Info("worker started", "worker", w.cfg.Worker, "stream", w.stream.ARN, "table", w.cfg.Table)
	check := time.NewTicker(w.cfg.lookEvery)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.stop()
		case <-check.C:
			w.checkDistribution(ctx)
		}
	}
}

// begin looks at the stream, makes the lease table, and starts the library.
func (w *Worker) begin(ctx context.Context) (err error) {
	if w.stream, err = Describe(ctx, w.cfg.Kinesis, w.cfg.Stream); err != nil {
		return err
	}
	w.noteDistribution(w.stream.Unkeyed)
	if w.stream.Unkeyed && w.cfg.Keyed != nil && w.cfg.Keyed() {
		return ErrUnkeyed
	}
	if err := w.leases.table.ready(ctx); err != nil {
		return err
	}
	fanOut := ""
	if w.cfg.FanOut != "" {
		if fanOut, err = fanOutConsumer(ctx, w.cfg.Kinesis, w.stream.ARN, w.cfg.FanOut); err != nil {
			return err
		}
	}
	quietLogrus(w.cfg.Log)
	settings := w.settings(fanOut)
	w.library = worker.NewWorker(factory{w}, settings).WithKinesis(w.reader.client).WithCheckpointer(w.checkpointer(settings))
	return w.library.Start()
}

// distributionEvery is how often the stream is asked how it places records: that
// can be changed while it is read.
const distributionEvery = 5 * time.Minute

func (w *Worker) checkDistribution(ctx context.Context) {
	s, err := Describe(ctx, w.cfg.Kinesis, w.cfg.Stream)
	if err != nil {
		w.cfg.Log.Warn("how the stream distributes records is not known", "error", err)
		return
	}
	if s.Unkeyed != w.unkeyed {
		w.noteDistribution(s.Unkeyed)
	}
}

func (w *Worker) noteDistribution(unkeyed bool) {
	w.unkeyed = unkeyed
	w.cfg.Metrics.unkeyed.Set(0)
	if unkeyed {
		w.cfg.Metrics.unkeyed.Set(1)
	}
	if w.cfg.Distribution != nil {
		w.cfg.Distribution(unkeyed)
	}
}

// StopTime is how long Run takes at most to give up all shards once its context
// has ended.
const StopTime = 22 * time.Second

// Its parts: the last commits, which may linger a little; the writes that free
// the rows of the lease table; and the end of the library, for which there is
// more when the others were quick.
const (
	commitTime  = 14 * time.Second
	freeTime    = 3 * time.Second
	libraryTime = 8 * time.Second
)

// ErrStop tells that a worker could not give up all of its shards in time. The
// next owners then wait for the leases to run out.
var ErrStop = errors.New("the worker did not stop in good order")

// stop gives up all shards at once, each with a last commit under its lease, and
// ends the library, which then has nothing left to do.
func (w *Worker) stop() error {
	began := time.Now()
	w.leases.Close()
	close(w.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.commitTime)
	defer cancel()
	err := w.releaseAll(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.library.Shutdown()
	}()
	select {
	case <-done:
	case <-time.After(min(libraryTime, StopTime-time.Since(began))):
		err = errors.Join(err, fmt.Errorf("%w: the client library hangs", ErrStop))
	}
	w.cfg.Log.Info("worker stopped", "worker", w.cfg.Worker, "seconds", time.Since(began).Seconds())
	return err
}

func (w *Worker) releaseAll(ctx context.Context) error {
	held := w.leases.Held()
	errs := make(chan error, len(held))
	for _, shard := range held {
		go func() { errs <- w.leases.release(ctx, shard) }()
	}
	var all error
	for range held {
		if err := <-errs; err != nil {
			all = errors.Join(all, fmt.Errorf("%w: %w", ErrStop, err))
		}
	}
	return all
}

// consumer returns the consumer of a shard under the lease that is held now, or
// nil.
func (w *Worker) consumer(shard string) *consumer {
	h := w.leases.lease(shard)
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.consumers[shard]; c != nil && c.lease == h {
		return c
	}
	return nil
}

// enter makes c the consumer of its shard and returns the one before.
func (w *Worker) enter(c *consumer) (before *consumer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before = w.consumers[c.info.Shard]
	w.consumers[c.info.Shard] = c
	return before
}

// release makes the last commit of a shard under its lease.
func (w *Worker) release(ctx context.Context, shard string) (err error) {
	if c := w.consumer(shard); c != nil {
		err = c.release(ctx, w.isStopping())
	}
	w.reader.forget(shard)
	return err
}

// checkpointOf writes checkpoints under one lease.
func (w *Worker) checkpointOf(h *lease) func(context.Context, string) error {
	return func(ctx context.Context, sequence string) error { return w.leases.checkpoint(ctx, h, sequence) }
}

// admit says whether a shard may be read on.
func (w *Worker) admit(shard string) (context.Context, error) {
	h := w.leases.lease(shard)
	if h == nil {
		return nil, fmt.Errorf("read %s: %w", shard, ErrLeaseLost)
	}
	if w.isStopping() {
		return nil, errClosing
	}
	if err := w.leases.broken(h); err != nil {
		return nil, err
	}
	return h.ctx, nil
}

func (w *Worker) isStopping() bool {
	select {
	case <-w.stopping:
		return true
	default:
		return false
	}
}

// factory makes the library's side of a consumer.
type factory struct{ worker *Worker }

func (f factory) CreateProcessor() interfaces.IRecordProcessor {
	return &recordProcessor{worker: f.worker}
}
