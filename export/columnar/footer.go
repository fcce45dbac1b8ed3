package columnar

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/cairnstream/cairn/export/rowlog"
)

// Close writes the open row group, the indexes and the footer. It does not
// close the underlying writer.
func (w *Writer) Close() error {
	if err := w.EndGroup(); err != nil {
		return err
	}
	for i := range w.chunks {
		w.writeColumnIndex(&w.chunks[i])
	}
	for i := range w.chunks {
		w.writeOffsetIndex(&w.chunks[i])
	}
	w.writeFooter()
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// writeColumnIndex writes the bounds of a column's pages.
func (w *Writer) writeColumnIndex(k *chunk) {
	if k.noBounds {
		return
	}
	pages := w.pages[k.lo:k.hi]
	t := &w.thrift
	t.b = t.b[:0]
	t.begin()
	t.list(1, thriftTrue, len(pages))
	for i := range pages {
		if pages[i].slots == pages[i].nulls {
			t.b = append(t.b, thriftTrue)
		} else {
			t.b = append(t.b, thriftFalse)
		}
	}
	t.list(2, thriftBinary, len(pages))
	for i := range pages {
		t.b = appendBound(t.b, w.bounds[pages[i].start:pages[i].mid])
	}
	t.list(3, thriftBinary, len(pages))
	for i := range pages {
		t.b = appendBound(t.b, w.bounds[pages[i].mid:pages[i].end])
	}
	t.i32(4, w.boundaryOrder(k))
	t.list(5, thriftI64, len(pages))
	for i := range pages {
		t.number(int64(pages[i].nulls))
	}
	t.end()
	k.columnIndex = span{w.offset, int64(len(t.b))}
	w.write(t.b)
}

func appendBound(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// boundaryOrder says whether the pages' bounds ascend (1), descend (2) or
// neither (0). Pages of NULLs alone do not count.
func (w *Writer) boundaryOrder(k *chunk) int64 {
	up, down := true, true
	var last *page
	for i := k.lo; i < k.hi; i++ {
		p := &w.pages[i]
		if p.slots == p.nulls {
			continue
		}
		if last != nil {
			lo := compareBounds(k.leaf.kind, w.bounds[last.start:last.mid], w.bounds[p.start:p.mid])
			hi := compareBounds(k.leaf.kind, w.bounds[last.mid:last.end], w.bounds[p.mid:p.end])
			up = up && lo <= 0 && hi <= 0
			down = down && lo >= 0 && hi >= 0
		}
		last = p
	}
	switch {
	case up:
		return 1
	case down:
		return 2
	}
	return 0
}

// writeOffsetIndex writes the places of a column's pages.
func (w *Writer) writeOffsetIndex(k *chunk) {
	t := &w.thrift
	t.b = t.b[:0]
	t.begin()
	t.list(1, thriftStruct, k.hi-k.lo)
	for i := k.lo; i < k.hi; i++ {
		p := &w.pages[i]
		t.begin()
		t.i64(1, p.offset)
		t.i32(2, int64(p.size))
		t.i64(3, p.firstRow)
		t.end()
	}
	t.end()
	k.offsetIndex = span{w.offset, int64(len(t.b))}
	w.write(t.b)
}

// writeFooter writes FileMetaData, its length and the magic.
func (w *Writer) writeFooter() {
	t := &w.thrift
	t.b = t.b[:0]
	t.begin()
	t.i32(1, 1)
	t.list(2, thriftStruct, w.schema.nElements)
	t.b = append(t.b, w.schema.elements...)
	t.i64(3, w.totalRows())
	t.list(4, thriftStruct, len(w.groups))
	n := len(w.columns)
	for i := range w.groups {
		w.putGroup(t, &w.groups[i], w.chunks[i*n:(i+1)*n], i)
	}
	t.list(5, thriftStruct, len(w.meta))
	for _, m := range w.meta {
		t.begin()
		t.text(1, m.Key)
		t.text(2, m.Value)
		t.end()
	}
	t.text(6, w.created)
	t.list(7, thriftStruct, n)
	for range n { // the order that each type defines, without which bounds do not count
		t.begin()
		t.empty(1)
		t.end()
	}
	t.end()
	t.b = binary.LittleEndian.AppendUint32(t.b, uint32(len(t.b)))
	w.write(append(t.b, magic...))
}

func (w *Writer) totalRows() (n int64) {
	for i := range w.groups {
		n += w.groups[i].rows
	}
	return n
}

func (w *Writer) putGroup(t *thrift, g *group, chunks []chunk, ordinal int) {
	t.begin()
	t.list(1, thriftStruct, len(chunks))
	for i := range chunks {
		w.putChunk(t, &chunks[i])
	}
	t.i64(2, g.raw)
	t.i64(3, g.rows)
	if len(w.schema.sorting) > 0 {
		t.list(4, thriftStruct, len(w.schema.sorting))
		for _, s := range w.schema.sorting {
			t.begin()
			t.i32(1, int64(s.leaf))
			t.boolean(2, false) // ascending
			t.boolean(3, true)  // NULL first
			t.end()
		}
	}
	t.i64(5, g.offset)
	t.i64(6, g.bytes)
	if ordinal <= 1<<15-1 {
		t.i16(7, int64(ordinal))
	}
	t.end()
}

func (w *Writer) putChunk(t *thrift, k *chunk) {
	t.begin()
	t.i64(2, 0) // the place of a copy of the metadata: there is none
	t.open(3)
	w.putChunkMeta(t, k)
	t.end()
	t.i64(4, k.offsetIndex.offset)
	t.i32(5, k.offsetIndex.size)
	if k.columnIndex.size > 0 {
		t.i64(6, k.columnIndex.offset)
		t.i32(7, k.columnIndex.size)
	}
	t.end()
}

func (w *Writer) putChunkMeta(t *thrift, k *chunk) {
	t.i32(1, physical(k.leaf.kind))
	plain, other, otherPages := w.countEncodings(k)
	putEncodings(t, k, plain, other)
	t.list(3, thriftBinary, len(k.leaf.path))
	for _, name := range k.leaf.path {
		t.item(name)
	}
	t.i32(4, codecZstd)
	t.i64(5, k.slots)
	t.i64(6, k.raw)
	t.i64(7, k.bytes)
	t.i64(9, k.dataOffset)
	if k.dictOffset > 0 {
		t.i64(11, k.dictOffset)
	}
	t.open(12)
	w.putStatistics(t, k)
	t.end()
	if k.dictOffset > 0 {
		putEncodingStats(t, plain, other, otherPages)
	}
	if k.bloomOffset > 0 {
		t.i64(14, k.bloomOffset)
		t.i32(15, k.bloomBytes)
	}
}

// countEncodings returns the number of plain pages, the encoding of the
// others, and their number.
func (w *Writer) countEncodings(k *chunk) (plain int, other int64, otherPages int) {
	for i := k.lo; i < k.hi; i++ {
		if e := w.pages[i].encoding; e != encodingPlain {
			other = e
			otherPages++
		} else {
			plain++
		}
	}
	return plain, other, otherPages
}

func putEncodings(t *thrift, k *chunk, plain int, other int64) {
	var list [3]int64
	n := 0
	if plain > 0 || k.dictOffset > 0 { // a dictionary page is plain
		list[n] = encodingPlain
		n++
	}
	if k.leaf.maxDef > 0 || k.leaf.maxRep > 0 {
		list[n] = encodingRLE
		n++
	}
	if other != 0 {
		list[n] = other
		n++
	}
	t.list(2, thriftI32, n)
	for _, e := range list[:n] {
		t.number(e)
	}
}

// putEncodingStats tells readers whether all pages use the dictionary, so that
// they may filter by it.
func putEncodingStats(t *thrift, plain int, other int64, otherPages int) {
	entries := [][3]int64{{pageDictionary, encodingPlain, 1}}
	if plain > 0 {
		entries = append(entries, [3]int64{pageData, encodingPlain, int64(plain)})
	}
	if otherPages > 0 {
		entries = append(entries, [3]int64{pageData, other, int64(otherPages)})
	}
	t.list(13, thriftStruct, len(entries))
	for _, e := range entries {
		t.begin()
		t.i32(1, e[0])
		t.i32(2, e[1])
		t.i32(3, e[2])
		t.end()
	}
}

// putStatistics writes the chunk's NULLs and, where they can be of use, its
// bounds: the widest of its pages.
func (w *Writer) putStatistics(t *thrift, k *chunk) {
	t.i64(3, k.nulls)
	if k.leaf.noStats || k.noBounds || k.slots == k.nulls {
		return
	}
	var lo, hi []byte
	var loExact, hiExact bool
	for i := k.lo; i < k.hi; i++ {
		p := &w.pages[i]
		if p.slots == p.nulls {
			continue
		}
		a, b := w.bounds[p.start:p.mid], w.bounds[p.mid:p.end]
		if lo == nil || compareBounds(k.leaf.kind, a, lo) < 0 {
			lo, loExact = a, p.minExact
		}
		if hi == nil || compareBounds(k.leaf.kind, b, hi) > 0 {
			hi, hiExact = b, p.maxExact
		}
	}
	t.bytes(5, hi)
	t.bytes(6, lo)
	if k.leaf.kind == rowlog.String {
		t.boolean(7, hiExact)
		t.boolean(8, loExact)
	}
}

// compareBounds compares two bounds of a column in its type's order.
func compareBounds(kind rowlog.Kind, a, b []byte) int {
	switch kind {
	case rowlog.Int32:
		return compareNumbers(int32(binary.LittleEndian.Uint32(a)), int32(binary.LittleEndian.Uint32(b)))
	case rowlog.Int64, rowlog.Time:
		return compareNumbers(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	case rowlog.Double:
		return compareNumbers(double(a), double(b))
	}
	return bytes.Compare(a, b)
}

// Path is a column's path for messages.
func (l *leaf) String() string { return strings.Join(l.path, ".") }
