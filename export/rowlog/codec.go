package rowlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"unsafe"
)

// ErrCorrupt says that bytes are not a row, block or row log as written.
var ErrCorrupt = errors.New("rowlog: corrupt data")

// A Codec turns rows of type T into bytes and back. The bytes are a function
// of the row: maps are written in the order of their keys. An encoder and its
// scratch belong to one goroutine.
type Codec[T any] struct {
	fields []Field // in the order of the bytes
	keys   []string
}

// NewCodec makes the codec of a row struct. The fields named first stand first
// in the bytes, so that a sort finds its keys without reading the whole row.
func NewCodec[T any](first ...string) (*Codec[T], error) {
	fields, err := Describe(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	fields, err = Order(fields, first...)
	return &Codec[T]{fields: fields}, err
}

// Order returns the fields in the order of a row's bytes: those named first,
// then the others as they stand in the struct.
func Order(fields []Field, first ...string) ([]Field, error) {
	ordered := make([]Field, 0, len(fields))
	for _, name := range first {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("rowlog: no field %q to stand first", name)
		}
		ordered = append(ordered, fields[i])
	}
	for _, f := range fields {
		if !slices.Contains(first, f.Name) {
			ordered = append(ordered, f)
		}
	}
	return ordered, nil
}

// Append appends the bytes of *row to dst. It does not allocate unless dst
// grows or the row holds maps.
//
// The form: a string is its length as uvarint and its bytes; an int a zigzag
// varint; a bool one byte; a double 8 bytes; a list or map its length and its
// items. What is optional adds 1 to the length and has 0 for NULL; an optional
// number or struct has a byte 0 or 1 before it; an optional bool is 0, 1
// (false) or 2 (true).
func (c *Codec[T]) Append(dst []byte, row *T) []byte {
	p := unsafe.Pointer(row)
	for i := range c.fields {
		f := &c.fields[i]
		if f.Kind == String && f.Optional { // most columns of most rows
			s := *(**string)(unsafe.Add(p, f.offset))
			if s == nil {
				dst = append(dst, 0)
				continue
			}
			dst = appendText(dst, *s, 1)
			continue
		}
		dst = c.appendField(dst, f, unsafe.Add(p, f.offset))
	}
	return dst
}

func appendText(dst []byte, s string, plus uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s))+plus)
	return append(dst, s...)
}

// appendField appends the field whose value (or pointer) stands at p.
func (c *Codec[T]) appendField(dst []byte, f *Field, p unsafe.Pointer) []byte {
	switch f.Kind {
	case List:
		return c.appendList(dst, f, p)
	case Map:
		return c.appendMap(dst, f, *(*map[string]string)(p))
	}
	if f.Optional {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return append(dst, 0)
		}
		if f.Kind == String {
			return appendText(dst, *(*string)(p), 1)
		}
		if f.Kind == Bool {
			return append(dst, 1+boolByte(*(*bool)(p)))
		}
		dst = append(dst, 1)
	}
	return c.appendValue(dst, f, p)
}

// appendValue appends a scalar or struct that is not NULL.
func (c *Codec[T]) appendValue(dst []byte, f *Field, p unsafe.Pointer) []byte {
	switch f.Kind {
	case String:
		return appendText(dst, *(*string)(p), 0)
	case Int32:
		return binary.AppendVarint(dst, int64(*(*int32)(p)))
	case Int64, Time:
		return binary.AppendVarint(dst, *(*int64)(p))
	case Bool:
		return append(dst, boolByte(*(*bool)(p)))
	case Double:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(*(*float64)(p)))
	default: // Struct
		for i := range f.Fields {
			m := &f.Fields[i]
			dst = c.appendField(dst, m, unsafe.Add(p, m.offset))
		}
		return dst
	}
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// slice is the memory of any Go slice.
type slice struct {
	data unsafe.Pointer
	len  int
	cap  int
}

func (c *Codec[T]) appendList(dst []byte, f *Field, p unsafe.Pointer) []byte {
	s := (*slice)(p)
	if f.Optional {
		if s.data == nil {
			return append(dst, 0)
		}
		dst = binary.AppendUvarint(dst, uint64(s.len)+1)
	} else {
		dst = binary.AppendUvarint(dst, uint64(s.len))
	}
	elem, size := &f.Fields[0], f.typ.Elem().Size()
	for i := range s.len {
		dst = c.appendField(dst, elem, unsafe.Add(s.data, uintptr(i)*size))
	}
	return dst
}

func (c *Codec[T]) appendMap(dst []byte, f *Field, m map[string]string) []byte {
	if f.Optional {
		if m == nil {
			return append(dst, 0)
		}
		dst = binary.AppendUvarint(dst, uint64(len(m))+1)
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(m)))
	}
	c.keys = c.keys[:0]
	for k := range m {
		c.keys = append(c.keys, k)
	}
	slices.Sort(c.keys)
	for _, k := range c.keys {
		dst = appendText(dst, k, 0)
		dst = appendText(dst, m[k], 0)
	}
	clear(c.keys) // do not pin the caller's strings
	return dst
}
