package kcl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// Shard is what a worker does with the shard that it has a lease on. It is
// called from one goroutine at a time, and Close ends it.
type Shard interface {
	// Process takes in what was read; a batch without items is a tick of the clock.
	Process(ctx context.Context, b *processor.Batch) error
	// Idle tells that the shard is at its tip and there is nothing new.
	Idle(ctx context.Context, now time.Time) error
	// Release commits all; with roll so that no rows wait to become a file.
	Release(ctx context.Context, now time.Time, roll bool) error
	// End commits a shard that was read to its end, for good.
	End(ctx context.Context, now time.Time) error
	// Close gives the shard up without a commit.
	Close() error
}

var _ Shard = (*processor.Shard)(nil)

// tickEvery is how often an open shard sees the clock, whatever the library and
// the stream do.
const tickEvery = time.Second

// consumer is a shard under one lease: being opened, open, or closed.
type consumer struct {
	worker *Worker
	lease  *lease
	info   ShardInfo
	keys   *keyWatch

	// ctx ends with the lease, or when the shard is given up.
	ctx    context.Context
	giveUp context.CancelCauseFunc
	opened chan struct{} // closed when Open has returned
	closed chan struct{} // closed when the shard is closed, or could not be opened

	// slot is held while the shard is used. What follows belongs to its holder.
	slot    chan struct{}
	shard   Shard // nil: not open
	decoder cloudtrail.Decoder
	ended   bool // all is committed for good
	last    time.Time
}

var errShut = errors.New("the shard is closed")

func newConsumer(w *Worker, h *lease) *consumer {
	c := &consumer{worker: w, lease: h, info: w.info(h), opened: make(chan struct{}), closed: make(chan struct{}), slot: make(chan struct{}, 1)}
	c.ctx, c.giveUp = context.WithCancelCause(h.ctx)
	hashes, err := key.ParseRange(c.info.HashRange[0], c.info.HashRange[1])
	if err != nil {
		hashes = key.Full
	}
	c.keys = newKeyWatch(hashes)
	return c
}

// open opens the shard once the consumer before it, if any, has closed it. It
// may take minutes; the lease is renewed meanwhile.
func (c *consumer) open(before *consumer) {
	defer close(c.opened)
	shard, err := c.restore(before)
	if err != nil {
		close(c.closed)
		c.fail(fmt.Errorf("open %s: %w", c.info.Shard, err))
		return
	}
	c.shard = shard // nobody else is here before opened
	context.AfterFunc(c.ctx, c.abandon)
	go c.tick()
}

func (c *consumer) restore(before *consumer) (Shard, error) {
	if before != nil {
		select {
		case <-before.closed:
		case <-c.ctx.Done():
			return nil, context.Cause(c.ctx)
		}
	}
	c.worker.cfg.Metrics.restoring.Inc()
	defer c.worker.cfg.Metrics.restoring.Dec()
	began := time.Now()
	log := c.worker.cfg.Log.With("shard", c.info.Shard)
	defer every(sayEvery, func() { log.Info("shard is being opened", "seconds", time.Since(began).Seconds()) })()
	shard, err := c.worker.cfg.Open(c.ctx, c.info)
	if err == nil {
		log.Info("shard opened", "seconds", time.Since(began).Seconds())
	}
	return shard, err
}

// sayEvery is how often the log tells of a shard that is being opened.
const sayEvery = 5 * time.Second

// every calls f in an interval until stop is called.
func every(d time.Duration, f func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				f()
			}
		}
	}()
	return func() { close(done) }
}

// use gives the shard to f, alone, unless it is not open or is being given up.
func (c *consumer) use(ctx context.Context, f func(Shard) error) error {
	select {
	case c.slot <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.slot }()
	if c.shard == nil {
		return errShut
	}
	return f(c.shard)
}

// abandon closes the shard when it may not be used any more.
func (c *consumer) abandon() {
	c.slot <- struct{}{}
	defer func() { <-c.slot }()
	c.shut()
}

// shut needs the slot.
func (c *consumer) shut() {
	if c.shard == nil {
		return
	}
	if err := c.shard.Close(); err != nil {
		c.worker.cfg.Log.Warn("a shard did not close cleanly", "shard", c.info.Shard, "error", err)
	}
	c.shard = nil
	close(c.closed)
}

// fail gives up a shard that cannot go on. It is closed without a commit, and
// left alone for a while.
func (c *consumer) fail(err error) {
	switch log := c.worker.cfg.Log.With("shard", c.info.Shard, "error", err); {
	case c.ctx.Err() != nil: // why it ended is in the log
	case overtaken(err):
		log.Warn(takenOver)
	default:
		log.Error("a shard failed; it is closed, and tried again from its last commit")
	}
	c.worker.leases.fail(c.lease, err)
	c.giveUp(err)
}

