// Package processor is the pipeline: it takes the stream of one shard from
// bytes to a committed checkpoint.
//
// This file tells the whole story, top to bottom. A batch of decoded pieces
// comes in order; each event is looked up among those already seen, gets its
// actor, changes the inventory, meets the rules, and becomes rows. Nothing
// leaves memory until a commit, which makes position, state, rows and findings
// durable together (commit.go); a crash in between is as if the batch had not
// been read yet (recover.go).
//
// One goroutine owns a Shard. Time is an argument: event times and arrivals
// come with the records, and nothing here reads a clock, so the same input
// gives the same rows, findings and files.
package processor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// Config is what a shard is made of. The stores, rules and catalogue are
// shared by all shards of a process and are not changed by them.
type Config struct {
	App, Stream, Shard string
	HashRange          [2]string // first and last hash key of the shard, decimal
	HashShare          float64   // its part of the whole range
	// Source is the identity of the input up to a sequence number. It stands in
	// the manifest, so that other input is refused instead of mixed in.
	Source func(sequence string) string

	Lake, State blob.Store
	Local       string // folder of the local cache; "": in memory
	Rules       *rule.Set
	Catalogue   *resource.Catalogue

	Lateness      time.Duration // of the watermark behind arrival
	SnapshotEvery time.Duration // distance of inventory snapshots, at least an hour; 0: only at the end
	// KeepTombstones is how long a deleted resource stays in the inventory, in
	// event time behind the watermark.
	KeepTombstones time.Duration
	CommitRecords  int64       // a commit is due after so many records of the shard
	CommitBytes    int64       // or when so much state has changed
	Encoders       int         // Parquet files that are encoded at once
	Rolls          *sync.Mutex // shared by the shards of a process: one of them encodes at a time
	Writer         string      // identifies this process in names, 16 hex digits
	Log            *slog.Logger
}

// Shard is one shard in the hands of one owner.
type Shard struct {
	cfg Config

	handle    *manifest.Handle // where the shard stands, and the right to move on
	store     *state.Store     // inventory and all other keyed state
	rows      *export.Buffer   // rows that are in no file yet
	ids       *dedup
	inventory *inventory
	matcher   *rule.Matcher
	dlq       quarantine
	form      rowForm // scratch for building rows

	position    string    // the last record that is wholly included
	arrival     time.Time // its arrival
	watermark   time.Time // event times up to here are expected to be complete
	newest      time.Time // newest event time, not trusted beyond arrival
	snapshotted time.Time // newest snapshot, or where the stream begins
	counts      manifest.Counts
	first       string        // first record since the last commit
	since       span          // what happened since the last commit
	reported    []snapshotRow // snapshots since the last commit

	committed  chan error // the commit in flight, if any
	otherRules bool       // the rules have changed since the last owner
	bootID     string     // of the host; a cache from before a power loss is not trusted
	lock       io.Closer  // of the local cache
}

// Process takes in a batch. It returns when all of it is in memory; commits
// that became due run beside the next batches. An error ends the shard: what
// was committed stands, and the next owner goes on from there.
func (s *Shard) Process(ctx context.Context, b *Batch) error {
	for i := range b.Items {
		if err := s.item(ctx, &b.Items[i]); err != nil {
			return fmt.Errorf("shard %s at %s: %w", s.cfg.Shard, trim(b.Items[i].Sequence), err)
		}
	}
	return s.reach(ctx, b.Through, b.Arrival)
}

// item is the way of one piece of the stream.
func (s *Shard) item(ctx context.Context, it *Item) error {
	if it.Sequence <= s.position && it.Ordinal == 0 {
		return nil // the shard has it from before an interruption
	}
	if err := s.arrive(it.Arrival); err != nil {
		return err
	}
	var err error
	switch {
	case it.Event != nil:
		err = s.event(it)
	case it.Reject != nil:
		s.dlq.add(s.cfg.Shard, it)
		s.counts.Quarantined++
	default:
		s.counts.Control += int64(it.Control)
	}
	if err != nil {
		return err
	}
	return s.passed(ctx, it)
}

