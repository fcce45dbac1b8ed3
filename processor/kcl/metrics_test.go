package kcl

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"
)

// arrivals are records that arrived so long after the beginning.
func arrivals(at ...time.Duration) (out []types.Record) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, d := range at {
		out = append(out, types.Record{ApproximateArrivalTimestamp: aws.Time(begin.Add(d)), Data: []byte("ten bytes!")})
	}
	return out
}

// steady are n records, one in each interval, from the i-th on.
func steady(i, n int, interval time.Duration) []types.Record {
	var at []time.Duration
	for k := range n {
		at = append(at, time.Duration(i+k)*interval)
	}
	return arrivals(at...)
}

func TestLagInRecords(t *testing.T) {
	type read struct {
		records []types.Record
		behind  time.Duration
	}
	tests := map[string]struct {
		reads   []read
		want    float64
		unknown bool
	}{
		"nothing read, at the tip":      {reads: []read{{nil, 0}}, want: 0},
		"nothing read, behind":          {reads: []read{{nil, time.Minute}}, unknown: true},
		"one record tells no density":   {reads: []read{{arrivals(0), time.Minute}}, unknown: true},
		"at the tip":                    {reads: []read{{steady(0, 50, time.Second), 0}}, want: 0},
		"one in a second, 10 s behind":  {reads: []read{{steady(0, 61, time.Second), 10 * time.Second}}, want: 10},
		"100 in a second, 10 s behind":  {reads: []read{{steady(0, 1001, 10*time.Millisecond), 10 * time.Second}}, want: 1000},
		"one in an hour, a day behind":  {reads: []read{{arrivals(0), 26 * time.Hour}, {arrivals(time.Hour), 25 * time.Hour}, {arrivals(2 * time.Hour), 24 * time.Hour}}, want: 24},
		"a burst counts as of a second": {reads: []read{{arrivals(0, 0, 0, 0, 0), 2 * time.Second}}, want: 8},
		"an empty read keeps it":        {reads: []read{{steady(0, 61, time.Second), time.Minute}, {nil, 20 * time.Second}}, want: 20},
		// Ten in a second at night, a thousand now: the minute that was read last counts.
		"the density of the last minute": {reads: []read{{steady(0, 6000, 100*time.Millisecond), 700 * time.Second}, {steady(700_000, 60_001, time.Millisecond), 10 * time.Second}}, want: 10_000},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var l lag
			for _, r := range test.reads {
				l.read(r.records, r.behind, time.Now())
			}
			got, known := l.records()
			if known == test.unknown || math.Abs(got-test.want) > 1e-9 {
				t.Errorf("%v (known: %v), want %v", got, known, test.want)
			}
		})
	}
}

// Of a stream that gets records evenly the estimate is what is unread, whatever
// the sizes of the reads and however fast the worker is.
func TestLagInRecordsIsTheBacklog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.IntRange(1, 5000).Draw(t, "interval of arrivals in ms")) * time.Millisecond
		total := rapid.IntRange(200, 5000).Draw(t, "records")
		var l lag
		for done := 0; done < total; {
			n := min(rapid.IntRange(1, 500).Draw(t, "records of a read"), total-done)
			unread := total - done - n
			l.read(steady(done, n, interval), time.Duration(unread)*interval, time.Now())
			done += n
			got, known := l.records()
			// Below a second of arrivals too little is known of the density.
			if !known || time.Duration(done)*interval < 2*time.Second {
				continue
			}
			if math.Abs(got-float64(unread)) > 1e-6*float64(unread)+1e-6 {
				t.Fatalf("estimate %v, unread %v", got, unread)
			}
		}
	})
}

// What is kept of a shard does not grow with the reads.
func TestLagForgetsOldReads(t *testing.T) {
	var l lag
	for i := range 10_000 {
		l.read(steady(i, 1, 250*time.Millisecond), 0, time.Now())
	}
	if got := len(l.parts); got > 300 || l.total != got {
		t.Errorf("%d reads and %d records are kept of 10,000 in 2,500 s, want about a minute's 240", got, l.total)
	}
}

