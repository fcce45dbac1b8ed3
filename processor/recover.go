package processor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// ErrRolledBack means that the lease table knows of a commit that the manifest
// does not: the manifest was deleted, or an older one was put back.
var ErrRolledBack = errors.New("the manifest is older than the lease table's checkpoint: restore its newest version in the store; a manifest from hist/ would publish rows twice")

// Open takes a shard over, from whoever had it before:
//
//  1. lock the local cache, so that a process which is at work is not fenced
//     by one that could not go on in its place
//  2. read the manifest, or write the first one
//  3. raise its epoch: from here on no earlier owner can commit
//  4. publish what the last commit staged, in case its owner died before
//  5. bring the local cache to the last commit, or load the segments
//  6. hold row count and hash of the state against the manifest's
//  7. read the open rows from the row logs; begin the roll that is due
//  8. send the alerts that are not known to be delivered
//
// Reading goes on behind Position. ctx is that of the lease: what runs beside
// the owner ends with it.
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
	s.background, s.cancel = context.WithCancel(ctx)
	if err := s.restore(ctx); err != nil {
		return nil, fmt.Errorf("shard %s: %w", cfg.Shard, errors.Join(err, s.Close()))
	}
	return s, nil
}

// takeOver makes this process the owner of the shard's manifest.
func takeOver(ctx context.Context, cfg Config) (*Shard, error) {
	own, err := key.ParseRange(cfg.HashRange[0], cfg.HashRange[1])
	if err != nil {
		return nil, err
	}
	// Whoever commits has claimed the lake before. So a commit that was there
	// before a claim which nobody had made tells of a lake that was deleted.
	handle, err := openManifest(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	fresh, err := claimLake(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if fresh && handle.Current().Ckpt > 0 {
		err := fmt.Errorf("the lake in %s is empty, but the state in %s has written to it: delete the state too to begin anew, or name the right --lake", cfg.Lake.URL(), cfg.State.URL())
		return nil, errors.Join(err, unclaim(ctx, cfg))
	}
	if handle, err = raiseEpoch(ctx, &cfg, handle); err != nil {
		return nil, err
	}
	m := handle.Current()
	s := &Shard{cfg: cfg, handle: handle, ids: newDedup(), inventory: &inventory{shard: cfg.Shard, catalogue: cfg.Catalogue, own: own},
		position: pad(m.Seq), arrival: m.Arrival, watermark: m.Watermark, newest: m.Newest, counts: m.Counts,
		open: m.Open, cutCounts: m.Counts.Minus(m.Open.Counts), outbox: outbox{keys: map[string][]string{}}}
	s.UseAccounts(cfg.Accounts)
	s.other = otherThan(m, &cfg)
	spool, err := s.emptySpool()
	if err != nil {
		return nil, err
	}
	s.rows = export.NewBuffer(export.BufferOptions{SpoolDir: spool})
	return s, s.persist(ctx, "publish", func() error { return s.publish(ctx, m.Pending) })
}

// raiseEpoch takes the manifest from its owner before. One that is still at
// work may commit between our look and our write; then we look again. Whoever
// raised the epoch meanwhile was faster.
func raiseEpoch(ctx context.Context, cfg *Config, handle *manifest.Handle) (*manifest.Handle, error) {
	for {
		before := handle.Current()
		// The time is for people who read the manifest; nothing is decided by it.
		err := handle.TakeOver(ctx, cfg.Writer, time.Now())
		if !errors.Is(err, manifest.ErrFenced) {
			return handle, err
		}
		again, openErr := openManifest(ctx, cfg)
		if openErr != nil {
			return nil, errors.Join(err, openErr)
		}
		if found := again.Current(); found.Epoch != before.Epoch || found.Writer != before.Writer {
			return nil, err
		}
		handle = again
	}
}

func openManifest(ctx context.Context, cfg *Config) (*manifest.Handle, error) {
	k := manifest.Key(cfg.App, cfg.Stream, cfg.Shard)
	handle, err := manifest.Open(ctx, cfg.State, k)
	if errors.Is(err, blob.ErrNotFound) {
		if cfg.Hint != "" {
			return nil, fmt.Errorf("%s is not in %s, but the lease table has checkpoint %s: %w", k, cfg.State.URL(), cfg.Hint, ErrRolledBack)
		}
		first, err := birth(ctx, cfg)
		if err != nil {
			return nil, err
		}
		return manifest.Create(ctx, cfg.State, k, first)
	}
	if err != nil {
		return nil, err
	}
	m := handle.Current()
	if m.HashRange != cfg.HashRange {
		return nil, fmt.Errorf("the state in %s was made with another number of shards: use the same --shards as before, or another --data", cfg.State.URL())
	}
	if want := cfg.Source(pad(m.Seq)); m.Seq != "" && m.Source != want {
		return nil, otherSource(cfg, m.Source, want)
	}
	if cfg.Hint == ShardEnd && !m.Closed || cfg.Hint != ShardEnd && manifest.CompareSeq(trim(cfg.Hint), m.Seq) > 0 {
		return nil, fmt.Errorf("%s is at %q, the lease table at %s: %w", k, m.Seq, cfg.Hint, ErrRolledBack)
	}
	return handle, m.CheckIdentity(manifest.Identity{App: cfg.App, Stream: cfg.Stream, Shard: cfg.Shard})
}

// ErrOtherFiles says that a replay was begun with other files than now.
var ErrOtherFiles = errors.New("made from other files")

func otherSource(cfg *Config, have, want string) error {
	if cfg.CommitEvery > 0 {
		return fmt.Errorf("the state in %s was made from the stream %s, this one is %s: a stream that was made again needs another --app, or a new --state and --lake", cfg.State.URL(), have, want)
	}
	return fmt.Errorf("the state in %s was %w: name the same files as before, to which newer ones may be added, or use another --data", cfg.State.URL(), ErrOtherFiles)
}

// restore brings the shard to the last commit.
func (s *Shard) restore(ctx context.Context) error {
	m := s.handle.Current()
	s.bootID = state.BootID()
	if err := s.restoreStore(ctx, m); err != nil {
		return err
	}
	var err error
	if s.inventory.parts, err = s.snapshotParts(m); err != nil {
		return err
	}
	s.inventory.store, s.sessions = s.store, identity.NewSessions(s.store)
	s.inventory.horizon = m.Watermark.Add(-s.cfg.KeepTombstones)
	if err := s.openDetection(m.Watermark); err != nil {
		return err
	}
	s.ids.attach(ctx, s.cfg.State, m)
	if err := s.restoreIDs(ctx, m); err != nil {
		return err
	}
	if err := s.restoreRows(ctx, m); err != nil {
		return err
	}
	if m.Outbox == 0 {
		return nil
	}
	return s.resend()
}

// restoreStore brings the local cache to the last commit, and makes sure that
// it is what was committed.
func (s *Shard) restoreStore(ctx context.Context, m *manifest.Manifest) error {
	if err := s.openStore(ctx, m); err != nil {
		return err
	}
	if s.isCommitted(m) {
		return nil
	}
	if err := s.reload(ctx, m); err != nil {
		return err
	}
	if s.isCommitted(m) {
		return nil
	}
	return fmt.Errorf("the state does not have the hash that its manifest gives, after a full restore: %d rows instead of %d; the segments in %s are damaged",
		s.store.RowCount(), m.StateRows, s.cfg.State.URL())
}

// isCommitted holds the state against the manifest. The first manifest of a
// shard that was split or merged does not know its hash yet.
func (s *Shard) isCommitted(m *manifest.Manifest) bool {
	return m.StateHash == nil || s.store.Hash() == uint64(*m.StateHash) && s.store.RowCount() == m.StateRows
}

// openStore uses the local cache if its marker says that it holds the last
// commit, or an earlier one from which the segments lead on, and that the host
// has not started anew since. One that cannot even be opened is made anew too:
// a kill while Badger makes a file is enough for that.
func (s *Shard) openStore(ctx context.Context, m *manifest.Manifest) error {
	if err := s.openCache(); err != nil {
		return s.reload(ctx, m)
	}
	mark, ok, err := s.store.Marker()
	if err == nil && !ok && len(m.Segments) == 0 {
		return nil // nothing anywhere: a new shard
	}
	if err != nil || !ok || !mark.Usable(s.bootID, m) {
		return s.reload(ctx, m)
	}
	if mark.Checkpoint >= lastCheckpoint(m) {
		return nil
	}
	return s.catchUp(ctx, m, mark.Checkpoint)
}

// catchUp applies the segments above a checkpoint to the local cache and reads
// all of it again: what the cache holds beyond its marker is not known.
func (s *Shard) catchUp(ctx context.Context, m *manifest.Manifest, from int64) error {
	if m.StateHash == nil {
		return s.reload(ctx, m)
	}
	mark := state.Marker{Checkpoint: lastCheckpoint(m), Epoch: m.Epoch, BootID: s.bootID,
		Totals: state.Totals{Rows: m.StateRows, Hash: uint64(*m.StateHash)}}
	if err := s.store.CatchUp(state.ReadSince(ctx, s.cfg.State, m, from), mark); err != nil {
		return s.reload(ctx, m)
	}
	if t, err := s.store.Scan(ctx); err != nil || t != mark.Totals {
		return s.reload(ctx, m)
	}
	return nil
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
	return s.store.Load(s.reported(state.ReadState(ctx, s.cfg.State, m, nil), m.StateRows), mark)
}

// reported passes rows on and says now and then how many there were: a large
// state takes its time.
func (s *Shard) reported(rows iter.Seq2[state.Row, error], all int64) iter.Seq2[state.Row, error] {
	return func(yield func(state.Row, error) bool) {
		n, last := int64(0), time.Now()
		for row, err := range rows {
			if n++; n%4096 == 0 && time.Since(last) >= 5*time.Second {
				last = time.Now()
				s.cfg.logger().Info("restoring the state", "rows", n, "of", all)
			}
			if !yield(row, err) {
				return
			}
		}
	}
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

// fetch reads an object and holds it against its hash.
func fetch(ctx context.Context, store blob.Store, name, sha string) (*bytes.Reader, error) {
	data, _, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != sha {
		return nil, fmt.Errorf("%s in %s does not have the SHA-256 of the manifest: it is damaged", name, store.URL())
	}
	return bytes.NewReader(data), nil
}
