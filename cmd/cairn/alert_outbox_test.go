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
	"github.com/cairnstream/cairn/processor/fleet"
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
	sinks, err := loadSinks([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOutbox(t.Context(), sinks, func() *rule.Set { return set }, "", alert.NewMetrics(), slog.New(slog.DiscardHandler))
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

// TestSinksAreReloaded: a worker may begin without sinks and get them later; a
// file with mistakes leaves what stood.
func TestSinksAreReloaded(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	log, metrics := slog.New(slog.NewTextHandler(&said, nil)), fleet.NewMetrics()
	o, err := newOutbox(t.Context(), &alert.Sinks{}, func() *rule.Set { set, _, _ := rule.Load(rule.Options{}); return set }, "", alert.NewMetrics(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close(t.Context())
	files := watchSinks([]string{dir}, metrics, log)
	if _, err := files.load(); err != nil {
		t.Fatal(err)
	}
	row := alert.ExampleRow(time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC))
	for _, step := range []struct{ text, sinks, says string }{
		{"", "", ""},
		{"- {name: a, file: a.json}", "a", "sinks of alerts reloaded"},
		{"- {name: a, file: a.json}", "a", ""},
		{"- {name: a}\n- {file: x}", "a", "not reloaded"},
		{"- {name: a, file: a.json}\n- {name: b, file: b.json}", "a b", "sinks of alerts reloaded"},
	} {
		said.Reset()
		if step.text != "" {
			if err := os.WriteFile(filepath.Join(dir, alert.FileName), []byte(step.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		files.look(t.Context(), o)
		var names []string
		for _, a := range o.alerts(&detect.Finding{}, &row) {
			names = append(names, a.Sink)
		}
		if got := strings.Join(names, " "); got != step.sinks || !strings.Contains(said.String(), step.says) || (step.says == "") != (said.Len() == 0) {
			t.Errorf("%q: sinks %q, said %q", step.text, got, said.String())
		}
	}
	if strings.Count(said.String(), "_sinks.yml:") != 0 {
		t.Error(said.String())
	}
}

// TestSinksWithMistakes names all of them.
func TestSinksWithMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, alert.FileName), []byte("- {name: a}\n- {file: x}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSinks([]string{dir}); err == nil || strings.Count(err.Error(), "_sinks.yml:") != 2 {
		t.Errorf("%v", err)
	}
}
