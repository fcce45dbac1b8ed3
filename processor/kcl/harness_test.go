package kcl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// ledger stands for the manifests of a stream: what is committed of each shard,
// and by which owner. A commit of an owner before the last is refused, as the
// store refuses it.
type ledger struct {
	mu     sync.Mutex
	shards map[string]*account
	log    []entry
	began  time.Time

	openTakes time.Duration
	fail      func(what, shard string) error // nil: nothing fails
}

type account struct {
	epoch    int
	position string
	closed   bool
	rows     []string // ids of events, in order
}

// entry is something that happened to a shard.
type entry struct {
	at     time.Duration
	worker string
	shard  string
	what   string // open, commit, release, roll, end, close, again, idle, fenced
	parent []string
	hint   string
}

func newLedger() *ledger { return &ledger{shards: map[string]*account{}, began: time.Now()} }

func (l *ledger) note(worker, shard, what string, more ...func(*entry)) {
	e := entry{at: time.Since(l.began), worker: worker, shard: shard, what: what}
	for _, f := range more {
		f(&e)
	}
	l.log = append(l.log, e)
}

func (l *ledger) check(what, shard string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(what, shard)
}

func (l *ledger) failing(f func(what, shard string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = f
}

func (l *ledger) open(worker string) func(context.Context, ShardInfo) (Shard, error) {
	return func(ctx context.Context, info ShardInfo) (Shard, error) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(l.openTakes):
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := l.check("open", info.Shard); err != nil {
			return nil, err
		}
		a := l.shards[info.Shard]
		if a == nil {
			a = &account{}
			l.shards[info.Shard] = a
		}
		for _, p := range info.Parents {
			if l.shards[p] == nil || !l.shards[p].closed {
				return nil, fmt.Errorf("%s is opened before its parent %s has ended", info.Shard, p)
			}
		}
		a.epoch++
		l.note(worker, info.Shard, "open", func(e *entry) { e.parent, e.hint = info.Parents, info.Hint })
		return &recording{ledger: l, worker: worker, info: info, epoch: a.epoch, position: a.position}, nil
	}
}

func (l *ledger) position(_ context.Context, shard string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.shards[shard]; a != nil {
		return a.position, nil
	}
	return "", nil
}

// entries returns what happened, of one kind or all.
func (l *ledger) entries(what string) []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.log), func(e entry) bool { return what != "" && e.what != what })
}

// rows returns how often each event is committed.
func (l *ledger) rows() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows := map[string]int{}
	for _, a := range l.shards {
		for _, id := range a.rows {
			rows[id]++
		}
	}
	return rows
}

// recording is a shard that keeps what it is given.
type recording struct {
	*ledger
	worker   string
	info     ShardInfo
	epoch    int
	position string
	pending  []string
	last     time.Time // commit
	shut     bool
}

// sequence brings a sequence number to the form in which they compare as text.
func sequence(s string) string { return fmt.Sprintf("%0128s", s) }

func (r *recording) Process(ctx context.Context, b *processor.Batch) error {
	r.mu.Lock()
	if err := r.use("process"); err != nil {
		r.mu.Unlock()
		return err
	}
	for _, it := range b.Items {
		if r.position != "" && sequence(it.Sequence) <= sequence(r.position) {
			r.note(r.worker, r.info.Shard, "again")
			continue
		}
		switch {
		case it.Event != nil:
			r.pending = append(r.pending, it.Event.ID)
		case it.Reject != nil:
			r.pending = append(r.pending, "reject "+it.Reject.Reason)
		}
	}
	if b.Through != "" {
		r.position = b.Through
	}
	due := b.Now.Sub(r.last) > 300*time.Millisecond
	if due {
		r.last = b.Now
	}
	r.mu.Unlock()
	if !due {
		return ctx.Err()
	}
	return r.commit(ctx, false)
}

// use needs the ledger's lock.
func (r *recording) use(what string) error {
	if r.shut {
		panic("a closed shard is used")
	}
	return r.check(what, r.info.Shard)
}