// event is the way of one event.
func (s *Shard) event(it *Item) error {
	e := it.Event
	if s.ids.seen(e.ID, e.Time, s.watermark) {
		s.counts.Duplicates++
		return nil
	}
	s.saw(e, it.Arrival)
	place := s.place(it)
	place.actor = identity.Resolve(e)
	changes, err := s.inventory.apply(e, &place, s.rows)
	if err != nil {
		return err
	}
	found, err := s.findings(e, &place, changes, s.matcher.Match(e))
	if err != nil {
		return err
	}
	s.counts.Changes += int64(len(changes))
	return s.addEvent(e, &place, found)
}

// arrive moves time: the watermark follows the greatest arrival, and when it
// passes the time of a snapshot, the snapshot is taken, before the record that
// moved it has any effect.
func (s *Shard) arrive(at time.Time) error {
	if !at.After(s.arrival) {
		return nil
	}
	s.arrival = at
	if w := at.Add(-s.cfg.Lateness); w.After(s.watermark) {
		s.watermark = w
	}
	s.ids.expire(s.watermark)
	s.inventory.horizon = s.watermark.Add(-s.cfg.KeepTombstones)
	return s.snapshotDue()
}

// saw counts an event and keeps the newest event time. A clock that runs ahead
// does not drag the end of the stream with it.
func (s *Shard) saw(e *cloudtrail.Event, arrival time.Time) {
	t := clamp(e.Time, arrival)
	if t.After(s.newest) {
		s.newest = t
	}
	s.since.saw(e.Time, arrival)
	if e.Time.Before(s.watermark) {
		s.counts.Late++
	}
	s.counts.Bytes += int64(len(e.Raw))
}

// place is where an event stands, for all rows that tell of it.
type place struct {
	item  *Item
	actor identity.Actor
	late  bool
	day   string // partition of its rows
}

func (s *Shard) place(it *Item) place {
	return place{item: it, late: it.Event.Time.Before(s.watermark), day: day(it.Event.Time, it.Arrival)}
}

// passed notes that a piece is wholly included, and commits when that is due.
func (s *Shard) passed(ctx context.Context, it *Item) error {
	if it.empty() {
		return nil // the piece that moved time follows under the same number
	}
	s.position = it.Sequence
	if s.first == "" {
		s.first = it.Sequence
	}
	s.counts.In += max(1, int64(it.Control))
	s.since.records++
	if s.since.records >= s.cfg.CommitRecords || s.store.DirtyBytes()+int64(s.dlq.lines.Len()) >= s.cfg.CommitBytes {
		return s.commit(ctx)
	}
	return nil
}

// reach notes how far the stream went at the end of a batch.
func (s *Shard) reach(ctx context.Context, through string, arrival time.Time) error {
	if through <= s.position {
		return nil
	}
	if err := s.arrive(arrival); err != nil {
		return err
	}
	s.position = through
	return ctx.Err()
}

// Finish takes the last snapshot, as of at, and commits all that is left. The
// shard may go on afterwards.
func (s *Shard) Finish(ctx context.Context, at time.Time) error {
	if err := s.snapshot(at); err != nil {
		return err
	}
	if s.changed() {
		if err := s.commit(ctx); err != nil {
			return err
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	return s.clearPublished(ctx)
}

// changed tells that something happened since the last commit.
func (s *Shard) changed() bool {
	return s.since.records > 0 || len(s.reported) > 0
}

// Position is the sequence number up to which everything is included, ""
// before the first.
func (s *Shard) Position() string { return s.position }

// Arrival is the arrival time at Position.
func (s *Shard) Arrival() time.Time { return s.arrival }

// Newest is the newest event time of the shard.
func (s *Shard) Newest() time.Time { return s.newest }

// OtherRules tells that what stood in the shard when it was opened was judged by
// other rules than those it has now.
func (s *Shard) OtherRules() bool { return s.otherRules }

// Counts are the counts since the shard began.
func (s *Shard) Counts() manifest.Counts { return s.counts }

// Close gives up the shard without a commit. It waits for one in flight.
func (s *Shard) Close() error {
	errs := []error{s.settle(), s.rows.Freeze().Close()}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
