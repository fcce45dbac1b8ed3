package state

import (
	"fmt"
	"iter"
)

// Range yields the rows whose keys have the prefix, in key order: the newest
// value of each, without removed ones. The caller must not change the slices,
// and may keep them. The loop may put and delete: it sees the new value of a
// key that it has not reached yet if that key was in the overlay before, the
// old one otherwise. It must not freeze or close the store.
func (s *Store) Range(prefix []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		at := s.current()
		top := s.active.within(string(prefix))
		if at.frozen != nil {
			top = override(clip(at.frozen.sorted(), string(prefix)), top)
		}
		// A view of its own: the loop's puts may move the owner's view on.
		// It is opened after the levels were looked at, so it can hold a
		// part of frozen, which lies above it anyway.
		view := s.lower.view()
		defer view.close()
		for row, err := range view.rows(prefix) {
			if err != nil {
				yield(Row{}, fmt.Errorf("read state: %w", err))
				return
			}
			var ok bool
			if top, ok = yieldBelow(top, string(row.Key), yield); !ok {
				return
			}
			if len(top) > 0 && top[0].key == string(row.Key) {
				continue // yielded with the next row, or at the end
			}
			if !yield(row, nil) {
				return
			}
		}
		yieldAll(top, yield)
	}
}

// override joins two sorted runs; of equal keys the upper one stays.
func override(under, upper []*entry) []*entry {
	out := make([]*entry, 0, len(under)+len(upper))
	for len(under) > 0 && len(upper) > 0 {
		switch {
		case under[0].key < upper[0].key:
			out, under = append(out, under[0]), under[1:]
		case under[0].key == upper[0].key:
			under = under[1:]
		default:
			out, upper = append(out, upper[0]), upper[1:]
		}
	}
	return append(append(out, under...), upper...)
}

// yieldBelow yields the live entries before key and returns the others.
func yieldBelow(top []*entry, key string, yield func(Row, error) bool) (rest []*entry, ok bool) {
	n := 0
	for n < len(top) && top[n].key < key {
		n++
	}
	return top[n:], yieldAll(top[:n], yield)
}

func yieldAll(top []*entry, yield func(Row, error) bool) bool {
	for _, e := range top {
		if e.live && !yield(e.row(), nil) {
			return false
		}
	}
	return true
}

func (e *entry) row() Row {
	return Row{Key: []byte(e.key), Value: e.value, Deleted: !e.live}
}
