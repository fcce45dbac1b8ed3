package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// get asks a handler.
func get(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// readyz is what the page says.
func readyz(t *testing.T, h http.Handler) (status int, r readiness) {
	t.Helper()
	status, body := get(t, h, "/readyz")
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if r.Ready != (status == http.StatusOK) {
		t.Errorf("status %d and ready %v", status, r.Ready)
	}
	return status, r
}

// commit tells the metrics of a commit.
func (m *Metrics) commit(shard string, checkpoint int64) {
	m.committed(shard, processor.Commit{Manifest: &manifest.Manifest{Shard: shard, Ckpt: checkpoint, Seq: "17", Watermark: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}, Took: time.Second})
}

// A worker goes red when one of its shards does not commit, and green again when
// it does or another worker has it.
func TestReadyFollowsCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		h := m.Handler(false)
		expect := func(when string, want int, why ...string) {
			t.Helper()
			status, r := readyz(t, h)
			if status != want || len(r.Why) != len(why) {
				t.Errorf("%s: %d %v, want %d %v", when, status, r.Why, want, why)
				return
			}
			for i := range why {
				if !strings.Contains(r.Why[i], why[i]) {
					t.Errorf("%s: %q does not tell %q", when, r.Why[i], why[i])
				}
			}
		}
		expect("without shards", http.StatusOK)
		m.opened("a", 2*time.Second)
		m.opened("b", time.Second)
		expect("just opened", http.StatusOK)
		time.Sleep(stuckAfter)
		expect("at the limit", http.StatusOK)
		m.commit("a", 1)
		time.Sleep(time.Second)
		expect("b never committed", http.StatusServiceUnavailable, "shard b has not committed")
		m.commit("b", 1)
		expect("b committed", http.StatusOK)
		time.Sleep(stuckAfter + time.Second)
		expect("none commits", http.StatusServiceUnavailable, "shard a", "shard b")
		m.closed("b")
		expect("b is gone", http.StatusServiceUnavailable, "shard a")
		m.closed("a")
		expect("both are gone", http.StatusOK)
	})
}

// What /readyz tells of the shards.
func TestReadyTellsOfShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		m.opened("b", 0)
		time.Sleep(3 * time.Second)
		m.opened("a", 0)
		m.commit("a", 12)
		time.Sleep(2 * time.Second)
		_ = m.openFailed(t.Context(), "c", errors.New("segment damaged"))
		time.Sleep(time.Second)
		_, r := readyz(t, m.Handler(false))
		want := []Standing{
			{Shard: "a", CommitAgeSeconds: 3, Checkpoint: 12, Sequence: "17", Watermark: "2026-03-01T09:00:00Z"},
			{Shard: "b", CommitAgeSeconds: 6},
			{Shard: "c", CommitAgeSeconds: 1, Error: "segment damaged"},
		}
		if diff := cmp.Diff(want, r.Shards); diff != "" {
			t.Errorf("shards (-want +got):\n%s", diff)
		}
	})
}

// A shard that fails before each commit is not in order because it is opened
// again and again; one that comes back after a while begins anew.
func TestReopenedShardKeepsItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		h := m.Handler(false)
		for range 7 {
			m.opened("a", time.Second)
			time.Sleep(10 * time.Second)
			m.closed("a")
			if status, _ := readyz(t, h); status != http.StatusOK {
				t.Error("a shard that this worker does not have makes it red")
			}
			time.Sleep(time.Minute) // the longest wait before the next attempt
		}
		m.opened("a", time.Second)
		if status, r := readyz(t, h); status != http.StatusServiceUnavailable || r.Shards[0].CommitAgeSeconds != 490 {
			t.Errorf("status %d, %+v: want it red 490 s after the shard was opened first", status, r)
		}
		m.closed("a")
		time.Sleep(forgetAfter)
		m.opened("a", time.Second)
		if status, r := readyz(t, h); status != http.StatusOK || r.Shards[0].CommitAgeSeconds != 0 {
			t.Errorf("status %d, %+v: the shard was elsewhere meanwhile", status, r)
		}
	})
}

// A commit that was under way when its shard was closed does not bring the
// shard back: nobody would ever close it again.
func TestCommitOfAClosedShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		m.opened("a", 0)
		m.closed("a")
		m.commit("a", 1)
		time.Sleep(stuckAfter + time.Second)
		if status, r := readyz(t, m.Handler(false)); status != http.StatusOK || len(r.Shards) != 0 {
			t.Errorf("status %d, %+v: want the shard to be gone", status, r)
		}
		m.opened("b", 0)
		if len(m.shards) != 1 {
			t.Errorf("%d shards are remembered, want 1", len(m.shards))
		}
	})
}

