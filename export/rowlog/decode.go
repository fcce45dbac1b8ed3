package rowlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

// Reader walks over the bytes of one row. The zero value after New is at the
// row's first field; past the end every field reads as NULL, empty or zero,
// which is what a column that is younger than the row must be. A broken row
// sets Err and reads as zero from there on.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader reads one row as Codec.Append wrote it.
func NewReader(row []byte) Reader { return Reader{rest: row} }

// Rest returns the bytes that have not been read.
func (r *Reader) Rest() []byte { return r.rest }

// Err returns ErrCorrupt if the row ended inside a field.
func (r *Reader) Err() error {
	if r.bad {
		return fmt.Errorf("a row ends inside a field: %w", ErrCorrupt)
	}
	return nil
}

func (r *Reader) fail() {
	r.bad, r.rest = true, nil
}

// Len reads a length, a count or the mark of an optional value.
func (r *Reader) Len() uint64 {
	b := r.rest
	if len(b) > 0 && b[0] < 0x80 {
		r.rest = b[1:]
		return uint64(b[0])
	}
	return r.long()
}

func (r *Reader) long() uint64 {
	if len(r.rest) == 0 {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Bytes reads the next n bytes; they alias the row.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Text reads a string; nil and false are NULL. The bytes alias the row.
func (r *Reader) Text(optional bool) ([]byte, bool) {
	n := r.Len()
	if optional {
		if n == 0 {
			return nil, false
		}
		n--
	}
	return r.Bytes(n), true
}

// Count reads the number of items of a list or map; false is NULL.
func (r *Reader) Count(optional bool) (int, bool) {
	n := r.Len()
	if optional {
		if n == 0 {
			return 0, false
		}
		n--
	}
	if n > uint64(len(r.rest)) { // an item has at least one byte
		r.fail()
		return 0, true
	}
	return int(n), true
}

// Present reads the mark before an optional number or struct.
func (r *Reader) Present() bool { return r.Len() != 0 }

// Int reads an Int32, Int64 or Time.
func (r *Reader) Int() int64 {
	v := r.Len()
	return int64(v>>1) ^ -int64(v&1)
}

// Bool reads a bool; the second result is false for NULL.
func (r *Reader) Bool(optional bool) (value, ok bool) {
	v := r.Len()
	if optional {
		return v == 2, v != 0
	}
	return v != 0, true
}

// Double reads a double.
func (r *Reader) Double() float64 {
	if len(r.rest) == 0 {
		return 0
	}
	b := r.Bytes(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// Decode reads one row into *row, which should be zero. Strings alias the
// bytes, which must not be changed while the row lives. What pointers refer to
// comes out of arena.
func (c *Codec[T]) Decode(data []byte, row *T, arena *Arena) error {
	r := NewReader(data)
	for i := range c.fields {
		f := &c.fields[i]
		decodeField(&r, f, unsafe.Pointer(row), arena)
	}
	return r.Err()
}

// decodeField reads f into the struct at base.
func decodeField(r *Reader, f *Field, base unsafe.Pointer, a *Arena) {
	p := unsafe.Add(base, f.offset)
	switch {
	case f.Kind == List:
		decodeList(r, f, p, a)
	case f.Kind == Map:
		decodeMap(r, f, (*map[string]string)(p))
	case f.Kind == String:
		if b, ok := r.Text(f.Optional); ok {
			setString(f, p, text(b), a)
		}
	case f.Kind == Bool:
		if v, ok := r.Bool(f.Optional); ok && f.Optional {
			*(**bool)(p) = a.Bool(v)
		} else if ok {
			*(*bool)(p) = v
		}
	case !f.Optional || r.Present():
		decodeValue(r, f, p, a)
	}
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func setString(f *Field, p unsafe.Pointer, s string, a *Arena) {
	if f.Optional {
		*(**string)(p) = a.String(s)
		return
	}
	*(*string)(p) = s
}

// decodeValue reads a number or struct that is not NULL.
func decodeValue(r *Reader, f *Field, p unsafe.Pointer, a *Arena) {
	switch f.Kind {
	case Int32:
		*(*int32)(p) = int32(r.Int())
	case Int64, Time:
		if f.Optional {
			*(**int64)(p) = a.Int64(r.Int())
			return
		}
		*(*int64)(p) = r.Int()
	case Double:
		if f.Optional {
			*(**float64)(p) = a.Double(r.Double())
			return
		}
		*(*float64)(p) = r.Double()
	case Struct:
		if f.Optional {
			v := reflect.New(f.typ)
			*(*unsafe.Pointer)(p) = v.UnsafePointer()
			p = v.UnsafePointer()
		}
		for i := range f.Fields {
			decodeField(r, &f.Fields[i], p, a)
		}
	}
}

func decodeList(r *Reader, f *Field, p unsafe.Pointer, a *Arena) {
	n, ok := r.Count(f.Optional)
	if !ok || n == 0 && !f.Optional {
		return
	}
	s := reflect.MakeSlice(f.typ, n, n)
	reflect.NewAt(f.typ, p).Elem().Set(s)
	data, size := s.UnsafePointer(), f.typ.Elem().Size()
	for i := range n {
		decodeField(r, &f.Fields[0], unsafe.Add(data, uintptr(i)*size), a)
	}
}

func decodeMap(r *Reader, f *Field, m *map[string]string) {
	n, ok := r.Count(f.Optional)
	if !ok || n == 0 && !f.Optional {
		return
	}
	*m = make(map[string]string, n)
	for range n {
		k, _ := r.Text(false)
		v, _ := r.Text(false)
		if r.bad {
			return
		}
		(*m)[text(k)] = text(v)
	}
}
