package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a table with every shape that the lake's tables have, as DuckDB writes it.
const sample = `COPY (SELECT * FROM (VALUES
  (1, 'a', 10::BIGINT, TIMESTAMPTZ '1970-01-01 00:00:01+00', true, 0.5::DOUBLE, {n: 'x', m: ''}, ['p', 'q'], MAP {'k': 'v'}, [{r: 's'}, NULL]),
  (2, '', -3, NULL, false, NULL, {n: NULL, m: NULL}, [], MAP {}, []),
  (3, NULL, 10, TIMESTAMPTZ '1970-01-01 00:00:01+00', NULL, 0.5, NULL, NULL, NULL, [{r: NULL}]),
  (4, 'é', 10, TIMESTAMPTZ '1970-01-01 00:00:02+00', true, 2.5, {n: 'x', m: 'yy'}, ['p'], MAP {'k': 'w', 'l': ''}, NULL)
) AS t(id, s, big, ts, flag, score, who, names, tags, refs)) TO '%s' (FORMAT parquet, COMPRESSION zstd)`

type sampleRow struct {
	ID    *int32            `parquet:"id"`
	S     *string           `parquet:"s"`
	Big   *int64            `parquet:"big"`
	TS    *int64            `parquet:"ts,timestamp"`
	Flag  *bool             `parquet:"flag"`
	Score *float64          `parquet:"score"`
	Who   *sampleWho        `parquet:"who"`
	Names []string          `parquet:"names,list,optional"`
	Tags  map[string]string `parquet:"tags,optional"`
	Refs  []*sampleRef      `parquet:"refs,list,optional"`
}

type sampleWho struct {
	N *string `parquet:"n"`
	M *string `parquet:"m"`
}

type sampleRef struct {
	R *string `parquet:"r"`
}

func sampleRows() []sampleRow {
	return []sampleRow{
		{new(int32(1)), new("a"), new(int64(10)), new(int64(1000)), new(true), new(0.5), &sampleWho{new("x"), new("")}, []string{"p", "q"}, map[string]string{"k": "v"}, []*sampleRef{{new("s")}, nil}},
		{new(int32(2)), new(""), new(int64(-3)), nil, new(false), nil, &sampleWho{}, []string{}, map[string]string{}, []*sampleRef{}},
		{new(int32(3)), nil, new(int64(10)), new(int64(1000)), nil, new(0.5), nil, nil, nil, []*sampleRef{{}}},
		{new(int32(4)), new("é"), new(int64(10)), new(int64(2000)), new(true), new(2.5), &sampleWho{new("x"), new("yy")}, []string{"p"}, map[string]string{"k": "w", "l": ""}, nil},
	}
}

// wantSample is the sample counted by hand.
var wantSample = map[string]Count{
	"id":             {Kind: "integer", Values: 4, Distinct: 4, Sum: "10"},
	"s":              {Kind: "string", Values: 4, Nulls: 1, Empty: 1, Distinct: 3, Sum: "3"}, // é is two bytes
	"big":            {Kind: "integer", Values: 4, Distinct: 2, Sum: "27"},
	"ts":             {Kind: "time", Values: 4, Nulls: 1, Distinct: 2, Sum: "4000"},
	"flag":           {Kind: "boolean", Values: 4, Nulls: 1, Distinct: 2, Sum: "2"},
	"score":          {Kind: "double", Values: 4, Nulls: 1, Distinct: 2},
	"who":            {Kind: "struct", Values: 4, Nulls: 1},
	"who.n":          {Kind: "string", Values: 4, Nulls: 2, Distinct: 1, Sum: "2"},
	"who.m":          {Kind: "string", Values: 4, Nulls: 2, Empty: 1, Distinct: 2, Sum: "2"},
	"names":          {Kind: "list", Values: 4, Nulls: 1, Lengths: map[string]int{"0": 1, "1": 1, "2": 1}},
	"names.element":  {Kind: "string", Values: 3, Distinct: 2, Sum: "3"},
	"tags":           {Kind: "map", Values: 4, Nulls: 1, Lengths: map[string]int{"0": 1, "1": 1, "2": 1}},
	"tags.key":       {Kind: "string", Values: 3, Distinct: 2, Sum: "3"},
	"tags.value":     {Kind: "string", Values: 3, Empty: 1, Distinct: 3, Sum: "2"},
	"refs":           {Kind: "list", Values: 4, Nulls: 1, Lengths: map[string]int{"0": 1, "1": 1, "2": 1}},
	"refs.element":   {Kind: "struct", Values: 3, Nulls: 1},
	"refs.element.r": {Kind: "string", Values: 3, Nulls: 2, Distinct: 1, Sum: "1"},
}

