package processor_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/blob"
)

var started = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// fleet runs the shards of a stream one after another, in one place, over real
// folders.
type fleet struct {
	t           *testing.T
	ctx         context.Context
	stream      *processortest.Stream
	lake, state blob.Store
	local       string
	rules       *rule.Set
	accounts    *account.Book
	catalogue   *resource.Catalogue
	sink        *sink
	mu          sync.Mutex // of hints, which commits write
	hints       map[string]string
	now         time.Time
	owners      int
	open        map[string]*processor.Shard
	decoder     cloudtrail.Decoder
}

// sink delivers at once, unless it is down.
type sink struct {
	mu   sync.Mutex
	sent map[string]int
	down bool
}

func (s *sink) Send(_ string, alerts []processor.Alert, done func(string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range alerts {
		s.sent[a.ID]++
		if !s.down {
			done(a.ID)
		}
	}
}

var userMade = fstest.MapFS{"user.yml": &fstest.MapFile{Data: []byte(`
title: User made
id: 0a0b0c0d-0000-4000-8000-000000000001
logsource: {product: aws, service: cloudtrail}
detection: {condition: selection, selection: {eventName: CreateUser}}
level: high
`)}}

func newFleet(t *testing.T, shards int) *fleet {
	t.Helper()
	dir := t.TempDir()
	f := &fleet{t: t, ctx: t.Context(), stream: processortest.NewStream(shards, 50), local: dir + "/local",
		sink: &sink{sent: map[string]int{}}, hints: map[string]string{}, now: started, open: map[string]*processor.Shard{}}
	var err error
	if f.lake, err = blob.OpenDir(dir + "/lake"); err != nil {
		t.Fatal(err)
	}
	if f.state, err = blob.OpenDir(dir + "/state"); err != nil {
		t.Fatal(err)
	}
	if f.rules, _, err = rule.Load(rule.Options{}, fs.FS(userMade)); err != nil {
		t.Fatal(err)
	}
	if f.catalogue, err = resource.LoadCatalogue(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range f.open {
			_ = s.Close()
		}
	})
	return f
}

func (f *fleet) config(sh processortest.Shard) processor.Config {
	f.owners++
	return processor.Config{
		App: "cairn", Stream: "trail", Shard: sh.ID, HashRange: sh.HashRange(), HashShare: sh.Share(), Parents: sh.Parents,
		Source: func(string) string { return "arn:trail" }, Lake: f.lake, State: f.state, Local: f.local, Rules: f.rules, Catalogue: f.catalogue, Accounts: f.accounts,
		Lateness: 20 * time.Minute, SnapshotEvery: time.Hour, KeepTombstones: 24 * time.Hour, CommitRecords: 1000, CommitBytes: 1 << 20,
		CommitEvery: 10 * time.Second, Roll: processor.Roll{Age: 5 * time.Minute, Bytes: 128 << 20, ReportAge: 15 * time.Minute, Days: 4},
		Encoders: 1, Rolls: make(chan struct{}, 1), Writer: fmt.Sprintf("%016x", f.owners), Hint: f.hint(sh.ID),
		Checkpoint: func(_ context.Context, seq string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.hints[sh.ID] = seq
			return nil
		},
		Outbox: f.sink,
		Alerts: func(_ *detect.Finding, r *export.FindingRow) []processor.Alert {
			return []processor.Alert{{ID: r.FindingID + "/start", Sink: "test", Finding: r.FindingID, Time: r.EventTS, Body: []byte(r.Summary)}}
		},
	}
}

func (f *fleet) hint(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hints[id]
}

func (f *fleet) shard(sh processortest.Shard) *processor.Shard {
	f.t.Helper()
	if s := f.open[sh.ID]; s != nil {
		return s
	}
	s, err := processor.Open(f.ctx, f.config(sh))
	if err != nil {
		f.t.Fatal(err)
	}
	f.open[sh.ID] = s
	return s
}

// ready tells that all parents have ended.
func (f *fleet) ready(sh processortest.Shard) bool {
	return !slices.ContainsFunc(sh.Parents, func(p string) bool { return f.hint(p) != processor.ShardEnd })
}

// poll reads a few records of each shard and ends those that have no more.
func (f *fleet) poll(limit int) {
	f.t.Helper()
	for _, sh := range f.stream.Shards() {
		if f.hint(sh.ID) == processor.ShardEnd || !f.ready(sh) {
			continue
		}
		s := f.shard(sh)
		got, end, err := f.stream.Read(f.ctx, "w", sh.ID, s.Position(), limit)
		if err != nil {
			f.t.Fatal(err)
		}
		var records []processor.Record
		for _, r := range got {
			records = append(records, processor.Record(r))
		}
		if err := s.Process(f.ctx, processor.DecodeRecords(&f.decoder, records, f.now)); err != nil {
			f.t.Fatal(err)
		}
		if end {
			if err := s.End(f.ctx, f.now); err != nil {
				f.t.Fatal(err)
			}
			f.forget(sh.ID)
		}
	}
}

// forget closes a shard as a crash would: nothing is committed.
func (f *fleet) forget(id string) {
	f.t.Helper()
	if s := f.open[id]; s != nil {
		if err := s.Close(); err != nil {
			f.t.Fatal(err)
		}
		delete(f.open, id)
	}
}

