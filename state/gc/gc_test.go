package gc

import (
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

const (
	app, stream = "cairn", "trail"
	young, old  = 47 * time.Hour, 49 * time.Hour
)

// fixture is a stream's stores, in folders whose files can be made old.
type fixture struct {
	testing.TB
	ctx               context.Context
	stateDir, lakeDir string
	state, lake       *blob.Dir
	now               time.Time
	Collector         *Collector
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, ctx: context.Background(), stateDir: t.TempDir(), lakeDir: t.TempDir(), now: time.Now()}
	var err error
	if f.state, err = blob.OpenDir(f.stateDir); err != nil {
		t.Fatal(err)
	}
	if f.lake, err = blob.OpenDir(f.lakeDir); err != nil {
		t.Fatal(err)
	}
	f.Collector = &Collector{State: f.state, Lake: f.lake, App: app, Stream: stream, Writer: "w"}
	return f
}

// put makes an object of the given age; staged ones go to the lake.
func (f *fixture) put(key string, age time.Duration) string {
	f.Helper()
	store, dir := f.state, f.stateDir
	if strings.HasPrefix(key, "_") {
		store, dir = f.lake, f.lakeDir
	}
	if _, err := store.Put(f.ctx, key, []byte(key)); err != nil {
		f.Fatal(err)
	}
	f.age(dir, key, age)
	return key
}

func (f *fixture) age(dir, key string, age time.Duration) {
	f.Helper()
	at := f.now.Add(-age)
	if err := os.Chtimes(filepath.Join(dir, filepath.FromSlash(key)), at, at); err != nil {
		f.Fatal(err)
	}
}

// empty is a manifest that names nothing.
func empty(name string) *manifest.Manifest {
	return &manifest.Manifest{Format: manifest.Format, App: app, Stream: stream, Shard: name, Writer: "w", HashRange: [2]string{"0", "99"}}
}

func segments(keys ...string) (out []manifest.Segment) {
	for _, k := range keys {
		out = append(out, manifest.Segment{Key: k, Kind: "delta", X: manifest.WholeAll})
	}
	return out
}

func (f *fixture) write(m *manifest.Manifest) {
	f.Helper()
	data, err := manifest.Encode(m)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := f.state.Put(f.ctx, manifest.Key(app, stream, m.Shard), data); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) history(m *manifest.Manifest, age time.Duration) string {
	f.Helper()
	if err := manifest.WriteHistory(f.ctx, f.state, m); err != nil {
		f.Fatal(err)
	}
	f.age(f.stateDir, manifest.HistoryKey(m), age)
	return manifest.HistoryKey(m)
}

// all lists both stores, without the stream's note.
func (f *fixture) all() map[string]bool {
	f.Helper()
	out := map[string]bool{}
	for _, s := range []*blob.Dir{f.state, f.lake} {
		for o, err := range s.List(f.ctx, "") {
			if err != nil {
				f.Fatal(err)
			}
			if o.Key != NoteKey(app, stream) {
				out[o.Key] = true
			}
		}
	}
	return out
}

func (f *fixture) collect() *Report {
	f.Helper()
	r, err := f.Collector.Collect(f.ctx, f.now)
	if err != nil {
		f.Fatal(err)
	}
	return r
}