func wantCounts() Counts {
	paths := map[string]Count{}
	for path, c := range wantSample {
		if c.Lengths == nil {
			c.Lengths = map[string]int{}
		}
		paths[path] = c
	}
	return Counts{Rows: 4, Paths: paths}
}

func TestCountRows(t *testing.T) {
	if diff := cmp.Diff(wantCounts(), CountRows(sampleRows())); diff != "" {
		t.Error(diff)
	}
}

// TestCountNoRows: the paths are there, so that a comparison with an empty file still compares the columns.
func TestCountNoRows(t *testing.T) {
	got := CountRows([]sampleRow{})
	for path, want := range wantSample {
		c, ok := got.Paths[path]
		if !ok || c.Kind != want.Kind || c.Values != 0 {
			t.Errorf("%s: %+v", path, c)
		}
	}
}

func TestSum(t *testing.T) {
	once := CountRows(sampleRows())
	twice := Sum([]Counts{once, once})
	if twice.Rows != 8 {
		t.Errorf("%d rows, want 8", twice.Rows)
	}
	want := Count{Kind: "map", Values: 8, Nulls: 2, Lengths: map[string]int{"0": 2, "1": 2, "2": 2}}
	if diff := cmp.Diff(want, twice.Paths["tags"]); diff != "" {
		t.Error(diff)
	}
	if got := twice.Paths["big"].Sum; got != "54" {
		t.Errorf("sum %s, want 54", got)
	}
}

// TestVerify lets both readers count the sample, and holds them against the counts made by hand.
func TestVerify(t *testing.T) {
	Require(t)
	lake := t.TempDir()
	folder := filepath.Join(lake, "events", "dt=2026-03-01")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "it's.parquet") // a quote, since the path becomes SQL
	if _, err := Query(t.Context(), "", strings.Replace(sample, "%s", strings.ReplaceAll(file, "'", "''"), 1)); err != nil {
		t.Fatal(err)
	}
	files, err := Verify(t.Context(), lake)
	if err != nil {
		t.Fatal(err)
	}
	want := []FileCounts{{File: filepath.Join("events", "dt=2026-03-01", "it's.parquet"), DuckDB: wantCounts(), Hyparquet: wantCounts()}}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
}

func TestVerifyBrokenFile(t *testing.T) {
	Require(t)
	lake := t.TempDir()
	if err := os.WriteFile(filepath.Join(lake, "x.parquet"), []byte("PAR1 and no more"), 0o644); err != nil {
		t.Fatal(err)
	}
	if files, err := Verify(t.Context(), lake); err == nil {
		t.Errorf("a broken file was counted: %v", files)
	}
}

