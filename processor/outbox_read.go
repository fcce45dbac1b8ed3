package processor

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// Undelivered reads the alerts about a finding that were committed and that no
// sink has taken yet, oldest first: of the shards that have alerts, those of
// the finding's partition key, and those that belong to a shard as a whole.
func Undelivered(ctx context.Context, store blob.Store, shards []*manifest.Manifest, partition, finding string) (waiting []Alert, err error) {
	for _, m := range shards {
		if m.Outbox == 0 {
			continue
		}
		for _, prefix := range [...][]byte{key.Keyed(key.HashOf(partition), key.Outbox), key.Whole(key.Outbox)} {
			if waiting, err = ofFinding(state.ReadState(ctx, store, m, prefix), finding, waiting); err != nil {
				return nil, fmt.Errorf("alerts of shard %s: %w", m.Shard, err)
			}
		}
	}
	slices.SortStableFunc(waiting, func(a, b Alert) int {
		if a.Time != b.Time {
			return int(min(max(a.Time-b.Time, -1), 1))
		}
		return strings.Compare(a.ID, b.ID)
	})
	return waiting, nil
}

// ofFinding adds the alerts of one finding, each once: a shard and its heir may
// both have it.
func ofFinding(rows iter.Seq2[state.Row, error], finding string, list []Alert) ([]Alert, error) {
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		var a Alert
		if err := json.Unmarshal(row.Value, &a); err != nil {
			return nil, fmt.Errorf("row %q: %w", row.Key, err)
		}
		if a.Finding == finding && !slices.ContainsFunc(list, func(o Alert) bool { return o.ID == a.ID }) {
			list = append(list, a)
		}
	}
	return list, nil
}
