package alert

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// drain is how long Close waits for what can be sent at once. A worker that is
// stopped has about 30 s in all, and what is left is sent by the next owner of
// the shard.
const drain = 2 * time.Second

// Sender delivers alerts. Each sink has a queue and a goroutine of its own. It
// looks at the clock, because its work is waiting; all its methods may be
// called by several goroutines.
type Sender struct {
	log   *slog.Logger
	count *Metrics

	mu     sync.Mutex
	queues map[string]*queue
	closed bool
}

// SenderOptions are what a Sender may be given.
type SenderOptions struct {
	Metrics *Metrics     // nil: not counted
	Log     *slog.Logger // nil: none
}

// NewSender connects to the sinks and starts to wait for alerts. ctx is for the
// settings of AWS alone; Close ends the sender.
func NewSender(ctx context.Context, sinks *Sinks, opts SenderOptions) (*Sender, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics()
	}
	s := &Sender{queues: map[string]*queue{}, log: opts.Log, count: opts.Metrics}
	if err := s.Exchange(ctx, sinks); err != nil {
		return nil, err
	}
	return s, nil
}

// Exchange takes other sinks in the place of those that the sender has. What
// waits for a sink goes on under the new one of the same name, with its age and
// its attempts; what was on its way may be sent again, under the same id. Alerts
// for sinks that are not there any more are given up. With an error nothing has
// changed.
func (s *Sender) Exchange(ctx context.Context, sinks *Sinks) error {
	queues := map[string]*queue{}
	for _, sink := range sinks.list {
		c, err := connect(ctx, sink)
		if err != nil {
			return err
		}
		queues[sink.Name] = newQueue(sink, c, s.count, s.log)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	for _, q := range s.queues {
		q.end()
	}
	var lost []*item
	for name, q := range s.queues {
		lost = append(lost, q.handOver(queues[name])...)
	}
	s.queues = queues
	for _, q := range queues {
		s.count.watch(q)
		q.start()
	}
	if len(queues) > 0 { // without any sink alerts wait in the state for better days
		s.giveUp(lost)
	}
	return nil
}

// giveUp tells of alerts that have no sink any more.
func (s *Sender) giveUp(lost []*item) {
	for _, it := range lost {
		s.unknown(it.alert)
		for _, done := range it.done {
			done(it.alert.ID)
		}
	}
}

func (s *Sender) unknown(a Alert) {
	s.count.givenUp.WithLabelValues(a.Sink, reasonUnknown).Inc()
	s.log.Error("alert given up: there is no such sink any more", "sink", a.Sink, "alert", a.ID, "finding", a.Finding)
}

// Send puts alerts into the queues of their sinks and returns at once. done is
// called, on any goroutine, for each that was delivered or given up. An alert
// that waits already is sent once, and both are told. After Close, and while
// there is no sink at all, alerts are left to the next sender.
func (s *Sender) Send(shard string, alerts []Alert, done func(id string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.queues) == 0 {
		return
	}
	bySink := map[string][]Alert{}
	for _, a := range alerts {
		if s.queues[a.Sink] != nil {
			bySink[a.Sink] = append(bySink[a.Sink], a)
			continue
		}
		s.unknown(a)
		done(a.ID)
	}
	for name, list := range bySink {
		s.queues[name].add(list, done, time.Now())
	}
}

// Close sends what can be sent within two seconds, or until ctx ends, and
// returns how many alerts were left. Nobody is told of those: they are still in
// the state of their shards.
func (s *Sender) Close(ctx context.Context) (left int) {
	s.mu.Lock()
	s.closed = true // from here on the queues stay
	queues := s.queues
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	for _, q := range queues {
		q.drain()
	}
	for _, q := range queues {
		q.wait(ctx)
	}
	for _, q := range queues {
		q.end()
		n, _ := q.load(time.Now())
		left += n
	}
	return left
}

// State is how far the delivery of an alert is.
type State string

// The states. A sender remembers those that are over for a while: the newest
// 10,000 of each sink.
const (
	Waiting State = "waiting"
	Sent    State = "sent"
	GivenUp State = "given up"
)

// Status is what is known of the delivery of an alert in this process.
type Status struct {
	Sink     string    `json:"sink"`
	State    State     `json:"state"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`           // it was given to the sender
	At       time.Time `json:"at,omitzero"`     // of the last attempt
	Answer   string    `json:"answer,omitzero"` // of the sink, or what went wrong; without secrets
}

// Status tells how far the delivery of an alert is; false if it is not known.
func (s *Sender) Status(id string) (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if st, ok := q.status(id); ok {
			return st, true
		}
	}
	return Status{}, false
}