func TestQuery(t *testing.T) {
	Require(t)
	got, err := Query(t.Context(), "", `CREATE TABLE t AS SELECT [{a: 1, b: 'x'}, {a: 2, b: NULL}] AS items;
SELECT u.a, u.b, true AS yes FROM t CROSS JOIN UNNEST(t.items) AS u(a, b) ORDER BY u.a;`)
	if err != nil {
		t.Fatal(err)
	}
	want := Result{Columns: []string{"a", "b", "yes"}, Types: []string{"INTEGER", "VARCHAR", "BOOLEAN"}, Rows: [][]any{{1.0, "x", true}, {2.0, nil, true}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Query(t.Context(), "", "SELECT absent FROM nowhere"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("error %v, want one that names the table", err)
	}
}

// TestCompare: two lakes that differ in where and when rows arrived, in one row of findings, in how often a row stands, in the cells of
// a struct, and in snapshots that one of them has not, or not of all shards.
func TestCompare(t *testing.T) {
	Require(t)
	first, second := t.TempDir(), t.TempDir()
	write(t, first, map[string]string{
		"events/dt=2026-03-01/a":                `SELECT 'e1' AS eventid, 's1' AS shard, {n: 'x'} AS who, MAP {'k': 'v'} AS tags UNION ALL SELECT 'e2', 's1', {n: NULL}, NULL UNION ALL SELECT 'e2', 's1', {n: NULL}, NULL`,
		"findings/dt=2026-03-01/a":              `SELECT 'f1' AS finding_id`,
		"resources/snapshot=2026-03-01T01-00/a": `SELECT 'r' AS resource_key, 1 AS watermark_ts`,
		"resources/snapshot=2026-03-01T02-00/a": `SELECT 'r' AS resource_key, 1 AS watermark_ts`,
		"progress/dt=2026-03-01/a":              progressOf(2) + " UNION ALL " + progressOf(1) + snapshotOf(1, 1) + snapshotOf(2, 0.5) + snapshotOf(2, 0.5) + snapshotOf(3, 1),
	})
	write(t, second, map[string]string{
		"events/dt=2026-03-01/a":                `SELECT 'e1' AS eventid, 's2' AS shard, {n: 'y'} AS who, MAP {'k': 'v'} AS tags`,
		"events/dt=2026-03-01/b":                `SELECT 'e2' AS eventid, 's3' AS shard, {n: NULL} AS who, NULL AS tags`,
		"resources/snapshot=2026-03-01T02-00/b": `SELECT 'r' AS resource_key, 2 AS watermark_ts`,
		"resources/snapshot=2026-03-01T03-00/b": `SELECT 's' AS resource_key, 2 AS watermark_ts`,
		"progress/dt=2026-03-02/a":              progressOf(3) + snapshotOf(2, 1) + snapshotOf(3, 0.5),
	})
	got, err := Compare(t.Context(), first, second)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Examples = [2][]string{}
	}
	want := []Difference{
		{What: "events", Rows: [2]int{3, 2}, Only: [2]int{2, 1}}, // e1 and the second e2; e1
		{What: "findings", Rows: [2]int{1, 0}, Only: [2]int{1, 0}},
		{What: "resource_changes"},
		{What: "resources 2026-03-01T01-00", Rows: [2]int{1, 0}, Alone: true},
		{What: "resources 2026-03-01T02-00", Rows: [2]int{1, 1}},
		{What: "resources 2026-03-01T03-00", Rows: [2]int{0, 1}, Alone: true},
		{What: "sums of progress", Rows: [2]int{1, 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Compare(t.Context(), first, filepath.Join(second, "absent")); err == nil || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("error %v, want one that names the folder", err)
	}
}

// progressOf is a report of so many events.
func progressOf(rows int) string {
	return fmt.Sprintf(`SELECT 'events' AS table_name, NULL AS snapshot_id, 1 AS hash_share, %d AS row_count, 1 - %[1]d AS late, 0 AS duplicates, 0 AS quarantined, 0 AS control, CAST([] AS VARCHAR[]) AS gaps`, rows)
}

// snapshotOf is one more report, of a snapshot of an hour by a share of the shards.
func snapshotOf(hour int, share float64) string {
	return fmt.Sprintf(` UNION ALL SELECT 'resources', '2026-03-01T%02d-00', %v, 1, 0, 0, 0, 0, []`, hour, share)
}

// write makes the Parquet files of a lake.
func write(t *testing.T, lake string, files map[string]string) {
	t.Helper()
	var sql strings.Builder
	for name, query := range files {
		path := filepath.Join(lake, name+".parquet")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&sql, "COPY (%s) TO '%s' (FORMAT parquet);\n", query, path)
	}
	if _, err := Query(t.Context(), "", sql.String()); err != nil {
		t.Fatal(err)
	}
}

// TestQueryWithoutFiles: the message tells why a table is not there.
func TestQueryWithoutFiles(t *testing.T) {
	Require(t)
	lake := t.TempDir()
	_, err := Query(t.Context(), lake, "SELECT rule_id FROM cairn.findings")
	if err == nil || !strings.Contains(err.Error(), lake+" has no file of findings yet") {
		t.Errorf("error %v, want one that says that there is no file", err)
	}
}

func TestParseSQL(t *testing.T) {
	Require(t)
	tests := []struct {
		statement Statement
		accepted  bool
	}{
		{Statement{Trino, "SELECT a.b, count(*) FROM c.d CROSS JOIN UNNEST(x) AS t(y, z) WHERE ts > TIMESTAMP '2026-03-01 00:00:00' GROUP BY 1"}, true},
		{Statement{Trino, "CREATE OR REPLACE VIEW a.b AS SELECT max_by(x, y) FILTER (WHERE z) FROM c"}, true},
		{Statement{Trino, "SELECT a FROM WHERE b = 1"}, false},
		{Statement{Trino, "CREATE EXTERNAL TABLE a (b string)"}, false},
		{Statement{Hive, "CREATE EXTERNAL TABLE IF NOT EXISTS `a`.`b` (`c` struct<`d`:string,e:array<int>>) PARTITIONED BY (`dt` string) STORED AS PARQUET LOCATION 's3://x/y/' TBLPROPERTIES ('k'='v')"}, true},
		{Statement{Hive, "CREATE EXTERNAL TABLE a (b string"}, false},
	}
	var statements []Statement
	for _, test := range tests {
		statements = append(statements, test.statement)
	}
	found, err := ParseSQL(t.Context(), statements)
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		if accepted := len(found[i]) == 0; accepted != test.accepted {
			t.Errorf("%s: %s: errors %v, want accepted: %v", test.statement.Dialect, test.statement.SQL, found[i], test.accepted)
		}
	}
	if _, err := ParseSQL(t.Context(), []Statement{{"cobol", "SELECT 1"}}); err == nil {
		t.Error("an unknown dialect was accepted")
	}
}

// TestInstallOnce runs installs side by side: the stamp must hold for all of them.
func TestInstallOnce(t *testing.T) {
	Require(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := Install(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestNodeMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Node(t.Context(), "verify.mjs")
	if err == nil || !strings.Contains(err.Error(), "install Node.js") {
		t.Errorf("error %v, want one that says what to install", err)
	}
}

func TestNodeFailure(t *testing.T) {
	Require(t)
	if _, err := Node(t.Context(), "verify.mjs"); err == nil || !strings.Contains(err.Error(), "usage: node verify.mjs") {
		t.Errorf("error %v, want the script's own message", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Node(ctx, "verify.mjs"); err == nil {
		t.Error("a script ran although the context was done")
	}
}

func TestDirOutside(t *testing.T) {
	t.Chdir(t.TempDir())
	if dir, err := Dir(); err == nil {
		t.Errorf("found %s outside of a checkout", dir)
	}
}

// TestLockFile: the lock file must work for everyone's registry, so it names none.
func TestLockFile(t *testing.T) {
	data, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]map[string]any
	}
	if err := json.Unmarshal(data, &lock); err != nil || len(lock.Packages) < 10 {
		t.Fatalf("%d packages, %v", len(lock.Packages), err)
	}
	for name, p := range lock.Packages {
		if from, has := p["resolved"]; has {
			t.Errorf("%s comes from %v: make package-lock.json with the .npmrc beside it", name, from)
		}
	}
	if strings.Contains(string(data), "registry.") {
		t.Error("package-lock.json names a registry")
	}
}
