// Package state keeps the keyed state of one shard.
//
// A Store is a RAM overlay over Badger. Processing writes to the overlay only.
// A commit freezes it, writes it to a segment, and, once the manifest names
// the segment, applies it to Badger; meanwhile processing goes on in the next
// overlay. So Badger always holds the last committed checkpoint, or part of
// the next, and is no more than a cache of the segments: the manifest and the
// segments are the truth, and a lost directory is loaded again from them.
//
// Threading: one goroutine owns a Store and calls Get, Put, Delete, Range,
// Freeze, Totals and DirtyBytes. A frozen Overlay may be read by any
// goroutine, and Apply, View and Scan may run beside the owner. Load, CatchUp
// and Close need the store for themselves.
//
// Event ids (key.Dedup) are never in a Store: Badger would cost more for them
// than all the rest of the pipeline. Their owner keeps them in RAM and gives
// them to WriteDelta.
package state

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/segment"
)

// Row is one row of state, or its removal.
type Row = segment.Row

// Limits of a row. A value above the limit would not fit the way in which
// Badger and segments keep values; state that large has to be cut into rows.
const (
	MaxKey   = segment.MaxKey
	MaxValue = segment.MaxValue
)

// Options of a Store. The zero value is ready to use.
type Options struct {
	// CacheBytes bounds the rows that are kept in RAM because they were
	// read lately, and, separately, those of the last commit, which are
	// dropped when they are more. 0 means 16 MiB each, enough for some
	// 60,000 hot rows of 150 bytes. Negative means none.
	CacheBytes int64
	// Log gets Badger's warnings and errors. nil means none.
	Log *slog.Logger
}

const defaultCache = 16 << 20

// Store is the state of one shard.
type Store struct {
	dir    string
	lower  lower
	active *table
	levels atomic.Pointer[levels]
	read   reader // the owner's view of lower, as of levels
	seen   *levels
	cache  cache
	totals Totals // of all levels together
	err    error  // the first failure of a method that cannot return one
}

// levels is what lies between the active overlay and the lower level. Apply
// replaces it as a whole, so that the owner never sees a row twice or not at all.
type levels struct {
	frozen *Overlay // nil when none
	warm   *Overlay // applied last, kept as a cache; nil when too large
	view   reader   // of lower; holds at least what warm and its predecessors hold
}

// Open opens the state in the directory dir, which is made if it is missing.
// With dir "" the lower level is in RAM, for tests, simulation and trying out
// rules. An existing directory is usable only if its Marker says so.
func Open(dir string, opts Options) (*Store, error) {
	if opts.CacheBytes == 0 {
		opts.CacheBytes = defaultCache
	}
	s := &Store{dir: dir, active: newTable(), cache: newCache(opts.CacheBytes)}
	var err error
	if s.lower, err = openLower(dir, opts); err != nil {
		return nil, err
	}
	marker, found, err := s.Marker()
	if err != nil {
		return nil, errors.Join(err, s.lower.close())
	}
	if found {
		s.totals = marker.Totals
	}
	s.levels.Store(&levels{view: s.lower.view()})
	s.current()
	return s, nil
}

// Close closes the store. Rows that were not applied are lost, as in a crash.
func (s *Store) Close() error {
	s.release()
	if err := s.lower.close(); err != nil {
		return fmt.Errorf("close state %s: %w", s.dir, err)
	}
	return nil
}

// Err returns the first error of Put or Delete, which have to look up what
// they replace and cannot say that it failed. After it nothing may be
// committed; WriteDelta and Apply return it too.
func (s *Store) Err() error { return s.err }

// Get returns the newest value of a key. The value must not be changed; it
// stays as it is when the store changes.
func (s *Store) Get(k []byte) (value []byte, ok bool, err error) {
	e, err := s.lookup(k)
	if err != nil || !e.live {
		return nil, false, err
	}
	return e.value, true, nil
}

// lookup finds a row in the levels from the top down. An absent one is an
// entry that is not live.
func (s *Store) lookup(k []byte) (*entry, error) {
	if e, ok := s.active.rows[string(k)]; ok {
		return e, nil
	}
	return s.below(k)
}

