package parquetcheck

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/blob"
)

// TestReadersPrune proves that statistics and filters are of use to a reader: all pages of the first row group are made unreadable, so a
// query that is answered has left them out, and one that needs them fails.
func TestReadersPrune(t *testing.T) {
	local.Require(t)
	file := filepath.Join(t.TempDir(), "pruned.parquet")
	if err := os.WriteFile(file, spoilFirstGroup(t, eventsOfTwoGroups(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, where string
		answered    bool
	}{
		{"text by bounds", "recipientaccountid = '222222222222'", true},
		{"time as text by bounds", "eventtime >= '2026-03-02'", true},
		{"time by bounds", "event_ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'", true},
		{"text by filter", fmt.Sprintf("eventid = '%s'", eventID(MaxGroupRows+5)), true},
		{"text without filter, bounds overlap", fmt.Sprintf("requestid = '%s'", eventID(MaxGroupRows+5)), false},
		{"all rows", "true", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sql := fmt.Sprintf("SET TimeZone='UTC'; SELECT count(*) AS n, sum(length(eventname)) AS bytes FROM read_parquet('%s') WHERE %s", file, test.where)
			result, err := local.Query(t.Context(), "", sql)
			if (err == nil) != test.answered {
				t.Errorf("answered %v, want %v: %v %v", err == nil, test.answered, result.Rows, err)
			}
			if err == nil && result.Rows[0][0] == "0" {
				t.Error("no row was found")
			}
		})
	}
}

// eventID is a text without order.
func eventID(i int) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))[:32]
}

// eventsOfTwoGroups writes a file of events through export: a full row group of one account and day, and a small one of another account
// on the next day.
func eventsOfTwoGroups(t *testing.T) []byte {
	t.Helper()
	buffer := export.NewBuffer(export.BufferOptions{SpoolDir: t.TempDir(), MemoryLimit: 64 << 20})
	const day = 1_772_323_200_000 // 2026-03-01 in ms
	for i := range MaxGroupRows + 1000 {
		r := export.EventRow{
			RecipientAccountID: ptr("111111111111"), EventTime: "2026-03-01T00:00:00Z", EventTS: day, EventName: ptr("RunInstances"),
			EventID: eventID(i), RequestID: ptr(eventID(i)), Shard: "s", Sequence: fmt.Sprintf("%056d", i),
		}
		if i >= MaxGroupRows {
			r.RecipientAccountID, r.EventTime, r.EventTS = ptr("222222222222"), "2026-03-02T00:00:00Z", day+86_400_000
		}
		if err := buffer.AddEvent("2026-03-01", &r); err != nil {
			t.Fatal(err)
		}
	}
	store, err := blob.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	batch := buffer.Freeze()
	defer batch.Close() // its files are staged by then
	files, err := batch.Roll(t.Context(), store, export.Naming{Shard: "s", Epoch: 1, Checkpoint: 1, Writer: "0", FirstSequence: "1", LastSequence: "2"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := store.Get(t.Context(), files[0].Stage)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// spoilFirstGroup fills the pages of the first row group with nonsense.
func spoilFirstGroup(t *testing.T, data []byte) []byte {
	t.Helper()
	groups := metaOf(t, data).groups
	if len(groups) != 2 {
		t.Fatalf("%d row groups, want 2", len(groups))
	}
	spoiled := bytes.Clone(data)
	for i := range groups[0].chunks {
		c := &groups[0].chunks[i]
		copy(spoiled[c.start():c.start()+c.compressed()], bytes.Repeat([]byte{0xaa}, int(c.compressed())))
	}
	return spoiled
}
