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
	queues map[string]*queue
	log    *slog.Logger
	count  *Metrics
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu     sync.Mutex
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
	for _, sink := range sinks.list {
		c, err := connect(ctx, sink)
		if err != nil {
			return nil, err
		}
		s.queues[sink.Name] = newQueue(sink, c, opts.Metrics, opts.Log)
	}
	work, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, q := range s.queues {
		opts.Metrics.watch(q)
		s.all.Go(func() { q.run(work) })
	}
	return s, nil
}

// Send puts alerts into the queues of their sinks and returns at once. done is
// called, on any goroutine, for each that was delivered or given up. An alert
// that waits already is sent once, and both are told. After Close alerts are
// left to the next sender.
func (s *Sender) Send(shard string, alerts []Alert, done func(id string)) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return
	}
	bySink := map[string][]Alert{}
	for _, a := range alerts {
		if s.queues[a.Sink] != nil {
			bySink[a.Sink] = append(bySink[a.Sink], a)
			continue
		}
		s.count.givenUp.WithLabelValues(a.Sink, reasonUnknown).Inc()
		s.log.Error("alert given up: there is no such sink any more", "sink", a.Sink, "alert", a.ID, "finding", a.Finding, "shard", shard)
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
	s.closed = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	for _, q := range s.queues {
		q.drain()
	}
	ended := make(chan struct{})
	go func() { s.all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	s.cancel()
	<-ended
	for _, q := range s.queues {
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
	for _, q := range s.queues {
		if st, ok := q.status(id); ok {
			return st, true
		}
	}
	return Status{}, false
}
