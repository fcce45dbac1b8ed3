package main

import (
	"context"
	"slices"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// delivery is what the state tells of the alerts about a finding. An alert
// leaves the state with the commit after it was taken or given up, so what is
// not there is over, one way or the other.
type delivery struct {
	Waiting []waitingAlert `json:"waiting"`
	Replay  bool           `json:"replay"` // the data are those of a replay, which sends nothing
}

type waitingAlert struct {
	ID   string    `json:"id"`
	Sink string    `json:"sink"`
	Time time.Time `json:"time"` // of the step that it tells of
}

// readDelivery looks for the alerts of a finding in the state.
func (d *dossier) readDelivery(ctx context.Context, store blob.Store, app string) error {
	shards, err := processor.Manifests(ctx, store, app)
	if err != nil {
		return err
	}
	d.delivery.Replay = len(shards) > 0 && !slices.ContainsFunc(shards, func(m *manifest.Manifest) bool { return m.Stream != replay.Stream })
	waiting, err := processor.Undelivered(ctx, store, shards, value(d.now().AccountID), d.now().FindingID)
	for _, a := range waiting {
		d.delivery.Waiting = append(d.delivery.Waiting, waitingAlert{a.ID, a.Sink, time.UnixMilli(a.Time).UTC()})
	}
	return err
}

// printDelivery says whether sinks have been told.
func (d *dossier) printDelivery(p sheet) {
	name := "delivery"
	for _, a := range d.delivery.Waiting {
		p.line(name, "waits for the sink "+a.Sink+", which has not taken what happened at "+a.Time.Format(time.DateTime)+" UTC")
		name = ""
	}
	if len(d.delivery.Waiting) > 0 {
		p.line("", "cairn_alerts_oldest_seconds and the log of the workers tell why")
		return
	}
	switch r := d.now(); {
	case r.SuppressedBy != nil || r.Staged || d.severity() == "informational":
		// the note says it: nobody was to be told
	case d.delivery.Replay:
		p.line(name, "none: a replay sends nothing")
	default:
		p.line(name, "nothing waits: each sink that asks for it has taken it, or gave it up, which the log of the workers tells")
	}
}
