package export

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/state/blob"
)

func openStore(t testing.TB) blob.Store {
	t.Helper()
	store, err := blob.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// publish rolls everything in b and publishes it.
func publish(t testing.TB, store blob.Store, b *Buffer, n Naming) []File {
	t.Helper()
	batch := b.Freeze()
	files, err := batch.Roll(t.Context(), store, n, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := store.Publish(t.Context(), f.Stage, f.Final); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Close(); err != nil {
		t.Fatal(err)
	}
	return files
}

func readAll[T Row](t testing.TB, store blob.Store, s Selection) []T {
	t.Helper()
	var rows []T
	for r, err := range ReadRows[T](t.Context(), store, s) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, *r)
	}
	return rows
}

func TestReadRowsYieldsThePublishedOnes(t *testing.T) {
	store := openStore(t)
	var want []FindingRow
	for c := range int64(2) {
		b := NewBuffer(BufferOptions{})
		for day := 1; day <= 3; day++ {
			for i := range 300 {
				r := FindingRow{FindingID: fmt.Sprintf("%d-%d-%03d", day, c, i), Tags: []string{"a"}, EventIDs: []string{}}
				addRow(t, b, fmt.Sprintf("2026-03-%02d", day), &r)
				if day >= 2 {
					want = append(want, r)
				}
			}
		}
		publish(t, store, b, Naming{Shard: "s", Checkpoint: c, Writer: "w"})
	}
	got := readAll[FindingRow](t, store, Selection{Partition: func(p string) bool { return p >= "2026-03-02" }})
	byID := func(rows []FindingRow) map[string]FindingRow {
		m := map[string]FindingRow{}
		for _, r := range rows {
			m[r.FindingID] = r
		}
		return m
	}
	if len(got) != len(want) {
		t.Fatalf("read %d rows, want %d", len(got), len(want))
	}
	if d := cmp.Diff(byID(want), byID(got)); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if got[0].FindingID != "2-0-000" || got[len(got)-1].FindingID != "3-1-299" {
		t.Errorf("rows go from %s to %s, not in the order of their files", got[0].FindingID, got[len(got)-1].FindingID)
	}
}

func TestReadRowsStops(t *testing.T) {
	store := openStore(t)
	b := NewBuffer(BufferOptions{})
	for i := range 10 {
		addRow(t, b, "2026-03-01", &ProgressRow{Checkpoint: int64(i)})
	}
	publish(t, store, b, testNaming)
	n := 0
	for _, err := range ReadRows[ProgressRow](t.Context(), store, Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("read %d rows after a break at 3", n)
	}
}

func TestReadRowsOfAnEmptyLake(t *testing.T) {
	if rows := readAll[ResourceRow](t, openStore(t), Selection{}); len(rows) != 0 {
		t.Errorf("read %d rows of nothing", len(rows))
	}
}

func TestReadRowsRefuses(t *testing.T) {
	store := openStore(t)
	b := NewBuffer(BufferOptions{})
	addRow(t, b, "2026-03-01", &ProgressRow{})
	f := publish(t, store, b, testNaming)[0]
	data, _, err := store.Get(t.Context(), f.Final)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"another table": data, "cut": data[:len(data)-3], "empty": nil} {
		t.Run(name, func(t *testing.T) {
			store := openStore(t)
			if _, err := store.Put(t.Context(), "findings/dt=2026-03-01/x.parquet", content); err != nil {
				t.Fatal(err)
			}
			for _, err := range ReadRows[FindingRow](t.Context(), store, Selection{}) {
				if err == nil || !strings.Contains(err.Error(), "findings/dt=2026-03-01/x.parquet") {
					t.Errorf("error %v, want one that names the file", err)
				}
				return
			}
			t.Error("no error")
		})
	}
}

func TestReadRowsPassesOnTheContext(t *testing.T) {
	store := openStore(t)
	b := NewBuffer(BufferOptions{})
	addRow(t, b, "2026-03-01", &ProgressRow{})
	publish(t, store, b, testNaming)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range ReadRows[ProgressRow](ctx, store, Selection{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want Canceled", err)
		}
	}
}

func TestPartitionOf(t *testing.T) {
	for _, tt := range []struct {
		table     Table
		key, want string
		ok        bool
	}{
		{Events, "events/dt=2026-03-01/s-0000000001-0.parquet", "2026-03-01", true},
		{Events, "events/account=1/region=r/dt=2026-03-01/s.parquet", "account=1/region=r/dt=2026-03-01", true},
		{Resources, "resources/snapshot=2026-03-01T00-00/s.parquet", "2026-03-01T00-00", true},
		{Events, "events/dt=2026-03-01/notes.txt", "", false},
		{Events, "events/s.parquet", "", false},
		{Events, "findings/dt=2026-03-01/s.parquet", "", false},
	} {
		got, ok := partitionOf(tt.table, tt.key)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: %q, %v; want %q, %v", tt.key, got, ok, tt.want, tt.ok)
		}
		if ok && !strings.HasPrefix(tt.key, string(tt.table)+"/"+Folder(tt.table, got)+"/") {
			t.Errorf("%s: partition %q is the folder %s", tt.key, got, Folder(tt.table, got))
		}
	}
}

func TestNewestSnapshotIsComplete(t *testing.T) {
	store := openStore(t)
	b := NewBuffer(BufferOptions{})
	for _, p := range []struct {
		id    string
		share float64
	}{
		{"2026-03-01T00-00", 0.25}, {"2026-03-01T00-00", 0.75},
		{"2026-03-02T00-00", 0.1}, {"2026-03-02T00-00", 0.2}, {"2026-03-02T00-00", 0.7},
		{"2026-03-03T00-00", 0.5},
	} {
		addRow(t, b, "2026-03-03", &ProgressRow{TableName: "resources", SnapshotID: &p.id, HashShare: p.share})
	}
	addRow(t, b, "2026-03-03", &ProgressRow{TableName: "events", HashShare: 1})
	publish(t, store, b, testNaming)
	got, err := NewestSnapshot(t.Context(), store)
	if err != nil || got != "2026-03-02T00-00" {
		t.Errorf("newest snapshot is %q, %v; want that of March 2nd", got, err)
	}
	days, err := Partitions(t.Context(), store, Progress)
	if d := cmp.Diff([]string{"2026-03-03"}, days); d != "" || err != nil {
		t.Errorf("partitions %v (-want +got):\n%s", err, d)
	}
}