// stream with a parent, its two children, and garbage of every kind. It returns
// what has to go.
func (f *fixture) fill() (garbage []string) {
	const p, c, d = "cairn/trail/p/", "cairn/trail/c/", "cairn/trail/d/"
	parent := empty("p")
	parent.Closed = true
	f.write(parent) // names nothing any more: only the children know its segments
	child := empty("c")
	child.Parents = []manifest.Parent{{Shard: "p", Ckpt: 9}}
	child.Segments = segments(f.put(p+"seg/1-1-1-w.seg", old), f.put(c+"seg/1-1-1-w.seg", old))
	child.Dedup = []manifest.Dedup{{Key: f.put(p+"dedup/1-2-w.ids", old)}}
	child.RowLogs = []manifest.RowLog{{Key: f.put(c+"rows/1-1-w.rows", old)}}
	child.Pending = []manifest.Pending{{Stage: f.put("_stage/c/1-1-w-0", old), Final: "events/x.parquet"}}
	f.write(child)
	other := empty("d")
	other.Parents = child.Parents
	other.Segments = segments(p + "seg/1-1-1-w.seg")
	f.write(other)
	before := child.Clone()
	before.Ckpt, before.Segments = 1, segments(f.put(c+"seg/1-0-0-w.seg", old))
	f.history(before, young)
	before.Ckpt, before.Segments = 0, segments(f.put(c+"seg/0-0-0-w.seg", old))
	garbage = append(garbage, f.history(before, old), c+"seg/0-0-0-w.seg")
	for _, key := range []string{p + "seg/1-9-9-w.seg", c + "seg/1-2-2-x.seg", c + "rows/1-2-x.rows", d + "dedup/1-2-x.ids", "_stage/c/1-2-x-0", "_stage/d/1-2-x-dlq"} {
		garbage = append(garbage, f.put(key, old))
		f.put(key+"-young", young)
	}
	f.put("cairn/trail/ID", old)
	f.put(c+"notes/by-hand.txt", old)
	f.put("cairn/other/c/seg/1-1-1-w.seg", old) // another stream's
	f.put("cairn/trail/lost/seg/1-1-1-w.seg", old)
	f.put("_stage/lost/1-1-w-0", old)
	f.put("_dlq/c-0000000001.ndjson.zst", old)
	return garbage
}

func TestCollectsWhatNobodyNames(t *testing.T) {
	f := newFixture(t)
	garbage := f.fill()
	want := f.all()
	for _, key := range garbage {
		delete(want, key)
	}
	r := f.collect()
	if diff := cmp.Diff(want, f.all()); diff != "" {
		t.Errorf("left in the stores (-want +got):\n%s", diff)
	}
	if r.Total().Objects != int64(len(garbage)) || r.Shards != 3 || !slices.Equal(r.Lost, []string{"lost"}) {
		t.Errorf("%+v", r)
	}
	counts := map[string]int64{}
	for kind, a := range r.Garbage {
		counts[kind] = a.Objects
	}
	if diff := cmp.Diff(map[string]int64{"seg": 3, "rows": 1, "dedup": 1, "hist": 1, "_stage": 2}, counts); diff != "" {
		t.Error(diff)
	}
	if again := f.collect(); again.Total() != (Amount{}) || again.Kept != r.Kept {
		t.Errorf("a second time: %+v, kept %+v before", again, r.Kept)
	}
}

func TestReportOnlyRemovesNothing(t *testing.T) {
	f := newFixture(t)
	garbage := f.fill()
	before := f.all()
	f.Collector.ReportOnly = true
	r := f.collect()
	if diff := cmp.Diff(before, f.all()); diff != "" {
		t.Error(diff)
	}
	var bytes int64
	for _, key := range garbage {
		if !strings.Contains(key, "/hist/") {
			bytes += int64(len(key)) // put writes the key as the bytes
		}
	}
	total := r.Total()
	total.Bytes -= r.Garbage["hist"].Bytes
	if total != (Amount{int64(len(garbage)), bytes}) || !r.ReportOnly {
		t.Errorf("%+v, want %d objects and %d bytes", r, len(garbage), bytes)
	}
}

