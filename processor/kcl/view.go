package kcl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// view is what this worker knows of the table: one read of all of it, and what
// the worker wrote since.
type view struct {
	rows    map[string]row
	at      time.Time // when the last read ended, well or not
	err     error     // of the last read
	written map[string]time.Time
	seen    map[string]sighting
}

// sighting is when a row was first seen as it is. Clocks of other machines play
// no part: a row whose owner lives changes, and one that has not changed for a
// whole lease of this worker's own clock has no owner that lives.
type sighting struct {
	mark string
	at   time.Time
}

func newView() view {
	return view{rows: map[string]row{}, written: map[string]time.Time{}, seen: map[string]sighting{}}
}

// set enters a row as it was at a time.
func (v *view) set(r row, now time.Time) {
	v.rows[r.shard] = r
	if mark := r.token + " " + r.timeout + " " + r.claim; v.seen[r.shard].mark != mark {
		v.seen[r.shard] = sighting{mark, now}
	}
}

// free tells whether a worker may take a row: it has no owner and nobody else
// has asked for it, or it has not changed for a whole lease.
func (v *view) free(r row, me string, ttl time.Duration) bool {
	wanted := r.claim != "" && r.claim != me
	if r.token == "" && !wanted {
		return true
	}
	return time.Since(v.seen[r.shard].at) > ttl
}

// replace takes in a read of the whole table that began at a time. Rows that the
// worker wrote after that are newer than the read.
func (v *view) replace(rows map[string]row, began, now time.Time) {
	for shard, at := range v.written {
		if !at.After(began) {
			delete(v.written, shard)
		} else if r, ok := v.rows[shard]; ok {
			rows[shard] = r
		}
	}
	v.rows = map[string]row{}
	for _, r := range rows {
		v.set(r, now)
	}
	for shard := range v.seen {
		if _, ok := rows[shard]; !ok {
			delete(v.seen, shard)
		}
	}
}

// refresh reads the table when the last read is older than half a sync interval,
// so that one read serves all questions of a round. An error is also kept so
// long.
func (l *Leases) refresh(ctx context.Context) error {
	l.scanning.Lock()
	defer l.scanning.Unlock()
	if fresh, err := l.fresh(); fresh {
		return err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.cfg.TTL/3)
	defer cancel()
	rows, err := l.table.scan(ctx)
	l.cfg.Metrics.leaseScans.Inc()
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		err = errors.Join(err, l.table.ensure(ctx)) // somebody deleted it
	}
	l.tookIn(rows, err, began)
	return err
}

func (l *Leases) fresh() (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.view.at.IsZero() && time.Since(l.view.at) < l.cfg.Sync/2, l.view.err
}

// tookIn ends a read of the table.
func (l *Leases) tookIn(rows map[string]row, err error, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.view.err == nil {
		l.cfg.Log.Warn("the lease table does not answer", "table", l.cfg.Table, "error", err)
	} else if err == nil && l.view.err != nil {
		l.cfg.Log.Info("the lease table answers again", "table", l.cfg.Table)
	}
	l.view.at, l.view.err = time.Now(), err
	if err != nil {
		return
	}
	l.view.replace(rows, began, l.view.at)
	for shard := range l.held {
		l.noteClaim(l.view.rows[shard])
	}
}

// wrote takes in a row that this worker has just written.
func (l *Leases) wrote(r row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.view.written[r.shard] = now
	l.view.set(r, now)
	l.noteClaim(r)
}

// noteClaim needs mu. It sees that another worker asks for a shard of ours.
func (l *Leases) noteClaim(r row) {
	h := l.held[r.shard]
	if h == nil || r.token != h.token || r.claim == "" || h.claim != "" {
		return
	}
	h.claim = r.claim
	l.cfg.Metrics.leaseEvents.WithLabelValues(eventClaimed).Inc()
	l.cfg.Log.Info("another worker asks for a shard", "shard", r.shard, "worker", r.claim)
}

// checkpointOf is the hint of a shard in the table, "" if there is none.
func (l *Leases) checkpointOf(ctx context.Context, shard string) (string, error) {
	err := l.refresh(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view.rows[shard].checkpoint, err
}

// ownerOf is the worker that the table names as the owner of a shard.
func (l *Leases) ownerOf(ctx context.Context, shard string) (string, error) {
	err := l.refresh(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view.rows[shard].owner, err
}

// owners tells who has which of some shards. It is empty when shares should not
// be compared now: a shard that could be taken is free, its owner seems dead,
// somebody already waits for one, or a shard has just failed here, so that this
// worker is not the one to ask for more.
func (l *Leases) owners(ctx context.Context, shards []string) (map[string][]string, error) {
	if err := l.refresh(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing || l.failing() {
		return nil, nil
	}
	out := map[string][]string{}
	for _, shard := range shards {
		r := l.view.rows[shard]
		switch {
		case r.checkpoint == shardEnd || !l.parentsEnded(shard):
			continue
		case r.token == "" || r.claim != "" || l.held[shard] == nil && l.view.free(r, l.cfg.Worker, l.cfg.TTL):
			return nil, nil
		}
		out[r.owner] = append(out[r.owner], shard)
	}
	return out, nil
}

// failing needs mu.
func (l *Leases) failing() bool {
	for _, f := range l.failures {
		if time.Now().Before(f.until) {
			return true
		}
	}
	return false
}

// claim asks the owner of a shard to give it up.
func (l *Leases) claim(ctx context.Context, shard string) error {
	if err := l.refresh(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	theirs := l.view.rows[shard]
	l.mu.Unlock()
	if theirs.token == "" {
		return fmt.Errorf("ask for %s: %w", shard, errBusy)
	}
	now, err := l.table.update(ctx, shard, "LeaseToken = :theirs AND attribute_not_exists(ClaimRequest)",
		"SET "+attrClaim+" = :me, "+attrClaimTime+" = :t",
		map[string]string{":theirs": theirs.token, ":me": l.cfg.Worker, ":t": stamp(time.Now())})
	if err != nil {
		return fmt.Errorf("ask for %s: %w", shard, err)
	}
	l.wrote(now)
	return nil
}
