package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/cairnstream/cairn/state/segment"
)

// shard is a store with its segments: what a commit does with state, without
// the rest of a commit.
type shard struct {
	t     fatal
	blobs blob.Store
	store *Store
	m     *manifest.Manifest
	ids   map[string]string // event ids, live
}

type fatal interface {
	Fatal(...any)
	Fatalf(string, ...any)
	Helper()
}

func newShard(t fatal, root, local string) *shard {
	blobs, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(local, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest.Manifest{Format: manifest.Format, App: "cairn", Stream: "trail", Shard: "s-1", Epoch: 1, Writer: "00112233aabbccdd"}
	return &shard{t: t, blobs: blobs, store: store, m: m, ids: map[string]string{}}
}

// commit writes what changed, with some event ids, and applies it.
func (s *shard) commit(ids ...Row) manifest.Segment {
	s.t.Helper()
	o := s.store.Freeze()
	next := s.m.Clone()
	next.Ckpt++
	ref, err := WriteDelta(context.Background(), s.blobs, next, o, ids)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range ids {
		if id.Deleted {
			delete(s.ids, string(id.Key))
		} else {
			s.ids[string(id.Key)] = string(id.Value)
		}
	}
	next.Segments = append(next.Segments, ref)
	totals := o.Totals()
	hash := manifest.Hash(totals.Hash)
	next.StateRows, next.StateHash = totals.Rows, &hash
	if err := s.store.Apply(o, Marker{Checkpoint: next.Ckpt, Epoch: next.Epoch}); err != nil {
		s.t.Fatal(err)
	}
	s.m = next
	return ref
}

func (s *shard) read(prefix string) map[string]string {
	s.t.Helper()
	return toMap(s.t, ReadState(context.Background(), s.blobs, s.m, []byte(prefix)))
}

func toMap(t fatal, rows iter.Seq2[Row, error]) map[string]string {
	t.Helper()
	got := map[string]string{}
	for row, err := range ascending(rows) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Deleted {
			t.Fatalf("removal of %q among live rows", row.Key)
		}
		got[string(row.Key)] = string(row.Value)
	}
	return got
}

func withPrefix(rows map[string]string, prefix string) map[string]string {
	out := maps.Clone(rows)
	maps.DeleteFunc(out, func(k, _ string) bool { return !strings.HasPrefix(k, prefix) })
	return out
}

func TestDeltaReference(t *testing.T) {
	s := newShard(t, t.TempDir(), "")
	put(s.store, "Kb", "2")
	put(s.store, "XOz", "3")
	id := Row{Key: key.DedupRow(5, key.EventIDOf("e"))}
	older := Row{Key: key.DedupRow(4, key.EventIDOf("f"))}
	ref := s.commit(id, older) // out of order: put in order on the way
	data, _, err := s.blobs.Get(context.Background(), "cairn/trail/s-1/seg/1-1-1-1-00112233aabbccdd.seg")
	if err != nil {
		t.Fatal(err)
	}
	want := manifest.Segment{Key: ref.Key, Kind: "delta", From: 1, To: 1, X: "all", Rows: 4, Bytes: int64(len(data)), SHA256: ref.SHA256}
	if ref != want {
		t.Errorf("%+v, want %+v", ref, want)
	}
	wantRows := map[string]string{"Kb": "2", "XOz": "3", string(id.Key): "", string(older.Key): ""}
	if diff := cmp.Diff(wantRows, s.read("")); diff != "" {
		t.Error(diff)
	}
	if got := s.store.RowCount(); got != 2 {
		t.Errorf("%d rows in the store: event ids do not count", got)
	}
}

func TestEventIDsStayOutOfTheStore(t *testing.T) {
	s := openStore(t, "")
	s.Put(key.DedupRow(1, key.EventID{}), nil)
	if err := s.Err(); err == nil || !strings.Contains(err.Error(), "WriteDelta") {
		t.Errorf("put: %v", err)
	}
	o := s.Freeze()
	if err := s.Apply(o, Marker{}); err == nil {
		t.Error("a store that has failed was applied")
	}
	if _, err := WriteDelta(context.Background(), nil, &manifest.Manifest{}, o, nil); err == nil {
		t.Error("a store that has failed was written")
	}
}

