package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/rule"
)

// outbox is what stands between shards and sinks: a shard asks it what a
// finding has to be told, and gives it the alerts once they are committed. The
// package of shards and that of sinks do not know each other.
type outbox struct {
	router *alert.Router
	sender *alert.Sender
	log    *slog.Logger
}

// newOutbox connects to the sinks that the folders of rules name; nil if there
// are none. rules gives the rules of the moment.
// Messages name the command that tells more; flags are what it needs to find
// the lake.
func newOutbox(ctx context.Context, e *env, dirs []string, rules func() *rule.Set, flags string, metrics *alert.Metrics, log *slog.Logger) (*outbox, error) {
	sources, err := folders(dirs)
	if err != nil {
		return nil, err
	}
	sinks, err := alert.Load(alert.Options{}, sources...)
	if err != nil {
		return nil, e.eachLine(err, "the sinks have mistakes")
	}
	for _, w := range sinks.Warnings {
		log.Warn("sinks", "warning", w)
	}
	if len(sinks.All()) == 0 {
		return nil, nil
	}
	sender, err := alert.NewSender(ctx, sinks, alert.SenderOptions{Metrics: metrics, Log: log})
	if err != nil {
		return nil, fmt.Errorf("connect to the sinks of alerts: %w", err)
	}
	known := alert.Knowledge{Rule: (&ruleFacts{of: rules}).look, Flags: flags}
	return &outbox{alert.NewRouter(sinks, known, log), sender, log}, nil
}

// equip gives a shard the hooks. A nil outbox gives none: no alerts are made.
func (o *outbox) equip(cfg *processor.Config) {
	if o != nil {
		cfg.Outbox, cfg.Alerts = o, o.alerts
	}
}

func (o *outbox) alerts(f *detect.Finding, row *export.FindingRow) []processor.Alert {
	list := o.router.AlertsAbout(row, alert.About{Event: f.Name, Service: f.Source, Error: f.Error, Address: f.Address, UserAgent: f.UserAgent})
	out := make([]processor.Alert, len(list))
	for i, a := range list {
		out[i] = processor.Alert(a)
	}
	return out
}

// Send hands committed alerts to the sinks.
func (o *outbox) Send(shard string, alerts []processor.Alert, done func(id string)) {
	list := make([]alert.Alert, len(alerts))
	for i, a := range alerts {
		list[i] = alert.Alert(a)
	}
	o.sender.Send(shard, list, done)
}

// close sends what can be sent at once. It is called after the shards have
// given up or released what they had.
func (o *outbox) close(ctx context.Context) {
	if o == nil {
		return
	}
	if left := o.sender.Close(ctx); left > 0 {
		o.log.Info("alerts wait in the state for the next owner of their shards", "alerts", left)
	}
}

// ruleFacts tells what alerts say of a rule beside what the finding has.
type ruleFacts struct {
	of func() *rule.Set

	mu   sync.Mutex
	set  *rule.Set // that byID was made of
	byID map[string]*rule.Rule
}

func (f *ruleFacts) look(id string) (alert.Rule, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if set := f.of(); set != f.set {
		f.set, f.byID = set, map[string]*rule.Rule{}
		for _, r := range set.Rules() {
			f.byID[r.ID] = r
		}
	}
	r := f.byID[id]
	if r == nil {
		return alert.Rule{}, false
	}
	return ruleFact(r), true
}

func ruleFact(r *rule.Rule) alert.Rule {
	return alert.Rule{Title: r.Title, Description: r.Description, Author: r.Author, License: r.License, Runbook: r.Runbook, References: r.References,
		FalsePositives: r.FalsePositives, Details: r.Fields}
}
