package parquetcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCheckLake(t *testing.T) {
	dir := t.TempDir()
	data := goodFile(t) // good, but of none of the tables
	for _, name := range []string{
		"_stage/x/1-2-w-0.parquet", "_dlq/events/dt=2026-03-01/x.parquet", "events/dt=2026-03-01/notes.txt", // passed over
		"progress/dt=2026-03-01/s-0000000001-0.parquet", "progress/2026-03-01/s-0000000002-0.parquet", "progress/s.parquet", "others/dt=2026-03-01/s.parquet",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := CheckLake(dir)
	if files != 4 || err == nil {
		t.Fatalf("%d files, %v; want 4 with violations", files, err)
	}
	for _, want := range []string{
		`progress/dt=2026-03-01/s-0000000001-0.parquet: schema: 15 columns, want 23`,
		`progress/dt=2026-03-01/s-0000000001-0.parquet: metadata: the file is of table "sample", want "progress"`,
		`progress/2026-03-01/s-0000000002-0.parquet: lake: folder "2026-03-01" is no partition`,
		`progress/s.parquet: lake: not in a partition of a table`,
		`others/dt=2026-03-01/s.parquet: lake: not in a partition of a table`,
	} {
		if !strings.Contains(err.Error(), want+"\n") && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("no violation %q in\n%v", want, err)
		}
	}
	if _, err := CheckLake(filepath.Join(dir, "absent")); err == nil {
		t.Error("a lake that is not there was accepted")
	}
}

// TestTables guards the list of tables against slips of the pen: the checks themselves are only as good as it is.
func TestTables(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	typ := regexp.MustCompile(`^(string|boolean|double|int|bigint|timestamp|array<.+>|map<string,string>|struct<.+>)\??$`)
	for _, table := range Tables() {
		seen := map[string]bool{}
		for _, c := range table.Columns {
			if !name.MatchString(c.Name) || !typ.MatchString(c.Type) || seen[c.Name] {
				t.Errorf("%s: column %q %q", table.Name, c.Name, c.Type)
			}
			if strings.Count(c.Type, "<") != strings.Count(c.Type, ">") {
				t.Errorf("%s.%s: brackets of %s", table.Name, c.Name, c.Type)
			}
			seen[c.Name] = true
		}
		for _, key := range append(table.Sorting, table.Filters...) {
			if top, _, _ := strings.Cut(key, "."); !seen[top] {
				t.Errorf("%s has no column %s", table.Name, key)
			}
		}
	}
}

// TestDDL: a table definition does not tell what may be NULL.
func TestDDL(t *testing.T) {
	c := Column{Name: "resources", Type: "array<struct<arn:string?>?>?"}
	if got, want := c.DDL(), "array<struct<arn:string>>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
