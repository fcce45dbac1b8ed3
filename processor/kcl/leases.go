package kcl

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// LeaseConfig says where leases are kept and how long they last.
type LeaseConfig struct {
	Client *dynamodb.Client
	Table  string // at least 3 characters; made on demand
	Worker string // this process; a name that no process had before
	// TTL is how long a lease lasts without a renewal; 0: 10 s. A shorter one
	// loses leases to pauses, a longer one makes a takeover slower.
	TTL time.Duration
	// Sync is the interval in which the library looks for shards to take; 0: 1 s.
	// The table is read about once in it.
	Sync time.Duration
	// ReleaseTimeout is how long the last commit under a lease may take; 0: 15 s.
	ReleaseTimeout time.Duration
	// Parents tells which shards one was split or merged from, as far as the
	// stream still lists them; false: the stream does not list the shard itself.
	Parents func(shard string) ([]string, bool)
	// Release makes the last commit of a shard whose lease is given up. ctx ends
	// when the lease is lost or ReleaseTimeout has passed. When it returns, the
	// shard is closed; with an error it has work that is not committed.
	Release func(ctx context.Context, shard string) error
	Metrics *Metrics
	Log     *slog.Logger
}

// Leases are the leases of one worker on the shards of a stream, rows of one
// DynamoDB table. Every write is conditional on a token that is new with each
// acquisition.
type Leases struct {
	cfg   LeaseConfig
	table table

	scanning sync.Mutex // held while the table is read; before mu
	mu       sync.Mutex
	held     map[string]*lease
	failures map[string]failure
	closing  bool // no new leases
	view     view
}

// errBusy: the shard is not to be had now.
var errBusy = errors.New("the shard is not free")

var (
	errReleased = errors.New("the lease was released")
	errClosing  = errors.New("the worker takes no more shards")
	errWanted   = errors.New("another worker wants the shard")
	errFailed   = errors.New("the shard failed")
	// errUncommitted: nothing is lost, the next owner reads it again.
	errUncommitted = errors.New("the last commit of the shard was not made")
)

// NewLeases returns the leases of a worker that has none yet.
func NewLeases(cfg LeaseConfig) *Leases {
	cfg.TTL = cmp.Or(cfg.TTL, 10*time.Second)
	cfg.Sync = cmp.Or(cfg.Sync, time.Second)
	cfg.ReleaseTimeout = cmp.Or(cfg.ReleaseTimeout, 15*time.Second)
	cfg.Metrics = cmp.Or(cfg.Metrics, NewMetrics())
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	return &Leases{
		cfg:      cfg,
		table:    table{client: cfg.Client, name: cfg.Table},
		held:     map[string]*lease{},
		failures: map[string]failure{},
		view:     newView(),
	}
}

// acquire takes the lease of a shard. The error is errBusy when it is not to be
// had now; any other is of the table, which did not take the write.
func (l *Leases) acquire(shard string) (*lease, error) {
	if err := l.mayTake(shard); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.TTL/3)
	defer cancel()
	seen, err := l.admit(ctx, shard)
	if err != nil {
		return nil, err
	}
	h := newLease(shard, seen.checkpoint)
	until := time.Now().Add(l.cfg.TTL) // others count from later: from when they see the row
	now, err := l.take(ctx, h, seen, until)
	if err != nil {
		return nil, err
	}
	h.hint = now.checkpoint
	l.hold(h, until)
	return h, nil
}

// mayTake tells whether this worker wants the shard now.
func (l *Leases) mayTake(shard string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closing:
		return fmt.Errorf("%w: %w", errBusy, errClosing)
	case l.held[shard] != nil:
		return fmt.Errorf("%w: its last consumer here is still ending", errBusy)
	case time.Now().Before(l.failures[shard].until):
		return fmt.Errorf("%w: it failed here and waits", errBusy)
	}
	return nil
}

