package export_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/athena"
	"github.com/cairnstream/cairn/export/parquetcheck"
	"github.com/cairnstream/cairn/state/blob"
)

// rowMaker fills rows of any table with values of every sort: runs of NULL, empty strings and lists, few and many distinct values, text
// beyond ASCII, JSON of some kilobytes. The same seed makes the same rows.
type rowMaker struct{ *rand.Rand }

func (m rowMaker) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			m.fill(v.Field(i))
		}
	case reflect.Pointer:
		if m.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			m.fill(v.Elem())
		}
	case reflect.Slice:
		if n := m.IntN(6) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				m.fill(v.Index(i))
			}
		}
	case reflect.Map:
		if n := m.IntN(5) - 1; n >= 0 {
			v.Set(reflect.ValueOf(m.entries(n)))
		}
	default:
		m.fillScalar(v)
	}
}

func (m rowMaker) fillScalar(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(m.text())
	case reflect.Int32:
		v.SetInt(int64(m.Int32N(1000)))
	case reflect.Int64:
		v.SetInt(1_772_323_200_000 + m.Int64N(86_400_000)) // a time of day of 2026-03-01, in ms
	case reflect.Bool:
		v.SetBool(m.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(m.Float64())
	default:
		panic(fmt.Sprintf("no value for a %v", v.Type()))
	}
}

func (m rowMaker) entries(n int) map[string]string {
	entries := map[string]string{}
	for i := range n {
		entries[fmt.Sprintf("key-%d", i*m.IntN(9))] = m.text()
	}
	return entries
}

func (m rowMaker) text() string {
	switch m.IntN(12) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%x", m.Uint64())
	case 2:
		return "größer → 日本 🪨"
	case 3:
		return strings.Repeat(fmt.Sprintf(`{"n":%d},`, m.IntN(1000)), m.IntN(40))
	default:
		return fmt.Sprintf("value-%d", m.IntN(30))
	}
}

// lakeWriter puts rows of all tables through a Buffer and remembers what each file should hold.
type lakeWriter struct {
	t      *testing.T
	make   rowMaker
	buffer *export.Buffer
	want   map[string]local.Counts // by the file's path in the lake
	naming export.Naming
}

// fillTable adds n rows of table T to each partition.
func fillTable[T any](w *lakeWriter, table export.Table, partitions []string, n int, add func(partition string, r *T) error) {
	w.t.Helper()
	for _, partition := range partitions {
		rows := make([]T, n)
		for i := range rows {
			w.make.fill(reflect.ValueOf(&rows[i]).Elem())
			if err := add(partition, &rows[i]); err != nil {
				w.t.Fatal(err)
			}
		}
		w.want[w.naming.Final(table, partition)] = local.CountRows(rows)
	}
}

// publish rolls what was added and puts the files in their places.
func (w *lakeWriter) publish(lake string) {
	w.t.Helper()
	store, err := blob.Open(w.t.Context(), lake)
	if err != nil {
		w.t.Fatal(err)
	}
	batch := w.buffer.Freeze()
	files, err := batch.Roll(w.t.Context(), store, w.naming, 2)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		want, ok := w.want[f.Final]
		if !ok || f.Rows != want.Rows {
			w.t.Errorf("%s has %d rows, want %d", f.Final, f.Rows, want.Rows)
		}
		if err := store.Publish(w.t.Context(), f.Stage, f.Final); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := batch.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// writeLake writes a lake of all tables; scale 1 has several pages in large columns and a second row group in one table.
func writeLake(t *testing.T, lake string, scale float64) map[string]local.Counts {
	t.Helper()
	w := &lakeWriter{
		t: t, make: rowMaker{rand.New(rand.NewPCG(1, 2))}, want: map[string]local.Counts{},
		buffer: export.NewBuffer(export.BufferOptions{SpoolDir: t.TempDir(), MemoryLimit: 1 << 20}),
		naming: export.Naming{Shard: "shardId-000000000000", Epoch: 3, Checkpoint: 7, Writer: "00000000000000ff", FirstSequence: "1", LastSequence: "9"},
	}
	n := func(rows int) int { return int(float64(rows) * scale) }
	days, snapshots := []string{"2026-03-01", "2026-03-02"}, []string{"2026-03-01T00-00"}
	fillTable(w, export.Events, days, n(12_000), w.buffer.AddEvent)
	fillTable(w, export.Findings, days, n(4000), w.buffer.AddFinding)
	fillTable(w, export.Changes, days[:1], n(8000), w.buffer.AddChange)
	fillTable(w, export.Resources, snapshots, n(8000), w.buffer.AddResource)
	fillTable(w, export.Progress, days[1:], n(parquetcheck.MaxGroupRows+20_000), w.buffer.AddProgress)
	w.publish(lake)
	return w.want
}

// TestFilesKeepTheRules lets the footer checker judge files of every table.
func TestFilesKeepTheRules(t *testing.T) {
	scale := 1.0
	if testing.Short() {
		scale = 0.05
	}
	lake := t.TempDir()
	want := writeLake(t, lake, scale)
	files, err := parquetcheck.CheckLake(lake)
	if err != nil {
		t.Error(err)
	}
	if files != len(want) {
		t.Errorf("%d files, want %d", files, len(want))
	}
}

// TestOthersReadTheSame lets DuckDB and hyparquet count rows, NULLs, empty strings, distinct values and lengths of lists in every column,
// and holds both against the Go rows. All rows count: a fault of the writer once turned some NULLs of a column into empty strings.
func TestOthersReadTheSame(t *testing.T) {
	local.Require(t)
	lake := t.TempDir()
	want := writeLake(t, lake, 0.25)
	files, err := local.Verify(t.Context(), lake)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}
	for _, f := range files {
		counts := want[filepath.ToSlash(f.File)]
		if diff := cmp.Diff(counts, f.DuckDB); diff != "" {
			t.Errorf("%s in DuckDB (-rows +file):\n%s", f.File, diff)
		}
		if diff := cmp.Diff(counts, f.Hyparquet); diff != "" {
			t.Errorf("%s in hyparquet (-rows +file):\n%s", f.File, diff)
		}
	}
}

// TestDefinitionsMatchFiles: the columns of the table definitions are those that the checker demands of the files.
func TestDefinitionsMatchFiles(t *testing.T) {
	for _, table := range parquetcheck.Tables() {
		var want []athena.Column
		for _, c := range table.Columns {
			want = append(want, athena.Column{Name: c.Name, Type: c.DDL()})
		}
		got, err := athena.Columns(export.Table(table.Name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-files +definition):\n%s", table.Name, diff)
		}
	}
}
