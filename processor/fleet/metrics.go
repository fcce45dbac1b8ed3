package fleet

import (
	"context"
	"maps"
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
	blindRules     prometheus.Gauge
	commitAge      *prometheus.Desc
	watermarkAge   *prometheus.Desc
	openRows       *prometheus.Desc
	stateRows      *prometheus.Desc
	outbox         *prometheus.Desc
	unknown        *prometheus.Desc

	accounts *Accounts // set by New

	stuckAfter time.Duration // tests have less

	mu      sync.Mutex
	shards  map[string]*standing
	failing map[string]*failing
	blinded string // why rules do not see what they should; "": they do
}

// standing is where a shard stood at its last commit, or when it was opened.
type standing struct {
	at     time.Time
	last   *manifest.Manifest // nil before the first commit of this worker
	closed time.Time          // zero while the shard is open
}

// failing is a shard that could not be opened.
type failing struct {
	since, last time.Time
	err         string
}

// forgetAfter is how long it is remembered that a shard was closed or did not
// open: longer than the wait before this worker tries again.
const forgetAfter = 3 * time.Minute

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "cairn", Name: name, Help: help})
	}
	counters := func(name, help string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cairn", Name: name, Help: help}, []string{"outcome"})
		for _, outcome := range values {
			v.WithLabelValues(outcome) // a counter that appears with its first event shows no rise
		}
		return v
	}
	seconds := func(name, help string, first float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "cairn", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 2, 14)})
	}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("cairn_"+name, help, []string{"shard"}, nil)
	}
	m := &Metrics{
		KCL:            kcl.NewMetrics(),
		commitSeconds:  seconds("commit_seconds", "Seconds that one commit took, from the freeze to the publication.", 0.01),
		restoreSeconds: seconds("restore_seconds", "Seconds from taking a shard over until it could process.", 0.05),
		pieces:         counters("pieces_total", "Committed pieces of the stream by what became of them: row (of the table events), duplicate, control, quarantined.", "row", "duplicate", "control", "quarantined"),
		findings:       counter("findings_total", "Committed findings, suppressed ones included."),
		changes:        counter("resource_changes_total", "Committed changes of resources."),
		gaps:           counter("gaps_total", "Times that records may have been lost: the stream removed them before they were read."),
		openFailures:   counter("open_failures_total", "Attempts to open a shard that failed."),
		collected:      counter("garbage_objects_total", "Objects that were collected as garbage."),
		reloads:        prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cairn", Name: "reloads_total", Help: "Times that rules, accounts or sinks were loaded anew, by what it was (rules, accounts, sinks) and the outcome (taken, refused)."}, []string{"what", "outcome"}),
		blindRules:     prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cairn", Name: "blind_rules", Help: "Rules that group events and are at work although the stream spreads the events of a partition key over all shards."}),
		commitAge:      desc("commit_age_seconds", "Seconds since the last commit of a shard, or since it was opened before the first."),
		watermarkAge:   desc("watermark_age_seconds", "Seconds that the committed watermark of a shard is behind the clock."),
		openRows:       desc("open_rows", "Committed rows of a shard that are in no file yet."),
		stateRows:      desc("state_rows", "Rows of a shard's state."),
		outbox:         desc("outbox_alerts", "Committed alerts of a shard that were not known to be delivered at its last commit."),
		unknown:        prometheus.NewDesc("cairn_unknown_accounts", "Accounts that were seen and are not in the accounts file.", nil, nil),
		stuckAfter:     stuckAfter,
		shards:         map[string]*standing{},
		failing:        map[string]*failing{},
	}
	for _, outcome := range []string{"taken", "refused"} {
		m.reloads.WithLabelValues(ReloadRules, outcome)
		m.reloads.WithLabelValues(ReloadAccounts, outcome)
		m.reloads.WithLabelValues(ReloadSinks, outcome)
	}
	return m
}

// Collectors lists all metrics, to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return append(m.KCL.Collectors(), m.commitSeconds, m.restoreSeconds, m.pieces, m.findings, m.changes, m.gaps, m.openFailures, m.collected, m.reloads, m.blindRules, m)
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.commitAge, m.watermarkAge, m.openRows, m.stateRows, m.outbox, m.unknown} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	if book := m.accounts.Book(); book != nil {
		out <- prometheus.MustNewConstMetric(m.unknown, prometheus.GaugeValue, float64(len(book.Unknown())))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, s := range m.shards {
		if s.closed.IsZero() {
			m.collectShard(out, id, s, now)
		}
	}
}

func (m *Metrics) collectShard(out chan<- prometheus.Metric, id string, s *standing, now time.Time) {
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, id)
	}
	gauge(m.commitAge, now.Sub(s.at).Seconds())
	if s.last == nil {
		return
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
	gauge(m.outbox, float64(s.last.Outbox))
}

// opened notes that a shard can process. One that this worker has closed a moment
// ago keeps the age of its last commit: a shard that fails before each commit is
// not in order only because it is opened again and again.
func (m *Metrics) opened(shard string, took time.Duration) {
	m.restoreSeconds.Observe(took.Seconds())
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	delete(m.failing, shard)
	if s := m.shards[shard]; s != nil && now.Sub(s.closed) < forgetAfter {
		s.closed = time.Time{}
		return
	}
	m.shards[shard] = &standing{at: now}
}

// openFailed notes that a shard could not be opened, unless it was given up
// meanwhile, and returns err.
func (m *Metrics) openFailed(ctx context.Context, shard string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	m.openFailures.Inc()
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	f := m.failing[shard]
	if f == nil {
		f = &failing{since: now}
		m.failing[shard] = f
	}
	f.last, f.err = now, err.Error()
	return err
}

// forget needs mu. A stream that is split and merged for years has more shards
// than a worker should remember.
func (m *Metrics) forget(now time.Time) {
	maps.DeleteFunc(m.shards, func(_ string, s *standing) bool { return !s.closed.IsZero() && now.Sub(s.closed) >= forgetAfter })
	maps.DeleteFunc(m.failing, func(_ string, f *failing) bool { return now.Sub(f.last) > forgetAfter })
}

func (m *Metrics) closed(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.shards[shard]; s != nil {
		s.closed = time.Now()
	}
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
	now := standing{at: time.Now(), last: c.Manifest}
	if s := m.shards[shard]; s != nil {
		now.closed = s.closed // it was under way when the shard was closed
	}
	m.shards[shard] = &now
}

// What a worker loads anew while it runs, as the metric names it.
const (
	ReloadRules    = "rules"
	ReloadAccounts = "accounts"
	ReloadSinks    = "sinks"
)

// Reloaded notes that rules, accounts or sinks were taken, or refused.
func (m *Metrics) Reloaded(what string, taken bool) {
	outcome := "refused"
	if taken {
		outcome = "taken"
	}
	m.reloads.WithLabelValues(what, outcome).Inc()
}

// blind notes how many rules do not see what they should. accepted: the operator
// said that they may.
func (m *Metrics) blind(rules int, accepted bool) {
	m.blindRules.Set(float64(rules))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blinded = ""
	if rules > 0 && !accepted {
		m.blinded = "rules that group see only a part of what they group: the stream spreads records without regard to their partition key"
	}
}
