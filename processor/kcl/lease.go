package kcl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lease is the right to process a shard. Its context ends with it.
type lease struct {
	shard string
	token string
	hint  string // checkpoint that the table had when the lease was taken
	ctx   context.Context
	end   context.CancelCauseFunc
	freed chan struct{} // closed when the lease is given up

	// Guarded by Leases.mu.
	until     time.Time // by the monotonic clock
	expiry    *time.Timer
	claim     string // worker that wants the shard
	failed    error  // the shard cannot go on here
	releasing bool
}

func newLease(shard, hint string) *lease {
	ctx, end := context.WithCancelCause(context.Background())
	return &lease{shard: shard, token: newToken(), hint: hint, ctx: ctx, end: end, freed: make(chan struct{})}
}

// renew keeps a lease until it ends. An answer that does not come leaves the
// lease as it is until it runs out; only a row that is not ours ends it at once.
func (l *Leases) renew(h *lease) {
	wait := l.cfg.TTL / 4
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = l.cfg.TTL / 4
		if err := l.renewOnce(h); err != nil && h.ctx.Err() == nil {
			l.cfg.Log.Warn("a lease was not renewed", "shard", h.shard, "error", err)
			l.cfg.Metrics.leaseEvents.WithLabelValues(eventRenewalFailed).Inc()
			wait = l.cfg.TTL / 10
		}
	}
}

func (l *Leases) renewOnce(h *lease) error {
	if !l.valid(h) {
		l.expire(h)
		return nil
	}
	until := time.Now().Add(l.cfg.TTL)
	ctx, cancel := context.WithTimeout(h.ctx, l.cfg.TTL/3)
	defer cancel()
	now, err := l.table.update(ctx, h.shard, "LeaseToken = :mine", "SET "+attrTimeout+" = :t",
		map[string]string{":mine": h.token, ":t": stamp(until)})
	if errors.Is(err, ErrLeaseLost) {
		l.lose(h, err)
	}
	if err != nil {
		return err
	}
	l.wrote(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	h.until = until
	h.expiry.Reset(time.Until(until))
	return nil
}

// valid tells that a lease has not ended, by the clock too: after a pause of the
// process the timer may be late.
func (l *Leases) valid(h *lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return h.ctx.Err() == nil && time.Now().Before(h.until)
}

// expire ends a lease that has run out.
func (l *Leases) expire(h *lease) {
	l.mu.Lock()
	left := time.Until(h.until)
	if left > 0 && h.ctx.Err() == nil {
		h.expiry.Reset(left) // it was renewed while the timer fired
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.lose(h, fmt.Errorf("%w: it ran out without a renewal", ErrLeaseLost))
}

// lose ends a lease that is not this worker's any more. That is a warning: the
// shard goes on with another worker, or here under a new lease, and nothing of it
// is lost.
func (l *Leases) lose(h *lease, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.ctx.Err() != nil {
		return
	}
	h.end(cause)
	l.cfg.Metrics.leaseEvents.WithLabelValues(eventLost).Inc()
	l.cfg.Log.Warn("this worker has lost its lease on a shard, as it could not renew it in time; what it had not committed is read again by the next owner. "+
		"Often: the worker or the lease table is too slow for --lease", "shard", h.shard, "lease", l.cfg.TTL.String(), "error", cause)
}

// fail marks a shard that cannot go on here. Its consumer ends soon, and the
// shard is left alone for a while.
func (l *Leases) fail(h *lease, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.failed == nil {
		h.failed = fmt.Errorf("%w: %w", errFailed, err)
	}
}

// broken tells why the shard of a lease must not be read any more, nil while it
// may.
func (l *Leases) broken(h *lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.ctx.Err() != nil {
		return context.Cause(h.ctx)
	}
	return h.failed
}

// state tells why the consumer of a lease has to end, nil while it has not.
func (l *Leases) state(h *lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case h.ctx.Err() != nil:
		return context.Cause(h.ctx)
	case h.failed != nil:
		return h.failed
	case h.claim != "":
		return fmt.Errorf("%w: %s", errWanted, h.claim)
	}
	return nil
}

// release gives up the lease of a shard after a last commit under it. Of two
// callers the second waits for the first. Without a lease there is nothing to do.
func (l *Leases) release(ctx context.Context, shard string) error {
	l.mu.Lock()
	h := l.held[shard]
	first := h != nil && !h.releasing
	if first {
		h.releasing = true
	}
	l.mu.Unlock()
	switch {
	case h == nil:
		return nil
	case first:
		return l.giveUp(ctx, h)
	}
	select {
	case <-h.freed:
	case <-ctx.Done():
	}
	return nil
}

func (l *Leases) giveUp(ctx context.Context, h *lease) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.ReleaseTimeout)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	done := make(chan error, 1)
	go func() { done <- l.cfg.Release(ctx, h.shard) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = l.linger(h.shard, done)
	}
	return errors.Join(err, l.drop(h))
}

// lingerTime is how long a release may go on after it was told to end.
const lingerTime = time.Second

// linger waits a little for a release whose time is over. The row is given up
// all the same: what the release may still try to commit is refused by the
// manifest as soon as there is another owner.
func (l *Leases) linger(shard string, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-time.After(lingerTime):
		l.cfg.Log.Error("the last commit of a shard does not end; its lease is given up, and its next owner goes on from the commit before", "shard", shard)
		return fmt.Errorf("%s: %w", shard, errUncommitted)
	}
}

const freeRow = "REMOVE AssignedTo, LeaseToken, LeaseTimeout"

// drop frees the row of a lease, if it is still ours, and forgets the lease.
func (l *Leases) drop(h *lease) error {
	mine := l.valid(h)
	h.end(errReleased)
	var err error
	if mine {
		err = l.free(h)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h.expiry.Stop()
	l.noteEnd(h)
	delete(l.held, h.shard)
	close(h.freed)
	l.cfg.Metrics.addLease(-1)
	l.cfg.Metrics.leaseEvents.WithLabelValues(eventReleased).Inc()
	return err
}

// free empties the row of a lease. A row that is not ours is as good: the answer
// to an earlier try was lost, and the client has tried again.
func (l *Leases) free(h *lease) error {
	ctx, cancel := context.WithTimeout(context.Background(), min(l.cfg.TTL/3, freeTime))
	defer cancel()
	now, err := l.table.update(ctx, h.shard, "LeaseToken = :mine", freeRow, map[string]string{":mine": h.token})
	switch {
	case errors.Is(err, ErrLeaseLost):
		return nil
	case err != nil:
		return err
	}
	l.wrote(now)
	return nil
}

// Wait after a failure of a shard: it doubles from the first to the last.
const (
	firstWait = time.Second
	lastWait  = time.Minute
)

// failure is how often in a row a shard ended here for no good reason.
type failure struct {
	times int
	until time.Time // it is not taken before
}

// noteEnd needs mu. A consumer that ended without being asked, and not at the
// end of its shard, has failed.
func (l *Leases) noteEnd(h *lease) {
	if l.closing || h.claim != "" || l.view.rows[h.shard].checkpoint == shardEnd {
		delete(l.failures, h.shard)
		return
	}
	f := l.failures[h.shard]
	f.times++
	f.until = time.Now().Add(backoff(f.times))
	l.failures[h.shard] = f
	l.cfg.Metrics.shardFailures.Inc()
}

// backoff is the wait after so many failures in a row.
func backoff(times int) time.Duration {
	return min(lastWait, firstWait<<min(times-1, 10))
}
