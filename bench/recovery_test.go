package bench

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testFeed(t *testing.T, rate float64) (*feed, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records")
	if err := writeFeed(path); err != nil {
		t.Fatal(err)
	}
	f, err := readFeed(path, noon, rate)
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

// TestFeed: records never repeat an id, happen before they arrive, arrive at the
// rate, and are the same for every reader.
func TestFeed(t *testing.T) {
	f, path := testFeed(t, 100)
	again, err := readFeed(path, noon, 100)
	if err != nil {
		t.Fatal(err)
	}
	ids, n := map[string]bool{}, int64(len(f.lines))
	if n < 1000 {
		t.Fatalf("only %d records to begin with", n)
	}
	for i := int64(1); i <= 2*n+10; i++ {
		r := f.record(i)
		e, err := cloudtrail.Parse(r.Data)
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if ids[e.ID] || len(e.ID) != 36 {
			t.Fatalf("record %d has the id %s", i, e.ID)
		}
		ids[e.ID] = true
		if want := noon.Add(time.Duration(i) * 10 * time.Millisecond); !r.Arrival.Equal(want) || r.PartitionKey != e.Account() {
			t.Fatalf("record %d of %s arrives at %v, want %v", i, r.PartitionKey, r.Arrival, want)
		}
		if ago := r.Arrival.Sub(e.Time); ago < delay || ago > delay+time.Second {
			t.Fatalf("record %d arrives %v after it happened", i, ago)
		}
		if i%997 == 0 && !bytes.Equal(again.record(i).Data, r.Data) {
			t.Fatalf("record %d differs when it is read again", i)
		}
	}
	if got := f.available(noon.Add(time.Second)); got != 100 {
		t.Errorf("%d records after a second, want 100", got)
	}
	if got := f.available(noon.Add(-time.Second)); got != 0 {
		t.Errorf("%d records before the start", got)
	}
}

// TestShardRun owns a shard in this process: once through some records with
// commits by the clock, and the state that is made of it holds together.
func TestShardRun(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a state of some size; left out with -short")
	}
	_, path := testFeed(t, 0)
	cfg, out := config(t), bytes.Buffer{}
	cfg.Shard.CommitEvery, cfg.Shard.CommitRecords, cfg.Shard.CommitBytes = 50*time.Millisecond, math.MaxInt64, math.MaxInt64
	run := &ShardRun{Config: cfg.Shard, Feed: path, Start: noon, Until: 6000, Out: &out}
	if err := run.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	var end Happening
	for line := range bytes.Lines(out.Bytes()) {
		if err := json.Unmarshal(line, &end); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, end.Kind)
		if end.PeakRSSBytes < 10<<20 || end.PeakRSSBytes > 64<<30 {
			t.Errorf("a peak of %d bytes", end.PeakRSSBytes)
		}
		if end.Kind == "commit" && (end.Bytes < 1000 || end.Requests < 2 || end.ManifestSeconds <= 0 || end.Seconds < end.ManifestSeconds) {
			t.Errorf("a commit that cost %+v", end)
		}
	}
	if kinds[0] != "open" || end.Kind != "end" || end.Records != 6000 || end.Commits < 1 || !slices.Contains(kinds, "commit") {
		t.Errorf("%v, %+v", kinds, end)
	}
	store := cfg.Shard.State
	for _, rows := range []int64{5000, 60_000} { // one commit of fillState, and several
		if err := fillState(t.Context(), store, rows, "f"); err != nil {
			t.Fatal(err)
		}
		m, err := manifest.ReadManifest(t.Context(), store, manifest.Key("cairn", recoveryStream, recoveryShard))
		if err != nil {
			t.Fatal(err)
		}
		if m.StateRows != rows {
			t.Errorf("%d rows, want %d", m.StateRows, rows)
		}
	}
	// The next owner holds rows and hash against the manifest when it opens.
	again := &ShardRun{Config: cfg.Shard, Feed: path, Start: noon, Until: 6100, Out: &out}
	if err := again.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestMeterCountsWhatACommitWrites(t *testing.T) {
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var said []Happening
	m := newMeter(store, func(h Happening) { said = append(said, h) })
	ctx, p := t.Context(), "cairn/bench/shard/"
	put := func(key string, n int) {
		t.Helper()
		if _, err := m.Put(ctx, p+key, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	etag, err := m.PutIf(ctx, p+"MANIFEST", make([]byte, 1000), "") // a takeover
	if err != nil {
		t.Fatal(err)
	}
	put("rows/1-5-w.rows", 10)
	put("seg/1-1-4-w.seg", 5000) // merged beside it
	put("dedup/1-5-w.ids", 20)
	up, err := m.Create(ctx, p+"seg/1-5-5-w.seg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write(make([]byte, 30)); err != nil {
		t.Fatal(err)
	}
	if err := up.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := m.PutIf(ctx, p+"MANIFEST", make([]byte, 40), etag); err != nil {
		t.Fatal(err)
	}
	put("hist/5-1.json", 7000)
	for range 2 { // the second one wrote nothing: time alone moved
		if err := m.checkpoint(ctx, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) != 1 || said[0].Bytes != 100 || said[0].Requests != 4 || !said[0].First || m.commits != 2 {
		t.Errorf("%+v, %d commits", said, m.commits)
	}
}

func TestQuantile(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	for q, want := range map[float64]int{0: 1, 0.2: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
	if quantile([]int{}, 0.5) != 0 {
		t.Error("of nothing")
	}
}

func TestRecoveryReportPrints(t *testing.T) {
	r := &RecoveryReport{Scope: scope, Checkpoint: checkpointCost([]Happening{{Seconds: 0.25, Bytes: 10, Requests: 3}}, 5*time.Second), Overhead: &Overhead{
		Records: 10, Commits: 3, With: []float64{1.1}, Without: []float64{1}, Share: 0.1}}
	for i, s := range []float64{3, 1, 2} {
		r.Runs = append(r.Runs, RecoveryRun{StateRows: 1000 + int64(i), Kill: KillSameHost, SecondsToCommit: s},
			RecoveryRun{StateRows: 100_000, Kill: KillSameHost, SecondsToCommit: 10 * s})
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"1000 kill -9, same host 3 0.00 0.00 2.00 3.00", "100000 kill -9, same host 3 0.00 0.00 20.00 30.00",
		"1 commits, one each 5.0 s: p50 250 ms", "10 records with 3 commits: 1.10 s; with one: 1.00 s; overhead 10.0 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

// TestOwnerThatFails: what a process says when it ends by itself is passed on.
func TestOwnerThatFails(t *testing.T) {
	o, err := start(t.Context(), []string{"/bin/sh", "-c", `echo '{"kind":"open"}'; echo '{"kind":"comm'; echo no disk >&2; exit 3`})
	if os.IsNotExist(err) {
		t.Skip("no shell")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.finish(); err == nil || !strings.Contains(err.Error(), "exit status 3: no disk") {
		t.Errorf("finish: %v", err)
	}
	if err := o.alive(); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("alive: %v", err)
	}
	if heard, open := o.told(); len(heard) != 1 || open.IsZero() {
		t.Errorf("heard %+v", heard)
	}
	if err := o.end(os.Kill); err != nil {
		t.Errorf("an owner that has ended cannot be ended again: %v", err)
	}
}
