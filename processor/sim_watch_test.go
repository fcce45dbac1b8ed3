package processor_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/state/manifest"
)

// watch holds every write against what the protocol allows, in the order in
// which the stores take them.
type watch struct {
	world *world

	mu        sync.Mutex
	errs      []string
	manifests map[string]*manifest.Manifest // the last one, by shard
	segments  map[string]string             // SHA-256 of every object of the state store, by key
	files     map[string]string             // and of the lake
	committed map[string]manifest.Pending   // every file that a manifest named, by its published name
	alerts    map[string]bool               // ids of those that were sent
	owners    map[string]bool               // writers of manifests
	commits   int
	rolls     int
	merges    int
}

func newWatch(w *world) *watch {
	return &watch{world: w, manifests: map[string]*manifest.Manifest{}, segments: map[string]string{}, files: map[string]string{},
		committed: map[string]manifest.Pending{}, alerts: map[string]bool{}, owners: map[string]bool{}}
}

func (w *watch) errorf(format string, args ...any) {
	w.errs = append(w.errs, fmt.Sprintf(format, args...))
	w.world.logf("WRONG: "+format, args...)
}

// report is errorf for those who do not hold the lock.
func (w *watch) report(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errorf(format, args...)
}

// fenced tells whether the owner that m names has written a manifest.
func (w *watch) fenced(m *manifest.Manifest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owners[m.Writer]
}

func (w *watch) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.errs) > 0
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// state is told of writes to the state store.
func (w *watch) state(c processortest.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasSuffix(c.Key, "/MANIFEST") {
		w.manifest(c)
		return
	}
	if c.Op == "delete" {
		delete(w.segments, c.Key)
		return
	}
	w.once(w.segments, c)
}

// once notes an object. What has a name of its own never changes.
func (w *watch) once(objects map[string]string, c processortest.Change) {
	sum := digest(c.Data)
	if old, ok := objects[c.Key]; ok && old != sum && !strings.HasSuffix(c.Key, "/GC") {
		w.errorf("%s wrote other bytes to %s", c.Worker, c.Key)
	}
	objects[c.Key] = sum
}

// lake is told of writes to the lake. What readers see must be committed.
func (w *watch) lake(c processortest.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case c.Key == "_cairn.json":
	case c.Op == "delete":
		if !strings.HasPrefix(c.Key, "_stage/") {
			w.errorf("%s deleted %s", c.Worker, c.Key)
		}
		delete(w.files, c.Key)
	case strings.HasPrefix(c.Key, "_stage/"):
		w.once(w.files, c)
	default:
		w.published(c)
	}
}

func (w *watch) published(c processortest.Change) {
	p, ok := w.committed[c.Key]
	sum := digest(c.Data)
	switch {
	case !ok:
		w.errorf("%s made %s visible, which no commit has", c.Worker, c.Key)
	case p.SHA256 != sum:
		w.errorf("%s published other bytes as %s than were committed", c.Worker, c.Key)
	}
	w.files[c.Key] = sum
	if w.world.lake.Rename && c.Stage != "" {
		delete(w.files, c.Stage)
	}
}

// lease is told of checkpoints in the lease table.
func (w *watch) lease(shard string, l processortest.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.manifests[shard]
	switch {
	case m == nil:
		w.errorf("the lease table has %s for %s, which has no manifest", l.Checkpoint, shard)
	case l.Checkpoint == processortest.ShardEnd && !m.Closed:
		w.errorf("the lease table says that %s has ended, which is not closed", shard)
	case l.Checkpoint != processortest.ShardEnd && processortest.CompareSequences(l.Checkpoint, m.Seq) > 0:
		w.errorf("the lease table has %s for %s, which stands at %s", l.Checkpoint, shard, m.Seq)
	}
}

// manifest compares a commit with the one before.
func (w *watch) manifest(c processortest.Change) {
	if c.Op == "delete" {
		w.errorf("%s deleted %s", c.Worker, c.Key)
		return
	}
	m, err := manifest.Decode(c.Data)
	if err != nil {
		w.errorf("%s: %v", c.Key, err)
		return
	}
	w.commits++
	w.world.logf("%s committed %s checkpoint %d epoch %d at %s%s", c.Worker, m.Shard, m.Ckpt, m.Epoch, m.Seq, flags(m))
	if last := w.manifests[m.Shard]; last != nil {
		w.follows(last, m)
	}
	w.named(m)
	w.owners[m.Writer] = true
	w.manifests[m.Shard] = m
	for _, p := range m.Pending {
		if old, ok := w.committed[p.Final]; ok && old.SHA256 != p.SHA256 {
			w.errorf("%s is named twice, with different bytes", p.Final)
		}
		w.committed[p.Final] = p
	}
}

