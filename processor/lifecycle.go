package processor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/manifest"
)

// Finish takes the last snapshot of a replay, as of at, and commits all that is
// left. The shard may go on afterwards.
func (s *Shard) Finish(ctx context.Context, at time.Time) error {
	if err := s.snapshot(at); err != nil {
		return err
	}
	if s.changed() {
		if err := s.begin(ctx, true); err != nil {
			return err
		}
	}
	if err := s.settle(); err != nil {
		return err
	}
	if len(s.handle.Current().Pending) == 0 {
		return nil
	}
	return s.seal(ctx, false)
}

// Release commits all that was processed, so that the next owner reads nothing
// twice. With files, all open rows become files too; give that a ctx with a
// deadline, for the next owner can do it as well. The shard is closed next.
func (s *Shard) Release(ctx context.Context, now time.Time, files bool) error {
	s.tell(now)
	if err := s.settle(); err != nil {
		return err
	}
	if !files && !s.changed() && !s.moved() || files && s.clean() {
		return nil
	}
	if err := s.begin(ctx, files); err != nil {
		return err
	}
	return s.settle()
}

// clean tells that a commit which makes files of all rows would change
// nothing.
func (s *Shard) clean() bool {
	m := s.handle.Current()
	return !s.changed() && !s.moved() && s.rolling == nil && len(m.RowLogs)+len(m.Reports)+len(m.Pending) == 0
}

// End closes a shard that the stream has closed, after its last record: what is
// open becomes files, the files are published, and the manifest is marked as
// closed, from which the children of the shard can begin. Calling it again, or
// by the next owner, goes on where it stopped.
func (s *Shard) End(ctx context.Context, now time.Time) error {
	s.tell(now)
	if err := s.settle(); err != nil {
		return err
	}
	if m := s.handle.Current(); !m.Closed {
		if !s.clean() || state.CompactionDue(m) {
			s.ending = true
			if err := s.begin(ctx, true); err != nil {
				return err
			}
			if err := s.settle(); err != nil {
				return err
			}
		}
		if err := s.seal(ctx, true); err != nil {
			return err
		}
	}
	if s.cfg.Checkpoint == nil {
		return nil
	}
	// No later commit makes up for this one, and the children wait for it.
	if err := s.cfg.Checkpoint(ctx, ShardEnd); err != nil {
		return fmt.Errorf("shard %s: tell the lease table of its end: %w", s.cfg.Shard, err)
	}
	return nil
}

// Lost notes input that may have been gone before it could be read. It is in
// the next commit and in the table progress.
func (s *Shard) Lost(g manifest.Gap) {
	s.gaps = append(s.gaps, g)
	s.open.Gaps = append(s.open.Gaps, g)
	s.cfg.logger().Error("records may have been lost before they could be read", "from", g.From, "to", g.To, "reason", g.Reason)
}

// seal takes the published files out of the manifest, so that files which are
// later removed from the lake are not missed, and closes the shard if it has
// ended.
func (s *Shard) seal(ctx context.Context, closed bool) error {
	m := s.handle.Current().Clone()
	m.Ckpt++
	m.Pending = nil
	m.Closed = closed
	if err := s.handle.Commit(ctx, m); err != nil {
		return s.ended(err)
	}
	return nil
}

// Close gives up the shard without a commit. It waits for one in flight. Of a
// shard that another owner has taken over nothing stays on this host.
func (s *Shard) Close() error {
	failed := s.settle()
	s.cancel()
	if s.rolling != nil {
		if s.rolling.going {
			<-s.rolling.done
		}
		_ = s.rolling.batch.Close() // its files are staged, or staged again by the next owner
	}
	if s.compacting != nil {
		<-s.compacting.done
	}
	errs := []error{failed, s.rows.Freeze().Close()}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if dir := s.cfg.local("badger"); dir != "" && errors.Is(failed, manifest.ErrFenced) {
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, fmt.Errorf("delete the local cache: %w", err))
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}
