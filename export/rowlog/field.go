// Package rowlog is the byte form of rows that wait for their Parquet file:
// a codec from row structs to bytes and back, the compressed blocks in which
// rows lie in RAM and in a spool file, and the row log object that a commit
// writes.
//
// The form of a row follows from its struct alone (Describe), so it needs no
// code of its own per table. A row is its fields one after the other, without
// tags: what is NULL costs one byte. A field that a later schema adds stands
// last; a row that ends before it reads as NULL or empty there.
package rowlog

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// Kind is the shape of a field.
type Kind uint8

// The shapes that a row may have. Time is an int64 of milliseconds since 1970
// in UTC.
const (
	String Kind = iota + 1
	Int32
	Int64
	Time
	Bool
	Double
	Struct
	List
	Map
)

// Field describes one column, or one member of a struct, list or map.
type Field struct {
	Name     string
	Kind     Kind
	Optional bool    // NULL is possible
	Dict     bool    // few distinct values are expected (a string)
	Fields   []Field // members of a struct; the element of a list; key and value of a map

	typ    reflect.Type // of the value, pointers taken off
	offset uintptr      // inside the struct that holds it
}

// Leaves is the number of scalar columns at or below f.
func (f *Field) Leaves() int {
	if f.Kind < Struct {
		return 1
	}
	n := 0
	for i := range f.Fields {
		n += f.Fields[i].Leaves()
	}
	return n
}

// Describe derives the fields of a row struct from its `parquet` tags. It
// refuses what the lake cannot hold: names that are not lower case or occur
// twice, a NULL-able scalar that is no pointer (readers would see empty
// strings for NULL), and Go types without a column type.
//
// The fields belong to all callers and must not be changed.
func Describe(row reflect.Type) ([]Field, error) {
	if fields, ok := described.Load(row); ok {
		return fields.([]Field), nil
	}
	fields, err := describeStruct(row)
	if err != nil {
		return nil, fmt.Errorf("rowlog: %s: %w", row, err)
	}
	described.Store(row, fields)
	return fields, nil
}

// described are the fields of the types seen so far: every shard and every
// roll asks for the same five.
var described sync.Map // reflect.Type to []Field

func describeStruct(t reflect.Type) ([]Field, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is no struct", t)
	}
	seen := make(map[string]bool, t.NumField())
	fields := make([]Field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		f, err := describeField(sf)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", sf.Name, err)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("field %s: column %q occurs twice", sf.Name, f.Name)
		}
		seen[f.Name] = true
		fields = append(fields, f)
	}
	return fields, nil
}

func describeField(sf reflect.StructField) (Field, error) {
	name, options, _ := strings.Cut(sf.Tag.Get("parquet"), ",")
	if !validName(name) {
		return Field{}, fmt.Errorf("column name %q is not made of a-z, 0-9 and _", name)
	}
	f, err := describeType(sf.Type, strings.Split(options, ","), strings.Split(sf.Tag.Get("parquet-element"), ","))
	f.Name, f.offset = name, sf.Offset
	return f, err
}

func validName(name string) bool {
	for _, c := range name {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// describeType turns a Go type and its tag options into a field without name.
func describeType(t reflect.Type, options, element []string) (Field, error) {
	f := Field{typ: t}
	if t.Kind() == reflect.Pointer {
		f.Optional, f.typ = true, t.Elem()
	}
	want := make(map[string]bool, len(options))
	for _, o := range options {
		want[o] = o != ""
	}
	err := f.setKind(want["timestamp"], element)
	if err != nil {
		return f, err
	}
	if f.Optional && f.Kind == Int32 {
		return f, fmt.Errorf("a NULL-able int32 is not supported; use int64")
	}
	if want["optional"] {
		if f.Kind != List && f.Kind != Map {
			return f, fmt.Errorf("a NULL-able %s must be a pointer, not tagged optional", f.typ)
		}
		f.Optional = true
	}
	f.Dict = want["dict"]
	return f, checkOptions(&f, want)
}

func checkOptions(f *Field, want map[string]bool) error {
	allowed := map[string]bool{
		"dict": f.Kind == String, "timestamp": f.Kind == Time, "list": f.Kind == List, "optional": f.Optional,
	}
	for o, set := range want {
		if set && !allowed[o] {
			return fmt.Errorf("option %q does not fit %s", o, f.typ)
		}
	}
	if f.Kind == List && !want["list"] {
		return fmt.Errorf("a slice needs the option list")
	}
	return nil
}

// setKind fills Kind and Fields from f.typ.
func (f *Field) setKind(timestamp bool, element []string) (err error) {
	switch f.typ.Kind() {
	case reflect.String:
		f.Kind = String
	case reflect.Int32:
		f.Kind = Int32
	case reflect.Int64:
		f.Kind = Int64
		if timestamp {
			f.Kind = Time
		}
	case reflect.Bool:
		f.Kind = Bool
	case reflect.Float64:
		f.Kind = Double
	case reflect.Struct:
		f.Kind = Struct
		if f.Fields, err = describeStruct(f.typ); err == nil && !f.Optional {
			err = fmt.Errorf("a struct column must be a pointer")
		}
	case reflect.Slice:
		err = f.setList(element)
	case reflect.Map:
		err = f.setMap()
	default:
		err = fmt.Errorf("no column type for %s", f.typ)
	}
	return err
}

func (f *Field) setList(element []string) error {
	if f.Optional {
		return fmt.Errorf("a pointer to a slice has two ways to be NULL")
	}
	f.Kind = List
	elem := f.typ.Elem()
	if elem.Kind() == reflect.Struct {
		fields, err := describeStruct(elem)
		f.Fields = []Field{{Name: "element", Kind: Struct, Fields: fields, typ: elem}}
		return err
	}
	e, err := describeType(elem, element, nil)
	if err == nil && e.Kind != String && e.Kind != Struct {
		err = fmt.Errorf("a list holds strings or structs, not %s", elem)
	}
	e.Name = "element"
	f.Fields = []Field{e}
	return err
}

func (f *Field) setMap() error {
	if f.typ.Key().Kind() != reflect.String || f.typ.Elem().Kind() != reflect.String || f.Optional {
		return fmt.Errorf("a map column must be a map[string]string, not %s", f.typ)
	}
	f.Kind = Map
	f.Fields = []Field{
		{Name: "key", Kind: String, typ: f.typ.Key()},
		{Name: "value", Kind: String, typ: f.typ.Elem()},
	}
	return nil
}
