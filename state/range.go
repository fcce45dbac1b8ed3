package state

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/cairnstream/cairn/state/key"
)

// Range yields the rows whose keys have the prefix, in key order: the newest
// value of each, without removed ones. The caller must not change the slices,
// and may keep them. The loop may put and delete: it sees the new value of a
// key that it has not reached yet if that key was in the overlay before, the
// old one otherwise. It must not freeze or close the store.
func (s *Store) Range(prefix []byte) iter.Seq2[Row, error] {
	same := func(list []*entry) []*entry { return list }
	return s.walk(string(prefix), same, func(r reader) iter.Seq2[Row, error] { return r.rows(prefix) })
}

// RangeTypes is Range over the keyed rows whose types lie between first and
// last, both included. The rows between them are passed over, mostly unread: the
// few of some types cost little in a state that is large with others.
func (s *Store) RangeTypes(first, last byte) iter.Seq2[Row, error] {
	t := types{first, last}
	return s.walk(string(key.SpaceKeyed), t.filter, func(r reader) iter.Seq2[Row, error] { return r.typed(t) })
}

// types are the types of keyed rows from first to last.
type types struct{ first, last byte }

// typeAt is where a keyed row has its type.
const typeAt = 1 + len(key.Hash{})

func (t types) has(k string) bool {
	return len(k) > typeAt && k[0] == key.SpaceKeyed && t.first <= k[typeAt] && k[typeAt] <= t.last
}

func (t types) filter(list []*entry) (out []*entry) {
	for _, e := range list {
		if t.has(e.key) {
			out = append(out, e)
		}
	}
	return out
}

// next is the first key behind a keyed row of another type that can be of these
// types; nil when there is none.
func (t types) next(k []byte) []byte {
	head := bytes.Clone(k[:typeAt])
	if k[typeAt] > t.last {
		if head = key.PrefixEnd(head); head[0] != key.SpaceKeyed {
			return nil
		}
		for len(head) < typeAt { // PrefixEnd cuts what it would have to make zero
			head = append(head, 0)
		}
	}
	return append(head, t.first)
}

// walk joins what lies above with the rows of the lower level.
func (s *Store) walk(prefix string, keep func([]*entry) []*entry, under func(reader) iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		at := s.current()
		top := keep(s.active.within(prefix))
		if at.frozen != nil {
			top = override(keep(clip(at.frozen.sorted(), prefix)), top)
		}
		// A view of its own: the loop's puts may move the owner's view on.
		// It is opened after the levels were looked at, so it can hold a
		// part of frozen, which lies above it anyway.
		view := s.lower.view()
		defer view.close()
		for row, err := range under(view) {
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
