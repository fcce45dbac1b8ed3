package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// ground is what all fleets of the test stand on.
type ground struct {
	program
	streams, tables, objects string // addresses of the emulators
	small                    *traffic
	results                  results
}

// crew is a stream and the workers that share it, in processes of their own.
type crew struct {
	*ground
	t       *testing.T
	began   time.Time
	dir     string // of all data
	stream  string
	client  *kinesis.Client
	table   *dynamodb.Client
	kinesis *fault.Proxy // between the workers and the stream
	dynamo  *fault.Proxy // and the lease table
	flags   []string
	env     []string
	lake    string // address
	state   string

	workers []*member
	watch   *watch
	sent    atomic.Int64 // records on the stream
	hurry   atomic.Bool  // what is still to be put goes there at once
	note    []string     // figures for the table
}

// lease is the shortest that run accepts.
const lease = 2 * time.Second

// quick are the flags of workers that do in seconds what takes minutes.
var quick = []string{"--lease", lease.String(), "--commit-every", "1s", "--roll-age", "5s"}

// newFleet makes a stream with so many shards. There is no worker yet.
func (g *ground) newFleet(t *testing.T, shards int) *crew {
	t.Helper()
	name := strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(t.Name(), "-"))
	f := &crew{ground: g, t: t, began: time.Now(), dir: t.TempDir(), stream: name[strings.LastIndex(name, "fleet"):]}
	f.lake, f.state = filepath.Join(f.dir, "lake"), filepath.Join(f.dir, "state")
	f.kinesis, f.dynamo = proxied(t, "KINESIS", g.streams), proxied(t, "DYNAMODB", g.tables)
	f.client, f.table = kinesisAt(t, g.streams), dynamoAt(t, g.tables)
	f.env = []string{"AWS_ENDPOINT_URL_KINESIS=" + f.kinesis.URL(), "AWS_ENDPOINT_URL_DYNAMODB=" + f.dynamo.URL(), "CAIRN_LOG=info", "NO_COLOR=1"}
	f.flags = append(usual.flags(), quick...)
	count := int32(shards)
	if _, err := f.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &f.stream, ShardCount: &count}); err != nil {
		t.Fatal(err)
	}
	f.active()
	t.Cleanup(f.tell)
	return f
}

// active waits until the stream is not being changed.
func (f *crew) active() {
	f.t.Helper()
	wait := func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 200*time.Millisecond
	}
	if err := kinesis.NewStreamExistsWaiter(f.client, wait).Wait(f.t.Context(), &kinesis.DescribeStreamInput{StreamName: &f.stream}, 20*time.Second); err != nil {
		f.t.Fatal(err)
	}
}

// member is a worker: one process.
type member struct {
	*process
	f      *crew
	number int
	log    string // file of its standard error
	mu     sync.Mutex
	read   int64 // records that it has read from the stream, at the last look
}

// worker starts one.
func (f *crew) worker(more ...string) *member {
	f.t.Helper()
	n := len(f.workers) + 1
	m := &member{f: f, number: n, log: filepath.Join(f.dir, fmt.Sprintf("worker-%d.log", n))}
	out, err := os.Create(m.log)
	if err != nil {
		f.t.Fatal(err)
	}
	args := append([]string{"run", "--stream", f.stream, "--lake", f.lake, "--state", f.state, "--data", f.dir,
		"--local", filepath.Join(f.dir, fmt.Sprintf("local-%d", n)), "--listen", "127.0.0.1:0"}, f.flags...)
	m.process = f.launch(f.t, f.env, out, append(args, more...)...)
	_ = out.Close() // the process has its own
	f.workers = append(f.workers, m)
	go m.follow()
	return m
}

// follow looks at the worker's figures until it has ended.
func (m *member) follow() {
	for !m.ended() {
		m.look()
		time.Sleep(200 * time.Millisecond)
	}
}

var (
	healthAddress = regexp.MustCompile(`msg="health and metrics" address=(\S+)`)
	workerName    = regexp.MustCompile(`msg="worker started".* worker=(\S+)`)
	recordsRead   = regexp.MustCompile(`(?m)^cairn_kcl_records_total (\S+)`)
)

// find returns the first group of a pattern in the worker's log, "" if it is
// not there.
func (m *member) find(r *regexp.Regexp) string {
	text, err := os.ReadFile(m.log)
	if err != nil {
		return ""
	}
	if found := r.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return ""
}

// metrics is the page of a worker's figures, "" when it does not answer.
func (m *member) metrics() string {
	at := m.find(healthAddress)
	if at == "" {
		return ""
	}
	client := http.Client{Timeout: time.Second}
	response, err := client.Get("http://" + at + "/metrics")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var page bytes.Buffer
	_, _ = page.ReadFrom(response.Body)
	return page.String()
}

func (m *member) look() {
	found := recordsRead.FindStringSubmatch(m.metrics())
	if found == nil {
		return
	}
	n, _ := strconv.ParseFloat(found[1], 64)
	m.mu.Lock()
	m.read = max(m.read, int64(n))
	m.mu.Unlock()
}

// crash ends a worker as a power cut does.
func (m *member) crash() {
	m.f.t.Helper()
	m.look()
	if !m.kill() {
		m.f.t.Errorf("worker %d had ended before it was killed: %s", m.number, m.tail())
	}
}

// stop ends a worker in good order and returns how long that took.
func (m *member) stop() time.Duration {
	m.f.t.Helper()
	m.look()
	began := time.Now()
	if err := m.Process.Signal(syscall.SIGTERM); err != nil {
		m.f.t.Errorf("worker %d has ended by itself: %s", m.number, m.tail())
	}
	if code := m.status(); code != exitDone {
		m.f.t.Errorf("worker %d: exit status %d: %s", m.number, code, m.tail())
	}
	return time.Since(began)
}

