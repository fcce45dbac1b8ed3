package fleet

import (
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// stuckAfter is the age of a commit at which a worker is not ready: a shard
// with work commits every ten seconds and an idle one at least once a minute,
// unless a store is down.
const stuckAfter = 5 * time.Minute

// Handler serves what operators look at: /livez, /readyz, /metrics and, when
// asked for, /debug/pprof/. more are the metrics of others.
func (m *Metrics) Handler(profiles bool, more ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(append(m.Collectors(), more...)...)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", m.ready)
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Standing is what /readyz tells of a shard that this worker has a lease on.
type Standing struct {
	Shard            string  `json:"shard"`
	CommitAgeSeconds float64 `json:"commit_age_seconds"`
	Checkpoint       int64   `json:"checkpoint,omitempty"` // number of the last commit
	Sequence         string  `json:"sequence,omitempty"`   // committed up to here
	Watermark        string  `json:"watermark,omitempty"`
	// Error is why the shard could not be opened; the age is that of the first
	// attempt then.
	Error string `json:"error,omitempty"`
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool       `json:"ready"`
	Why    []string   `json:"why,omitempty"`
	Leases int        `json:"leases"`
	Shards []Standing `json:"shards"`
}

// ready answers 200 when all shards that this worker has a lease on commit in
// time, and rules see what they should. A worker without shards is ready: it
// waits for its share.
func (m *Metrics) ready(w http.ResponseWriter, _ *http.Request) {
	r := readiness{Leases: m.KCL.Leases(), Shards: m.Standings()}
	for _, s := range r.Shards {
		switch {
		case s.CommitAgeSeconds <= m.stuckAfter.Seconds():
		case s.Error != "":
			r.Why = append(r.Why, "shard "+s.Shard+" does not open: "+s.Error)
		default:
			r.Why = append(r.Why, "shard "+s.Shard+" has not committed for long: is a store or the stream down?")
		}
	}
	if why := m.whyBlind(); why != "" {
		r.Why = append(r.Why, why)
	}
	r.Ready = len(r.Why) == 0
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.MarshalWrite(w, r)
}

func (m *Metrics) whyBlind() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.blinded
}

// Standings tells of all shards that are open or do not open, by their names.
func (m *Metrics) Standings() []Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	out := []Standing{}
	for id, s := range m.shards {
		if !s.closed.IsZero() {
			continue
		}
		row := Standing{Shard: id, CommitAgeSeconds: now.Sub(s.at).Seconds()}
		if s.last != nil {
			row.Checkpoint, row.Sequence, row.Watermark = s.last.Ckpt, s.last.Seq, s.last.Watermark.Format(time.RFC3339)
		}
		out = append(out, row)
	}
	for id, f := range m.failing {
		if now.Sub(f.last) <= forgetAfter {
			out = append(out, Standing{Shard: id, CommitAgeSeconds: now.Sub(f.since).Seconds(), Error: f.err})
		}
	}
	slices.SortFunc(out, func(a, b Standing) int { return strings.Compare(a.Shard, b.Shard) })
	return out
}
