package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The emulators that Start knows. Each but NameVersityGW accepts any region and any credentials.
const (
	// NameKinesalite is Kinesis without enhanced fan-out: quick to start and to write to. MillisBehindLatest is always 0.
	NameKinesalite = "kinesalite"
	// NameKinesisLocal is Kinesis with fan-out, UpdateShardCount, paging and a real MillisBehindLatest; slower.
	NameKinesisLocal = "kinesis-local"
	// NameDynalite is DynamoDB.
	NameDynalite = "dynalite"
	// NameQueues is SQS and SNS behind one address.
	NameQueues = "queues"
	// NameVersityGW is S3 over a folder: strict about signatures, checksums and conditions. It accepts AccessKey and SecretKey
	// only, for every region of S3Region. It is a Go program, built on first use.
	NameVersityGW = "versitygw"
)

// startLimit is how long an emulator may take to answer. The slowest needs a second on an idle machine.
const startLimit = time.Minute

// program is how node runs an emulator.
type program struct {
	script string   // below node_modules
	port   int      // where it means to listen; loopback.mjs knows better
	args   []string // times that a resource stays in a state of passage, made short
	env    []string
	shim   bool // put the proxy of fanOutShim in front
}

func programs(dir string) map[string]program {
	return map[string]program{
		NameKinesalite: {
			script: "kinesalite/cli.js", port: 4567,
			args: []string{"--shardLimit", "1000", "--createStreamMs", "50", "--deleteStreamMs", "50", "--updateStreamMs", "50"},
		},
		NameDynalite: {
			script: "dynalite/cli.js", port: 4567,
			args: []string{"--createTableMs", "50", "--deleteTableMs", "50", "--updateTableMs", "50"},
		},
		NameKinesisLocal: {
			script: "kinesis-local/main.js", port: 4568, // and 4567 for TLS
			env: []string{
				"KINESIS_MOCK_CERT_PATH=" + filepath.Join(dir, "node_modules", "kinesis-local", "server.json"), // it looks in the working directory otherwise
				"LOG_LEVEL=ERROR", "SHARD_LIMIT=1000", "ON_DEMAND_STREAM_COUNT_LIMIT=1000",
				"CREATE_STREAM_DURATION=50ms", "DELETE_STREAM_DURATION=50ms", "SPLIT_SHARD_DURATION=100ms", "MERGE_SHARDS_DURATION=100ms",
				"UPDATE_SHARD_COUNT_DURATION=200ms", "REGISTER_STREAM_CONSUMER_DURATION=50ms", "DEREGISTER_STREAM_CONSUMER_DURATION=50ms",
			},
			shim: true,
		},
		NameQueues: {
			script: "fauxqs/dist/server.js", port: 4566,
			env: []string{"FAUXQS_LOGGER=false", "NODE_ENV=production"},
		},
	}
}

// Names returns the names of the emulators, sorted.
func Names() []string {
	return append(slices.Sorted(maps.Keys(programs(""))), NameVersityGW)
}

// Emulator is a running process that answers as one service of AWS does, on the loopback interface. What it stores is gone with
// it. All methods may be called concurrently.
type Emulator struct {
	name string
	url  string
	cmd  *exec.Cmd
	out  *output
	shim *http.Server // nil without
	temp string       // what it stores, removed after it; "" without
	done chan struct{}
	once sync.Once
}

// URL is the address of the service, without a slash at the end, as AWS_ENDPOINT_URL_KINESIS and the like take it.
func (e *Emulator) URL() string { return e.url }

// Name is the name under which it was started.
func (e *Emulator) Name() string { return e.name }

// PID is the process that answers, so that a test can stop it and let it go on.
func (e *Emulator) PID() int { return e.cmd.Process.Pid }

// Done is closed when the process has ended, for whatever reason.
func (e *Emulator) Done() <-chan struct{} { return e.done }

// Output is the end of what the process wrote.
func (e *Emulator) Output() string { return e.out.String() }

// Stop ends the process and returns when it has ended. Later calls do nothing.
func (e *Emulator) Stop() {
	e.once.Do(func() {
		if e.shim != nil {
			_ = e.shim.Close() // what is under way is to break off
		}
		_ = e.cmd.Process.Kill() // an error: it has ended already
		<-e.done
		if e.temp != "" {
			_ = os.RemoveAll(e.temp) // in the folder for such files
		}
	})
	<-e.done
}

// Start installs what is needed, starts the emulator of that name on a free port, and returns once it answers. It runs until
// Stop, until ctx ends, or until this process ends.
func Start(ctx context.Context, name string) (*Emulator, error) {
	start := startNode
	if name == NameVersityGW {
		start = startVersityGW
	}
	e, err := start(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("start emulator %s: %w", name, err)
	}
	return e, nil
}

