package processor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// commit freezes what was done since the last one and makes it durable beside
// further processing. Its order is the protocol:
//
//  1. upload what nobody can see yet: row log or staged files, state delta,
//     quarantine
//  2. check that nothing goes backwards and that every piece is accounted for
//     (package manifest does)
//  3. write the manifest, if nobody else did: this is the commit
//  4. publish the staged files under names that the manifest alone decides
//  5. give the new alerts to their sender
//  6. bring the local cache up to it
//  7. keep a copy of the manifest where one may be wanted
//  8. tell the lease table how far the shard is
//
// One commit is in flight at most. When the next is due before it ended,
// processing waits, and so does the source.
func (s *Shard) commit(ctx context.Context) error { return s.begin(ctx, s.cfg.Roll.everyCommit()) }

// begin starts a commit. With files, all open rows become files in it.
func (s *Shard) begin(ctx context.Context, files bool) error {
	if err := s.settle(); err != nil {
		return err
	}
	c, err := s.freeze(ctx, files)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	s.committed = done
	go func() { done <- c.run(ctx) }()
	return nil
}

// settle waits for the commit in flight.
func (s *Shard) settle() error {
	if s.committed == nil {
		return s.failed
	}
	return s.ended(<-s.committed)
}

// poll looks whether the commit in flight has ended. busy tells that it has not.
func (s *Shard) poll() (busy bool, err error) {
	if s.committed == nil {
		return false, s.failed
	}
	select {
	case err := <-s.committed:
		return false, s.ended(err)
	default:
		return true, nil
	}
}

func (s *Shard) ended(err error) error {
	s.committed = nil
	if err != nil && s.failed == nil {
		s.failed = fmt.Errorf("shard %s: commit: %w", s.cfg.Shard, err)
	}
	return s.failed
}

const (
	// idleCommit is how often a watermark is made durable that moved alone.
	idleCommit = time.Minute
	// firstCommit is how soon a new owner commits.
	firstCommit = time.Second
	// alertCommit is the least distance of commits that are made because an
	// alert waits for them.
	alertCommit = 2 * time.Second
)

// commitIfDue commits by the clock.
func (s *Shard) commitIfDue(ctx context.Context) error {
	if s.cfg.CommitEvery <= 0 {
		return nil
	}
	busy, err := s.poll()
	if err != nil || busy || !s.due(s.now.Sub(s.frozenAt)) {
		return err
	}
	return s.commit(ctx)
}

// due tells whether something waits that must be durable by now. age is that
// of the last commit.
func (s *Shard) due(age time.Duration) bool {
	switch {
	case len(s.snapshots) > 0:
		return true
	case s.urgent && age >= alertCommit:
		return true
	case s.changed() && age >= s.cfg.CommitEvery:
		return true
	}
	return age >= idleCommit && (s.moved() || s.reportDue())
}

// changed tells that something happened since the last commit.
func (s *Shard) changed() bool {
	return s.records > 0 || len(s.snapshots) > 0 || len(s.gaps) > 0 || s.rolling.ended() || s.compacting.ended() || s.outbox.anyDelivered()
}

// moved tells that time or place went on, with nothing to show for it.
func (s *Shard) moved() bool {
	m := s.handle.Current()
	return !s.watermark.Equal(m.Watermark) || trim(s.position) != m.Seq
}

// commit is one commit under way: what was frozen, and the manifest to be.
type commit struct {
	shard  *Shard
	frozen *manifest.Manifest // without what the uploads add
	next   *manifest.Manifest

	rows    *export.Batch   // to be files in this commit
	files   bool            // these are all open rows
	report  bool            // the rolls and snapshots so far go to the table progress
	closed  bool            // the shard has ended
	log     *export.Log     // rows that stay open
	extent  manifest.Extent // of rows, when they are all
	taken   *roll           // whose files this commit takes in
	merged  *compaction     // whose segment it takes in
	cut     *roll           // that begins behind it
	overlay *state.Overlay
	ids     []idRow
	packed  idPacking
	dlq     []byte
	alerts  []Alert
	shots   []snapshotRow
}