// below finds a row under the active overlay.
func (s *Store) below(k []byte) (*entry, error) {
	at := s.current()
	if at.frozen != nil {
		if e, ok := at.frozen.table.rows[string(k)]; ok {
			return e, nil
		}
	}
	if e, ok := s.cache.get(k); ok {
		return e, nil
	}
	if at.warm != nil {
		if e, ok := at.warm.table.rows[string(k)]; ok {
			s.cache.put(e)
			return e, nil
		}
	}
	return s.fetch(k)
}

func (s *Store) fetch(k []byte) (*entry, error) {
	value, ok, err := s.read.get(k)
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	e := &entry{key: string(k), value: value, live: ok}
	if ok {
		e.sum = rowHash(k, value)
	}
	s.cache.put(e)
	return e, nil
}

// current returns the levels and brings the owner's view of lower up to them.
func (s *Store) current() *levels {
	at := s.levels.Load()
	if at != s.seen {
		if s.read != nil && s.read != at.view {
			s.read.close()
		}
		s.read, s.seen = at.view, at
	}
	return at
}

// release closes the owner's view. Only reset may follow, or Close.
func (s *Store) release() {
	s.current()
	if s.read != nil {
		s.read.close()
		s.read = nil
	}
}

// Put writes a row to the overlay. Key and value are copied. A row that has
// the value already is left alone.
func (s *Store) Put(k, value []byte) {
	if err := checkRow(k, value); err != nil {
		s.fail(err)
		return
	}
	old, mine, ok := s.find(k)
	if !ok {
		return
	}
	sum := rowHash(k, value)
	if old.live && old.sum == sum && bytes.Equal(old.value, value) {
		return
	}
	s.totals.add(sum)
	s.replace(k, old, mine, entry{value: append([]byte{}, value...), sum: sum, live: true})
}

// Delete removes a row; one that is not there is no error.
func (s *Store) Delete(k []byte) {
	if err := checkRow(k, nil); err != nil {
		s.fail(err)
		return
	}
	old, mine, ok := s.find(k)
	if !ok || !old.live {
		return // removed by this overlay already, or in no level below
	}
	s.replace(k, old, mine, entry{})
}

// find returns the present row of a key, and whether the active overlay has it.
func (s *Store) find(k []byte) (old *entry, mine, ok bool) {
	if e, ok := s.active.rows[string(k)]; ok {
		return e, true, true
	}
	e, err := s.below(k)
	if err != nil {
		s.fail(err)
		return nil, false, false
	}
	return e, false, true
}

// replace puts a new row in the place of the old one, in the active overlay.
func (s *Store) replace(k []byte, old *entry, mine bool, e entry) {
	if old.live {
		s.totals.remove(old.sum)
	}
	if mine {
		s.active.change(old, e)
		return
	}
	s.cache.drop(k)
	e.key = string(k)
	s.active.insert(e)
}

func (s *Store) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func checkRow(k, value []byte) error {
	switch {
	case len(k) == 0 || len(k) > MaxKey:
		return fmt.Errorf("state key of %d bytes: want 1 to %d", len(k), MaxKey)
	case len(value) > MaxValue:
		return fmt.Errorf("state value of %d bytes under key %q: more than %d", len(value), k, MaxValue)
	case k[0] != key.SpaceKeyed && k[0] != key.SpaceWhole:
		return fmt.Errorf("state key %q: neither keyed nor whole", k)
	case key.IsDedup(k):
		return fmt.Errorf("event id %x put into the store: give it to WriteDelta", k)
	}
	return nil
}

// Totals returns the number of rows and the state hash over all levels.
func (s *Store) Totals() Totals { return s.totals }

// Hash is the state hash over all levels.
func (s *Store) Hash() uint64 { return s.totals.Hash }

// RowCount is the number of rows over all levels.
func (s *Store) RowCount() int64 { return s.totals.Rows }

// DirtyBytes is the size of keys and values in the active overlay.
func (s *Store) DirtyBytes() int64 { return s.active.bytes }

// DirtyRows is the number of rows in the active overlay, removals included.
func (s *Store) DirtyRows() int { return len(s.active.rows) }