func (r *recording) commit(ctx context.Context, closed bool) error {
	r.mu.Lock()
	a := r.shards[r.info.Shard]
	if a.epoch != r.epoch {
		r.note(r.worker, r.info.Shard, "fenced")
		r.mu.Unlock()
		return manifest.ErrFenced
	}
	moved := len(r.pending) > 0 || closed
	if moved {
		a.rows, a.position, a.closed, r.pending = append(a.rows, r.pending...), r.position, closed, nil
		r.note(r.worker, r.info.Shard, "commit")
	}
	r.mu.Unlock()
	if !moved {
		return nil
	}
	sequence := r.position
	if closed {
		sequence = shardEnd
	}
	if err := r.info.Checkpoint(ctx, sequence); err != nil && closed {
		return err
	}
	return nil
}

func (r *recording) Idle(context.Context, time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(r.worker, r.info.Shard, "idle")
	return r.use("idle")
}

func (r *recording) Release(ctx context.Context, _ time.Time, roll bool) error {
	r.mu.Lock()
	err := r.use("release")
	what := "release"
	if roll {
		what = "roll"
	}
	r.note(r.worker, r.info.Shard, what)
	r.mu.Unlock()
	return cmp.Or(err, r.commit(ctx, false))
}

func (r *recording) End(ctx context.Context, _ time.Time) error {
	r.mu.Lock()
	err := r.use("end")
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if err := r.commit(ctx, true); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(r.worker, r.info.Shard, "end")
	return nil
}

func (r *recording) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		panic("a shard is closed twice")
	}
	r.shut = true
	r.note(r.worker, r.info.Shard, "close")
	return nil
}

// calls is put between a client and the service: it may answer a call itself,
// or make it wait.
type calls struct {
	mu   sync.Mutex
	hook func(operation string, in any) (out any, err error) // neither: the call goes on
	seen map[string]int
}

func (c *calls) set(hook func(operation string, in any) (any, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hook = hook
}

func (c *calls) count(operation string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[operation]
}

func (c *calls) attach(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("calls", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		out middleware.InitializeOutput, md middleware.Metadata, err error,
	) {
		c.mu.Lock()
		operation := middleware.GetOperationName(ctx)
		if c.seen == nil {
			c.seen = map[string]int{}
		}
		c.seen[operation]++
		hook := c.hook
		c.mu.Unlock()
		if hook != nil {
			if out.Result, err = hook(operation, in.Parameters); out.Result != nil || err != nil {
				return out, md, err
			}
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.After)
}

// testStream is a stream, its lease table, and the workers that read it.
type testStream struct {
	t      *testing.T
	name   string
	client *kinesis.Client
	kind   string // of emulator
	ledger *ledger
	put    int
}

func newStream(t *testing.T, shards int) *testStream {
	return newStreamAt(t, local.NameKinesalite, shards)
}

func newStreamAt(t *testing.T, kind string, shards int) *testStream {
	t.Parallel()
	s := &testStream{t: t, name: newName(t), client: kinesisAt(emulator(t, kind)), kind: kind, ledger: newLedger()}
	dynamo(t)
	if _, err := s.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &s.name, ShardCount: aws.Int32(int32(shards))}); err != nil {
		t.Fatal(err)
	}
	s.active()
	return s
}

