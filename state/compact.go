package state

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/cairnstream/cairn/state/segment"
)

// fanIn is how many deltas become a merged segment, and how many merged ones a
// base. A restore opens at most base, 16 merged and 16 deltas, and each row is
// written about three times: as delta, merged, and with a base.
const fanIn = 16

// Compaction replaces a run of segments by one. The segment exists when a
// Compaction does; it counts when a commit has taken it in.
type Compaction struct {
	From int      // place of the first replaced segment at the time of planning
	Keys []string // of the replaced segments
	New  manifest.Segment
}

// Compact merges segments of m when it is time to: 16 deltas into a merged
// segment, and everything into a base when there are 16 merged ones or they
// outweigh half of the base. It returns nil when nothing is due. It runs
// beside commits. expired, if not nil, tells which event ids are behind the
// horizon; a base is made without them. All other rows stay, for the state
// hash counts them.
func Compact(ctx context.Context, store blob.Store, m *manifest.Manifest, expired func(key []byte) bool) (*Compaction, error) {
	kind, from, to := plan(m.Segments)
	if from == to {
		return nil, nil
	}
	part := m.Segments[from:to]
	last := part[len(part)-1].To
	ref := manifest.Segment{Kind: kind.String(), From: part[0].From, To: last, X: manifest.WholeAll}
	rows := readSegments(ctx, store, part, nil)
	if kind == segment.Base {
		ref.From = 0
		rows = without(segment.Live(rows), expired)
	}
	ref.Key = segmentKey(m, ref.From, ref.To)
	ref, err := writeSegment(ctx, store, ref, kind, rows)
	if err != nil {
		return nil, fmt.Errorf("compact: %w", err)
	}
	c := &Compaction{From: from, New: ref}
	for _, s := range part {
		c.Keys = append(c.Keys, s.Key)
	}
	return c, nil
}

// CompactionDue tells whether Compact would merge something.
func CompactionDue(m *manifest.Manifest) bool {
	_, from, to := plan(m.Segments)
	return from < to
}

// plan finds what to compact: the segments from from up to but without to.
func plan(refs []manifest.Segment) (kind segment.Kind, from, to int) {
	var base, merged int64
	bases, mergedCount, deltas := 0, 0, 0
	for _, s := range refs {
		switch s.Kind {
		case segment.Base.String():
			bases, base = bases+1, base+s.Bytes
		case segment.Merged.String():
			mergedCount, merged = mergedCount+1, merged+s.Bytes
		default:
			deltas++
		}
	}
	if mergedCount >= fanIn || mergedCount > 0 && merged > base/2 {
		return segment.Base, 0, len(refs)
	}
	if from = firstDelta(refs); len(refs)-from >= fanIn {
		return segment.Merged, from, from + fanIn
	}
	if deltas >= 2*fanIn || bases >= fanIn { // of several parents, before the shard's own
		return segment.Base, 0, len(refs)
	}
	return 0, 0, 0
}

// firstDelta is the beginning of the run of own deltas at the end.
func firstDelta(refs []manifest.Segment) int {
	for i := len(refs); i > 0; i-- {
		if s := refs[i-1]; s.Kind != segment.Delta.String() || s.To == 0 || s.Lo != "" || s.Hi != "" || s.X != manifest.WholeAll {
			return i
		}
	}
	return 0
}

func without(rows iter.Seq2[Row, error], expired func([]byte) bool) iter.Seq2[Row, error] {
	if expired == nil {
		return rows
	}
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil && key.IsDedup(row.Key) && expired(row.Key) {
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// TakeIn puts the new segment in the place of those it was made from. It fails
// if they are not all there in their order: then another owner or an earlier
// compaction was faster, and the new one is garbage.
func (c *Compaction) TakeIn(m *manifest.Manifest) error {
	end := c.From + len(c.Keys)
	if end > len(m.Segments) {
		return fmt.Errorf("take in %s: the manifest has only %d segments", c.New.Key, len(m.Segments))
	}
	for i, k := range c.Keys {
		if m.Segments[c.From+i].Key != k {
			return fmt.Errorf("take in %s: segment %d is %s, not %s", c.New.Key, c.From+i, m.Segments[c.From+i].Key, k)
		}
	}
	m.Segments = slices.Concat(m.Segments[:c.From], []manifest.Segment{c.New}, m.Segments[end:])
	return nil
}
