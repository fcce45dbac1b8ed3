package gc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/cairnstream/cairn/state/manifest"
)

// deleting is how many objects are removed at the same time: against S3 it is
// all waiting.
const deleting = 8

// sweep removes the garbage of a shard; with leave all of it, its manifest
// last, so that an interrupted removal is taken up again.
func (c *collection) sweep(ctx context.Context, s *shard, leave bool) error {
	if s.manifest == nil {
		c.report.Lost = append(c.report.Lost, s.name)
		return nil
	}
	c.report.Shards++
	var garbage []object
	var last *object
	for _, o := range s.objects {
		switch {
		case o.Key == manifest.Key(c.App, c.Stream, s.name):
			if last = &o; !leave {
				c.report.Kept.add(o.Object)
			}
		case leave, c.old(o) && (o.kind == kindHistory || len(c.named[o.Key]) == 0):
			garbage = append(garbage, o)
		default:
			c.report.Kept.add(o.Object)
		}
	}
	if err := c.remove(ctx, garbage); err != nil || !leave {
		return err
	}
	c.report.Removed = append(c.report.Removed, s.name)
	return c.remove(ctx, []object{*last})
}

// remove deletes objects, if the collection is not to report only, and counts
// them.
func (c *collection) remove(ctx context.Context, garbage []object) error {
	slots, failed := make(chan struct{}, deleting), make([]error, len(garbage))
	var wait sync.WaitGroup
	for i, o := range garbage {
		if c.ReportOnly || ctx.Err() != nil {
			failed[i] = ctx.Err()
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			failed[i] = o.store.Delete(ctx, o.Key)
			<-slots
		})
	}
	wait.Wait()
	for i, o := range garbage {
		if failed[i] == nil {
			sum := c.report.Garbage[o.kind]
			sum.add(o.Object)
			c.report.Garbage[o.kind] = sum
		}
	}
	return errors.Join(failed...)
}

// listed asks the stream for its shards and keeps since when the others are
// gone from it.
func (c *collection) listed(ctx context.Context, now time.Time, gone map[string]time.Time) (map[string]time.Time, error) {
	if c.Listed == nil {
		return gone, nil
	}
	there, err := c.Listed(ctx)
	if err == nil && len(there) == 0 {
		err = errors.New("the stream has no shards")
	}
	if err != nil {
		return gone, fmt.Errorf("ask which shards the stream has: %w", err)
	}
	since := map[string]time.Time{}
	for name, s := range c.shards {
		if s.manifest == nil || slices.Contains(there, name) {
			continue
		}
		since[name] = now
		if before, ok := gone[name]; ok && before.Before(now) {
			since[name] = before
		}
	}
	return since, nil
}

// removable finds the shards whose manifests may go: those that the stream has
// not listed for long, that have ended, whose parents are gone already, whose
// children are all there, and of whose objects nobody else names any.
func (c *collection) removable(now time.Time, gone map[string]time.Time) map[string]bool {
	unlisted := c.Unlisted
	if unlisted == 0 {
		unlisted = DefaultUnlisted
	}
	out := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		s := c.shards[name]
		if s == nil || s.manifest == nil || c.Listed == nil || now.Sub(gone[name]) < unlisted {
			continue
		}
		out[name] = s.manifest.Closed && c.orphan(s) && c.succeeded(s) && c.unshared(s)
	}
	return out
}

// orphan tells that no parent of the shard has a manifest any more. A child
// must outlive its parents, else nobody would know that they had one.
func (c *collection) orphan(s *shard) bool {
	return !slices.ContainsFunc(s.manifest.Parents, func(p manifest.Parent) bool {
		parent := c.shards[p.Shard]
		return parent != nil && parent.manifest != nil
	})
}

// unshared tells that all objects of the shard are old and that only itself
// names them.
func (c *collection) unshared(s *shard) bool {
	return !slices.ContainsFunc(s.objects, func(o object) bool {
		named := c.named[o.Key]
		return !c.old(o) || len(named) > 1 || len(named) == 1 && !named[s.name]
	})
}

// succeeded tells that the shard's children cover its hash range.
func (c *collection) succeeded(s *shard) bool {
	type span struct{ lo, hi *big.Int }
	var children []span
	for _, other := range c.shards {
		if m := other.manifest; m != nil && slices.ContainsFunc(m.Parents, func(p manifest.Parent) bool { return p.Shard == s.name }) {
			lo, hi, ok := hashRange(m)
			if !ok {
				return false
			}
			children = append(children, span{lo, hi})
		}
	}
	next, end, ok := hashRange(s.manifest)
	if !ok {
		return false
	}
	slices.SortFunc(children, func(a, b span) int { return a.lo.Cmp(b.lo) })
	for _, child := range children {
		if child.lo.Cmp(next) > 0 {
			return false // a piece before it has no child
		}
		if after := new(big.Int).Add(child.hi, big.NewInt(1)); after.Cmp(next) > 0 {
			next = after
		}
	}
	return next.Cmp(end) > 0
}

func hashRange(m *manifest.Manifest) (lo, hi *big.Int, ok bool) {
	lo, first := new(big.Int).SetString(m.HashRange[0], 10)
	hi, last := new(big.Int).SetString(m.HashRange[1], 10)
	return lo, hi, first && last
}
