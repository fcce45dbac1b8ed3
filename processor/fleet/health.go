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

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool       `json:"ready"`
	Why    string     `json:"why,omitempty"`
	Shards []Standing `json:"shards"`
}

// ready answers 200 when all shards that this worker has a lease on commit in
// time. A worker without shards is ready: it waits for its share.
func (m *Metrics) ready(w http.ResponseWriter, _ *http.Request) {
	r := readiness{Ready: true, Shards: m.Standings()}
	for _, s := range r.Shards {
		if s.CommitAgeSeconds > stuckAfter.Seconds() {
			r.Ready, r.Why = false, "shard "+s.Shard+" has not committed for long: is a store or the stream down?"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.MarshalWrite(w, r)
}

// Standings tells of all shards that are open, by their names.
func (m *Metrics) Standings() []Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []Standing{}
	for id, s := range m.shards {
		row := Standing{Shard: id, CommitAgeSeconds: time.Since(s.at).Seconds()}
		if s.last != nil {
			row.Checkpoint, row.Sequence, row.Watermark = s.last.Ckpt, s.last.Seq, s.last.Watermark.Format(time.RFC3339)
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b Standing) int { return strings.Compare(a.Shard, b.Shard) })
	return out
}
