package columnar

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"

	"github.com/cairnstream/cairn/export/rowlog"
)

// Numbers of the Parquet format: encodings, page types, codec.
const (
	encodingPlain         = 0
	encodingRLE           = 3
	encodingDelta         = 5
	encodingRLEDictionary = 8

	pageData       = 0
	pageDictionary = 2

	codecZstd = 6
)

const (
	// maxPageRows closes pages of short values: a reader that looks for one
	// row opens a page per column, and the buffers stay small.
	maxPageRows = 20_000

	// rowsBetweenChecks is how often the other limits are looked at. Strings,
	// which alone can be long, are looked at with every row.
	rowsBetweenChecks = 256
)

// page is what the indexes and the footer say about a closed data page. Its
// bounds lie in the writer's array of bounds.
type page struct {
	offset     int64 // in the chunk's body, then in the file
	size       int32 // with header
	firstRow   int64 // in the row group
	slots      int32
	nulls      int32
	encoding   int64
	start, mid int32 // bounds[start:mid] is the minimum
	end        int32 // bounds[mid:end] is the maximum
	minExact   bool
	maxExact   bool
}

// closeFullPages closes the pages that have reached a limit.
func (w *Writer) closeFullPages() error {
	w.full = false
	for i := range w.columns {
		c := &w.columns[i]
		if c.size() >= w.schema.pageBytes || len(c.defs) >= 4*maxPageRows || w.groupRows-c.firstRow >= maxPageRows {
			w.closePage(c)
		}
	}
	return w.err
}

// closePage encodes the open page of a column into its body. A page without
// slots is none.
func (w *Writer) closePage(c *column) {
	rows := w.groupRows - c.firstRow
	if rows == 0 {
		return
	}
	if c.leaf.maxDef > 0 {
		c.catchUp(w.groupRows)
	}
	slots := int(rows)
	if c.leaf.maxDef > 0 {
		slots = len(c.defs)
	}
	p := page{
		offset: int64(len(c.body)), firstRow: c.firstRow, slots: int32(slots), nulls: int32(slots - c.values),
		start: int32(len(w.bounds)), mid: int32(len(w.bounds)), end: int32(len(w.bounds)),
	}
	if c.values > 0 {
		w.keepBounds(c, &p)
	}
	if c.leaf.bloom {
		hashText(&c.hashes, c.plain)
	}
	w.raws = w.appendLevels(w.raws[:0], c)
	w.raws, p.encoding = w.appendValues(w.raws, c)
	w.putPage(c, w.raws, func(t *thrift) {
		t.open(5)
		t.i32(1, int64(slots))
		t.i32(2, p.encoding)
		t.i32(3, encodingRLE)
		t.i32(4, encodingRLE)
		t.end()
	}, pageData)
	p.size = int32(int64(len(c.body)) - p.offset)
	c.slots += int64(slots)
	c.nulls += int64(p.nulls)
	c.pages = append(c.pages, p)
	c.beginPage(w.groupRows)
}

// putPage compresses a page and appends it with its header to the body.
func (w *Writer) putPage(c *column, raw []byte, header func(*thrift), kind int64) {
	w.packed = w.compress(w.packed[:0], raw)
	t := &w.thrift
	t.b = t.b[:0]
	t.begin()
	t.i32(1, kind)
	t.i32(2, int64(len(raw)))
	t.i32(3, int64(len(w.packed)))
	t.i32(4, int64(int32(crc32.ChecksumIEEE(w.packed))))
	header(t)
	t.end()
	c.raw += int64(len(t.b) + len(raw))
	c.body = append(append(c.body, t.b...), w.packed...)
}

// tinyPage is the size up to which zstd finds nothing: most columns of a small
// file are a few bytes of levels. Their frames are written by hand.
const tinyPage = 24

// compress appends the zstd frame of src. For a tiny one: magic, descriptor
// (single segment, one byte of size), size, one last raw block
// (RFC 8878, section 3.1.1).
func (w *Writer) compress(dst, src []byte) []byte {
	if n := len(src); n <= tinyPage && n > 0 {
		dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, 0x20, byte(n))
		block := uint32(n)<<3 | 1
		dst = append(dst, byte(block), byte(block>>8), byte(block>>16))
		return append(dst, src...)
	}
	return w.zstd.EncodeAll(src, dst)
}

func (w *Writer) appendLevels(dst []byte, c *column) []byte {
	if c.leaf.maxRep > 0 {
		dst = w.appendRLE(dst, c.reps, c.leaf.maxRep)
	}
	if c.leaf.maxDef > 0 {
		dst = w.appendRLE(dst, c.defs, c.leaf.maxDef)
	}
	return dst
}

