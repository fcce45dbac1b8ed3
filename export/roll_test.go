package export

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// Row groups end where the rows say, and each is sorted by itself.
func TestRowGroupsEndByRowsAndBytes(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name string
		rows int
		blob *string
		want []int64
	}{
		{"rows", maxGroupRows + 10, nil, []int64{maxGroupRows, 10}},
		{"bytes", 50, &long, []int64{31, 19}}, // 32 of them with their other columns exceed maxGroupRaw
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBuffer(BufferOptions{})
			for i := range tt.rows {
				addRow(t, b, "2026-03-01", &EventRow{EventTime: fmt.Sprintf("%06d", tt.rows-i), RequestParameters: tt.blob})
			}
			data := encodeBuffer(t, b, Events, "2026-03-01")
			f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, g := range f.RowGroups() {
				got = append(got, g.NumRows())
				if n := len(g.SortingColumns()); n != 3 {
					t.Errorf("a row group with %d sorting columns, want 3", n)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("rows per group (-want +got):\n%s", d)
			}
		})
	}
}

func TestSortPutsNullFirstAndKeepsArrival(t *testing.T) {
	one, zero := "1", "1\x00"
	rows := []EventRow{
		{RecipientAccountID: &zero, EventTime: "a", EventID: "6"},
		{RecipientAccountID: &one, EventTime: "b", EventID: "4"},
		{RecipientAccountID: &one, EventTime: "b", EventID: "4", Sequence: "second"},
		{RecipientAccountID: &one, EventTime: "a\x00", EventID: "3"},
		{RecipientAccountID: &one, EventTime: "a", EventID: "2"},
		{EventTime: "z", EventID: "1"},
		{RecipientAccountID: new(string), EventTime: "z", EventID: "0 after NULL"},
	}
	var got []string
	for _, r := range rollRows(t, Events, rows) {
		got = append(got, r.EventID+r.Sequence)
	}
	if d := cmp.Diff([]string{"1", "0 after NULL", "2", "3", "4", "4second", "6"}, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

func TestSortByNumbers(t *testing.T) {
	a := "a"
	var rows []FindingRow
	for _, at := range []int64{5, -3, 0, 1 << 40, -1 << 40} {
		rows = append(rows, FindingRow{AccountID: &a, EventTS: at})
	}
	var got []int64
	for _, r := range rollRows(t, Findings, rows) {
		got = append(got, r.EventTS)
	}
	if !slices.IsSorted(got) || len(got) != 5 {
		t.Errorf("times in the file: %v", got)
	}
}

func TestFileNamesItsFormatAndNotItsBuild(t *testing.T) {
	data := rollBytes(t, Progress, []ProgressRow{{}})
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"created_by": f.Metadata().CreatedBy}
	for _, kv := range f.Metadata().KeyValueMetadata {
		got[kv.Key] = kv.Value
	}
	want := map[string]string{
		"created_by": "cairn format 1", "cairn.table": "progress", "cairn.schema": "1", "cairn.shard": "shardId-000000000000",
		"cairn.checkpoint": "17", "cairn.first_sequence": "1", "cairn.last_sequence": "9",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
}
