package kcl

import (
	"context"
	"errors"
	"fmt"

	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
)

// checkpointer is the library's view of the leases. The library calls it from
// its event loop, which looks for shards to take, and from the consumer of each
// shard. It never learns more than it needs: what it keeps in a ShardStatus it
// would write back later.
type checkpointer struct {
	leases *Leases
	worker string
	// position is where the shard is to be read on from, as its manifest has it;
	// "" at its beginning. It is asked while the lease is held.
	position func(ctx context.Context, shard string) (string, error)
	// tick, if not nil, is called with a shard status on each look at a lease that
	// is held. Fan-out consumers read the time of the next look from it.
	tick func(*par.ShardStatus)
}

var _ chk.Checkpointer = (*checkpointer)(nil)

// Init has nothing to do: the worker has made the lease table before it starts the
// library.
func (c *checkpointer) Init() error { return nil }

// GetLease serves three callers. The event loop wants a shard that this worker
// does not have; it may also ask while the last consumer of the shard is ending
// and has already cleared the owner. The third, the consumer's own tick, comes
// with this worker as the owner: it gets an error when the consumer has to end.
func (c *checkpointer) GetLease(s *par.ShardStatus, worker string) error {
	if h := c.leases.lease(s.ID); h != nil && s.GetLeaseOwner() == worker {
		c.ticked(s)
		return c.leases.state(h)
	} else if h == nil && s.GetLeaseOwner() == worker {
		return fmt.Errorf("%s: %w", s.ID, ErrLeaseLost) // the tick of a consumer whose lease was released before it
	}
	h, err := c.leases.acquire(s.ID)
	if errors.Is(err, errBusy) {
		return fmt.Errorf("%w: %w", chk.ErrLeaseNotAcquired{}, err) // which the library does not log
	} else if err != nil {
		return err
	}
	s.SetCheckpoint(h.hint)
	s.SetLeaseOwner(worker)
	c.ticked(s)
	return nil
}

func (c *checkpointer) ticked(s *par.ShardStatus) {
	if c.tick != nil {
		c.tick(s)
	}
}

// CheckpointSequence writes the checkpoint that the status holds, unless this
// worker has written the same one before: a shard that has ended tells the table
// itself, and then the library, which notes it in the status.
func (c *checkpointer) CheckpointSequence(s *par.ShardStatus) error {
	if c.leases.noted(s.ID) == s.GetCheckpoint() {
		return nil
	}
	return c.leases.Checkpoint(context.Background(), s.ID, s.GetCheckpoint())
}

// FetchCheckpoint tells the consumer of a shard where to begin, from the
// shard's manifest; of other shards it tells what the table has.
func (c *checkpointer) FetchCheckpoint(s *par.ShardStatus) error {
	sequence, err := "", error(nil)
	if h := c.leases.lease(s.ID); h != nil && s.GetLeaseOwner() == c.worker {
		if sequence, err = c.position(h.ctx, s.ID); err != nil {
			return fmt.Errorf("where to read %s on from: %w", s.ID, err)
		}
	} else if sequence, err = c.leases.checkpointOf(context.Background(), s.ID); err != nil {
		return chk.ErrSequenceIDNotFound // GetLease comes next and fails for the same reason
	}
	s.SetCheckpoint(sequence) // also an empty one: the library reads it in spite of the error
	if sequence == "" {
		return chk.ErrSequenceIDNotFound
	}
	return nil
}

// RemoveLeaseInfo forgets a finished shard that the stream no longer lists.
func (c *checkpointer) RemoveLeaseInfo(shard string) error {
	return c.leases.table.remove(context.Background(), shard)
}

// RemoveLeaseOwner runs whenever a consumer has ended, for any reason.
func (c *checkpointer) RemoveLeaseOwner(shard string) error {
	return c.leases.release(context.Background(), shard)
}

// GetLeaseOwner is the owner that the table names.
func (c *checkpointer) GetLeaseOwner(shard string) (string, error) {
	owner, err := c.leases.ownerOf(context.Background(), shard)
	if err == nil && owner == "" {
		err = chk.NoLeaseOwnerErr
	}
	return owner, err
}

// ListActiveWorkers tells who has what, by which the library finds out whether
// it may ask another worker for a shard. An empty answer means it may not.
func (c *checkpointer) ListActiveWorkers(all map[string]*par.ShardStatus) (map[string][]*par.ShardStatus, error) {
	var shards []string
	for shard := range all {
		shards = append(shards, shard)
	}
	owners, err := c.leases.owners(context.Background(), shards)
	if err != nil {
		owners = nil // the log has it; there is nothing to compare
	}
	out := map[string][]*par.ShardStatus{}
	for owner, theirs := range owners {
		for _, shard := range theirs {
			out[owner] = append(out[owner], all[shard])
		}
	}
	return out, nil
}

// ClaimShard asks the owner of a shard for it. Somebody else may have been
// faster; then there is nothing to do.
func (c *checkpointer) ClaimShard(s *par.ShardStatus, _ string) error {
	err := c.leases.claim(context.Background(), s.ID)
	if errors.Is(err, ErrLeaseLost) || errors.Is(err, errBusy) {
		return nil
	}
	return err
}
