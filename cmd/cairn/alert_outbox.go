package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

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
	router atomic.Pointer[alert.Router]
	sender *alert.Sender
	known  alert.Knowledge
	log    *slog.Logger
}

// newOutbox connects to the sinks, of which there may be none. rules gives the
// rules of the moment. Messages name the command that tells more; flags are
// what it needs to find the lake.
func newOutbox(ctx context.Context, sinks *alert.Sinks, rules func() *rule.Set, flags string, metrics *alert.Metrics, log *slog.Logger) (*outbox, error) {
	o := &outbox{known: alert.Knowledge{Rule: (&ruleFacts{of: rules}).look, Flags: flags}, log: log}
	var err error
	if o.sender, err = alert.NewSender(ctx, sinks, alert.SenderOptions{Metrics: metrics, Log: log}); err != nil {
		return nil, fmt.Errorf("connect to the sinks of alerts: %w", err)
	}
	o.route(sinks)
	return o, nil
}

// route makes alerts for these sinks from now on.
func (o *outbox) route(sinks *alert.Sinks) {
	for _, w := range sinks.Warnings {
		o.log.Warn("sinks", "warning", w)
	}
	o.router.Store(alert.NewRouter(sinks, o.known, o.log))
}

// exchange takes other sinks. With an error nothing has changed.
func (o *outbox) exchange(ctx context.Context, sinks *alert.Sinks) error {
	if err := o.sender.Exchange(ctx, sinks); err != nil {
		return fmt.Errorf("connect to the sinks of alerts: %w", err)
	}
	o.route(sinks)
	return nil
}

// equip gives a shard the hooks.
func (o *outbox) equip(cfg *processor.Config) { cfg.Outbox, cfg.Alerts = o, o.alerts }

func (o *outbox) alerts(f *detect.Finding, row *export.FindingRow) []processor.Alert {
	list := o.router.Load().AlertsAbout(row, alert.About{Event: f.Name, Service: f.Source, Error: f.Error, Address: f.Address, UserAgent: f.UserAgent})
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
