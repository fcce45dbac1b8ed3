package kcl

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the figures of a worker. The caller registers them where it wants
// them; nothing is registered here.
type Metrics struct {
	leases        prometheus.Gauge
	held          atomic.Int64 // the same
	leaseEvents   *prometheus.CounterVec
	leaseScans    prometheus.Counter
	shardFailures prometheus.Counter
	readSeconds   prometheus.Histogram
	records       prometheus.Counter
	bytes         prometheus.Counter
	expired       prometheus.Counter
	restoring     prometheus.Gauge
	keys          *prometheus.CounterVec
	oddShards     *prometheus.CounterVec
	unkeyed       prometheus.Gauge
	lagMillis     *prometheus.Desc
	lagRecords    *prometheus.Desc
	readAge       *prometheus.Desc

	mu   sync.Mutex
	lags map[string]*lag // of the shards that are being read
}

// The events of a lease, as the metric names them.
const (
	eventGained        = "gained"
	eventReleased      = "released"
	eventLost          = "lost"
	eventClaimed       = "claimed"
	eventRenewalFailed = "renewal_failed"
)

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
	shard := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("cairn_kcl_"+name, help, []string{"shard"}, nil)
	}
	m := &Metrics{
		leases:        gauge("leases", "Shards that this worker has a lease on."),
		leaseEvents:   counters("lease_events_total", "What happened to leases: gained, released, lost, claimed, renewal_failed.", "event"),
		leaseScans:    counter("lease_scans_total", "Reads of the whole lease table."),
		shardFailures: counter("shard_failures_total", "Consumers of a shard that ended without being asked."),
		readSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "cairn", Subsystem: "kcl", Name: "read_seconds",
			Help: "Seconds that one read from the stream took.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		records:    counter("records_total", "Stream records read, aggregates counted once."),
		bytes:      counter("bytes_total", "Bytes of the stream records read."),
		expired:    counter("iterators_expired_total", "Shard iterators that were replaced because they had expired."),
		restoring:  gauge("restoring", "Shards that are being restored."),
		keys:       counters("odd_keys_total", "Pieces of records whose partition key is missing or outside the shard's range.", "kind"),
		oddShards:  counters("odd_key_shards_total", "Shards in which partition keys were found to be random or those of log streams.", "kind"),
		unkeyed:    gauge("unkeyed", "1 while the stream distributes records without regard to their partition key."),
		lagMillis:  shard("lag_milliseconds", "Milliseconds that the last read of a shard was behind its tip (MillisBehindLatest)."),
		lagRecords: shard("lag_records", "Records of a shard not read yet: an estimate, the lag in time by the density of the records read last. Absent until two were read."),
		readAge:    shard("read_age_seconds", "Seconds since Kinesis last answered a read of a shard. While it grows, the lag is that of then."),
		lags:       map[string]*lag{},
	}
	// A counter that appears with its first event shows no rise.
	for _, event := range []string{eventGained, eventReleased, eventLost, eventClaimed, eventRenewalFailed} {
		m.leaseEvents.WithLabelValues(event)
	}
	for _, kind := range []string{oddMissing, oddOutside} {
		m.keys.WithLabelValues(kind)
	}
	for _, kind := range []string{oddRandom, oddLogStream} {
		m.oddShards.WithLabelValues(kind)
	}
	return m
}

// Leases is the number of shards that the worker has a lease on.
func (m *Metrics) Leases() int { return int(m.held.Load()) }

func (m *Metrics) addLease(n int64) {
	m.leases.Set(float64(m.held.Add(n)))
}

// Collectors lists all metrics, to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.leases, m.leaseEvents, m.leaseScans, m.shardFailures, m.readSeconds, m.records,
		m.bytes, m.expired, m.restoring, m.keys, m.oddShards, m.unkeyed, m}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.lagMillis
	out <- m.lagRecords
	out <- m.readAge
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for shard, l := range m.lags {
		if l.at.IsZero() {
			continue
		}
		gauge := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, shard)
		}
		gauge(m.lagMillis, float64(l.behind.Milliseconds()))
		gauge(m.readAge, now.Sub(l.at).Seconds())
		if n, known := l.records(); known {
			gauge(m.lagRecords, n)
		}
	}
}

// reading begins to follow a shard.
func (m *Metrics) reading(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lags[shard] == nil {
		m.lags[shard] = &lag{}
	}
}

// read takes in an answer. One that comes when the shard is not followed any
// more is left out.
func (m *Metrics) read(shard string, records []types.Record, millisBehind int64) {
	bytes := 0
	for i := range records {
		bytes += len(records[i].Data)
	}
	m.records.Add(float64(len(records)))
	m.bytes.Add(float64(bytes))
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.lags[shard]; l != nil {
		l.read(records, time.Duration(millisBehind)*time.Millisecond, time.Now())
	}
}

// unread ends what reading began.
func (m *Metrics) unread(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lags, shard)
}
