package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// check holds what a fleet left against what a replay of the same traffic
// leaves, and against itself. Beside the traffic there were pieces that nobody
// could read.
func (f *crew) check(tr *traffic, quarantined int) {
	f.t.Helper()
	got := outcomeOf(f.t, f.lake, f.state)
	lost, twice := 0, 0
	for id := range tr.ids {
		if got.Events[id] == 0 {
			lost++
		}
	}
	for id, n := range got.Events {
		if tr.ids[id] == 0 {
			f.t.Errorf("event %s was never put", id)
		}
		twice += n - 1
	}
	if lost > 0 || twice > 0 {
		f.t.Errorf("%d events are lost and %d rows are there twice, of %d", lost, twice, len(tr.ids))
	}
	sortFindings := func(a, b export.FindingRow) int {
		return cmp.Or(strings.Compare(a.FindingID, b.FindingID), cmp.Compare(a.EventTS, b.EventTS), strings.Compare(a.TriggerEventID, b.TriggerEventID))
	}
	slices.SortFunc(got.Findings, sortFindings)
	want := slices.SortedFunc(slices.Values(tr.ref.Findings), sortFindings)
	if diff := gocmp.Diff(want, got.Findings); diff != "" {
		f.t.Errorf("findings (-replay +fleet):\n%s", shortText(diff))
	}
	if diff := gocmp.Diff(tr.ref.Inventory, got.Inventory); diff != "" {
		f.t.Errorf("inventory (-replay +fleet):\n%s", shortText(diff))
	}
	f.checkManifests(int64(len(tr.ids)), int64(quarantined))
	f.checkFiles()
	if f.watch != nil {
		f.watch.end()
	}
	f.row(lost, twice)
	if f.t.Failed() {
		f.explain()
	}
}

// checkManifests holds the manifests against the lease table, their segments
// and each other.
func (f *crew) checkManifests(rows, quarantined int64) {
	f.t.Helper()
	leases, sum := f.leases(), manifest.Counts{}
	manifests := f.manifests()
	for shard, m := range manifests {
		if err := m.Check(); err != nil {
			f.t.Errorf("%s: %v", shard, err)
		}
		if err := processor.Verify(f.t.Context(), store(f.t, f.state), m); err != nil {
			f.t.Error(err)
		}
		c := m.Counts
		if c.In != c.Rows+c.Duplicates+c.Control+c.Quarantined {
			f.t.Errorf("%s: counts do not add up: %+v", shard, c)
		}
		sum = sum.Plus(c)
		hint := leases[shard].checkpoint
		switch {
		case m.Closed != (hint == processor.ShardEnd):
			f.t.Errorf("%s: closed %v, but the lease table says %q", shard, m.Closed, hint)
		case !m.Closed && manifest.CompareSeq(hint, m.Seq) > 0:
			f.t.Errorf("%s: the lease table is at %s, ahead of the manifest's %s", shard, hint, m.Seq)
		case leases[shard].owner != "" && !m.Closed: // one that was killed right after the end stays in its row
			f.t.Errorf("%s has an owner though all workers have stopped", shard)
		}
		for _, p := range m.Parents {
			if parent := manifests[p.Shard]; parent == nil || !parent.Closed || parent.Ckpt != p.Ckpt {
				f.t.Errorf("%s was born of checkpoint %d of %s, which is %+v", shard, p.Ckpt, p.Shard, parent)
			}
		}
	}
	if sum.Rows != rows || sum.Quarantined != quarantined {
		f.t.Errorf("the manifests count %d rows and %d quarantined, want %d and %d", sum.Rows, sum.Quarantined, rows, quarantined)
	}
}

// checkFiles holds that the table progress names all files of rolled tables that
// readers see, no others, and counts their rows.
func (f *crew) checkFiles() {
	f.t.Helper()
	lake := store(f.t, f.lake)
	told, rows := map[string]bool{}, map[string]int64{}
	for row, err := range export.ReadRows[export.ProgressRow](f.t.Context(), lake, export.Selection{}) {
		if err != nil {
			f.t.Fatal(err)
		}
		for _, name := range row.Files {
			told[name] = true
		}
		rows[row.TableName] += row.RowCount
	}
	seen := map[string]bool{}
	for o, err := range lake.List(f.t.Context(), "") {
		if err != nil {
			f.t.Fatal(err)
		}
		table, _, _ := strings.Cut(o.Key, "/")
		if strings.HasPrefix(o.Key, "_") || table == string(export.Progress) {
			continue
		}
		seen[o.Key] = true
	}
	if diff := gocmp.Diff(told, seen); diff != "" {
		f.t.Errorf("files (-told by progress +in the lake):\n%s", shortText(diff))
	}
	if c := f.sum(); rows["events"] != c.Rows || rows["findings"] != c.Findings || rows["resource_changes"] != c.Changes {
		f.t.Errorf("progress tells of %v rows, the manifests of %+v", rows, c)
	}
}

// shortText is the beginning of a long text.
func shortText(text string) string {
	if len(text) > 4000 {
		return text[:4000] + "…"
	}
	return text
}

// results are the rows of the printed table.
type results struct {
	mu   sync.Mutex
	rows []string
}