func TestLimits(t *testing.T) {
	for words, row := range map[string][2]int{"key of 0": {0, 1}, "key of 60001": {MaxKey + 1, 1}, "value of 524289": {1, MaxValue + 1}} {
		s := openStore(t, "")
		s.Put(bytes.Repeat([]byte("K"), row[0]), make([]byte, row[1]))
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
	s := openStore(t, t.TempDir())
	k, v := bytes.Repeat([]byte("K"), MaxKey), bytes.Repeat([]byte("v"), MaxValue)
	s.Put(k, v)
	o := s.Freeze()
	if err := s.Apply(o, Marker{}); err != nil {
		t.Fatalf("a row of the largest size: %v", err)
	}
	view := s.View()
	defer view.Close()
	if got, ok, err := view.Get(k); !ok || err != nil || !bytes.Equal(got, v) {
		t.Errorf("the largest row does not come back: %v %v", ok, err)
	}
}

// TestSegmentsAreTheState: after any commits and compactions the segments give
// the rows of the store and the live event ids, whole and by prefix; loaded
// and caught-up stores have the same rows and totals.
func TestSegmentsAreTheState(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s := newShard(rt, fmt.Sprintf("%s/%d", root, n), "")
		behind, err := Open("", Options{}) // a copy that is left at some checkpoint
		if err != nil {
			rt.Fatal(err)
		}
		behindAt := int64(0)
		rows := map[string]string{}
		for range rapid.IntRange(1, 40).Draw(rt, "commits") {
			for range rapid.IntRange(0, 4).Draw(rt, "changes") {
				k, v := modelKey.Draw(rt, "key"), modelValue.Draw(rt, "value")
				if rapid.Bool().Draw(rt, "delete") {
					s.store.Delete(k)
					delete(rows, string(k))
				} else {
					s.store.Put(k, v)
					rows[string(k)] = string(v)
				}
			}
			id := Row{Key: key.DedupRow(int64(rapid.IntRange(0, 3).Draw(rt, "hour")), key.EventID{}), Deleted: rapid.Bool().Draw(rt, "expire")}
			s.commit(id)
			if rapid.IntRange(0, 3).Draw(rt, "compact") == 0 {
				s.compact(nil)
			}
			if rapid.IntRange(0, 9).Draw(rt, "catch up") == 0 && !hasBaseAbove(s.m, behindAt) {
				catchUp(rt, s, behind, behindAt)
				behindAt = s.m.Ckpt
			}
		}
		all := maps.Clone(rows)
		maps.Copy(all, s.ids)
		for _, prefix := range []string{"", "K", "X", "XD", string(modelKey.Draw(rt, "prefix"))} {
			if diff := cmp.Diff(withPrefix(all, prefix), s.read(prefix)); diff != "" {
				rt.Fatalf("prefix %q: %s", prefix, diff)
			}
		}
		loaded, err := Open("", Options{})
		if err != nil {
			rt.Fatal(err)
		}
		if err := loaded.Load(ReadState(context.Background(), s.blobs, s.m, nil), Marker{Checkpoint: s.m.Ckpt}); err != nil {
			rt.Fatal(err)
		}
		want := Totals{Rows: s.m.StateRows, Hash: uint64(*s.m.StateHash)}
		if got := toMap(rt, loaded.Range(nil)); !maps.Equal(got, rows) || loaded.Totals() != want {
			rt.Fatalf("loaded: %s; totals %+v, want %+v", cmp.Diff(rows, got), loaded.Totals(), want)
		}
		if !hasBaseAbove(s.m, behindAt) {
			catchUp(rt, s, behind, behindAt)
			if got := toMap(rt, behind.Range(nil)); !maps.Equal(got, rows) {
				rt.Fatalf("caught up: %s", cmp.Diff(rows, got))
			}
		}
	})
}

func hasBaseAbove(m *manifest.Manifest, ckpt int64) bool {
	return !Marker{BootID: "b", Checkpoint: ckpt}.Usable("b", m)
}

