package kcl

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/deploy/local"
)

// Against a stream that tells its lag: while records come evenly, the estimate of
// what is unread is not far from what is, and it is zero at the tip.
func TestLagInRecordsOfAStream(t *testing.T) {
	s := newStreamAt(t, local.NameKinesisLocal, 1)
	began := time.Now()
	const steps, each = 20, 15
	for i := range steps {
		s.puts(each)
		time.Sleep(time.Until(began.Add(time.Duration(i+1) * 250 * time.Millisecond)))
	}
	one := s.prepare("one") // its reader is used by itself
	h := newLease("shardId-000000000000", "")
	one.leases.held[h.shard] = h
	defer h.end(errReleased)
	it, err := one.reader.client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &s.name, ShardId: &h.shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	unread, behind := steps*each, 0
	for iterator := it.ShardIterator; unread > 0; {
		out, err := one.reader.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(4 * each)})
		if err != nil {
			t.Fatal(err)
		}
		iterator = out.NextShardIterator
		unread -= len(out.Records)
		page := page(t, one.cfg.Metrics)
		got := page["cairn_kcl_lag_records "+h.shard]
		if ms := page["cairn_kcl_lag_milliseconds "+h.shard]; ms != float64(aws.ToInt64(out.MillisBehindLatest)) {
			t.Errorf("lag %v ms, the stream says %d", ms, aws.ToInt64(out.MillisBehindLatest))
		}
		t.Logf("unread %d, estimate %.0f, %d ms behind", unread, got, aws.ToInt64(out.MillisBehindLatest))
		switch {
		case unread == 0 && got != 0:
			t.Errorf("%v records at the tip", got)
		case unread > 4*each: // near the tip the time since the last put weighs as much as the rest
			behind++
			if got < float64(unread)/2 || got > float64(unread)*2 {
				t.Errorf("estimate %v, unread %d", got, unread)
			}
		}
	}
	if behind < 2 {
		t.Errorf("only %d reads were far from the tip", behind)
	}
}
