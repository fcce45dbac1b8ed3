package parquetcheck

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
)

// Leaf columns of row, by the order of its leaves.
const (
	colID = iota
	colAccount
	colSeen
	colUntil
	colCount
	colOrdinal
	colLate
	colPublic
	colScore
	colBlob
	colNever
)

// TestWriterSettings breaks rules by what the writer is told to do.
func TestWriterSettings(t *testing.T) {
	rows := sampleRows(400)
	tests := []struct {
		name, rule string
		option     parquet.WriterOption
	}{
		{"snappy", "codec", parquet.Compression(&parquet.Snappy)},
		{"no compression", "codec", parquet.Compression(&parquet.Uncompressed)},
		{"data page V2", "page version", parquet.DataPageVersion(2)},
		{"the library's encoding of text", "encodings", parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.DeltaLengthByteArray)},
		{"SkipPageBounds", "empty bounds", parquet.SkipPageBounds("id")},
		{"a filter too many", "bloom filters", parquet.BloomFilters(parquet.SplitBlockFilter(10, "blob"))},
		{"sorted by another column", "sorting", parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("id")))},
		{"descending", "sorting", parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("account"), parquet.Descending("id")))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			violates(t, write(t, rows, writeOptions(test.option)...), anyCreator(rowTable), test.rule)
		})
	}
}

func anyCreator(table Table) Table {
	table.CreatedBy = ""
	return table
}

// TestNumericFilter: readers ask filters for text only, and hash numbers in ways of their own.
func TestNumericFilter(t *testing.T) {
	data := write(t, sampleRows(100), writeOptions(parquet.BloomFilters(parquet.SplitBlockFilter(10, "count")))...)
	violates(t, data, Table{}, "bloom filters")
}

// TestMissingFilter is a file whose writer forgot the filters.
func TestMissingFilter(t *testing.T) {
	table := anyCreator(rowTable)
	table.Filters = append([]string{"blob"}, table.Filters...)
	violates(t, write(t, sampleRows(100), writeOptions()...), table, "bloom filters")
	table.Filters[0] = "never" // nothing is in it, so nothing can be missed
	if found := check(write(t, sampleRows(100), writeOptions()...), table); len(found) > 0 {
		t.Error(found)
	}
}

func TestUnsortedRows(t *testing.T) {
	rows := sampleRows(400)
	rows[7], rows[8] = rows[8], rows[7]
	violates(t, write(t, rows, writeOptions()...), anyCreator(rowTable), "sorting")
}

// TestSchemas breaks the rules of names, shapes and types; the files themselves are sound.
func TestSchemas(t *testing.T) {
	tests := []struct {
		name, rule string
		data       []byte
	}{
		{"upper case", "names", writeOne(t, struct {
			A int64 `parquet:"eventName"`
		}{})},
		{"upper case inside a struct", "names", writeOne(t, struct {
			A struct {
				B int64 `parquet:"B"`
			} `parquet:"a"`
		}{})},
		{"repeated without a list", "shape", writeOne(t, struct {
			A []string `parquet:"a,plain"`
		}{A: []string{"x"}})},
		{"microseconds", "times", writeOne(t, struct {
			A int64 `parquet:"a,timestamp(microsecond)"`
		}{})},
		{"nanoseconds", "times", writeOne(t, struct {
			A time.Time `parquet:"a,timestamp(nanosecond)"`
		}{A: time.UnixMilli(0)})},
		{"local time", "times", writeOne(t, struct {
			A int64 `parquet:"a,timestamp(millisecond:local)"`
		}{})},
		{"time of day", "times", writeOne(t, struct {
			A int64 `parquet:"a,time(microsecond)"`
		}{})},
		{"date", "types", writeOne(t, struct {
			A int32 `parquet:"a,date"`
		}{})},
		{"unsigned", "times", writeOne(t, struct {
			A uint64 `parquet:"a"`
		}{})},
		{"unsigned, small", "types", writeOne(t, struct {
			A uint32 `parquet:"a"`
		}{})},
		{"bytes", "types", writeOne(t, struct {
			A []byte `parquet:"a,plain"`
		}{A: []byte("x")})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { violates(t, test.data, Table{}, test.rule) })
	}
}

