// Package columnar writes Parquet files from encoded rows (package rowlog),
// straight from the rows' bytes into column buffers.
//
// It exists because the general way (row structs through a reflecting writer)
// costs several times as much per row, and because what it leaves to chance
// matters here: which encodings a file uses, how long its bounds are, and that
// the same rows always give the same bytes. The level, integer and bloom
// encodings come from parquet-go; layout, dictionaries, pages, indexes and
// footer are written here.
//
// What it writes: data pages V1, zstd; PLAIN, RLE_DICTIONARY (strings with few
// values), DELTA_BINARY_PACKED (integers and times) and RLE levels; a column
// index, an offset index and a CRC for every page; bounds cut to 64 bytes.
// See https://github.com/apache/parquet-format for the terms.
package columnar

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/rowlog"
)

// Options are the settings of a table's files. Columns are dotted paths.
type Options struct {
	First     []string // fields that stand first in a row's bytes (rowlog.Order)
	Sort      []string // top-level columns by which the caller sorts each row group, ascending, NULL first
	Bloom     []string // string columns that get a bloom filter
	NoStats   []string // string columns of long values: only 8-byte bounds per page, none per chunk
	PageBytes int      // size of a page's values at which it is closed
}

// Schema is the compiled form of a table: how to walk over a row, and what
// stands in a footer about its columns. It is immutable.
type Schema struct {
	fields    []node // in the order of a row's bytes
	leaves    []leaf // in the order of the file
	elements  []byte // schema elements, in thrift
	nElements int
	sorting   []sorted
	pageBytes int
}

type sorted struct{ leaf int }

// node is one field of a row with the levels of its values.
type node struct {
	name     string
	kind     rowlog.Kind
	optional bool
	def      byte // definition level of a value that is there
	rep      byte // repetition level of items after the first (lists and maps)
	lo, hi   int  // leaves at or below
	sub      []node
}

// leaf is one column of the file.
type leaf struct {
	path    []string
	kind    rowlog.Kind
	maxDef  byte
	maxRep  byte
	dict    bool
	bloom   bool
	noStats bool
}

// NewSchema compiles the columns of a table.
func NewSchema(fields []rowlog.Field, o Options) (*Schema, error) {
	s := &Schema{pageBytes: o.PageBytes}
	if s.pageBytes <= 0 {
		return nil, fmt.Errorf("columnar: a page size of %d bytes", o.PageBytes)
	}
	var t thrift
	s.element(&t, "schema", rootElement(len(fields)))
	nodes := make([]node, 0, len(fields))
	for i := range fields {
		nodes = append(nodes, s.add(&t, &fields[i], nil, 0, 0))
	}
	s.elements = t.b
	if err := s.mark(o); err != nil {
		return nil, err
	}
	return s, s.order(fields, nodes, o.First)
}

// order puts the nodes into the order of a row's bytes.
func (s *Schema) order(fields []rowlog.Field, nodes []node, first []string) error {
	ordered, err := rowlog.Order(fields, first...)
	if err != nil {
		return fmt.Errorf("columnar: %w", err)
	}
	for _, f := range ordered {
		i := slices.IndexFunc(nodes, func(n node) bool { return n.name == f.Name })
		s.fields = append(s.fields, nodes[i])
	}
	return nil
}

// mark applies the options that name columns.
func (s *Schema) mark(o Options) error {
	set := func(paths []string, do func(i int, l *leaf) error) error {
		for _, p := range paths {
			i := slices.IndexFunc(s.leaves, func(l leaf) bool { return strings.Join(l.path, ".") == p })
			if i < 0 {
				return fmt.Errorf("columnar: no column %s", p)
			}
			if err := do(i, &s.leaves[i]); err != nil {
				return err
			}
		}
		return nil
	}
	err := set(o.Bloom, func(_ int, l *leaf) error {
		if l.bloom = true; l.kind != rowlog.String || l.dict {
			return fmt.Errorf("columnar: a bloom filter for %s, which is no plain string column", l.path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = set(o.NoStats, func(_ int, l *leaf) error {
		l.noStats = true
		return nil
	})
	if err != nil {
		return err
	}
	return set(o.Sort, func(i int, l *leaf) error {
		if s.sorting = append(s.sorting, sorted{i}); l.maxRep > 0 {
			return fmt.Errorf("columnar: %s is repeated and cannot be a sort column", l.path)
		}
		return nil
	})
}

// add appends a field's schema elements and leaves and returns its node.
func (s *Schema) add(t *thrift, f *rowlog.Field, path []string, def, rep byte) node {
	path = append(slices.Clip(path), f.Name)
	n := node{name: f.Name, kind: f.Kind, optional: f.Optional, def: def, rep: rep, lo: len(s.leaves)}
	if f.Optional {
		n.def++
	}
	switch f.Kind {
	case rowlog.Struct:
		s.element(t, f.Name, groupElement(f.Optional, len(f.Fields), plainGroup))
		for i := range f.Fields {
			n.sub = append(n.sub, s.add(t, &f.Fields[i], path, n.def, rep))
		}
	case rowlog.List:
		n.rep++
		s.element(t, f.Name, groupElement(f.Optional, 1, listGroup))
		s.element(t, "list", repeatedElement(1))
		n.sub = []node{s.add(t, &f.Fields[0], append(path, "list"), n.def+1, n.rep)}
	case rowlog.Map:
		n.rep++
		s.element(t, f.Name, groupElement(f.Optional, 1, mapGroup))
		s.element(t, "key_value", repeatedElement(2))
		for i := range f.Fields {
			n.sub = append(n.sub, s.add(t, &f.Fields[i], append(path, "key_value"), n.def+1, n.rep))
		}
	default:
		s.element(t, f.Name, scalarElement(f.Kind, f.Optional))
		s.leaves = append(s.leaves, leaf{path: path, kind: f.Kind, maxDef: n.def, maxRep: rep, dict: f.Dict})
	}
	n.hi = len(s.leaves)
	return n
}

// Columns are the dotted paths of the columns in the order of the file.
func (s *Schema) Columns() []string {
	out := make([]string, len(s.leaves))
	for i := range s.leaves {
		out[i] = strings.Join(s.leaves[i].path, ".")
	}
	return out
}
