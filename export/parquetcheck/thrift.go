package parquetcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Parquet keeps its metadata in Thrift's compact protocol. This reader turns it into a plain tree, so that a field that
// is absent can be told from one that is zero or empty, which generated structs blur and several rules depend on.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

// object is a struct: its fields by id. Values are bool, int64, float64, []byte, list or object.
type object map[int16]any

// list is a list of values of one kind.
type list []any

// The kinds of the compact protocol. Booleans are two kinds as a field, and carry their value in it.
const (
	kindStop   = 0
	kindTrue   = 1
	kindFalse  = 2
	kindI8     = 3
	kindI16    = 4
	kindI32    = 5
	kindI64    = 6
	kindDouble = 7
	kindBinary = 8
	kindList   = 9
	kindSet    = 10
	kindStruct = 12
)

// maxThriftDepth bounds nesting; Parquet's own structures are at most seven deep.
const maxThriftDepth = 16

var errThriftShort = errors.New("metadata ends inside a value")

type thriftReader struct {
	data []byte
	pos  int
}

// parseObject reads one struct from the front of data and returns it with the number of bytes it took.
func parseObject(data []byte) (object, int, error) {
	r := &thriftReader{data: data}
	o, err := r.object(0)
	return o, r.pos, err
}

func (r *thriftReader) byte() (byte, error) {
	if r.pos >= len(r.data) {
		return 0, errThriftShort
	}
	r.pos++
	return r.data[r.pos-1], nil
}

func (r *thriftReader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.data[r.pos:])
	if n <= 0 {
		return 0, errThriftShort
	}
	r.pos += n
	return v, nil
}

func (r *thriftReader) varint() (int64, error) {
	v, n := binary.Varint(r.data[r.pos:])
	if n <= 0 {
		return 0, errThriftShort
	}
	r.pos += n
	return v, nil
}

func (r *thriftReader) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(r.data)-r.pos) {
		return nil, errThriftShort
	}
	b := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

func (r *thriftReader) object(depth int) (object, error) {
	if depth > maxThriftDepth {
		return nil, errors.New("metadata is nested too deeply")
	}
	o := object{}
	var id int16
	for {
		head, err := r.byte()
		if err != nil {
			return nil, err
		}
		kind := head & 0x0f
		if kind == kindStop {
			return o, nil
		}
		if id, err = r.fieldID(id, head>>4); err != nil {
			return nil, err
		}
		if o[id], err = r.field(kind, depth); err != nil {
			return nil, fmt.Errorf("field %d: %w", id, err)
		}
	}
}

// fieldID is the last id plus a small step, or stands in full when the step is 0.
func (r *thriftReader) fieldID(last int16, step byte) (int16, error) {
	if step != 0 {
		return last + int16(step), nil
	}
	v, err := r.varint()
	return int16(v), err
}

func (r *thriftReader) field(kind byte, depth int) (any, error) {
	switch kind {
	case kindTrue:
		return true, nil
	case kindFalse:
		return false, nil
	}
	return r.value(kind, depth)
}

func (r *thriftReader) value(kind byte, depth int) (any, error) {
	switch kind {
	case kindTrue, kindFalse: // an item of a list: a byte of its own
		b, err := r.byte()
		return b == kindTrue, err
	case kindI8:
		b, err := r.byte()
		return int64(int8(b)), err
	case kindI16, kindI32, kindI64:
		return r.varint()
	case kindDouble:
		b, err := r.bytes(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	case kindBinary:
		n, err := r.uvarint()
		if err != nil {
			return nil, err
		}
		return r.bytes(n)
	case kindList, kindSet:
		return r.list(depth)
	case kindStruct:
		return r.object(depth + 1)
	}
	return nil, fmt.Errorf("unknown kind %d", kind)
}

func (r *thriftReader) list(depth int) (list, error) {
	head, err := r.byte()
	if err != nil {
		return nil, err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = r.uvarint(); err != nil {
			return nil, err
		}
	}
	if n > uint64(len(r.data)-r.pos) { // every item takes a byte at least
		return nil, errThriftShort
	}
	items := make(list, n)
	for i := range items {
		if items[i], err = r.value(head&0x0f, depth); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// The accessors give the zero value for a field that is absent or of another kind; has tells the difference where it counts.

func (o object) has(id int16) bool { _, ok := o[id]; return ok }

func (o object) int(id int16) int64 { v, _ := o[id].(int64); return v }

func (o object) bool(id int16) bool { v, _ := o[id].(bool); return v }

func (o object) bytes(id int16) []byte { v, _ := o[id].([]byte); return v }

func (o object) text(id int16) string { return string(o.bytes(id)) }

func (o object) object(id int16) object { v, _ := o[id].(object); return v }

func (o object) list(id int16) list { v, _ := o[id].(list); return v }

// items returns the items of a list of T; items of another kind count as T's zero value.
func items[T any](l list) []T {
	out := make([]T, len(l))
	for i, v := range l {
		out[i], _ = v.(T)
	}
	return out
}
