package columnar

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/cairnstream/cairn/export/rowlog"
)

// column buffers the open page of one leaf and holds the closed pages of the
// open row group.
type column struct {
	leaf *leaf

	// the open page
	defs, reps []byte
	plain      []byte  // PLAIN values: strings, doubles
	small      []int32 // dictionary numbers, or INT32 values
	large      []int64
	bools      []bool
	values     int // that are not NULL
	firstRow   int64
	nextRow    int64 // the first row of the group without levels

	// the open row group
	dict     *dictionary // nil for other columns
	useDict  bool        // until the dictionary is full
	body     []byte      // closed pages with their headers
	pages    []page
	slots    int64 // values, NULLs included
	nulls    int64
	raw      int64 // bytes of pages and headers before compression
	hashes   hashSet
	noBounds bool // a page without any ordered value (NaN): no column index
}

func newColumn(l *leaf) column {
	c := column{leaf: l}
	if l.dict {
		c.dict = &dictionary{}
	}
	return c
}

// beginGroup makes the column empty for a new row group.
func (c *column) beginGroup() {
	c.beginPage(0)
	c.body, c.pages = c.body[:0], c.pages[:0]
	c.slots, c.nulls, c.raw, c.noBounds = 0, 0, 0, false
	if c.useDict = c.dict != nil; c.useDict {
		c.dict.reset()
	}
	c.hashes.reset()
}

func (c *column) beginPage(row int64) {
	c.defs, c.reps, c.plain = c.defs[:0], c.reps[:0], c.plain[:0]
	c.small, c.large, c.bools = c.small[:0], c.large[:0], c.bools[:0]
	c.values, c.firstRow, c.nextRow = 0, row, row
}

// level notes the levels of one value or NULL of the given row of the group.
// Nothing need be noted of a row in which all of the column is NULL at the
// top: catchUp does that for many rows at once.
func (c *column) level(row int64, rep, def byte) {
	if c.leaf.maxDef == 0 {
		return
	}
	if c.nextRow <= row {
		c.catchUp(row)
		c.nextRow = row + 1
	}
	if c.leaf.maxRep > 0 {
		c.reps = append(c.reps, rep)
	}
	c.defs = append(c.defs, def)
}

// catchUp notes NULL for the rows up to row, exclusive. Most columns of most
// rows are NULL, so this is where a row's cost is saved.
func (c *column) catchUp(row int64) {
	n := int(row - c.nextRow)
	if n <= 0 {
		return
	}
	c.nextRow = row
	c.defs = appendZeros(c.defs, n)
	if c.leaf.maxRep > 0 {
		c.reps = appendZeros(c.reps, n)
	}
}

func appendZeros(b []byte, n int) []byte {
	at := len(b)
	b = slices.Grow(b, n)[:at+n]
	clear(b[at:])
	return b
}

// text appends a string.
func (c *column) text(b []byte) {
	c.values++
	if c.useDict {
		c.small = append(c.small, c.dict.number(b))
		if len(c.dict.plain) > maxDictionary {
			c.leaveDictionary()
		}
		return
	}
	c.plain = binary.LittleEndian.AppendUint32(c.plain, uint32(len(b)))
	c.plain = append(c.plain, b...)
}

// leaveDictionary writes the open page and all that follow as plain strings.
func (c *column) leaveDictionary() {
	c.useDict = false
	for _, i := range c.small {
		s := c.dict.at(i)
		c.plain = binary.LittleEndian.AppendUint32(c.plain, uint32(len(s)))
		c.plain = append(c.plain, s...)
	}
	c.small = c.small[:0]
}

// size is the number of bytes that the open page's values take.
func (c *column) size() int {
	return len(c.plain) + 4*len(c.small) + 8*len(c.large) + len(c.bools)
}

// scalar reads a value that is not NULL from a row.
func (c *column) scalar(r *rowlog.Reader) {
	c.values++
	switch c.leaf.kind {
	case rowlog.Int32:
		c.small = append(c.small, int32(r.Int()))
	case rowlog.Int64, rowlog.Time:
		c.large = append(c.large, r.Int())
	case rowlog.Double:
		c.plain = binary.LittleEndian.AppendUint64(c.plain, math.Float64bits(r.Double()))
	}
}

// hashSet is a set of 64-bit hashes; 0 is kept beside the table.
type hashSet struct {
	table []uint64
	n     int
	zero  bool
}

func (s *hashSet) reset() {
	if s.n > 0 {
		s.table = s.table[:min(len(s.table), smallTable)]
		clear(s.table)
	}
	s.n, s.zero = 0, false
}

func (s *hashSet) add(h uint64) {
	if h == 0 {
		if !s.zero {
			s.n++
		}
		s.zero = true
		return
	}
	if 2*(s.n+1) > len(s.table) {
		s.grow()
	}
	if s.put(h) {
		s.n++
	}
}

func (s *hashSet) put(h uint64) bool {
	mask := uint64(len(s.table) - 1)
	slot := h & mask
	for ; s.table[slot] != 0; slot = (slot + 1) & mask {
		if s.table[slot] == h {
			return false
		}
	}
	s.table[slot] = h
	return true
}

func (s *hashSet) grow() {
	old := s.table
	s.table = make([]uint64, max(4*len(old), smallTable))
	for _, h := range old {
		if h != 0 {
			s.put(h)
		}
	}
}

// all appends the hashes to dst. Their order depends on the table's size, but
// a bloom filter does not depend on their order.
func (s *hashSet) all(dst []uint64) []uint64 {
	if s.zero {
		dst = append(dst, 0)
	}
	for _, h := range s.table {
		if h != 0 {
			dst = append(dst, h)
		}
	}
	return dst
}
