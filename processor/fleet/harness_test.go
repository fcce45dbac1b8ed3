package fleet

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/kcl"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// nowhere is an address at which nobody answers.
const nowhere = "http://127.0.0.1:1"

func settings(url string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient: &http.Client{Transport: &http.Transport{IdleConnTimeout: time.Second}},
	}
}

// hooked answers calls of a client in place of the service, where answer does not
// return nil.
func hooked(client *kinesis.Client, answer func(operation string, in any) (any, error)) *kinesis.Client {
	attach := func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("hook", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
			out middleware.InitializeOutput, md middleware.Metadata, err error,
		) {
			if out.Result, err = answer(middleware.GetOperationName(ctx), in.Parameters); out.Result != nil || err != nil {
				return out, md, err
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
	}
	return kinesis.New(client.Options(), func(o *kinesis.Options) { o.APIOptions = append(slices.Clone(o.APIOptions), attach) })
}

// distributed makes a stream tell how it places records.
func distributed(client *kinesis.Client, strategy *types.RecordDistributionStrategy) *kinesis.Client {
	return hooked(client, func(operation string, _ any) (any, error) {
		if operation != "DescribeStreamSummary" {
			return nil, nil
		}
		return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
			StreamARN: aws.String("arn"), StreamCreationTimestamp: aws.Time(time.Unix(1, 0)), RecordDistributionStrategy: *strategy,
		}}, nil
	})
}

// logged is a log that can be looked at while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns the lines that have all of some parts.
func (l *logged) lines(parts ...string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			out = append(out, line)
		}
	}
	return out
}

// The events of a user's life, each found by a rule of its own.
const (
	created = "CreateUser"
	deleted = "DeleteUser"
)

// single is a rule that finds one kind of event.
func single(event string) string {
	id := map[string]string{created: "0a0b0c0d-0000-4000-8000-000000000001", deleted: "0a0b0c0d-0000-4000-8000-000000000002"}[event]
	return fmt.Sprintf(`
title: %s
id: %s
logsource: {product: aws, service: cloudtrail}
detection: {condition: selection, selection: {eventName: %s}}
level: high
cairn: {suppress: none}
`, event, id, event)
}

// counting is a rule that groups.
const counting = `
title: Many users
id: 0a0b0c0d-0000-4000-8000-000000000003
correlation: {type: event_count, rules: [0a0b0c0d-0000-4000-8000-000000000001], group-by: [actor.root], timespan: 10m, condition: {gte: 5}}
level: high
`

// ruleFolder writes rules, each into a file of its own.
func ruleFolder(t *testing.T, rules ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, text := range rules {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.yml", i)), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func compiled(t *testing.T, rules ...string) *rule.Set {
	t.Helper()
	set, _, err := rule.Load(rule.Options{}, os.DirFS(ruleFolder(t, rules...)))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// place is where a fleet keeps its data, and how its shards are set.
type place struct {
	t   *testing.T
	dir string
	cfg Config
	log *logged
}

const app = "cairn"

func newPlace(t *testing.T, stream string, rules ...string) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), log: &logged{}}
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	p.cfg = Config{
		Stream: stream, Rules: NewRules(compiled(t, rules...)), Lease: 2 * time.Second, Metrics: NewMetrics(),
		Kinesis: kinesis.NewFromConfig(settings(nowhere)), DynamoDB: dynamodb.NewFromConfig(settings(nowhere)),
		Log: slog.New(slog.NewTextHandler(p.log, nil)),
		Shard: processor.Config{
			App: app, Lake: p.store("lake"), State: p.store("state"), Local: filepath.Join(p.dir, "local"), Catalogue: catalogue,
			Lateness: 20 * time.Minute, SnapshotEvery: time.Hour, KeepTombstones: 30 * time.Hour,
			CommitRecords: 1000, CommitBytes: 1 << 20, CommitEvery: time.Second,
			Roll:     processor.Roll{Age: 5 * time.Minute, Bytes: 128 << 20, ReportAge: 15 * time.Minute, Days: 4},
			Encoders: 1, Rolls: make(chan struct{}, 1), Writer: "0000000000000001",
		},
	}
	p.cfg.Shard.Log = p.cfg.Log
	return p
}

func (p *place) store(name string) blob.Store {
	p.t.Helper()
	s, err := blob.OpenDir(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *place) worker() *Worker {
	p.t.Helper()
	w, err := New(p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return w
}

// manifests are those of all shards, by their names.
func (p *place) manifests() map[string]*manifest.Manifest {
	p.t.Helper()
	all, err := processor.Manifests(p.t.Context(), p.cfg.Shard.State, app)
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]*manifest.Manifest{}
	for _, m := range all {
		out[m.Shard] = m
	}
	return out
}

// sum adds up what the shards have counted.
func (p *place) sum() (c manifest.Counts) {
	for _, m := range p.manifests() {
		c = c.Plus(m.Counts)
	}
	return c
}

// page reads all metrics, by name and labels.
func (p *place) page() map[string]float64 {
	p.t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(p.cfg.Metrics.Collectors()...)
	families, err := r.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, s := range f.GetMetric() {
			name := f.GetName()
			for _, l := range s.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = s.GetCounter().GetValue() + s.GetGauge().GetValue() + float64(s.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// running is a worker at work, of real parts: a stream and a lease table in
// emulators, stores in folders.
type running struct {
	*Worker
	stop func()
}

// run starts a worker; it stops with the test.
func (p *place) run() *running {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Worker: p.worker()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			p.t.Errorf("worker: %v", err)
		}
	}()
	r.stop = func() { cancel(); <-done }
	p.t.Cleanup(r.stop)
	return r
}

// eventually waits until ok, for at most a time that a slow machine needs.
func (p *place) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not in time: %s\n%s", what, strings.Join(p.log.lines(), ""))
		}
	}
}