// catchUp brings a store to the checkpoint, as after a crash in the middle of
// an earlier attempt: half of the rows are there already.
func catchUp(t fatal, s *shard, behind *Store, at int64) {
	t.Helper()
	mark := Marker{Checkpoint: s.m.Ckpt, Totals: Totals{Rows: s.m.StateRows, Hash: uint64(*s.m.StateHash)}}
	torn := errors.New("torn")
	n := 0
	half := func(yield func(Row, error) bool) {
		for row, err := range ReadSince(context.Background(), s.blobs, s.m, at) {
			if n++; n%3 == 0 {
				yield(Row{}, torn)
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
	if err := behind.CatchUp(half, mark); err != nil && !errors.Is(err, torn) {
		t.Fatal(err)
	}
	if err := behind.CatchUp(ReadSince(context.Background(), s.blobs, s.m, at), mark); err != nil {
		t.Fatal(err)
	}
	got, err := behind.Scan(context.Background())
	if err != nil || got != mark.Totals || behind.Totals() != got {
		t.Fatalf("caught up to %+v %v, want %+v", got, err, mark.Totals)
	}
}

// compact does all that is due and takes it in.
func (s *shard) compact(expired func([]byte) bool) (done []manifest.Segment) {
	s.t.Helper()
	for {
		c, err := Compact(context.Background(), s.blobs, s.m, expired)
		if err != nil {
			s.t.Fatal(err)
		}
		if c == nil {
			return done
		}
		if err := c.TakeIn(s.m); err != nil {
			s.t.Fatal(err)
		}
		done = append(done, c.New)
	}
}

// TestCompactionLadder: 16 deltas make a merged segment, and the first merged
// segment a base, since there is none that it could be small against.
func TestCompactionLadder(t *testing.T) {
	s := newShard(t, t.TempDir(), "")
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := func() string {
		var kinds []string
		for _, ref := range s.m.Segments {
			kinds = append(kinds, fmt.Sprintf("%s %d-%d", ref.Kind, ref.From, ref.To))
		}
		return strings.Join(kinds, ", ")
	}
	change := func(commits, rows int) {
		for range commits {
			for range rows {
				put(s.store, fmt.Sprintf("K%08d", rng.IntN(2000)), fmt.Sprint(rng.Uint64()))
			}
			s.commit(Row{Key: key.DedupRow(s.m.Ckpt/100, key.EventID{byte(s.m.Ckpt)})})
		}
	}
	change(15, 200)
	if done := s.compact(nil); done != nil {
		t.Errorf("15 deltas: %s", kinds())
	}
	change(1, 200)
	s.compact(nil)
	if got, want := kinds(), "base 0-16"; got != want {
		t.Fatalf("16 deltas: %s, want %s", got, want)
	}
	change(18, 2)
	s.compact(nil)
	if got, want := kinds(), "base 0-16, merged 17-32, delta 33-33, delta 34-34"; got != want {
		t.Errorf("small deltas over a base: %s, want %s", got, want)
	}
	change(16, 200)
	before := s.read("")
	s.compact(nil)
	if got, want := kinds(), "base 0-50"; got != want {
		t.Errorf("merged segments that outweigh the base: %s, want %s", got, want)
	}
	if diff := cmp.Diff(before, s.read("")); diff != "" {
		t.Error(diff)
	}
}

func TestBaseDropsExpiredIDsOnly(t *testing.T) {
	s := newShard(t, t.TempDir(), "")
	put(s.store, "Ka", "1")
	for hour := range int64(fanIn) {
		s.commit(Row{Key: key.DedupRow(hour, key.EventID{})})
	}
	s.compact(func(k []byte) bool {
		hour, _, ok := key.ParseDedup(k)
		return !ok || hour < 10 // would drop other rows too, if it were asked
	})
	got := slices.Sorted(maps.Keys(s.read("")))
	if len(got) != 7 || got[0] != "Ka" || got[1] != string(key.DedupRow(10, key.EventID{})) {
		t.Errorf("%q", got)
	}
}

func TestTakeInRefusesOtherSegments(t *testing.T) {
	c := &Compaction{From: 1, Keys: []string{"b", "c"}, New: manifest.Segment{Key: "bc"}}
	for _, keys := range []string{"a b", "a c b", "b c d", ""} {
		m := &manifest.Manifest{}
		for _, k := range strings.Fields(keys) {
			m.Segments = append(m.Segments, manifest.Segment{Key: k})
		}
		if err := c.TakeIn(m); err == nil || len(m.Segments) != len(strings.Fields(keys)) {
			t.Errorf("%q: %v, %d segments", keys, err, len(m.Segments))
		}
	}
	m := &manifest.Manifest{Segments: []manifest.Segment{{Key: "a"}, {Key: "b"}, {Key: "c"}, {Key: "d"}}}
	if err := c.TakeIn(m); err != nil || len(m.Segments) != 3 || m.Segments[1].Key != "bc" || m.Segments[2].Key != "d" {
		t.Errorf("%v %+v", err, m.Segments)
	}
}

// TestSplitAndMerge: the children of a split have all rows of the parent, each
// once, but the event ids in both; merged again they are the parent.
func TestSplitAndMerge(t *testing.T) {
	s := newShard(t, t.TempDir(), "")
	for i := range 200 {
		s.store.Put(key.Keyed(key.HashOf(fmt.Sprint(i)), key.Inventory, []byte("r")), fmt.Append(nil, i))
	}
	put(s.store, "XOalert", "outside of the range")
	id := Row{Key: key.DedupRow(5, key.EventID{1})}
	s.commit(id)
	whole := s.read("")

	const half, last = "170141183460469231731687303715884105727", "340282366920938463463374607431768211455" // 2^127-1, 2^128-1
	const next = "170141183460469231731687303715884105728"
	child := func(lo, hi, x string) []manifest.Segment {
		refs := slices.Clone(s.m.Segments)
		for i := range refs {
			refs[i].From, refs[i].To, refs[i].Lo, refs[i].Hi, refs[i].X = 0, 0, lo, hi, x
		}
		return refs
	}
	lower, upper := *s.m, *s.m
	lower.Segments, upper.Segments = child("0", half, manifest.WholeAll), child(next, last, manifest.WholeIDs)
	low := toMap(t, ReadState(context.Background(), s.blobs, &lower, nil))
	high := toMap(t, ReadState(context.Background(), s.blobs, &upper, nil))
	for k := range low {
		if _, both := high[k]; both && k != string(id.Key) {
			t.Errorf("%q is in both children", k)
		}
	}
	if len(low) < 50 || len(high) < 50 || low["XOalert"] == "" || high["XOalert"] != "" {
		t.Errorf("%d and %d rows; the lower child has the alert: %q, the upper: %q", len(low), len(high), low["XOalert"], high["XOalert"])
	}
	for name, rows := range map[string]map[string]string{"lower": low, "upper": high} {
		if _, ok := rows[string(id.Key)]; !ok {
			t.Errorf("the %s child does not have the event id: a late copy would become a second row", name)
		}
	}
	joined := *s.m
	joined.Segments = slices.Concat(lower.Segments, upper.Segments)
	if diff := cmp.Diff(whole, toMap(t, ReadState(context.Background(), s.blobs, &joined, nil))); diff != "" {
		t.Errorf("merged: %s", diff)
	}
	// Inherited deltas are compacted once they are many; foreign rows go.
	child40 := &shard{t: t, blobs: s.blobs, m: &upper}
	upper.Writer = "ffffffffffffffff"
	for range 40 {
		upper.Segments = append(upper.Segments, upper.Segments[0])
	}
	if done := child40.compact(nil); len(done) != 1 || done[0].Kind != "base" || done[0].Rows != int64(len(high)) {
		t.Errorf("compacted to %+v, want a base of %d rows", done, len(high))
	}
}

// TestDamagedSegments: what the manifest says and what is there must agree.
func TestDamagedSegments(t *testing.T) {
	ctx := context.Background()
	for name, large := range map[string]bool{"fetched whole": false, "fetched in pieces": true} {
		t.Run(name, func(t *testing.T) {
			s := newShard(t, t.TempDir(), "")
			rng := rand.New(rand.NewPCG(3, 4))
			n := 50
			if large {
				n = 30_000 // of random values: 6 MB
			}
			for i := range n {
				s.store.Put(fmt.Appendf(nil, "K%09d", i), noise(rng, 200))
			}
			ref := s.commit()
			if (ref.Bytes > wholeObject) != large {
				t.Fatalf("segment of %d bytes", ref.Bytes)
			}
			if got := len(s.read("")); got != n {
				t.Fatalf("%d rows, want %d", got, n)
			}
			good, _, err := s.blobs.Get(ctx, ref.Key)
			if err != nil {
				t.Fatal(err)
			}
			for what, at := range map[string]int{"header": 7, "block": len(good) / 2, "sha256": len(good) - 30} {
				bad := bytes.Clone(good)
				bad[at] ^= 4
				if _, err := s.blobs.Put(ctx, ref.Key, bad); err != nil {
					t.Fatal(err)
				}
				wantError(t, what, ReadState(ctx, s.blobs, s.m, nil), segment.ErrCorrupt)
			}
			if _, err := s.blobs.Put(ctx, ref.Key, good); err != nil {
				t.Fatal(err)
			}
			for what, change := range map[string]func(*manifest.Segment){
				"other sha256": func(r *manifest.Segment) { r.SHA256 = strings.Repeat("0", 64) },
				"other kind":   func(r *manifest.Segment) { r.Kind = "base" },
				"other rows":   func(r *manifest.Segment) { r.Rows++ },
			} {
				m := s.m.Clone()
				change(&m.Segments[0])
				wantError(t, what, ReadState(ctx, s.blobs, m, nil), segment.ErrCorrupt)
			}
			for what, change := range map[string]func(*manifest.Segment){
				"no range": func(r *manifest.Segment) { r.Lo = "x" },
				"no X":     func(r *manifest.Segment) { r.X = "" },
			} {
				m := s.m.Clone()
				change(&m.Segments[0])
				wantError(t, what, ReadState(ctx, s.blobs, m, nil), nil)
			}
			if err := s.blobs.Delete(ctx, ref.Key); err != nil {
				t.Fatal(err)
			}
			wantError(t, "missing", ReadState(ctx, s.blobs, s.m, nil), blob.ErrNotFound)
		})
	}
}

// noise does not compress.
func noise(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func wantError(t *testing.T, what string, rows iter.Seq2[Row, error], want error) {
	t.Helper()
	for _, err := range rows {
		if err == nil {
			continue
		}
		if want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	t.Errorf("%s: no error", what)
}

// TestPiecesByPrefix reads narrow ranges of a segment that is fetched in pieces.
func TestPiecesByPrefix(t *testing.T) {
	s := newShard(t, t.TempDir(), "")
	rng := rand.New(rand.NewPCG(5, 6))
	want := map[string]string{}
	for i := range 20_000 {
		k, v := fmt.Sprintf("K%09d", i), string(noise(rng, 200))
		want[k] = v
		put(s.store, k, v)
	}
	if ref := s.commit(); ref.Bytes <= 2*wholeObject {
		t.Fatalf("segment of %d bytes is too small for the test", ref.Bytes)
	}
	for _, prefix := range []string{"K0000000", "K00001999", "K000010", "K00000123", "K9", ""} {
		if got := s.read(prefix); !maps.Equal(got, withPrefix(want, prefix)) {
			t.Errorf("prefix %s: %d rows, want %d", prefix, len(got), len(withPrefix(want, prefix)))
		}
	}
}

func TestUsable(t *testing.T) {
	m := &manifest.Manifest{Ckpt: 10, Epoch: 3, Segments: []manifest.Segment{{Kind: "base", To: 5}, {Kind: "merged", To: 8}, {Kind: "delta", To: 9}}}
	for name, c := range map[string]struct {
		marker Marker
		boot   string
		want   bool
	}{
		"behind":              {Marker{Checkpoint: 7, Epoch: 2, BootID: "b"}, "b", true},
		"up to date":          {Marker{Checkpoint: 10, Epoch: 3, BootID: "b"}, "b", true},
		"at the base":         {Marker{Checkpoint: 5, Epoch: 1, BootID: "b"}, "b", true},
		"below the base":      {Marker{Checkpoint: 4, Epoch: 1, BootID: "b"}, "b", false},
		"another boot":        {Marker{Checkpoint: 7, Epoch: 2, BootID: "a"}, "b", false},
		"unknown boot":        {Marker{Checkpoint: 7, Epoch: 2}, "", false},
		"ahead":               {Marker{Checkpoint: 11, Epoch: 3, BootID: "b"}, "b", false},
		"of an unknown epoch": {Marker{Checkpoint: 10, Epoch: 4, BootID: "b"}, "b", false},
	} {
		if got := c.marker.Usable(c.boot, m); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
