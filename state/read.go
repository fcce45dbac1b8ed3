package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/cairnstream/cairn/state/segment"
)

// opening is how many segments are opened at the same time: against S3 it is
// all waiting, and a shard has some 35 segments.
const opening = 8

// ReadState yields the state of a manifest's checkpoint as its segments have
// it: the rows whose keys have the prefix, in key order, event ids included,
// removed ones not. It needs no local directory and disturbs no owner. The
// slices may be kept.
func ReadState(ctx context.Context, store blob.Store, m *manifest.Manifest, prefix []byte) iter.Seq2[Row, error] {
	return segment.Live(readSegments(ctx, store, m.Segments, prefix))
}

// ReadSince yields what changed after a checkpoint, removals included: what
// CatchUp applies to a directory whose marker names that checkpoint.
func ReadSince(ctx context.Context, store blob.Store, m *manifest.Manifest, checkpoint int64) iter.Seq2[Row, error] {
	var newer []manifest.Segment
	for _, ref := range m.Segments {
		if ref.To > checkpoint {
			newer = append(newer, ref)
		}
	}
	return readSegments(ctx, store, newer, nil)
}

func readSegments(ctx context.Context, store blob.Store, refs []manifest.Segment, prefix []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		sources, err := openSources(ctx, store, refs)
		if err != nil {
			yield(Row{}, fmt.Errorf("read state: %w", err))
			return
		}
		seqs := make([]iter.Seq2[Row, error], len(sources))
		for i, s := range sources {
			seqs[i] = s.rows(prefix)
		}
		for row, err := range segment.Merge(seqs...) {
			if err != nil {
				err = fmt.Errorf("read state: %w", err)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// source is one opened segment and the part of it that counts.
type source struct {
	ref    manifest.Segment
	reader *segment.Reader
	object *object // nil when it was fetched and verified whole
	parts  []interval
}

// interval is a range of keys: lo included, hi not; no hi is no end.
type interval struct{ lo, hi []byte }

func (i interval) cut(prefix []byte) interval {
	end := key.PrefixEnd(prefix)
	if bytes.Compare(prefix, i.lo) > 0 {
		i.lo = prefix
	}
	if end != nil && (i.hi == nil || bytes.Compare(end, i.hi) < 0) {
		i.hi = end
	}
	return i
}

func (i interval) empty() bool { return i.hi != nil && bytes.Compare(i.lo, i.hi) >= 0 }

// parts are the keys of a segment that its reference lets through.
func parts(ref manifest.Segment) ([]interval, error) {
	keyed := interval{lo: []byte{key.SpaceKeyed}, hi: []byte{key.SpaceKeyed + 1}}
	if ref.Lo != "" || ref.Hi != "" {
		r, err := key.ParseRange(ref.Lo, ref.Hi)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ref.Key, err)
		}
		keyed.lo, keyed.hi = r.Bounds()
	}
	switch ref.X {
	case manifest.WholeAll:
		return []interval{keyed, {lo: []byte{key.SpaceWhole}, hi: []byte{key.SpaceWhole + 1}}}, nil
	case manifest.WholeIDs:
		ids := key.Whole(key.Dedup)
		return []interval{keyed, {lo: ids, hi: key.PrefixEnd(ids)}}, nil
	}
	return nil, fmt.Errorf("%s: rows %q of the whole shard: want %q or %q", ref.Key, ref.X, manifest.WholeAll, manifest.WholeIDs)
}

func openSources(ctx context.Context, store blob.Store, refs []manifest.Segment) ([]source, error) {
	sources, errs := make([]source, len(refs)), make([]error, len(refs))
	slots := make(chan struct{}, opening)
	var wait sync.WaitGroup
	for i, ref := range refs {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			sources[i], errs[i] = openSource(ctx, store, ref)
		})
	}
	wait.Wait()
	return sources, errors.Join(errs...)
}

func openSource(ctx context.Context, store blob.Store, ref manifest.Segment) (s source, err error) {
	s.ref = ref
	if s.parts, err = parts(ref); err != nil {
		return s, err
	}
	s.reader, s.object, err = openSegment(ctx, store, ref)
	if err == nil && (s.reader.Kind().String() != ref.Kind || s.reader.Rows() != ref.Rows) {
		err = fmt.Errorf("%s: %w: it is a %v of %d rows, the manifest says %s of %d",
			ref.Key, segment.ErrCorrupt, s.reader.Kind(), s.reader.Rows(), ref.Kind, ref.Rows)
	}
	return s, err
}

// rows yields the rows of the segment that count and have the prefix.
func (s source) rows(prefix []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, part := range s.parts {
			if part = part.cut(prefix); part.empty() {
				continue
			}
			for row, err := range s.reader.Range(part.lo, part.hi) {
				if !yield(row, failedSegment(s.ref, err)) || err != nil {
					return
				}
			}
		}
		if s.object == nil || len(prefix) > 0 || s.ref.Lo != "" || s.ref.Hi != "" {
			return // a part was read: its checksums have to do
		}
		if err := s.object.finish(); err != nil {
			yield(Row{}, err)
		}
	}
}
