package processor_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/state/manifest"
)

// outbox is a worker's sender of alerts: each is sent until the sink has
// answered, for as long as the worker lives.
type outbox struct {
	world  *world
	ctx    context.Context
	worker string
}

// Send implements processor.Outbox.
func (o *outbox) Send(_ string, alerts []processor.Alert, done func(id string)) {
	for _, a := range alerts {
		go func() {
			for o.world.sink.Send(o.ctx, o.worker, a.ID, a.Body) != nil {
				select {
				case <-o.ctx.Done():
					return
				case <-time.After(time.Second):
				}
			}
			done(a.ID)
		}()
	}
}

// alerts are those of a finding. The body says what must be committed before it
// may be sent.
func alerts(_ *detect.Finding, r *export.FindingRow) []processor.Alert {
	return []processor.Alert{{ID: alertID(r.FindingID), Sink: "test", Finding: r.FindingID, Time: r.EventTS, Body: fmt.Append(nil, r.Shard, " ", r.Sequence)}}
}

func alertID(finding string) string { return finding + "/test" }

// reached tells that a record of a shard, or of one that it comes from, is
// committed.
func (w *watch) reached(shard, sequence string) bool {
	m := w.manifests[shard]
	if m == nil || processortest.CompareSequences(sequence, m.Seq) <= 0 {
		return m != nil
	}
	return slices.ContainsFunc(m.Parents, func(p manifest.Parent) bool { return w.reached(p.Shard, sequence) })
}

// alert is told of every alert that reaches the sink.
func (w *watch) alert(id string, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	shard, sequence, _ := bytes.Cut(body, []byte(" "))
	if !w.reached(string(shard), string(sequence)) {
		w.errorf("alert %s was sent before its finding at %s of %s was committed", id, sequence, shard)
	}
	w.alerts[id] = true
}
