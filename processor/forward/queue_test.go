package forward

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/state/blob"
)

const logs = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/111122223333_CloudTrail_eu-west-1_20260301T10%02dZ_a.json.gz"

// queues is an SQS with a queue and its dead letters.
type queues struct {
	client    *sqs.Client
	url, dead string
}

func startQueues(t *testing.T, client *sqs.Client) queues {
	t.Helper()
	create := func(name string, attributes map[string]string) string {
		out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		return *out.QueueUrl
	}
	q := queues{client: client, dead: create("dead", nil)}
	arn, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q.dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	q.url = create("logs", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"%s","maxReceiveCount":"2"}`, arn.Attributes["QueueArn"])})
	return q
}

func (q queues) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := q.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
}

// left counts the messages of a queue, hidden ones too.
func (q queues) left(t *testing.T, url string) (visible, hidden string) {
	t.Helper()
	out, err := q.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// sqsAt is a client for an address.
func sqsAt(t *testing.T, url string) *sqs.Client {
	t.Helper()
	surroundings(t, map[string]string{"SQS": url})
	client, err := SQS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func openQueue(t *testing.T, client *sqs.Client, url string) *Queue {
	t.Helper()
	q, err := OpenQueue(t.Context(), client, url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	q.Visibility = 2 * time.Second
	return q
}

// run works on the queue in the background until stop, which returns its error.
func run(t *testing.T, work func(context.Context) error) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(soon):
			t.Fatal("it does not end")
			return nil
		}
	}
}

// TestQueue: each way to announce a file, messages that tell of nothing, and
// some that cannot be worked on: those are with the dead letters at the end.
func TestQueue(t *testing.T) {
	var keys []string
	objects := map[string][]byte{}
	want := map[string][]string{}
	for i := range 6 {
		key := fmt.Sprintf(logs, i)
		id := fmt.Sprint("event-", i)
		keys = append(keys, key)
		objects[key] = logFile(t, record(id, "111122223333", 300))
		want["111122223333"] = append(want["111122223333"], id)
	}
	surroundings(t, map[string]string{"S3": bucketOf(t, "b", objects)})
	client := kinesisAt(t, local.Kinesalite(t).URL())
	createStream(t, client, "trail", 2)
	emulated := startQueues(t, sqsAt(t, local.Queues(t).URL()))
	bridge := func(key string) string {
		return fmt.Sprintf(`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"b"},"object":{"key":"%s"}}}`, key)
	}
	emulated.send(t,
		fromS3("ObjectCreated:Put", keys[0]), inSNS(fromS3("ObjectCreated:Put", keys[1])),
		bridge(keys[2]), inSNS(bridge(keys[3])),
		inSNS(fmt.Sprintf(`{"s3Bucket":"b","s3ObjectKey":["%s","%s"]}`, keys[4], keys[5])),
		`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`,
		bridge("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz"),
		"no announcement", bridge("AWSLogs/missing.json.gz"))
	q := openQueue(t, emulated.client, emulated.url)
	f := New(openStream(t, client, "trail"))
	stop := run(t, func(ctx context.Context) error { return f.Queue(ctx, q) })
	await(t, func() bool {
		dead, _ := emulated.left(t, emulated.dead)
		visible, hidden := emulated.left(t, emulated.url)
		return dead == "2" && visible == "0" && hidden == "0"
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	got := onStream(t, client, "trail")
	if diff := cmp.Diff(want, got.distinct()); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
	if q.Counts.Deleted != 7 || q.Counts.Failed < 2 || q.Counts.Messages != q.Counts.Deleted+q.Counts.Failed || f.Counts().Skipped != 1 || f.Counts().Files != 6 {
		t.Errorf("counted %+v and %+v", q.Counts, f.Counts())
	}
}

// TestAMessageStaysUntilItsEventsAreOnTheStream: nothing is deleted while the
// stream takes nothing, however long that is, and no other reader gets it.
func TestAMessageStaysUntilItsEventsAreOnTheStream(t *testing.T) {
	key := fmt.Sprintf(logs, 0)
	surroundings(t, map[string]string{"S3": bucketOf(t, "b", map[string][]byte{key: logFile(t, record("1", "111122223333", 300))})})
	proxy, err := fault.New(local.Kinesalite(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	client := kinesisAt(t, proxy.URL())
	createStream(t, client, "trail", 1)
	emulated := startQueues(t, sqsAt(t, local.Queues(t).URL()))
	emulated.send(t, fromS3("ObjectCreated:Put", key))
	gate := fault.NewGate()
	t.Cleanup(gate.Open)
	proxy.Add(fault.Rule{Operation: "PutRecords", Before: gate.Wait})
	q := openQueue(t, emulated.client, emulated.url)
	f := New(openStream(t, client, "trail"))
	stop := run(t, func(ctx context.Context) error { return f.Queue(ctx, q) })
	<-gate.Arrived()
	time.Sleep(2 * q.Visibility) // long enough to come back, were it not held
	if visible, hidden := emulated.left(t, emulated.url); visible != "0" || hidden != "1" {
		t.Errorf("%s messages are visible and %s hidden, want 1 hidden", visible, hidden)
	}
	gate.Open()
	await(t, func() bool { visible, hidden := emulated.left(t, emulated.url); return visible == "0" && hidden == "0" })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := onStream(t, client, "trail"); got.events() != 1 || q.Counts.Messages != 1 {
		t.Errorf("%d events on the stream, %d messages received, want 1 of each", got.events(), q.Counts.Messages)
	}
}

// TestTheEndWaitsForTheMessagesInHand: what is asked to end deletes what it has
// forwarded.
func TestTheEndWaitsForTheMessagesInHand(t *testing.T) {
	key := fmt.Sprintf(logs, 0)
	surroundings(t, map[string]string{"S3": bucketOf(t, "b", map[string][]byte{key: logFile(t, record("1", "111122223333", 300))})})
	proxy, err := fault.New(local.Kinesalite(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	client := kinesisAt(t, proxy.URL())
	createStream(t, client, "trail", 1)
	emulated := startQueues(t, sqsAt(t, local.Queues(t).URL()))
	emulated.send(t, fromS3("ObjectCreated:Put", key))
	gate := fault.NewGate()
	t.Cleanup(gate.Open)
	proxy.Add(fault.Rule{Operation: "PutRecords", Before: gate.Wait})
	q := openQueue(t, emulated.client, emulated.url)
	f := New(openStream(t, client, "trail"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Queue(ctx, q) }()
	<-gate.Arrived()
	cancel()
	gate.Open()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if visible, hidden := emulated.left(t, emulated.url); visible != "0" || hidden != "0" || q.Counts.Deleted != 1 {
		t.Errorf("%s messages are visible and %s hidden, %d deleted, want it deleted", visible, hidden, q.Counts.Deleted)
	}
}

func TestNoQueue(t *testing.T) {
	client := sqsAt(t, local.Queues(t).URL())
	_, err := OpenQueue(t.Context(), client, "http://127.0.0.1/000000000000/nowhere", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "--queue-url") {
		t.Errorf("error %v, want one that names the flag", err)
	}
}

// TestWhatIsWrongWithAFile keeps its message and no other's: a file that is not
// there, and one whose end is missing.
func TestWhatIsWrongWithAFile(t *testing.T) {
	whole := logFile(t, record("1", "111122223333", 300))
	surroundings(t, map[string]string{"S3": bucketOf(t, "b", map[string][]byte{"good.json.gz": whole, "cut.json": []byte(`{"Records":[` + record("2", "1", 0) + ",")})})
	jobs := []job{
		{objects: []announced{{"b", "good.json.gz", 0}, {"b", "CloudTrail-Digest/x.json.gz", 1}}},
		{objects: []announced{{"b", "missing.json.gz", -5}}},
		{objects: []announced{{"b", "cut.json", 10}}},
		{objects: []announced{{"b", "a//b.json", 10}}},
		{objects: []announced{{"b", "folder/", 0}}},
	}
	k := &target{t: t}
	f := New(k.stream(nil))
	if err := f.objects(t.Context(), &Queue{stores: map[string]blob.Store{}}, jobs); err != nil {
		t.Fatal(err)
	}
	for i, reason := range []string{"", "missing.json.gz", "cut.json has records that cannot be forwarded", "path element", ""} {
		switch err := jobs[i].err; {
		case reason == "" && err != nil:
			t.Errorf("job %d: %v", i, err)
		case reason != "" && (err == nil || !strings.Contains(err.Error(), reason)):
			t.Errorf("job %d: error %v, want one with %q", i, err, reason)
		}
	}
	if c := f.Counts(); c.Events != 2 || c.Lost != 1 || c.Skipped != 2 || c.Files != 2 {
		t.Errorf("counted %+v", c)
	}
}

// TestRest: the pauses grow while nothing can be done, without end, and are
// over with the first message.
func TestRest(t *testing.T) {
	var waits []time.Duration
	q := &Queue{failing: backoff{sleep: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}}}
	for range 2000 {
		q.rest(t.Context(), 0)
	}
	q.rest(t.Context(), 3)
	q.rest(t.Context(), 0)
	if len(waits) != 2001 || waits[1] != 2*firstWait || waits[1999] != longWait || waits[2000] != firstWait {
		t.Errorf("%d waits: %v, %v, … %v, %v", len(waits), waits[0], waits[1], waits[1999], waits[2000])
	}
}
