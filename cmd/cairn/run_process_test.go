package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
)

// outside is all that a worker needs from others, each behind a proxy that can
// hold its calls.
type outside struct {
	program
	t                  *testing.T
	streams, tables    string // addresses of the emulators
	stream, table, s3  *fault.Proxy
	name               string
	client             *kinesis.Client
	standardError, dir string
}

func (p program) outside(t *testing.T, streams, tables, objects, name string) *outside {
	t.Helper()
	o := &outside{program: p, t: t, streams: streams, tables: tables, name: name, dir: t.TempDir(), client: kinesisAt(t, streams)}
	o.stream, o.table, o.s3 = proxied(t, "KINESIS", streams), proxied(t, "DYNAMODB", tables), proxied(t, "S3", objects)
	o.standardError = filepath.Join(o.dir, "worker.log")
	if _, err := o.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	o.await("the stream", func() bool {
		out, err := o.client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		return err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
	return o
}

// work starts a worker.
func (o *outside) work(flags ...string) *process {
	o.t.Helper()
	file, err := os.Create(o.standardError)
	if err != nil {
		o.t.Fatal(err)
	}
	defer file.Close() // the process has its own
	at := "s3://cairn/" + o.name
	args := append([]string{"run", "--stream", o.name, "--lake", at + "/lake", "--state", at + "/state", "--data", o.dir, "--listen", "127.0.0.1:0", "--lease", "4s", "--commit-every", "1s"}, flags...)
	return o.launch(o.t, []string{
		"AWS_ENDPOINT_URL_KINESIS=" + o.stream.URL(), "AWS_ENDPOINT_URL_DYNAMODB=" + o.table.URL(), "AWS_ENDPOINT_URL_S3=" + o.s3.URL(), "NO_COLOR=1",
	}, file, args...)
}

func (o *outside) log() string {
	text, err := os.ReadFile(o.standardError)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

func (o *outside) await(what string, ok func() bool) {
	o.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			o.t.Fatalf("not in time: %s", what)
		}
	}
}

// said waits for lines in the log.
func (o *outside) said(pattern string, times int) {
	o.t.Helper()
	expression := regexp.MustCompile(pattern)
	o.await(pattern, func() bool { return len(expression.FindAllString(o.log(), -1)) >= times })
}

func (o *outside) put(n int) {
	o.t.Helper()
	for i := range n {
		data := fmt.Appendf(nil, `{"eventVersion":"1.11","eventTime":%q,"eventName":"CreateUser","eventSource":"iam.amazonaws.com","eventID":"%s-%d-%d","recipientAccountId":"111122223333"}`,
			time.Now().UTC().Format(time.RFC3339), o.name, time.Now().UnixNano(), i)
		if _, err := o.client.PutRecord(o.t.Context(), &kinesis.PutRecordInput{StreamName: &o.name, PartitionKey: aws.String(fmt.Sprint(i)), Data: data}); err != nil {
			o.t.Fatal(err)
		}
	}
}

// hold makes all calls through a proxy hang.
func hold(p *fault.Proxy) { p.Add(fault.Rule{Before: fault.NewGate().Wait}) }

// TestRunProcess is about a worker as a process: its signals, its end, and what it
// refuses at its start.
func TestRunProcess(t *testing.T) {
	p := build(t)
	streams, tables := local.Kinesalite(t).URL(), local.Dynalite(t).URL()
	bucket := s3mem.New()
	if err := bucket.CreateBucket("cairn"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(bucket).Server())
	t.Cleanup(s3.Close)
	awsSettings(t, map[string]string{"S3": s3.URL})
	t.Run("all", func(t *testing.T) {
		for name, hang := range map[string]func(*outside){
			"nothing": func(*outside) {},
			"stream":  func(o *outside) { hold(o.stream) },
			"table":   func(o *outside) { hold(o.table) },
			"store":   func(o *outside) { hold(o.s3) },
			"all":     func(o *outside) { hold(o.stream); hold(o.table); hold(o.s3) },
		} {
			t.Run("SIGTERM while what hangs is "+name, func(t *testing.T) {
				t.Parallel()
				p.outside(t, streams, tables, s3.URL, "stop-"+name).stopWhile(name, hang)
			})
		}
		t.Run("SIGHUP", func(t *testing.T) {
			t.Parallel()
			p.outside(t, streams, tables, s3.URL, "hup").reload()
		})
		t.Run("unkeyed", func(t *testing.T) {
			t.Parallel()
			p.outside(t, streams, tables, s3.URL, "unkeyed").unkeyed()
		})
	})
}

// stopWhile holds that a worker is gone in time whatever is away.
func (o *outside) stopWhile(name string, hang func(*outside)) {
	w := o.work()
	o.put(50)
	o.said("shard opened", 2)
	o.await("a commit", func() bool { return o.s3.Count("PutObject") > 4 })
	hang(o)
	o.put(50)
	time.Sleep(1500 * time.Millisecond) // a commit is on its way
	began := time.Now()
	if err := w.Process.Signal(syscall.SIGTERM); err != nil {
		o.t.Fatal(err)
	}
	code := w.status()
	took := time.Since(began)
	o.t.Logf("%s: exit status %d after %v", name, code, took.Round(10*time.Millisecond))
	if took > stopLimit {
		o.t.Errorf("the worker took %v to end, want %v at most\n%s", took, stopLimit, o.log())
	}
	want := exitFailed // not all was handed over
	if name == "nothing" || name == "stream" {
		want = exitDone
	}
	if code != want || want == exitDone && took > 10*time.Second {
		o.t.Errorf("exit status %d after %v, want %d\n%s", code, took, want, o.log())
	}
	if said := strings.Contains(o.log(), "cairn: the worker did not stop in good order"); said != (want == exitFailed) {
		o.t.Errorf("the log tells of a stop that was not in good order: %v\n%s", said, o.log())
	}
}

// reload holds that SIGHUP does not wait for the look at the files, and that it
// leaves the rules when they have a mistake.
func (o *outside) reload() {
	rules := filepath.Join(o.dir, "rules")
	write := func(text string) {
		o.t.Helper()
		if err := os.MkdirAll(rules, 0o700); err != nil {
			o.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(rules, "mine.yml"), []byte(text), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
	const good = "title: User made\nid: 0a0b0c0d-0000-4000-8000-000000000001\nlogsource: {product: aws, service: cloudtrail}\n" +
		"detection: {condition: selection, selection: {eventName: CreateUser}}\nlevel: high\n"
	write(good)
	w := o.work("--rules", rules, "--pprof")
	o.said("shard opened", 2)
	hangUp := func() {
		o.t.Helper()
		if err := w.Process.Signal(syscall.SIGHUP); err != nil {
			o.t.Fatalf("%v\n%s", err, o.log())
		}
	}
	hangUp()
	o.said("rules reloaded.* changed=false", 1)
	write(strings.Replace(good, "level: high", "levels: high", 1))
	hangUp()
	o.said(`level=ERROR msg="the rules were not reloaded, those from before stay.*mine.yml:`, 1)
	write(strings.Replace(good, "level: high", "level: low", 1))
	hangUp()
	o.said("rules reloaded.* changed=true", 1)
	page := o.page("/metrics")
	for _, line := range []string{`cairn_reloads_total{outcome="refused",what="rules"} 1`, `cairn_kcl_leases 2`} {
		if !strings.Contains(page, line) {
			o.t.Errorf("no %q in the metrics", line)
		}
	}
	if !strings.Contains(o.page("/debug/pprof/"), "goroutine") || !strings.Contains(o.page("/readyz"), `"leases":2`) {
		o.t.Error("profiles or readiness are not there")
	}
	if err := w.Process.Signal(os.Interrupt); err != nil {
		o.t.Fatal(err)
	}
	if code := w.status(); code != exitDone {
		o.t.Errorf("exit status %d\n%s", code, o.log())
	}
}

func (o *outside) page(path string) string {
	o.t.Helper()
	at := healthAddress.FindStringSubmatch(o.log())
	if at == nil {
		o.t.Fatalf("no address in the log\n%s", o.log())
	}
	response, err := http.Get("http://" + at[1] + path)
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

// unkeyed holds that a worker refuses to group on a stream that spreads records as
// it likes, with one line that says what to do, and runs when it is told to.
func (o *outside) unkeyed() {
	o.stream = proxied(o.t, "KINESIS", spreading(o.t, o.streams))
	refused := o.work()
	if code := refused.status(); code != exitFailed {
		o.t.Errorf("exit status %d", code)
	}
	last := strings.TrimSpace(o.log())
	last = last[strings.LastIndex(last, "\n")+1:]
	for _, part := range []string{"cairn: ", "AUTO", "update-stream-record-distribution-strategy", "--allow-unkeyed", "more"} {
		if !strings.Contains(last, part) {
			o.t.Errorf("no %q in %q", part, last)
		}
	}
	allowed := o.work("--allow-unkeyed")
	o.said("shard opened", 2)
	if page := o.page("/metrics"); !strings.Contains(page, "cairn_kcl_unkeyed 1") {
		o.t.Error("no metric of it")
	}
	if err := allowed.Process.Signal(syscall.SIGTERM); err != nil {
		o.t.Fatal(err)
	}
	if code := allowed.status(); code != exitDone {
		o.t.Errorf("exit status %d\n%s", code, o.log())
	}
}

// spreading stands before a Kinesis and says of each stream that it spreads its
// records without regard to their key.
func spreading(t *testing.T, upstream string) string {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.Header.Get("X-Amz-Target"), ".DescribeStreamSummary") || r.StatusCode != http.StatusOK {
			return nil
		}
		var answer struct {
			StreamDescriptionSummary map[string]any
		}
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			return err
		}
		answer.StreamDescriptionSummary["RecordDistributionStrategy"] = "AUTO"
		text, err := json.Marshal(answer)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Set("Content-Length", fmt.Sprint(len(text)))
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}
