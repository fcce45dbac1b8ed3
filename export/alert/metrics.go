package alert

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the figures of a Sender, by sink. Nothing is registered by
// itself: give it to a registry, it is a collector.
type Metrics struct {
	sent    *prometheus.CounterVec
	failed  *prometheus.CounterVec
	givenUp *prometheus.CounterVec
	digests *prometheus.CounterVec
	waiting *prometheus.Desc
	oldest  *prometheus.Desc

	mu     sync.Mutex
	queues []*queue
}

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cairn", Name: name, Help: help}, append([]string{"sink"}, labels...))
	}
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("cairn_"+name, help, []string{"sink"}, nil)
	}
	return &Metrics{
		sent:    counter("alerts_sent_total", "Alerts that a sink took, those in digests included."),
		failed:  counter("alert_attempts_failed_total", "Attempts to deliver that failed."),
		givenUp: counter("alerts_given_up_total", "Alerts that were given up, by reason: age, overflow, refused, unknown.", "reason"),
		digests: counter("alert_digests_total", "Messages that stood for several alerts."),
		waiting: gauge("alerts_waiting", "Alerts that a sink has not taken yet."),
		oldest:  gauge("alerts_oldest_seconds", "Seconds that the oldest of them has waited in this process."),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, c := range []prometheus.Collector{m.sent, m.failed, m.givenUp, m.digests} {
		c.Describe(out)
	}
	out <- m.waiting
	out <- m.oldest
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.sent, m.failed, m.givenUp, m.digests} {
		c.Collect(out)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, q := range m.queues {
		n, oldest := q.load(now)
		out <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(n), q.sink.Name)
		out <- prometheus.MustNewConstMetric(m.oldest, prometheus.GaugeValue, oldest.Seconds(), q.sink.Name)
	}
}

// watch adds the queue of a sink, with all its counters at zero: a counter that
// appears with its first failure shows no rise.
func (m *Metrics) watch(q *queue) {
	for _, c := range []*prometheus.CounterVec{m.sent, m.failed, m.digests} {
		c.WithLabelValues(q.sink.Name)
	}
	for _, reason := range []string{reasonAge, reasonOverflow, reasonRefused} {
		m.givenUp.WithLabelValues(q.sink.Name, reason)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queues = append(m.queues, q)
}

// unwatch takes the queue of a sink out that is there no more.
func (m *Metrics) unwatch(q *queue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queues = slices.DeleteFunc(m.queues, func(o *queue) bool { return o == q })
}
