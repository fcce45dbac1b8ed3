package processor

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// ErrParentOpen means that a shard's parent has not ended yet, so that its
// state cannot be taken over.
var ErrParentOpen = errors.New("a parent of the shard is not closed")

// birth is the first manifest of a shard. One that was split or merged from
// others begins with their state: nothing is copied, their segments are named
// with the part of the hash range that counts.
func birth(ctx context.Context, cfg *Config) (*manifest.Manifest, error) {
	m := &manifest.Manifest{Format: manifest.Format, App: cfg.App, Stream: cfg.Stream, Shard: cfg.Shard, HashRange: cfg.HashRange,
		Writer: cfg.Writer, Open: manifest.Extent{From: []manifest.Reach{{Share: cfg.HashShare}}}}
	if len(cfg.Parents) == 0 {
		return m, nil
	}
	m.Source = cfg.Source("")
	m.Open.From = nil
	for _, name := range slices.Sorted(slices.Values(cfg.Parents)) {
		parent, err := manifest.ReadManifest(ctx, cfg.State, manifest.Key(cfg.App, cfg.Stream, name))
		if errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("parent %s has no manifest: %w", name, ErrParentOpen)
		}
		if err != nil {
			return nil, fmt.Errorf("parent %s: %w", name, err)
		}
		if !parent.Closed {
			return nil, fmt.Errorf("parent %s: %w", name, ErrParentOpen)
		}
		if err := inherit(m, parent); err != nil {
			return nil, fmt.Errorf("parent %s: %w", name, err)
		}
	}
	slices.SortFunc(m.Snapshots, func(a, b manifest.Snapshots) int { return manifest.CompareSeq(a.Lo, b.Lo) })
	return m, nil
}

// inherit adds a parent's part to a child's first manifest.
func inherit(m, parent *manifest.Manifest) error {
	r, ok := intersect(m.HashRange, parent.HashRange)
	if !ok {
		return fmt.Errorf("its hash range %s to %s is not the child's", parent.HashRange[0], parent.HashRange[1])
	}
	lower := r[0] == parent.HashRange[0] // of two children the one that gets what is outside of all ranges
	m.Parents = append(m.Parents, manifest.Parent{Shard: parent.Shard, Ckpt: parent.Ckpt})
	for _, ref := range parent.Segments {
		if ref = clip(ref, r, lower); !redundant(m.Segments, ref) {
			m.Segments = append(m.Segments, ref)
		}
	}
	m.Dedup = append(m.Dedup, parent.Dedup...)
	m.Outbox += parent.Outbox
	if w := parent.Watermark; !w.IsZero() && (m.Watermark.IsZero() || w.Before(m.Watermark)) {
		m.Watermark, m.Arrival = parent.Watermark, parent.Arrival
	}
	if parent.Newest.After(m.Newest) {
		m.Newest = parent.Newest
	}
	m.Open.From = append(m.Open.From, manifest.Reach{Share: share(r[0], r[1]), Watermark: parent.Watermark})
	snapshots := parent.Snapshots
	if len(snapshots) == 0 {
		snapshots = []manifest.Snapshots{{Lo: parent.HashRange[0], Hi: parent.HashRange[1]}}
	}
	for _, part := range snapshots {
		if cut, ok := intersect(r, [2]string{part.Lo, part.Hi}); ok {
			m.Snapshots = append(m.Snapshots, manifest.Snapshots{Lo: cut[0], Hi: cut[1], Through: part.Through})
		}
	}
	return nil
}

// clip is a parent's segment as a child uses it. Event ids have no place in
// the hash order, so every child has them all; the other rows outside of it go
// to the lower child.
func clip(ref manifest.Segment, r [2]string, lower bool) manifest.Segment {
	if ref.Lo != "" || ref.Hi != "" {
		var ok bool
		if r, ok = intersect(r, [2]string{ref.Lo, ref.Hi}); !ok {
			r = noHashes // the rows outside of the hash order still count
		}
	}
	ref.Lo, ref.Hi, ref.From, ref.To = r[0], r[1], 0, 0
	if !lower {
		ref.X = manifest.WholeIDs
	}
	return ref
}

// redundant tells that a segment would add nothing: only its event ids are
// wanted, and a reference that is there has them. Without this the references
// would double whenever shards are split and merged again. Which of two
// parents says it first does not matter: ids are a set, and what one parent
// removed of it is packed or expired.
func redundant(have []manifest.Segment, ref manifest.Segment) bool {
	return [2]string{ref.Lo, ref.Hi} == noHashes && ref.X == manifest.WholeIDs &&
		slices.ContainsFunc(have, func(s manifest.Segment) bool { return s.Key == ref.Key })
}

// noHashes is a range that holds none of the 64-bit hashes of state keys: the
// prefix of a range that begins inside of it belongs to the range below.
var noHashes = [2]string{"1", "1"}

// intersect is what two hash ranges have in common; ok is false when that is
// nothing.
func intersect(a, b [2]string) (r [2]string, ok bool) {
	r = a
	if compareHashes(b[0], a[0]) > 0 {
		r[0] = b[0]
	}
	if compareHashes(b[1], a[1]) < 0 {
		r[1] = b[1]
	}
	return r, compareHashes(r[0], r[1]) <= 0
}

// compareHashes orders hash keys, decimal.
func compareHashes(a, b string) int {
	x, ok1 := new(big.Int).SetString(a, 10)
	y, ok2 := new(big.Int).SetString(b, 10)
	if !ok1 || !ok2 {
		return manifest.CompareSeq(a, b)
	}
	return x.Cmp(y)
}