// freeze takes what was done so far out of the hands of the owner. Everything
// behind it belongs to the next checkpoint.
func (s *Shard) freeze(ctx context.Context, files bool) (*commit, error) {
	s.acknowledge()
	if err := s.detector.Flush(); err != nil {
		return nil, err
	}
	dlq, err := s.dlq.take()
	if err != nil {
		return nil, err
	}
	m := s.nextManifest()
	c := &commit{shard: s, frozen: m, dlq: dlq, files: files, closed: s.ending, alerts: s.outbox.take(), shots: s.snapshots}
	if err := c.takeInRoll(ctx); err != nil {
		return nil, err
	}
	c.takeInCompaction()
	if c.merged == nil { // else the last manifest still names what it replaces
		s.compactIfDue()
	}
	c.freezeRows()
	c.freezeReports()
	if c.packed, err = s.ids.pack(m); err != nil {
		return nil, err
	}
	c.ids, c.overlay = s.ids.take(), s.store.Freeze()
	totals := manifest.Hash(c.overlay.Totals().Hash)
	m.StateRows, m.StateHash = c.overlay.Totals().Rows, &totals
	s.records, s.snapshots, s.gaps, s.urgent, s.frozenAt = 0, nil, nil, false, s.now
	return c, nil
}

// nextManifest is the manifest of the commit at hand, as far as the owner
// knows it; the files and the state are filled in as they are uploaded.
func (s *Shard) nextManifest() *manifest.Manifest {
	m := s.handle.Current().Clone()
	m.Ckpt++
	m.Pending = nil
	m.Seq, m.Arrival, m.Watermark, m.Newest = trim(s.position), s.arrival, s.watermark, s.newest
	m.Counts = s.counts
	m.Source = s.cfg.Source(s.position)
	m.Config.Rules, m.Config.Accounts, m.Config.Lateness = s.cfg.Rules.Hash(), s.cfg.Accounts.Digest(), s.cfg.Lateness.String()
	m.Outbox = int64(len(s.outbox.keys))
	m.Gaps = newest(append(slices.Clip(m.Gaps), s.gaps...), mostGaps)
	if !s.now.IsZero() {
		m.Committed = s.now.UTC()
	}
	m.Snapshots = s.inventory.snapshots()
	return m
}

// mostGaps are kept in a manifest: a shard that stays where its stream removes
// records adds one a minute. All of them are in the table progress.
const mostGaps = 1000

func newest[T any](all []T, most int) []T { return all[max(0, len(all)-most):] }

// uploadAge is how old an upload may be when a manifest refers to it. The
// collector deletes what nothing refers to after 48 hours, so an owner that was
// paused for days must not commit what it uploaded before.
const uploadAge = time.Hour

