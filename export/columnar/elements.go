package columnar

import "github.com/cairnstream/cairn/export/rowlog"

// Numbers of the Parquet format: physical types, repetition, converted types.
const (
	typeBoolean   = 0
	typeInt32     = 1
	typeInt64     = 2
	typeDouble    = 5
	typeByteArray = 6

	required = 0
	optional = 1
	repeated = 2

	convertedUTF8            = 0
	convertedMap             = 1
	convertedList            = 3
	convertedTimestampMillis = 9
	convertedInt32           = 17
	convertedInt64           = 18
)

func physical(k rowlog.Kind) int64 {
	switch k {
	case rowlog.Bool:
		return typeBoolean
	case rowlog.Int32:
		return typeInt32
	case rowlog.Int64, rowlog.Time:
		return typeInt64
	case rowlog.Double:
		return typeDouble
	default:
		return typeByteArray
	}
}

// element appends one SchemaElement. The rest of it is given in two parts
// around the name, because thrift wants ascending field numbers.
func (s *Schema) element(t *thrift, name string, e element) {
	t.begin()
	if e.physical >= 0 {
		t.i32(1, e.physical)
	}
	if e.repetition >= 0 {
		t.i32(3, e.repetition)
	}
	t.text(4, name)
	if e.children > 0 {
		t.i32(5, int64(e.children))
	}
	if e.converted >= 0 {
		t.i32(6, e.converted)
	}
	if e.logical != 0 {
		t.open(10)
		e.putLogical(t)
		t.end()
	}
	t.end()
	s.nElements++
}

// element is a SchemaElement; -1 is absent, as 0 has a meaning.
type element struct {
	physical   int64
	repetition int64
	children   int
	converted  int64
	logical    int16 // member of the union LogicalType
}

// Members of the union LogicalType.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalTimestamp = 8
	logicalInteger   = 10
)

func (e element) putLogical(t *thrift) {
	t.open(e.logical)
	switch e.logical {
	case logicalTimestamp:
		t.boolean(1, true) // adjusted to UTC
		t.open(2)
		t.empty(1) // milliseconds
		t.end()
	case logicalInteger:
		bits := byte(64)
		if e.physical == typeInt32 {
			bits = 32
		}
		t.field(1, 3)
		t.b = append(t.b, bits)
		t.boolean(2, true) // signed
	}
	t.end()
}

type groupKind int

const (
	plainGroup groupKind = iota
	listGroup
	mapGroup
)

func rootElement(children int) element {
	return element{physical: -1, repetition: -1, children: children, converted: -1}
}

func repeatedElement(children int) element {
	return element{physical: -1, repetition: repeated, children: children, converted: -1}
}

func groupElement(opt bool, children int, kind groupKind) element {
	e := element{physical: -1, repetition: repetitionOf(opt), children: children, converted: -1}
	switch kind {
	case listGroup:
		e.converted, e.logical = convertedList, logicalList
	case mapGroup:
		e.converted, e.logical = convertedMap, logicalMap
	}
	return e
}

func repetitionOf(opt bool) int64 {
	if opt {
		return optional
	}
	return required
}

func scalarElement(k rowlog.Kind, opt bool) element {
	e := element{physical: physical(k), repetition: repetitionOf(opt), converted: -1}
	switch k {
	case rowlog.String:
		e.converted, e.logical = convertedUTF8, logicalString
	case rowlog.Time:
		e.converted, e.logical = convertedTimestampMillis, logicalTimestamp
	case rowlog.Int32:
		e.converted, e.logical = convertedInt32, logicalInteger
	case rowlog.Int64:
		e.converted, e.logical = convertedInt64, logicalInteger
	}
	return e
}
