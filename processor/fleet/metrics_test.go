package fleet

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/detect"
)

// described is a metric as it tells of itself.
type described struct {
	name, help string
	labels     []string
}

// describe lists all metrics that a worker can have.
func describe(t *testing.T) (out []described) {
	t.Helper()
	text := regexp.MustCompile(`fqName: "(\w+)", help: "([^"]*)".* constLabels: \{\}, variableLabels: \{([^}]*)\}`)
	descs := make(chan *prometheus.Desc, 200)
	for _, c := range append(NewMetrics().Collectors(), alert.NewMetrics()) {
		c.Describe(descs)
	}
	close(descs)
	for d := range descs {
		m := text.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %v", d)
		}
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		out = append(out, described{m[1], m[2], labels})
	}
	return out
}

// README.md lists all metrics, with their labels, and no other; their names and
// their help tell the unit.
func TestTableOfMetrics(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(cairn_\\w+)` \\|([^|]*)\\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = []string{strings.TrimSpace(m[2]), strings.TrimSpace(m[3])}
	}
	units := map[string][2]string{"_milliseconds": {"ms", "Milliseconds"}, "_seconds": {"s", "Seconds"}, "_bytes_total": {"bytes", "Bytes"}, "_records": {"records", "Records"}}
	seen := map[string]bool{}
	for _, d := range describe(t) {
		if seen[d.name] {
			t.Errorf("%s is there twice", d.name)
		}
		seen[d.name] = true
		row, there := rows[d.name]
		switch {
		case !there:
			t.Errorf("README.md does not name %s", d.name)
			continue
		case row[0] != strings.Join(d.labels, ", "):
			t.Errorf("%s has labels %v, README.md says %q", d.name, d.labels, row[0])
		case len(d.help) < 20 || !strings.HasSuffix(d.help, "."):
			t.Errorf("%s: help %q", d.name, d.help)
		}
		for suffix, unit := range units {
			if !strings.HasSuffix(d.name, suffix) {
				continue
			}
			if first, _, _ := strings.Cut(row[1], ","); first != unit[0] {
				t.Errorf("%s: README.md says unit %q, want %q", d.name, row[1], unit[0])
			}
			if !strings.HasPrefix(d.help, unit[1]) {
				t.Errorf("%s: help %q does not begin with the unit", d.name, d.help)
			}
		}
	}
	for name := range rows {
		if !seen[name] {
			t.Errorf("README.md names %s, which there is not", name)
		}
	}
}

// All counters are there before their first event: an alarm on a rise needs the
// zero.
func TestCountersBeginAtZero(t *testing.T) {
	p := &place{t: t, cfg: Config{Metrics: NewMetrics()}}
	page := p.page()
	for _, d := range describe(t) {
		if !strings.HasSuffix(d.name, "_total") || strings.HasPrefix(d.name, "cairn_alert") {
			continue
		}
		found := 0
		for name, v := range page {
			if name == d.name || strings.HasPrefix(name, d.name+" ") {
				found++
				if v != 0 {
					t.Errorf("%s is %v", name, v)
				}
			}
		}
		if found == 0 {
			t.Errorf("%s is not there", d.name)
		}
	}
	for name, n := range map[string]int{"cairn_pieces_total": 4, "cairn_reloads_total": 6, "cairn_kcl_lease_events_total": 5} {
		got := 0
		for have := range page {
			if strings.HasPrefix(have, name+" ") {
				got++
			}
		}
		if got != n {
			t.Errorf("%s has %d kinds, want %d", name, got, n)
		}
	}
}

// holding delivers alerts only when it is told to.
type holding struct {
	mu    sync.Mutex
	held  []func()
	sends int
}

func (h *holding) Send(_ string, alerts []processor.Alert, done func(string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sends += len(alerts)
	for _, a := range alerts {
		h.held = append(h.held, func() { done(a.ID) })
	}
}

func (h *holding) deliver() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, done := range h.held {
		done()
	}
	h.held = nil
}

// What a worker has done is what its metrics say.
func TestFiguresOfAWorker(t *testing.T) {
	p := onStream(t, 2, single(created))
	sink := &holding{}
	p.cfg.Shard.Outbox = sink
	p.cfg.Shard.Alerts = func(_ *detect.Finding, r *export.FindingRow) []processor.Alert {
		return []processor.Alert{{ID: r.FindingID, Sink: "test", Finding: r.FindingID, Time: r.EventTS}}
	}
	good, bytes := events(1, 20, created), 0
	odd := [][]byte{[]byte("this is no record"), []byte(`{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[]}`)}
	for _, d := range slices.Concat(good, good[:5], odd) {
		bytes += len(d)
	}
	p.put(good...)
	p.put(good[:5]...) // under the same keys, so in the same shards
	p.put(odd...)
	r := p.run()
	p.eventually("all is committed", func() bool { return p.sum().In == 27 && p.page()["cairn_kcl_leases"] == 2 })
	p.eventually("the metrics know of the last commit", func() bool { return p.page()["cairn_pieces_total row"] == 20 })
	got := p.page()
	var stateRows, openRows, outbox float64
	for shard, m := range p.manifests() {
		stateRows += got["cairn_state_rows "+shard]
		openRows += got["cairn_open_rows "+shard]
		outbox += got["cairn_outbox_alerts "+shard]
		within(t, got, "cairn_commit_age_seconds "+shard, 0, 60)
		within(t, got, "cairn_watermark_age_seconds "+shard, 20*60, 22*60) // --lateness, and the age of the data
		within(t, got, "cairn_kcl_lag_milliseconds "+shard, 0, 0)
		within(t, got, "cairn_kcl_lag_records "+shard, 0, 0)
		within(t, got, "cairn_kcl_read_age_seconds "+shard, 0, 10)
		within(t, got, "cairn_state_rows "+shard, float64(m.StateRows), float64(m.StateRows))
	}
	all := p.sum()
	for name, want := range map[string]float64{
		"cairn_pieces_total row": 20, "cairn_pieces_total duplicate": 5, "cairn_pieces_total control": 1, "cairn_pieces_total quarantined": 1,
		"cairn_findings_total": 20, "cairn_resource_changes_total": float64(all.Changes), "cairn_restore_seconds": 2, "cairn_kcl_restoring": 0,
		"cairn_kcl_leases": 2, "cairn_kcl_lease_events_total gained": 2, "cairn_kcl_records_total": 27, "cairn_kcl_bytes_total": float64(bytes),
		"cairn_gaps_total": 0, "cairn_open_failures_total": 0, "cairn_kcl_shard_failures_total": 0, "cairn_kcl_unkeyed": 0, "cairn_blind_rules": 0,
	} {
		within(t, got, name, want, want)
	}
	within(t, got, "cairn_commit_seconds", 2, math.Inf(1))
	within(t, got, "cairn_kcl_read_seconds", 2, math.Inf(1))
	within(t, got, "cairn_kcl_lease_scans_total", 1, math.Inf(1))
	if all.Changes == 0 || stateRows == 0 || openRows < 20 || outbox != 20 || sink.sends != 20 {
		t.Errorf("%d changes, %v rows of state, %v open rows, %v alerts that wait, %d sent", all.Changes, stateRows, openRows, outbox, sink.sends)
	}
	sink.deliver()
	p.eventually("the alerts are known to be delivered", func() bool {
		page, left := p.page(), 0.0
		for shard := range p.manifests() {
			left += page["cairn_outbox_alerts "+shard]
		}
		return left == 0
	})
	r.stop()
	got = p.page()
	within(t, got, "cairn_kcl_leases", 0, 0)
	within(t, got, "cairn_kcl_lease_events_total released", 2, 2)
	within(t, got, "cairn_kcl_lease_events_total lost", 0, 0)
	for name := range got {
		if strings.Contains(name, " shardId-") {
			t.Errorf("%s is told of a shard that the worker does not have", name)
		}
	}
}

func within(t *testing.T, page map[string]float64, name string, low, high float64) {
	t.Helper()
	if v, there := page[name]; !there || v < low || v > high {
		t.Errorf("%s is %v (%v), want %v", name, v, there, fmt.Sprintf("%v to %v", low, high))
	}
}
