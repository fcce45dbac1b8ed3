package processor_test

import (
	"context"
	"maps"
	"reflect"
	"strings"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/google/go-cmp/cmp"
)

// check holds all that is left at the end against the oracle.
func (w *world) check() {
	o := newOracle(w.set.config)
	want := &truth{events: map[piece]string{}, rejects: map[piece]string{}, changes: map[change]int{}, findings: map[string]int{}, resources: map[string]int{}, alerts: map[string]bool{}}
	for _, s := range w.stream.Shards() {
		t := o.read(&s, w.decode(w.stream.Records(s.ID)))
		w.checkManifest(s.ID, t, len(s.Children) > 0)
		for k, v := range t.events {
			want.events[k] = v
		}
		for k, v := range t.rejects {
			want.rejects[k] = v
		}
		for k, v := range t.changes {
			want.changes[k] += v
		}
		for k, v := range t.findings {
			want.findings[k] += v
		}
		maps.Copy(want.alerts, t.alerts)
		for k, v := range t.resources {
			want.resources[k] += v
		}
	}
	w.checkFiles()
	w.checkRows(want)
}

func (w *world) same(what string, want, got any) {
	if reflect.DeepEqual(want, got) {
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		w.watch.errorf("%s (-right +found):\n%s", what, d)
	}
}

func (w *world) must(what string, err error) {
	if err != nil {
		w.watch.errorf("%s: %v", what, err)
	}
}

// checkManifest holds a shard's position, counts and state against the truth.
func (w *world) checkManifest(shard string, t *truth, ended bool) {
	m := w.watch.manifests[shard]
	if m == nil {
		w.watch.errorf("%s has no manifest", shard)
		return
	}
	if m.Closed != ended {
		w.watch.errorf("%s: closed is %v", shard, m.Closed)
	}
	if len(m.RowLogs) > 0 {
		w.watch.errorf("%s ends with %d row logs", shard, len(m.RowLogs))
	}
	last := ""
	for _, r := range w.stream.Records(shard) {
		last = r.Sequence
	}
	w.same(shard+": position", last, m.Seq)
	if w.set.idle { // how far the watermark went depends on when the shard was idle
		t.counts.Late, t.counts.Findings, t.counts.Alerts = m.Counts.Late, m.Counts.Findings, m.Counts.Alerts
	}
	w.same(shard+": counts", t.counts, m.Counts)
	if !w.set.idle && !m.Watermark.Equal(t.watermark) {
		w.watch.errorf("%s: watermark %v, want %v", shard, m.Watermark, t.watermark)
	}
	ctx := context.Background()
	store := w.state.As("check", nil)
	w.must("verify", processor.Verify(ctx, store, m))
	w.same(shard+": state", t.state, w.stateOf(m))
}

// stateOf are the rows of resources and names that a shard ended with.
func (w *world) stateOf(m *manifest.Manifest) map[string]string {
	got := map[string]string{}
	for row, err := range state.ReadState(context.Background(), w.state.As("check", nil), m, nil) {
		if err != nil {
			w.watch.errorf("%s: %v", m.Shard, err)
			return got
		}
		parts, err := key.Parse(row.Key)
		w.must("state key", err)
		if key.IsDedup(row.Key) {
			continue
		}
		switch parts.Kind {
		case key.Outbox:
			if m.Closed { // its children have it
				continue
			}
			w.watch.errorf("%s ends with the alert %s in its outbox", m.Shard, row.Value)
		case key.Inventory, key.Name:
			got[string(row.Key)] = string(row.Value)
		}
	}
	return got
}

// checkFiles says that what was committed is visible, and nothing else.
func (w *world) checkFiles() {
	for _, k := range w.lake.Keys("") {
		if _, ok := w.watch.committed[k]; !ok && k != "_cairn.json" && !strings.HasPrefix(k, "_stage/") {
			w.watch.errorf("%s is visible and in no commit", k)
		}
	}
	for k, p := range w.watch.committed {
		if data, ok := w.lake.Peek(k); !ok || digest(data) != p.SHA256 {
			w.watch.errorf("%s was committed and is not there as it was", k)
		}
	}
}

// checkRows reads the tables back.
func (w *world) checkRows(want *truth) {
	ctx, lake := context.Background(), w.lake.As("check", nil)
	events := map[piece]string{}
	for r, err := range export.ReadRows[export.EventRow](ctx, lake, export.Selection{}) {
		if err != nil {
			w.watch.errorf("events: %v", err)
			return
		}
		at := piece{r.Shard, r.Sequence, r.Ordinal}
		if _, twice := events[at]; twice {
			w.watch.errorf("event %s at %v is twice in the lake", r.EventID, at)
		}
		events[at] = r.EventID
	}
	w.same("rows of events", want.events, events)
	changes := map[change]int{}
	for r, err := range export.ReadRows[export.ChangeRow](ctx, lake, export.Selection{}) {
		if err != nil {
			w.watch.errorf("resource_changes: %v", err)
			return
		}
		changes[change{piece{r.Shard, r.Sequence, r.Ordinal}, r.ResourceKey, r.Effect, r.Version, r.Stale}]++
	}
	w.same("rows of resource_changes", want.changes, changes)
	findings := map[string]int{}
	for r, err := range export.ReadRows[export.FindingRow](ctx, lake, export.Selection{}) {
		if err != nil {
			w.watch.errorf("findings: %v", err)
			return
		}
		findings[r.FindingID]++
	}
	if !w.set.idle {
		w.same("rows of findings", want.findings, findings)
		w.same("alerts", want.alerts, w.watch.alerts)
	}
	resources := map[string]int{}
	for r, err := range export.ReadRows[export.ResourceRow](ctx, lake, export.Selection{}) {
		if err != nil {
			w.watch.errorf("resources: %v", err)
			return
		}
		resources[resourceText(r)]++
	}
	if !w.set.idle {
		w.same("rows of resources", want.resources, resources)
	}
	rejects := map[piece]string{}
	for q, err := range processor.ReadQuarantine(ctx, lake) {
		w.must("quarantine", err)
		rejects[piece{q.Shard, q.Sequence, q.Ordinal}] = q.Reason
	}
	w.same("quarantine", want.rejects, rejects)
}
