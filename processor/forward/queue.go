package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/state/blob"
)

const (
	maxMessages = 10 // of one ReceiveMessage, the most that SQS gives
	longPoll    = 20 // seconds, the most that SQS waits
	// grace is how long the messages in hand may take after the end was asked
	// for: less than the 30 s that orchestrators usually leave before they kill.
	grace = 25 * time.Second
)

// QueueCounts are what became of messages.
type QueueCounts struct {
	Messages int64 `json:"messages"`        // received, repeated ones each time
	Deleted  int64 `json:"deleted"`         // done with
	Failed   int64 `json:"failed_messages"` // left to the queue's redrive policy
}

// Queue is an SQS queue whose messages tell of CloudTrail files in S3.
type Queue struct {
	Counts     QueueCounts
	Visibility time.Duration // for how long a message is hidden from others; extended while it is worked on
	Decoders   int           // files read and decoded at once; 0: one per core

	client  *sqs.Client
	url     string
	log     *slog.Logger
	retry   backoff               // of receiving
	failing backoff               // of batches of which no message could be worked on
	stores  map[string]blob.Store // by bucket
}

// OpenQueue looks at the queue and warns when it has no redrive policy, without
// which a message that cannot be worked on comes back until it expires.
func OpenQueue(ctx context.Context, client *sqs.Client, url string, log *slog.Logger) (*Queue, error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameRedrivePolicy}})
	var missing *types.QueueDoesNotExist
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("there is no queue %s in this account and region: name another with --queue-url", url)
	case denied(err): // reading a queue does not need this right
	case err != nil:
		return nil, fmt.Errorf("look at the queue %s: %w", url, err)
	case out.Attributes[string(types.QueueAttributeNameRedrivePolicy)] == "":
		log.Warn("the queue has no redrive policy: messages that cannot be worked on come back until they expire", "queue", url)
	}
	return &Queue{Visibility: 2 * time.Minute, client: client, url: url, log: log,
		retry: backoff{sleep: sleep}, failing: backoff{sleep: sleep}, stores: map[string]blob.Store{}}, nil
}

// job is a message in hand.
type job struct {
	message types.Message
	objects []announced
	err     error // why it stays in the queue
}

// Queue works on messages until ctx ends, and then on those in hand. A message
// is deleted when all events of its files are on the stream.
func (f *Forwarder) Queue(ctx context.Context, q *Queue) error {
	work, cancel := outlast(ctx, grace)
	defer cancel()
	for ctx.Err() == nil {
		messages, err := q.receive(ctx)
		if err != nil {
			return err
		}
		if len(messages) == 0 {
			continue
		}
		done, err := f.messages(work, q, messages)
		if err != nil {
			return err
		}
		q.log.Info("forwarded", "queue", q.url, "messages", done, "of", len(messages), "events_so_far", f.counts.Events)
		q.rest(ctx, done)
	}
	return nil
}

// rest waits a while when nothing could be done for a whole batch: if the
// bucket cannot be read at all, the queue should not run dry into its dead
// letters at full speed.
func (q *Queue) rest(ctx context.Context, done int) {
	if done > 0 {
		q.failing.reset()
		return
	}
	q.failing.progress()    // it is patient without end
	_ = q.failing.wait(ctx) // an error: ctx has ended, which the caller sees
}

// outlast is a context that ends a while after ctx.
func outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(d, func() { cancel(fmt.Errorf("the work in hand took longer than %s after the end was asked for", d)) })
		context.AfterFunc(work, func() { t.Stop() })
	})
	return work, func() { stop(); cancel(nil) }
}

// receive waits for messages; none are no error, nor is the end of ctx.
func (q *Queue) receive(ctx context.Context) ([]types.Message, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: maxMessages, WaitTimeSeconds: longPoll, VisibilityTimeout: int32(q.Visibility / time.Second)})
	switch {
	case err == nil:
		q.retry.reset()
		q.Counts.Messages += int64(len(out.Messages))
		return out.Messages, nil
	case ctx.Err() != nil:
		return nil, nil //nolint:nilerr // to be ended is what ctx is for
	case !passing(err):
		return nil, fmt.Errorf("receive from %s: %w", q.url, err)
	}
	q.log.Warn("the queue cannot be read, trying again", "queue", q.url, "error", err)
	if waited := q.retry.wait(ctx); waited != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("receive from %s: %w: %w", q.url, waited, err)
	}
	return nil, nil
}

