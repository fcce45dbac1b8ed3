package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/export/rowlog"
)

type item struct {
	Key   string   `parquet:"key"`
	Kind  *string  `parquet:"kind,dict"`
	Note  *string  `parquet:"note"`
	At    int64    `parquet:"at,timestamp"`
	Small int32    `parquet:"small"`
	On    *bool    `parquet:"on"`
	Score *float64 `parquet:"score"`
	Tags  []string `parquet:"tags,list,optional" parquet-element:",dict"`
	Deep  *deep    `parquet:"deep"`
}

type deep struct {
	Parts []part            `parquet:"parts,list"`
	Attrs map[string]string `parquet:"attrs,optional"`
}

type part struct {
	Name *string `parquet:"name"`
}

func describe(t testing.TB) []rowlog.Field {
	t.Helper()
	fields, err := rowlog.Describe(reflect.TypeFor[item]())
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func newWriter(t testing.TB) *Writer {
	t.Helper()
	s, err := NewSchema(describe(t), Options{First: []string{"key"}, Sort: []string{"key"}, Bloom: []string{"key", "note"}, NoStats: []string{"note"}, PageBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// writeItems writes items as one file; group rows make a row group (0: all).
func writeItems(t testing.TB, w *Writer, items []item, group int) []byte {
	t.Helper()
	codec, err := rowlog.NewCodec[item]("key")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w.Reset(&out, "test", []KeyValue{{"a", "b"}})
	var row []byte
	for i := range items {
		row = codec.Append(row[:0], &items[i])
		if err := w.Append(row); err != nil {
			t.Fatal(err)
		}
		if group > 0 && (i+1)%group == 0 {
			if err := w.EndGroup(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openFile(t testing.TB, data []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readItems(t testing.TB, data []byte) []item {
	t.Helper()
	items, err := parquet.Read[item](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func ptr[T any](v T) *T { return &v }

// sampleItems have runs of NULL and of values, as real columns do.
func sampleItems(n int) []item {
	items := make([]item, n)
	for i := range items {
		items[i] = item{Key: fmt.Sprintf("key-%08d", i), At: int64(i) * 1000, Small: int32(i % 7)}
		if i%1000 > 500 {
			items[i].Kind, items[i].Score, items[i].On = ptr(fmt.Sprint("kind", i%30)), ptr(float64(i)/3), ptr(i%2 == 0)
		}
		switch i % 5 {
		case 1:
			items[i].Tags = []string{}
		case 2:
			items[i].Tags = []string{"a", fmt.Sprint(i % 11), ""}
		case 3:
			items[i].Deep = &deep{Parts: []part{{}, {Name: ptr("")}, {Name: ptr(fmt.Sprint(i))}}, Attrs: map[string]string{"b": "2", "a": ""}}
		case 4:
			items[i].Deep = &deep{Parts: []part{}}
		}
	}
	return items
}

func TestFileOfManyPagesAndGroups(t *testing.T) {
	w := newWriter(t)
	items := sampleItems(3*maxPageRows + 123)
	for _, group := range []int{0, 25_000} {
		data := writeItems(t, w, items, group)
		if d := cmp.Diff(items, readItems(t, data)); d != "" {
			t.Fatalf("groups of %d rows differ (-put +read):\n%.2000s", group, d)
		}
		f := openFile(t, data)
		for _, g := range f.RowGroups() {
			for i, c := range g.ColumnChunks() {
				checkPages(t, f.Schema().Columns()[i], g.NumRows(), c)
			}
		}
	}
}

// checkPages holds a column's pages against the limits of a page.
func checkPages(t *testing.T, path []string, rows int64, c parquet.ColumnChunk) {
	t.Helper()
	index, err := c.OffsetIndex()
	if err != nil {
		t.Fatal(err)
	}
	for p := range index.NumPages() {
		end := rows
		if p+1 < index.NumPages() {
			end = index.FirstRowIndex(p + 1)
		}
		if n := end - index.FirstRowIndex(p); n <= 0 || n > maxPageRows+rowsBetweenChecks {
			t.Errorf("%v: page %d has %d rows", path, p, n)
		}
	}
}

func TestAnyRowsComeBack(t *testing.T) {
	w := newWriter(t)
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "x", "long " + strings.Repeat("y", 300)}), rapid.String())
	gen := rapid.Custom(func(t *rapid.T) item {
		it := item{
			Key: text.Draw(t, "key"), Kind: rapid.Ptr(text, true).Draw(t, "kind"), Note: rapid.Ptr(text, true).Draw(t, "note"),
			At: rapid.Int64().Draw(t, "at"), Small: rapid.Int32().Draw(t, "small"), On: rapid.Ptr(rapid.Bool(), true).Draw(t, "on"),
			Score: rapid.Ptr(rapid.Float64(), true).Draw(t, "score"),
		}
		if rapid.Bool().Draw(t, "tags") {
			it.Tags = slices.Concat([]string{}, rapid.SliceOfN(text, 0, 4).Draw(t, "list"))
		}
		if rapid.Bool().Draw(t, "deep") {
			it.Deep = &deep{Parts: []part{}}
			for range rapid.IntRange(0, 3).Draw(t, "parts") {
				it.Deep.Parts = append(it.Deep.Parts, part{Name: rapid.Ptr(text, true).Draw(t, "name")})
			}
			if rapid.Bool().Draw(t, "attrs") {
				it.Deep.Attrs = rapid.MapOfN(text, text, 0, 3).Draw(t, "map")
			}
		}
		return it
	})
	rapid.Check(t, func(rt *rapid.T) {
		items := rapid.SliceOfN(gen, 1, 40).Draw(rt, "items")
		group := rapid.IntRange(0, 20).Draw(rt, "group")
		data := writeItems(t, w, items, group)
		if d := cmp.Diff(items, readItems(t, data)); d != "" {
			rt.Fatalf("rows differ (-put +read):\n%s", d)
		}
		if again := writeItems(t, w, items, group); !bytes.Equal(data, again) {
			rt.Fatal("the same rows gave other bytes")
		}
	})
}

// A column with too many values leaves its dictionary, and comes back whole.
func TestDictionaryThatGrowsTooLarge(t *testing.T) {
	w := newWriter(t)
	items := sampleItems(2*maxPageRows + 7)
	for i := range items {
		items[i].Kind = ptr(fmt.Sprintf("%040d", i)) // 44 bytes in the dictionary
		if i < maxPageRows {
			items[i].Kind = ptr("the same")
		}
	}
	small := items[:100]
	for range 2 { // a small file after it has its dictionary again
		data := writeItems(t, w, items, 0)
		if d := cmp.Diff(items, readItems(t, data)); d != "" {
			t.Fatalf("rows differ (-put +read):\n%.2000s", d)
		}
		kind := openFile(t, data).Metadata().RowGroups[0].Columns[1].MetaData
		if got := fmt.Sprint(kind.Encoding); got != "[PLAIN RLE RLE_DICTIONARY]" {
			t.Errorf("encodings %s of a column that left its dictionary", got)
		}
		data = writeItems(t, w, small, 0)
		if d := cmp.Diff(small, readItems(t, data)); d != "" {
			t.Fatalf("small file differs (-put +read):\n%.2000s", d)
		}
	}
}

// A column of NULLs alone has neither dictionary nor bounds.
func TestColumnOfNulls(t *testing.T) {
	w := newWriter(t)
	data := writeItems(t, w, []item{{Key: "a"}, {Key: "b"}}, 0)
	f := openFile(t, data)
	kind := f.Metadata().RowGroups[0].Columns[1].MetaData
	if kind.DictionaryPageOffset != 0 || kind.Statistics.NullCount != 2 || kind.Statistics.MaxValue != nil {
		t.Errorf("dictionary at %d, %d nulls, maximum %q", kind.DictionaryPageOffset, kind.Statistics.NullCount, kind.Statistics.MaxValue)
	}
	if d := cmp.Diff([]item{{Key: "a"}, {Key: "b"}}, readItems(t, data)); d != "" {
		t.Errorf("rows differ (-put +read):\n%s", d)
	}
}

func TestNaN(t *testing.T) {
	w := newWriter(t)
	data := writeItems(t, w, []item{{Key: "a", Score: ptr(math.NaN())}, {Key: "b"}}, 0)
	got := readItems(t, data)
	if got[0].Score == nil || !math.IsNaN(*got[0].Score) || got[1].Score != nil {
		t.Errorf("scores %v and %v, want NaN and NULL", got[0].Score, got[1].Score)
	}
	if s := openFile(t, data).Metadata().RowGroups[0].Columns[6]; s.ColumnIndexOffset != 0 || s.MetaData.Statistics.MaxValue != nil {
		t.Errorf("a column of NaN has bounds: %+v", s.MetaData.Statistics)
	}
}

func TestFileWithoutRows(t *testing.T) {
	f := openFile(t, writeItems(t, newWriter(t), nil, 0))
	if f.NumRows() != 0 || len(f.RowGroups()) != 0 {
		t.Errorf("%d rows in %d groups", f.NumRows(), len(f.RowGroups()))
	}
}

func TestBloomFilterKnowsEveryValue(t *testing.T) {
	w := newWriter(t)
	items := sampleItems(5000)
	data := writeItems(t, w, items, 2000)
	for g, group := range openFile(t, data).RowGroups() {
		chunks := group.ColumnChunks()
		filter := chunks[0].BloomFilter()
		if filter == nil || chunks[2].BloomFilter() != nil {
			t.Fatal("a column with values has no filter, or one without has")
		}
		wrong := 0
		for i := range 2000 {
			if n := g*2000 + i; n < len(items) {
				if ok, err := filter.Check(parquet.ValueOf(items[n].Key)); err != nil || !ok {
					t.Errorf("group %d: %s is not in its filter, %v", g, items[n].Key, err)
				}
			}
			if ok, _ := filter.Check(parquet.ValueOf(fmt.Sprint("absent", i))); ok {
				wrong++
			}
		}
		if wrong > 100 {
			t.Errorf("group %d: %d of 2000 absent values seem to be there", g, wrong)
		}
	}
}

// Frames written by hand are frames.
func TestTinyPages(t *testing.T) {
	w := newWriter(t)
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for n := range 3 * tinyPage {
		want := bytes.Repeat([]byte{7}, n)
		got, err := d.DecodeAll(w.compress(nil, want), nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d, %v", n, len(got), err)
		}
	}
}

func TestHashSet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s hashSet
		for range 2 {
			want := map[uint64]bool{}
			for _, h := range rapid.SliceOfN(rapid.Uint64Range(0, 2000), 0, 1500).Draw(rt, "hashes") {
				s.add(h)
				want[h] = true
			}
			got := s.all(nil)
			if len(got) != len(want) || s.n != len(want) {
				rt.Fatalf("%d hashes, n %d, want %d", len(got), s.n, len(want))
			}
			for _, h := range got {
				if !want[h] {
					rt.Fatalf("%d was never added", h)
				}
			}
			s.reset()
		}
	})
}

func TestSchemaRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no page size":       {},
		"unknown bloom":      {PageBytes: 1, Bloom: []string{"nothing"}},
		"bloom of a dict":    {PageBytes: 1, Bloom: []string{"kind"}},
		"bloom of a number":  {PageBytes: 1, Bloom: []string{"at"}},
		"unknown statistics": {PageBytes: 1, NoStats: []string{"deep"}},
		"repeated sort":      {PageBytes: 1, Sort: []string{"tags.list.element"}},
		"unknown first":      {PageBytes: 1, First: []string{"nothing"}},
	} {
		if _, err := NewSchema(describe(t), o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// failAfter takes n bytes.
type failAfter struct{ n int }

var errFull = errors.New("disk full")

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriterAfterAnError(t *testing.T) {
	w := newWriter(t)
	items := sampleItems(60_000)
	codec, err := rowlog.NewCodec[item]("key")
	if err != nil {
		t.Fatal(err)
	}
	w.Reset(&failAfter{100}, "test", nil)
	for i := range items {
		if err := w.Append(codec.Append(nil, &items[i])); err != nil {
			t.Fatal(err) // rows are still in memory
		}
	}
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("Close gave %v, want the output's error", err)
	}
	if err := w.EndGroup(); !errors.Is(err, errFull) {
		t.Errorf("EndGroup forgot the error: %v", err)
	}
	if d := cmp.Diff(items[:50], readItems(t, writeItems(t, w, items[:50], 0))); d != "" {
		t.Errorf("the next file differs (-put +read):\n%s", d)
	}
	w.Reset(&bytes.Buffer{}, "test", nil)
	if err := w.Append([]byte{200}); !errors.Is(err, rowlog.ErrCorrupt) {
		t.Errorf("a broken row gave %v, want ErrCorrupt", err)
	}
	if err := w.Close(); !errors.Is(err, rowlog.ErrCorrupt) {
		t.Errorf("Close after a broken row gave %v, want ErrCorrupt", err)
	}
}

func TestColumnsInTheOrderOfTheStruct(t *testing.T) {
	want := []string{
		"key", "kind", "note", "at", "small", "on", "score", "tags.list.element",
		"deep.parts.list.element.name", "deep.attrs.key_value.key", "deep.attrs.key_value.value",
	}
	if d := cmp.Diff(want, newWriter(t).schema.Columns()); d != "" {
		t.Errorf("columns (-want +got):\n%s", d)
	}
}
