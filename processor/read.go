package processor

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// Known is a resource of the inventory and how much of the stream it rests on.
type Known struct {
	Key      resource.Key
	Record   *resource.Record
	Manifest *manifest.Manifest // of the shard that keeps it
}

// Manifests reads the manifests of all shards of an app's streams. It looks
// only, so it never disturbs a worker.
func Manifests(ctx context.Context, store blob.Store, app string) ([]*manifest.Manifest, error) {
	var out []*manifest.Manifest
	for o, err := range store.List(ctx, app+"/") {
		if err != nil {
			return nil, fmt.Errorf("list the state: %w", err)
		}
		if path.Base(o.Key) != "MANIFEST" {
			continue
		}
		m, err := manifest.ReadManifest(ctx, store, o.Key)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// Heirs are the hash ranges of the shards that a shard which has ended was split
// or merged into, as far as they have begun. What it knew of those ranges, they
// know better.
func Heirs(of *manifest.Manifest, all []*manifest.Manifest) ([]key.Range, error) {
	var ranges []key.Range
	for _, m := range all {
		isParent := func(p manifest.Parent) bool { return p.Shard == of.Shard }
		if m.Stream != of.Stream || !of.Closed || !slices.ContainsFunc(m.Parents, isParent) {
			continue
		}
		r, err := key.ParseRange(m.HashRange[0], m.HashRange[1])
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", m.Shard, err)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// Inventory reads the committed inventory of all shards from manifests and
// segments. A resource that two shards know comes twice; resource.Merge makes
// one of them.
func Inventory(ctx context.Context, store blob.Store, app string) iter.Seq2[Known, error] {
	return func(yield func(Known, error) bool) {
		shards, err := Manifests(ctx, store, app)
		if err != nil {
			yield(Known{}, err)
			return
		}
		for _, m := range shards {
			heirs, err := Heirs(m, shards)
			if err != nil {
				yield(Known{}, err)
				return
			}
			if !inventoryOf(ctx, store, m, heirs, yield) {
				return
			}
		}
	}
}

// inventoryOf yields what a shard knows and none of its heirs. Rows outside of
// the hash order go with the first heir.
func inventoryOf(ctx context.Context, store blob.Store, m *manifest.Manifest, heirs []key.Range, yield func(Known, error) bool) bool {
	for _, prefix := range [][]byte{{key.SpaceKeyed}, key.Whole(key.Inventory)} {
		if len(heirs) > 0 && prefix[0] == key.SpaceWhole {
			continue
		}
		for row, err := range state.ReadState(ctx, store, m, prefix) {
			k, ok, err := inventoryRow(row, heirs, m, err)
			if !ok && err == nil {
				continue
			}
			if !yield(k, err) || err != nil {
				return false
			}
		}
	}
	return true
}

// inventoryRow reads a state row; ok is false when it is no resource, or an
// heir's.
func inventoryRow(row state.Row, heirs []key.Range, m *manifest.Manifest, err error) (k Known, ok bool, _ error) {
	if err != nil {
		return k, false, err
	}
	parts, err := key.Parse(row.Key)
	if err != nil || parts.Kind != key.Inventory {
		return k, false, err
	}
	if slices.ContainsFunc(heirs, func(r key.Range) bool { return r.Contains(parts.Hash) }) {
		return k, false, nil
	}
	id, ok := resource.ParseKey(string(parts.Rest))
	if !ok {
		return k, false, fmt.Errorf("state row %q is no resource", parts.Rest)
	}
	record, err := resource.DecodeRecord(row.Value)
	if err != nil {
		return k, false, fmt.Errorf("state of %s: %w", id, err)
	}
	return Known{Key: id, Record: record, Manifest: m}, true, nil
}

// History reads the changes of one resource, named by key, ARN or id, in the
// order of their versions.
func History(ctx context.Context, lake blob.Store, what string) ([]export.ChangeRow, error) {
	var out []export.ChangeRow
	for row, err := range export.ReadRows[export.ChangeRow](ctx, lake, export.Selection{}) {
		if err != nil {
			return nil, err
		}
		if what == row.ResourceKey || what == deref(row.ARN) || what == row.ResourceID {
			out = append(out, *row)
		}
	}
	slices.SortFunc(out, func(a, b export.ChangeRow) int {
		return cmp.Or(strings.Compare(a.ResourceKey, b.ResourceKey), strings.Compare(a.Version, b.Version))
	})
	return out, nil
}
