package export

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

var testNaming = Naming{
	Shard: "shardId-000000000000", Epoch: 3, Checkpoint: 17, Writer: "0123456789abcdef", FirstSequence: "1", LastSequence: "9",
}

// rollRows puts rows into one partition, rolls them, and reads the file back.
func rollRows[T any](t testing.TB, table Table, rows []T) []T {
	t.Helper()
	data := rollBytes(t, table, rows)
	got, err := parquet.Read[T](bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("read %s: %v", table, err)
	}
	return got
}

// rollBytes is the file that a roll of the rows writes.
func rollBytes[T any](t testing.TB, table Table, rows []T) []byte {
	t.Helper()
	b := NewBuffer(BufferOptions{})
	for i := range rows {
		addRow(t, b, "2026-03-01", &rows[i])
	}
	return encodeBuffer(t, b, table, "2026-03-01")
}

// encodeBuffer encodes one partition of a table.
func encodeBuffer(t testing.TB, b *Buffer, table Table, partition string) []byte {
	t.Helper()
	batch := b.Freeze(table)
	rows := batch.tables[0]
	e := takeEncoder()
	defer e.giveBack()
	var out bytes.Buffer
	n, err := e.encode(context.Background(), &out, rollJob{spec: rows.spec, part: rows.parts[partition]}, testNaming)
	if err != nil {
		t.Fatal(err)
	}
	if n != rows.rows {
		t.Fatalf("encoded %d rows of %d", n, rows.rows)
	}
	if err := batch.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func addRow(t testing.TB, b *Buffer, partition string, row any) {
	t.Helper()
	var err error
	switch r := row.(type) {
	case *EventRow:
		err = b.AddEvent(partition, r)
	case *FindingRow:
		err = b.AddFinding(partition, r)
	case *ChangeRow:
		err = b.AddChange(partition, r)
	case *ResourceRow:
		err = b.AddResource(partition, r)
	case *ProgressRow:
		err = b.AddProgress(partition, r)
	default:
		t.Fatalf("no table for %T", row)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRollKeepsEveryColumn(t *testing.T) {
	t.Run("events", func(t *testing.T) { checkRoundTrip[EventRow](t, Events) })
	t.Run("findings", func(t *testing.T) { checkRoundTrip[FindingRow](t, Findings) })
	t.Run("resource_changes", func(t *testing.T) { checkRoundTrip[ChangeRow](t, Changes) })
	t.Run("resources", func(t *testing.T) { checkRoundTrip[ResourceRow](t, Resources) })
	t.Run("progress", func(t *testing.T) { checkRoundTrip[ProgressRow](t, Progress) })
}

func checkRoundTrip[T any](t *testing.T, table Table) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOfN(rowGenerator[T](), 1, 12).Draw(rt, "rows")
		numberRows(t, table, rows)
		got := rollRows(t, table, rows)
		if d := cmp.Diff(rows, got, requiredEmpty(table)...); d != "" {
			rt.Fatalf("rows differ after the roll (-put +read):\n%s", d)
		}
	})
}

// requiredEmpty makes nil and empty equal where the column is required: there
// both mean empty. In a NULL-able column they stay different.
func requiredEmpty(table Table) []cmp.Option {
	required := map[string]bool{}
	fields, err := table.Fields()
	if err != nil {
		panic(err)
	}
	for _, f := range fields {
		required[f.Name] = !f.Optional
	}
	return []cmp.Option{cmp.FilterPath(func(p cmp.Path) bool {
		if len(p) < 2 {
			return false
		}
		sf, ok := p.Index(len(p) - 1).(cmp.StructField)
		return ok && required[columnOf(p, sf)]
	}, cmpopts.EquateEmpty())}
}
