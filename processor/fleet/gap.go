package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// How long a stream keeps records, and when that is looked at.
const (
	leastRetention = 24 * time.Hour // that a stream can have
	clockSkew      = time.Minute    // by which the stream's clock may be ahead
	lookEvery      = time.Minute    // while a shard is read that is so far behind
	describeEvery  = 5 * time.Minute
)

// complete is a time of arrival up to which a shard that was just opened has all
// records: that of its last record, or a later one at which it was read to its
// tip, of which the watermark tells. Where --lateness was raised since, the
// latter is too late by the difference.
func complete(s *processor.Shard, lateness time.Duration) time.Time {
	at := s.Arrival()
	if w := s.Manifest().Watermark; !w.IsZero() && w.Add(lateness).After(at) {
		return w.Add(lateness)
	}
	return at
}

// nearHorizon tells that records may be removed from the stream before this
// shard has read them, and that it was not looked for that lately.
func (m *member) nearHorizon(now time.Time) bool {
	return !m.complete.IsZero() && now.Sub(m.complete) > leastRetention-clockSkew && now.Sub(m.looked) >= lookEvery
}

// lookForGap finds out whether records were gone before the shard could read
// them. It does not wait for an error: the stream serves an old position from the
// oldest record that is left, in silence. next is the first record that was read
// behind the shard's position; "" when nothing was.
//
// A gap is what cannot be excluded: the stream does not tell whether there was
// something in it.
func (w *Worker) lookForGap(ctx context.Context, m *member, now time.Time, next string) error {
	if !m.nearHorizon(now) {
		return nil
	}
	m.looked = now
	retention, err := w.retain(ctx, now)
	if err != nil {
		return err
	}
	if now.Sub(m.complete) < retention-clockSkew {
		return nil
	}
	first, err := w.oldest(ctx, m.id)
	if err != nil {
		return err
	}
	gap := manifest.Gap{From: trim(m.Position()), FromTime: m.complete, ToTime: now.Add(-retention).UTC(), Reason: "retention"}
	if first != nil {
		gap.To, gap.ToTime = aws.ToString(first.SequenceNumber), aws.ToTime(first.ApproximateArrivalTimestamp).UTC()
		if manifest.CompareSeq(gap.To, gap.From) <= 0 {
			return nil // the last record that was read is there still
		}
	}
	if next != "" {
		gap.To = trim(next)
	}
	m.Lost(gap)
	m.completeTo(now.Add(-retention)) // what was before is accounted for
	w.cfg.Metrics.gaps.Inc()
	return nil
}

// trim brings a sequence number to the form in which a stream writes it.
func trim(sequence string) string { return strings.TrimLeft(sequence, "0") }

// retain is how long the stream keeps records.
func (w *Worker) retain(ctx context.Context, now time.Time) (time.Duration, error) {
	w.asking.Lock()
	defer w.asking.Unlock()
	if !w.described.IsZero() && now.Sub(w.described) < describeEvery {
		return w.retention, nil
	}
	out, err := w.cfg.Kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &w.cfg.Stream})
	if err != nil {
		return 0, fmt.Errorf("ask how long the stream %s keeps records: %w", w.cfg.Stream, err)
	}
	w.retention, w.described = leastRetention, now
	if h := out.StreamDescriptionSummary.RetentionPeriodHours; h != nil {
		w.retention = time.Duration(*h) * time.Hour
	}
	return w.retention, nil
}

// Reads that look for the oldest record: a read may come back empty though there
// are records behind it.
const (
	oldestReads = 20
	oldestLimit = 100 // records; the first is what is wanted
)

// oldest is the oldest record that a shard still has, nil when it has none.
func (w *Worker) oldest(ctx context.Context, shard string) (*types.Record, error) {
	it, err := w.cfg.Kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &w.cfg.Stream, ShardId: &shard,
		ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		return nil, fmt.Errorf("look for the oldest record of %s: %w", shard, err)
	}
	for iterator, reads := it.ShardIterator, 0; iterator != nil && reads < oldestReads; reads++ {
		out, err := w.cfg.Kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(oldestLimit)})
		if err != nil {
			return nil, fmt.Errorf("look for the oldest record of %s: %w", shard, err)
		}
		if len(out.Records) > 0 {
			return &out.Records[0], nil
		}
		if aws.ToInt64(out.MillisBehindLatest) == 0 {
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