// TestUnknownTypes are columns that the checker refuses and cannot decode either.
func TestUnknownTypes(t *testing.T) {
	breaksFirst(t, writeOne(t, struct {
		A deprecated.Int96 `parquet:"a"`
	}{}), Table{}, "times")
	breaksFirst(t, writeOne(t, struct {
		A float32 `parquet:"a"`
	}{}), Table{}, "types")
	breaksFirst(t, writeOne(t, struct {
		A [16]byte `parquet:"a,uuid"`
	}{}), Table{}, "types")
}

func writeOne[T any](t *testing.T, row T) []byte {
	return write(t, []T{row}, parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1), parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain))
}

// TestSchemaElements breaks the schema in ways that the writer does not know.
func TestSchemaElements(t *testing.T) {
	element := func(m object, name string, nth int) object {
		for _, e := range items[object](m.list(2)) {
			if e.text(4) == name {
				if nth == 0 {
					return e
				}
				nth--
			}
		}
		t.Fatalf("no schema element %s", name)
		return nil
	}
	rename := func(nth int, from, to string) func(object) {
		return func(m object) { element(m, from, nth)[4] = []byte(to) }
	}
	tests := []struct {
		name, rule string
		change     func(m object)
	}{
		{"name twice", "names", rename(0, "late", "seen")},
		{"name empty", "names", rename(0, "late", "")},
		{"list group called array", "shape", rename(0, "list", "array")},
		{"list group called like an old list", "shape", rename(0, "list", "ids_tuple")},
		{"map key optional", "shape", func(m object) { element(m, "key", 0)[3] = int64(optional) }},
		{"map key not first", "shape", func(m object) { element(m, "key", 0)[4] = []byte("value"); element(m, "value", 1)[4] = []byte("key") }},
		{"list not repeated", "shape", func(m object) { element(m, "list", 0)[3] = int64(optional) }},
		{"struct without members", "shape", func(m object) {
			element(m, "who", 0)[5] = int64(0)
			m[2] = m.list(2)[:len(m.list(2))-2]
		}},
		{"children missing", "schema", func(m object) { m[2] = m.list(2)[:len(m.list(2))-1] }},
		{"children left over", "schema", func(m object) { element(m, "who", 0)[5] = int64(1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			breaksFirst(t, patch(t, goodFile(t), test.change), Table{}, test.rule) // chunks disagree as well
		})
	}
}

// TestExpectedTable compares a sound file with a table that is a little different.
func TestExpectedTable(t *testing.T) {
	data := goodFile(t)
	tests := []struct {
		name, rule string
		change     func(table *Table)
	}{
		{"another type", "schema", func(table *Table) { table.Columns[0].Type = "bigint" }},
		{"nullability", "schema", func(table *Table) { table.Columns[0].Type = "string?" }},
		{"nullability inside", "schema", func(table *Table) { table.Columns[14].Type = "struct<name:string,key:string?>?" }},
		{"another name", "schema", func(table *Table) { table.Columns[1].Name = "account_id" }},
		{"order", "schema", func(table *Table) { c := table.Columns; c[0], c[1] = c[1], c[0] }},
		{"one more", "schema", func(table *Table) { table.Columns = append(table.Columns, Column{"new", "string?"}) }},
		{"one less", "schema", func(table *Table) { table.Columns = table.Columns[:14] }},
		{"creator", "metadata", func(table *Table) { table.CreatedBy = "cairn format 2" }},
		{"key", "metadata", func(table *Table) { table.Metadata = []string{"cairn.absent"} }},
		{"table", "metadata", func(table *Table) { table.Name = "events" }},
		{"sorting", "sorting", func(table *Table) { table.Sorting = []string{"account"} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table := rowTable
			table.Columns = append([]Column{}, rowTable.Columns...)
			test.change(&table)
			violates(t, data, table, test.rule)
		})
	}
}

// TestFooter breaks what the footer says about groups and chunks.
func TestFooter(t *testing.T) {
	group := func(m object, i int) object { return m.list(4)[i].(object) }
	meta := func(m object, column int) object { return chunkOf(m, 0, column).object(3) }
	stats := func(m object, column int) object { return meta(m, column).object(12) }
	tests := []struct {
		name, rule string
		change     func(m object)
	}{
		{"rows of the file", "rows", func(m object) { m[3] = m.int(3) + 1 }},
		{"created_by", "metadata", func(m object) { m[6] = []byte("parquet-go version 1") }},
		{"metadata key twice", "metadata", func(m object) { m[5] = append(m.list(5), m.list(5)[0]) }},
		{"no column orders", "orders", func(m object) { delete(m, 7) }},
		{"unknown column order", "orders", func(m object) { m.list(7)[0] = object{2: object{}} }},
		{"byte size of a group", "chunks", func(m object) { group(m, 1)[2] = group(m, 1).int(2) + 1 }},
		{"offset of a group", "chunks", func(m object) { group(m, 1)[5] = group(m, 1).int(5) + 1 }},
		{"compressed size of a group", "chunks", func(m object) { group(m, 1)[6] = group(m, 1).int(6) + 1 }},
		{"number of a group", "chunks", func(m object) { group(m, 1)[7] = int64(0) }},
		{"encoding counts", "encodings", func(m object) { meta(m, colBlob).list(13)[0].(object)[3] = int64(99) }},
		{"sorting column out of range", "sorting", func(m object) { group(m, 0).list(4)[0].(object)[1] = int64(99) }},
		{"sorting column repeated", "sorting", func(m object) { group(m, 0).list(4)[0].(object)[1] = int64(colNever + 1) }},
		{"nulls first", "sorting", func(m object) { group(m, 1).list(4)[0].(object)[3] = true }},
		{"a chunk less", "chunks", func(m object) { group(m, 0)[1] = group(m, 0).list(1)[1:] }},
		{"path of a chunk", "chunks", func(m object) { meta(m, colID)[3] = list{[]byte("other")} }},
		{"chunk in another file", "chunks", func(m object) { chunkOf(m, 0, colBlob)[1] = []byte("other.parquet") }},
		{"values of a chunk", "counts", func(m object) { meta(m, colBlob)[5] = meta(m, colBlob).int(5) + 1 }},
		{"nulls of a chunk", "counts", func(m object) { stats(m, colBlob)[3] = int64(0) }},
		{"chunk outside the file", "pages", func(m object) { meta(m, colBlob)[9] = int64(1 << 40) }},
		{"first data page", "chunks", func(m object) { meta(m, colAccount)[9] = meta(m, colAccount).int(9) + 1 }},
		{"declared encodings", "encodings", func(m object) { meta(m, colBlob)[2] = list{int64(encRLE)} }},
		{"declared encoding unknown", "encodings", func(m object) { meta(m, colBlob)[2] = append(meta(m, colBlob).list(2), int64(7)) }},
		{"minimum of a chunk", "bounds", func(m object) { stats(m, colID)[6] = []byte("id-000001") }},
		{"maximum of a chunk", "bounds", func(m object) { stats(m, colSeen)[5] = number(typeInt64, 1_700_000_000_000) }},
		{"one bound", "bounds", func(m object) { delete(stats(m, colID), 6) }},
		{"bound of another width", "bounds", func(m object) { stats(m, colOrdinal)[6] = number(typeInt64, 0) }},
		{"bounds in reverse", "bounds", func(m object) { s := stats(m, colCount); s[5], s[6] = s[6], s[5] }},
		{"empty bounds of a chunk", "empty bounds", func(m object) { stats(m, colID)[5], stats(m, colID)[6] = []byte{}, []byte{} }},
		{"former bounds", "bounds", func(m object) { stats(m, colID)[1], stats(m, colID)[2] = []byte("a"), []byte("b") }},
		{"NaN as a bound", "bounds", func(m object) { stats(m, colScore)[6] = []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f} }},
		{"bound that is no text", "bounds", func(m object) { stats(m, colID)[6] = []byte("id-\xff") }},
		{"exact bound that is no value", "bounds", func(m object) { stats(m, colID)[6], stats(m, colID)[8] = []byte("id"), true }},
		{"no offset index", "offset index", func(m object) { delete(chunkOf(m, 0, colID), 4) }},
		{"no column index", "column index", func(m object) { delete(chunkOf(m, 0, colID), 6) }},
		{"filter elsewhere", "bloom filters", func(m object) { meta(m, colID)[14] = int64(1 << 40) }},
		{"another column's filter", "bloom filters", func(m object) { meta(m, colID)[14] = chunkOf(m, 1, colID).object(3).int(14) }},
		{"length of a filter", "bloom filters", func(m object) { meta(m, colID)[15] = int64(7) }},
		{"level histogram", "histograms", func(m object) { meta(m, colBlob).object(16)[3] = list{int64(1), int64(2)} }},
		{"text bytes", "histograms", func(m object) { meta(m, colBlob).object(16)[1] = int64(1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { violates(t, patch(t, goodFile(t), test.change), rowTable, test.rule) })
	}
}

// TestColumnIndex breaks the index that readers prune pages by.
func TestColumnIndex(t *testing.T) {
	tests := []struct {
		name, rule string
		column     int
		change     func(o object)
	}{
		{"a minimum less", "column index", colID, func(o object) { o[2] = o.list(2)[1:] }},
		{"a null page less", "column index", colID, func(o object) { o[1] = o.list(1)[1:] }},
		{"no null counts", "column index", colID, func(o object) { delete(o, 5) }},
		{"null count", "counts", colBlob, func(o object) { o.list(5)[0] = int64(3) }},
		{"page marked null", "null pages", colID, func(o object) {
			o.list(1)[0], o.list(2)[0], o.list(3)[0] = true, []byte{}, []byte{}
		}},
		{"page not marked null", "null pages", colNever, func(o object) { o.list(1)[0] = false }},
		{"null page with bounds", "null pages", colNever, func(o object) { o.list(2)[0] = []byte("a") }},
		{"minimum above a value", "bounds", colID, func(o object) { o.list(2)[0] = []byte("id-000001") }},
		{"maximum below a value", "bounds", colID, func(o object) { o.list(3)[0] = []byte("id-000000") }},
		{"bounds in reverse", "bounds", colCount, func(o object) { o[4] = int64(0); o.list(2)[0], o.list(3)[0] = o.list(3)[0], o.list(2)[0] }},
		{"empty bounds", "empty bounds", colID, func(o object) { o[4] = int64(0); o.list(2)[0], o.list(3)[0] = []byte{}, []byte{} }},
		{"descending", "boundary order", colID, func(o object) { o[4] = int64(orderDescending) }},
		{"ascending", "boundary order", colSeen, func(o object) {
			o[4] = int64(orderAscending)
			o.list(3)[0] = number(typeInt64, 1_800_000_000_000) // true as a bound, but above the next page's
		}},
		{"unknown order", "boundary order", colID, func(o object) { o[4] = int64(7) }},
		{"level histogram", "histograms", colBlob, func(o object) { o.list(7)[0] = o.list(7)[0].(int64) + 1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			violates(t, patchStructure(t, goodFile(t), 0, test.column, 6, 7, test.change), rowTable, test.rule)
		})
	}
}

// TestOffsetIndex breaks the index that tells where pages stand.
func TestOffsetIndex(t *testing.T) {
	first := func(o object) object { return o.list(1)[0].(object) }
	tests := []struct {
		name, rule string
		change     func(o object)
	}{
		{"a page less", "offset index", func(o object) { o[1] = o.list(1)[1:] }},
		{"offset", "offset index", func(o object) { first(o)[1] = first(o).int(1) + 1 }},
		{"size", "offset index", func(o object) { first(o)[2] = first(o).int(2) + 1 }},
		{"first row", "offset index", func(o object) { o.list(1)[1].(object)[3] = int64(1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			violates(t, patchStructure(t, goodFile(t), 0, colID, 4, 5, test.change), rowTable, test.rule)
		})
	}
}

// TestDamage flips bytes of pages and filters.
func TestDamage(t *testing.T) {
	data := goodFile(t)
	chunk := metaOf(t, data).groups[0].chunks[colBlob]
	t.Run("page body", func(t *testing.T) {
		broken := bytes.Clone(data)
		broken[chunk.start()+chunk.compressed()-1] ^= 0xff
		breaksFirst(t, broken, rowTable, "pages")
	})
	t.Run("filter", func(t *testing.T) {
		broken := bytes.Clone(data)
		filter := metaOf(t, data).groups[0].chunks[colID].meta
		clear(broken[filter.int(14)+20:][:filter.int(15)-20])
		violates(t, broken, rowTable, "bloom filters")
	})
	t.Run("magic", func(t *testing.T) { violates(t, data[:len(data)-1], rowTable, "footer") })
	t.Run("too short", func(t *testing.T) { violates(t, data[:8], rowTable, "footer") })
	t.Run("footer length", func(t *testing.T) {
		broken := bytes.Clone(data)
		broken[len(broken)-5] = 0xff
		violates(t, broken, rowTable, "footer")
	})
}

func metaOf(t *testing.T, data []byte) fileMeta {
	t.Helper()
	meta, _, err := readFooter(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

// TestShortenedBounds: bounds may be wider than the values, as long as nothing claims that they are exact.
func TestShortenedBounds(t *testing.T) {
	data := patch(t, goodFile(t), func(m object) {
		stats := chunkOf(m, 0, colID).object(3).object(12)
		stats[5], stats[6] = []byte("ie"), []byte("id-")
		delete(stats, 7)
		delete(stats, 8)
	})
	data = patchStructure(t, data, 0, colID, 6, 7, func(o object) { o.list(2)[0] = []byte("id") })
	if found := check(data, rowTable); len(found) > 0 {
		t.Error(found)
	}
}

// TestText: readers refuse a file for one string that is not UTF-8.
func TestText(t *testing.T) {
	data := writeOne(t, struct {
		A *string `parquet:"a,optional,dict"`
	}{A: ptr("a\xffb")})
	breaksFirst(t, data, Table{}, "text")
}

// TestLimits: row groups and footers that readers handle badly.
func TestLimits(t *testing.T) {
	type tiny struct {
		A int64 `parquet:"a,delta"`
	}
	options := []parquet.WriterOption{parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1)}
	violates(t, write(t, make([]tiny, MaxGroupRows+1), options...), Table{}, "limits")
	if found := check(write(t, make([]tiny, MaxGroupRows), options...), Table{}); len(found) > 0 {
		t.Errorf("a row group of exactly %d rows: %v", MaxGroupRows, found)
	}
	breaksFirst(t, patch(t, goodFile(t), func(m object) { m.list(4)[0].(object)[2] = int64(MaxGroupBytes + 1) }), rowTable, "limits")
	violates(t, write(t, make([]tiny, 1), append(options, parquet.KeyValueMetadata("k", strings.Repeat("x", MaxFooterBytes)))...), Table{}, "limits")
}

func TestEmptyFile(t *testing.T) {
	data := write(t, []row{}, writeOptions()...)
	for _, err := range check(data, anyCreator(rowTable)) {
		t.Error(err)
	}
}
