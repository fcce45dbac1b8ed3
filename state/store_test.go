package state

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/key"
)

func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(s *Store, k, v string) { s.Put([]byte(k), []byte(v)) }

// contents reads a sequence of rows into a map, and fails if the keys do not rise.
func contents(t testing.TB, rows iter.Seq2[Row, error]) map[string]string {
	t.Helper()
	got := map[string]string{}
	for row, err := range ascending(rows) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Deleted {
			t.Fatalf("removed row %q among the rows", row.Key)
		}
		got[string(row.Key)] = string(row.Value)
	}
	return got
}

// sum is the state hash by its definition.
func sum(rows map[string]string) (t Totals) {
	for k, v := range rows {
		t.add(rowHash([]byte(k), []byte(v)))
	}
	return t
}

func TestStoreKeepsRowsThroughCommitAndReopen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	put(s, "Ka", "1")
	put(s, "Kb", "2")
	o := s.Freeze()
	put(s, "Kb", "3") // after the checkpoint
	s.Delete([]byte("Ka"))
	if got, want := contents(t, s.Range(nil)), (map[string]string{"Kb": "3"}); !cmp.Equal(got, want) {
		t.Errorf("before apply: %v", cmp.Diff(want, got))
	}
	if err := s.Apply(o, Marker{Checkpoint: 7, Epoch: 2}); err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, s.Range(nil)), (map[string]string{"Kb": "3"}); !cmp.Equal(got, want) {
		t.Errorf("after apply: %v", cmp.Diff(want, got))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir)
	committed := map[string]string{"Ka": "1", "Kb": "2"}
	if diff := cmp.Diff(committed, contents(t, s.Range(nil))); diff != "" {
		t.Errorf("reopened: %s", diff)
	}
	marker, ok, err := s.Marker()
	want := Marker{Checkpoint: 7, Epoch: 2, BootID: BootID(), Totals: sum(committed)}
	if !ok || err != nil || marker != want {
		t.Errorf("marker %+v %v %v, want %+v", marker, ok, err, want)
	}
	if s.Totals() != want.Totals {
		t.Errorf("totals after reopening: %+v, want %+v", s.Totals(), want.Totals)
	}
}

// model is what a Store should be: a map, with what is committed of it.
type model struct {
	dir       string
	store     *Store
	rows      map[string]string
	frozen    *Overlay
	atFreeze  map[string]string
	committed map[string]string
	ckpt      int64
}

var modelKey = rapid.Custom(func(t *rapid.T) []byte {
	if rapid.Bool().Draw(t, "whole") {
		return key.Whole(key.Outbox, []byte(rapid.StringN(0, 2, 3).Draw(t, "rest")))
	}
	h := key.HashOf(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "partition"))
	return key.Keyed(h, rapid.SampledFrom([]byte("AI")).Draw(t, "kind"), []byte{rapid.ByteRange(0, 5).Draw(t, "rest")})
})

var modelValue = rapid.SliceOfN(rapid.Byte(), 0, 40)

func (m *model) open(t *rapid.T) {
	s, err := Open(m.dir, Options{CacheBytes: 1 << 10}) // small: generations change
	if err != nil {
		t.Fatal(err)
	}
	m.store = s
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			k, v := modelKey.Draw(t, "key"), modelValue.Draw(t, "value")
			m.store.Put(k, v)
			m.rows[string(k)] = string(v)
		},
		"delete": func(t *rapid.T) {
			k := modelKey.Draw(t, "key")
			m.store.Delete(k)
			delete(m.rows, string(k))
		},
		"get": func(t *rapid.T) {
			k := modelKey.Draw(t, "key")
			got, ok, err := m.store.Get(k)
			want, wantOK := m.rows[string(k)]
			if err != nil || ok != wantOK || string(got) != want {
				t.Fatalf("get %q: %q %v %v, want %q %v", k, got, ok, err, want, wantOK)
			}
		},
		"range": func(t *rapid.T) {
			prefix := modelKey.Draw(t, "key")
			prefix = prefix[:rapid.IntRange(0, len(prefix)).Draw(t, "length")]
			want := maps.Clone(m.rows)
			maps.DeleteFunc(want, func(k, _ string) bool { return !strings.HasPrefix(k, string(prefix)) })
			m.compare(t, m.store.Range(prefix), want)
		},
		"freeze": func(t *rapid.T) {
			if m.frozen != nil {
				t.Skip("one is frozen")
			}
			m.frozen, m.atFreeze = m.store.Freeze(), maps.Clone(m.rows)
			if got, want := m.frozen.Totals(), sum(m.rows); got != want {
				t.Fatalf("totals of the overlay %+v, want %+v", got, want)
			}
		},
		"apply": func(t *rapid.T) {
			if m.frozen == nil {
				t.Skip("none is frozen")
			}
			m.ckpt++
			if err := m.store.Apply(m.frozen, Marker{Checkpoint: m.ckpt, Epoch: 1}); err != nil {
				t.Fatal(err)
			}
			m.frozen, m.committed = nil, m.atFreeze
		},
		"crash": func(t *rapid.T) {
			if m.dir == "" {
				t.Skip("nothing survives without a directory")
			}
			if err := m.store.Close(); err != nil {
				t.Fatal(err)
			}
			m.frozen, m.rows = nil, maps.Clone(m.committed)
			m.open(t)
			marker, _, err := m.store.Marker()
			if err != nil || marker.Checkpoint != m.ckpt {
				t.Fatalf("marker %+v %v, want checkpoint %d", marker, err, m.ckpt)
			}
		},
		"": func(t *rapid.T) {
			if got, want := m.store.Totals(), sum(m.rows); got != want {
				t.Fatalf("totals %+v, want %+v", got, want)
			}
			if err := m.store.Err(); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func (m *model) compare(t *rapid.T, rows iter.Seq2[Row, error], want map[string]string) {
	var keys []string
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := want[string(row.Key)]; !ok || v != string(row.Value) {
			t.Fatalf("row %q = %q, want %q %v", row.Key, row.Value, v, ok)
		}
		keys = append(keys, string(row.Key))
	}
	if wantKeys := slices.Sorted(maps.Keys(want)); !slices.Equal(keys, wantKeys) {
		t.Fatalf("keys %q, want %q", keys, wantKeys)
	}
}

// TestStoreIsAMap: overlay over frozen overlay over Badger (or a map) behaves
// like one map under every order of the operations, and the totals that are
// kept are those that are counted.
func TestStoreIsAMap(t *testing.T) {
	for where, checks := range map[string]string{"memory": "300", "badger": "25"} { // opening a Badger takes a while
		t.Run(where, func(t *testing.T) {
			before := flag.Lookup("rapid.checks").Value.String()
			if before == "100" { // the default
				_ = flag.Set("rapid.checks", checks)
				defer func() { _ = flag.Set("rapid.checks", before) }()
			}
			n := 0
			rapid.Check(t, func(rt *rapid.T) {
				m := &model{rows: map[string]string{}, committed: map[string]string{}}
				if where == "badger" {
					n++
					m.dir = fmt.Sprintf("%s/%d", t.TempDir(), n)
				}
				m.open(rt)
				defer func() { m.store.Close() }()
				rt.Repeat(m.actions())
				got, err := m.store.Scan(context.Background())
				if want := sum(m.committed); m.frozen == nil && (err != nil || got != want) {
					rt.Fatalf("scan %+v %v, want %+v", got, err, want)
				}
			})
		})
	}
}