// release hands all shards over with files of all rows.
func (f *fleet) release() {
	f.t.Helper()
	for id, s := range f.open {
		if err := s.Release(f.ctx, f.now, true); err != nil {
			f.t.Fatal(err)
		}
		f.forget(id)
	}
}

// outcome is what a lake tells, without what depends on the owners.
type outcome struct {
	Events, Changes, Findings map[string]int
	Sums                      map[string]int64
}

func (f *fleet) outcome() outcome {
	f.t.Helper()
	o := outcome{map[string]int{}, map[string]int{}, map[string]int{}, map[string]int64{}}
	each(f.t, f.lake, func(r *export.EventRow) { o.Events[r.EventID]++ })
	each(f.t, f.lake, func(r *export.ChangeRow) { o.Changes[r.ResourceKey+" "+r.Version+" "+r.Effect]++ })
	each(f.t, f.lake, func(r *export.FindingRow) { o.Findings[r.FindingID]++ })
	each(f.t, f.lake, func(r *export.ProgressRow) {
		if r.TableName != string(export.Resources) {
			o.Sums[r.TableName+" rows"] += r.RowCount
			o.Sums["in"] += r.Duplicates + r.Quarantined + r.Control
			if r.TableName == string(export.Events) {
				o.Sums["in"] += r.RowCount
			}
		}
	})
	return o
}

func each[T export.Row](t *testing.T, lake blob.Store, do func(*T)) {
	t.Helper()
	for r, err := range export.ReadRows[T](t.Context(), lake, export.Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		do(r)
	}
}

// run plays two hours of traffic with a fault at some minutes.
func run(t *testing.T, fault func(f *fleet, minute int)) (*fleet, outcome) {
	f := newFleet(t, 2)
	g := processortest.NewGenerator(7, 5)
	for minute := range 130 {
		for range 12 {
			f.now = f.now.Add(5 * time.Second)
			p := g.Next(f.now)
			f.stream.Put(p.PartitionKey, p.Data, f.now)
			f.poll(3)
		}
		fault(f, minute)
	}
	for range 3 {
		f.poll(1000)
	}
	f.release()
	return f, f.outcome()
}

func calm(*fleet, int) {}

// TestACrashLeavesTheSameRows closes shards without a commit again and again,
// with and without their local cache, and compares the lake with that of a
// fleet which was left alone.
func TestACrashLeavesTheSameRows(t *testing.T) {
	_, want := run(t, calm)
	if len(want.Events) < 500 || len(want.Findings) == 0 || len(want.Changes) == 0 {
		t.Fatalf("only %d events, %d findings, %d changes: the run proves nothing", len(want.Events), len(want.Findings), len(want.Changes))
	}
	f, got := run(t, func(f *fleet, minute int) {
		if minute%3 == 0 {
			for id := range maps.Clone(f.open) {
				f.forget(id)
			}
		}
		if minute%9 == 0 {
			f.local = f.t.TempDir()
		}
		f.sink.mu.Lock()
		f.sink.down = minute%20 < 10
		f.sink.mu.Unlock()
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lake after crashes (-left alone +crashed):\n%s", diff)
	}
	each(t, f.lake, func(r *export.FindingRow) {
		if r.SuppressedBy == nil && f.sink.sent[r.FindingID+"/start"] == 0 {
			t.Errorf("finding %s was never sent", r.FindingID)
		}
	})
}

// TestSplitAndMergeKeepEverything splits a shard, merges the upper child with
// its neighbour, and compares with a stream that was left alone.
func TestSplitAndMergeKeepEverything(t *testing.T) {
	_, want := run(t, calm)
	f, got := run(t, func(f *fleet, minute int) {
		switch minute {
		case 20:
			lower := f.stream.Shards()[0]
			middle := new(big.Int).Rsh(new(big.Int).Add(lower.Lo, lower.Hi), 1)
			if !f.stream.Split(lower.ID, middle) {
				f.t.Fatal("not split")
			}
		case 60:
			if !f.stream.Merge(f.stream.Shards()[3].ID, f.stream.Shards()[1].ID) {
				f.t.Fatal("not merged")
			}
		case 61, 62:
			for id := range maps.Clone(f.open) {
				f.forget(id)
			}
		}
	})
	// Some copies come under another partition key: on another shard they are
	// rows, and where shards were merged they are known as copies.
	got.Sums, want.Sums = nil, nil
	for _, m := range []map[string]int{got.Events, got.Changes, got.Findings, want.Events, want.Changes, want.Findings} {
		for k := range m {
			m[k] = 1
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lake after a split and a merge (-left alone +resharded):\n%s", diff)
	}
	snapshots := map[string]float64{}
	each(t, f.lake, func(r *export.ProgressRow) {
		if r.SnapshotID != nil {
			snapshots[*r.SnapshotID] += r.HashShare
		}
	})
	for id, share := range snapshots {
		if share < 0.999999 || share > 1.000001 {
			t.Errorf("snapshot %s is of %v of the hash range", id, share)
		}
	}
	if len(snapshots) == 0 {
		t.Error("no snapshot was taken")
	}
}
