// Package replay runs the pipeline over CloudTrail files as if they had come
// through a stream.
//
// The files, sorted by delivery time, are one ordered log. Each record goes to
// the virtual shard whose range holds the MD5 of its partition key, the
// recipient account, and its place in the log is its sequence number. From
// there on it is the same Shard that the fleet runs, with the same manifest
// and the same recovery: an interrupted replay resumes, a repeated one adds
// nothing.
//
// Reading, gunzip and decoding run ahead of the shards on goroutines of their
// own, and encoding runs behind them, so that even the files of one account,
// which are one shard, use more than one core. Order is kept throughout.
package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// Stream is the name of the stream that a replay stands for.
const Stream = "replay"

// Config is what a replay needs beside its files.
type Config struct {
	Shards   int // virtual shards; one data directory keeps its number
	Decoders int // files decoded at once; 0: one per core
	// Shard is the template of each shard's configuration; names, ranges and
	// source are filled in.
	Shard processor.Config
	// Progress, if set, is told how far the log was read. It is called from one
	// goroutine, about once per file.
	Progress func(Progress)
}

// Progress is how far a replay got.
type Progress struct {
	Files int   // files read
	Bytes int64 // stored bytes read
}

// Result is what a replay did.
type Result struct {
	Run       manifest.Counts // of this run
	Total     manifest.Counts // of the whole data directory
	Resources int64           // not deleted at the end
	Files     int             // files read in this run
	Resumed   bool            // the data directory had a part of this input
	Other     processor.Other // settings that a part was made with and that are others now
	Rejected  []Rejected      // in the order of the log
}

// Rejected is a file in which this run met pieces that it could not decode.
type Rejected struct {
	File   string `json:"file"`
	Pieces int    `json:"pieces"`
}

// Run replays inputs.
func Run(ctx context.Context, cfg Config, in *Inputs) (*Result, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	shards, err := openShards(ctx, cfg, in)
	if err != nil {
		return nil, err
	}
	result, err := run(ctx, fail, cfg, in, shards)
	closed := closeShards(shards)
	if err != nil {
		return nil, err // what closing says after that is only its echo
	}
	return result, closed
}

func run(ctx context.Context, fail context.CancelCauseFunc, cfg Config, in *Inputs, shards []*processor.Shard) (*Result, error) {
	before := make([]manifest.Counts, len(shards))
	for i, s := range shards {
		before[i] = s.Counts()
	}
	from, err := resumeAt(in, shards)
	if err != nil {
		return nil, err
	}
	r := newRouter(cfg, in, shards)
	var wg sync.WaitGroup
	for i := range shards {
		wg.Go(func() {
			if err := drain(ctx, shards[i], r.lanes[i].batches); err != nil {
				fail(err)
			}
		})
	}
	files, err := feed(ctx, cfg, in, r, from)
	for i := range r.lanes {
		close(r.lanes[i].batches)
	}
	wg.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = finish(ctx, shards)
	}
	if err != nil {
		return nil, err
	}
	resumed := false
	for i := range before {
		resumed = resumed || before[i].In > 0
	}
	result, err := summarise(before, shards, files, resumed)
	if err != nil {
		return nil, err
	}
	result.Rejected = r.rejected
	return result, nil
}

