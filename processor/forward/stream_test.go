package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// target stands for a Kinesis stream. It holds requests against Kinesis's
// limits and may refuse records or break requests.
type target struct {
	t        rapid.TB
	records  []types.PutRecordsRequestEntry
	refuse   func() bool  // one record
	breaking func() error // a whole request, after its records were taken
	requests int
}

func (k *target) put(_ context.Context, entries []types.PutRecordsRequestEntry) ([]types.PutRecordsResultEntry, error) {
	k.requests++
	total, keys := 0, map[string]bool{}
	results := make([]types.PutRecordsResultEntry, len(entries))
	for i, e := range entries {
		size := len(*e.PartitionKey) + len(e.Data)
		total += size
		if size > maxRecord || len(e.Data) == 0 || *e.PartitionKey == "" {
			k.t.Errorf("a record of %d bytes under the key %q", size, *e.PartitionKey)
		}
		if keys[*e.PartitionKey] {
			k.t.Errorf("two records of %s in one request, whose order Kinesis does not keep", *e.PartitionKey)
		}
		keys[*e.PartitionKey] = true
		if k.refuse != nil && k.refuse() {
			results[i] = types.PutRecordsResultEntry{ErrorCode: aws.String("ProvisionedThroughputExceededException"), ErrorMessage: aws.String("slow down")}
			continue
		}
		k.records = append(k.records, e)
		results[i] = types.PutRecordsResultEntry{SequenceNumber: aws.String("1"), ShardId: aws.String("shardId-000000000000")}
	}
	if len(entries) > 500 || total > 10<<20 || len(entries) == 0 {
		k.t.Errorf("a request of %d records and %d bytes", len(entries), total)
	}
	if k.breaking != nil {
		if err := k.breaking(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// stream is a Stream that writes to the target and does not really wait.
func (k *target) stream(waits *[]time.Duration) *Stream {
	s := newStream("test", slog.New(slog.DiscardHandler), k.put)
	s.retry.sleep = func(_ context.Context, d time.Duration) error {
		if waits != nil {
			*waits = append(*waits, d)
		}
		return nil
	}
	return s
}

// arrived decodes all records of the target as a consumer does: ids of events
// by partition key, in order.
func (k *target) arrived() map[string][]string {
	var d cloudtrail.Decoder
	out := map[string][]string{}
	for _, r := range k.records {
		got := d.Decode(r.Data)
		for i := range got.Events {
			out[*r.PartitionKey] = append(out[*r.PartitionKey], got.Events[i].ID)
			if got.Keys != nil && got.Keys[i] != *r.PartitionKey {
				k.t.Errorf("an aggregate under %q holds a part under %q", *r.PartitionKey, got.Keys[i])
			}
		}
	}
	return out
}

// record is a CloudTrail record of an account, filled up to about size bytes.
func record(id, account string, size int) string {
	text := fmt.Sprintf(`{"eventVersion":"1.08","eventID":"%s","eventTime":"2026-03-01T10:00:00Z","eventSource":"ec2.amazonaws.com",`+
		`"eventName":"DescribeVolumes","recipientAccountId":"%s","userAgent":"`, id, account)
	return text + strings.Repeat("x", max(0, size-len(text))) + `"}`
}

// TestEventsOfAnAccountKeepTheirOrder sends pieces of many sizes under a few
// keys to a stream that refuses records at random: all arrive once, in order.
func TestEventsOfAnAccountKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		share := rapid.Float64Range(0, 0.7).Draw(t, "refused")
		k := &target{t: t, refuse: func() bool { return random.Float64() < share }}
		s := k.stream(nil)
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{300, 300, 5000, 100_000, 400_000, 900_000}), 0, 60).Draw(t, "sizes")
		accounts := rapid.IntRange(1, 12).Draw(t, "accounts")
		want := map[string][]string{}
		for i, size := range sizes {
			account := fmt.Sprintf("%012d", random.IntN(accounts))
			id := fmt.Sprintf("event-%d", i)
			if err := s.add(t.Context(), account, []byte(record(id, account, size))); err != nil {
				t.Fatal(err)
			}
			want[account] = append(want[account], id)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, k.arrived()); diff != "" {
			t.Fatalf("events (-sent +arrived):\n%s", diff)
		}
		if s.waiting != 0 || len(s.lanes) != 0 || len(s.keys) != 0 {
			t.Errorf("%d bytes, %d lanes and %d keys are left after a flush", s.waiting, len(s.lanes), len(s.keys))
		}
		if int(s.Sent.Records) != len(k.records) || int(s.Sent.Requests) != k.requests {
			t.Errorf("counted %+v, the stream took %d records in %d requests", s.Sent, len(k.records), k.requests)
		}
	})
}