// A shard that does not open makes the worker red after a while, until it opens
// or this worker does not try any more.
func TestShardThatDoesNotOpenIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		h := m.Handler(false)
		damaged := errors.New("segment damaged")
		fail := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
				if err := m.openFailed(t.Context(), "a", damaged); err != damaged {
					t.Errorf("%v", err)
				}
			}
		}
		fail(5 * time.Minute)
		if status, _ := readyz(t, h); status != http.StatusOK {
			t.Error("red after 5 minutes")
		}
		fail(time.Minute)
		if status, r := readyz(t, h); status != http.StatusServiceUnavailable || !strings.Contains(r.Why[0], "shard a does not open: segment damaged") {
			t.Errorf("%d, %v after 6 minutes", status, r.Why)
		}
		m.opened("a", 0)
		if status, _ := readyz(t, h); status != http.StatusOK {
			t.Error("red though the shard has opened")
		}
		m.closed("a")
		fail(6 * time.Minute)
		time.Sleep(forgetAfter)
		if status, r := readyz(t, h); status != http.StatusOK || len(r.Shards) != 0 {
			t.Errorf("%d, %+v though it is not tried here any more", status, r)
		}
		given, cancel := context.WithCancel(t.Context())
		cancel()
		before := len(m.failing)
		_ = m.openFailed(given, "b", damaged)
		if len(m.failing) != before {
			t.Error("a shard that was given up while it was opened counts as one that does not open")
		}
	})
}

func TestPages(t *testing.T) {
	m := NewMetrics()
	plain, profiling := m.Handler(false), m.Handler(true)
	tests := []struct {
		name   string
		h      http.Handler
		path   string
		status int
		has    string
	}{
		{"alive", plain, "/livez", 200, "ok\n"},
		{"ready", plain, "/readyz", 200, `"ready":true`},
		{"metrics", plain, "/metrics", 200, "# HELP cairn_commit_age_seconds"},
		{"of the process", plain, "/metrics", 200, "go_goroutines"},
		{"no profiles without the flag", plain, "/debug/pprof/", 404, ""},
		{"no profiles of the heap without the flag", plain, "/debug/pprof/heap", 404, ""},
		{"profiles", profiling, "/debug/pprof/", 200, "goroutine"},
		{"profile of the heap", profiling, "/debug/pprof/heap?debug=1", 200, "heap profile"},
		{"unknown", plain, "/", 404, ""},
	}
	m.opened("a", time.Second)
	for _, test := range tests {
		status, body := get(t, test.h, test.path)
		if status != test.status || !strings.Contains(body, test.has) {
			t.Errorf("%s: %s: %d %.200q, want %d and %q", test.name, test.path, status, body, test.status, test.has)
		}
	}
	w := httptest.NewRecorder()
	plain.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/livez", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// A worker whose store is away does not commit: its commit age rises, it goes
// red, and green again when the store is back. Nothing is lost meanwhile.
func TestWorkerGoesRedWithItsStore(t *testing.T) {
	p := onStream(t, 2, single(created))
	state := &stopped{Store: p.cfg.Shard.State}
	p.cfg.Shard.State = state
	p.cfg.Metrics.stuckAfter = 4 * time.Second
	h := p.cfg.Metrics.Handler(false)
	p.run()
	p.put(events(1, 50, created)...)
	p.eventually("two shards commit", func() bool { return p.sum().Rows == 50 })
	status, r := readyz(t, h)
	if status != http.StatusOK || r.Leases != 2 || len(r.Shards) != 2 {
		t.Errorf("%d %+v, want it green with 2 leases", status, r)
	}
	state.down.Store(true)
	p.put(events(51, 100, created)...)
	var red readiness
	p.eventually("the worker is red", func() bool { status, red = readyz(t, h); return status == http.StatusServiceUnavailable })
	if !slices.ContainsFunc(red.Why, func(why string) bool { return strings.Contains(why, "has not committed for long") }) {
		t.Errorf("why: %v", red.Why)
	}
	oldest := max(p.page()["cairn_commit_age_seconds "+theShard], p.page()["cairn_commit_age_seconds shardId-000000000001"])
	if oldest < 4 {
		t.Errorf("commit age %v s in a red worker", oldest)
	}
	if status, _ := get(t, h, "/livez"); status != http.StatusOK {
		t.Error("a worker whose store is away does not live")
	}
	state.down.Store(false)
	p.eventually("the rest is committed", func() bool { return p.sum().Rows == 100 })
	p.eventually("the worker is green", func() bool { status, _ := readyz(t, h); return status == http.StatusOK })
	if d := p.sum().Duplicates; d != 0 {
		t.Errorf("%d duplicates", d)
	}
}
