package processortest

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"
	"sync"
)

// Scheduler is a Gate that holds every call until it is let go. Its owner waits
// (synctest.Wait) until nothing else moves, looks at Parked, and lets one go.
type Scheduler struct {
	seed uint64

	mu      sync.Mutex
	parked  []*parked
	dead    map[string]bool
	open    bool // calls pass without waiting
	arrived int
}

type parked struct {
	Call
	order  int // of arrival; only tells equal calls apart
	answer chan Verdict
}

// NewScheduler makes a Scheduler. The seed decides what becomes of calls whose
// caller goes away.
func NewScheduler(seed uint64) *Scheduler {
	return &Scheduler{seed: seed, dead: map[string]bool{}}
}

// Gate holds a call. When its context ends first, a write may still have
// happened, or may happen later.
func (s *Scheduler) Gate(ctx context.Context, c Call) Verdict {
	if ctx.Err() != nil {
		return Fail // nothing was sent
	}
	p, v := s.park(c)
	if p == nil {
		return v
	}
	select {
	case v := <-p.answer:
		return v
	case <-ctx.Done():
		return s.leave(p)
	}
}

// PassThrough spares some of the calls for which may says so the wait: three in
// four, chosen by what they are about.
func PassThrough(gate Gate, may func(Call) bool) Gate {
	return func(ctx context.Context, c Call) Verdict {
		if h := fnv.New32a(); may(c) {
			_, _ = h.Write([]byte(c.String()))
			if ctx.Err() == nil && h.Sum32()%4 > 0 {
				return Do
			}
		}
		return gate(ctx, c)
	}
}

func (s *Scheduler) park(c Call) (*parked, Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead[c.Worker] {
		return nil, Fail
	}
	if s.open {
		return nil, Do
	}
	s.arrived++
	p := &parked{Call: c, order: s.arrived, answer: make(chan Verdict, 1)}
	s.parked = append(s.parked, p)
	return p, Do
}

// leave takes a call out that nobody waits for any more. What becomes of it
// depends on the call and not on the order in which calls leave.
func (s *Scheduler) leave(p *parked) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.parked, p); i >= 0 {
		s.parked = slices.Delete(s.parked, i, i+1)
	}
	if !p.Write {
		return Fail
	}
	return s.fate(p.Call)
}

// fate is one of the three things that may become of a write without an answer.
func (s *Scheduler) fate(c Call) Verdict {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.String()))
	return [...]Verdict{Fail, Lose, Late}[(h.Sum64()^s.seed*0x9e3779b97f4a7c15)>>7%3]
}

// Parked are the calls that wait, in an order that depends on nothing but what
// they are.
func (s *Scheduler) Parked() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.parked, func(a, b *parked) int {
		return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Key, b.Key), cmp.Compare(a.order, b.order))
	})
	calls := make([]Call, len(s.parked))
	for i, p := range s.parked {
		calls[i] = p.Call
	}
	return calls
}

// Release lets call i of the last Parked go.
func (s *Scheduler) Release(i int, v Verdict) {
	s.mu.Lock()
	p := s.parked[i]
	s.parked = slices.Delete(s.parked, i, i+1)
	s.mu.Unlock()
	p.answer <- v
}

// Kill ends a worker: calls of it that wait get no answer, whether they happen
// or not, and later ones fail. The test ends the worker's context.
func (s *Scheduler) Kill(worker string) {
	s.mu.Lock()
	s.dead[worker] = true
	var theirs []*parked
	s.parked = slices.DeleteFunc(s.parked, func(p *parked) bool {
		if p.Worker == worker {
			theirs = append(theirs, p)
		}
		return p.Worker == worker
	})
	s.mu.Unlock()
	for _, p := range theirs {
		v := Fail
		if p.Write {
			v = s.fate(p.Call)
		}
		p.answer <- v
	}
}

// Open lets all calls go, now and later.
func (s *Scheduler) Open() {
	s.mu.Lock()
	s.open = true
	all := s.parked
	s.parked = nil
	s.mu.Unlock()
	for _, p := range all {
		p.answer <- Do
	}
}
