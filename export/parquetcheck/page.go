package parquetcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// Kinds of pages.
const (
	pageData       = 0
	pageDictionary = 2
	pageDataV2     = 3
)

// page is one decoded data page.
type page struct {
	offset     int64 // of its header in the file
	size       int64 // of header and compressed body
	firstRow   int64 // in the row group
	rows       int64
	reps, defs []uint32 // one a slot; nil when all are 0, or all at the top
	slots      int
	values     [][]byte // those that are not NULL
	header     statistics
	encoding   encoding
}

func (p *page) nulls() int64 { return int64(p.slots - len(p.values)) }

// column is a decoded column chunk.
type column struct {
	leaf  *node
	chunk *chunk
	pages []*page
	// dictionary tells whether the chunk begins with a dictionary page.
	dictionary bool
}

func (col *column) slots() (n int64) {
	for _, p := range col.pages {
		n += int64(p.slots)
	}
	return n
}

func (col *column) nulls() (n int64) {
	for _, p := range col.pages {
		n += p.nulls()
	}
	return n
}

// checkChunk decodes a column chunk and holds it against everything that the metadata says about it. It returns nil when the
// chunk cannot be decoded; the failure is then recorded.
func (c *checker) checkChunk(where string, leaf *node, g *rowGroup, ch *chunk) *column {
	if !slices.Equal(ch.path(), leaf.path) || ch.kind() != leaf.kind {
		c.fail("chunks", "%s: the chunk is of %v, type %d", where, ch.path(), ch.kind())
		return nil
	}
	if ch.codec() != codecZSTD {
		c.fail("codec", "%s: codec %d, want ZSTD", where, ch.codec())
		return nil
	}
	if len(ch.raw.bytes(1)) > 0 {
		c.fail("chunks", "%s: the chunk is in another file", where)
		return nil
	}
	col, err := c.readPages(where, leaf, ch)
	if err != nil {
		rule := "pages"
		if v := (*Violation)(nil); errors.As(err, &v) {
			rule, err = v.Rule, errors.New(v.Message)
		}
		c.fail(rule, "%s: %v", where, err)
		return nil
	}
	c.checkCounts(where, col, g)
	c.checkChunkStatistics(where, col)
	c.checkIndexes(where, col)
	return col
}

// checkCounts compares rows, slots and nulls with those that the metadata gives.
func (c *checker) checkCounts(where string, col *column, g *rowGroup) {
	if col.slots() != col.chunk.values() {
		c.fail("counts", "%s: %d values in the pages, the metadata says %d", where, col.slots(), col.chunk.values())
	}
	var rows int64
	for _, p := range col.pages {
		rows += p.rows
		if i := slices.IndexFunc(p.values, func(v []byte) bool { return col.leaf.kind == typeBytes && !utf8.Valid(v) }); i >= 0 {
			c.fail("text", "%s: page at %d: value %d is not UTF-8", where, p.offset, i)
		}
		if p.header.hasNulls && p.header.nulls != p.nulls() {
			c.fail("counts", "%s: page at %d has %d nulls, its header says %d", where, p.offset, p.nulls(), p.header.nulls)
		}
		c.checkBounds(where, fmt.Sprintf("header of the page at %d", p.offset), col.leaf, p.header, p.values)
	}
	if rows != g.rows {
		c.fail("counts", "%s: %d rows in the pages, the row group has %d", where, rows, g.rows)
	}
}

// reader walks through the pages of one chunk.
type reader struct {
	checker    *checker
	where      string
	leaf       *node
	chunk      *chunk
	data       []byte // the whole chunk
	dictionary [][]byte
	column     *column
	rows       int64
	plainSize  int64 // headers and uncompressed bodies so far
}

// readPages decodes all pages of a chunk.
func (c *checker) readPages(where string, leaf *node, ch *chunk) (*column, error) {
	start, length := ch.start(), ch.compressed()
	if start < 4 || length <= 0 || start+length > c.size {
		return nil, fmt.Errorf("%d bytes at %d are outside the file", length, start)
	}
	r := &reader{checker: c, where: where, leaf: leaf, chunk: ch, data: make([]byte, length), column: &column{leaf: leaf, chunk: ch}}
	if _, err := c.file.ReadAt(r.data, start); err != nil {
		return nil, err
	}
	for pos := int64(0); pos < length; {
		n, err := r.page(pos)
		if err != nil {
			return nil, fmt.Errorf("page at %d: %w", start+pos, err)
		}
		pos += n
	}
	if r.plainSize != ch.uncompressed() {
		c.fail("chunks", "%s: pages have %d uncompressed bytes, the metadata says %d", where, r.plainSize, ch.uncompressed())
	}
	if len(r.column.pages) == 0 {
		return nil, errors.New("no data page")
	}
	if first := r.column.pages[0].offset; first != ch.dataOffset() {
		c.fail("chunks", "%s: the first data page stands at %d, the metadata says %d", where, first, ch.dataOffset())
	}
	return r.column, nil
}

// page reads the page at pos of the chunk and returns its length with its header.
func (r *reader) page(pos int64) (int64, error) {
	header, used, err := parseObject(r.data[pos:])
	if err != nil {
		return 0, fmt.Errorf("header: %w", err)
	}
	size := header.int(3)
	body := r.data[pos+int64(used):]
	if size < 0 || size > int64(len(body)) {
		return 0, fmt.Errorf("body of %d bytes ends outside the chunk", size)
	}
	body = body[:size]
	if header.has(4) && uint32(header.int(4)) != crc32.ChecksumIEEE(body) {
		r.checker.fail("pages", "%s: page at %d: checksum is wrong", r.where, r.chunk.start()+pos)
	}
	if header.int(1) == pageDataV2 {
		return 0, &Violation{Rule: "page version", Message: fmt.Sprintf("page at %d is a data page V2", r.chunk.start()+pos)}
	}
	plain, err := r.checker.decompress(body, header.int(2))
	if err != nil {
		return 0, err
	}
	total := int64(used) + size
	r.plainSize += int64(used) + int64(len(plain))
	switch header.int(1) {
	case pageDictionary:
		return total, r.readDictionary(pos, header.object(7), plain)
	case pageData:
		return total, r.readData(page{offset: r.chunk.start() + pos, size: total}, header.object(5), plain)
	}
	return 0, fmt.Errorf("unknown page type %d", header.int(1))
}

