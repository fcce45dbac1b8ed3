package manifest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/blob"
)

const key = "cairn/trail/s-1/MANIFEST"

var errNetwork = errors.New("connection reset")

// fault is what happens to one conditional put.
type fault int

const (
	clean    fault = iota
	lost           // it never arrives
	unheard        // it lands, the answer is lost
	repeated       // it lands, something on the way repeats it, and the refusal is heard
	late           // the answer is a timeout; it arrives before some later call
	numFaults
)

// flaky is a directory store with faults, a pure addition in front of it.
type flaky struct {
	blob.Store
	faults  []fault     // of the next conditional puts; clean after them
	deaf    int         // that many reads are not answered
	before  func()      // runs once before the next read: another owner
	delayed []func()    // late writes under way
	landed  []*Manifest // what was written, in order
	t       interface{ Fatal(...any) }
}

func (f *flaky) put(ctx context.Context, data []byte, etag string) (string, error) {
	got, err := f.Store.PutIf(ctx, key, data, etag)
	if err == nil {
		m, decodeErr := Decode(data)
		if decodeErr != nil {
			f.t.Fatal(decodeErr)
		}
		f.landed = append(f.landed, m)
	}
	return got, err
}

func (f *flaky) PutIf(ctx context.Context, _ string, data []byte, etag string) (string, error) {
	kind := clean
	if len(f.faults) > 0 {
		kind, f.faults = f.faults[0], f.faults[1:]
	}
	switch kind {
	case lost:
		return "", errNetwork
	case unheard, repeated:
		if _, err := f.put(ctx, data, etag); err != nil || kind == unheard {
			return "", errors.Join(err, errNetwork)
		}
		return f.put(ctx, data, etag)
	case late:
		f.delayed = append(f.delayed, func() { _, _ = f.put(context.Background(), data, etag) })
		return "", errNetwork
	}
	return f.put(ctx, data, etag)
}

func (f *flaky) Get(ctx context.Context, k string) ([]byte, string, error) {
	if f.before != nil {
		run := f.before
		f.before = nil
		run()
	}
	if f.deaf > 0 {
		f.deaf--
		return nil, "", errNetwork
	}
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	return f.Store.Get(ctx, k)
}

func (f *flaky) arrive() {
	for _, write := range f.delayed {
		write()
	}
	f.delayed = nil
}

func first() *Manifest {
	return &Manifest{Format: Format, App: "cairn", Stream: "trail", Shard: "s-1", HashRange: [2]string{"0", "99"}, Writer: "w0"}
}

type fixture struct {
	*testing.T
	store *flaky
	ctx   context.Context
}

// inBubble runs a test over a real directory with time that passes at once.
func inBubble(t *testing.T, test func(f *fixture)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		under, err := blob.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		test(&fixture{T: t, store: &flaky{Store: under, t: t}, ctx: context.Background()})
	})
}

func (f *fixture) own(writer string) *Handle {
	f.Helper()
	h, err := Open(f.ctx, f.store, key)
	if errors.Is(err, blob.ErrNotFound) {
		h, err = Create(f.ctx, f.store, key, first())
	}
	if err != nil {
		f.Fatal(err)
	}
	if err := h.TakeOver(f.ctx, writer, noon); err != nil {
		f.Fatal(err)
	}
	return h
}

func (f *fixture) commit(h *Handle) error {
	next := h.Current().Clone()
	next.Ckpt++
	next.Committed = noon.Add(time.Duration(next.Ckpt) * time.Second)
	return h.Commit(f.ctx, next)
}