// TestAnAmbiguousRequestIsRepeated: a connection that breaks before the answer
// leaves duplicates, but nothing is lost and nothing overtakes.
func TestAnAmbiguousRequestIsRepeated(t *testing.T) {
	breaks := 3
	k := &target{t: t, breaking: func() error {
		if breaks--; breaks >= 0 {
			return &types.InternalFailureException{Message: aws.String("try again")}
		}
		return nil
	}}
	s := k.stream(nil)
	var want []string
	for i := range 5 {
		id := fmt.Sprintf("event-%d", i)
		if err := s.add(t.Context(), "111122223333", []byte(record(id, "111122223333", 400_000))); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range k.arrived()["111122223333"] {
		if len(got) == 0 || got[len(got)-1] != id { // the same record again
			got = append(got, id)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events without repetitions (-sent +arrived):\n%s", diff)
	}
	if s.Sent.Retries != 3 {
		t.Errorf("%d retries, want 3", s.Sent.Retries)
	}
}

func TestManyAccountsFillRequests(t *testing.T) {
	k := &target{t: t}
	s := k.stream(nil)
	for i := range 1200 {
		account := fmt.Sprintf("%012d", i)
		if err := s.add(t.Context(), account, []byte(record(account, account, 300))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k.requests != 3 || len(k.records) != 1200 {
		t.Errorf("%d records in %d requests, want 1200 in 3: at most 500 each", len(k.records), k.requests)
	}
}

// TestMemoryIsBounded: what waits is sent before it grows beyond the limit,
// whole aggregates first.
func TestMemoryIsBounded(t *testing.T) {
	k := &target{t: t}
	s := k.stream(nil)
	for i := range 3 * waitingBytes / 100_000 {
		account := "111122223333"
		if i%50 == 0 {
			account = "444455556666"
		}
		if err := s.add(t.Context(), account, []byte(record(fmt.Sprint(i), account, 100_000))); err != nil {
			t.Fatal(err)
		}
		if s.waiting >= waitingBytes {
			t.Fatalf("%d bytes wait", s.waiting)
		}
	}
	for _, r := range k.records {
		if len(r.Data) < aggregateBytes-100_100 {
			t.Errorf("an aggregate of %d bytes was sent though fuller ones waited", len(r.Data))
		}
	}
}

func TestLargePieces(t *testing.T) {
	noise := make([]byte, 3<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[r.IntN(64)]
	}
	noisy := func(size int) string {
		return strings.Replace(record("noisy", "1", 0), `"}`, string(noise[:size])+`"}`, 1)
	}
	const key = "111122223333"
	edge := maxRecord - len(key) - overhead(key, maxRecord)
	tests := []struct {
		name  string
		piece string
		limit int
		err   error
		form  string
	}{
		{"the largest that fits into an aggregate", record("a", key, edge)[:edge-2] + `"}`, maxRecord, nil, magic},
		{"one byte more goes without an aggregate", record("a", key, edge-1), maxRecord, nil, "{"},
		{"three times too large, compressible", record("b", key, 3<<20), maxRecord, nil, "\x1f\x8b"},
		{"too large even as gzip", noisy(2 << 20), maxRecord, errTooLarge, ""},
		{"the same on a stream with large records", noisy(2 << 20), 10 << 20, nil, "{"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := &target{t: t}
			s := k.stream(nil)
			s.limit = test.limit
			if s.limit > maxRecord {
				k.t = ignoring{t} // the target knows the usual limit only
			}
			err := s.add(t.Context(), key, []byte(test.piece))
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(k.records) != 1 || !strings.HasPrefix(string(k.records[0].Data), test.form) {
				t.Fatalf("%d records, the first begins with %.4q, want one that begins with %.4q", len(k.records), k.records[0].Data, test.form)
			}
			if got := k.arrived()[key]; len(got) != 1 {
				t.Errorf("the consumer sees %v", got)
			}
		})
	}
}

// ignoring drops what a target says.
type ignoring struct{ *testing.T }

func (ignoring) Errorf(string, ...any) {}

func TestSteps(t *testing.T) {
	var waits []time.Duration
	k := &target{t: t, refuse: func() bool { return true }}
	s := k.stream(&waits)
	if err := s.add(t.Context(), "1", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	err := s.Flush(t.Context())
	if !errors.Is(err, errPatience) || !strings.Contains(err.Error(), "slow down") {
		t.Errorf("error %v, want one that names patience and reason", err)
	}
	ms := time.Millisecond
	if diff := cmp.Diff([]time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}, waits[:8]); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	total := time.Duration(0)
	for _, w := range waits {
		total += w
	}
	if total < patience || total > patience+longWait {
		t.Errorf("gave up after %s, want %s", total, patience)
	}
}

func TestWhatTryingAgainMends(t *testing.T) {
	tests := []struct {
		err  error
		want bool
	}{
		{&types.ProvisionedThroughputExceededException{}, true},
		{&types.LimitExceededException{}, true},
		{&types.KMSThrottlingException{}, true},
		{&types.InternalFailureException{}, true},
		{&types.ResourceNotFoundException{}, false},
		{&types.InvalidArgumentException{}, false},
		{&types.KMSAccessDeniedException{}, false},
		{timeout{}, true},
		{errors.New("something else"), false},
	}
	for _, test := range tests {
		if got := passing(fmt.Errorf("put: %w", test.err)); got != test.want {
			t.Errorf("%T: passing %v, want %v", test.err, got, test.want)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
