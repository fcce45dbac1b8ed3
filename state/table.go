package state

import (
	"slices"
	"strings"
)

// entry is one row in RAM, or the knowledge that there is none.
type entry struct {
	key   string
	value []byte // never changed in place: readers keep it
	sum   uint64 // rowHash, 0 when not live
	live  bool   // false: deleted, or known to be absent
}

func (e *entry) size() int64 { return int64(len(e.key) + len(e.value)) }

// table is a map that can also be walked in key order. Order is made when it
// is asked for: entries wait unsorted in the tail, and a walk turns the tail
// into a sorted run. Runs of similar length are joined, so that there are
// never more than a logarithm of them, and a walk between two writes costs
// what was written, not what is there.
type table struct {
	rows  map[string]*entry
	runs  [][]*entry // each sorted; lengths fall at least by half from one to the next
	tail  []*entry
	slab  []entry // entries are allocated many at a time
	bytes int64   // keys and values
}

func newTable() *table { return &table{rows: map[string]*entry{}} }

// insert adds a row that is not there yet.
func (t *table) insert(e entry) {
	if len(t.slab) == 0 {
		t.slab = make([]entry, 64)
	}
	fresh := &t.slab[0]
	t.slab = t.slab[1:]
	*fresh = e
	t.rows[e.key] = fresh
	t.tail = append(t.tail, fresh)
	t.bytes += e.size()
}

// change gives an entry of the table the contents of e, but for the key.
func (t *table) change(old *entry, e entry) {
	e.key = old.key
	t.bytes += e.size() - old.size()
	*old = e
}

func byKey(a, b *entry) int { return strings.Compare(a.key, b.key) }

// order moves the tail into the runs.
func (t *table) order() {
	if len(t.tail) == 0 {
		return
	}
	run := t.tail
	t.tail = nil
	slices.SortFunc(run, byKey)
	for n := len(t.runs); n > 0 && len(t.runs[n-1]) < 2*len(run); n-- {
		run = join(t.runs[n-1], run)
		t.runs = t.runs[:n-1]
	}
	t.runs = append(t.runs, run)
}

// join merges two sorted runs without common keys into a new one.
func join(a, b []*entry) []*entry {
	out := make([]*entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].key < b[0].key {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// sorted returns all entries in key order.
func (t *table) sorted() []*entry {
	t.order()
	for n := len(t.runs); n > 1; n-- {
		t.runs[n-2] = join(t.runs[n-2], t.runs[n-1])
		t.runs = t.runs[:n-1]
	}
	if len(t.runs) == 0 {
		return nil
	}
	return t.runs[0]
}

// within returns the entries whose keys have the prefix, in key order. The
// slice stays as it is when the table changes; its entries may not.
func (t *table) within(prefix string) []*entry {
	t.order()
	var out []*entry
	for _, run := range t.runs {
		out = join(out, clip(run, prefix))
	}
	return out
}

// clip cuts a sorted run down to the keys with the prefix.
func clip(run []*entry, prefix string) []*entry {
	from, _ := slices.BinarySearchFunc(run, prefix, func(e *entry, p string) int { return strings.Compare(e.key, p) })
	run = run[from:]
	to, _ := slices.BinarySearchFunc(run, prefix, func(e *entry, p string) int {
		if strings.HasPrefix(e.key, p) {
			return -1
		}
		return 1
	})
	return run[:to]
}
