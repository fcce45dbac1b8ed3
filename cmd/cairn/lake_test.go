package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/parquetcheck"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// lake is a replayed lake and what the replay said of it.
type lake struct {
	data   string // folder
	dir    string // of the lake in it
	store  blob.Store
	report report

	events    []*export.EventRow
	findings  []*export.FindingRow
	changes   []*export.ChangeRow
	resources []*export.ResourceRow
	progress  []*export.ProgressRow
}

// TestLake replays and lets readers that share nothing with the program look
// at the lake.
func TestLake(t *testing.T) {
	local.Require(t)
	t.Run("sample", func(t *testing.T) { replayed(t, "--snapshot-every", "6h").check(t) })
	t.Run("recorded", func(t *testing.T) {
		replayed(t, append([]string{"--commit-records", "3000"}, recorded(t)...)...).check(t)
	})
	// Among the odd files are some without a time, which come first in the log
	// and let nearly everything after them be late.
	t.Run("recorded and odd", func(t *testing.T) {
		odd := filepath.Join(dataFolder(t), "cloudtrail", "odd")
		replayed(t, append([]string{"--commit-records", "9000", odd}, recorded(t)...)...).check(t)
	})
}

// recorded are the recorded logs of two years and of attacks.
func recorded(t *testing.T) []string {
	t.Helper()
	logs := filepath.Join(dataFolder(t), "cloudtrail")
	attacks, err := filepath.Glob(filepath.Join(logs, "stratus", "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return append(attacks, filepath.Join(logs, "history"))
}

// replayed makes a lake.
func replayed(t *testing.T, args ...string) *lake {
	t.Helper()
	l := &lake{data: filepath.Join(t.TempDir(), "data")}
	l.report = object[report](t, append([]string{"replay", "--no-progress", "--data", l.data}, args...)...)
	l.dir = l.report.Lake
	l.store = store(t, l.dir)
	l.events, l.findings, l.changes = rowsOf[export.EventRow](t, l), rowsOf[export.FindingRow](t, l), rowsOf[export.ChangeRow](t, l)
	l.resources, l.progress = rowsOf[export.ResourceRow](t, l), rowsOf[export.ProgressRow](t, l)
	return l
}

func rowsOf[T export.Row](t *testing.T, l *lake) (rows []*T) {
	t.Helper()
	for row, err := range export.ReadRows[T](t.Context(), l.store, export.Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func (l *lake) check(t *testing.T) {
	t.Run("rules of the format", l.checkFormat)
	t.Run("other readers", l.checkReaders)
	t.Run("report", l.checkReport)
	t.Run("progress", l.checkProgress)
	t.Run("snapshots", l.checkSnapshots)
	t.Run("as of", l.checkAsOf)
	t.Run("grammar", l.checkGrammar)
	t.Run("queries", l.checkQueries)
}

// checkFormat lets the footer checker judge every file.
func (l *lake) checkFormat(t *testing.T) {
	files, err := parquetcheck.CheckLake(l.dir)
	if err != nil {
		t.Error(err)
	}
	if files < 5 {
		t.Errorf("only %d files", files)
	}
	t.Logf("%d files", files)
}

// checkReaders compares what DuckDB and hyparquet count in every column of
// every file with each other, and their sums with those of the Go rows.
func (l *lake) checkReaders(t *testing.T) {
	files, err := local.Verify(t.Context(), l.dir)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string][]local.Counts{}
	for _, f := range files {
		if diff := gocmp.Diff(f.DuckDB, f.Hyparquet); diff != "" {
			t.Errorf("%s (-DuckDB +hyparquet):\n%s", f.File, diff)
		}
		table, _, _ := strings.Cut(filepath.ToSlash(f.File), "/")
		tables[table] = append(tables[table], f.DuckDB)
	}
	for table, rows := range map[export.Table]local.Counts{
		export.Events: countRows(l.events), export.Findings: countRows(l.findings), export.Changes: countRows(l.changes),
		export.Resources: countRows(l.resources), export.Progress: countRows(l.progress),
	} {
		if rows.Rows == 0 {
			t.Errorf("no rows in %s: the test shows nothing", table)
		}
		want, got := local.Sum([]local.Counts{rows}), local.Sum(tables[string(table)])
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-rows +files):\n%s", table, diff)
		}
	}
}

func countRows[T any](rows []*T) local.Counts {
	values := make([]T, len(rows))
	for i, r := range rows {
		values[i] = *r
	}
	return local.CountRows(values)
}

// checkReport holds the printed counts against the rows, as Go and as DuckDB
// read them, and the quarantine against its count.
func (l *lake) checkReport(t *testing.T) {
	got := l.query(t, `SELECT (SELECT count(*) FROM cairn.events), (SELECT count(DISTINCT eventid) FROM cairn.events),
		(SELECT count(*) FROM cairn.events_deduplicated), (SELECT count(*) FROM cairn.findings), (SELECT count(DISTINCT finding_id) FROM cairn.findings),
		(SELECT count(*) FROM cairn.resource_changes), (SELECT count(*) FROM cairn.resources_current WHERE state <> 'deleted'),
		(SELECT CAST(sum(CAST(late AS INT)) AS BIGINT) FROM cairn.events)`)[0]
	r := l.report.Totals
	ids := fmt.Sprint(r.Events - l.forgotten(t))
	want := []any{fmt.Sprint(r.Events), ids, ids, fmt.Sprint(r.FindingRows), fmt.Sprint(l.report.Findings),
		fmt.Sprint(r.ResourceChanges), fmt.Sprint(r.Resources), fmt.Sprint(r.Late)}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("events, ids, events without copies, finding rows, findings, changes, resources, late (-report +lake):\n%s", diff)
	}
	if n := quarantinedLines(t, l); n != r.Quarantined {
		t.Errorf("%d pieces in quarantine, %d in the report", n, r.Quarantined)
	}
	t.Logf("%+v", r)
}