// messages forwards the files of some messages and deletes those that are done.
func (f *Forwarder) messages(ctx context.Context, q *Queue, messages []types.Message) (done int, err error) {
	jobs := make([]job, len(messages))
	for i := range jobs {
		jobs[i].message = messages[i]
		jobs[i].objects, jobs[i].err = announcements([]byte(aws.ToString(messages[i].Body)))
	}
	release := q.hold(ctx, messages)
	defer release()
	if err := f.objects(ctx, q, jobs); err != nil {
		return 0, err
	}
	if err := f.stream.Flush(ctx); err != nil {
		return 0, err
	}
	release()
	return q.finish(ctx, jobs)
}

// objects adds the events of all jobs' files to the stream. A file that cannot
// be read concerns its message alone.
func (f *Forwarder) objects(ctx context.Context, q *Queue, jobs []job) error {
	var objects []replay.Object
	var owner []*job
	for i := range jobs {
		j := &jobs[i]
		for _, o := range j.objects {
			if !replay.Wanted(o.key) {
				f.counts.Skipped++
				continue
			}
			store, err := q.store(ctx, o.bucket)
			if err != nil {
				j.err = err
				break
			}
			objects, owner = append(objects, replay.Object{Store: store, Key: o.key, Size: o.size}), append(owner, j)
		}
	}
	in, order := replay.Objects(objects)
	for p := range in.Decode(ctx, q.Decoders) {
		file, j := &in.Files[p.File], owner[order[p.File]]
		if p.Err != nil {
			j.err = p.Err
			continue
		}
		lost := f.counts.Lost
		if err := f.take(ctx, file.Path, replay.AccountOf(file.Name), &p.Records); err != nil {
			return err
		}
		if f.counts.Lost > lost {
			j.err = fmt.Errorf("%s has records that cannot be forwarded", file.Path)
		}
		if p.Last {
			f.counts.Files++
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	return nil
}

func (q *Queue) store(ctx context.Context, bucket string) (blob.Store, error) {
	if s, ok := q.stores[bucket]; ok {
		return s, nil
	}
	s, err := blob.Open(ctx, "s3://"+bucket)
	if err != nil {
		return nil, err
	}
	q.stores[bucket] = s
	return s, nil
}

// hold keeps messages hidden until release is called, which may be twice.
func (q *Queue) hold(ctx context.Context, messages []types.Message) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for sleep(ctx, q.Visibility/3) == nil {
			if err := q.extend(ctx, messages); err != nil && ctx.Err() == nil {
				q.log.Warn("messages may come a second time: their visibility could not be extended", "queue", q.url, "error", err)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

func (q *Queue) extend(ctx context.Context, messages []types.Message) error {
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(q.Visibility / time.Second)}
	}
	out, err := q.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries})
	if err == nil && len(out.Failed) > 0 {
		err = batchError(out.Failed)
	}
	return err
}

// finish deletes what is done and tells what is not. A message that could not
// be deleted comes again; its events are then duplicates.
func (q *Queue) finish(ctx context.Context, jobs []job) (done int, err error) {
	var entries []types.DeleteMessageBatchRequestEntry
	for i, j := range jobs {
		if j.err != nil {
			q.Counts.Failed++
			q.log.Error("a message is left to the queue's redrive policy", "queue", q.url, "message", aws.ToString(j.message.MessageId), "error", j.err)
			continue
		}
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: j.message.ReceiptHandle})
	}
	if len(entries) == 0 {
		return 0, nil
	}
	out, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	switch {
	case err != nil && !passing(err):
		return 0, fmt.Errorf("delete from %s: %w", q.url, err)
	case err != nil:
	default:
		q.Counts.Deleted += int64(len(out.Successful))
		if len(out.Failed) > 0 {
			err = batchError(out.Failed)
		}
	}
	if err != nil {
		q.log.Warn("messages will come a second time: they could not be deleted", "queue", q.url, "error", err)
	}
	return len(entries), nil
}

func batchError(failed []types.BatchResultErrorEntry) error {
	return fmt.Errorf("%d of a batch, the first: %s: %s", len(failed), aws.ToString(failed[0].Code), aws.ToString(failed[0].Message))
}
