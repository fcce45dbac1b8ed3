package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/cairnstream/cairn/state/segment"
)

// WriteDelta writes a frozen overlay as the delta segment of the commit that
// next describes, and returns the reference that next has to carry. extra are
// rows that are not in the store, event ids above all; none may be in the
// overlay too. The object's name has the epoch, checkpoint and writer of next,
// so two owners never write one name, and writing again is harmless.
func WriteDelta(ctx context.Context, store blob.Store, next *manifest.Manifest, o *Overlay, extra []Row) (manifest.Segment, error) {
	if err := o.Err(); err != nil {
		return manifest.Segment{}, fmt.Errorf("write delta of checkpoint %d: %w", next.Ckpt, err)
	}
	byKey := func(a, b Row) int { return bytes.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(extra, byKey) {
		extra = slices.Clone(extra)
		slices.SortStableFunc(extra, byKey)
	}
	ref := manifest.Segment{
		Key:  segmentKey(next, next.Ckpt, next.Ckpt),
		Kind: segment.Delta.String(), From: next.Ckpt, To: next.Ckpt, X: manifest.WholeAll,
	}
	return writeSegment(ctx, store, ref, segment.Delta, weave(o.Rows(), extra))
}

// segmentKey names a segment: by the commit whose manifest it is made from, and
// the checkpoints that it covers. What a base leaves out depends on the
// watermark, so two attempts at one have two names unless they are made from
// one manifest, and then they have the same bytes: a write that arrives late
// does no harm.
func segmentKey(m *manifest.Manifest, from, to int64) string {
	return fmt.Sprintf("%sseg/%d-%d-%d-%d-%s.seg", manifest.Prefix(m.App, m.Stream, m.Shard), m.Epoch, m.Ckpt, from, to, m.Writer)
}

// weave joins the overlay's rows with the sorted extra rows. The writer
// refuses a key that is in both.
func weave(rows iter.Seq[Row], extra []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row := range rows {
			for len(extra) > 0 && bytes.Compare(extra[0].Key, row.Key) <= 0 {
				if !yield(extra[0], nil) {
					return
				}
				extra = extra[1:]
			}
			if !yield(row, nil) {
				return
			}
		}
		for _, row := range extra {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// writeSegment uploads a segment and completes its reference.
func writeSegment(ctx context.Context, store blob.Store, ref manifest.Segment, kind segment.Kind, rows iter.Seq2[Row, error]) (manifest.Segment, error) {
	upload, err := store.Create(ctx, ref.Key)
	if err != nil {
		return ref, err
	}
	defer upload.Abort()
	out := bufio.NewWriterSize(upload, 256<<10)
	sum, err := fill(ctx, out, kind, rows)
	if err != nil {
		return ref, fmt.Errorf("write %s: %w", ref.Key, err)
	}
	if err := out.Flush(); err != nil {
		return ref, err
	}
	if err := upload.Commit(ctx); err != nil {
		return ref, err
	}
	ref.Rows, ref.Bytes, ref.SHA256 = sum.Rows, sum.Bytes, sum.SHA256
	return ref, nil
}

func fill(ctx context.Context, out *bufio.Writer, kind segment.Kind, rows iter.Seq2[Row, error]) (segment.Summary, error) {
	w, err := segment.NewWriter(out, kind)
	if err != nil {
		return segment.Summary{}, err
	}
	err = addAll(ctx, w, rows)
	sum, closeErr := w.Close()
	if err == nil {
		err = closeErr
	}
	return sum, err
}

func addAll(ctx context.Context, w *segment.Writer, rows iter.Seq2[Row, error]) error {
	n := 0
	for row, err := range rows {
		if n++; n%4096 == 0 {
			err = errors.Join(err, ctx.Err())
		}
		if err != nil {
			return err
		}
		if err := w.Add(row.Key, row.Value, row.Deleted); err != nil {
			return err
		}
	}
	return nil
}