func startNode(ctx context.Context, name string) (*Emulator, error) {
	p, known := programs("")[name]
	if !known {
		return nil, fmt.Errorf("unknown; there are %s", strings.Join(Names(), ", "))
	}
	dir, err := Install(ctx)
	if err != nil {
		return nil, err
	}
	p = programs(dir)[name]
	out := &output{wanted: p.port, port: make(chan int, 1)}
	e, err := launch(p.command(ctx, dir), name, out)
	if err != nil {
		return nil, err
	}
	return e.ready(ctx, func(ctx context.Context) error { return e.prepare(ctx, p.shim) })
}

// command runs the emulator under loopback.mjs. It inherits none of the settings that the emulators would read.
func (p program) command(ctx context.Context, dir string) *exec.Cmd {
	args := append([]string{"--import", "./loopback.mjs", filepath.Join("node_modules", filepath.FromSlash(p.script))}, p.args...)
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}, p.env...)
	return cmd
}

// launch starts the process.
func launch(cmd *exec.Cmd, name string, out *output) (*Emulator, error) {
	e := &Emulator{name: name, cmd: cmd, out: out, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	// Never written to: its end is the sign for the process to end.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is of interest to nobody who did not end it; Output says more
		close(e.done)
	}()
	return e, nil
}

// ready runs what has to be waited for; if that fails, the process is ended.
func (e *Emulator) ready(ctx context.Context, wait func(context.Context) error) (*Emulator, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := wait(ctx); err != nil {
		e.Stop()
		return nil, fmt.Errorf("%w\n%s", err, e.Output())
	}
	return e, nil
}

// prepare waits for the port and an answer.
func (e *Emulator) prepare(ctx context.Context, shim bool) error {
	select {
	case port := <-e.out.port:
		e.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	case <-e.done:
		return errors.New("it ended before it listened")
	case <-ctx.Done():
		return fmt.Errorf("it did not listen: %w", ctx.Err())
	}
	if err := e.answers(ctx); err != nil || !shim {
		return err
	}
	server, url, err := fanOutShim(e.url)
	if err != nil {
		return err
	}
	e.shim, e.url = server, url
	return nil
}

// answers returns when any HTTP answer came: what a service says to a plain GET differs.
func (e *Emulator) answers(ctx context.Context) error {
	for {
		err := knock(ctx, e.url+"/")
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-e.done:
			return errors.New("it ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		}
	}
}

func knock(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// output keeps the end of what a process writes and finds the line with its port.
type output struct {
	wanted int
	port   chan int // takes one: where it listens instead of at the wanted one

	mu    sync.Mutex
	line  []byte // the begun one
	kept  []byte
	found bool
}

// keepOutput is how much of an emulator's output an error shows, in bytes.
const keepOutput = 4 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, p...)
	o.kept = o.kept[max(0, len(o.kept)-keepOutput):]
	o.line = append(o.line, p...)
	for {
		line, rest, ended := bytes.Cut(o.line, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		o.line = rest
		o.look(line)
	}
}

func (o *output) look(line []byte) {
	text, ok := bytes.CutPrefix(line, []byte("cairn-listening "))
	var at struct{ Wanted, Port int }
	if !ok || o.found || json.Unmarshal(text, &at) != nil || at.Wanted != o.wanted {
		return
	}
	o.found = true
	o.port <- at.Port
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

// Kinesalite starts a Kinesis for the test. With -short the test is skipped, like with all emulators here.
func Kinesalite(t testing.TB) *Emulator { return startFor(t, NameKinesalite) }

// KinesisLocal starts a Kinesis with enhanced fan-out for the test.
func KinesisLocal(t testing.TB) *Emulator { return startFor(t, NameKinesisLocal) }

// Dynalite starts a DynamoDB for the test.
func Dynalite(t testing.TB) *Emulator { return startFor(t, NameDynalite) }

// Queues starts an SQS and SNS for the test.
func Queues(t testing.TB) *Emulator { return startFor(t, NameQueues) }

func startFor(t testing.TB, name string) *Emulator {
	t.Helper()
	Require(t)
	return runFor(t, name)
}

// runFor does not tie the emulator to the test's context: that ends before the test's clean-ups, which may still need it.
func runFor(t testing.TB, name string) *Emulator {
	t.Helper()
	e, err := Start(context.WithoutCancel(t.Context()), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Stop()
		if t.Failed() {
			t.Logf("%s wrote: %s", name, e.Output())
		}
	})
	return e
}
