package state

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// lower is what lies below the overlays: Badger, or a map.
type lower interface {
	// view opens a reader of what is there now.
	view() reader
	// write puts and removes rows in their order; a part of them may be
	// there after an error.
	write(rows iter.Seq2[Row, error]) error
	// load fills the empty lower level with rows in key order.
	load(rows iter.Seq2[Row, error]) error
	close() error
}

// reader reads one moment of a lower level; later writes do not show.
type reader interface {
	get(k []byte) (value []byte, ok bool, err error)
	// rows yields in key order, without the marker. The slices may be kept.
	rows(prefix []byte) iter.Seq2[Row, error]
	// typed is rows for the keyed rows of some types.
	typed(t types) iter.Seq2[Row, error]
	close()
}

func openLower(dir string, opts Options) (lower, error) {
	if dir == "" {
		return &memory{rows: map[string][]byte{}}, nil
	}
	return openBadger(dir, opts.Log)
}

// memory is the lower level without a directory. A view is cheap until the
// next write, which then copies the map: with the small states of tests and
// rule trials that is less than a persistent structure would cost.
type memory struct {
	mu     sync.Mutex
	rows   map[string][]byte
	shared bool // a view has this map: copy before writing
}

func (m *memory) view() reader {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shared = true
	return &memoryView{m.rows}
}

func (m *memory) write(rows iter.Seq2[Row, error]) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shared {
		m.rows, m.shared = maps.Clone(m.rows), false
	}
	for row, err := range rows {
		if err != nil {
			return err
		}
		if row.Deleted {
			delete(m.rows, string(row.Key))
		} else {
			m.rows[string(row.Key)] = row.Value
		}
	}
	return nil
}

func (m *memory) load(rows iter.Seq2[Row, error]) error { return m.write(rows) }
func (m *memory) close() error                          { return nil }

// memoryView is a map that is not written any more.
type memoryView struct{ m map[string][]byte }

func (v *memoryView) get(k []byte) ([]byte, bool, error) {
	value, ok := v.m[string(k)]
	return value, ok, nil
}

func (v *memoryView) rows(prefix []byte) iter.Seq2[Row, error] {
	return v.where(func(k string) bool { return strings.HasPrefix(k, string(prefix)) && k != markerKey })
}

func (v *memoryView) typed(t types) iter.Seq2[Row, error] { return v.where(t.has) }

func (v *memoryView) where(fits func(k string) bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var keys []string
		for k := range v.m {
			if fits(k) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		for _, k := range keys {
			if !yield(Row{Key: []byte(k), Value: v.m[k]}, nil) {
				return
			}
		}
	}
}

func (v *memoryView) close() {}

// ascending passes rows on and fails when their keys do not rise, for a level
// that would be broken by it without a word.
func ascending(rows iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var last []byte
		for row, err := range rows {
			if err == nil && last != nil && string(row.Key) <= string(last) {
				err = fmt.Errorf("rows out of order: key %q after %q", row.Key, last)
			}
			if !yield(row, err) || err != nil {
				return
			}
			last = row.Key
		}
	}
}
