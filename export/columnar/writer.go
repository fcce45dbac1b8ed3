package columnar

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"
)

// KeyValue is one entry of a file's metadata.
type KeyValue struct{ Key, Value string }

// Writer writes Parquet files of one schema, one after the other, and keeps
// its buffers in between. It belongs to one goroutine. After an error all
// methods but Reset return it again.
type Writer struct {
	schema  *Schema
	columns []column
	zstd    *zstd.Encoder
	out     *bufio.Writer
	offset  int64
	err     error

	groupRows int64
	full      bool // a string column has reached its page size

	// of the open file, for its footer
	meta    []KeyValue
	created string
	groups  []group
	chunks  []chunk
	pages   []page
	bounds  []byte

	// scratch
	thrift               thrift
	raws, packed, levels []byte
	numbers, cut         []byte
	bloomHashes          []uint64
	bloomBlocks          bloom.SplitBlockFilter
}

// group is one row group of the open file; its chunks follow those of the
// group before.
type group struct {
	rows       int64
	offset     int64
	raw, bytes int64
}

// chunk is one column of a row group.
type chunk struct {
	leaf        *leaf
	dictOffset  int64 // 0: no dictionary
	dataOffset  int64
	slots       int64
	nulls       int64
	raw, bytes  int64
	bloomOffset int64
	bloomBytes  int64
	lo, hi      int // pages
	noBounds    bool
	columnIndex span
	offsetIndex span
}

// span is a place in the file.
type span struct{ offset, size int64 }

// outBuffer gathers small writes: a small file has hundreds.
const outBuffer = 128 << 10

// NewWriter makes a writer. Reset begins its first file.
func NewWriter(s *Schema) (*Writer, error) {
	// Pages are compressed whole, so a larger window than a page is of no use
	// and would cost memory per writer.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(zstdWindow), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("columnar: %w", err)
	}
	w := &Writer{schema: s, zstd: z, out: bufio.NewWriterSize(nil, outBuffer), columns: make([]column, len(s.leaves))}
	for i := range w.columns {
		w.columns[i] = newColumn(&s.leaves[i])
	}
	return w, nil
}

const zstdWindow = 1 << 20

const magic = "PAR1"

// Reset begins a file on out, whatever became of the one before. createdBy and
// meta stand in its footer.
func (w *Writer) Reset(out io.Writer, createdBy string, meta []KeyValue) {
	w.out.Reset(out)
	w.offset, w.err, w.groupRows, w.full = 0, nil, 0, false
	w.created, w.meta = createdBy, meta
	w.groups, w.chunks, w.pages, w.bounds = w.groups[:0], w.chunks[:0], w.pages[:0], w.bounds[:0]
	for i := range w.columns {
		w.columns[i].beginGroup()
	}
	w.write([]byte(magic))
}

func (w *Writer) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(b)
	w.offset += int64(n)
	w.note(err)
}

// GroupRows is the number of rows in the open row group.
func (w *Writer) GroupRows() int64 { return w.groupRows }

// EndGroup closes the open row group and writes it. A group without rows is
// none.
func (w *Writer) EndGroup() error {
	if w.groupRows == 0 || w.err != nil {
		return w.err
	}
	g := group{rows: w.groupRows, offset: w.offset}
	first := len(w.chunks)
	for i := range w.columns {
		w.closePage(&w.columns[i])
		w.writeChunk(&w.columns[i], &g)
	}
	for i := range w.columns {
		w.writeBloom(&w.columns[i], &w.chunks[first+i])
		w.columns[i].beginGroup()
	}
	w.groups = append(w.groups, g)
	w.groupRows = 0
	return w.err
}

// writeChunk writes dictionary and pages of a column.
func (w *Writer) writeChunk(c *column, g *group) {
	k := chunk{leaf: c.leaf, slots: c.slots, nulls: c.nulls, lo: len(w.pages), noBounds: c.noBounds}
	start := w.offset
	if c.usesDictionary() {
		k.dictOffset = w.offset
		w.writeDictionary(c)
	}
	k.dataOffset = w.offset
	for _, p := range c.pages {
		p.offset += k.dataOffset
		w.pages = append(w.pages, p)
	}
	w.write(c.body)
	k.hi, k.raw, k.bytes = len(w.pages), c.raw, w.offset-start
	g.raw += k.raw
	g.bytes += k.bytes
	w.chunks = append(w.chunks, k)
}

// usesDictionary reports whether any page refers to the dictionary.
func (c *column) usesDictionary() bool {
	for i := range c.pages {
		if c.pages[i].encoding == encodingRLEDictionary {
			return true
		}
	}
	return false
}

// writeDictionary writes the dictionary page. It stands before the data pages,
// so it is built behind them and written first.
func (w *Writer) writeDictionary(c *column) {
	n := len(c.body)
	w.putPage(c, c.dict.plain, func(t *thrift) {
		t.open(7)
		t.i32(1, int64(len(c.dict.entries)))
		t.i32(2, encodingPlain)
		t.end()
	}, pageDictionary)
	w.write(c.body[n:])
	c.body = c.body[:n]
}

// bloomBits is the size of a filter per distinct value: 10 bits are wrong for
// one value in a hundred that is not there.
const bloomBits = 10

func (w *Writer) writeBloom(c *column, k *chunk) {
	if !c.leaf.bloom || c.hashes.n == 0 {
		return
	}
	w.bloomHashes = c.hashes.all(w.bloomHashes[:0])
	blocks := bloom.NumSplitBlocksOf(int64(len(w.bloomHashes)), bloomBits)
	if cap(w.bloomBlocks) < blocks {
		w.bloomBlocks = make(bloom.SplitBlockFilter, blocks)
	}
	filter := w.bloomBlocks[:blocks]
	filter.Reset()
	filter.InsertBulk(w.bloomHashes)
	k.bloomOffset = w.offset
	t := &w.thrift
	t.b = t.b[:0]
	t.begin()
	t.i32(1, int64(len(filter.Bytes())))
	for id := int16(2); id <= 4; id++ { // block algorithm, xxHash, not compressed
		t.open(id)
		t.empty(1)
		t.end()
	}
	t.end()
	w.write(t.b)
	w.write(filter.Bytes())
	k.bloomBytes = w.offset - k.bloomOffset
}
