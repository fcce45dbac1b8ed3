package processortest

import (
	"context"
	"slices"
	"sync"
)

// Sink takes alerts in and remembers how often each id came.
type Sink struct {
	Gate  Gate
	Watch func(id string, body []byte) // told of every alert that arrives; nil: nobody

	mu     sync.Mutex
	sends  map[string]int
	bodies map[string][]byte
}

// NewSink makes a sink that has got nothing yet.
func NewSink(gate Gate) *Sink {
	return &Sink{Gate: gate, sends: map[string]int{}, bodies: map[string][]byte{}}
}

// Send takes an alert from a worker.
func (s *Sink) Send(ctx context.Context, worker, id string, body []byte) error {
	body = slices.Clone(body)
	return s.Gate.pass(ctx, Call{worker, "sink.send", id, true}, func() error {
		s.mu.Lock()
		s.sends[id]++
		s.bodies[id] = body
		s.mu.Unlock()
		if s.Watch != nil {
			s.Watch(id, body)
		}
		return nil
	})
}

// Sends is how often each alert arrived, by id.
func (s *Sink) Sends() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.sends))
	for id, n := range s.sends {
		out[id] = n
	}
	return out
}
