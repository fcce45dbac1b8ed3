package parquetcheck

import "slices"

// checkSorting wants the declared sorting columns to be those of the table and the rows to be in their order. Readers trust the
// declaration without a look at the rows.
func (c *checker) checkSorting(where string, g *rowGroup, columns []*column, want []string) {
	var declared []string
	var keys []sortKey
	for _, s := range g.sorting {
		i := s.int(1)
		if i < 0 || i >= int64(len(c.leaves)) {
			c.fail("sorting", "%s: sorting column %d of %d", where, i, len(c.leaves))
			return
		}
		leaf := c.leaves[i]
		name := leaf.dotted()
		if s.bool(2) {
			name += " descending"
		}
		declared = append(declared, name)
		if leaf.maxRep > 0 {
			c.fail("sorting", "%s: sorting column %s is repeated", where, name)
			return
		}
		if columns[i] == nil {
			return // could not be decoded, which is recorded
		}
		keys = append(keys, sortKey{kind: leaf.kind, values: columns[i].rowValues(), descending: s.bool(2), nullsFirst: s.bool(3)})
	}
	if want != nil && !slices.Equal(declared, want) {
		c.fail("sorting", "%s: sorting columns are %v, want %v", where, declared, want)
	}
	if row, ok := firstUnsorted(keys); ok {
		c.fail("sorting", "%s: row %d is before row %d in the order of %v", where, row, row-1, declared)
	}
}

// sortKey is one sorting column with its value in each row, nil for NULL.
type sortKey struct {
	kind                   physical
	values                 [][]byte
	descending, nullsFirst bool
}

// rowValues returns the value of each row, nil where it is NULL. The column must not be repeated.
func (col *column) rowValues() [][]byte {
	var out [][]byte
	for _, p := range col.pages {
		next := 0
		for i := range p.slots {
			if p.defs != nil && int(p.defs[i]) < col.leaf.maxDef {
				out = append(out, nil)
				continue
			}
			out = append(out, p.values[next])
			next++
		}
	}
	return out
}

// firstUnsorted returns the first row that should stand before the one in front of it.
func firstUnsorted(keys []sortKey) (row int, found bool) {
	if len(keys) == 0 {
		return 0, false
	}
	n := len(keys[0].values)
	for _, k := range keys {
		n = min(n, len(k.values))
	}
	for row := 1; row < n; row++ {
		for _, k := range keys {
			order := k.order(k.values[row-1], k.values[row])
			if order > 0 {
				return row, true
			}
			if order < 0 {
				break
			}
		}
	}
	return 0, false
}

func (k sortKey) order(a, b []byte) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) == k.nullsFirst {
			return -1
		}
		return 1
	}
	order := compare(k.kind, a, b)
	if k.descending {
		return -order
	}
	return order
}
