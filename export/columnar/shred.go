package columnar

import "github.com/cairnstream/cairn/export/rowlog"

// Append adds one encoded row to the open row group. The row's bytes may be
// reused afterwards. Rows must come in the order of the schema's sort columns.
func (w *Writer) Append(row []byte) error {
	r := rowlog.NewReader(row)
	for i := range w.schema.fields {
		n := &w.schema.fields[i]
		if n.kind == rowlog.String { // most columns
			c := &w.columns[n.lo]
			if b, ok := r.Text(n.optional); ok {
				c.level(w.groupRows, 0, n.def)
				c.text(b)
				w.full = w.full || len(c.plain) >= w.schema.pageBytes
			}
			continue
		}
		w.shred(n, &r, 0, 0)
	}
	if err := r.Err(); err != nil {
		w.note(err)
		return err
	}
	w.groupRows++
	if w.full || w.groupRows%rowsBetweenChecks == 0 {
		return w.closeFullPages()
	}
	return w.err
}

// shred reads the field of n and appends it to its columns. def is the
// definition level of the field's parent, rep the level at which it repeats.
func (w *Writer) shred(n *node, r *rowlog.Reader, rep, def byte) {
	switch n.kind {
	case rowlog.String:
		b, ok := r.Text(n.optional)
		if !ok {
			w.columns[n.lo].level(w.groupRows, rep, def)
			return
		}
		c := &w.columns[n.lo]
		c.level(w.groupRows, rep, n.def)
		c.text(b)
		w.full = w.full || len(c.plain) >= w.schema.pageBytes
	case rowlog.Bool:
		v, ok := r.Bool(n.optional)
		if !ok {
			w.columns[n.lo].level(w.groupRows, rep, def)
			return
		}
		c := &w.columns[n.lo]
		c.level(w.groupRows, rep, n.def)
		c.values++
		c.bools = append(c.bools, v)
	case rowlog.List, rowlog.Map:
		w.shredItems(n, r, rep, def)
	case rowlog.Struct:
		if n.optional && !r.Present() {
			w.null(n, rep, def)
			return
		}
		for i := range n.sub {
			w.shred(&n.sub[i], r, rep, n.def)
		}
	default:
		if n.optional && !r.Present() {
			w.columns[n.lo].level(w.groupRows, rep, def)
			return
		}
		c := &w.columns[n.lo]
		c.level(w.groupRows, rep, n.def)
		c.scalar(r)
	}
}

// shredItems reads a list or map. Its definition levels are: def where it is
// NULL, n.def where it is empty, above for its items.
func (w *Writer) shredItems(n *node, r *rowlog.Reader, rep, def byte) {
	count, ok := r.Count(n.optional)
	if !ok {
		w.null(n, rep, def)
		return
	}
	if count == 0 {
		w.null(n, rep, n.def)
		return
	}
	for i := range count {
		if i == 1 {
			rep = n.rep
		}
		for k := range n.sub {
			w.shred(&n.sub[k], r, rep, n.def+1)
		}
	}
}

// null notes that nothing is there at or below n.
func (w *Writer) null(n *node, rep, def byte) {
	if def == 0 && rep == 0 {
		return // catchUp
	}
	for i := n.lo; i < n.hi; i++ {
		w.columns[i].level(w.groupRows, rep, def)
	}
}