// TestUnreadableManifestStopsAll: what it names is not known.
func TestUnreadableManifestStopsAll(t *testing.T) {
	for name, key := range map[string]string{"manifest": "cairn/trail/c/MANIFEST", "young copy": "cairn/trail/c/hist/77-1.json"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.fill()
			if _, err := f.state.Put(f.ctx, key, []byte(`{"format": 99}`)); err != nil {
				t.Fatal(err)
			}
			before := f.all()
			if _, err := f.Collector.Collect(f.ctx, f.now); !errors.Is(err, manifest.ErrFormat) {
				t.Errorf("%v, want %v", err, manifest.ErrFormat)
			}
			if diff := cmp.Diff(before, f.all()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTurn(t *testing.T) {
	f := newFixture(t)
	f.fill()
	turn := func(at time.Time) *Report {
		t.Helper()
		r, err := f.Collector.Turn(f.ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := turn(f.now); r == nil || r.Total().Objects == 0 {
		t.Fatalf("first turn: %+v", r)
	}
	note, err := ReadNote(f.ctx, f.state, app, stream)
	if err != nil || note.By != "w" || !note.At.Equal(f.now) || note.Report == nil || note.Report.Shards != 3 {
		t.Errorf("note %+v %v", note, err)
	}
	if r := turn(f.now.Add(56 * time.Minute)); r != nil {
		t.Errorf("within the hour: %+v", r)
	}
	if r := turn(f.now.Add(time.Hour - time.Second)); r == nil || r.Total().Objects != 0 {
		t.Errorf("after an hour: %+v", r)
	}
	if r := turn(f.now.Add(-30 * 24 * time.Hour)); r == nil {
		t.Error("a note from a time to come stopped the collection")
	}
}

// TestOneOfManyTakesTheTurn: of processes that try at once exactly one collects.
func TestOneOfManyTakesTheTurn(t *testing.T) {
	f := newFixture(t)
	f.fill()
	for round := range 10 {
		var wait sync.WaitGroup
		reports := make([]*Report, 6)
		for i := range reports {
			c := *f.Collector
			wait.Go(func() {
				var err error
				if reports[i], err = c.Turn(f.ctx, f.now.Add(time.Duration(round)*time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n := len(slices.DeleteFunc(reports, func(r *Report) bool { return r == nil })); n != 1 {
			t.Fatalf("round %d: %d collections", round, n)
		}
	}
}

// TestClockAheadMakesNothingOld: the store's time counts.
func TestClockAheadMakesNothingOld(t *testing.T) {
	f := newFixture(t)
	f.write(empty("c"))
	f.put("cairn/trail/c/seg/1-1-1-w.seg", time.Minute)
	r, err := f.Collector.Turn(f.ctx, f.now.Add(100*time.Hour))
	if err != nil || r == nil || r.Total().Objects != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestManifestGoes holds each condition under which the manifest of an ended
// shard goes.
func TestManifestGoes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *fixture, parent, low, high *manifest.Manifest)
		want   bool
	}{
		"all hold":        {want: true},
		"not closed":      {change: func(_ *fixture, p, _, _ *manifest.Manifest) { p.Closed = false }},
		"still listed":    {change: func(f *fixture, _, _, _ *manifest.Manifest) { f.listing("p", "low", "high") }},
		"listing fails":   {change: func(f *fixture, _, _, _ *manifest.Manifest) { f.listing() }},
		"no listing":      {change: func(f *fixture, _, _, _ *manifest.Manifest) { f.Collector.Listed = nil }},
		"a child missing": {change: func(_ *fixture, _, _, high *manifest.Manifest) { high.Parents = nil }},
		"a gap of one":    {change: func(_ *fixture, _, _, high *manifest.Manifest) { high.HashRange[0] = "51" }},
		"a child names it": {change: func(_ *fixture, _, low, _ *manifest.Manifest) {
			low.Segments = segments("cairn/trail/p/seg/1-1-1-w.seg")
		}},
		"a copy names it":   {change: func(f *fixture, _, low, _ *manifest.Manifest) { f.named(low, "cairn/trail/p/seg/1-1-1-w.seg") }},
		"a young object":    {change: func(f *fixture, _, _, _ *manifest.Manifest) { f.put("cairn/trail/p/seg/2-1-1-w.seg", young) }},
		"a parent is there": {change: func(f *fixture, p, _, _ *manifest.Manifest) { f.grandparent(p) }},
		"its parent is gone": {change: func(_ *fixture, p, _, _ *manifest.Manifest) {
			p.Parents = []manifest.Parent{{Shard: "g"}}
		}, want: true},
		"merged into one": {change: func(_ *fixture, _, low, high *manifest.Manifest) {
			low.HashRange[1], high.Parents = "200", nil
		}, want: true},
	} {
		t.Run(name, func(t *testing.T) { manifestGoes(t, c.change, c.want) })
	}
}

func (f *fixture) listing(shards ...string) {
	f.Collector.Listed = func(context.Context) ([]string, error) { return shards, nil }
}

func (f *fixture) named(by *manifest.Manifest, key string) {
	before := by.Clone()
	before.Ckpt, before.Segments = 3, segments(key)
	f.history(before, young)
}

func (f *fixture) grandparent(p *manifest.Manifest) {
	p.Parents = []manifest.Parent{{Shard: "g"}}
	g := empty("g")
	g.Closed = true
	f.write(g)
}

func manifestGoes(t *testing.T, change func(f *fixture, parent, low, high *manifest.Manifest), want bool) {
	f := newFixture(t)
	f.listing("low", "high")
	parent, low, high := empty("p"), empty("low"), empty("high")
	parent.Closed = true
	parent.Segments = segments(f.put("cairn/trail/p/seg/1-1-1-w.seg", old))
	f.put("_stage/p/1-1-w-0", old)
	low.HashRange, high.HashRange = [2]string{"0", "49"}, [2]string{"50", "99"}
	low.Parents = []manifest.Parent{{Shard: "p"}}
	high.Parents = low.Parents
	if change != nil {
		change(f, parent, low, high)
	}
	f.write(parent)
	f.write(low)
	f.write(high)
	start := f.now
	// Six days and 23 hours after it was first missed nothing may happen yet.
	for _, passed := range []time.Duration{0, 7*24*time.Hour - time.Hour} {
		f.turnAt(start.Add(passed))
		if !f.all()["cairn/trail/p/MANIFEST"] || !f.all()["cairn/trail/p/seg/1-1-1-w.seg"] {
			t.Fatalf("gone %v after it was missed", passed)
		}
	}
	report := f.turnAt(start.Add(7 * 24 * time.Hour))
	if gone := !f.all()["cairn/trail/p/MANIFEST"]; gone != want || slices.Contains(reportOf(report).Removed, "p") != want {
		t.Errorf("manifest gone: %v, report %+v, want %v", gone, report, want)
	}
	for key := range f.all() {
		if want && strings.Contains(key, "/p/") {
			t.Errorf("%s outlives its manifest", key)
		}
	}
}

// turnAt takes a turn when both clocks say at, with all objects as old as they
// are; an error is that of the listing.
func (f *fixture) turnAt(at time.Time) *Report {
	c := *f.Collector
	c.State = clockStore{f.state, at}
	r, _ := c.Turn(f.ctx, at)
	return r
}

func reportOf(r *Report) *Report {
	if r == nil {
		return &Report{}
	}
	return r
}

// clockStore gives the stream's note another time, as a store would that is
// asked then.
type clockStore struct {
	*blob.Dir
	now time.Time
}

func (s clockStore) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for o, err := range s.Dir.List(ctx, prefix) {
			if o.Key == NoteKey(app, stream) {
				o.Modified = s.now
			}
			if strings.Contains(o.Key, "2-1-1-w.seg") || strings.Contains(o.Key, "/hist/") {
				o.Modified = s.now.Add(-young) // stays young
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

func TestNamedKeepsWhoNames(t *testing.T) {
	c := &collection{named: map[string]map[string]bool{}}
	m := empty("c")
	m.Segments, m.Dedup = segments("a"), []manifest.Dedup{{Key: "b"}}
	m.RowLogs, m.Pending = []manifest.RowLog{{Key: "r"}}, []manifest.Pending{{Stage: "s", Final: "f"}}
	c.name("c", m)
	c.name("d", &manifest.Manifest{Segments: segments("a")})
	if got := slices.Sorted(maps.Keys(c.named)); !slices.Equal(got, []string{"a", "b", "r", "s"}) || len(c.named["a"]) != 2 {
		t.Errorf("named %v", c.named)
	}
}