func (s *testStream) active() {
	s.t.Helper()
	eventually(s.t, "the stream is active", func() bool {
		out, err := s.client.DescribeStreamSummary(context.Background(), &kinesis.DescribeStreamSummaryInput{StreamName: &s.name})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

// running is a worker that runs.
type running struct {
	*Worker
	t       *testing.T
	kinesis calls
	dynamo  calls
	errors  atomic.Int32 // lines in the log
	stop    context.CancelFunc
	done    chan struct{}
	err     error
}

// counted counts the errors in a log.
type counted struct {
	slog.Handler
	errors *atomic.Int32
}

func (c counted) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		c.errors.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

func (c counted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return counted{c.Handler.WithAttrs(attrs), c.errors}
}

// leaseTime is a lease in these tests.
const leaseTime = 2 * time.Second

// start starts a worker; it is stopped with the test.
func (s *testStream) start(name string, more ...func(*Config)) *running {
	s.t.Helper()
	r := s.prepare(name, more...)
	r.begin()
	return r
}

func (s *testStream) prepare(name string, more ...func(*Config)) *running {
	s.t.Helper()
	r := &running{t: s.t, done: make(chan struct{})}
	cfg := Config{
		App: "t", Stream: s.name, Worker: name, Lease: leaseTime, ReadEvery: 50 * time.Millisecond, sync: 200 * time.Millisecond,
		Kinesis:  kinesis.New(s.client.Options(), func(o *kinesis.Options) { o.APIOptions = append(slices.Clone(o.APIOptions), r.kinesis.attach) }),
		DynamoDB: dynamodb.New(dynamo(s.t).Options(), func(o *dynamodb.Options) { o.APIOptions = append(slices.Clone(o.APIOptions), r.dynamo.attach) }),
		Open:     s.ledger.open(name), Position: s.ledger.position,
		Log: slog.New(counted{slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}), &r.errors}).With("worker", name),
	}
	for _, change := range more {
		change(&cfg)
	}
	var err error
	if r.Worker, err = New(cfg); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (r *running) begin() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		defer close(r.done)
		r.err = r.Run(ctx)
	}()
	r.t.Cleanup(func() { stop(); <-r.done })
}

// halt stops a worker in good order and returns how long that took.
func (r *running) halt() time.Duration {
	r.t.Helper()
	began := time.Now()
	r.stop()
	<-r.done
	if r.err != nil {
		r.t.Errorf("worker %s: %v", r.cfg.Worker, r.err)
	}
	return time.Since(began)
}

var errDead = errors.New("the process is dead")

// kill cuts a worker off from everything, at once and for good.
func (r *running) kill() {
	dead := func(string, any) (any, error) { return nil, errDead }
	r.kinesis.set(dead)
	r.dynamo.set(dead)
}

// puts puts events on the stream, spread over its shards by their keys.
func (s *testStream) puts(n int) {
	s.t.Helper()
	for n > 0 {
		var in []types.PutRecordsRequestEntry
		for range min(n, 100) {
			s.put++
			in = append(in, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(s.put)), Data: event(s.put)})
		}
		s.putAll(in)
		n -= len(in)
	}
}

func (s *testStream) putAll(in []types.PutRecordsRequestEntry) {
	s.t.Helper()
	out, err := s.client.PutRecords(s.t.Context(), &kinesis.PutRecordsInput{StreamName: &s.name, Records: in})
	if err != nil || aws.ToInt32(out.FailedRecordCount) != 0 {
		s.t.Fatalf("put: %v, %+v", err, out)
	}
}

func event(n int) []byte {
	return fmt.Appendf(nil, `{"eventVersion":"1.11","eventTime":"2026-03-01T00:00:00Z","eventName":"GetObject","eventSource":"s3.amazonaws.com","eventID":"event-%d","recipientAccountId":"111122223333"}`, n)
}

// all waits until every event that was put is committed, and checks that each is
// so once.
func (s *testStream) all() {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%d events are committed", s.put), func() bool { return len(s.ledger.rows()) >= s.put })
	s.once()
}

func (s *testStream) once() {
	s.t.Helper()
	for id, n := range s.ledger.rows() {
		if n != 1 {
			s.t.Errorf("%s is committed %d times", id, n)
		}
	}
	if got := len(s.ledger.rows()); got != s.put {
		s.t.Errorf("%d different rows, %d events were put", got, s.put)
	}
}

// holds waits until a worker has so many shards.
func (r *running) holds(n int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("worker %s has %d shards", r.cfg.Worker, n), func() bool { return len(r.leases.Held()) == n })
}

// shardIDs lists the shards that the stream has, sorted.
func (s *testStream) shardIDs() []string {
	s.t.Helper()
	out, err := s.client.ListShards(s.t.Context(), &kinesis.ListShardsInput{StreamName: &s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, sh := range out.Shards {
		ids[*sh.ShardId] = true
	}
	return slices.Sorted(maps.Keys(ids))
}