// tail is the end of the worker's log.
func (m *member) tail() string {
	text, _ := os.ReadFile(m.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// running are the workers that have not ended.
func (f *crew) running() (out []*member) {
	for _, m := range f.workers {
		if !m.ended() {
			out = append(out, m)
		}
	}
	return out
}

// manifests are those of the stream's shards, by their names.
func (f *crew) manifests() map[string]*manifest.Manifest {
	f.t.Helper()
	all, err := processor.Manifests(f.t.Context(), store(f.t, f.state), "cairn")
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[string]*manifest.Manifest{}
	for _, m := range all {
		out[m.Shard] = m
	}
	return out
}

// sum adds up what the shards have counted.
func (f *crew) sum() (c manifest.Counts) {
	for _, m := range f.manifests() {
		c = c.Plus(m.Counts)
	}
	return c
}

// leaseRow is a row of the lease table.
type leaseRow struct{ owner, checkpoint string }

func (f *crew) leases() map[string]leaseRow {
	f.t.Helper()
	table, yes := "cairn-"+f.stream, true
	out, err := f.table.Scan(f.t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: &yes})
	var missing *types.ResourceNotFoundException // no worker has begun yet
	if err != nil && !errors.As(err, &missing) {
		f.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	text := func(v types.AttributeValue) string {
		if s, ok := v.(*types.AttributeValueMemberS); ok {
			return s.Value
		}
		return ""
	}
	rows := map[string]leaseRow{}
	for _, it := range out.Items {
		rows[text(it["ShardID"])] = leaseRow{text(it["AssignedTo"]), text(it["Checkpoint"])}
	}
	return rows
}

// held are the shards that a worker has the lease on.
func (m *member) held() (shards []string) {
	name := m.find(workerName)
	for shard, row := range m.f.leases() {
		if name != "" && row.owner == name {
			shards = append(shards, shard)
		}
	}
	slices.Sort(shards)
	return shards
}

// until waits for something that should happen.
func (f *crew) until(what string, limit time.Duration, cond func() bool) {
	f.t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			f.explain()
			f.t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// share waits until each worker that runs has so many shards, in any order. A
// worker takes one in a second.
func (f *crew) share(counts ...int) {
	f.t.Helper()
	slices.Sort(counts)
	f.until(fmt.Sprintf("workers hold %v shards", counts), time.Minute+2*time.Second*time.Duration(counts[len(counts)-1]), func() bool {
		var got []int
		for _, m := range f.running() {
			got = append(got, len(m.held()))
		}
		slices.Sort(got)
		return slices.Equal(got, counts)
	})
}

// consumed waits until so many pieces of the stream are committed.
func (f *crew) consumed(pieces int) {
	f.t.Helper()
	f.until(fmt.Sprintf("%d pieces are committed", pieces), 90*time.Second, func() bool { return f.sum().In >= int64(pieces) })
}

// finish stops all workers in good order and sees that nothing waits to become
// a file.
func (f *crew) finish() {
	f.t.Helper()
	var all sync.WaitGroup
	for _, m := range f.running() {
		all.Go(func() { m.stop() })
	}
	all.Wait()
	for range 3 {
		waiting := map[string]int64{} // shards whose rows wait, and their epochs
		for shard, m := range f.manifests() {
			if len(m.RowLogs)+len(m.Reports) > 0 {
				waiting[shard] = m.Epoch
			}
		}
		if len(waiting) == 0 {
			return
		}
		last := f.worker() // what a dead worker, or one that had just handed a shard over, has left
		f.until("the rest is taken over", 30*time.Second, func() bool {
			// A lease may still name a dead worker; the epoch tells who owns.
			now := f.manifests()
			for shard, epoch := range waiting {
				if now[shard].Epoch == epoch {
					return false
				}
			}
			return true
		})
		time.Sleep(2 * time.Second)
		last.stop()
	}
	f.explain()
	f.t.Fatal("rows wait to become files though all workers have stopped")
}

// explain tells what is known when something went wrong.
func (f *crew) explain() {
	f.t.Helper()
	for _, m := range f.workers {
		f.t.Logf("worker %d, ended %v, %d records read:\n%s", m.number, m.ended(), m.read, m.tail())
	}
	for shard, row := range f.leases() {
		f.t.Logf("lease %s: %+v", shard, row)
	}
	for shard, m := range f.manifests() {
		f.t.Logf("manifest %s: epoch %d, checkpoint %d, seq %s, closed %v, %+v, %d row logs, %d pending", shard, m.Epoch, m.Ckpt, m.Seq, m.Closed, m.Counts, len(m.RowLogs), len(m.Pending))
	}
}

// errors counts the lines of the logs that tell of errors, by their messages, and
// shows the first of each. A data race, which only a program built with the race
// detector tells of, fails the test.
func (f *crew) errors() map[string]int {
	out := map[string]int{}
	for _, m := range f.workers {
		text, err := os.ReadFile(m.log)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if found := errorLine.FindStringSubmatch(line); found != nil {
				if out[found[1]]++; out[found[1]] == 1 {
					f.t.Logf("worker %d: %.800s", m.number, line)
				}
			}
		}
		if _, race, found := strings.Cut(string(text), "WARNING: DATA RACE"); found {
			f.t.Errorf("worker %d: a data race:%s", m.number, shortText(race))
		}
	}
	return out
}

var errorLine = regexp.MustCompile(`level=ERROR msg=("[^"]*"|\S+)`)
