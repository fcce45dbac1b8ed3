package parquetcheck

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

// decodeColumn returns the values of a column that is not repeated, one a row, nil for NULL.
func decodeColumn(t *testing.T, data []byte, path string) [][]byte {
	t.Helper()
	decoder, err := newZSTD()
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	c := &checker{file: bytes.NewReader(data), size: int64(len(data)), zstd: decoder, meta: metaOf(t, data)}
	if c.root, c.leaves, err = buildSchema(c.meta.schema); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(c.leaves, func(n *node) bool { return n.dotted() == path })
	var out [][]byte
	for g := range c.meta.groups {
		col, err := c.readPages(path, c.leaves[i], &c.meta.groups[g].chunks[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, col.rowValues()...)
	}
	return out
}

func optionalText(s *string) []byte {
	if s == nil {
		return nil
	}
	return append([]byte{}, *s...)
}

// TestValues compares what the checker decodes with the rows that were written: a checker that misread values
// alike everywhere would find every file consistent.
func TestValues(t *testing.T) {
	rows := sampleRows(4000)
	data := write(t, rows, writeOptions()...)
	tests := []struct {
		path string
		want func(r row) []byte
	}{
		{"id", func(r row) []byte { return []byte(r.ID) }},
		{"account", func(r row) []byte { return optionalText(r.Account) }},
		{"seen", func(r row) []byte { return number(typeInt64, r.Seen) }},
		{"count", func(r row) []byte { return number(typeInt64, r.Count) }},
		{"ordinal", func(r row) []byte { return number(typeInt32, int64(r.Ordinal)) }},
		{"late", func(r row) []byte { return boolean(r.Late) }},
		{"public", func(r row) []byte {
			if r.Public == nil {
				return nil
			}
			return boolean(*r.Public)
		}},
		{"score", func(r row) []byte {
			if r.Score == nil {
				return nil
			}
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(*r.Score))
		}},
		{"blob", func(r row) []byte { return optionalText(r.Blob) }},
		{"never", func(r row) []byte { return nil }},
		{"who.name", func(r row) []byte {
			if r.Who == nil {
				return nil
			}
			return optionalText(r.Who.Name)
		}},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			var want [][]byte
			for _, r := range rows {
				want = append(want, test.want(r))
			}
			if diff := cmp.Diff(want, decodeColumn(t, data, test.path)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func boolean(v bool) []byte {
	if v {
		return []byte{1}
	}
	return []byte{0}
}

// TestDeltaValues writes numbers of any size and distance and reads them back.
func TestDeltaValues(t *testing.T) {
	type numbers struct {
		A int64 `parquet:"a,delta"`
		B int32 `parquet:"b,delta"`
	}
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) numbers {
			return numbers{A: rapid.Int64().Draw(rt, "a"), B: rapid.Int32().Draw(rt, "b")}
		}), 1, 300).Draw(rt, "rows")
		data := write(t, rows, parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1))
		var a, b [][]byte
		for _, r := range rows {
			a, b = append(a, number(typeInt64, r.A)), append(b, number(typeInt32, int64(r.B)))
		}
		if diff := cmp.Diff(a, decodeColumn(t, data, "a")); diff != "" {
			rt.Fatal(diff)
		}
		if diff := cmp.Diff(b, decodeColumn(t, data, "b")); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// TestHybrid decodes the example of the format's documents, 0 to 7 in three bits, and runs.
func TestHybrid(t *testing.T) {
	tests := []struct {
		name  string
		data  []byte
		width int
		want  []uint32
	}{
		{"one packed group", []byte{1<<1 | 1, 0x88, 0xc6, 0xfa}, 3, []uint32{0, 1, 2, 3, 4, 5, 6, 7}},
		{"a run", []byte{5 << 1, 3}, 3, []uint32{3, 3, 3, 3, 3}},
		{"a run of two bytes", []byte{2 << 1, 0x34, 0x12}, 13, []uint32{0x1234, 0x1234}},
		{"a run, then a group cut short", []byte{2 << 1, 1, 1<<1 | 1, 0b0000_0101}, 1, []uint32{1, 1, 1, 0, 1}},
		{"no bits", []byte{4 << 1}, 0, []uint32{0, 0, 0, 0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := hybrid(test.data, test.width, len(test.want))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if _, err := hybrid(test.data[:len(test.data)-1], test.width, len(test.want)); err == nil {
				t.Error("data cut short was accepted")
			}
		})
	}
}