// These bound what a damaged header can make us allocate: a page is never larger than its row group, and has at most some hundred
// items of a list for each row.
const (
	maxPageBytes = MaxGroupBytes
	maxPageSlots = 1 << 24
)

func newZSTD() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPageBytes))
}

func (c *checker) decompress(body []byte, size int64) ([]byte, error) {
	if size < 0 || size > maxPageBytes {
		return nil, fmt.Errorf("page of %d bytes", size)
	}
	plain, err := c.zstd.DecodeAll(body, make([]byte, 0, min(size, 1<<20)))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	if int64(len(plain)) != size {
		return nil, fmt.Errorf("%d bytes uncompressed, the header says %d", len(plain), size)
	}
	return plain, nil
}

func (r *reader) readDictionary(pos int64, header object, data []byte) error {
	if pos != 0 || r.column.dictionary {
		return errors.New("a dictionary page that is not the first page")
	}
	if offset := r.chunk.dictionaryOffset(); offset != r.chunk.start() {
		r.checker.fail("chunks", "%s: the dictionary page stands at %d, the metadata says %d", r.where, r.chunk.start(), offset)
	}
	if e := encoding(header.int(2)); e != encPlain {
		return fmt.Errorf("dictionary in %v", e)
	}
	n := header.int(1)
	if n < 0 || n > maxPageSlots {
		return fmt.Errorf("dictionary of %d values", n)
	}
	values, rest, err := plain(r.leaf.kind, data, int(n))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes follow the dictionary", len(rest))
	}
	r.dictionary, r.column.dictionary = values, true
	return err
}

// readData decodes a data page V1: levels for repetition, levels for definition, values.
func (r *reader) readData(p page, header object, data []byte) error {
	n := header.int(1)
	if n < 0 || n > maxPageSlots {
		return fmt.Errorf("%d values", n)
	}
	p.slots, p.encoding, p.header = int(n), encoding(header.int(2)), statisticsOf(header.object(5))
	var err error
	if p.reps, data, err = levels(data, r.leaf.maxRep, p.slots, encoding(header.int(4))); err != nil {
		return fmt.Errorf("repetition levels: %w", err)
	}
	if p.defs, data, err = levels(data, r.leaf.maxDef, p.slots, encoding(header.int(3))); err != nil {
		return fmt.Errorf("definition levels: %w", err)
	}
	present := p.slots
	if p.defs != nil {
		present = count(p.defs, uint32(r.leaf.maxDef))
	}
	if p.values, err = r.values(p.encoding, data, present); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	if p.reps != nil && p.slots > 0 && p.reps[0] != 0 {
		return errors.New("the page begins inside a row")
	}
	p.firstRow, p.rows = r.rows, int64(p.slots)
	if p.reps != nil {
		p.rows = int64(count(p.reps, 0))
	}
	r.rows += p.rows
	r.column.pages = append(r.column.pages, &p)
	return nil
}

// levels decodes the levels of a V1 page; they have a length in front and are left out when the highest one is 0.
func levels(data []byte, top, n int, e encoding) (out []uint32, rest []byte, err error) {
	if top == 0 {
		return nil, data, nil
	}
	if e != encRLE {
		return nil, nil, fmt.Errorf("in %v, want RLE", e)
	}
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, nil, errShort
	}
	end := 4 + int(binary.LittleEndian.Uint32(data))
	out, err = hybrid(data[4:end], levelWidth(top), n)
	for _, level := range out {
		if int(level) > top {
			return nil, nil, fmt.Errorf("level %d, at most %d", level, top)
		}
	}
	return out, data[end:], err
}

func count(levels []uint32, want uint32) (n int) {
	for _, level := range levels {
		if level == want {
			n++
		}
	}
	return n
}

// values decodes n values in one of the four encodings that every reader knows.
func (r *reader) values(e encoding, data []byte, n int) ([][]byte, error) {
	switch {
	case e == encPlain:
		values, rest, err := plain(r.leaf.kind, data, n)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes follow the values", len(rest))
		}
		return values, err
	case e == encRLEDictionary:
		return r.fromDictionary(data, n)
	case e == encDelta && (r.leaf.kind == typeInt32 || r.leaf.kind == typeInt64):
		return delta(r.leaf.kind, data, n)
	}
	return nil, &Violation{Rule: "encodings", Message: fmt.Sprintf("values in %v, not in PLAIN, RLE_DICTIONARY or, for numbers, DELTA_BINARY_PACKED", e)}
}

func (r *reader) fromDictionary(data []byte, n int) ([][]byte, error) {
	if !r.column.dictionary {
		return nil, errors.New("no dictionary")
	}
	if n == 0 {
		return nil, nil
	}
	if len(data) == 0 || data[0] > 32 {
		return nil, errShort
	}
	indexes, err := hybrid(data[1:], int(data[0]), n)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, n)
	for i, index := range indexes {
		if int(index) >= len(r.dictionary) {
			return nil, fmt.Errorf("dictionary index %d of %d", index, len(r.dictionary))
		}
		out[i] = r.dictionary[index]
	}
	return out, nil
}
