// Package parquetcheck judges Parquet files by the rules on which readers silently depend: Trino, the engine of Athena, drops
// rows or fails a query when an index, a bound or a filter is wrong. It shares no code with Cairn's writer; it reads
// metadata, pages and values on its own and compares everything that the file says about itself with what is in it.
//
// It is meant for tests: it decodes every value and is not fast.
package parquetcheck

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The limits of a file.
const (
	// MaxGroupRows is the most rows that a row group may have.
	MaxGroupRows = 100_000
	// MaxGroupBytes is the most uncompressed bytes of a row group: 192 MiB of rows, what readers hold in memory at once without trouble, and
	// room for the last batch of 256 rows of up to 256 KiB, the largest record that CloudTrail sends.
	MaxGroupBytes = (192 + 64) << 20
	// MaxFooterBytes is where readers begin to refuse footers or to read them slowly: 8 MiB.
	MaxFooterBytes = 8 << 20
)

// CreatedBy is what the footer of every file says about its writer: a format, not a build, so that a replay gives the same bytes.
const CreatedBy = "cairn format 1"

// Column is one expected column of a table.
type Column struct {
	Name string
	// Type is the Athena type without spaces, with `?` after everything that may be NULL: "array<string>?", "struct<a:string?>".
	Type string
}

// Table is what a file should hold. Zero fields are not compared.
type Table struct {
	Name    string   // value of the key cairn.table in the file's metadata
	Columns []Column // all columns in order
	Sorting []string // dotted paths of the sorting columns
	Filters []string // dotted paths of the columns with a bloom filter
	// Metadata are the keys that the file's metadata must have, each with some value.
	Metadata []string
	// CreatedBy is the expected created_by.
	CreatedBy string
}

// Violation is one rule that a file breaks.
type Violation struct {
	Rule    string // short name of the rule
	Message string // what and where
}

// Error gives rule and message.
func (v *Violation) Error() string { return v.Rule + ": " + v.Message }

// checker is the state of one check.
type checker struct {
	file   io.ReaderAt
	size   int64
	meta   fileMeta
	root   *node
	leaves []*node
	zstd   *zstd.Decoder
	found  []error
}

// maxViolations ends a check that finds the same thing on every page of a broken file.
const maxViolations = 100

func (c *checker) fail(rule, format string, args ...any) {
	if len(c.found) < maxViolations {
		c.found = append(c.found, &Violation{Rule: rule, Message: fmt.Sprintf(format, args...)})
	}
}

// Check reads the whole file and returns every rule that it breaks, each as a *Violation; none means that the file is good.
func Check(file io.ReaderAt, size int64, table Table) []error {
	decoder, err := newZSTD()
	if err != nil {
		return []error{err}
	}
	defer decoder.Close()
	c := &checker{file: file, size: size, zstd: decoder}
	meta, footer, err := readFooter(file, size)
	if err != nil {
		c.fail("footer", "%v", err)
		return c.found
	}
	c.meta = meta
	if footer > MaxFooterBytes {
		c.fail("limits", "footer of %d bytes, at most %d", footer, MaxFooterBytes)
	}
	if c.root, c.leaves, err = buildSchema(meta.schema); err != nil {
		c.fail("schema", "%v", err)
		return c.found
	}
	c.checkSchema(table)
	c.checkMetadata(table)
	c.checkOrders()
	var rows int64
	for i := range meta.groups {
		c.checkGroup(i, &meta.groups[i], table)
		rows += meta.groups[i].rows
	}
	if rows != meta.rows {
		c.fail("rows", "row groups have %d rows together, the file says %d", rows, meta.rows)
	}
	return c.found
}

func (c *checker) checkMetadata(table Table) {
	if table.CreatedBy != "" && c.meta.createdBy != table.CreatedBy {
		c.fail("metadata", "created_by is %q, want %q", c.meta.createdBy, table.CreatedBy)
	}
	values := map[string]string{}
	for _, kv := range c.meta.keyValues {
		key := kv.text(1)
		if _, twice := values[key]; twice {
			c.fail("metadata", "key %q stands twice", key)
		}
		values[key] = kv.text(2)
	}
	for _, key := range table.Metadata {
		if values[key] == "" {
			c.fail("metadata", "key %q is missing or empty", key)
		}
	}
	if name, ok := values[TableKey]; ok && table.Name != "" && name != table.Name {
		c.fail("metadata", "the file is of table %q, want %q", name, table.Name)
	}
}

// checkOrders wants the order of bounds declared for every column; without it readers must ignore them.
func (c *checker) checkOrders() {
	if len(c.meta.orders) != len(c.leaves) {
		c.fail("orders", "%d column orders for %d columns", len(c.meta.orders), len(c.leaves))
		return
	}
	for i, order := range items[object](c.meta.orders) {
		if !order.has(1) { // TypeDefinedOrder, the only one there is
			c.fail("orders", "column %s has an unknown order", c.leaves[i].dotted())
		}
	}
}

func (c *checker) checkGroup(i int, g *rowGroup, table Table) {
	where := fmt.Sprintf("row group %d", i)
	if g.rows > MaxGroupRows {
		c.fail("limits", "%s has %d rows, at most %d", where, g.rows, MaxGroupRows)
	}
	if g.byteSize > MaxGroupBytes {
		c.fail("limits", "%s has %d bytes, at most %d", where, g.byteSize, MaxGroupBytes)
	}
	if g.rows <= 0 {
		c.fail("rows", "%s has %d rows", where, g.rows)
	}
	if len(g.chunks) != len(c.leaves) {
		c.fail("chunks", "%s has %d column chunks for %d columns", where, len(g.chunks), len(c.leaves))
		return
	}
	columns := make([]*column, len(c.leaves))
	for j, leaf := range c.leaves {
		columns[j] = c.checkChunk(fmt.Sprintf("%s, %s", where, leaf.dotted()), leaf, g, &g.chunks[j])
	}
	c.checkSizes(where, i, g)
	c.checkSorting(where, g, columns, table.Sorting)
	c.checkFilters(where, g, columns, table.Filters)
}

// checkSizes compares sizes, place and number of the group with those of its chunks; all but the first are optional.
func (c *checker) checkSizes(where string, i int, g *rowGroup) {
	var uncompressed, compressed int64
	for j := range g.chunks {
		uncompressed += g.chunks[j].uncompressed()
		compressed += g.chunks[j].compressed()
	}
	if uncompressed != g.byteSize {
		c.fail("chunks", "%s says %d bytes, its chunks have %d", where, g.byteSize, uncompressed)
	}
	if g.raw.has(6) && g.raw.int(6) != compressed {
		c.fail("chunks", "%s says %d compressed bytes, its chunks have %d", where, g.raw.int(6), compressed)
	}
	if g.raw.has(5) && g.raw.int(5) != g.chunks[0].start() {
		c.fail("chunks", "%s says that it starts at %d, its first chunk at %d", where, g.raw.int(5), g.chunks[0].start())
	}
	if g.raw.has(7) && g.raw.int(7) != int64(i) {
		c.fail("chunks", "%s says that it is number %d", where, g.raw.int(7))
	}
}
