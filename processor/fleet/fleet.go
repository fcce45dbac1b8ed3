// Package fleet runs one worker of a fleet: it puts together the consumer of
// the stream, the shards, their rules, the collection of garbage, and what
// operators look at.
//
// A worker keeps nothing that another could not take over. Several of them
// share the shards of a stream by a lease table, and what makes that safe is
// the manifest of each shard.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/kcl"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/gc"
	"github.com/cairnstream/cairn/state/manifest"
)

// Config is what a worker needs.
type Config struct {
	Stream string
	// Shard is the template of each shard's configuration; its names, ranges,
	// source, checkpoint and rules are filled in.
	Shard processor.Config
	Rules *Rules
	// Accounts are what is known of the organisation's accounts; nil: nothing.
	Accounts *Accounts

	Kinesis  *kinesis.Client
	DynamoDB *dynamodb.Client

	From         time.Time     // where a shard begins that nobody has read; zero: the oldest record
	Lease        time.Duration // 0: 10 s
	MaxShards    int           // 0: no limit
	FanOut       string        // name of an enhanced fan-out consumer; "": polling
	AllowUnkeyed bool          // run rules that group on a stream that does not keep keys together
	// CollectEvery is how often this worker looks for garbage in the stores; 0:
	// never. Only one worker of a fleet does it in an hour.
	CollectEvery time.Duration
	ReportOnly   bool // count garbage, and leave it

	Metrics *Metrics
	Log     *slog.Logger
}

// Worker is one member of a fleet.
type Worker struct {
	cfg     Config
	consume *kcl.Worker

	mu      sync.Mutex
	unkeyed bool // the stream places records without regard to their key

	asking    sync.Mutex    // of the next two: rules and commits do not wait while the stream is asked
	retention time.Duration // of the stream, when it was described
	described time.Time
}

// New prepares a worker.
func New(cfg Config) (*Worker, error) {
	w := &Worker{cfg: cfg}
	cfg.Metrics.accounts = cfg.Accounts
	var err error
	w.consume, err = kcl.New(kcl.Config{
		App: cfg.Shard.App, Stream: cfg.Stream, Kinesis: cfg.Kinesis, DynamoDB: cfg.DynamoDB,
		From: cfg.From, Lease: cfg.Lease, MaxShards: cfg.MaxShards, FanOut: cfg.FanOut,
		Keyed: w.keyed, Distribution: w.distribution,
		Open: w.open, Position: w.position, Metrics: cfg.Metrics.KCL, Log: cfg.Log,
	})
	return w, err
}

// Run works until ctx ends, then hands its shards over.
func (w *Worker) Run(ctx context.Context) error {
	collecting, stop := context.WithCancel(ctx)
	defer stop()
	go w.collect(collecting)
	err := w.consume.Run(ctx)
	if errors.Is(err, kcl.ErrUnkeyed) {
		return fmt.Errorf("%w (%s): %s", err, name(grouping(w.cfg.Rules.Set())), unkeyedAdvice)
	}
	return err
}

// keyed tells whether the worker must not begin on a stream that does not keep
// partition keys together.
func (w *Worker) keyed() bool { return !w.cfg.AllowUnkeyed && len(grouping(w.cfg.Rules.Set())) > 0 }

// open opens a shard under its lease.
func (w *Worker) open(ctx context.Context, info kcl.ShardInfo) (kcl.Shard, error) {
	began := time.Now()
	cfg := w.cfg.Shard
	set, book := w.cfg.Rules.Set(), w.cfg.Accounts.Book()
	cfg.Stream, cfg.Shard, cfg.HashRange, cfg.HashShare, cfg.Parents = w.cfg.Stream, info.Shard, info.HashRange, info.HashShare, info.Parents
	source := info.Stream.Source()
	cfg.Source = func(string) string { return source }
	cfg.Rules, cfg.Accounts, cfg.Checkpoint, cfg.Hint = set, book, info.Checkpoint, info.Hint
	m := w.cfg.Metrics
	cfg.Committed = func(c processor.Commit) { m.committed(info.Shard, c) }
	s, err := processor.Open(ctx, cfg)
	if err != nil {
		return nil, m.openFailed(ctx, info.Shard, err)
	}
	member := &member{Shard: s, worker: w, id: info.Shard, using: set, book: book, complete: complete(s, cfg.Lateness)}
	if err := w.lookForGap(ctx, member, began, ""); err != nil {
		return nil, m.openFailed(ctx, info.Shard, errors.Join(err, s.Close()))
	}
	m.opened(info.Shard, time.Since(began))
	return member, nil
}

// position is where reading a shard goes on: the manifest decides, not the
// lease table.
func (w *Worker) position(ctx context.Context, shard string) (string, error) {
	m, err := manifest.ReadManifest(ctx, w.cfg.Shard.State, manifest.Key(w.cfg.Shard.App, w.cfg.Stream, shard))
	if errors.Is(err, blob.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return m.Seq, nil
}

// collect removes garbage now and then.
func (w *Worker) collect(ctx context.Context) {
	if w.cfg.CollectEvery <= 0 {
		return
	}
	c := gc.Collector{State: w.cfg.Shard.State, Lake: w.cfg.Shard.Lake, App: w.cfg.Shard.App, Stream: w.cfg.Stream,
		Writer: w.cfg.Shard.Writer, ReportOnly: w.cfg.ReportOnly, Listed: w.listed}
	tick := time.NewTicker(w.cfg.CollectEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			report, err := c.Turn(ctx, now)
			switch {
			case err != nil && ctx.Err() == nil:
				w.cfg.Log.Warn("garbage was not collected; this is tried again", "error", err)
			case report != nil:
				total := report.Total()
				w.cfg.Metrics.collected.Add(float64(total.Objects))
				w.cfg.Log.Info("garbage collected", "objects", total.Objects, "bytes", total.Bytes, "report_only", report.ReportOnly, "lost", report.Lost)
			}
		}
	}
}

// listed are the shards that the stream has, those that have ended included.
func (w *Worker) listed(ctx context.Context) ([]string, error) {
	var ids []string
	in := &kinesis.ListShardsInput{StreamName: &w.cfg.Stream}
	for {
		out, err := w.cfg.Kinesis.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the shards of %s: %w", w.cfg.Stream, err)
		}
		for _, s := range out.Shards {
			ids = append(ids, *s.ShardId)
		}
		if out.NextToken == nil {
			return ids, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}
