package fleet

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/kcl"
	"github.com/cairnstream/cairn/state/manifest"
)

// Metrics are the figures of a worker. Nothing is registered by itself.
type Metrics struct {
	KCL *kcl.Metrics

	commitSeconds  prometheus.Histogram
	restoreSeconds prometheus.Histogram
	pieces         *prometheus.CounterVec
	findings       prometheus.Counter
	changes        prometheus.Counter
	gaps           prometheus.Counter
	openFailures   prometheus.Counter
	collected      prometheus.Counter
	reloads        *prometheus.CounterVec
	commitAge      *prometheus.Desc
	watermarkAge   *prometheus.Desc
	openRows       *prometheus.Desc
	stateRows      *prometheus.Desc

	mu     sync.Mutex
	shards map[string]*standing
}

// standing is where a shard stood at its last commit, or when it was opened.
type standing struct {
	at   time.Time
	last *manifest.Manifest // nil before the first commit of this worker
}

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "cairn", Name: name, Help: help})
	}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("cairn_"+name, help, []string{"shard"}, nil)
	}
	return &Metrics{
		KCL:            kcl.NewMetrics(),
		commitSeconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "cairn", Name: "commit_seconds", Help: "Time of one commit, from the freeze to the publication.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 14)}),
		restoreSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "cairn", Name: "restore_seconds", Help: "Time from taking a shard over until it could process.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 14)}),
		pieces:         prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cairn", Name: "pieces_total", Help: "Committed pieces of the stream by what became of them: row, duplicate, control, quarantined."}, []string{"outcome"}),
		findings:       counter("findings_total", "Committed findings."),
		changes:        counter("resource_changes_total", "Committed changes of resources."),
		gaps:           counter("gaps_total", "Times that records were lost before they could be read."),
		openFailures:   counter("open_failures_total", "Shards that could not be opened."),
		collected:      counter("garbage_objects_total", "Objects that were collected as garbage."),
		reloads:        prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cairn", Name: "rule_reloads_total", Help: "Reloads of the rules by outcome: taken, refused."}, []string{"outcome"}),
		commitAge:      desc("commit_age_seconds", "Time since the last commit of a shard, or since it was opened."),
		watermarkAge:   desc("watermark_age_seconds", "How far the committed watermark of a shard is behind the clock."),
		openRows:       desc("open_rows", "Committed rows of a shard that are in no file yet."),
		stateRows:      desc("state_rows", "Rows of a shard's state."),
		shards:         map[string]*standing{},
	}
}

// Collectors lists all metrics, to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return append(m.KCL.Collectors(), m.commitSeconds, m.restoreSeconds, m.pieces, m.findings, m.changes, m.gaps, m.openFailures, m.collected, m.reloads, m)
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.commitAge, m.watermarkAge, m.openRows, m.stateRows} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.shards {
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, id)
		}
		gauge(m.commitAge, now.Sub(s.at).Seconds())
		if s.last == nil {
			continue
		}
		if !s.last.Watermark.IsZero() {
			gauge(m.watermarkAge, now.Sub(s.last.Watermark).Seconds())
		}
		var open int64
		for _, l := range s.last.RowLogs {
			for _, t := range l.Tables {
				open += t.Rows
			}
		}
		gauge(m.openRows, float64(open))
		gauge(m.stateRows, float64(s.last.StateRows))
	}
}

func (m *Metrics) opened(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shards[shard] == nil {
		m.shards[shard] = &standing{}
	}
	m.shards[shard].at = time.Now()
}

func (m *Metrics) closed(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.shards, shard)
}

// committed notes a commit of a shard.
func (m *Metrics) committed(shard string, c processor.Commit) {
	m.commitSeconds.Observe(c.Took.Seconds())
	d := c.Manifest.Counts.Minus(c.Before)
	for outcome, n := range map[string]int64{"row": d.Rows, "duplicate": d.Duplicates, "control": d.Control, "quarantined": d.Quarantined} {
		m.pieces.WithLabelValues(outcome).Add(float64(n))
	}
	m.findings.Add(float64(d.Findings))
	m.changes.Add(float64(d.Changes))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shards[shard] = &standing{at: time.Now(), last: c.Manifest}
}

// Reloaded notes that rules were taken, or refused.
func (m *Metrics) Reloaded(taken bool) {
	outcome := "refused"
	if taken {
		outcome = "taken"
	}
	m.reloads.WithLabelValues(outcome).Inc()
}

// Standing is what /readyz tells of a shard.
type Standing struct {
	Shard            string  `json:"shard"`
	CommitAgeSeconds float64 `json:"commit_age_seconds"`
	Checkpoint       int64   `json:"checkpoint,omitempty"`
	Sequence         string  `json:"sequence,omitempty"`
	Watermark        string  `json:"watermark,omitempty"`
}
