package ids

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

type fataler interface{ Fatal(...any) }

func next() *manifest.Manifest {
	return &manifest.Manifest{Format: manifest.Format, App: "cairn", Stream: "trail", Shard: "s-1", Epoch: 3, Ckpt: 17, Writer: "00112233aabbccdd"}
}

func openDir(t fataler, dir string) *blob.Dir {
	s, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored writes hours and returns the object's bytes beside its reference.
func stored(t fataler, store *blob.Dir, hours []Hour) ([]byte, manifest.Dedup) {
	ref, err := Write(context.Background(), store, next(), hours)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := store.Get(context.Background(), ref.Key)
	if err != nil {
		t.Fatal(err)
	}
	return data, ref
}

// some makes n distinct ids, ascending.
func some(seed uint64, n int) []key.EventID {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]key.EventID, n)
	for i := range out {
		binary.LittleEndian.PutUint64(out[i][:], r.Uint64())
		binary.LittleEndian.PutUint64(out[i][8:], r.Uint64())
	}
	slices.SortFunc(out, func(a, b key.EventID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir)
	rapid.Check(t, func(t *rapid.T) {
		var hours []Hour
		hour := int64(rapid.IntRange(-3, 500_000).Draw(t, "first hour"))
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 50), 0, 4).Draw(t, "ids per hour") {
			hours = append(hours, Hour{Hour: hour, IDs: some(uint64(i), n)})
			hour += int64(rapid.IntRange(1, 30).Draw(t, "distance"))
		}
		data, ref := stored(t, store, hours)
		sets, refs, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ref.Hours, refs); diff != "" || int64(len(data)) != ref.Bytes {
			t.Fatalf("the reference is not of the object: %s", diff)
		}
		if err := Verify(context.Background(), store, ref); err != nil {
			t.Fatal(err)
		}
		for i, h := range hours {
			one, err := ReadHour(context.Background(), store, ref, ref.Hours[i])
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range []Set{one, sets[h.Hour]} {
				holds(t, set, h.IDs)
			}
		}
	})
}

// holds checks that set is exactly want, by all that a Set can be asked.
func holds(t fataler, set Set, want []key.EventID) {
	if set.Len() != len(want) {
		t.Fatal("length", set.Len(), "want", len(want))
	}
	for i, id := range want {
		if !set.Has(id) || set.At(i) != id {
			t.Fatal("id", i, "is missing or at another place")
		}
		for bit := range 128 { // no neighbour is taken for the id: all 16 bytes count
			other := id
			other[bit/8] ^= 1 << (bit % 8)
			if set.Has(other) && !slices.Contains(want, other) {
				t.Fatal("an id that differs in bit", bit, "was found")
			}
		}
	}
}

func TestNames(t *testing.T) {
	_, ref := stored(t, openDir(t, t.TempDir()), []Hour{{Hour: 5, IDs: some(1, 3)}})
	if want := "cairn/trail/s-1/dedup/3-17-00112233aabbccdd.ids"; ref.Key != want {
		t.Errorf("key %s, want %s", ref.Key, want)
	}
	// 8 of the header, 16 + 3·16 + 4 of the hour, 16 of the footer.
	if ref.Bytes != 92 || ref.Hours[0] != (manifest.DedupHour{Hour: 5, IDs: 3, Offset: 8}) {
		t.Errorf("%d bytes, %+v", ref.Bytes, ref.Hours)
	}
}

// TestEveryBitCounts flips each bit of an object, and cuts it at each byte.
func TestEveryBitCounts(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir)
	data, ref := stored(t, store, []Hour{{Hour: 7, IDs: some(1, 4)}, {Hour: 9, IDs: some(2, 2)}})
	path := filepath.Join(dir, filepath.FromSlash(ref.Key))
	for bit := range len(data) * 8 {
		broken := bytes.Clone(data)
		broken[bit/8] ^= 1 << (bit % 8)
		if _, _, err := Decode(broken); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		readsOrRefuses(t, store, ref, bit/8)
	}
	for n := range data {
		if _, _, err := Decode(data[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

// readsOrRefuses reads each hour of an object of which one byte is wrong: the
// hour that has it must be refused, the other one must be as it was.
func readsOrRefuses(t *testing.T, store *blob.Dir, ref manifest.Dedup, wrong int) {
	t.Helper()
	if err := Verify(context.Background(), store, ref); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("byte %d wrong: verify says %v", wrong, err)
	}
	for _, h := range ref.Hours {
		set, err := ReadHour(context.Background(), store, ref, h)
		inside := int64(wrong) >= h.Offset && int64(wrong) < h.Offset+sectionSize(h.IDs)
		switch {
		case inside && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion):
			t.Fatalf("byte %d wrong: hour %d was read, %v", wrong, h.Hour, err)
		case !inside && (err != nil || int64(set.Len()) != h.IDs):
			t.Fatalf("byte %d wrong: hour %d beside it was not read: %v", wrong, h.Hour, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	ctx, store := context.Background(), openDir(t, t.TempDir())
	ids := some(1, 3)
	for name, c := range map[string]struct {
		hours []Hour
		words string
	}{
		"ids out of order":   {[]Hour{{Hour: 1, IDs: []key.EventID{ids[1], ids[0]}}}, "out of order"},
		"an id twice":        {[]Hour{{Hour: 1, IDs: []key.EventID{ids[1], ids[1]}}}, "out of order"},
		"hours out of order": {[]Hour{{Hour: 2, IDs: ids}, {Hour: 1, IDs: ids}}, "comes after"},
	} {
		if _, err := Write(ctx, store, next(), c.hours); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	data, ref := stored(t, store, []Hour{{Hour: 1, IDs: ids}})
	if _, err := ReadHour(ctx, store, ref, manifest.DedupHour{Hour: 1, IDs: 4, Offset: 8}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("one id too many: %v", err)
	}
	if _, err := ReadHour(ctx, store, ref, manifest.DedupHour{Hour: 2, IDs: 3, Offset: 8}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another hour than the manifest says: %v", err)
	}
	newer := bytes.Clone(data)
	newer[headSize-2] = Version + 1
	if _, _, err := Decode(newer); !errors.Is(err, ErrVersion) {
		t.Errorf("newer version: %v", err)
	}
	gone := ref
	gone.Key += "x"
	if _, err := ReadHour(ctx, store, gone, ref.Hours[0]); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("missing object: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	data, _ := stored(f, openDir(f, f.TempDir()), []Hour{{Hour: 7, IDs: some(1, 4)}, {Hour: 9, IDs: some(2, 1)}})
	f.Add(data)
	f.Add(append(header(), footer(0)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		sets, refs, err := Decode(data)
		if err != nil {
			return
		}
		// What is accepted is exactly what would be written for it.
		var hours []Hour
		for _, r := range refs {
			h := Hour{Hour: r.Hour}
			for i := range sets[r.Hour].Len() {
				h.IDs = append(h.IDs, sets[r.Hour].At(i))
			}
			hours = append(hours, h)
		}
		again, _ := stored(t, openDir(t, t.TempDir()), hours)
		if !bytes.Equal(again, data) {
			t.Error("accepted bytes that are not written so")
		}
	})
}

func BenchmarkHas(b *testing.B) {
	ids := some(1, 1_000_000)
	data, _ := stored(b, openDir(b, b.TempDir()), []Hour{{Hour: 1, IDs: ids}})
	sets, _, err := Decode(data)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		sets[1].Has(ids[i%len(ids)])
	}
}
