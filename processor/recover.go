package processor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// Open takes a shard over, from whoever had it before:
//
//  1. lock the local cache, so that a process which is at work is not fenced
//     by one that could not go on in its place
//  2. read the manifest, or write the first one
//  3. raise its epoch: from here on no earlier owner can commit
//  4. publish what the last commit staged, in case its owner died before
//  5. use the local cache if it is the last commit's, else load the segments
//  6. hold row count and hash of the state against the manifest's
//
// Reading goes on behind Position.
func Open(ctx context.Context, cfg Config) (*Shard, error) {
	lock, err := lockLocal(cfg.local("."))
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", cfg.Shard, err)
	}
	s, err := takeOver(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", cfg.Shard, errors.Join(err, lock.Close()))
	}
	s.lock = lock
	if err := s.restore(ctx); err != nil {
		return nil, fmt.Errorf("shard %s: %w", cfg.Shard, errors.Join(err, s.Close()))
	}
	return s, nil
}

// takeOver makes this process the owner of the shard's manifest.
func takeOver(ctx context.Context, cfg Config) (*Shard, error) {
	fresh, err := claimLake(ctx, cfg)
	if err != nil {
		return nil, err
	}
	handle, err := openManifest(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if fresh && handle.Current().Ckpt > 0 {
		err := fmt.Errorf("the lake in %s is empty, but the state in %s has written to it: delete the state too to begin anew, or name the right --lake", cfg.Lake.URL(), cfg.State.URL())
		return nil, errors.Join(err, unclaim(ctx, cfg))
	}
	// The time is for people who read the manifest; nothing is decided by it.
	if err := handle.TakeOver(ctx, cfg.Writer, time.Now()); err != nil {
		return nil, err
	}
	m := handle.Current()
	s := &Shard{cfg: cfg, handle: handle, ids: newDedup(), matcher: cfg.Rules.Matcher(),
		position: pad(m.Seq), arrival: m.Arrival, watermark: m.Watermark, newest: m.Newest, counts: m.Counts}
	s.otherRules = m.Ckpt > 0 && m.Config.Rules != "" && m.Config.Rules != cfg.Rules.Hash()
	s.snapshotted = m.Watermark.Truncate(max(cfg.SnapshotEvery, time.Hour))
	for _, r := range m.Snapshots {
		if r.Through.After(s.snapshotted) {
			s.snapshotted = r.Through
		}
	}
	if m.Watermark.IsZero() {
		s.snapshotted = time.Time{}
	}
	spool, err := s.emptySpool()
	if err != nil {
		return nil, err
	}
	s.rows = export.NewBuffer(export.BufferOptions{SpoolDir: spool})
	return s, s.publish(ctx, m.Pending)
}

func openManifest(ctx context.Context, cfg Config) (*manifest.Handle, error) {
	k := manifest.Key(cfg.App, cfg.Stream, cfg.Shard)
	handle, err := manifest.Open(ctx, cfg.State, k)
	if errors.Is(err, blob.ErrNotFound) {
		return manifest.Create(ctx, cfg.State, k, &manifest.Manifest{Format: manifest.Format, App: cfg.App, Stream: cfg.Stream,
			Shard: cfg.Shard, HashRange: cfg.HashRange, Writer: cfg.Writer})
	}
	if err != nil {
		return nil, err
	}
	m := handle.Current()
	if m.HashRange != cfg.HashRange {
		return nil, fmt.Errorf("the state in %s was made with another number of shards: use the same --shards as before, or another --data", cfg.State.URL())
	}
	if want := cfg.Source(pad(m.Seq)); m.Seq != "" && m.Source != want {
		return nil, fmt.Errorf("the state in %s was made from other files: name the same files as before, to which newer ones may be added, or use another --data", cfg.State.URL())
	}
	return handle, m.CheckIdentity(manifest.Identity{App: cfg.App, Stream: cfg.Stream, Shard: cfg.Shard})
}

// restore brings the local cache to the last commit.
func (s *Shard) restore(ctx context.Context) error {
	m := s.handle.Current()
	s.bootID = state.BootID()
	if err := s.openStore(ctx, m); err != nil {
		return err
	}
	if m.StateHash != nil && (s.store.Hash() != uint64(*m.StateHash) || s.store.RowCount() != m.StateRows) {
		if err := s.reload(ctx, m); err != nil {
			return err
		}
		if s.store.Hash() != uint64(*m.StateHash) || s.store.RowCount() != m.StateRows {
			return fmt.Errorf("the state does not have the hash that its manifest gives, after a full restore: %d rows instead of %d; the segments in %s are damaged",
				s.store.RowCount(), m.StateRows, s.cfg.State.URL())
		}
	}
	s.inventory = &inventory{shard: s.cfg.Shard, store: s.store, catalogue: s.cfg.Catalogue,
		horizon: m.Watermark.Add(-s.cfg.KeepTombstones)}
	if s.cfg.SnapshotEvery > 0 && !m.Watermark.IsZero() {
		s.inventory.boundary = m.Watermark.Truncate(s.cfg.SnapshotEvery).Add(s.cfg.SnapshotEvery)
	}
	return s.restoreIDs(ctx, m)
}

// openStore uses the local cache if its marker says that it holds exactly the
// last commit, and that the host has not started anew since. One that cannot
// even be opened is made anew too: a kill while Badger makes a file is enough
// for that.
func (s *Shard) openStore(ctx context.Context, m *manifest.Manifest) error {
	if err := s.openCache(); err != nil {
		return s.reload(ctx, m)
	}
	mark, ok, err := s.store.Marker()
	if err == nil && !ok && len(m.Segments) == 0 {
		return nil // nothing anywhere: a new shard
	}
	if err == nil && ok && mark.Checkpoint >= lastCheckpoint(m) && mark.Checkpoint <= m.Ckpt && mark.BootID == s.bootID && s.bootID != "" {
		return nil
	}
	return s.reload(ctx, m)
}

// openCache opens what is in the folder of the local cache. Damaged files can
// make Badger panic on a goroutine of its own, so a folder is not even opened
// unless a note beside it says that it could be, since the host started. The
// note is away while it is tried.
func (s *Shard) openCache() (err error) {
	dir, note := s.cfg.local("badger"), s.cfg.local("opened")
	if dir == "" {
		s.store, err = state.Open(dir, state.Options{Log: s.cfg.Log})
		return err
	}
	if boot, err := os.ReadFile(note); err != nil || string(boot) != s.bootID {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("clear the local cache: %w", err)
		}
	}
	if err := os.RemoveAll(note); err != nil {
		return fmt.Errorf("open the local cache: %w", err)
	}
	if s.store, err = state.Open(dir, state.Options{Log: s.cfg.Log}); err != nil {
		s.store = nil
		return err
	}
	if err := os.WriteFile(note, []byte(s.bootID), 0o644); err != nil {
		return fmt.Errorf("open the local cache: %w", err)
	}
	return nil
}

