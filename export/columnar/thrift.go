package columnar

import "encoding/binary"

// thrift writes the compact protocol of Apache Thrift, in which Parquet's
// headers and footer are written:
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
type thrift struct {
	b    []byte
	last []int16 // newest field id of each open struct
}

// The type numbers of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

// begin opens a struct that stands at the top or in a list.
func (t *thrift) begin() { t.last = append(t.last, 0) }

// end closes the innermost struct.
func (t *thrift) end() {
	t.b = append(t.b, 0)
	t.last = t.last[:len(t.last)-1]
}

func (t *thrift) field(id int16, kind byte) {
	last := &t.last[len(t.last)-1]
	if d := id - *last; d > 0 && d <= 15 {
		t.b = append(t.b, byte(d)<<4|kind)
	} else {
		t.b = binary.AppendVarint(append(t.b, kind), int64(id))
	}
	*last = id
}

func (t *thrift) i16(id int16, v int64) {
	t.field(id, 4)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) i32(id int16, v int64) {
	t.field(id, thriftI32)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) i64(id int16, v int64) {
	t.field(id, thriftI64)
	t.b = binary.AppendVarint(t.b, v)
}

func (t *thrift) boolean(id int16, v bool) {
	if v {
		t.field(id, thriftTrue)
		return
	}
	t.field(id, thriftFalse)
}

func (t *thrift) text(id int16, s string) {
	t.field(id, thriftBinary)
	t.item(s)
}

func (t *thrift) bytes(id int16, b []byte) {
	t.field(id, thriftBinary)
	t.b = append(binary.AppendUvarint(t.b, uint64(len(b))), b...)
}

// open begins a struct that is a field.
func (t *thrift) open(id int16) {
	t.field(id, thriftStruct)
	t.begin()
}

// empty writes a field that is a struct without fields.
func (t *thrift) empty(id int16) {
	t.open(id)
	t.end()
}

// list begins a field that is a list; its n items follow.
func (t *thrift) list(id int16, kind byte, n int) {
	t.field(id, thriftList)
	if n < 15 {
		t.b = append(t.b, byte(n)<<4|kind)
		return
	}
	t.b = binary.AppendUvarint(append(t.b, 0xf0|kind), uint64(n))
}

// item writes a string in a list.
func (t *thrift) item(s string) {
	t.b = append(binary.AppendUvarint(t.b, uint64(len(s))), s...)
}

// number writes an integer in a list.
func (t *thrift) number(v int64) { t.b = binary.AppendVarint(t.b, v) }
