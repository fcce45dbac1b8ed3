// Package gc removes the objects of a stream that nothing refers to any more:
// segments that were merged into others, row logs whose rows are in files,
// event ids behind the horizon, staged files and uploads of owners that were
// fenced before they could commit.
//
// What counts is named by the manifest of some shard, its own or a child's, or
// by a copy of a manifest. What nobody names is removed when the store has had
// it for two days, so that an owner at work never loses what it is about to
// name: an owner names its uploads within the hour, and else only what is named
// already. So collecting needs no lock, and two collectors at once do no harm.
package gc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// The limits of a Collector that sets none.
const (
	DefaultMinAge   = 48 * time.Hour     // of an object that nothing names, and of copies of manifests
	DefaultEvery    = time.Hour          // between two collections of a stream
	DefaultUnlisted = 7 * 24 * time.Hour // how long a shard must be gone from the stream before its manifest goes
)

// Collector collects the garbage of one stream. The stores may be shared with
// workers.
type Collector struct {
	State, Lake blob.Store
	App, Stream string
	Writer      string // names this process in the note of the collection
	ReportOnly  bool   // count what would be removed and leave it

	MinAge, Every, Unlisted time.Duration // 0: the defaults

	// Listed returns the shards that the stream still has. Without it, and
	// when it fails, no manifest is ever removed.
	Listed func(context.Context) ([]string, error)
}

// Amount is a number of objects and their size.
type Amount struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (a *Amount) add(o blob.Object) {
	a.Objects++
	a.Bytes += o.Size
}

// Report is what a collection found. In a report-only collection Garbage would
// have been removed, otherwise it was.
type Report struct {
	ReportOnly bool              `json:"reportOnly,omitempty"`
	Shards     int               `json:"shards"`
	Kept       Amount            `json:"kept"`    // named, or too young to judge
	Garbage    map[string]Amount `json:"garbage"` // by the folder that it was in: seg, rows, dedup, hist, _stage, MANIFEST
	// Removed are the shards whose manifests went, with all they had.
	Removed []string `json:"removed,omitempty"`
	// Lost are shards that have objects and no manifest. Nothing of them is
	// touched: the manifest may be put back.
	Lost []string `json:"lost,omitempty"`
}

// Total is the sum of the garbage.
func (r *Report) Total() (sum Amount) {
	for _, a := range r.Garbage {
		sum.Objects, sum.Bytes = sum.Objects+a.Objects, sum.Bytes+a.Bytes
	}
	return sum
}

// The kinds of objects, by the folder they are in. What is in no folder of this
// list is left alone.
const (
	kindHistory = "hist"
	kindStage   = "_stage"
)

var kinds = []string{"seg", "rows", "dedup", kindHistory}

// shard is what the stores have of one shard.
type shard struct {
	name     string
	manifest *manifest.Manifest // nil: none
	objects  []object
}

type object struct {
	blob.Object
	kind  string
	store blob.Store
}

// collection is one collection under way.
type collection struct {
	*Collector
	before time.Time // what the store has had since before that is old
	shards map[string]*shard
	named  map[string]map[string]bool // object: the shards that name it
	report *Report
}

// Collect removes what is garbage at now, or only counts it. An error is the end
// of the collection; all that was removed until then was garbage.
func (c *Collector) Collect(ctx context.Context, now time.Time) (*Report, error) {
	r, _, err := c.collect(ctx, now, nil)
	return r, err
}

// collect also returns since when which shards are gone from the stream, as
// far as it is known from gone.
func (c *Collector) collect(ctx context.Context, now time.Time, gone map[string]time.Time) (*Report, map[string]time.Time, error) {
	minAge := c.MinAge
	if minAge == 0 {
		minAge = DefaultMinAge
	}
	run := &collection{Collector: c, before: now.Add(-minAge), shards: map[string]*shard{}, named: map[string]map[string]bool{},
		report: &Report{ReportOnly: c.ReportOnly, Garbage: map[string]Amount{}}}
	// The order of listing and reading does not matter: what a later manifest
	// will name is named now or is young.
	if err := errors.Join(run.listState(ctx), run.listStage(ctx)); err != nil {
		return nil, gone, err
	}
	if err := run.roots(ctx); err != nil {
		return nil, gone, err
	}
	gone, err := run.listed(ctx, now, gone)
	if err != nil {
		return nil, gone, err
	}
	leave := run.removable(now, gone)
	for _, name := range slices.Sorted(maps.Keys(run.shards)) {
		if err := run.sweep(ctx, run.shards[name], leave[name]); err != nil {
			return run.report, gone, fmt.Errorf("collect garbage of shard %s: %w", name, err)
		}
	}
	return run.report, gone, nil
}

func (c *collection) shard(name string) *shard {
	s := c.shards[name]
	if s == nil {
		s = &shard{name: name}
		c.shards[name] = s
	}
	return s
}

// listState finds all objects of the stream in the state.
func (c *collection) listState(ctx context.Context) error {
	prefix := c.App + "/" + c.Stream + "/"
	for o, err := range c.State.List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("list the state: %w", err)
		}
		name, rest, ok := strings.Cut(strings.TrimPrefix(o.Key, prefix), "/")
		if !ok {
			continue // of the stream as a whole
		}
		kind, _, _ := strings.Cut(rest, "/")
		switch {
		case o.Key == manifest.Key(c.App, c.Stream, name):
			c.shard(name).objects = append(c.shard(name).objects, object{o, rest, c.State})
		case slices.Contains(kinds, kind):
			c.shard(name).objects = append(c.shard(name).objects, object{o, kind, c.State})
		}
	}
	return nil
}

// listStage finds the staged files. A lake belongs to one stream.
func (c *collection) listStage(ctx context.Context) error {
	for o, err := range c.Lake.List(ctx, kindStage+"/") {
		if err != nil {
			return fmt.Errorf("list the staged files: %w", err)
		}
		if name, _, ok := strings.Cut(strings.TrimPrefix(o.Key, kindStage+"/"), "/"); ok {
			c.shard(name).objects = append(c.shard(name).objects, object{o, kindStage, c.Lake})
		}
	}
	return nil
}

// roots reads the manifests of all shards and the copies that are not old. One
// that cannot be read ends the collection: what it names is not known.
func (c *collection) roots(ctx context.Context) error {
	for _, s := range c.shards {
		for _, o := range s.objects {
			current := o.Key == manifest.Key(c.App, c.Stream, s.name)
			if !current && (o.kind != kindHistory || c.old(o)) {
				continue
			}
			m, err := manifest.ReadManifest(ctx, c.State, o.Key)
			if errors.Is(err, blob.ErrNotFound) {
				continue // another collector was faster
			}
			if err != nil {
				return fmt.Errorf("find out what is in use: %w", err)
			}
			if c.name(s.name, m); current {
				s.manifest = m
			}
		}
	}
	return nil
}

// name notes all that a manifest refers to.
func (c *collection) name(by string, m *manifest.Manifest) {
	note := func(key string) {
		if c.named[key] == nil {
			c.named[key] = map[string]bool{}
		}
		c.named[key][by] = true
	}
	for _, s := range m.Segments {
		note(s.Key)
	}
	for _, d := range m.Dedup {
		note(d.Key)
	}
	for _, l := range m.RowLogs {
		note(l.Key)
	}
	for _, p := range m.Pending {
		note(p.Stage)
	}
}

func (c *collection) old(o object) bool { return o.Modified.Before(c.before) }
