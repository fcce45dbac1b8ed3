package processor

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// Alert is a message about a finding to one sink. It lies in the state of its
// shard, as a row of its own, until it was delivered.
type Alert struct {
	ID      string `json:"id"` // of finding, sink and step: the same whenever it is sent
	Sink    string `json:"sink"`
	Finding string `json:"finding"` // its id
	Time    int64  `json:"time"`    // of the event that raised it, ms since 1970
	Body    []byte `json:"body"`    // as rendered for the sink
}

// Outbox delivers alerts. Send returns at once; done is called, on any
// goroutine, for each alert that was delivered or given up. Until then it is
// sent again by whoever opens the shard next, under the same id.
type Outbox interface {
	Send(shard string, alerts []Alert, done func(id string))
}

// outbox is a shard's side of it: alerts wait for their commit, then for their
// delivery, and leave the state with the commit after that.
type outbox struct {
	fresh []Alert // since the last commit
	// keys are the state keys of each alert that is in the state. A finding that
	// two partition keys raised has two rows and one id.
	keys map[string][]string

	mu        sync.Mutex
	delivered []string // ids
}

// raise puts the alerts of a finding into the state. They are sent when it is
// committed, not before.
func (s *Shard) raise(f *detect.Finding, row *export.FindingRow, hash key.Hash) error {
	if s.cfg.Outbox == nil || s.cfg.Alerts == nil {
		return nil
	}
	for _, a := range s.cfg.Alerts(f, row) {
		data, err := json.Marshal(a, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("alert %s: %w", a.ID, err)
		}
		k := s.inventory.keyOf(hash, key.Outbox, []byte(a.ID))
		s.store.Put(k, data)
		s.outbox.keep(a.ID, string(k))
		s.outbox.fresh = append(s.outbox.fresh, a)
		s.urgent = true
	}
	return nil
}

// acknowledge takes the delivered alerts out of the state.
func (s *Shard) acknowledge() {
	o := &s.outbox
	o.mu.Lock()
	ids := o.delivered
	o.delivered = nil
	o.mu.Unlock()
	for _, id := range ids {
		for _, k := range o.keys[id] {
			s.store.Delete([]byte(k))
		}
		delete(o.keys, id)
	}
}

func (o *outbox) keep(id, key string) {
	if !slices.Contains(o.keys[id], key) {
		o.keys[id] = append(o.keys[id], key)
	}
}

// anyDelivered tells that acknowledge has something to do.
func (o *outbox) anyDelivered() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.delivered) > 0
}

func (o *outbox) done(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.delivered = append(o.delivered, id)
}

// take hands the alerts of one commit over.
func (o *outbox) take() []Alert {
	fresh := o.fresh
	o.fresh = nil
	return fresh
}

// send gives committed alerts to the sender.
func (s *Shard) send(alerts []Alert) {
	if s.cfg.Outbox != nil && len(alerts) > 0 {
		s.cfg.Outbox.Send(s.cfg.Shard, alerts, s.outbox.done)
	}
}

// resend sends what the last owner may or may not have sent. The order is that
// of the events.
func (s *Shard) resend() error {
	var waiting []Alert
	for _, rows := range [...]iter.Seq2[state.Row, error]{s.store.RangeTypes(key.Outbox, key.Outbox), s.store.Range(key.Whole(key.Outbox))} {
		for row, err := range rows {
			if err != nil {
				return fmt.Errorf("read the outbox: %w", err)
			}
			var a Alert
			if err := json.Unmarshal(row.Value, &a); err != nil {
				return fmt.Errorf("read the outbox: %q: %w", row.Key, err)
			}
			if len(s.outbox.keys[a.ID]) == 0 {
				waiting = append(waiting, a)
			}
			s.outbox.keep(a.ID, string(row.Key))
		}
	}
	slices.SortStableFunc(waiting, func(a, b Alert) int {
		if a.Time != b.Time {
			return int(min(max(a.Time-b.Time, -1), 1))
		}
		return strings.Compare(a.ID, b.ID)
	})
	s.send(waiting)
	return nil
}