// forgotten counts the rows that are copies of an event. There may be some only
// of events that arrive when their ids are forgotten: 26 hours of event time
// behind the watermark, which is 20 minutes behind arrival.
func (l *lake) forgotten(t *testing.T) (copies int64) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range l.events {
		if seen[e.EventID] {
			copies++
			if age := time.Duration(e.ArrivalTS-e.EventTS) * time.Millisecond; age <= 26*time.Hour+20*time.Minute {
				t.Errorf("event %s stands twice, though it came after %v", e.EventID, age)
			}
		}
		seen[e.EventID] = true
	}
	return copies
}

// quarantinedLines counts the pieces in _dlq and looks at each.
func quarantinedLines(t *testing.T, l *lake) (n int64) {
	t.Helper()
	for o, err := range l.store.List(t.Context(), "_dlq/") {
		if err != nil {
			t.Fatal(err)
		}
		packed, _, err := l.store.Get(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		text, err := z.DecodeAll(packed, nil)
		if err != nil {
			t.Fatalf("%s: %v", o.Key, err)
		}
		for line := range bytes.Lines(text) {
			var piece struct{ Reason, Shard, Sequence string }
			if err := json.Unmarshal(line, &piece, json.MatchCaseInsensitiveNames(true)); err != nil || piece.Reason == "" || piece.Shard == "" || len(piece.Sequence) != 56 {
				t.Errorf("%s: %v in %.200s", o.Key, err, line)
			}
			n++
		}
	}
	return n
}

// checkProgress holds the table to its law: what came in is rows, duplicates,
// quarantined pieces and control messages; the intervals of a shard's
// watermark join without a hole, and so do those of its records.
func (l *lake) checkProgress(t *testing.T) {
	var in, rows, others, shares float64
	byShard := map[string][]*export.ProgressRow{}
	snapshots := map[string]float64{}
	for _, p := range l.progress {
		switch p.TableName {
		case string(export.Events):
			rows += float64(p.RowCount)
			others += float64(p.Duplicates + p.Quarantined + p.Control)
			byShard[p.Shard] = append(byShard[p.Shard], p)
		case string(export.Resources):
			snapshots[*p.SnapshotID] += p.HashShare
		}
		if len(p.Gaps) > 0 {
			t.Errorf("%s has gaps: %v", p.Shard, p.Gaps)
		}
	}
	for _, m := range manifests(t, l) {
		in += float64(m.Counts.In)
	}
	if in != rows+others || int(rows) != len(l.events) {
		t.Errorf("%v pieces in, but %v rows and %v others; %d events", in, rows, others, len(l.events))
	}
	for shard, list := range byShard {
		shares += list[0].HashShare
		slices.SortFunc(list, func(a, b *export.ProgressRow) int { return cmp.Compare(a.Checkpoint, b.Checkpoint) })
		for i, p := range list[1:] {
			before := list[i]
			if p.WatermarkFromTS == nil || *p.WatermarkFromTS != before.WatermarkTS || p.WatermarkTS < before.WatermarkTS {
				t.Errorf("%s, checkpoint %d: the watermark does not go on from %d", shard, p.Checkpoint, before.WatermarkTS)
			}
			if p.FirstSequence != nil && *p.FirstSequence <= value(before.LastSequence) {
				t.Errorf("%s, checkpoint %d begins at %s, before %s", shard, p.Checkpoint, *p.FirstSequence, value(before.LastSequence))
			}
		}
	}
	if math.Abs(shares-1) > 1e-9 {
		t.Errorf("the shards' shares add up to %v", shares)
	}
	for snapshot, share := range snapshots {
		if math.Abs(share-1) > 1e-9 {
			t.Errorf("snapshot %s: shares of %v", snapshot, share)
		}
	}
	t.Logf("%d rows, %d shards, %d snapshots", len(l.progress), len(byShard), len(snapshots))
}

func manifests(t *testing.T, l *lake) []*manifest.Manifest {
	t.Helper()
	all, err := processor.Manifests(t.Context(), store(t, l.report.State), "cairn")
	if err != nil {
		t.Fatal(err)
	}
	return all
}
