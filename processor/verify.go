package processor

import (
	"context"
	"fmt"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// Verify reads the whole state of a shard from its segments and holds row
// count and hash against the manifest's. It looks only, and needs memory for
// all rows.
func Verify(ctx context.Context, store blob.Store, m *manifest.Manifest) error {
	all, err := state.Open("", state.Options{})
	if err != nil {
		return err
	}
	if err := all.Load(state.ReadState(ctx, store, m, nil), state.Marker{}); err != nil {
		return fmt.Errorf("shard %s: %w", m.Shard, err)
	}
	t := all.Totals()
	if err := all.Close(); err != nil {
		return err
	}
	if m.StateHash != nil && (t.Rows != m.StateRows || t.Hash != uint64(*m.StateHash)) {
		return fmt.Errorf("shard %s: %d rows with hash %016x in the segments, %d with %016x in the manifest",
			m.Shard, t.Rows, t.Hash, m.StateRows, uint64(*m.StateHash))
	}
	return nil
}
