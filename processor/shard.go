// Package processor is the pipeline: it takes the stream of one shard from
// bytes to a committed checkpoint.
//
// This file tells the whole story, top to bottom. A batch of decoded pieces
// comes in order; each event is looked up among those already seen, gets its
// actor, changes the inventory, meets the rules, and becomes rows. Nothing
// leaves memory until a commit, which makes position, state, rows and findings
// durable together (commit.go); a crash in between is as if the batch had not
// been read yet (recover.go). Rows become files in the background (roll.go),
// and shards are born and end where a stream splits or merges them (reshard.go).
//
// One goroutine owns a Shard. Time is an argument: event times and arrivals
// come with the records, so the same input gives the same rows, findings and
// state. The wall clock comes with a batch as well, and decides no more than
// when to commit and when to end a file.
package processor

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/manifest"
)

// Shard is one shard in the hands of one owner.
type Shard struct {
	cfg Config

	handle    *manifest.Handle // where the shard stands, and the right to move on
	store     *state.Store     // inventory and all other keyed state
	rows      *export.Buffer   // rows that are in no file yet
	ids       *dedup
	sessions  *identity.Sessions
	inventory *inventory
	detector  *detect.Detector
	dlq       quarantine
	outbox    outbox
	judged    detect.Event // scratch: the event in hand as rules see it
	form      rowForm      // scratch for building rows
	days      days

	position  string    // the last record that is wholly included
	arrival   time.Time // its arrival
	watermark time.Time // event times up to here are expected to be complete
	newest    time.Time // newest event time, not trusted beyond arrival
	now       time.Time // wall clock as of the last batch; zero in a replay
	counts    manifest.Counts
	open      manifest.Extent // what was done since the last cut
	cutCounts manifest.Counts // as of the last cut
	gaps      []manifest.Gap  // since the last commit

	records    int64         // since the last commit
	snapshots  []snapshotRow // taken since the last commit
	urgent     bool          // an alert waits for the commit
	frozenAt   time.Time     // wall clock of the last commit
	reportedAt time.Time     // wall clock of the last report of progress
	committed  chan error    // the commit in flight, if any
	rolling    *roll         // the roll under way, if any
	compacting *compaction   // the compaction under way, if any
	failed     error         // why the shard ended
	ending     bool          // the stream has closed the shard
	other      Other         // what has changed since the last owner
	bootID     string        // of the host; a cache from before a power loss is not trusted
	lock       io.Closer     // of the local cache

	background context.Context // of what runs beside commits; ends with the lease or at Close
	cancel     context.CancelFunc
}

// Process takes in a batch. It returns when all of it is in memory; commits
// that became due run beside the next batches. An error ends the shard: what
// was committed stands, and the next owner goes on from there.
func (s *Shard) Process(ctx context.Context, b *Batch) error {
	s.tell(b.Now)
	for i := range b.Items {
		it := &b.Items[i]
		whole := i+1 == len(b.Items) || b.Items[i+1].Sequence != it.Sequence
		if err := s.item(ctx, it, whole); err != nil {
			return fmt.Errorf("shard %s at %s: %w", s.cfg.Shard, trim(it.Sequence), err)
		}
	}
	if err := s.reach(ctx, b.Through, b.Arrival); err != nil {
		return err
	}
	return s.commitIfDue(ctx)
}

// Idle says that the source was read to its tip at the time now, and that there
// was nothing. The watermark follows the clock then, so that an absence can be
// noticed and a snapshot taken where nothing happens.
func (s *Shard) Idle(ctx context.Context, now time.Time) error {
	s.tell(now)
	if err := s.advance(now.Add(-tipMargin - s.cfg.Lateness)); err != nil {
		return fmt.Errorf("shard %s: %w", s.cfg.Shard, err)
	}
	return s.commitIfDue(ctx)
}

// tipMargin is what a record may still need from its arrival until a read at
// the tip returns it.
const tipMargin = 30 * time.Second

// tell moves the wall clock.
func (s *Shard) tell(now time.Time) {
	if s.frozenAt.IsZero() {
		// What comes first is committed soon: it was read by somebody before.
		s.frozenAt, s.reportedAt = now.Add(min(firstCommit, s.cfg.CommitEvery)-s.cfg.CommitEvery), now
	}
	if now.After(s.now) {
		s.now = now
	}
}

