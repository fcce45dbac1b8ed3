package processor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/processortest"
)

// accountIn finds an account whose partition key falls into a shard.
func accountIn(sh processortest.Shard) string {
	for n := 100000000000; ; n++ {
		id := fmt.Sprint(n)
		if h := processortest.HashOf(id); h.Cmp(sh.Lo) >= 0 && h.Cmp(sh.Hi) <= 0 {
			return id
		}
	}
}

// TestWhereAStreamBeganThereIsNoSnapshot, also when a merge turns the
// watermark back to before its time: of the shard that began after ten o'clock
// nothing is known of ten o'clock, and the snapshot says so by its share.
func TestWhereAStreamBeganThereIsNoSnapshot(t *testing.T) {
	f := newFleet(t, 2)
	shards := f.stream.Shards()
	lower, upper := accountIn(shards[0]), accountIn(shards[1])
	at := func(clock string) {
		now, err := time.Parse("15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		f.now = started.Truncate(24 * time.Hour).Add(time.Duration(now.Hour())*time.Hour + time.Duration(now.Minute()-1)*time.Minute)
	}
	at("09:40") // the watermark is 20 minutes behind
	f.makeBucket(1, upper)
	at("10:10")
	f.makeBucket(2, upper)
	at("10:25")
	f.makeBucket(3, lower)
	if !f.stream.Merge(shards[0].ID, shards[1].ID) {
		t.Fatal("not merged")
	}
	f.poll(10)
	at("10:45")
	f.makeBucket(4, upper)
	at("11:25")
	f.makeBucket(5, upper)
	f.release()

	found, shares := map[string][]string{}, map[string]float64{}
	each(t, f.lake, func(r *export.ResourceRow) {
		id := time.UnixMilli(r.SnapshotTS).UTC().Format("15:04")
		found[id] = append(found[id], r.ResourceID)
	})
	each(t, f.lake, func(r *export.ProgressRow) {
		if r.SnapshotID != nil {
			shares[*r.SnapshotID] += r.HashShare
		}
	})
	// Rows stand in the order of their keys, which begin with the account.
	want := map[string][]string{"10:00": {"bucket-1"}, "11:00": {"bucket-3", "bucket-1", "bucket-2", "bucket-4"}}
	if lower > upper {
		want["11:00"] = []string{"bucket-1", "bucket-2", "bucket-4", "bucket-3"}
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("resources by snapshot (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]float64{"2026-03-01T10-00": 0.5, "2026-03-01T11-00": 1}, shares); diff != "" {
		t.Errorf("shares of the hash range (-want +got):\n%s", diff)
	}
}
