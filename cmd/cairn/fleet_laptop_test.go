package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/resource"
)

// laptop is what somebody does to look at a fleet: "cairn forward" puts the files
// of twenty accounts on a stream that two workers share, and one of them is
// killed half way. In the end every column of every table is what a replay of the
// files makes of it, but for those that tell where and when a record arrived.
func (g *ground) laptop(t *testing.T) {
	tr := g.newTraffic(t, 20, 6000, usual)
	halves := halve(t, tr.dir)
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	victim := f.worker()
	f.share(2, 2)
	f.forward(halves[0])
	f.until("some is committed", 30*time.Second, func() bool { return f.sum().In > 0 })
	shards := victim.held()
	victim.crash()
	at := time.Now()
	f.forward(halves[1])
	var took recovery
	f.takeover(&took, shards, at)
	f.consumed(tr.events)
	f.finish()
	f.note = append(f.note, fmt.Sprintf("%d events of 20 accounts; one of two killed half way: %s", len(tr.ids), took))
	f.sent.Store(f.workers[0].read) // forward put aggregates; what the dead had read is not told apart
	f.check(tr, 0)
	f.sameLake(tr)
}

// sameLake holds all tables of the fleet's lake against those of the replay: as
// Cairn reads them, and as a reader does that shares nothing with it.
func (f *crew) sameLake(tr *traffic) {
	f.t.Helper()
	want, got := tablesOf(f.t, tr.lake), tablesOf(f.t, f.lake)
	for name := range want {
		if diff := gocmp.Diff(want[name], got[name]); diff != "" {
			f.t.Errorf("%s (-replay +fleet):\n%s", name, shortText(diff))
		}
	}
	found, err := local.Compare(f.t.Context(), tr.lake, f.lake)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range found {
		if d.Only != [2]int{} {
			f.t.Errorf("DuckDB finds other rows in %s: %+v", d.What, d)
		}
	}
}

// forward runs the command over a folder.
func (f *crew) forward(dir string) {
	f.t.Helper()
	r := f.launch(f.t, append(f.env[:len(f.env):len(f.env)], "CAIRN_LOG=error"), nil, "forward", "--stream", f.stream, "--no-progress", "--strict", dir)
	if code := r.status(); code != exitDone {
		f.t.Fatalf("forward: exit status %d: %s", code, r.err.String())
	}
}

// halve moves the younger half of the files, in the order of their delivery, to
// another folder.
func halve(t *testing.T, dir string) [2]string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	minute := func(path string) string { return strings.Split(filepath.Base(path), "_")[3] }
	slices.SortFunc(files, func(a, b string) int { return cmp.Or(cmp.Compare(minute(a), minute(b)), cmp.Compare(a, b)) })
	halves := [2]string{filepath.Join(t.TempDir(), "older"), filepath.Join(t.TempDir(), "younger")}
	for i, path := range files {
		name, _ := filepath.Rel(dir, path)
		to := filepath.Join(halves[2*i/len(files)], name)
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return halves
}

// tablesOf reads all tables of a lake, in an order of their own.
func tablesOf(t *testing.T, lake string) map[string]any {
	t.Helper()
	events := sortedRows(t, lake, func(r *export.EventRow) string {
		r.Shard, r.Sequence, r.Ordinal, r.ArrivalTS, r.Late = "", "", 0, 0, false
		return r.EventID
	})
	findings := sortedRows(t, lake, func(r *export.FindingRow) string {
		r.Shard, r.Sequence, r.ArrivalTS = "", "", 0
		return fmt.Sprint(r.FindingID, r.EventTS, r.TriggerEventID)
	})
	changes := sortedRows(t, lake, func(r *export.ChangeRow) string {
		r.Shard, r.Sequence, r.Ordinal, r.ArrivalTS, r.Late = "", "", 0, 0, false
		return r.ResourceKey + r.Version + r.Effect
	})
	sums := map[string]int64{}
	for _, r := range sortedRows(t, lake, func(*export.ProgressRow) string { return "" }) {
		if r.TableName == string(export.Resources) {
			continue // a replay makes a snapshot at its end, a fleet has none
		}
		sums[r.TableName+" rows"] += r.RowCount
		sums["duplicates"] += r.Duplicates
		sums["quarantined"] += r.Quarantined
		sums["control"] += r.Control
		sums["gaps"] += int64(len(r.Gaps))
	}
	out := map[string]any{"events": events, "findings": findings, "resource_changes": changes, "progress": sums}
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	var last int64
	for _, r := range events {
		last = max(last, r.EventTS)
	}
	for back := range 3 { // the inventory of three times, from the changelog
		at := time.UnixMilli(last).UTC().Add(time.Duration(-30*back) * time.Minute)
		rows, err := processor.InventoryAsOf(t.Context(), store(t, lake), catalogue, at)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(rows, func(a, b export.ResourceRow) int { return strings.Compare(a.ResourceKey, b.ResourceKey) })
		for i := range rows {
			rows[i].Shard, rows[i].WatermarkTS = "", 0
		}
		out[fmt.Sprintf("resources %d min before the end", 30*back)] = rows
	}
	return out
}

// sortedRows reads a table; sort clears what is not compared and returns the place of
// a row.
func sortedRows[T export.Row](t *testing.T, lake string, sort func(*T) string) (rows []T) {
	t.Helper()
	type keyed struct {
		key string
		row T
	}
	var all []keyed
	for row, err := range export.ReadRows[T](t.Context(), store(t, lake), export.Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, keyed{sort(row), *row})
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for _, k := range all {
		rows = append(rows, k.row)
	}
	return rows
}