// appendRLE appends levels as pages V1 have them: length, then runs.
func (w *Writer) appendRLE(dst, levels []byte, top byte) []byte {
	e := rle.Encoding{BitWidth: bits.Len8(top)}
	var err error
	w.levels, err = e.EncodeLevels(w.levels[:0], levels)
	w.note(err)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(w.levels)))
	return append(dst, w.levels...)
}

func (w *Writer) appendValues(dst []byte, c *column) ([]byte, int64) {
	switch c.leaf.kind {
	case rowlog.Int32:
		return w.appendDelta(dst, c, false), encodingDelta
	case rowlog.Int64, rowlog.Time:
		return w.appendDelta(dst, c, true), encodingDelta
	case rowlog.Bool:
		return appendBits(dst, c.bools), encodingPlain
	case rowlog.String:
		// As long as the dictionary is empty, there is none.
		if c.useDict && len(c.dict.entries) > 0 {
			return w.appendNumbers(dst, c), encodingRLEDictionary
		}
	}
	return append(dst, c.plain...), encodingPlain
}

func (w *Writer) appendDelta(dst []byte, c *column, long bool) []byte {
	var e delta.BinaryPackedEncoding
	var err error
	if long {
		w.levels, err = e.EncodeInt64(w.levels[:0], c.large)
	} else {
		w.levels, err = e.EncodeInt32(w.levels[:0], c.small)
	}
	w.note(err)
	return append(dst, w.levels...)
}

// appendNumbers appends dictionary numbers: their width, then runs.
func (w *Writer) appendNumbers(dst []byte, c *column) []byte {
	width := bits.Len32(uint32(max(len(c.dict.entries)-1, 0)))
	e := rle.Encoding{BitWidth: width}
	var err error
	w.levels, err = e.EncodeInt32(w.levels[:0], c.small)
	w.note(err)
	return append(append(dst, byte(width)), w.levels...)
}

// appendBits packs booleans, the first into the lowest bit.
func appendBits(dst []byte, values []bool) []byte {
	for len(values) > 0 {
		n := min(8, len(values))
		var b byte
		for i, v := range values[:n] {
			if v {
				b |= 1 << i
			}
		}
		dst, values = append(dst, b), values[n:]
	}
	return dst
}

// hashText adds the hashes of length-prefixed strings, as the bloom filters of
// Parquet want them: XXH64 of the bytes.
func hashText(set *hashSet, plain []byte) {
	var last []byte
	for len(plain) > 0 {
		n := 4 + int(binary.LittleEndian.Uint32(plain))
		if v := plain[4:n]; last == nil || string(v) != string(last) {
			set.add(xxhash.Sum64(v))
			last = v
		}
		plain = plain[n:]
	}
}

// keepBounds finds a page's bounds and copies them to the writer's array.
func (w *Writer) keepBounds(c *column, p *page) {
	b := w.pageBounds(c)
	if b.none {
		c.noBounds = true
		return
	}
	w.bounds = append(w.bounds, b.min...)
	p.mid = int32(len(w.bounds))
	w.bounds = append(w.bounds, b.max...)
	p.end = int32(len(w.bounds))
	p.minExact, p.maxExact = b.minExact, b.maxExact
}

func (w *Writer) pageBounds(c *column) bounds {
	switch {
	case c.leaf.kind == rowlog.Int32:
		return w.int32Bounds(c.small)
	case c.leaf.kind == rowlog.Int64 || c.leaf.kind == rowlog.Time:
		return w.int64Bounds(c.large)
	case c.leaf.kind == rowlog.Double:
		return w.doubleBounds(c.plain)
	case c.leaf.kind == rowlog.Bool:
		return w.boolBounds(c.bools)
	case c.useDict:
		least, greatest := c.dictRange()
		return cutText(&w.cut, least, greatest)
	case c.leaf.noStats:
		return roughText(&w.cut, c.plain)
	}
	least, greatest := textRange(c.plain)
	return cutText(&w.cut, least, greatest)
}

// dictRange looks at each string that the page uses once.
func (c *column) dictRange() (least, greatest []byte) {
	mark := uint32(len(c.pages) + 1)
	for _, i := range c.small {
		e := &c.dict.entries[i]
		if e.page == mark {
			continue
		}
		e.page = mark
		v := c.dict.plain[e.start:e.end]
		if least == nil || string(v) < string(least) {
			least = v
		}
		if greatest == nil || string(v) > string(greatest) {
			greatest = v
		}
	}
	return least, greatest
}

func (w *Writer) boolBounds(values []bool) bounds {
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = lo && v, hi || v
	}
	w.numbers = append(w.numbers[:0], boolByte(lo), boolByte(hi))
	return bounds{min: w.numbers[:1], max: w.numbers[1:2], minExact: true, maxExact: true}
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
