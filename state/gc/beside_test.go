package gc

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// TestBesideCommits lets owners upload, commit, merge segments and split while
// collections run, with steps of theirs between the collector's own requests.
// Whatever a manifest names must be there, always.
func TestBesideCommits(t *testing.T) {
	removed := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "beside-*")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := newWorld(rt, dir)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			if rapid.IntRange(0, 3).Draw(rt, "step") > 0 {
				w.step(rt)
				continue
			}
			w.between = func() {
				for range rapid.IntRange(0, 3).Draw(rt, "steps beside") {
					w.step(rt)
				}
			}
			c := &Collector{State: w, Lake: w.lake, App: app, Stream: stream, Writer: "w"}
			r, err := c.Collect(context.Background(), w.now)
			w.between = nil
			if err != nil {
				rt.Fatal(err)
			}
			removed += r.Total().Objects
			w.check(rt)
		}
	})
	if removed == 0 {
		t.Error("no collection removed anything: this tests nothing")
	}
}

// world is a stream under way, with a time of its own.
type world struct {
	*blob.Dir
	lake    *blob.Dir
	now     time.Time
	between func()
	shards  []*manifest.Manifest
	uploads map[string]upload // not yet named, by key
	count   int
	t       *rapid.T
}

type upload struct {
	shard int
	at    time.Time
}

func newWorld(t *rapid.T, dir string) *world {
	w := &world{now: time.Now(), uploads: map[string]upload{}, t: t}
	for i, to := range []**blob.Dir{&w.Dir, &w.lake} {
		s, err := blob.OpenDir(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		*to = s
	}
	w.save(empty("s0"))
	w.shards = []*manifest.Manifest{empty("s0")}
	return w
}

// Get gives the owners a chance to work between two requests of the collector.
func (w *world) Get(ctx context.Context, key string) ([]byte, string, error) {
	if f := w.between; f != nil {
		w.between = nil // steps use the store too
		f()
		w.between = f
	}
	return w.Dir.Get(ctx, key)
}

func (w *world) save(m *manifest.Manifest) {
	data, err := manifest.Encode(m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(manifest.Key(app, stream, m.Shard), data)
}

func (w *world) put(key string, data []byte) {
	if _, err := w.Put(context.Background(), key, data); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.URL(), filepath.FromSlash(key))
	if err := os.Chtimes(path, w.now, w.now); err != nil {
		w.t.Fatal(err)
	}
}

// step is one thing that an owner does.
func (w *world) step(t *rapid.T) {
	i := rapid.IntRange(0, len(w.shards)-1).Draw(t, "shard")
	m := w.shards[i]
	switch action := rapid.IntRange(0, 9).Draw(t, "action"); {
	case action < 3:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "hours")) * time.Hour)
	case m.Closed:
	case action < 6:
		w.count++
		key := fmt.Sprintf("%sseg/%d.seg", manifest.Prefix(app, stream, m.Shard), w.count)
		w.put(key, []byte(key))
		w.uploads[key] = upload{i, w.now}
	case action < 8:
		w.commit(t, i)
	case len(w.shards) < 8:
		w.split(i)
	}
}

// commit names what was uploaded within the hour, and drops what it replaces. An
// upload that is older is forgotten, as that of an owner that was fenced.
func (w *world) commit(t *rapid.T, i int) {
	m := w.shards[i].Clone()
	if len(m.Segments) > 0 && rapid.Bool().Draw(t, "replaces") {
		m.Segments = m.Segments[rapid.IntRange(1, len(m.Segments)).Draw(t, "how many"):]
	}
	for _, key := range sortedKeys(w.uploads) {
		if u := w.uploads[key]; u.shard == i {
			if w.now.Sub(u.at) <= time.Hour {
				m.Segments = append(m.Segments, segments(key)...)
			}
			delete(w.uploads, key)
		}
	}
	m.Ckpt++
	w.shards[i] = m
	w.save(m)
}

func (w *world) split(i int) {
	parent := w.shards[i].Clone()
	parent.Closed = true
	w.shards[i] = parent
	w.save(parent)
	for _, side := range []string{"l", "h"} {
		child := empty(parent.Shard + side)
		child.Parents, child.Segments = []manifest.Parent{{Shard: parent.Shard, Ckpt: parent.Ckpt}}, slices.Clone(parent.Segments)
		w.shards = append(w.shards, child)
		w.save(child)
	}
}

func (w *world) check(t *rapid.T) {
	for _, m := range w.shards {
		for _, s := range m.Segments {
			if _, _, err := w.Dir.Get(context.Background(), s.Key); err != nil {
				t.Fatalf("shard %s names %s: %v", m.Shard, s.Key, err)
			}
		}
	}
}

func sortedKeys(m map[string]upload) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