// page reads all metrics, by name and labels.
func page(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m.Collectors()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, s := range f.GetMetric() {
			name := f.GetName()
			for _, l := range s.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// Lag is told per shard, with the age of the read that it is from, and goes with
// the shard.
func TestLagMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics()
		m.read("early", steady(0, 5, time.Second), 5) // nobody follows it
		m.reading("a")
		m.reading("b")
		if got := page(t, m); hasLag(got) {
			t.Errorf("a lag before the first read: %v", got)
		}
		m.read("a", steady(0, 31, time.Second), 1500)
		m.read("b", nil, 60_000)
		time.Sleep(7 * time.Second)
		got := page(t, m)
		want := map[string]float64{
			"cairn_kcl_lag_milliseconds a": 1500, "cairn_kcl_lag_records a": 1.5, "cairn_kcl_read_age_seconds a": 7,
			"cairn_kcl_lag_milliseconds b": 60_000, "cairn_kcl_read_age_seconds b": 7,
			"cairn_kcl_records_total": 36, "cairn_kcl_bytes_total": 360,
		}
		for name, v := range want {
			if have, there := got[name]; !there || have != v {
				t.Errorf("%s: %v (%v), want %v", name, have, there, v)
			}
		}
		if _, there := got["cairn_kcl_lag_records b"]; there {
			t.Error("a number of records for a shard of which none was read")
		}
		monitor{metrics: m}.DeleteMetricMillisBehindLatest("a")
		monitor{metrics: m}.DeleteMetricMillisBehindLatest("b")
		m.read("a", nil, 9)
		if got := page(t, m); hasLag(got) {
			t.Errorf("the lag of shards that are not read stays: %v", got)
		}
	})
}

func hasLag(page map[string]float64) bool {
	for name := range page {
		if strings.HasPrefix(name, "cairn_kcl_lag") || strings.HasPrefix(name, "cairn_kcl_read_age") {
			return true
		}
	}
	return false
}

// Counters are there before their first event: an alarm on a rise needs the zero.
func TestCountersBeginAtZero(t *testing.T) {
	got := page(t, NewMetrics())
	for _, name := range []string{
		"cairn_kcl_lease_events_total gained", "cairn_kcl_lease_events_total released", "cairn_kcl_lease_events_total lost",
		"cairn_kcl_lease_events_total claimed", "cairn_kcl_lease_events_total renewal_failed", "cairn_kcl_shard_failures_total",
		"cairn_kcl_odd_keys_total missing", "cairn_kcl_odd_keys_total outside", "cairn_kcl_odd_key_shards_total random",
		"cairn_kcl_odd_key_shards_total log_stream", "cairn_kcl_unkeyed", "cairn_kcl_leases",
	} {
		if v, there := got[name]; !there || v != 0 {
			t.Errorf("%s: %v (%v), want 0", name, v, there)
		}
	}
}

// The lag of a worker comes from its reads, and is gone with its shards.
func TestLagOfAWorker(t *testing.T) {
	s := newStream(t, 1)
	s.puts(20)
	one := s.start("one")
	s.all()
	id := s.shardIDs()[0]
	for range 2 {
		s.puts(1)
		s.all()
	}
	got := page(t, one.cfg.Metrics)
	if v, there := got["cairn_kcl_lag_milliseconds "+id]; !there || v != 0 { // kinesalite knows no lag
		t.Errorf("lag %v (%v), want 0", v, there)
	}
	if v := got["cairn_kcl_read_age_seconds "+id]; v > 5 {
		t.Errorf("last read %v s ago, with a read each 50 ms", v)
	}
	if v := got["cairn_kcl_records_total"]; v != 22 {
		t.Errorf("%v records read, want 22", v)
	}
	one.kinesis.set(func(operation string, in any) (any, error) {
		if operation != "GetRecords" {
			return nil, nil
		}
		return &kinesis.GetRecordsOutput{NextShardIterator: in.(*kinesis.GetRecordsInput).ShardIterator, MillisBehindLatest: aws.Int64(90_000)}, nil
	})
	eventually(t, "the lag is that of the last answer", func() bool {
		return page(t, one.cfg.Metrics)["cairn_kcl_lag_milliseconds "+id] == 90_000
	})
	if v, there := page(t, one.cfg.Metrics)["cairn_kcl_lag_records "+id]; !there || v <= 0 {
		t.Errorf("%v records (%v) in a lag of 90 s", v, there)
	}
	one.halt()
	if got := page(t, one.cfg.Metrics); hasLag(got) {
		t.Errorf("a worker without shards tells a lag: %v", got)
	}
}
