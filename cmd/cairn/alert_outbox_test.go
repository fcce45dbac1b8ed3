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
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/rule"
)

const alertRule = `
title: Keys for others
id: 11111111-1111-4111-8111-111111111111
author: A. Author
license: DRL 1.1
logsource: {product: aws, service: cloudtrail}
detection: {keys: {eventName: CreateAccessKey}, condition: keys}
falsepositives: [New colleagues]
cairn: {runbook: Ask her}
`

// TestOutbox: from a finding through the hooks of a shard to a server, with
// what only the rule knows.
func TestOutbox(t *testing.T) {
	arrived := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		arrived <- data
	}))
	defer server.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, alert.FileName), []byte("- {name: hook, webhook: '"+server.URL+"'}"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, _, err := rule.Load(rule.Options{}, fstest.MapFS{"r.yml": &fstest.MapFile{Data: []byte(alertRule)}})
	if err != nil {
		t.Fatal(err)
	}
	e := &env{ctx: t.Context(), out: io.Discard, err: io.Discard}
	o, err := newOutbox(t.Context(), e, []string{dir}, func() *rule.Set { return set }, "", alert.NewMetrics(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var cfg processor.Config
	o.equip(&cfg)
	row := alert.ExampleRow(time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC))
	row.RuleID = "11111111-1111-4111-8111-111111111111"
	alerts := cfg.Alerts(&detect.Finding{}, &row)
	if len(alerts) != 1 {
		t.Fatalf("%d alerts", len(alerts))
	}
	done := make(chan string, 1)
	cfg.Outbox.Send("shard", alerts, func(id string) { done <- id })
	var got struct {
		ID   string `json:"id"`
		Rule struct {
			Author, License, Runbook string
			FalsePositives           []string `json:"false_positives"`
		}
	}
	select {
	case data := <-arrived:
		if err := json.Unmarshal(data, &got, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing arrived")
	}
	if r := got.Rule; r.Author != "A. Author" || r.License != "DRL 1.1" || r.Runbook != "Ask her" || strings.Join(r.FalsePositives, "") != "New colleagues" {
		t.Errorf("of the rule it says %+v", r)
	}
	if id := <-done; id != alerts[0].ID || id != got.ID {
		t.Errorf("ids %s, %s, %s", id, alerts[0].ID, got.ID)
	}
	o.close(t.Context())
}

func TestOutboxWithoutSinks(t *testing.T) {
	var errs bytes.Buffer
	e := &env{ctx: t.Context(), out: io.Discard, err: &errs}
	log := slog.New(slog.DiscardHandler)
	o, err := newOutbox(t.Context(), e, []string{t.TempDir()}, nil, "", alert.NewMetrics(), log)
	if o != nil || err != nil {
		t.Errorf("%v %v", o, err)
	}
	var cfg processor.Config
	o.equip(&cfg)
	if cfg.Outbox != nil || cfg.Alerts != nil {
		t.Error("a shard would make alerts for nobody")
	}
	o.close(t.Context())

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, alert.FileName), []byte("- {name: a}\n- {file: x}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newOutbox(t.Context(), e, []string{dir}, nil, "", alert.NewMetrics(), log); err == nil || strings.Count(errs.String(), "_sinks.yml:") != 2 {
		t.Errorf("%v\n%s", err, errs.String())
	}
}