// feed sends the log, from file number from, to the shards.
func feed(ctx context.Context, cfg Config, in *Inputs, r *router, from int) (files int, err error) {
	workers := cfg.Decoders
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	l := load(ctx, in.Files, from, workers)
	var done Progress
	for _, f := range in.Files[:from] {
		done.Bytes += f.Size
	}
	done.Files = from
	for out := range l.order {
		for p := range out {
			if p.err != nil {
				return done.Files - from, p.err
			}
			if err := r.add(ctx, &p); err != nil {
				return done.Files - from, err
			}
			l.room.give(p.cost)
			if !p.last {
				continue
			}
			done.Files++
			done.Bytes += in.Files[p.file].Size
			if cfg.Progress != nil {
				cfg.Progress(done)
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return done.Files - from, err
	}
	if r.waiting == 0 {
		return done.Files - from, nil
	}
	return done.Files - from, r.flush(ctx)
}

// drain is the life of a shard's own goroutine.
func drain(ctx context.Context, s *processor.Shard, batches <-chan *processor.Batch) error {
	for b := range batches {
		if ctx.Err() != nil {
			continue // the sender must not block while it learns of the end
		}
		if err := s.Process(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// finish commits the rest of all shards, with a last snapshot at the first
// full hour at or after the newest event of any of them.
func finish(ctx context.Context, shards []*processor.Shard) error {
	var newest time.Time
	for _, s := range shards {
		if t := s.Newest(); t.After(newest) {
			newest = t
		}
	}
	at := processor.NextHour(newest)
	return each(shards, func(s *processor.Shard) error { return s.Finish(ctx, at) })
}

// each calls f for all shards at once and joins the errors.
func each(shards []*processor.Shard, f func(*processor.Shard) error) error {
	errs := make([]error, len(shards))
	var wg sync.WaitGroup
	for i, s := range shards {
		wg.Go(func() { errs[i] = f(s) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func openShards(ctx context.Context, cfg Config, in *Inputs) ([]*processor.Shard, error) {
	shards := make([]*processor.Shard, cfg.Shards)
	errs := make([]error, cfg.Shards)
	open := func(i int) {
		c := cfg.Shard
		c.Stream, c.Shard = Stream, shardID(i)
		c.HashRange, c.HashShare = hashRange(i, cfg.Shards), 1/float64(cfg.Shards)
		c.Source = in.Source
		shards[i], errs[i] = processor.Open(ctx, c)
	}
	// Of two processes that start at once, the one that gets the first shard
	// gets all; otherwise each might get some, and both would end.
	if open(0); errs[0] != nil {
		return nil, errs[0]
	}
	var wg sync.WaitGroup
	for i := range shards[1:] {
		wg.Go(func() { open(i + 1) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, errors.Join(err, closeShards(shards))
		}
	}
	return shards, nil
}

func closeShards(shards []*processor.Shard) error {
	var errs []error
	for _, s := range shards {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

func newRouter(cfg Config, in *Inputs, shards []*processor.Shard) *router {
	r := &router{files: in.Files, keys: map[string]route{}, step: cfg.Shard.SnapshotEvery, lag: cfg.Shard.Lateness, file: -1}
	first := shards[0]
	for _, s := range shards {
		r.lanes = append(r.lanes, lane{batches: make(chan *processor.Batch, 4), from: s.Position()})
		if s.Position() < first.Position() {
			first = s
		}
	}
	// The arrival at the earliest place where reading goes on is the greatest
	// before it, since arrival never falls along the log.
	r.arrival = first.Arrival()
	return r
}

// resumeAt is the number of the first file that some shard has not seen the
// end of. A file that a shard has seen in part is read again from its start,
// and the shard passes over what it has.
func resumeAt(in *Inputs, shards []*processor.Shard) (int, error) {
	from := len(in.Files)
	for _, s := range shards {
		file := 0
		if p := s.Position(); p != "" {
			file = int(placeOf(p) / perFile)
		}
		from = min(from, file)
	}
	if from < 0 || from > len(in.Files) {
		return 0, fmt.Errorf("the data directory is at file %d, but there are only %d", from, len(in.Files))
	}
	return from, nil
}

func summarise(before []manifest.Counts, shards []*processor.Shard, files int, resumed bool) (*Result, error) {
	r := &Result{Files: files, Resumed: resumed}
	for i, s := range shards {
		other := s.Other()
		r.Other.Rules = r.Other.Rules || other.Rules
		r.Other.Accounts = r.Other.Accounts || other.Accounts
		r.Other.Lateness = r.Other.Lateness || other.Lateness
		r.Total = r.Total.Plus(s.Counts())
		r.Run = r.Run.Plus(s.Counts().Minus(before[i]))
		n, err := s.Resources()
		if err != nil {
			return nil, err
		}
		r.Resources += n
	}
	return r, nil
}

// Source is the digest of the inputs up to a place in the log, or "" before
// its start. A shard keeps it beside its position.
func (in *Inputs) Source(seq string) string {
	if seq == "" {
		return ""
	}
	i := int(placeOf(seq) / perFile)
	if i >= len(in.digests) {
		return "input ends before " + seq
	}
	return in.digests[i]
}