// reload makes the local cache anew from the segments.
func (s *Shard) reload(ctx context.Context, m *manifest.Manifest) error {
	if s.store != nil {
		_ = s.store.Close() // what it could not write is deleted next
		s.store = nil
	}
	if dir := s.cfg.local("badger"); dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("clear the local cache: %w", err)
		}
	}
	if err := s.openCache(); err != nil {
		return err
	}
	mark := state.Marker{Checkpoint: lastCheckpoint(m), Epoch: m.Epoch, BootID: s.bootID}
	return s.store.Load(state.ReadState(ctx, s.cfg.State, m, nil), mark)
}

// lastCheckpoint is the newest checkpoint that changed the state.
func lastCheckpoint(m *manifest.Manifest) (ckpt int64) {
	for _, seg := range m.Segments {
		ckpt = max(ckpt, seg.To)
	}
	return ckpt
}

// restoreIDs loads the ids of events within the horizon.
func (s *Shard) restoreIDs(ctx context.Context, m *manifest.Manifest) error {
	for row, err := range state.ReadState(ctx, s.cfg.State, m, key.Whole(key.Dedup)) {
		if err != nil {
			return fmt.Errorf("restore event ids: %w", err)
		}
		if err := s.ids.load(row.Key, s.watermark); err != nil {
			return err
		}
	}
	return nil
}

// emptySpool is the folder for rows that do not fit into memory. What an
// interrupted process left there is in no commit.
func (s *Shard) emptySpool() (string, error) {
	dir := s.cfg.local("spool")
	if dir == "" {
		return "", nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return "", fmt.Errorf("make room for open rows: %w", err)
	}
	return dir, nil
}

// local is a folder of the shard's cache, "" when it is kept in memory.
func (c *Config) local(name string) string {
	if c.Local == "" {
		return ""
	}
	return filepath.Join(c.Local, c.Stream, c.Shard, name)
}