// item is the way of one piece of the stream. whole tells that it is the last
// one of its record.
func (s *Shard) item(ctx context.Context, it *Item, whole bool) error {
	if manifest.CompareSeq(it.Sequence, s.position) <= 0 {
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
	return s.passed(ctx, it, whole)
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
	s.inventory.hash = it.Key
	var err error
	if place.actor, err = s.sessions.Resolve(e, s.inventory.keys); err != nil {
		return err
	}
	changes, err := s.inventory.apply(e, &place, s.rows)
	if err != nil {
		return err
	}
	found, err := s.detect(e, &place, changes)
	if err != nil {
		return err
	}
	s.counts.Changes += int64(len(changes))
	return s.addEvent(e, &place, found)
}

// arrive moves time: the watermark follows the greatest arrival.
func (s *Shard) arrive(at time.Time) error {
	if !at.After(s.arrival) {
		return nil
	}
	s.arrival = at
	return s.advance(at.Add(-s.cfg.Lateness))
}

// advance moves the watermark. What it decides is decided, and when it passes
// the time of a snapshot, the snapshot is taken, before the record that moved
// it has any effect.
func (s *Shard) advance(to time.Time) error {
	if !to.After(s.watermark) {
		return nil
	}
	s.watermark = to
	s.ids.expire(s.watermark)
	s.inventory.horizon = s.watermark.Add(-s.cfg.KeepTombstones)
	if err := s.decide(); err != nil {
		return err
	}
	return s.snapshotDue()
}

// saw counts an event and keeps the newest event time. A clock that runs ahead
// does not drag the end of the stream with it.
func (s *Shard) saw(e *cloudtrail.Event, arrival time.Time) {
	t := clamp(e.Time, arrival)
	if t.After(s.newest) {
		s.newest = t
	}
	widen(&s.open, e.Time, arrival)
	if e.Time.Before(s.watermark) {
		s.counts.Late++
	}
	s.counts.Bytes += int64(len(e.Raw))
}

// place is where an event stands, for all rows that tell of it.
type place struct {
	item    *Item
	account account.Account
	actor   identity.Actor
	late    bool
	day     string // partition of its rows
}

func (s *Shard) place(it *Item) place {
	return place{item: it, account: s.cfg.Accounts.Look(it.Event.Account()), late: it.Event.Time.Before(s.watermark), day: s.days.name(it.Event.Time, it.Arrival)}
}

// passed notes that a piece is included, and commits when memory or the count
// of records asks for it. A commit never ends inside a record of the stream.
func (s *Shard) passed(ctx context.Context, it *Item, whole bool) error {
	if it.empty() {
		return nil // the piece that moved time follows under the same number
	}
	if s.open.First == "" {
		s.open.First = it.Sequence
	}
	s.counts.In += max(1, int64(it.Control))
	s.records++
	if !whole {
		return nil
	}
	s.position = it.Sequence
	if s.records >= s.cfg.CommitRecords || s.full() {
		return s.commit(ctx)
	}
	return nil
}

// full tells that what waits for a commit has reached its limit of memory.
func (s *Shard) full() bool {
	return s.store.DirtyBytes()+int64(s.dlq.lines.Len()) >= s.cfg.CommitBytes
}

// reach notes how far the stream went at the end of a batch.
func (s *Shard) reach(ctx context.Context, through string, arrival time.Time) error {
	if manifest.CompareSeq(through, s.position) <= 0 {
		return nil
	}
	if err := s.arrive(arrival); err != nil {
		return err
	}
	s.position = through
	return ctx.Err()
}

// Position is the sequence number up to which everything is included, ""
// before the first.
func (s *Shard) Position() string { return s.position }

// Arrival is the arrival time at Position.
func (s *Shard) Arrival() time.Time { return s.arrival }

// Newest is the newest event time of the shard.
func (s *Shard) Newest() time.Time { return s.newest }

// Other tells which settings made what stood in a shard when it was opened, and
// are others now. What stood there stays as it was made.
type Other struct{ Rules, Accounts, Lateness bool }

// Other tells what has changed since the last owner.
func (s *Shard) Other() Other { return s.other }

// otherThan compares the settings with those of a manifest.
func otherThan(m *manifest.Manifest, cfg *Config) Other {
	if m.Ckpt == 0 {
		return Other{}
	}
	was := m.Config
	return Other{
		Rules:    was.Rules != "" && was.Rules != cfg.Rules.Hash(),
		Accounts: was.Accounts != cfg.Accounts.Digest(),
		Lateness: was.Lateness != "" && was.Lateness != cfg.Lateness.String(),
	}
}

// Counts are the counts since the shard began.
func (s *Shard) Counts() manifest.Counts { return s.counts }

// Manifest is the last commit. It must not be changed.
func (s *Shard) Manifest() *manifest.Manifest { return s.handle.Current() }
