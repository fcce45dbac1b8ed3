package parquetcheck

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// row has every shape that the tables have.
type row struct {
	ID      string            `parquet:"id,plain"`
	Account *string           `parquet:"account,optional,dict"`
	Seen    int64             `parquet:"seen,timestamp(millisecond),delta"`
	Until   *int64            `parquet:"until,optional,timestamp(millisecond)"`
	Count   int64             `parquet:"count,delta"`
	Ordinal int32             `parquet:"ordinal,delta"`
	Late    bool              `parquet:"late"`
	Public  *bool             `parquet:"public,optional"`
	Score   *float64          `parquet:"score,optional"`
	Blob    *string           `parquet:"blob,optional,plain"`
	Never   *string           `parquet:"never,optional,plain"`
	Tags    map[string]string `parquet:"tags"`
	IDs     []string          `parquet:"ids,list"`
	Refs    []ref             `parquet:"refs,list"`
	Who     *who              `parquet:"who,optional"`
}

type ref struct {
	ARN  *string `parquet:"arn,optional,plain"`
	Kind string  `parquet:"kind,dict"`
}

type who struct {
	Name *string `parquet:"name,optional,dict"`
	Key  *string `parquet:"key,optional,plain"`
}

// rowTable is the shape of row, by hand.
var rowTable = Table{
	Columns: parseColumns(`
id string
account string?
seen timestamp
until timestamp?
count bigint
ordinal int
late boolean
public boolean?
score double?
blob string?
never string?
tags map<string,string>
ids array<string>
refs array<struct<arn:string?,kind:string>>
who struct<name:string?,key:string?>?
`),
	Sorting: []string{"account", "id"}, Filters: []string{"id", "who.key"}, CreatedBy: CreatedBy, Metadata: []string{TableKey},
}

func ptr[T any](v T) *T { return &v }

// sampleRows are sorted by account, NULLs last, and id; every nullable column has runs of NULL and of values, empty ones too.
func sampleRows(n int) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = sampleRow(i)
		if i >= n*3/4 {
			rows[i].Account = nil
		} else {
			rows[i].Account = ptr(fmt.Sprintf("account-%d", i*8/n))
		}
	}
	return rows
}

func sampleRow(i int) row {
	r := row{
		ID: fmt.Sprintf("id-%06d", i), Seen: 1_700_000_000_000 + int64(i*i%977), Count: int64(i%13) - 6, Ordinal: int32(i % 7), Late: i%5 == 0,
		Tags: map[string]string{}, IDs: []string{}, Refs: []ref{},
	}
	for j := range i % 4 {
		r.Tags[fmt.Sprintf("tag%d", j)] = fmt.Sprintf("v%d", i%50)
		r.IDs = append(r.IDs, fmt.Sprintf("%d-%d", i, j))
		r.Refs = append(r.Refs, ref{ARN: ptr(""), Kind: "k"}, ref{Kind: fmt.Sprint(j)})
	}
	if i%3 == 0 {
		r.Until, r.Public, r.Score = ptr(r.Seen+5), ptr(i%2 == 0), ptr(float64(i)/3)
	}
	if i%64 == 1 {
		r.Blob = ptr(fmt.Sprintf("{\"i\":%d}", i))
	}
	if i%2 == 0 {
		r.Who = &who{Name: ptr([]string{"", "ann", "bob"}[i%3])}
		if i%4 == 0 {
			r.Who.Key = ptr(fmt.Sprintf("AKIA%d", i))
		}
	}
	return r
}

// writeOptions are settings under which parquet-go writes files that keep all rules.
func writeOptions(extra ...parquet.WriterOption) []parquet.WriterOption {
	return append([]parquet.WriterOption{
		parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1), parquet.PageBufferSize(4 << 10), parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain),
		parquet.CreatedBy("cairn", "format", "1"),
		parquet.KeyValueMetadata(TableKey, "sample"),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("account"), parquet.Ascending("id"))),
		parquet.BloomFilters(parquet.SplitBlockFilter(10, "id"), parquet.SplitBlockFilter(10, "who", "key")),
		parquet.MaxRowsPerRowGroup(1700),
	}, extra...)
}

func write[T any](t testing.TB, rows []T, options ...parquet.WriterOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewGenericWriter[T](&out, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// goodFile is a file without a fault: three row groups, several pages a column.
func goodFile(t testing.TB) []byte {
	return patch(t, write(t, sampleRows(4000), writeOptions()...), func(m object) { m[6] = []byte(CreatedBy) })
}

// patch rewrites the footer of a file.
func patch(t testing.TB, data []byte, change func(meta object)) []byte {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	meta, _, err := parseObject(slices.Clone(data[len(data)-8-n : len(data)-8]))
	if err != nil {
		t.Fatal(err)
	}
	change(meta)
	return appendFooter(slices.Clone(data[:len(data)-8-n]), meta)
}

func appendFooter(data []byte, meta object) []byte {
	footer := appendObject(nil, meta)
	data = append(data, footer...)
	return append(binary.LittleEndian.AppendUint32(data, uint32(len(footer))), magic...)
}

// patchStructure rewrites a structure that the footer points to, by the two fields of the column chunk that give offset and length.
// The new one is put at the end of the pages, as the old one may be shorter.
func patchStructure(t testing.TB, data []byte, group, column int, offset, length int16, change func(o object)) []byte {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	meta, _, err := parseObject(slices.Clone(data[len(data)-8-n : len(data)-8]))
	if err != nil {
		t.Fatal(err)
	}
	chunk := chunkOf(meta, group, column)
	o, _, err := parseObject(slices.Clone(data[chunk.int(offset):][:chunk.int(length)]))
	if err != nil {
		t.Fatal(err)
	}
	change(o)
	body := slices.Clone(data[:len(data)-8-n])
	chunk[offset] = int64(len(body))
	encoded := appendObject(nil, o)
	chunk[length] = int64(len(encoded))
	return appendFooter(append(body, encoded...), meta)
}

func chunkOf(meta object, group, column int) object {
	return meta.list(4)[group].(object).list(1)[column].(object)
}

// appendObject is the inverse of parseObject; all numbers are written as i64, which the reader does not tell apart.
func appendObject(b []byte, o object) []byte {
	for _, id := range slices.Sorted(maps.Keys(o)) {
		kind := kindOf(o[id])
		if v, ok := o[id].(bool); ok && v {
			kind = kindTrue
		}
		b = binary.AppendVarint(append(b, kind), int64(id)) // step 0: the id stands in full
		if kind != kindTrue && kind != kindFalse {
			b = appendValue(b, o[id])
		}
	}
	return append(b, kindStop)
}

func kindOf(v any) byte {
	switch v.(type) {
	case bool:
		return kindFalse
	case int64:
		return kindI64
	case float64:
		return kindDouble
	case []byte:
		return kindBinary
	case list:
		return kindList
	case object:
		return kindStruct
	}
	panic(fmt.Sprintf("no Thrift kind for %T", v))
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, kindTrue)
		}
		return append(b, kindFalse)
	case int64:
		return binary.AppendVarint(b, v)
	case float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case []byte:
		return append(binary.AppendUvarint(b, uint64(len(v))), v...)
	case list:
		return appendList(b, v)
	case object:
		return appendObject(b, v)
	}
	panic("unreachable")
}

func appendList(b []byte, l list) []byte {
	kind := byte(kindStruct)
	if len(l) > 0 {
		kind = kindOf(l[0])
	}
	b = binary.AppendUvarint(append(b, 0xf0|kind), uint64(len(l)))
	for _, v := range l {
		b = appendValue(b, v)
	}
	return b
}