// TestThrift reads back what appendObject wrote, for all kinds.
func TestThrift(t *testing.T) {
	o := object{
		1: true, 2: false, 3: int64(-70000), 4: 1.5, 5: []byte("text"), 6: list{true, false}, 7: list{},
		8: object{1: list{[]byte("a"), []byte{}}, 400: int64(1)}, 16: list{object{}, object{2: int64(math.MinInt64)}},
	}
	data := appendObject(nil, o)
	got, n, err := parseObject(data)
	if err != nil || n != len(data) {
		t.Fatalf("%d of %d bytes, %v", n, len(data), err)
	}
	if diff := cmp.Diff(o, got); diff != "" {
		t.Error(diff)
	}
	for i := range data {
		if _, _, err := parseObject(data[:i]); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", i, len(data))
		}
	}
}

// FuzzCheck wants violations, not panics, for files of any content; the corpus are good files with one byte changed.
func FuzzCheck(f *testing.F) {
	data := write(f, sampleRows(40), writeOptions()...)
	f.Add(data, 0, byte(0))
	for i := 4; i < len(data); i += 97 {
		f.Add(data, i, byte(0x55))
	}
	f.Fuzz(func(t *testing.T, data []byte, at int, flip byte) {
		if len(data) > 0 {
			data = bytes.Clone(data)
			data[uint(at)%uint(len(data))] ^= flip
		}
		for _, err := range check(data, rowTable) {
			if err.Error() == "" {
				t.Error("a violation without words")
			}
		}
	})
}

// TestEveryField changes each field of the footer wherever it stands. A field of which no change is noticed is one that the checker does
// not hold against the file; those that remain say nothing that a reader acts on.
func TestEveryField(t *testing.T) {
	data := patch(t, write(t, sampleRows(60), writeOptions()...), func(m object) { m[6] = []byte(CreatedBy) })
	noticed := map[string]bool{}
	for n := 0; ; n++ {
		var changed string
		left := n
		broken := patch(t, data, func(m object) { changed = changeNth(m, "", &left) })
		if changed == "" {
			break
		}
		noticed[changed] = noticed[changed] || len(check(broken, rowTable)) > 0
	}
	var missed []string
	for _, field := range slices.Sorted(maps.Keys(noticed)) {
		if !noticed[field] {
			missed = append(missed, field)
		}
	}
	want := []string{
		".1",     // version: readers accept any
		".2.2",   // length of a fixed-length type; no table has one
		".4.1.2", // former offset of a chunk's metadata, deprecated
		".5.2",   // the name of the table, which is not compared here
	}
	if diff := cmp.Diff(want, missed); diff != "" {
		t.Errorf("fields of which no change was noticed (-want +got):\n%s", diff)
	}
}

// TestEveryIndexField does the same with the two page indexes of every column: all of their fields are held against the pages.
func TestEveryIndexField(t *testing.T) {
	data := patch(t, write(t, sampleRows(400), writeOptions()...), func(m object) { m[6] = []byte(CreatedBy) })
	leaves := len(metaOf(t, data).groups[0].chunks)
	fields := map[int16][]string{ // by the field of the chunk that gives the structure's offset
		4: {".1.1", ".1.2", ".1.3"},
		6: {".1", ".2", ".3", ".4", ".5", ".6", ".7"},
	}
	for structure, want := range fields {
		noticed := map[string]bool{}
		for column := range leaves {
			for n := 0; ; n++ {
				var changed string
				left := n
				broken := patchStructure(t, data, 0, column, structure, structure+1, func(o object) { changed = changeNth(o, "", &left) })
				if changed == "" {
					break
				}
				noticed[changed] = noticed[changed] || len(check(broken, rowTable)) > 0
			}
		}
		for _, field := range want {
			if !noticed[field] {
				t.Errorf("no change of field %s of structure %d was noticed", field, structure)
			}
		}
	}
}

// changeNth changes the nth scalar below v and returns its path of field ids; it counts n down as it goes.
func changeNth(v any, path string, n *int) string {
	switch v := v.(type) {
	case object:
		for _, id := range slices.Sorted(maps.Keys(v)) {
			field := fmt.Sprintf("%s.%d", path, id)
			if changed, ok := change(v[id], n); ok {
				v[id] = changed
				return field
			}
			if found := changeNth(v[id], field, n); found != "" {
				return found
			}
		}
	case list:
		for i := range v {
			if changed, ok := change(v[i], n); ok {
				v[i] = changed
				return path
			}
			if found := changeNth(v[i], path, n); found != "" {
				return found
			}
		}
	}
	return ""
}

// change returns another value in place of a scalar when it is the one that n counts down to.
func change(v any, n *int) (any, bool) {
	var changed any
	switch v := v.(type) {
	case bool:
		changed = !v
	case int64:
		changed = v + 1
	case []byte:
		changed = append([]byte("~"), v...) // behind all other text
	default:
		return nil, false
	}
	*n--
	return changed, *n < 0
}