func TestCommitAndTakeOver(t *testing.T) {
	inBubble(t, func(f *fixture) {
		a := f.own("wa")
		for range 3 {
			if err := f.commit(a); err != nil {
				f.Fatal(err)
			}
		}
		b := f.own("wb")
		if m := b.Current(); m.Epoch != 2 || m.Ckpt != 3 || m.Writer != "wb" || !m.Committed.Equal(noon) {
			f.Errorf("after takeover: %+v", m)
		}
		err := f.commit(a)
		if !errors.Is(err, ErrFenced) || !strings.Contains(err.Error(), "epoch 2, writer wb, checkpoint 3") {
			f.Errorf("the old owner: %v", err)
		}
		if err := f.commit(a); !errors.Is(err, ErrFenced) {
			f.Errorf("the old owner once more: %v", err)
		}
		if err := f.commit(b); err != nil {
			f.Error(err)
		}
		m, err := ReadManifest(f.ctx, f.store, key)
		if err != nil || m.Ckpt != 4 || m.Writer != "wb" || a.Key() != key {
			f.Errorf("%+v %v", m, err)
		}
	})
}

func TestCreateOnce(t *testing.T) {
	inBubble(t, func(f *fixture) {
		if _, err := Create(f.ctx, f.store, key, first()); err != nil {
			f.Fatal(err)
		}
		other := first()
		other.Writer = "w1"
		if _, err := Create(f.ctx, f.store, key, other); !errors.Is(err, ErrFenced) {
			f.Errorf("created twice: %v", err)
		}
		if _, err := Create(f.ctx, f.store, key, &Manifest{Format: Format}); !errors.Is(err, ErrInvalid) {
			f.Errorf("invalid: %v", err)
		}
	})
}

// TestReadBack is the table of what is read after an unclear answer.
func TestReadBack(t *testing.T) {
	otherOwner := func(f *fixture) { f.store.before = func() { f.own("wb") } }
	for name, c := range map[string]struct {
		faults []fault
		also   func(f *fixture)
		want   error // nil: committed
		words  string
	}{
		"landed, answer lost":             {faults: []fault{unheard}},
		"landed, our own success refused": {faults: []fault{repeated}},
		"did not land, repeated":          {faults: []fault{lost, lost, lost}},
		"landed at the second attempt":    {faults: []fault{lost, unheard}},
		"late copy after the repetition":  {faults: []fault{late}, also: func(f *fixture) { f.store.before = func() { f.store.before = f.store.arrive } }},
		"reads fail, then landed":         {faults: []fault{unheard}, also: func(f *fixture) { f.store.deaf = 5 }},
		"reads fail, then not landed":     {faults: []fault{lost}, also: func(f *fixture) { f.store.deaf = 5 }},
		"never lands":                     {faults: make30(lost), want: ErrUnresolved, words: "did not land in 30s"},
		"no answer until the lease is lost": {faults: []fault{unheard}, also: func(f *fixture) {
			f.store.deaf = 1 << 30
			ctx, cancel := context.WithTimeout(f.ctx, 10*time.Second)
			f.Cleanup(cancel)
			f.ctx = ctx
		}, want: ErrUnresolved, words: "deadline exceeded"},
		"another owner came between": {faults: []fault{lost}, also: otherOwner, want: ErrFenced, words: "writer wb"},
		"landed, then another owner": {faults: []fault{unheard}, also: otherOwner, want: ErrFenced, words: "epoch 2"},
		"deleted":                    {faults: []fault{lost}, also: func(f *fixture) { f.store.before = func() { _ = f.store.Delete(f.ctx, key) } }, want: ErrFenced, words: "deleted"},
		"overwritten with something else": {faults: []fault{lost}, also: func(f *fixture) {
			f.store.before = func() { _, _ = f.store.Put(f.ctx, key, []byte("?")) }
		}, want: ErrFenced, words: "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fixture) {
				h := f.own("wa")
				f.store.faults = c.faults
				if c.also != nil {
					c.also(f)
				}
				err := f.commit(h)
				f.ctx = context.Background()
				if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.words) {
					f.Fatalf("commit: %v, want %v %q", err, c.want, c.words)
				}
				f.store.faults, f.store.deaf = nil, 0
				if err := f.commit(h); (err == nil) != (c.want == nil) || !errors.Is(err, c.want) {
					f.Errorf("next commit: %v", err)
				}
				if c.want == nil && h.Current().Ckpt != 2 {
					f.Errorf("checkpoint %d after two commits", h.Current().Ckpt)
				}
			})
		})
	}
}

