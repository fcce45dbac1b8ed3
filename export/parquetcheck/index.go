package parquetcheck

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// compare orders two values of a column as the format defines it: bytes for text, numbers with sign.
func compare(kind physical, a, b []byte) int {
	switch kind {
	case typeInt32:
		return cmp.Compare(int32(binary.LittleEndian.Uint32(a)), int32(binary.LittleEndian.Uint32(b)))
	case typeInt64:
		return cmp.Compare(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	case typeDouble:
		return cmp.Compare(double(a), double(b))
	}
	return bytes.Compare(a, b)
}

func double(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

// validBound says whether b can be a bound of the column: of the right length and, for doubles, a number.
func validBound(kind physical, b []byte) bool {
	switch kind {
	case typeBytes:
		return utf8.Valid(b) // a shortened bound must still be text
	case typeBoolean:
		return len(b) == 1 && b[0] <= 1
	case typeDouble:
		return len(b) == 8 && !math.IsNaN(double(b))
	}
	return len(b) == kind.width()
}

// outside counts the values that are not between lo and hi. NaN is in no order and so never outside.
func outside(kind physical, lo, hi []byte, values [][]byte) (n int) {
	for _, v := range values {
		if kind == typeDouble && math.IsNaN(double(v)) {
			continue
		}
		if compare(kind, v, lo) < 0 || compare(kind, v, hi) > 0 {
			n++
		}
	}
	return n
}

// checkBounds wants both bounds or none, in order, and every value between them. Without values, bounds mean nothing.
func (c *checker) checkBounds(where, what string, leaf *node, s statistics, values [][]byte) {
	if s.hasMin != s.hasMax {
		c.fail("bounds", "%s: %s has one bound without the other", where, what)
		return
	}
	if !s.hasMin || len(values) == 0 {
		return
	}
	c.checkInside(where, what, leaf, s.min, s.max, values)
}

func (c *checker) checkInside(where, what string, leaf *node, lo, hi []byte, values [][]byte) {
	if !validBound(leaf.kind, lo) || !validBound(leaf.kind, hi) {
		c.fail("bounds", "%s: bounds of the %s are no values of the column: %x, %x", where, what, lo, hi)
		return
	}
	if compare(leaf.kind, lo, hi) > 0 {
		c.fail("bounds", "%s: %s has its minimum above its maximum", where, what)
	}
	n := outside(leaf.kind, lo, hi, values)
	if n == 0 {
		return
	}
	if len(lo) == 0 && len(hi) == 0 {
		c.fail("empty bounds", "%s: %s has empty bounds, but %d values are not empty", where, what, n)
		return
	}
	c.fail("bounds", "%s: %d values are outside the bounds of the %s", where, n, what)
}

// checkChunkStatistics holds the statistics in the footer against the values.
func (c *checker) checkChunkStatistics(where string, col *column) {
	s := col.chunk.statistics()
	if s.hasNulls && s.nulls != col.nulls() {
		c.fail("counts", "%s: chunk has %d nulls, its statistics say %d", where, col.nulls(), s.nulls)
	}
	old := col.chunk.meta.object(12)
	former := statistics{min: old.bytes(2), max: old.bytes(1), hasMin: old.has(2), hasMax: old.has(1)}
	for _, p := range col.pages {
		c.checkBounds(where, "chunk", col.leaf, s, p.values)
		c.checkBounds(where, "chunk in its former fields", col.leaf, former, p.values)
	}
	c.checkExact(where, col, s)
	c.checkEncodings(where, col)
}

// checkExact wants a bound that calls itself exact among the values: readers answer min() and max() from it.
func (c *checker) checkExact(where string, col *column, s statistics) {
	among := func(bound []byte) bool {
		return slices.ContainsFunc(col.pages, func(p *page) bool {
			return slices.ContainsFunc(p.values, func(v []byte) bool { return bytes.Equal(v, bound) })
		})
	}
	if s.hasMin && s.exactMin && !among(s.min) {
		c.fail("bounds", "%s: the minimum of the chunk calls itself exact and is no value", where)
	}
	if s.hasMax && s.exactMax && !among(s.max) {
		c.fail("bounds", "%s: the maximum of the chunk calls itself exact and is no value", where)
	}
}

// checkEncodings wants the declared encodings to be known ones and to hold all that the pages use.
func (c *checker) checkEncodings(where string, col *column) {
	var declared []encoding
	for _, e := range items[int64](col.chunk.meta.list(2)) {
		declared = append(declared, encoding(e))
	}
	allowed := []encoding{encPlain, encRLE, encRLEDictionary, encDelta}
	for _, e := range declared {
		if !slices.Contains(allowed, e) {
			c.fail("encodings", "%s: declares %v, allowed are %v", where, e, allowed)
		}
	}
	used := map[encoding]bool{}
	for _, p := range col.pages {
		used[p.encoding] = true
	}
	for e := range used {
		if !slices.Contains(declared, e) {
			c.fail("encodings", "%s: pages use %v, the metadata declares %v", where, e, declared)
		}
	}
	c.checkEncodingStats(where, col)
}

// checkEncodingStats: by these counts readers tell whether a dictionary holds all values of a chunk, and skip the chunk when it does not hold one.
func (c *checker) checkEncodingStats(where string, col *column) {
	type pages struct {
		kind     int64
		encoding encoding
	}
	said, have := map[pages]int64{}, map[pages]int64{}
	for _, stat := range items[object](col.chunk.meta.list(13)) {
		said[pages{stat.int(1), encoding(stat.int(2))}] += stat.int(3)
	}
	for _, p := range col.pages {
		have[pages{pageData, p.encoding}]++
	}
	if col.dictionary {
		have[pages{pageDictionary, encPlain}]++
	}
	if len(said) > 0 && !maps.Equal(said, have) {
		c.fail("encodings", "%s: the metadata counts pages by kind and encoding as %v, there are %v", where, said, have)
	}
}

// checkIndexes holds the two page indexes against the pages. Both are demanded: readers prune by them.
func (c *checker) checkIndexes(where string, col *column) {
	raw := col.chunk.raw
	offsets, err := readObject(c.file, c.size, raw.int(4), raw.int(5))
	if err != nil {
		c.fail("offset index", "%s: %v", where, err)
	} else {
		c.checkOffsetIndex(where, col, offsets)
	}
	bounds, err := readObject(c.file, c.size, raw.int(6), raw.int(7))
	if err != nil {
		c.fail("column index", "%s: %v", where, err)
	} else {
		c.checkColumnIndex(where, col, bounds)
	}
	c.checkHistograms(where, col, offsets, bounds)
}

func (c *checker) checkOffsetIndex(where string, col *column, index object) {
	locations := items[object](index.list(1))
	if len(locations) != len(col.pages) {
		c.fail("offset index", "%s: %d locations for %d pages", where, len(locations), len(col.pages))
		return
	}
	for i, p := range col.pages {
		l := locations[i]
		if l.int(1) != p.offset || l.int(2) != p.size || l.int(3) != p.firstRow {
			c.fail("offset index", "%s: page %d is at %d with %d bytes from row %d, the index says %d, %d, %d",
				where, i, p.offset, p.size, p.firstRow, l.int(1), l.int(2), l.int(3))
		}
	}
}

// columnIndex holds the fields of a ColumnIndex.
type columnIndex struct {
	nullPages  []bool
	mins, maxs [][]byte
	order      int64
	nullCounts []int64
}

func (c *checker) checkColumnIndex(where string, col *column, o object) {
	index := columnIndex{nullPages: items[bool](o.list(1)), mins: items[[]byte](o.list(2)), maxs: items[[]byte](o.list(3)), order: o.int(4), nullCounts: items[int64](o.list(5))}
	n := len(col.pages)
	if len(index.nullPages) != n || len(index.mins) != n || len(index.maxs) != n || len(index.nullCounts) != n {
		c.fail("column index", "%s: %d null_pages, %d minima, %d maxima, %d null counts for %d pages", where,
			len(index.nullPages), len(index.mins), len(index.maxs), len(index.nullCounts), n)
		return
	}
	for i, p := range col.pages {
		c.checkIndexEntry(where, col.leaf, i, p, index)
	}
	c.checkBoundaryOrder(where, col.leaf.kind, index)
}

func (c *checker) checkIndexEntry(where string, leaf *node, i int, p *page, index columnIndex) {
	if index.nullCounts[i] != p.nulls() {
		c.fail("counts", "%s: page %d has %d nulls, the column index says %d", where, i, p.nulls(), index.nullCounts[i])
	}
	onlyNull := len(p.values) == 0
	if index.nullPages[i] != onlyNull {
		c.fail("null pages", "%s: page %d has %d nulls in %d values, null_pages says %v", where, i, p.nulls(), p.slots, index.nullPages[i])
	}
	if index.nullPages[i] {
		if len(index.mins[i]) > 0 || len(index.maxs[i]) > 0 {
			c.fail("null pages", "%s: page %d is marked null and has bounds", where, i)
		}
		return
	}
	if !onlyNull {
		c.checkInside(where, fmt.Sprintf("page %d in the column index", i), leaf, index.mins[i], index.maxs[i], p.values)
	}
}

// Values of BoundaryOrder.
const (
	orderAscending  = 1
	orderDescending = 2
)

// checkBoundaryOrder wants minima and maxima of the pages in the order that the index claims. No claim is always true.
func (c *checker) checkBoundaryOrder(where string, kind physical, index columnIndex) {
	last := -1
	for i := range index.mins {
		if index.nullPages[i] || !validBound(kind, index.mins[i]) || !validBound(kind, index.maxs[i]) {
			continue
		}
		if last >= 0 {
			lo, hi := compare(kind, index.mins[last], index.mins[i]), compare(kind, index.maxs[last], index.maxs[i])
			if index.order == orderAscending && (lo > 0 || hi > 0) || index.order == orderDescending && (lo < 0 || hi < 0) {
				c.fail("boundary order", "%s: pages %d and %d break the order that the index claims", where, last, i)
			}
		}
		last = i
	}
	if index.order < 0 || index.order > orderDescending {
		c.fail("boundary order", "%s: order %d", where, index.order)
	}
}

// checkHistograms holds the counts of levels and of bytes of text against the pages, where they are given.
func (c *checker) checkHistograms(where string, col *column, offsets, bounds object) {
	var reps, defs, textBytes []int64
	for _, p := range col.pages {
		reps = append(reps, histogram(p.reps, p.slots, col.leaf.maxRep)...)
		defs = append(defs, histogram(p.defs, p.slots, col.leaf.maxDef)...)
		textBytes = append(textBytes, sumLengths(p.values))
	}
	c.compareCounts(where, "repetition level histogram of the column index", bounds.list(6), reps)
	c.compareCounts(where, "definition level histogram of the column index", bounds.list(7), defs)
	size := col.chunk.meta.object(16)
	c.compareCounts(where, "repetition level histogram of the chunk", size.list(2), fold(reps, col.leaf.maxRep+1))
	c.compareCounts(where, "definition level histogram of the chunk", size.list(3), fold(defs, col.leaf.maxDef+1))
	if col.leaf.kind != typeBytes {
		return
	}
	c.compareCounts(where, "text bytes of the offset index", offsets.list(2), textBytes)
	if size.has(1) {
		c.compareCounts(where, "text bytes of the chunk", list{size.int(1)}, fold(textBytes, 1))
	}
}

func (c *checker) compareCounts(where, what string, said list, want []int64) {
	if got := items[int64](said); len(got) > 0 && !slices.Equal(got, want) {
		c.fail("histograms", "%s: %s is %v, the pages have %v", where, what, got, want)
	}
}

// histogram counts the levels from 0 to top. They are left out of a page only where top is 0.
func histogram(levels []uint32, slots, top int) []int64 {
	out := make([]int64, top+1)
	if levels == nil {
		out[0] = int64(slots)
	}
	for _, level := range levels {
		out[level]++
	}
	return out
}

// fold adds up consecutive groups of n counts.
func fold(counts []int64, n int) []int64 {
	out := make([]int64, n)
	for i, v := range counts {
		out[i%n] += v
	}
	return out
}

func sumLengths(values [][]byte) (n int64) {
	for _, v := range values {
		n += int64(len(v))
	}
	return n
}
