package kcl

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the figures of a worker. The caller registers them where it wants
// them; nothing is registered here.
type Metrics struct {
	leases        prometheus.Gauge
	leaseEvents   *prometheus.CounterVec
	leaseScans    prometheus.Counter
	shardFailures prometheus.Counter
	lag           *prometheus.GaugeVec
	readSeconds   prometheus.Histogram
	records       prometheus.Counter
	bytes         prometheus.Counter
	expired       prometheus.Counter
	restoring     prometheus.Gauge
	keys          *prometheus.CounterVec
	oddShards     *prometheus.CounterVec
	unkeyed       prometheus.Gauge
}

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "cairn", Subsystem: "kcl", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cairn", Subsystem: "kcl", Name: name, Help: help})
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cairn", Subsystem: "kcl", Name: name, Help: help}, []string{label})
	}
	return &Metrics{
		leases:        gauge("leases", "Shards that this worker has a lease on."),
		leaseEvents:   counters("lease_events_total", "What happened to leases: gained, released, lost, claimed, renewal_failed.", "event"),
		leaseScans:    counter("lease_scans_total", "Reads of the whole lease table."),
		shardFailures: counter("shard_failures_total", "Consumers of a shard that ended without being asked."),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "cairn", Subsystem: "kcl", Name: "lag_seconds",
			Help: "How far the last read of a shard was behind its tip."}, []string{"shard"}),
		readSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "cairn", Subsystem: "kcl", Name: "read_seconds",
			Help: "Time of one read from the stream.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		records:   counter("records_total", "Stream records read, aggregates counted once."),
		bytes:     counter("bytes_total", "Bytes of the stream records read."),
		expired:   counter("iterators_expired_total", "Shard iterators that were replaced because they had expired."),
		restoring: gauge("restoring", "Shards that are being restored."),
		keys:      counters("odd_keys_total", "Pieces of records whose partition key is missing or outside the shard's range.", "kind"),
		oddShards: counters("odd_key_shards_total", "Shards in which partition keys were found to be random or those of log streams.", "kind"),
		unkeyed:   gauge("unkeyed", "1 while the stream distributes records without regard to their partition key."),
	}
}

// Collectors lists all metrics, to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.leases, m.leaseEvents, m.leaseScans, m.shardFailures, m.lag, m.readSeconds, m.records,
		m.bytes, m.expired, m.restoring, m.keys, m.oddShards, m.unkeyed}
}
