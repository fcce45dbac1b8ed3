package state

import (
	"context"
	"fmt"
	"iter"
	"os"
	"sync"

	"github.com/cairnstream/cairn/state/key"
)

// Overlay is what one interval changed: the final value of each key. It does
// not change, and any goroutine may read it.
type Overlay struct {
	table  *table
	totals Totals // of the store as a whole when the overlay was frozen
	err    error
	once   sync.Once
	order  []*entry
}

func (o *Overlay) sorted() []*entry {
	o.once.Do(func() { o.order = o.table.sorted() })
	return o.order
}

// Rows yields the changed rows in key order, removals included.
func (o *Overlay) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, e := range o.sorted() {
			if !yield(e.row()) {
				return
			}
		}
	}
}

func (o *Overlay) seq2() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row := range o.Rows() {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Len is the number of rows, removals included.
func (o *Overlay) Len() int { return len(o.table.rows) }

// Bytes is the size of keys and values.
func (o *Overlay) Bytes() int64 { return o.table.bytes }

// Totals are the row count and state hash of the whole store as of the
// freeze: what the manifest of this checkpoint says.
func (o *Overlay) Totals() Totals { return o.totals }

// Err is the store's Err as of the freeze.
func (o *Overlay) Err() error { return o.err }

// Freeze ends the active overlay and begins the next one. The frozen one stays
// part of the store. It has to be applied before the next Freeze, which panics
// otherwise: a third overlay would hide a broken commit sequence.
func (s *Store) Freeze() *Overlay {
	at := s.current()
	if at.frozen != nil {
		panic("state: Freeze while an overlay is frozen")
	}
	o := &Overlay{table: s.active, totals: s.totals, err: s.err}
	s.active = newTable()
	s.levels.Store(&levels{frozen: o, warm: at.warm, view: at.view})
	return o
}

// Apply writes the frozen overlay to the lower level, and after it the marker
// with the overlay's totals. It runs beside the owner. After an error the
// overlay is still frozen, and Apply can be called again.
func (s *Store) Apply(o *Overlay, m Marker) error {
	at := s.levels.Load()
	if at.frozen != o {
		return fmt.Errorf("apply checkpoint %d: the overlay is not the frozen one", m.Checkpoint)
	}
	if o.err != nil {
		return fmt.Errorf("apply checkpoint %d: %w", m.Checkpoint, o.err)
	}
	if err := s.lower.write(o.seq2()); err != nil {
		return fmt.Errorf("apply checkpoint %d: %w", m.Checkpoint, err)
	}
	m.Totals = o.totals
	if err := s.mark(m); err != nil {
		return fmt.Errorf("apply checkpoint %d: %w", m.Checkpoint, err)
	}
	next := &levels{view: s.lower.view()}
	if o.Bytes()+int64(o.Len())*entryOverhead <= 2*s.cache.limit {
		next.warm = o
	}
	s.levels.Store(next)
	return nil
}

// Load fills an empty store with rows in key order and writes the marker. Rows
// of event ids and removals are passed over. Without success the directory has
// no marker and must be deleted.
func (s *Store) Load(rows iter.Seq2[Row, error], m Marker) error {
	m.Totals = Totals{}
	kept := func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil && (row.Deleted || key.IsDedup(row.Key)) {
				continue
			}
			if err == nil {
				m.Totals.add(rowHash(row.Key, row.Value))
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
	// Badger starts its clock anew at the end of a load; a view from before
	// must not be closed after it.
	s.release()
	if err := s.lower.load(kept); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	return s.reset(m)
}

// CatchUp applies the rows of newer segments, removals included, to a store
// whose marker is behind. m.Totals are those that the manifest has for the new
// checkpoint; Scan tells whether they are right.
func (s *Store) CatchUp(rows iter.Seq2[Row, error], m Marker) error {
	kept := func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil && key.IsDedup(row.Key) {
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
	if err := s.lower.write(kept); err != nil {
		return fmt.Errorf("catch up to checkpoint %d: %w", m.Checkpoint, err)
	}
	return s.reset(m)
}

// reset writes the marker and begins with the lower level as it is.
func (s *Store) reset(m Marker) error {
	if err := s.mark(m); err != nil {
		return err
	}
	s.active, s.totals, s.cache = newTable(), m.Totals, newCache(2*s.cache.limit)
	s.levels.Store(&levels{view: s.lower.view()})
	s.current()
	return nil
}

// View is the committed state at one moment, without the overlays: what a
// snapshot is written from while processing goes on. Close it.
type View struct{ reader reader }

// View opens a view. Opened after Apply of a checkpoint and before Freeze's
// next Apply begins, it holds exactly that checkpoint.
func (s *Store) View() *View { return &View{s.lower.view()} }

// Range yields the rows whose keys have the prefix, in key order. The slices
// may be kept.
func (v *View) Range(prefix []byte) iter.Seq2[Row, error] { return v.reader.rows(prefix) }

// Get returns the value of a key.
func (v *View) Get(k []byte) (value []byte, ok bool, err error) { return v.reader.get(k) }

// Close releases the view.
func (v *View) Close() { v.reader.close() }

// Scan reads the whole lower level and returns what is really there, to be
// compared with the manifest after a restore. Apply must not run meanwhile.
func (s *Store) Scan(ctx context.Context) (Totals, error) {
	view := s.lower.view()
	defer view.close()
	var t Totals
	for row, err := range view.rows(nil) {
		if err == nil && t.Rows%4096 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return Totals{}, fmt.Errorf("scan state: %w", err)
		}
		t.add(rowHash(row.Key, row.Value))
	}
	return t, nil
}

// Discard closes the store and deletes its directory.
func (s *Store) Discard() error {
	err := s.Close()
	if s.dir == "" {
		return err
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("delete state %s: %w", s.dir, err)
	}
	return nil
}
