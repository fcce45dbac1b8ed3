package processor

import (
	"context"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// compaction merges segments beside commits, so that neither the manifest nor
// a restore grows with the number of commits. What it replaces stays in the
// store for the collector: somebody may be reading it.
type compaction struct {
	of     *manifest.Manifest // whose segments are merged
	done   chan struct{}
	result *state.Compaction // nil when nothing was due
	err    error
	made   time.Time
}

// run merges. Doing it again writes the same bytes under the same name.
func (c *compaction) run(ctx context.Context, s *Shard) {
	began := time.Now()
	result, err := state.Compact(ctx, s.cfg.State, c.of, expiredIDs(c.of))
	if err == nil {
		c.result, c.made = result, began
	}
	c.err = err
}

// ended tells that a compaction is there and can be taken in.
func (c *compaction) ended() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.done:
		return c.result != nil
	default:
		return false
	}
}

// compactIfDue starts a compaction of the last commit's segments.
func (s *Shard) compactIfDue() {
	m := s.handle.Current()
	if s.compacting != nil || s.cfg.Roll.everyCommit() || !state.CompactionDue(m) {
		return
	}
	c := &compaction{of: m, done: make(chan struct{})}
	s.compacting = c
	go func() {
		defer close(c.done)
		c.run(s.background, s)
	}()
}

// takeInCompaction puts a finished compaction in the place of the segments
// that it was made from.
func (c *commit) takeInCompaction() {
	s := c.shard
	if s.compacting == nil {
		return
	}
	select {
	case <-s.compacting.done:
	default:
		return
	}
	done := s.compacting
	s.compacting = nil
	err := done.err
	if err == nil && done.result != nil {
		if err = done.result.TakeIn(c.frozen); err == nil {
			c.merged = done
		}
	}
	if err != nil {
		s.cfg.logger().Warn("segments were not merged; this is tried again", "error", err)
	}
}

// compact merges segments inside of a commit, where there is no clock: the
// segments of a replay repeat. So does the last commit of a shard that ended,
// which may have lived too short for a merge beside its commits: else shards
// that are split and merged again and again would hand down ever longer lists.
func (c *commit) compact(ctx context.Context) error {
	if !c.shard.cfg.Roll.everyCommit() && !c.closed {
		return nil
	}
	for {
		done, err := state.Compact(ctx, c.shard.cfg.State, c.next, expiredIDs(c.next))
		if err != nil || done == nil {
			return err
		}
		if err := done.TakeIn(c.next); err != nil {
			return err
		}
	}
}

// expiredIDs tells which rows of event ids are behind the horizon.
func expiredIDs(m *manifest.Manifest) func(row []byte) bool {
	oldest := key.Hour(m.Watermark.Add(-horizon))
	return func(row []byte) bool {
		hour, _, ok := key.ParseDedup(row)
		return ok && hour < oldest
	}
}

// madeAt is when the objects were written, nil without any.
func (c *compaction) madeAt() *time.Time {
	if c == nil {
		return nil
	}
	return &c.made
}
