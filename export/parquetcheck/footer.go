package parquetcheck

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The structures below hold what the rules need of Parquet's metadata. Field numbers are those of parquet.thrift.
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift

type physical int64

// Physical types of columns.
const (
	typeBoolean physical = 0
	typeInt32   physical = 1
	typeInt64   physical = 2
	typeInt96   physical = 3
	typeDouble  physical = 5
	typeBytes   physical = 6
)

type encoding int64

// Encodings of pages.
const (
	encPlain         encoding = 0
	encRLE           encoding = 3
	encDelta         encoding = 5
	encRLEDictionary encoding = 8
)

var encodingNames = map[encoding]string{encPlain: "PLAIN", 2: "PLAIN_DICTIONARY", encRLE: "RLE", 4: "BIT_PACKED", encDelta: "DELTA_BINARY_PACKED",
	6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY", encRLEDictionary: "RLE_DICTIONARY", 9: "BYTE_STREAM_SPLIT"}

func (e encoding) String() string {
	if name, ok := encodingNames[e]; ok {
		return name
	}
	return fmt.Sprintf("encoding %d", int64(e))
}

const codecZSTD = 6

type fileMeta struct {
	schema    []object // SchemaElement, depth first, root first
	rows      int64
	groups    []rowGroup
	keyValues []object // KeyValue
	createdBy string
	orders    list // ColumnOrder
}

type rowGroup struct {
	chunks   []chunk
	byteSize int64
	rows     int64
	sorting  []object // SortingColumn
	raw      object
}

type chunk struct {
	raw  object // ColumnChunk
	meta object // ColumnMetaData
}

type statistics struct {
	min, max       []byte
	hasMin, hasMax bool
	exactMin       bool // the bound is a value of the column, not only below or above all
	exactMax       bool
	nulls          int64
	hasNulls       bool
}

func statisticsOf(o object) statistics {
	return statistics{
		min: o.bytes(6), max: o.bytes(5), hasMin: o.has(6), hasMax: o.has(5), exactMin: o.bool(8), exactMax: o.bool(7),
		nulls: o.int(3), hasNulls: o.has(3),
	}
}

// magic opens and closes every Parquet file whose footer is not encrypted.
const magic = "PAR1"

// readFooter returns the file's metadata and the footer's length in bytes, without magic and length.
func readFooter(file io.ReaderAt, size int64) (fileMeta, int64, error) {
	if size < 12 {
		return fileMeta{}, 0, fmt.Errorf("%d bytes are no Parquet file", size)
	}
	head, tail := make([]byte, 4), make([]byte, 8)
	if _, err := file.ReadAt(head, 0); err != nil {
		return fileMeta{}, 0, fmt.Errorf("read the head: %w", err)
	}
	if _, err := file.ReadAt(tail, size-8); err != nil {
		return fileMeta{}, 0, fmt.Errorf("read the tail: %w", err)
	}
	if string(head) != magic || string(tail[4:]) != magic {
		return fileMeta{}, 0, fmt.Errorf("magic is %q and %q, want %q", head, tail[4:], magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if n > size-12 {
		return fileMeta{}, 0, fmt.Errorf("footer of %d bytes in a file of %d", n, size)
	}
	data := make([]byte, n)
	if _, err := file.ReadAt(data, size-8-n); err != nil {
		return fileMeta{}, 0, fmt.Errorf("read the footer: %w", err)
	}
	o, _, err := parseObject(data)
	if err != nil {
		return fileMeta{}, 0, fmt.Errorf("footer: %w", err)
	}
	return fileMetaOf(o), n, nil
}

func fileMetaOf(o object) fileMeta {
	m := fileMeta{
		schema: items[object](o.list(2)), rows: o.int(3), keyValues: items[object](o.list(5)),
		createdBy: o.text(6), orders: o.list(7),
	}
	for _, g := range items[object](o.list(4)) {
		m.groups = append(m.groups, rowGroupOf(g))
	}
	return m
}

func rowGroupOf(o object) rowGroup {
	g := rowGroup{
		raw: o, byteSize: o.int(2), rows: o.int(3), sorting: items[object](o.list(4)),
	}
	for _, c := range items[object](o.list(1)) {
		g.chunks = append(g.chunks, chunk{raw: c, meta: c.object(3)})
	}
	return g
}

func (c chunk) kind() physical          { return physical(c.meta.int(1)) }
func (c chunk) codec() int64            { return c.meta.int(4) }
func (c chunk) values() int64           { return c.meta.int(5) }
func (c chunk) uncompressed() int64     { return c.meta.int(6) }
func (c chunk) compressed() int64       { return c.meta.int(7) }
func (c chunk) dataOffset() int64       { return c.meta.int(9) }
func (c chunk) dictionaryOffset() int64 { return c.meta.int(11) }
func (c chunk) statistics() statistics  { return statisticsOf(c.meta.object(12)) }

// start is where the chunk's first page stands: the dictionary page if there is one.
func (c chunk) start() int64 {
	if d := c.dictionaryOffset(); d > 0 && d < c.dataOffset() {
		return d
	}
	return c.dataOffset()
}

func (c chunk) path() []string {
	var path []string
	for _, b := range items[[]byte](c.meta.list(3)) {
		path = append(path, string(b))
	}
	return path
}

// readObject reads the structure of length bytes that stands at offset, as the footer says.
func readObject(file io.ReaderAt, size, offset, length int64) (object, error) {
	if offset <= 0 || length <= 0 || offset+length > size {
		return nil, fmt.Errorf("%d bytes at %d are outside the file", length, offset)
	}
	data := make([]byte, length)
	if _, err := file.ReadAt(data, offset); err != nil {
		return nil, err
	}
	o, n, err := parseObject(data)
	if err == nil && int64(n) != length {
		err = fmt.Errorf("%d of %d bytes used", n, length)
	}
	return o, err
}
