package state

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/key"
)

// TestRangeTypesIsRangeWithoutTheOthers, over many rows of other types and
// hashes at the ends of the range, in all levels.
func TestRangeTypesIsRangeWithoutTheOthers(t *testing.T) {
	for name, dir := range map[string]func() string{"badger": t.TempDir, "memory": func() string { return "" }} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s, err := Open(dir(), Options{})
				if err != nil {
					rt.Fatal(err)
				}
				defer func() {
					if err := s.Close(); err != nil {
						rt.Fatal(err)
					}
				}()
				for c := range 3 { // applied, frozen, active
					for range rapid.IntRange(0, 6).Draw(rt, "hashes") {
						putHash(rt, s)
					}
					if c < 2 {
						o := s.Freeze()
						if c == 0 {
							if err := s.Apply(o, Marker{Checkpoint: 1, Epoch: 1}); err != nil {
								rt.Fatal(err)
							}
						}
					}
				}
				first := rapid.SampledFrom([]byte("ABIP")).Draw(rt, "first")
				last := rapid.ByteRange(first, 'P').Draw(rt, "last")
				var want, got []string
				for row, err := range s.Range(nil) {
					if err != nil {
						rt.Fatal(err)
					}
					if p, err := key.Parse(row.Key); err == nil && p.Space == key.SpaceKeyed && first <= p.Kind && p.Kind <= last {
						want = append(want, fmt.Sprintf("%x=%s", row.Key, row.Value))
					}
				}
				for row, err := range s.RangeTypes(first, last) {
					if err != nil {
						rt.Fatal(err)
					}
					got = append(got, fmt.Sprintf("%x=%s", row.Key, row.Value))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					rt.Fatal(diff)
				}
			})
		})
	}
}

// putHash puts rows of one hash, or removes one.
func putHash(t *rapid.T, s *Store) {
	var h key.Hash
	copy(h[:], rapid.SampledFrom([]string{"\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\xff", "\x00\x00\x00\x00\x00\x00\x01\x00",
		"\x7f\xff\xff\xff\xff\xff\xff\xff", "\x80\x00\x00\x00\x00\x00\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff"}).Draw(t, "hash"))
	kind := rapid.SampledFrom([]byte("ABCINPZ")).Draw(t, "type")
	n := rapid.SampledFrom([]int{1, 2, 3 * seekAfter}).Draw(t, "rows")
	for i := range n {
		s.Put(key.Keyed(h, kind, []byte{byte(i)}), []byte("v"))
	}
	if rapid.Bool().Draw(t, "remove") {
		s.Delete(key.Keyed(h, kind, []byte{0}))
	}
	s.Put(key.Whole(key.Outbox, []byte{byte(n)}), []byte("v"))
}
