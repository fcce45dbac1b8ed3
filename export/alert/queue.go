package alert

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Limits of a queue. A day covers a night without anybody who could repair a
// sink; ten thousand alerts are more than anybody will read, and about 40 MB.
const (
	maxAge     = 24 * time.Hour
	maxWaiting = 10_000
	maxKnown   = 10_000 // alerts that are over and still known
)

// Reasons to give an alert up.
const (
	reasonAge      = "age"
	reasonOverflow = "overflow"
	reasonRefused  = "refused" // the sink will never take it
	reasonUnknown  = "unknown" // there is no such sink
)

// item is an alert that waits.
type item struct {
	alert    Alert
	body     body
	status   Status
	next     time.Time // not before
	busy     bool      // on its way
	alone    bool      // it was refused together with others
	done     []func(id string)
	given    string // reason why it was given up
	finished bool
}

// queue holds the alerts of one sink, in the order of their arrival.
type queue struct {
	sink    *Sink
	carrier carrier
	log     *slog.Logger
	count   *Metrics
	wake    chan struct{}
	stop    context.CancelFunc // of the goroutine that delivers
	ended   chan struct{}      // it has

	mu       sync.Mutex
	items    []*item
	byID     map[string]*item
	known    map[string]Status // of those that are over
	order    []string          // of known, oldest first
	draining bool

	failures int       // of the sink, in a row
	pause    time.Time // the sink is left alone until then
	gap      time.Time // between two messages
	window   time.Time // the rate is counted from here
	used     int       // messages since
}

func newQueue(sink *Sink, c carrier, count *Metrics, log *slog.Logger) *queue {
	return &queue{sink: sink, carrier: c, log: log.With("sink", sink.Name), count: count, wake: make(chan struct{}, 1), byID: map[string]*item{}, known: map[string]Status{}}
}

// start begins to deliver.
func (q *queue) start() {
	ctx, cancel := context.WithCancel(context.Background())
	q.stop, q.ended = cancel, make(chan struct{})
	go func() {
		defer close(q.ended)
		q.run(ctx)
	}()
}

// wait waits until the queue is drained, or ctx ends.
func (q *queue) wait(ctx context.Context) {
	select {
	case <-q.ended:
	case <-ctx.Done():
	}
}

// end stops delivering, and waits for what is on its way.
func (q *queue) end() {
	q.stop()
	<-q.ended
}

// handOver gives what waits to another queue, in its order, and what is known of
// the rest. Without one, or where that is of another kind, it returns what
// waits. The queue has ended.
func (q *queue) handOver(to *queue) (lost []*item) {
	q.count.unwatch(q) // first: who reads the metrics locks them before the queues
	q.mu.Lock()
	defer q.mu.Unlock()
	if to == nil || to.sink.Kind != q.sink.Kind {
		return q.items
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.items, to.byID, to.known, to.order = q.items, q.byID, q.known, q.order
	for _, it := range to.items {
		it.busy, it.next = false, time.Time{} // the sink may have been put right
	}
	return nil
}

// add takes alerts in, all at once, so that those of one commit can go
// together.
func (q *queue) add(alerts []Alert, done func(string), now time.Time) {
	var over []*item
	q.mu.Lock()
	for _, a := range alerts {
		over = append(over, q.take(a, done, now)...)
	}
	q.mu.Unlock()
	q.tell(over)
	q.rouse()
}

// take takes one in and returns what is over by that. One that is known is not
// sent again.
func (q *queue) take(a Alert, done func(string), now time.Time) []*item {
	if it := q.byID[a.ID]; it != nil {
		it.done = append(it.done, done)
		return nil
	}
	it := &item{alert: a, status: Status{Sink: a.Sink, State: Waiting, Since: now}, done: []func(string){done}}
	if known := q.known[a.ID]; known.State == Sent {
		it.finished, it.status = true, known
		return []*item{it}
	}
	var err error
	if it.body, err = decodeBody(a.Body); err != nil || it.body.Kind != q.sink.Kind {
		it.status.Answer = "rendered for a sink of another kind"
		return []*item{it.giveUp(reasonRefused)}
	}
	it.alert.Body = nil // it is in body
	q.items, q.byID[a.ID] = append(q.items, it), it
	return q.overflow()
}

func (it *item) giveUp(reason string) *item {
	it.given, it.finished, it.status.State = reason, true, GivenUp
	return it
}

// overflow gives the oldest up when too many wait.
func (q *queue) overflow() []*item {
	if len(q.items) <= maxWaiting {
		return nil
	}
	i := slices.IndexFunc(q.items, func(it *item) bool { return !it.busy })
	if i < 0 {
		return nil
	}
	it := q.items[i].giveUp(reasonOverflow)
	q.forget(it)
	return []*item{it}
}

// expire gives up what has waited for too long.
func (q *queue) expire(now time.Time) (over []*item) {
	for _, it := range q.items {
		if now.Sub(it.status.Since) < maxAge {
			break // the others came later
		}
		over = append(over, it.giveUp(reasonAge))
	}
	for _, it := range over {
		q.forget(it)
	}
	return over
}

// forget takes an item off the queue and remembers how it ended.
func (q *queue) forget(it *item) {
	id := it.alert.ID
	if i := slices.Index(q.items, it); i >= 0 {
		q.items = slices.Delete(q.items, i, i+1)
	}
	delete(q.byID, id)
	if _, ok := q.known[id]; !ok {
		q.order = append(q.order, id)
	}
	q.known[id] = it.status
	if len(q.order) > maxKnown {
		delete(q.known, q.order[0])
		q.order = q.order[1:]
	}
}

// tell counts and logs what is over, and calls back. No lock is held.
func (q *queue) tell(over []*item) {
	for _, it := range over {
		if it.given != "" {
			q.count.givenUp.WithLabelValues(q.sink.Name, it.given).Inc()
			q.log.Error("alert given up", "reason", it.given, "alert", it.alert.ID, "finding", it.alert.Finding, "rule", it.body.Rule,
				"attempts", it.status.Attempts, "answer", it.status.Answer)
		}
		for _, done := range it.done {
			done(it.alert.ID)
		}
	}
}

// run delivers until ctx ends, or the queue is drained.
func (q *queue) run(ctx context.Context) {
	for ctx.Err() == nil {
		parcels, expired, until, over := q.next(time.Now())
		q.tell(expired)
		switch {
		case over:
			return
		case len(parcels) > 0:
			q.settle(parcels, q.carrier.carry(ctx, parcels), time.Now(), ctx.Err() != nil)
		default:
			q.sleep(ctx, until)
		}
	}
}

// sleep waits for something new, or until a time; zero: for ever.
func (q *queue) sleep(ctx context.Context, until time.Time) {
	var alarm <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		alarm = timer.C
	}
	select {
	case <-ctx.Done():
	case <-q.wake:
	case <-alarm:
	}
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) drain() {
	q.mu.Lock()
	q.draining = true
	q.mu.Unlock()
	q.rouse()
}

// load is how many alerts wait, and for how long the oldest has.
func (q *queue) load(now time.Time) (n int, oldest time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) > 0 {
		oldest = now.Sub(q.items[0].status.Since)
	}
	return len(q.items), oldest
}

func (q *queue) status(id string) (Status, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it := q.byID[id]; it != nil {
		return it.status, true
	}
	st, ok := q.known[id]
	return st, ok
}