// takenOver is what the log says when a shard was overtaken.
const takenOver = "another worker has taken the shard over; this one stops to work on it and has lost nothing that was committed"

// overtaken tells that a shard has another owner, who goes on from the last
// commit.
func overtaken(err error) bool {
	return errors.Is(err, manifest.ErrFenced) || errors.Is(err, ErrLeaseLost)
}

// ready waits until the shard is open. It is false when the shard is being given
// up, and then stays so: what is read from there on is left out.
func (c *consumer) ready() bool {
	select {
	case <-c.opened:
	case <-c.worker.stopping:
	case <-c.ctx.Done():
	}
	return c.ctx.Err() == nil && !c.worker.isStopping()
}

// process takes in what was read, in order.
func (c *consumer) process(records []processor.Record, tip bool) {
	if !c.ready() {
		return
	}
	err := c.use(c.ctx, func(s Shard) error {
		now := time.Now()
		b := processor.DecodeRecords(&c.decoder, records, now)
		c.look(records, b)
		if err := s.Process(c.ctx, b); err != nil {
			return err
		}
		c.last = now
		if tip && len(records) == 0 {
			return s.Idle(c.ctx, now)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errShut) {
		c.fail(err)
	}
}

// tick lets the shard see the clock when nothing is read: a commit that is due
// does not wait for the stream.
func (c *consumer) tick() {
	every := time.NewTicker(tickEvery)
	defer every.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case now := <-every.C:
			err := c.use(c.ctx, func(s Shard) error {
				if now.Sub(c.last) < tickEvery {
					return nil
				}
				return s.Process(c.ctx, processor.DecodeRecords(&c.decoder, nil, now))
			})
			if err != nil && !errors.Is(err, errShut) && c.ctx.Err() == nil {
				c.fail(err)
			}
		}
	}
}

// end commits a shard that has been read to its end. checkpoint tells the
// library.
func (c *consumer) end(checkpoint func() error) {
	if !c.ready() {
		return
	}
	err := c.use(c.ctx, func(s Shard) error {
		if err := s.End(c.ctx, time.Now()); err != nil {
			return err
		}
		c.ended = true
		return checkpoint()
	})
	if err != nil && !errors.Is(err, errShut) {
		c.fail(fmt.Errorf("end %s: %w", c.info.Shard, err))
	}
}

// release commits what the shard has and closes it. One that is not open yet is
// not waited for.
func (c *consumer) release(ctx context.Context, roll bool) error {
	defer c.giveUp(errReleased)
	select {
	case <-c.opened:
	default:
		c.giveUp(errReleased)
		select {
		case <-c.opened:
		case <-ctx.Done():
			return nil
		}
	}
	if c.ctx.Err() != nil { // lost or failed: it is closing
		select {
		case <-c.closed:
		case <-ctx.Done():
		}
		return nil
	}
	err := c.use(ctx, func(s Shard) error {
		defer c.shut()
		if c.ended || c.ctx.Err() != nil {
			return nil
		}
		if err := s.Release(ctx, time.Now(), false); err != nil || !roll {
			return err
		}
		c.roll(ctx, s)
		return nil
	})
	switch log := c.worker.cfg.Log.With("shard", c.info.Shard, "error", err); {
	case err == nil || errors.Is(err, errShut):
		return nil
	case overtaken(err):
		log.Warn(takenOver)
		return nil
	default:
		log.Error("a shard was given up without its last commit; its next owner goes on from the commit before")
		return fmt.Errorf("%s: %w", c.info.Shard, errUncommitted)
	}
}

// rollTime is how long the files of a shard may take when the worker stops.
const rollTime = 8 * time.Second

// roll makes files of rows that are committed already. The next owner can do it
// as well.
func (c *consumer) roll(ctx context.Context, s Shard) {
	ctx, cancel := context.WithTimeout(ctx, rollTime)
	defer cancel()
	if err := s.Release(ctx, time.Now(), true); err != nil {
		c.worker.cfg.Log.Warn("rows of a shard are left to its next owner to make files of", "shard", c.info.Shard, "error", err)
	}
}

// look reports partition keys by which rules cannot group.
func (c *consumer) look(records []processor.Record, b *processor.Batch) {
	f := c.keys.look(records, b)
	m := c.worker.cfg.Metrics
	m.keys.WithLabelValues(oddMissing).Add(float64(f.missing))
	m.keys.WithLabelValues(oddOutside).Add(float64(f.outside))
	for _, kind := range f.first {
		m.oddShards.WithLabelValues(kind).Inc()
		c.worker.cfg.Log.Warn("partition keys do not gather an account in one shard; rules that group see a part of it only. "+
			"Use the account as the key: $.detail.recipientAccountId in EventBridge, or cairn forward", "shard", c.info.Shard, "keys", kind)
	}
}
