package export

import (
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// The columns are derived twice, by rowlog and by the library that other Go
// programs read the lake with. Both must see the same leaves in the same order.
func TestLibrarySeesTheSameColumns(t *testing.T) {
	for i := range specs {
		fields, err := specs[i].table.Fields()
		if err != nil {
			t.Fatal(err)
		}
		leaves := 0
		for _, f := range fields {
			leaves += f.Leaves()
		}
		schema := parquet.SchemaOf(newRow(t, &specs[i]))
		if got := len(schema.Columns()); got != leaves {
			t.Errorf("%s: %d leaves here, %d in the library's schema", specs[i].table, leaves, got)
		}
		for j, f := range schema.Fields() {
			if f.Name() != fields[j].Name || f.Optional() != fields[j].Optional {
				t.Errorf("%s: column %d is %s (optional %v), the library says %s (%v)",
					specs[i].table, j, fields[j].Name, fields[j].Optional, f.Name(), f.Optional())
			}
		}
	}
}

func newRow(t *testing.T, s *spec) any {
	switch s.table {
	case Events:
		return EventRow{}
	case Findings:
		return FindingRow{}
	case Changes:
		return ChangeRow{}
	case Resources:
		return ResourceRow{}
	case Progress:
		return ProgressRow{}
	}
	t.Fatalf("no row for %s", s.table)
	return nil
}

func TestSpecsNameColumnsThatExist(t *testing.T) {
	for i := range specs {
		s := &specs[i]
		paths := map[string]bool{}
		for _, p := range parquet.SchemaOf(newRow(t, s)).Columns() {
			paths[strings.Join(p, ".")] = true
		}
		for _, list := range [][]string{s.sort, s.bloom, s.noStats} {
			for _, p := range list {
				if !paths[p] {
					t.Errorf("%s has no column %s", s.table, p)
				}
			}
		}
	}
}
