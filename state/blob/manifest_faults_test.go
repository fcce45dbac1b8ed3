package blob_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// Manifests over a real S3 protocol with faults on the way: the table of unclear answers in package manifest, held against what
// clients and servers make of broken connections.

const manifestKey = "cairn/trail/s-1/MANIFEST"

var (
	manifestPath = regexp.MustCompile("/MANIFEST$")
	midday       = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
)

// shard is a manifest behind a proxy, with the history of what was really written.
type shard struct {
	*faulty
	t  testing.TB
	mu sync.Mutex
	// The manifests that S3 accepted, in its order; S3 serves one write of a key at a time.
	landed []*manifest.Manifest
}

func forEachShard(t *testing.T, test func(t *testing.T, s *shard)) {
	t.Run("gofakes3", func(t *testing.T) {
		server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
		t.Cleanup(server.Close)
		test(t, newShard(t, server.URL))
	})
	t.Run("versitygw", func(t *testing.T) { test(t, newShard(t, local.VersityGW(t).URL())) })
}

// newShard puts a second proxy right before S3, which notes every write that it let in.
func newShard(t testing.TB, url string) *shard {
	t.Helper()
	s := &shard{t: t}
	recorder, err := fault.New(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recorder.Close() })
	recorder.Add(fault.Rule{Operation: "PutObject", Path: manifestPath, Late: true, After: s.record})
	s.faulty = behindProxy(t, recorder.URL())
	h, err := manifest.Create(t.Context(), s.direct, manifestKey, &manifest.Manifest{Format: manifest.Format, App: "cairn", Stream: "trail", Shard: "s-1",
		HashRange: [2]string{"0", "99"}, Writer: "w0"})
	if err != nil {
		t.Fatal(err)
	}
	if h.Current().Epoch != 0 {
		t.Fatalf("created in epoch %d", h.Current().Epoch)
	}
	return s
}

