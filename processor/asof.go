package processor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state/blob"
)

// InventoryRows is the committed inventory as rows of the table resources, as
// of the newest event, tombstones included.
func InventoryRows(ctx context.Context, store blob.Store, app string, catalogue *resource.Catalogue) ([]export.ResourceRow, error) {
	fold := newFold()
	var newest, watermark time.Time
	for k, err := range Inventory(ctx, store, app) {
		if err != nil {
			return nil, err
		}
		if k.Manifest.Newest.After(newest) {
			newest, watermark = k.Manifest.Newest, k.Manifest.Watermark
		}
		fold.merge(k.Key, k.Record, k.Manifest.Shard)
	}
	return fold.rows(catalogue, NextHour(newest), watermark), nil
}

// InventoryAsOf folds the changelog of a lake up to a time. It is the law of
// the inventory over rows instead of events, so it shows what a replay of the
// events up to then would show.
func InventoryAsOf(ctx context.Context, lake blob.Store, catalogue *resource.Catalogue, at time.Time) ([]export.ResourceRow, error) {
	fold := newFold()
	for row, err := range export.ReadRows[export.ChangeRow](ctx, lake, export.Selection{}) {
		if err != nil {
			return nil, err
		}
		if row.EventTS > at.UnixMilli() {
			continue
		}
		c, err := changeOf(row)
		if err != nil {
			return nil, err
		}
		fold.record(c.Key, row.Shard).Apply(c)
	}
	return fold.rows(catalogue, at, at), nil
}

// fold gathers records by resource.
type fold struct {
	records map[resource.Key]*resource.Record
	shards  map[resource.Key]string
}

func newFold() *fold {
	return &fold{records: map[resource.Key]*resource.Record{}, shards: map[resource.Key]string{}}
}

func (f *fold) record(k resource.Key, shard string) *resource.Record {
	if f.records[k] == nil {
		f.records[k], f.shards[k] = &resource.Record{}, shard
	}
	return f.records[k]
}

func (f *fold) merge(k resource.Key, r *resource.Record, shard string) {
	f.records[k] = resource.Merge(f.record(k, shard), r)
}

func (f *fold) rows(catalogue *resource.Catalogue, at, watermark time.Time) []export.ResourceRow {
	rows := make([]export.ResourceRow, 0, len(f.records))
	for k, r := range f.records {
		v := catalogue.View(k, r, at)
		rows = append(rows, ResourceRow(&v, at, watermark, f.shards[k]))
	}
	return rows
}

// changeOf is the change that a row of resource_changes tells of.
func changeOf(r *export.ChangeRow) (*resource.Change, error) {
	k, ok := resource.ParseKey(r.ResourceKey)
	if !ok {
		return nil, fmt.Errorf("resource_changes: %q is no resource key", r.ResourceKey)
	}
	version, err := parseVersion(r.Version)
	if err != nil {
		return nil, err
	}
	effect, ok := resource.ParseEffect(r.Effect)
	if !ok {
		return nil, fmt.Errorf("resource_changes: %s has the unknown effect %q", r.ResourceKey, r.Effect)
	}
	return &resource.Change{
		Key: k, Effect: effect, Version: version, Alive: r.Alive != nil && *r.Alive, EventName: r.EventName, EventSource: r.EventSource,
		Actor: resource.Actor{Root: deref(r.ActorRoot), Role: deref(r.ActorRole), Session: deref(r.ActorSession), Via: deref(r.Via)},
		ARN:   deref(r.ARN), State: deref(r.State), Set: attrs(r.AttributesSet), Unset: r.AttributesUnset,
		Tags: attrs(r.TagsSet), Untag: r.TagsUnset, ReplaceTags: r.TagsReplaced,
		Add: members(r.RelationsAdded), Remove: members(r.RelationsRemoved),
	}, nil
}

// parseVersion reads "<ms>/<rank>/<event id>".
func parseVersion(text string) (v resource.Version, err error) {
	ms, rest, _ := strings.Cut(text, "/")
	rank, id, ok := strings.Cut(rest, "/")
	n, err := strconv.ParseUint(rank, 10, 8)
	if err != nil || !ok {
		return v, fmt.Errorf("resource_changes: %q is no version", text)
	}
	v.Rank, v.EventID = resource.Rank(n), id
	if v.Time, err = strconv.ParseInt(ms, 10, 64); err != nil {
		return v, fmt.Errorf("resource_changes: %q is no version", text)
	}
	return v, nil
}

func attrs(m map[string]string) []resource.Attr {
	var out []resource.Attr
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, resource.Attr{Name: k, Value: m[k]})
	}
	return out
}

func members(in []export.Relation) []resource.Relation {
	var out []resource.Relation
	for _, r := range in {
		out = append(out, resource.Relation{Kind: r.Kind, Type: r.Type, Key: r.ResourceKey})
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
