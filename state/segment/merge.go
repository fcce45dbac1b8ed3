package segment

import (
	"bytes"
	"iter"
)

// Merge joins sequences of rows, each in key order, into one; of rows with the
// same key the one of the last sequence wins. Removals come out too, because
// older segments may still hold their keys; Live drops them.
func Merge(oldestFirst ...iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	if len(oldestFirst) == 1 {
		return oldestFirst[0]
	}
	return func(yield func(Row, error) bool) {
		var m merger
		defer m.stop()
		for age, rows := range oldestFirst {
			if err := m.add(rows, age); err != nil {
				yield(Row{}, err)
				return
			}
		}
		m.run(yield)
	}
}

// Live drops removals: the end of a merge that includes the oldest segment.
func Live(rows iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil && row.Deleted {
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// source is one sequence and the row it stands at.
type source struct {
	row  Row
	age  int // higher is newer
	next func() (Row, error, bool)
	stop func()
}

func (s *source) before(o *source) bool {
	if c := bytes.Compare(s.row.Key, o.row.Key); c != 0 {
		return c < 0
	}
	return s.age > o.age // the newest first, so that it is met first
}

// merger is a binary heap of sources, lowest first.
type merger struct{ heap []*source }

func (m *merger) add(rows iter.Seq2[Row, error], age int) error {
	next, stop := iter.Pull2(rows)
	s := &source{age: age, next: next, stop: stop}
	row, err, ok := next()
	if err != nil || !ok {
		stop()
		return err
	}
	s.row = row
	m.heap = append(m.heap, s)
	for i := len(m.heap) - 1; i > 0 && m.heap[i].before(m.heap[(i-1)/2]); i = (i - 1) / 2 {
		m.heap[i], m.heap[(i-1)/2] = m.heap[(i-1)/2], m.heap[i]
	}
	return nil
}

func (m *merger) run(yield func(Row, error) bool) {
	var last []byte
	for len(m.heap) > 0 {
		top := m.heap[0]
		if last == nil || !bytes.Equal(top.row.Key, last) {
			last = top.row.Key
			if !yield(top.row, nil) {
				return
			}
		}
		if err := m.advance(top); err != nil {
			yield(Row{}, err)
			return
		}
	}
}

// advance moves the lowest source on and restores the heap.
func (m *merger) advance(top *source) error {
	row, err, ok := top.next()
	if err != nil {
		return err
	}
	if ok {
		top.row = row
	} else {
		top.stop()
		m.heap[0] = m.heap[len(m.heap)-1]
		m.heap = m.heap[:len(m.heap)-1]
	}
	m.sink()
	return nil
}

func (m *merger) sink() {
	for i := 0; ; {
		least := i
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < len(m.heap) && m.heap[child].before(m.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func (m *merger) stop() {
	for _, s := range m.heap {
		s.stop()
	}
}