// admit reads the row of a shard that may be taken: nobody has it, it is not
// finished, and all of its parents are.
func (l *Leases) admit(ctx context.Context, shard string) (row, error) {
	if err := l.refresh(ctx); err != nil {
		return row{}, fmt.Errorf("%w: %w", errBusy, err) // the log has it, once for all shards
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.parentsEnded(shard) {
		return row{}, fmt.Errorf("%w: a parent is not finished", errBusy)
	}
	r := l.view.rows[shard]
	if r.checkpoint == shardEnd || !l.view.free(r, l.cfg.Worker, l.cfg.TTL) {
		return row{}, errBusy
	}
	return r, nil
}

// parentsEnded needs mu. A parent without a row has not begun.
func (l *Leases) parentsEnded(shard string) bool {
	parents, listed := l.cfg.Parents(shard)
	for _, p := range parents {
		if l.view.rows[p].checkpoint != shardEnd {
			return false
		}
	}
	return listed
}

const takeRow = "SET AssignedTo = :me, LeaseToken = :mine, LeaseTimeout = :t REMOVE ClaimRequest, ClaimTime"

// take writes the token into a row that is as it was seen.
func (l *Leases) take(ctx context.Context, h *lease, seen row, until time.Time) (row, error) {
	condition := "attribute_not_exists(LeaseToken)"
	values := map[string]string{":me": l.cfg.Worker, ":mine": h.token, ":t": stamp(until)}
	if seen.token != "" {
		condition = "LeaseToken = :old AND LeaseTimeout = :seen"
		values[":old"], values[":seen"] = seen.token, seen.timeout
	}
	now, err := l.table.update(ctx, h.shard, condition, takeRow, values)
	if err != nil {
		return l.took(h, err)
	}
	l.wrote(now)
	return now, nil
}

// took looks whether a write that failed took the lease after all: the answer to
// a first attempt may have been lost on the way, and then the repetition finds
// the row changed, by ourselves.
func (l *Leases) took(h *lease, cause error) (row, error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.TTL/3)
	defer cancel()
	now, err := l.table.get(ctx, h.shard)
	switch {
	case err != nil:
		return row{}, errors.Join(cause, err)
	case now.token == h.token:
		l.wrote(now)
		return now, nil
	case errors.Is(cause, ErrLeaseLost):
		return row{}, fmt.Errorf("%w: %s was faster", errBusy, now.owner)
	}
	return row{}, cause
}

// hold enters a lease that was taken and starts to renew it.
func (l *Leases) hold(h *lease, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.until = until
	h.expiry = time.AfterFunc(time.Until(until), func() { l.expire(h) })
	l.held[h.shard] = h
	l.cfg.Metrics.leaseEvents.WithLabelValues(eventGained).Inc()
	l.cfg.Metrics.addLease(1)
	go l.renew(h)
}

// lease returns the lease that this worker has on a shard, or nil.
func (l *Leases) lease(shard string) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[shard]
}

// Checkpoint notes how far a shard is committed, or with "SHARD_END" that it is
// finished. When this worker has no lease on the shard, or not any more, it
// writes nothing and the error is ErrLeaseLost.
func (l *Leases) Checkpoint(ctx context.Context, shard, sequence string) error {
	h := l.lease(shard)
	if h == nil {
		return fmt.Errorf("checkpoint of %s: %w", shard, ErrLeaseLost)
	}
	return l.checkpoint(ctx, h, sequence)
}

func (l *Leases) checkpoint(ctx context.Context, h *lease, sequence string) error {
	if !l.valid(h) {
		return fmt.Errorf("checkpoint of %s: %w", h.shard, ErrLeaseLost)
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.TTL/3)
	defer cancel()
	now, err := l.table.update(ctx, h.shard, "LeaseToken = :mine", "SET "+attrCheckpoint+" = :s",
		map[string]string{":mine": h.token, ":s": sequence})
	if errors.Is(err, ErrLeaseLost) {
		l.lose(h, err)
	}
	if err != nil {
		return fmt.Errorf("checkpoint of %s at %s: %w", h.shard, sequence, err)
	}
	l.wrote(now)
	l.mu.Lock()
	delete(l.failures, h.shard)
	l.mu.Unlock()
	return nil
}

// noted is the checkpoint that this worker last wrote for a shard, or has read
// since; "" if there is none.
func (l *Leases) noted(shard string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view.rows[shard].checkpoint
}

// Close makes the worker take no more shards and want none.
func (l *Leases) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
}

// Held lists the shards that this worker has a lease on.
func (l *Leases) Held() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var shards []string
	for shard := range l.held {
		shards = append(shards, shard)
	}
	return shards
}

// stamp writes a time for the table. It serves as a mark that changes, so it has
// all digits of the clock.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func newToken() string { return rand.Text() }
