package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/kcl"
	"github.com/cairnstream/cairn/state/manifest"
)

// nearHorizon is how close to the end of its retention a position is looked at.
const nearHorizon = time.Hour

// lookForGap finds out whether records were gone before the shard could read
// them. It does not wait for an error: an old position may be served from the
// oldest record that is left, in silence.
func (w *Worker) lookForGap(ctx context.Context, s *processor.Shard, info kcl.ShardInfo) error {
	if s.Position() == "" || s.Arrival().IsZero() {
		return nil
	}
	summary, err := w.cfg.Kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &w.cfg.Stream})
	if err != nil {
		return fmt.Errorf("describe the stream %s: %w", w.cfg.Stream, err)
	}
	retention := time.Duration(24) * time.Hour
	if h := summary.StreamDescriptionSummary.RetentionPeriodHours; h != nil {
		retention = time.Duration(*h) * time.Hour
	}
	if time.Since(s.Arrival()) < retention-nearHorizon {
		return nil
	}
	first, err := w.oldest(ctx, info.Shard)
	if err != nil || first == nil {
		return err
	}
	at := s.Manifest().Seq
	if manifest.CompareSeq(*first.SequenceNumber, at) > 0 {
		g := manifest.Gap{From: at, To: *first.SequenceNumber, FromTime: s.Arrival(), Reason: "retention"}
		if first.ApproximateArrivalTimestamp != nil {
			g.ToTime = first.ApproximateArrivalTimestamp.UTC()
		}
		s.Lost(g)
		w.cfg.Metrics.gaps.Inc()
	}
	return nil
}

// oldest is the oldest record that a shard still has, nil when it has none.
func (w *Worker) oldest(ctx context.Context, shard string) (*types.Record, error) {
	it, err := w.cfg.Kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &w.cfg.Stream, ShardId: &shard,
		ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		return nil, fmt.Errorf("look for the oldest record of %s: %w", shard, err)
	}
	// A read may come back empty though there are records behind it.
	for iterator, reads := it.ShardIterator, 0; iterator != nil && reads < 20; reads++ {
		out, err := w.cfg.Kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator})
		if err != nil {
			return nil, fmt.Errorf("look for the oldest record of %s: %w", shard, err)
		}
		if len(out.Records) > 0 {
			return &out.Records[0], nil
		}
		if out.MillisBehindLatest == nil || *out.MillisBehindLatest == 0 {
			return nil, nil
		}
		iterator = out.NextShardIterator
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(250 * time.Millisecond):
		}
	}
	return nil, nil
}
