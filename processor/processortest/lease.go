package processortest

import (
	"context"
	"errors"
	"sync"
)

// ErrLeaseLost is what the lease table answers to a worker whose lease another
// one has taken.
var ErrLeaseLost = errors.New("the lease belongs to another worker")

// ShardEnd is the checkpoint of a shard that is done.
const ShardEnd = "SHARD_END"

// Lease is one row of the lease table.
type Lease struct {
	Owner      string
	Token      int64  // raised whenever the owner changes
	Checkpoint string // sequence number, ShardEnd, or "" before the first
}

// Leases is a lease table. A lease may be taken from an owner that is alive;
// it learns of it from the next call under its old token.
type Leases struct {
	Gate  Gate
	Watch func(shard string, l Lease) // told of every checkpoint; nil: nobody

	mu   sync.Mutex
	rows map[string]Lease
}

// NewLeases makes an empty lease table.
func NewLeases(gate Gate) *Leases { return &Leases{Gate: gate, rows: map[string]Lease{}} }

// Take makes worker the owner of a shard's lease, whoever has it.
func (l *Leases) Take(ctx context.Context, worker, shard string) (lease Lease, err error) {
	err = l.Gate.pass(ctx, Call{worker, "lease.take", shard, true}, func() error {
		lease = l.update(shard, func(row *Lease) bool {
			row.Owner, row.Token = worker, row.Token+1
			return true
		})
		return nil
	})
	return lease, err
}

// Checkpoint notes how far a shard was processed, if the token still counts.
func (l *Leases) Checkpoint(ctx context.Context, worker, shard string, token int64, sequence string) error {
	return l.Gate.pass(ctx, Call{worker, "lease.checkpoint", shard, true}, func() error {
		ok := false
		row := l.update(shard, func(row *Lease) bool {
			if ok = row.Token == token; ok {
				row.Checkpoint = sequence
			}
			return ok
		})
		if !ok {
			return ErrLeaseLost
		}
		if l.Watch != nil {
			l.Watch(shard, row)
		}
		return nil
	})
}

// Look returns a row without passing the gate.
func (l *Leases) Look(shard string) Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rows[shard]
}

// Clear empties the table, as if somebody had deleted it.
func (l *Leases) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.rows)
}

func (l *Leases) update(shard string, change func(*Lease) bool) Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	row := l.rows[shard]
	if change(&row) {
		l.rows[shard] = row
	}
	return row
}