// row adds a line to the table: what every scenario tells, and its notes.
func (f *crew) row(lost, twice int) {
	var read int64
	for _, m := range f.workers {
		read += m.read
	}
	if logged := f.errors(); len(logged) > 0 {
		f.note = append(f.note, fmt.Sprintf("errors logged: %v", logged))
	}
	verdict := "ok"
	if f.t.Failed() {
		verdict = "FAILED"
	}
	_, name, _ := strings.Cut(f.t.Name(), "/scenarios/")
	f.results.mu.Lock()
	defer f.results.mu.Unlock()
	f.results.rows = append(f.results.rows, fmt.Sprintf("%s\t%s\t%.0f s\t%d\t%d\t%d\t%d\t%d\t%s", name, verdict, time.Since(f.began).Seconds(), len(f.workers),
		f.sent.Load(), max(0, read-f.sent.Load()), lost, twice, strings.Join(f.note, "; ")))
}

// tell adds the row of a scenario that did not come to its end.
func (f *crew) tell() {
	if f.t.Failed() && f.watch != nil {
		f.watch.end()
	}
}

func (r *results) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.rows)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "scenario\tverdict\ttook\tworkers\trecords\tread again\tlost\ttwice\tnotes")
	for _, row := range r.rows {
		_, _ = fmt.Fprintln(table, row)
	}
	_ = table.Flush()
}

// mark is where a shard stood when its manifest was seen to have changed.
type mark struct {
	at          time.Time
	epoch, ckpt int64
	writer, seq string
}

// watch follows the manifests in a folder while workers run, and sees that
// nothing ever goes back.
type watch struct {
	f    *crew
	mu   sync.Mutex
	seen map[string][]mark
	stop chan struct{}
	done chan struct{}
	once sync.Once
}

func (f *crew) watching() *watch {
	w := &watch{f: f, seen: map[string][]mark{}, stop: make(chan struct{}), done: make(chan struct{})}
	f.watch = w
	go func() {
		defer close(w.done)
		last := map[string]*manifest.Manifest{}
		for {
			select {
			case <-w.stop:
				return
			case <-time.After(10 * time.Millisecond):
				w.look(last)
			}
		}
	}()
	return w
}

func (w *watch) look(last map[string]*manifest.Manifest) {
	t := w.f.t
	paths, _ := filepath.Glob(filepath.Join(w.f.state, "cairn", w.f.stream, "*", "MANIFEST"))
	for _, path := range paths {
		shard := filepath.Base(filepath.Dir(path))
		m, err := manifest.ReadManifest(t.Context(), store(t, w.f.state), manifest.Key("cairn", w.f.stream, shard))
		if err != nil {
			continue // it is read again
		}
		before := last[shard]
		if before != nil && before.Epoch == m.Epoch && before.Ckpt == m.Ckpt {
			continue
		}
		if before != nil && (m.Epoch < before.Epoch || m.Ckpt < before.Ckpt || manifest.CompareSeq(m.Seq, before.Seq) < 0 || m.Watermark.Before(before.Watermark) || before.Closed && !m.Closed) {
			t.Errorf("%s went back: from epoch %d, checkpoint %d, %s, to epoch %d, checkpoint %d, %s", shard, before.Epoch, before.Ckpt, before.Seq, m.Epoch, m.Ckpt, m.Seq)
		}
		if before != nil && before.Epoch == m.Epoch && before.Writer != m.Writer {
			t.Errorf("%s: two writers in epoch %d", shard, m.Epoch)
		}
		last[shard] = m
		w.mu.Lock()
		w.seen[shard] = append(w.seen[shard], mark{time.Now(), m.Epoch, m.Ckpt, m.Writer, m.Seq})
		w.mu.Unlock()
	}
}

func (w *watch) end() {
	w.once.Do(func() { close(w.stop) })
	<-w.done
}

// marks are those of a shard so far.
func (w *watch) marks(shard string) []mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen[shard])
}

// takenOver is when a shard first had another owner after a time; zero when that
// has not happened.
func (w *watch) takenOver(shard string, after time.Time) time.Time {
	var epoch int64
	for _, m := range w.marks(shard) {
		if m.at.Before(after) {
			epoch = m.epoch
		} else if m.epoch > epoch {
			return m.at
		}
	}
	return time.Time{}
}

// firstCommit is when a shard was first committed by somebody who owns it since
// after a time; zero when that has not happened.
func (w *watch) firstCommit(shard string, after time.Time) time.Time {
	var epoch, ckpt int64
	for _, m := range w.marks(shard) {
		if m.at.Before(after) {
			epoch, ckpt = m.epoch, m.ckpt
			continue
		}
		if m.epoch == epoch {
			ckpt = m.ckpt // the old owner's last ones
		}
		if m.epoch > epoch && m.ckpt > ckpt {
			return m.at
		}
	}
	return time.Time{}
}

// spread tells the median, the 99th of a hundred and the greatest of some times.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "none"
	}
	slices.Sort(times)
	at := func(share float64) float64 { return times[int(share*float64(len(times)-1)+0.5)].Seconds() }
	return fmt.Sprintf("p50 %.1f s, p99 %.1f s, max %.1f s of %d", at(0.5), at(0.99), at(1), len(times))
}
