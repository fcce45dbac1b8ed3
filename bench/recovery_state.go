package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// fillRows is how many rows one commit of fillState adds.
const fillRows = 50_000

// fillState gives the measured shard so many rows, in commits of the real form:
// deltas, merged segments and bases, each named by the manifest. The rows are
// the resources that the shard knows already under other names, so they are as
// large as real ones.
func fillState(ctx context.Context, store blob.Store, rows int64, writer string) error {
	dir, err := os.MkdirTemp("", "cairn-fill-*")
	if err != nil {
		return fmt.Errorf("make room for the state: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h, err := manifest.Open(ctx, store, manifest.Key("cairn", recoveryStream, recoveryShard))
	if err != nil {
		return err
	}
	if err := h.TakeOver(ctx, writer, time.Now()); err != nil {
		return err
	}
	seeds, err := resources(ctx, store, h.Current())
	if err != nil {
		return err
	}
	s, err := state.Open(dir, state.Options{})
	if err != nil {
		return err
	}
	mark := state.Marker{Checkpoint: h.Current().Ckpt, Epoch: h.Current().Epoch}
	err = s.Load(state.ReadState(ctx, store, h.Current(), nil), mark)
	for n := int64(0); err == nil && s.RowCount() < rows; {
		n, err = fillSome(ctx, store, h, s, seeds, n, min(rows-s.RowCount(), fillRows))
	}
	return errors.Join(err, s.Close())
}

// resources are the inventory rows of a shard.
func resources(ctx context.Context, store blob.Store, m *manifest.Manifest) (rows []state.Row, err error) {
	for row, err := range state.ReadState(ctx, store, m, []byte{key.SpaceKeyed}) {
		if err != nil {
			return nil, err
		}
		if p, err := key.Parse(row.Key); err == nil && p.Kind == key.Inventory {
			rows = append(rows, state.Row{Key: p.Rest, Value: row.Value})
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("the shard knows no resources that could be multiplied")
	}
	return rows, nil
}

// fillSome commits count more rows, which bear the numbers from n on.
func fillSome(ctx context.Context, store blob.Store, h *manifest.Handle, s *state.Store, seeds []state.Row, n, count int64) (int64, error) {
	for end := n + count; n < end; n++ {
		seed := seeds[n%int64(len(seeds))]
		k, ok := resource.ParseKey(string(seed.Key))
		if !ok {
			return n, fmt.Errorf("state row %q is no resource", seed.Key)
		}
		k.ID = fmt.Sprintf("%s-%d", k.ID, n)
		s.Put(key.Keyed(key.HashOf(fmt.Sprint(n%1000)), key.Inventory, []byte(k.String())), seed.Value)
	}
	o, next := s.Freeze(), h.Current().Clone()
	next.Ckpt++
	ref, err := state.WriteDelta(ctx, store, next, o, nil)
	if err != nil {
		return n, err
	}
	next.Segments = append(slices.Clip(next.Segments), ref)
	hash := manifest.Hash(o.Totals().Hash)
	next.StateRows, next.StateHash = o.Totals().Rows, &hash
	for {
		c, err := state.Compact(ctx, store, next, nil)
		if err != nil {
			return n, err
		}
		if c == nil {
			break
		}
		if err := c.TakeIn(next); err != nil {
			return n, err
		}
	}
	if err := h.Commit(ctx, next); err != nil {
		return n, err
	}
	return n, s.Apply(o, state.Marker{Checkpoint: next.Ckpt, Epoch: next.Epoch})
}
