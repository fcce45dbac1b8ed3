package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/forward"
	"github.com/cairnstream/cairn/processor/replay"
)

// target is a stream on an emulator, to which the environment points.
type target struct {
	client *kinesis.Client
	name   string
}

func awsSettings(t *testing.T, endpoints map[string]string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	for service, url := range endpoints {
		t.Setenv("AWS_ENDPOINT_URL_"+service, url)
	}
}

func newTarget(t *testing.T, name string, shards int32) target {
	t.Helper()
	client, err := forward.Kinesis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	if err := kinesis.NewStreamExistsWaiter(client, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }).
		Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: &name}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	return target{client, name}
}

// ids are the events on the stream and how often each is there.
func (s target) ids(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	var d cloudtrail.Decoder
	shards, err := s.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &s.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards.Shards {
		at, err := s.client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &s.name, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			t.Fatal(err)
		}
		for it := at.ShardIterator; it != nil; {
			page, err := s.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Records) == 0 {
				break
			}
			for _, r := range page.Records {
				records := d.Decode(r.Data)
				for i := range records.Events {
					out[records.Events[i].ID]++
				}
			}
			it = page.NextShardIterator
		}
	}
	return out
}

// sampleEvents are the events of the bundled sample, and its files.
func sampleEvents(t *testing.T) (ids map[string]int, files map[string][]byte) {
	t.Helper()
	in, err := replay.ListFS(gen.Sample(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	ids, files = map[string]int{}, map[string][]byte{}
	for p := range in.Decode(t.Context(), 0) {
		for i := range p.Records.Events {
			ids[p.Records.Events[i].ID]++
		}
	}
	for _, f := range in.Files {
		r, err := gen.Sample().Open(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		var data bytes.Buffer
		if _, err := data.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		files[f.Name] = data.Bytes()
	}
	return ids, files
}

// cairn runs a command line inside this process.
func cairn(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(&env{ctx: t.Context(), in: strings.NewReader(""), out: &out, err: &errs}, args)
	return code, out.String(), errs.String()
}

func TestForwardFiles(t *testing.T) {
	awsSettings(t, map[string]string{"KINESIS": local.Kinesalite(t).URL()})
	stream := newTarget(t, "trail", 2)
	want, files := sampleEvents(t)
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := cairn(t, "forward", "--stream", "trail", "--output", "json", dir)
	if code != exitDone || errs != "" {
		t.Fatalf("exit status %d: %s", code, errs)
	}
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if diff := cmp.Diff(want, stream.ids(t)); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
	for name, value := range map[string]float64{"files": float64(len(files)), "events": float64(sum(want)), "undecodable": 0, "control": 0, "lost": 0, "retries": 0, "skipped_files": 0} {
		if report[name] != value {
			t.Errorf("%s is %v, want %v", name, report[name], value)
		}
	}
	if report["records"] != report["aggregates"] || report["stream"] != "trail" || report["queue"] != nil || report["source"] != nil {
		t.Errorf("report %s", out)
	}

	t.Run("what is lost", func(t *testing.T) {
		cut := filepath.Join(t.TempDir(), "cut.json")
		if err := os.WriteFile(cut, []byte(`{"Records":[{"eventVersion":"1.08","eventID":"x","eventTime":"2026-03-01T10:01:00Z","eventSource":"s3.amazonaws.com","eventName":"ListBuckets"},`), 0o644); err != nil {
			t.Fatal(err)
		}
		code, out, errs := cairn(t, "forward", "--stream", "trail", cut)
		if code != exitDone || !contains(out, "Forwarded 1 event from 1 file") || !contains(out, "NOT FORWARDED  1 piece") || !contains(out, "the end is missing") {
			t.Errorf("exit status %d, %s %s", code, out, errs)
		}
		if code, _, errs := cairn(t, "forward", "--stream", "trail", "--strict", cut); code != exitFailed || !contains(errs, "1 piece could not be put on the stream (--strict)") {
			t.Errorf("with --strict: exit status %d, %s", code, errs)
		}
	})
	t.Run("no such stream", func(t *testing.T) {
		if code, _, errs := cairn(t, "forward", "--stream", "nowhere", dir); code != exitFailed || !contains(errs, "there is no stream nowhere") {
			t.Errorf("exit status %d, %s", code, errs)
		}
	})
}

// TestForwardKilled kills the program twice while it works on a queue: when its
// records were put and it waits for the answer, and when it is about to delete
// messages. The third goes on to the end. Nothing is lost; what the dead had
// put is there again, and told by its id.
func TestForwardKilled(t *testing.T) {
	program := build(t)
	want, files := sampleEvents(t)
	stream, records := proxied(t, "KINESIS", local.Kinesalite(t).URL()), proxied(t, "SQS", local.Queues(t).URL())
	awsSettings(t, map[string]string{"KINESIS": stream.URL(), "SQS": records.URL(), "S3": serveBucket(t, files)})
	trail := newTarget(t, "trail", 2)
	queues, url := announce(t, slices.Sorted(maps.Keys(files)))
	args := []string{"forward", "--stream", "trail", "--queue-url", url, "--visibility", "10s", "--output", "json"}

	kills := []struct {
		proxy *fault.Proxy
		rule  fault.Rule
	}{
		{stream, fault.Rule{Operation: "PutRecords", Calls: fault.Nth(2), Fate: fault.LoseAnswer}},
		{records, fault.Rule{Operation: "DeleteMessageBatch", Calls: fault.Nth(2), Fate: fault.Lose}},
	}
	for _, k := range kills {
		begin := make(chan *os.Process, 1)
		k.rule.Before = func(ctx context.Context, c fault.Call) {
			if k.rule.Fate == fault.Lose {
				fault.Kill(<-begin)(ctx, c)
			}
		}
		k.rule.After = func(ctx context.Context, c fault.Call) {
			if k.rule.Fate == fault.LoseAnswer {
				fault.Kill(<-begin)(ctx, c)
			}
		}
		injected := k.proxy.Add(k.rule)
		r := program.start(t, args...)
		begin <- r.Process
		if code := r.status(); code != -1 || injected.Hits() != 1 {
			t.Fatalf("exit status %d, the rule was applied %d times: it was not killed: %s", code, injected.Hits(), r.err.String())
		}
		injected.Remove()
	}
	last := program.start(t, args...)
	if !last.await(func() bool { time.Sleep(100 * time.Millisecond); return drained(t, queues, url) }) {
		t.Fatalf("it ended by itself: %s", last.err.String())
	}
	if err := last.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := last.status(); code != exitDone || !contains(last.out.String(), `"failed_messages": 0`) {
		t.Errorf("exit status %d after SIGTERM: %s %s", code, last.out.String(), last.err.String())
	}
	got := trail.ids(t)
	for id, n := range want {
		if got[id] < n {
			t.Errorf("event %s is %d times on the stream, want at least %d", id, got[id], n)
		}
	}
	if len(got) != len(want) || sum(got) == sum(want) {
		t.Errorf("%d events came of %d, %d with repetitions: without any the test shows nothing", len(got), len(want), sum(got))
	}
	t.Logf("%d events, %d of them again", sum(want), sum(got)-sum(want))
}

func sum(ids map[string]int) (n int) {
	for _, times := range ids {
		n += times
	}
	return n
}

func proxied(t *testing.T, service, upstream string) *fault.Proxy {
	t.Helper()
	p, err := fault.New(upstream)
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// serveBucket starts an S3 with the files in a bucket "logs".
func serveBucket(t *testing.T, files map[string][]byte) (url string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("logs"); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if _, err := backend.PutObject("logs", name, nil, bytes.NewReader(data), int64(len(data)), nil); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return server.URL
}

// announce makes a queue with a notification for each file.
func announce(t *testing.T, files []string) (*sqs.Client, string) {
	t.Helper()
	client, err := forward.SQS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := "logs"
	queue, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		body := fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"logs"},"object":{"key":"%s"}}}]}`, file)
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	return client, *queue.QueueUrl
}

// drained tells whether a queue has no message, hidden ones included.
func drained(t *testing.T, client *sqs.Client, url string) bool {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{
		sqstypes.QueueAttributeNameApproximateNumberOfMessages, sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
}
