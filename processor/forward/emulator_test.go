package forward

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/replay"
)

// patience of tests for what happens on its own time.
const soon = 30 * time.Second

// surroundings points the SDK's environment to services on loopback.
func surroundings(t *testing.T, services map[string]string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	for service, url := range services {
		t.Setenv("AWS_ENDPOINT_URL_"+service, url)
	}
}

// kinesisAt is a client for an address, with no settings but those.
func kinesisAt(t *testing.T, url string) *kinesis.Client {
	t.Helper()
	surroundings(t, map[string]string{"KINESIS": url})
	client, err := Kinesis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func createStream(t *testing.T, client *kinesis.Client, name string, shards int32) {
	t.Helper()
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	active(t, client, name)
}

func active(t *testing.T, client *kinesis.Client, name string) {
	t.Helper()
	await(t, func() bool {
		out, err := client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

func await(t *testing.T, cond func() bool) {
	t.Helper()
	for start := time.Now(); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > soon {
			t.Fatal("waited in vain")
		}
	}
}

func openStream(t *testing.T, client *kinesis.Client, name string) *Stream {
	t.Helper()
	s, err := Open(t.Context(), client, name, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.retry.sleep = func(ctx context.Context, d time.Duration) error { return sleep(ctx, d/20) }
	return s
}

// content is what lies on a stream: ids by account and account by shard.
type content struct {
	IDs      map[string][]string
	Accounts map[string][]string // the shards of an account
	Rejects  int
}

func listShards(t *testing.T, client *kinesis.Client, name string) (ids []string) {
	t.Helper()
	out, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out.Shards {
		ids = append(ids, *s.ShardId)
	}
	return ids
}

// onStream reads all shards of a stream to their tips, parents first.
func onStream(t *testing.T, client *kinesis.Client, name string) content {
	t.Helper()
	c := content{IDs: map[string][]string{}, Accounts: map[string][]string{}}
	var d cloudtrail.Decoder
	for _, shard := range listShards(t, client, name) {
		for _, r := range inShard(t, client, name, shard) {
			got := d.Decode(r.Data)
			c.Rejects += len(got.Rejects)
			for i := range got.Events {
				e := &got.Events[i]
				c.IDs[e.Account()] = append(c.IDs[e.Account()], e.ID)
				if !slices.Contains(c.Accounts[e.Account()], shard) {
					c.Accounts[e.Account()] = append(c.Accounts[e.Account()], shard)
				}
			}
		}
	}
	return c
}

func inShard(t *testing.T, client *kinesis.Client, name, shard string) (records []types.Record) {
	t.Helper()
	at, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &name, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	for it := at.ShardIterator; it != nil; {
		out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Records) == 0 {
			break
		}
		records, it = append(records, out.Records...), out.NextShardIterator
	}
	return records
}

func (c content) events() (n int) {
	for _, ids := range c.IDs {
		n += len(ids)
	}
	return n
}

// distinct drops repetitions of an id within an account.
func (c content) distinct() map[string][]string {
	out := map[string][]string{}
	for account, ids := range c.IDs {
		seen := map[string]bool{}
		for _, id := range ids {
			if !seen[id] {
				out[account] = append(out[account], id)
			}
			seen[id] = true
		}
	}
	return out
}

func sampleInputs(t *testing.T) *replay.Inputs {
	t.Helper()
	in, err := replay.ListFS(gen.Sample(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// sampleIDs are the ids of the bundled sample by account, in order.
func sampleIDs(t *testing.T) map[string][]string {
	t.Helper()
	want := map[string][]string{}
	for p := range sampleInputs(t).Decode(t.Context(), 1) {
		for i := range p.Records.Events {
			e := &p.Records.Events[i]
			want[e.Account()] = append(want[e.Account()], e.ID)
		}
	}
	return want
}

// TestFilesOntoAStream: each event once, in order, and all of an account in one
// shard.
func TestFilesOntoAStream(t *testing.T) {
	client := kinesisAt(t, local.Kinesalite(t).URL())
	createStream(t, client, "trail", 4)
	f := New(openStream(t, client, "trail"))
	if err := f.Files(t.Context(), sampleInputs(t), 0, nil); err != nil {
		t.Fatal(err)
	}
	got := onStream(t, client, "trail")
	if diff := cmp.Diff(sampleIDs(t), got.IDs); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
	for account, shards := range got.Accounts {
		if len(shards) != 1 {
			t.Errorf("account %s is in %v", account, shards)
		}
	}
	if c := f.Counts(); c.Records == 0 || c.Records != c.Aggregates || c.Retries != 0 || got.Rejects != 0 {
		t.Errorf("counted %+v, %d rejects", c, got.Rejects)
	}
}

// TestThrottledAndBrokenRequests: the fault proxy refuses requests, and breaks
// the connection after others have worked.
func TestThrottledAndBrokenRequests(t *testing.T) {
	proxy, err := fault.New(local.Kinesalite(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	client := kinesisAt(t, proxy.URL())
	createStream(t, client, "trail", 2)
	throttled := proxy.Add(fault.Rule{Operation: "PutRecords", Calls: fault.Between(1, 4), Fate: fault.Reply, Answer: fault.Error(400, "ProvisionedThroughputExceededException")})
	lost := proxy.Add(fault.Rule{Operation: "PutRecords", Calls: fault.Between(6, 10), Fate: fault.LoseAnswer})
	s := openStream(t, client, "trail")
	want := map[string][]string{}
	for i := range 60 {
		account := fmt.Sprintf("%012d", i%3)
		id := fmt.Sprint("event-", i)
		want[account] = append(want[account], id)
		if err := s.add(t.Context(), account, []byte(record(id, account, 400_000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := onStream(t, client, "trail")
	if diff := cmp.Diff(want, got.distinct()); diff != "" {
		t.Errorf("events (-sent +arrived):\n%s", diff)
	}
	if throttled.Hits() != 4 || lost.Hits() != 5 || s.Sent.Retries == 0 {
		t.Errorf("%d and %d requests were hit, %d records sent again: the test shows nothing", throttled.Hits(), lost.Hits(), s.Sent.Retries)
	}
	if got.events() == 60 {
		t.Error("lost answers left no duplicate: the test shows nothing")
	}
}

// half is a Kinesis in front of another one that passes on only a part of each
// PutRecords and says of the rest that it was throttled, as a busy shard does.
type half struct {
	*httputil.ReverseProxy
	upstream string
	random   *rand.Rand
	refused  int
}

type putRecords struct {
	StreamName string
	Records    []struct{ PartitionKey, Data string }
}

type putResults struct {
	FailedRecordCount int
	Records           []map[string]string
}

func (h *half) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in putRecords
	if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutRecords") || json.UnmarshalRead(r.Body, &in) != nil {
		h.ReverseProxy.ServeHTTP(w, r)
		return
	}
	kept := in
	kept.Records = nil
	throttled := make([]bool, len(in.Records))
	for i, record := range in.Records {
		if throttled[i] = h.random.IntN(2) == 0; !throttled[i] {
			kept.Records = append(kept.Records, record)
		}
	}
	out, err := h.pass(r, kept)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	merged := putResults{FailedRecordCount: len(in.Records) - len(kept.Records)}
	h.refused += merged.FailedRecordCount
	for _, refused := range throttled {
		if refused {
			merged.Records = append(merged.Records, map[string]string{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"})
			continue
		}
		merged.Records, out.Records = append(merged.Records, out.Records[0]), out.Records[1:]
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.MarshalWrite(w, merged)
}

func (h *half) pass(r *http.Request, in putRecords) (out putResults, err error) {
	if len(in.Records) == 0 {
		return out, nil
	}
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, h.upstream, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	request.Header = r.Header.Clone() // the emulator does not check the signature
	request.Header.Del("Content-Length")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return out, err
	}
	defer response.Body.Close()
	return out, json.UnmarshalRead(response.Body, &out)
}

// TestAPartOfARequestFails: half of all records are throttled, one by one; each
// event arrives once, and those of an account in order.
func TestAPartOfARequestFails(t *testing.T) {
	upstream := local.Kinesalite(t).URL()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	h := &half{ReverseProxy: httputil.NewSingleHostReverseProxy(target), upstream: upstream, random: rand.New(rand.NewPCG(1, 2))}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	client := kinesisAt(t, server.URL)
	createStream(t, client, "trail", 4)
	s := openStream(t, client, "trail")
	want := map[string][]string{}
	for i := range 400 {
		account := fmt.Sprintf("%012d", i%7)
		id := fmt.Sprint("event-", i)
		want[account] = append(want[account], id)
		if err := s.add(t.Context(), account, []byte(record(id, account, 100_000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, onStream(t, client, "trail").IDs); diff != "" {
		t.Errorf("events (-sent +arrived):\n%s", diff)
	}
	if h.refused < 10 || s.Sent.Retries != int64(h.refused) {
		t.Errorf("%d records were refused and %d sent again, want as many and some", h.refused, s.Sent.Retries)
	}
}

// TestNoStream names the stream and the flag.
func TestNoStream(t *testing.T) {
	client := kinesisAt(t, local.Kinesalite(t).URL())
	_, err := Open(t.Context(), client, "nowhere", slog.New(slog.DiscardHandler))
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("no stream nowhere")) {
		t.Errorf("error %v", err)
	}
}

// bucketOf starts an S3 with one bucket that holds objects.
func bucketOf(t *testing.T, name string, objects map[string][]byte) (url string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(name); err != nil {
		t.Fatal(err)
	}
	for key, data := range objects {
		if _, err := backend.PutObject(name, key, nil, bytes.NewReader(data), int64(len(data)), nil); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return server.URL
}

// logFile is a gzip of records.
func logFile(t *testing.T, records ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write([]byte(`{"Records":[`))
	for i, r := range records {
		if i > 0 {
			_, _ = z.Write([]byte(","))
		}
		_, _ = z.Write([]byte(r))
	}
	_, _ = z.Write([]byte(`]}`))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func number(t *testing.T, decimal string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(decimal, 10)
	if !ok {
		t.Fatalf("%q is no number", decimal)
	}
	return n
}
