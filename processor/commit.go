package processor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// commit freezes what was done since the last one and makes it durable beside
// further processing. Its order is the protocol:
//
//  1. upload what nobody can see yet: staged files, state delta, quarantine
//  2. check that nothing goes backwards and that every piece is accounted for
//     (package manifest does)
//  3. write the manifest, if nobody else did: this is the commit
//  4. publish the staged files under names that the manifest alone decides
//  5. bring the local cache up to it
//
// One commit is in flight at most. When the next is due before it ended,
// processing waits, and so does the source.
func (s *Shard) commit(ctx context.Context) error {
	if err := s.settle(); err != nil {
		return err
	}
	c, err := s.freeze()
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
		return nil
	}
	err := <-s.committed
	s.committed = nil
	if err != nil {
		return fmt.Errorf("shard %s: commit: %w", s.cfg.Shard, err)
	}
	return nil
}

// commit is one commit under way: what was frozen, and the manifest to be.
type commit struct {
	shard   *Shard
	next    *manifest.Manifest
	naming  export.Naming
	rows    *export.Batch
	overlay *state.Overlay
	ids     []idRow
	dlq     []byte
	report  progress
}

// freeze takes what was done so far out of the hands of the owner. Everything
// behind it belongs to the next checkpoint.
func (s *Shard) freeze() (*commit, error) {
	dlq, err := s.dlq.take()
	if err != nil {
		return nil, err
	}
	m := s.nextManifest()
	c := &commit{
		shard: s, next: m, dlq: dlq, ids: s.ids.take(), overlay: s.store.Freeze(), rows: s.rows.Freeze(),
		naming: export.Naming{Shard: s.cfg.Shard, Epoch: m.Epoch, Checkpoint: m.Ckpt, Writer: m.Writer,
			FirstSequence: cmp.Or(s.first, s.position), LastSequence: s.position},
		report: s.progress(),
	}
	totals := manifest.Hash(c.overlay.Totals().Hash)
	m.StateRows, m.StateHash = c.overlay.Totals().Rows, &totals
	s.since, s.first, s.reported = span{}, "", nil
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
	m.Config.Rules = s.cfg.Rules.Hash()
	if n := len(s.reported); n > 0 {
		m.Snapshots = []manifest.Snapshots{{Lo: s.cfg.HashRange[0], Hi: s.cfg.HashRange[1], Through: s.reported[n-1].at}}
	}
	return m
}

// run carries the commit out.
func (c *commit) run(ctx context.Context) error {
	defer func() { _ = c.rows.Close() }()
	files, err := c.stage(ctx)
	if err != nil {
		return err
	}
	c.next.Pending = pending(files)
	if err := c.delta(ctx); err != nil {
		return err
	}
	if err := c.compact(ctx); err != nil {
		return err
	}
	if err := c.quarantine(ctx); err != nil {
		return err
	}
	if err := c.shard.handle.Commit(ctx, c.next); err != nil {
		return err
	}
	if err := c.shard.publish(ctx, c.next.Pending); err != nil {
		return err
	}
	return c.shard.store.Apply(c.overlay, state.Marker{Checkpoint: c.next.Ckpt, Epoch: c.next.Epoch, BootID: c.shard.bootID})
}

// stage encodes the open rows, then the rows that report of them, as files
// that no reader sees.
func (c *commit) stage(ctx context.Context) ([]export.File, error) {
	cfg := &c.shard.cfg
	cfg.Rolls.Lock()
	defer cfg.Rolls.Unlock()
	files, err := c.rows.Roll(ctx, cfg.Lake, c.naming, cfg.Encoders)
	if err != nil {
		return nil, err
	}
	rows := export.NewBuffer(export.BufferOptions{})
	for _, r := range c.report.rows(c.next, files) {
		if err := rows.AddProgress(day(c.next.Arrival, c.next.Arrival), &r); err != nil {
			return nil, err
		}
	}
	batch := rows.Freeze()
	defer func() { _ = batch.Close() }()
	more, err := batch.Roll(ctx, cfg.Lake, c.naming, 1)
	return append(files, more...), err
}

// delta uploads the changed state and names it in the manifest.
func (c *commit) delta(ctx context.Context) error {
	if c.overlay.Len() == 0 && len(c.ids) == 0 {
		return nil
	}
	ref, err := state.WriteDelta(ctx, c.shard.cfg.State, c.next, c.overlay, idRows(c.ids))
	if err != nil {
		return err
	}
	c.next.Segments = append(slices.Clip(c.next.Segments), ref)
	return nil
}

// compact merges segments when there are many, so that neither the manifest
// nor a restore grows with the number of commits. What it replaces stays in the
// store: somebody may be reading it.
func (c *commit) compact(ctx context.Context) error {
	oldest := key.Hour(c.next.Watermark.Add(-horizon))
	expired := func(row []byte) bool {
		hour, _, ok := key.ParseDedup(row)
		return ok && hour < oldest
	}
	for {
		done, err := state.Compact(ctx, c.shard.cfg.State, c.next, expired)
		if err != nil || done == nil {
			return err
		}
		if err := done.TakeIn(c.next); err != nil {
			return err
		}
	}
}

// quarantine stages the pieces that could not be decoded.
func (c *commit) quarantine(ctx context.Context) error {
	if c.dlq == nil {
		return nil
	}
	n, sum := c.naming, sha256.Sum256(c.dlq)
	f := manifest.Pending{
		Stage: fmt.Sprintf("_stage/%s/%d-%d-%s-dlq", n.Shard, n.Epoch, n.Checkpoint, n.Writer),
		Final: fmt.Sprintf("_dlq/%s-%010d.ndjson.zst", n.Shard, n.Checkpoint),
		Table: "_dlq", Bytes: int64(len(c.dlq)), SHA256: hex.EncodeToString(sum[:]),
	}
	if _, err := c.shard.cfg.Lake.Put(ctx, f.Stage, c.dlq); err != nil {
		return fmt.Errorf("stage the quarantine: %w", err)
	}
	c.next.Pending = append(c.next.Pending, f)
	return nil
}

func pending(files []export.File) []manifest.Pending {
	out := make([]manifest.Pending, 0, len(files))
	for _, f := range files {
		out = append(out, manifest.Pending{Stage: f.Stage, Final: f.Final, Table: string(f.Table), Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256})
	}
	return out
}

// publish makes staged files visible. Doing it twice is doing it once.
func (s *Shard) publish(ctx context.Context, files []manifest.Pending) error {
	moves := make([]blob.Move, len(files))
	for i, f := range files {
		moves[i] = blob.Move{Stage: f.Stage, Final: f.Final}
	}
	return blob.PublishAll(ctx, s.cfg.Lake, moves)
}

// clearPublished takes the published files out of the manifest, so that files
// which are later removed from the lake are not missed.
func (s *Shard) clearPublished(ctx context.Context) error {
	m := s.handle.Current().Clone()
	if len(m.Pending) == 0 {
		return nil
	}
	m.Ckpt++
	m.Pending = nil
	if err := s.handle.Commit(ctx, m); err != nil {
		return fmt.Errorf("shard %s: commit: %w", s.cfg.Shard, err)
	}
	return nil
}