// emulators are shared by the tests of this package. Streams have names of their
// own.
var emulators struct {
	sync.Mutex
	running map[string]*local.Emulator
	streams int
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, e := range emulators.running {
		e.Stop()
	}
	os.Exit(code)
}

func emulator(t *testing.T, name string) string {
	t.Helper()
	local.Require(t)
	emulators.Lock()
	defer emulators.Unlock()
	if emulators.running[name] == nil {
		e, err := local.Start(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		if emulators.running == nil {
			emulators.running = map[string]*local.Emulator{}
		}
		emulators.running[name] = e
	}
	return emulators.running[name].URL()
}

// onStream is a place with a stream of its own in an emulator.
func onStream(t *testing.T, shards int, rules ...string) *place {
	t.Helper()
	return onStreamOf(t, emulator(t, local.NameKinesalite), shards, rules...)
}

func onStreamOf(t *testing.T, url string, shards int, rules ...string) *place {
	t.Helper()
	tables := emulator(t, local.NameDynalite)
	emulators.Lock()
	emulators.streams++
	stream := fmt.Sprintf("trail-%d", emulators.streams)
	emulators.Unlock()
	p := newPlace(t, stream, rules...)
	p.cfg.Kinesis, p.cfg.DynamoDB = kinesis.NewFromConfig(settings(url)), dynamodb.NewFromConfig(settings(tables))
	if _, err := p.cfg.Kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &stream, ShardCount: aws.Int32(int32(shards))}); err != nil {
		t.Fatal(err)
	}
	p.eventually("the stream is active", func() bool {
		out, err := p.cfg.Kinesis.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &stream})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
	return p
}

// describe is the identity of the stream, as manifests have it.
func (p *place) describe(t *testing.T) (string, error) {
	t.Helper()
	s, err := kcl.Describe(t.Context(), p.cfg.Kinesis, p.cfg.Stream)
	return s.Source(), err
}

// event is a record of CloudTrail about a user of an account.
func event(n int, name string, at time.Time) []byte {
	return fmt.Appendf(nil, `{"eventVersion":"1.11","eventTime":%q,"eventName":%q,"eventSource":"iam.amazonaws.com","awsRegion":"us-east-1","eventID":"event-%d",`+
		`"recipientAccountId":"%012d","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","userName":"ann"},"requestParameters":{"userName":"u%d"}}`,
		at.UTC().Format(time.RFC3339), name, n, n%7, n)
}

// put puts data on the stream, each under a key of its own.
func (p *place) put(data ...[]byte) {
	p.t.Helper()
	var in []types.PutRecordsRequestEntry
	for i, d := range data {
		in = append(in, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(i)), Data: d})
	}
	out, err := p.cfg.Kinesis.PutRecords(p.t.Context(), &kinesis.PutRecordsInput{StreamName: &p.cfg.Stream, Records: in})
	if err != nil || aws.ToInt32(out.FailedRecordCount) != 0 {
		p.t.Fatalf("put: %v, %+v", err, out)
	}
}

// events are those with the numbers from the first to the last.
func events(first, last int, name string) (out [][]byte) {
	for n := first; n <= last; n++ {
		out = append(out, event(n, name, time.Now().Add(-time.Minute)))
	}
	return out
}

// before opens the only shard of the stream as a fleet of the past did, which
// knew the stream by source.
func (p *place) before(source string) *processor.Shard {
	p.t.Helper()
	cfg := p.cfg.Shard
	cfg.Stream, cfg.Shard, cfg.HashRange, cfg.HashShare = p.cfg.Stream, theShard, info(theShard).HashRange, 1
	cfg.Rules, cfg.Source = p.cfg.Rules.Set(), func(string) string { return source }
	s, err := processor.Open(p.t.Context(), cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// theShard is the name of the first shard of a stream.
const theShard = "shardId-000000000000"

// batch is what a read at a time returned.
func batch(now time.Time, records ...processor.Record) *processor.Batch {
	var d cloudtrail.Decoder
	return processor.DecodeRecords(&d, records, now)
}

// info is what the worker would be told of the only shard of a stream.
func info(shard string) kcl.ShardInfo {
	return kcl.ShardInfo{
		Stream: kcl.Stream{ARN: "arn", Created: time.Unix(1, 0)}, Shard: shard,
		HashRange: [2]string{"0", "340282366920938463463374607431768211455"}, HashShare: 1,
		Checkpoint: func(context.Context, string) error { return nil },
	}
}