// run carries the commit out.
func (c *commit) run(ctx context.Context) error {
	defer c.close()
	s := c.shard
	began, before := time.Now(), s.handle.Current().Counts
	for oldest := (time.Time{}); time.Since(oldest) >= uploadAge; {
		if err := s.persist(ctx, "commit", func() (err error) {
			oldest, err = c.upload(ctx)
			return err
		}); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := s.handle.Commit(ctx, c.next); err != nil {
		return err
	}
	if err := s.persist(ctx, "publish", func() error { return s.publish(ctx, c.next.Pending) }); err != nil {
		return err
	}
	if ctx.Err() == nil {
		s.send(c.alerts)
	}
	if err := s.store.Apply(c.overlay, state.Marker{Checkpoint: c.next.Ckpt, Epoch: c.next.Epoch, BootID: s.bootID}); err != nil {
		return err
	}
	c.cut.start(s)
	c.keepHistory(ctx)
	s.checkpoint(ctx, c.next.Seq)
	if s.cfg.Committed != nil {
		s.cfg.Committed(Commit{Manifest: c.next, Before: before, Took: time.Since(began)})
	}
	return nil
}

func (c *commit) close() {
	_ = c.rows.Close()
	if c.log != nil {
		_ = c.log.Close()
	}
	if c.taken != nil {
		_ = c.taken.batch.Close()
	}
}

// upload brings everything that the manifest will refer to into the stores,
// and returns when the oldest part of it was written.
func (c *commit) upload(ctx context.Context) (oldest time.Time, err error) {
	oldest = time.Now()
	for _, made := range []*time.Time{c.taken.stagedAt(), c.merged.madeAt()} {
		if made != nil && time.Since(*made) < uploadAge && made.Before(oldest) {
			oldest = *made
		}
	}
	c.next = c.frozen.Clone()
	for _, step := range []func(context.Context) error{c.refresh, c.stage, c.logRows, c.delta, c.compact, c.quarantine} {
		if err := step(ctx); err != nil {
			return oldest, err
		}
	}
	return oldest, nil
}

// refresh writes again what was made before this commit, if it is old.
func (c *commit) refresh(ctx context.Context) error {
	if made := c.taken.stagedAt(); made != nil && time.Since(*made) >= uploadAge {
		if err := c.taken.run(ctx, c.shard); err != nil {
			return err
		}
	}
	if made := c.merged.madeAt(); made != nil && time.Since(*made) >= uploadAge {
		c.merged.run(ctx, c.shard)
		return c.merged.err
	}
	return nil
}

// delta uploads the changed state and names it in the manifest.
func (c *commit) delta(ctx context.Context) error {
	rows, err := c.packed.write(ctx, c.shard.cfg.State, c.next)
	if err != nil {
		return err
	}
	rows = append(rows, idRows(c.ids)...)
	if c.overlay.Len() == 0 && len(rows) == 0 {
		return nil
	}
	ref, err := state.WriteDelta(ctx, c.shard.cfg.State, c.next, c.overlay, rows)
	if err != nil {
		return err
	}
	c.next.Segments = append(slices.Clip(c.next.Segments), ref)
	return nil
}

// quarantine stages the pieces that could not be decoded.
func (c *commit) quarantine(ctx context.Context) error {
	if c.dlq == nil {
		return nil
	}
	m, sum := c.next, sha256.Sum256(c.dlq)
	f := manifest.Pending{
		Stage: fmt.Sprintf("_stage/%s/%d-%d-%s-dlq", m.Shard, m.Epoch, m.Ckpt, m.Writer),
		Final: fmt.Sprintf("_dlq/%s-%010d.ndjson.zst", m.Shard, m.Ckpt),
		Table: "_dlq", Bytes: int64(len(c.dlq)), SHA256: hex.EncodeToString(sum[:]),
	}
	if _, err := c.shard.cfg.Lake.Put(ctx, f.Stage, c.dlq); err != nil {
		return fmt.Errorf("stage the quarantine: %w", err)
	}
	c.next.Pending = append(c.next.Pending, f)
	return nil
}

// publish makes staged files visible. Doing it twice is doing it once.
func (s *Shard) publish(ctx context.Context, files []manifest.Pending) error {
	moves := make([]blob.Move, len(files))
	for i, f := range files {
		moves[i] = blob.Move{Stage: f.Stage, Final: f.Final}
	}
	return blob.PublishAll(ctx, s.cfg.Lake, moves)
}

// keepHistory keeps a copy of a manifest that people may want to look at
// later. It is no way back: an older manifest would publish rows again.
func (c *commit) keepHistory(ctx context.Context) {
	if c.shard.cfg.Roll.everyCommit() || c.taken == nil && c.next.Ckpt > 1 {
		return
	}
	if err := manifest.WriteHistory(ctx, c.shard.cfg.State, c.next); err != nil {
		c.shard.cfg.logger().Warn("the copy of a manifest was not written", "error", err)
	}
}

// checkpoint tells the lease table. When that fails the next commit makes up
// for it.
func (s *Shard) checkpoint(ctx context.Context, sequence string) {
	if s.cfg.Checkpoint == nil || sequence == "" || ctx.Err() != nil {
		return
	}
	if err := s.cfg.Checkpoint(ctx, sequence); err != nil {
		s.cfg.logger().Warn("the lease table was not told of a commit", "sequence", sequence, "error", err)
	}
}

// persist repeats what failed until the lease is lost: while a store is down
// the shard keeps what it has, and the source keeps the rest. A replay fails at
// once, because somebody is looking on.
func (s *Shard) persist(ctx context.Context, what string, do func() error) error {
	pause := 200 * time.Millisecond
	for {
		err := do()
		if err == nil || s.cfg.CommitEvery <= 0 || errors.Is(err, blob.ErrNotFound) || errors.Is(err, manifest.ErrInvalid) {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		s.cfg.logger().Error(what+" failed and will be repeated", "in", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 10*time.Second)
	}
}
