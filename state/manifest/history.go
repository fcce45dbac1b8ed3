package manifest

import (
	"context"
	"fmt"

	"github.com/cairnstream/cairn/state/blob"
)

// HistoryKey returns the key of the copy of m that is kept for people.
func HistoryKey(m *Manifest) string {
	return fmt.Sprintf("%shist/%d-%d.json", Prefix(m.App, m.Stream, m.Shard), m.Ckpt, m.Epoch)
}

// WriteHistory keeps a copy of a committed manifest beside it. Nothing is
// decided by copies: they tell people what a shard looked like, and keep what
// they name from being collected while they are there. Writing one again is
// harmless.
func WriteHistory(ctx context.Context, store blob.Store, m *Manifest) error {
	data, err := Encode(m)
	if err != nil {
		return err
	}
	if _, err := store.Put(ctx, HistoryKey(m), data); err != nil {
		return fmt.Errorf("keep a copy of the manifest: %w", err)
	}
	return nil
}