func (s *shard) record(_ context.Context, c fault.Call) {
	if c.Status != http.StatusOK {
		return
	}
	m, err := manifest.Decode(c.Body)
	if err != nil {
		s.t.Errorf("written: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.landed = append(s.landed, m)
}

func (s *shard) history() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, m := range s.landed {
		names = append(names, commitName(m))
	}
	return names
}

func commitName(m *manifest.Manifest) string {
	return fmt.Sprintf("%s/%d/%d", m.Writer, m.Epoch, m.Ckpt)
}

// own takes the shard over through a store, the one behind the proxy or the direct one.
func (s *shard) own(ctx context.Context, store blob.Store, writer string) (*manifest.Handle, error) {
	h, err := manifest.Open(ctx, store, manifestKey)
	if err != nil {
		return nil, err
	}
	return h, h.TakeOver(ctx, writer, midday)
}

func (s *shard) mustOwn(store blob.Store, writer string) *manifest.Handle {
	s.t.Helper()
	h, err := s.own(s.t.Context(), store, writer)
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

func commit(ctx context.Context, h *manifest.Handle) error {
	next := h.Current().Clone()
	next.Ckpt++
	next.Committed = midday.Add(time.Duration(next.Ckpt) * time.Second)
	return h.Commit(ctx, next)
}

// onManifest puts a rule on some of the writes or reads of the manifest.
func onManifest(r fault.Rule, operation string, calls fault.Calls) fault.Rule {
	r.Path = manifestPath
	return on(r, operation, calls)
}

// TestManifestUnderFaults: one commit meets a fault. It must end as committed exactly once, or the owner must know that it is none.
func TestManifestUnderFaults(t *testing.T) {
	write := func(r fault.Rule, calls fault.Calls) fault.Rule { return onManifest(r, "PutObject", calls) }
	read := func(r fault.Rule, calls fault.Calls) fault.Rule { return onManifest(r, "GetObject", calls) }
	cut := fault.Rule{Fate: fault.CutAnswer, Bytes: 20}
	cases := map[string][]fault.Rule{
		"answer lost":                    {write(unheard, fault.Nth(1))},
		"request lost":                   {write(lost, fault.Nth(1))},
		"request lost twice":             {write(lost, fault.Between(1, 2))},
		"request cut":                    {write(fault.Rule{Fate: fault.CutRequest, Bytes: 30}, fault.Nth(1))},
		"lost, then answer lost":         {write(lost, fault.Nth(1)), write(unheard, fault.Nth(2))},
		"unavailable":                    {write(slowDown, fault.Between(1, 2))},
		"conflict":                       {write(conflict, fault.Nth(1))},
		"own success refused":            {write(fault.Rule{Fate: fault.Repeat}, fault.Nth(1))},
		"refused for no reason":          {write(fault.Rule{Fate: fault.Reply, Answer: fault.Error(412, "PreconditionFailed")}, fault.Nth(1))},
		"denied for a moment":            {write(fault.Rule{Fate: fault.Reply, Answer: fault.Error(403, "AccessDenied")}, fault.Nth(1))},
		"answer lost, reads cut":         {write(unheard, fault.Nth(1)), read(cut, fault.Between(1, 4))},
		"request lost, reads cut":        {write(lost, fault.Nth(1)), read(cut, fault.Between(1, 4))},
		"answer lost, reads unavailable": {write(unheard, fault.Nth(1)), read(slowDown, fault.Between(1, 4))},
		"answer lost, reads unheard":     {write(unheard, fault.Nth(1)), read(unheard, fault.Between(1, 4))},
		"answer cut":                     {write(fault.Rule{Fate: fault.CutAnswer}, fault.Nth(1))},
	}
	forEachShard(t, func(t *testing.T, s *shard) {
		h := s.mustOwn(s.Store, "wa")
		for name, rules := range cases {
			s.proxy.Clear()
			last := s.proxy.Add(rules...)
			before := h.Current().Ckpt
			if err := commit(t.Context(), h); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if last.Hits() == 0 {
				t.Errorf("%s: the rule was not applied", name)
			}
			if got := h.Current().Ckpt; got != before+1 {
				t.Errorf("%s: checkpoint %d after %d", name, got, before)
			}
		}
		s.proxy.Clear()
		if err := commit(t.Context(), h); err != nil {
			t.Errorf("the commit after all: %v", err)
		}
		want := []string{"w0/0/0", "wa/1/0"}
		for i := range len(cases) + 1 {
			want = append(want, fmt.Sprintf("wa/1/%d", i+1))
		}
		if got := s.history(); !slices.Equal(got, want) {
			t.Errorf("landed: %v, want %v", got, want)
		}
	})
}

// TestManifestRace: another owner takes over while a commit is on its way, before or after it lands. The old owner hears of it.
func TestManifestRace(t *testing.T) {
	forEachShard(t, func(t *testing.T, s *shard) {
		takeOver := func(writer string) fault.Hook {
			return func(context.Context, fault.Call) {
				if _, err := s.own(context.Background(), s.direct, writer); err != nil {
					t.Error(err)
				}
			}
		}
		want := []string{"w0/0/0"}
		for i, c := range []struct {
			name  string
			rule  fault.Rule
			lands bool
		}{
			{"before it arrives, refused", fault.Rule{Before: takeOver("other")}, false},
			{"before it arrives, and then lost", fault.Rule{Before: takeOver("other"), Fate: fault.Lose}, false},
			{"after it landed, answer lost", fault.Rule{After: takeOver("other"), Fate: fault.LoseAnswer}, true},
		} {
			s.proxy.Clear()
			h := s.mustOwn(s.Store, "wa")
			epoch := 2*i + 1
			want = append(want, fmt.Sprintf("wa/%d/%d", epoch, h.Current().Ckpt))
			if c.lands {
				want = append(want, fmt.Sprintf("wa/%d/%d", epoch, h.Current().Ckpt+1))
			}
			s.proxy.Add(onManifest(c.rule, "PutObject", fault.Nth(1)))
			if err := commit(t.Context(), h); !errors.Is(err, manifest.ErrFenced) || !strings.Contains(err.Error(), "writer other") {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := commit(t.Context(), h); !errors.Is(err, manifest.ErrFenced) {
				t.Errorf("%s, once more: %v", c.name, err)
			}
			m, err := manifest.ReadManifest(t.Context(), s.direct, manifestKey)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, commitName(m))
		}
		if got := s.history(); !slices.Equal(got, want) {
			t.Errorf("landed: %v, want %v", got, want)
		}
	})
}

// TestManifestWriteArrivesLate: the old owner's write stands somewhere on the way when its lease ends, and arrives after the next
// owner has begun. It must bounce off.
func TestManifestWriteArrivesLate(t *testing.T) {
	forEachShard(t, func(t *testing.T, s *shard) {
		old := s.mustOwn(s.Store, "wa")
		gate := fault.NewGate()
		held := s.proxy.Add(onManifest(fault.Rule{Before: gate.Wait, Late: true}, "PutObject", fault.Nth(1)))
		lease, lose := context.WithCancel(t.Context())
		defer lose()
		end := make(chan error)
		go func() { end <- commit(lease, old) }()
		<-gate.Arrived()
		lose()
		if err := <-end; !errors.Is(err, manifest.ErrUnresolved) {
			t.Errorf("the commit that nobody answered: %v", err)
		}
		held.Remove()
		next := s.mustOwn(s.Store, "wb")
		calls := len(s.proxy.Calls())
		gate.Open()
		for deadline := time.Now().Add(20 * time.Second); len(s.proxy.Calls()) == calls && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		if late := s.proxy.Calls()[calls]; late.Status != http.StatusPreconditionFailed {
			t.Errorf("the late write was answered with %d", late.Status)
		}
		if err := commit(t.Context(), next); err != nil {
			t.Errorf("the new owner: %v", err)
		}
		if err := commit(t.Context(), old); err == nil {
			t.Error("the old owner goes on")
		}
		if got, want := s.history(), []string{"w0/0/0", "wa/1/0", "wb/2/0", "wb/2/1"}; !slices.Equal(got, want) {
			t.Errorf("landed: %v, want %v", got, want)
		}
	})
}

// TestManifestOutage: the store goes away in the middle of a commit and comes back before the owner has to let go.
func TestManifestOutage(t *testing.T) {
	forEachShard(t, func(t *testing.T, s *shard) {
		h := s.mustOwn(s.Store, "wa")
		s.proxy.Add(onManifest(fault.Rule{Fate: fault.LoseAnswer, After: func(context.Context, fault.Call) {
			s.proxy.Outage(true)
			time.AfterFunc(time.Second, func() { s.proxy.Outage(false) })
		}}, "PutObject", fault.Nth(1)))
		if err := commit(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if got, want := s.history(), []string{"w0/0/0", "wa/1/0", "wa/1/1"}; !slices.Equal(got, want) {
			t.Errorf("landed: %v, want %v", got, want)
		}
	})
}

// TestManifestOwnersInBadWeather: three owners take over from each other and commit while a third of the writes and of the reads
// fail in some way. Each owner's belief is what happened.
func TestManifestOwnersInBadWeather(t *testing.T) {
	forEachShard(t, func(t *testing.T, s *shard) {
		seed := uint64(20240301)
		s.proxy.Add(
			onManifest(lost, "PutObject", fault.Sometimes(0.08, seed)), onManifest(unheard, "PutObject", fault.Sometimes(0.08, seed+1)),
			onManifest(fault.Rule{Fate: fault.Repeat}, "PutObject", fault.Sometimes(0.08, seed+2)), onManifest(slowDown, "PutObject", fault.Sometimes(0.05, seed+3)),
			onManifest(conflict, "PutObject", fault.Sometimes(0.05, seed+4)), onManifest(slowDown, "GetObject", fault.Sometimes(0.2, seed+5)),
			onManifest(fault.Rule{Fate: fault.CutAnswer, Bytes: 100}, "GetObject", fault.Sometimes(0.1, seed+6)))
		random := rand.New(rand.NewPCG(seed, 0))
		var owners []*manifest.Handle
		var believed []string
		for step := range 60 {
			var h *manifest.Handle
			var err error
			if n := random.IntN(12); n < 10 && len(owners) > 0 {
				h = owners[max(0, len(owners)-1-n/8)] // mostly the latest, sometimes one that was replaced
				err = commit(t.Context(), h)
			} else if h, err = s.own(t.Context(), s.Store, fmt.Sprintf("owner%d", step)); err == nil {
				owners = append(owners, h)
			}
			switch {
			case err == nil:
				believed = append(believed, commitName(h.Current()))
			case h == nil: // the manifest could not be read: nothing happened
			case !errors.Is(err, manifest.ErrFenced):
				t.Fatalf("step %d: %v", step, err)
			}
		}
		if len(believed) < 30 || len(owners) < 3 {
			t.Fatalf("only %d commits of %d owners: the weather is too bad to tell", len(believed), len(owners))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		checkHistory(t, s.landed, believed)
	})
}

// checkHistory: each write follows from the one before it, and each success that was reported is one write.
func checkHistory(t *testing.T, landed []*manifest.Manifest, believed []string) {
	t.Helper()
	times := map[string]int{}
	for i, m := range landed {
		times[commitName(m)]++
		if i == 0 {
			continue
		}
		before := landed[i-1]
		sameOwner := m.Epoch == before.Epoch && m.Writer == before.Writer && m.Ckpt == before.Ckpt+1
		nextOwner := m.Epoch == before.Epoch+1 && m.Ckpt == before.Ckpt
		if !sameOwner && !nextOwner {
			t.Fatalf("%s after %s", commitName(m), commitName(before))
		}
	}
	for _, n := range believed {
		if times[n] != 1 {
			t.Errorf("%s was reported as committed and landed %d times", n, times[n])
		}
	}
}
