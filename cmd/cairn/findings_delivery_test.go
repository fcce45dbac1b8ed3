package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/processor/rule"
)

// TestADeadSinkStopsNothing: with a sink that refuses everything a whole run ends as it does without, its alerts wait in the state,
// and "findings show" says for which sink. No log line has the key in the sink's address.
func TestADeadSinkStopsNothing(t *testing.T) {
	const secret = "hook-k3y-0123456789"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "no "+r.URL.Path) // a server may repeat the key
	}))
	defer server.Close()
	rules, data := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(rules, alert.FileName), []byte("- {name: team, slack: '"+server.URL+"/"+secret+"', min_severity: high}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	result := replayWith(t, rules, data, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if result.Run.Findings == 0 || result.Run.Alerts == 0 {
		t.Fatalf("%+v: nothing to be told", result.Run)
	}
	if text := log.String(); strings.Contains(text, secret) || !strings.Contains(text, "HTTP 503") {
		t.Errorf("the log has a key, or does not tell why nothing was delivered:\n%s", text)
	}
	ids, _ := listed(t, "--data", data)
	text := said(t, "findings", "show", ids["CloudTrail stopped, deleted or made to see less"], "--data", data)
	expectLines(t, text, "delivery     waits for the sink team, which has not taken what happened at 2026-03-03 12:18:53 UTC\n")
	text = said(t, "findings", "show", ids["Access key made for another user"], "--data", data)
	expectLines(t, text, "delivery     none: a replay sends nothing\n") // medium: the sink does not ask for it
	var s struct {
		Delivery delivery `json:"delivery"`
	}
	if err := json.Unmarshal([]byte(said(t, "findings", "show", ids["Many different secrets read"], "--data", data, "--output", "json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Delivery.Waiting) != 1 || s.Delivery.Waiting[0].Sink != "team" || s.Delivery.Waiting[0].ID == "" {
		t.Errorf("%+v", s.Delivery)
	}
}

// replayWith runs the sample through shards that send alerts, as those of a fleet do.
func replayWith(t *testing.T, rules, data string, log *slog.Logger) *replay.Result {
	t.Helper()
	e := &env{ctx: t.Context(), out: io.Discard, err: io.Discard}
	set, err := (ruleFlags{}).load(e)
	if err != nil {
		t.Fatal(err)
	}
	sinks, err := loadSinks([]string{rules})
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOutbox(t.Context(), sinks, func() *rule.Set { return set }, "", alert.NewMetrics(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close(t.Context())
	shard := processor.Config{Rules: set, Log: log}
	o.equip(&shard)
	c := replayCmd{tuning: tuning{Shards: 2, SnapshotEvery: 24 * 60 * 60e9, Lateness: 20 * 60e9, KeepTombstones: 720 * 60 * 60e9, CommitRecords: 100, Encoders: 1}}
	cfg, err := c.pipeline(t.Context(), place{Data: data}, shard)
	if err != nil {
		t.Fatal(err)
	}
	in, err := replay.ListFS(gen.Sample(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	result, err := replay.Run(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