func make30(f fault) []fault {
	faults := make([]fault, 30)
	for i := range faults {
		faults[i] = f
	}
	return faults
}

func TestCommitRefusesBeforeItWrites(t *testing.T) {
	inBubble(t, func(f *fixture) {
		h := f.own("wa")
		for name, change := range map[string]func(*Manifest){
			"epoch":    func(m *Manifest) { m.Epoch++ },
			"writer":   func(m *Manifest) { m.Writer = "wx" },
			"stream":   func(m *Manifest) { m.Stream = "other" },
			"size":     func(m *Manifest) { m.Source = strings.Repeat("x", MaxBytes) },
			"counting": func(m *Manifest) { m.Counts.In++ },
		} {
			next := h.Current().Clone()
			next.Ckpt++
			change(next)
			if err := h.Commit(f.ctx, next); !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrIdentity) {
				f.Errorf("%s: %v", name, err)
			}
		}
		if len(f.store.landed) != 2 {
			f.Errorf("%d writes, want those of creation and takeover", len(f.store.landed))
		}
		if err := f.commit(h); err != nil {
			f.Errorf("a refused commit has no effect on the next: %v", err)
		}
	})
}

// TestOwnersUnderFaults lets owners take over from each other and commit while
// writes are lost, unheard, refused after success, or arrive late. What an
// owner believes is what happened: each commit that it was told of landed
// exactly once, and none landed after the next epoch began.
func TestOwnersUnderFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "owners-*")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		faults := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, int(numFaults)-1), func(i int) fault { return fault(i) }), 0, 3)
		type step struct {
			Owner  int // commits; at or above the number of owners a new one takes over
			Faults []fault
			Deaf   int
			Arrive bool
		}
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.IntRange(0, 4).Draw(t, "owner"), faults.Draw(t, "faults"), rapid.IntRange(0, 2).Draw(t, "deaf"), rapid.Bool().Draw(t, "arrive")}
		}), 1, 25).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			under, err := blob.OpenDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			f := &fixture{T: t, store: &flaky{Store: under, t: t}, ctx: context.Background()}
			if _, err := Create(f.ctx, f.store, key, first()); err != nil {
				t.Fatal(err)
			}
			var owners []*Handle
			var believed []string
			for i, s := range steps {
				f.store.faults, f.store.deaf = s.Faults, 0
				if s.Arrive {
					f.store.arrive()
				}
				var h *Handle
				if s.Owner < len(owners) {
					h = owners[s.Owner]
					f.store.deaf = s.Deaf
					err = f.commit(h)
				} else {
					if h, err = Open(f.ctx, f.store, key); err != nil {
						t.Fatal(err)
					}
					f.store.deaf = s.Deaf
					if err = h.TakeOver(f.ctx, fmt.Sprintf("owner%d", i), noon); err == nil {
						owners = append(owners, h)
					}
				}
				switch {
				case err == nil:
					believed = append(believed, commitName(h.Current()))
				case !errors.Is(err, ErrFenced):
					t.Fatalf("step %d %+v: %v", i, s, err)
				}
			}
			f.store.arrive()
			checkHistory(t, f.store.landed, believed)
		})
	})
}

func commitName(m *Manifest) string { return fmt.Sprintf("%s/%d/%d", m.Writer, m.Epoch, m.Ckpt) }

func checkHistory(t *testing.T, landed []*Manifest, believed []string) {
	t.Helper()
	times := map[string]int{}
	for i, m := range landed {
		times[commitName(m)]++
		if i == 0 {
			continue
		}
		before := landed[i-1]
		sameOwner := m.Epoch == before.Epoch && m.Writer == before.Writer && m.Ckpt == before.Ckpt+1
		nextOwner := m.Epoch == before.Epoch+1 && m.Writer != before.Writer && m.Ckpt == before.Ckpt
		if !sameOwner && !nextOwner {
			t.Fatalf("%s after %s", commitName(m), commitName(before))
		}
	}
	for _, n := range believed {
		if times[n] != 1 {
			t.Fatalf("%s was reported as committed and landed %d times", n, times[n])
		}
	}
}