func flags(m *manifest.Manifest) string {
	text := fmt.Sprintf(", %d segments, %d row logs, %d pending", len(m.Segments), len(m.RowLogs), len(m.Pending))
	if m.Closed {
		text += ", closed"
	}
	return text
}

// follows says what must not fall from one commit to the next.
func (w *watch) follows(last, m *manifest.Manifest) {
	is := func(ok bool, what string) {
		if !ok {
			w.errorf("%s checkpoint %d epoch %d after checkpoint %d epoch %d: %s", m.Shard, m.Ckpt, m.Epoch, last.Ckpt, last.Epoch, what)
		}
	}
	is(m.Epoch == last.Epoch || m.Epoch == last.Epoch+1, "the epoch does not rise by one")
	is(m.Epoch != last.Epoch || m.Writer == last.Writer, "two writers in one epoch")
	is(m.Ckpt == last.Ckpt || m.Ckpt == last.Ckpt+1, "the checkpoint does not rise by one")
	is(processortest.CompareSequences(m.Seq, last.Seq) >= 0, "the position falls")
	is(!m.Watermark.Before(last.Watermark) && !m.Arrival.Before(last.Arrival), "the watermark or the arrival falls")
	is(m.Closed || !last.Closed, "a closed shard is open again")
	for table, mark := range last.Cut {
		is(m.Cut[table].Ckpt >= mark.Ckpt, "the cut of "+table+" falls")
	}
	for table, mark := range last.Rolled {
		is(m.Rolled[table].Ckpt >= mark.Ckpt, "what is rolled of "+table+" falls")
	}
	for table, mark := range m.Rolled {
		is(mark.Ckpt <= m.Cut[table].Ckpt, table+" is rolled beyond its cut")
		if mark.Ckpt > last.Rolled[table].Ckpt {
			w.rolls++
		}
	}
	was, is2 := last.Counts, m.Counts
	is(is2.In >= was.In && is2.Rows >= was.Rows && is2.Duplicates >= was.Duplicates && is2.Findings >= was.Findings, "a count falls")
	if len(m.Segments) < len(last.Segments) {
		w.merges++
	}
}

// named says that all is there that a commit names.
func (w *watch) named(m *manifest.Manifest) {
	there := func(objects map[string]string, key, sum string) {
		switch got, ok := objects[key]; {
		case !ok:
			w.errorf("%s checkpoint %d names %s, which is not there", m.Shard, m.Ckpt, key)
		case got != sum:
			w.errorf("%s checkpoint %d names %s, which has other bytes", m.Shard, m.Ckpt, key)
		}
	}
	for _, s := range m.Segments {
		there(w.segments, s.Key, s.SHA256)
	}
	for _, d := range m.Dedup {
		there(w.segments, d.Key, d.SHA256)
	}
	for _, l := range m.RowLogs {
		there(w.segments, l.Key, l.SHA256)
	}
	for _, p := range m.Pending {
		if w.files[p.Final] != p.SHA256 {
			there(w.files, p.Stage, p.SHA256)
		}
	}
	if c := m.Counts; c.In != c.Rows+c.Duplicates+c.Control+c.Quarantined {
		w.errorf("%s checkpoint %d: in %d is not rows %d + duplicates %d + control %d + quarantined %d", m.Shard, m.Ckpt, c.In, c.Rows, c.Duplicates, c.Control, c.Quarantined)
	}
	if m.Closed && len(m.RowLogs)+len(m.Pending) > 0 {
		w.errorf("%s is closed with %d row logs and %d files to publish", m.Shard, len(m.RowLogs), len(m.Pending))
	}
}

// count adds what the commits did to the totals.
func (w *watch) count(sum *totals) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum.Commits += w.commits
	sum.Rolls += w.rolls
	sum.Compactions += w.merges
	for _, m := range w.manifests {
		for _, s := range m.Snapshots {
			if !s.Through.IsZero() {
				sum.Snapshots++
			}
		}
	}
}
