package fleet

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/processor"
)

// turnable is a Kinesis whose clock is behind and can be put right: what is on a
// stream is then older than what the stream keeps, and is removed as the service
// does it.
type turnable struct {
	*exec.Cmd
	url string
}

// lateClock is loaded into the emulator before it begins.
const lateClock = `data:text/javascript,const real=Date.now;let behind=%d;Date.now=()=>real()-behind;process.on("SIGUSR2",()=>{behind=0;console.log("clock-is-right")})`

// portLine is how the emulator tells where it listens.
var portLine = regexp.MustCompile(`cairn-listening \{"wanted":4567,"port":(\d+)\}`)

func startTurnable(t *testing.T, behind time.Duration) *turnable {
	t.Helper()
	local.Require(t)
	dir, err := local.Dir()
	if err != nil {
		t.Fatal(err)
	}
	out := &said{}
	k := &turnable{Cmd: exec.Command("node", "--import", "./loopback.mjs", "--import", fmt.Sprintf(lateClock, behind.Milliseconds()),
		filepath.Join("node_modules", "kinesalite", "cli.js"), "--createStreamMs", "50")}
	k.Dir, k.Stdout, k.Stderr = dir, out, out
	if _, err := k.StdinPipe(); err != nil { // the process ends when this one does
		t.Fatal(err)
	}
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.Process.Kill()
		_ = k.Wait()
	})
	port := out.await(t, portLine)
	k.url = "http://127.0.0.1:" + port[1]
	return k
}

// right puts the clock right.
func (k *turnable) right(t *testing.T) {
	t.Helper()
	if err := k.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	k.Stdout.(*said).await(t, regexp.MustCompile(`clock-is-right`))
}

// said is what a process has written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) await(t *testing.T, what *regexp.Regexp) []string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		found := what.FindStringSubmatch(s.text.String())
		s.mu.Unlock()
		if found != nil {
			return found
		}
	}
	t.Fatalf("the emulator did not say %v: %s", what, s.text.String())
	return nil
}

// A fleet that was away for longer than its stream keeps records: what was
// removed is a gap in the manifest, the metrics and the log; all that is left is
// processed, once.
func TestRecordsRemovedByTheStream(t *testing.T) {
	const away = 30 * time.Hour
	emulator := startTurnable(t, away)
	p := onStreamOf(t, emulator.url, 1, single(created))
	then := time.Now().Add(-away)
	p.put(events(1, 10, created)...)
	read := p.readAll(t)
	p.processedThen(t, read, then)
	p.put(events(11, 20, created)...) // nobody reads them

	emulator.right(t)
	p.put(events(21, 30, created)...)
	w := p.run()
	p.eventually("what is left is committed", func() bool { return p.sum().Rows >= 20 })
	p.eventually("the worker is ready", func() bool { return len(p.cfg.Metrics.Standings()) == 1 })
	w.stop()
	m := p.manifests()[theShard]
	if m.Counts.Rows != 20 || m.Counts.Duplicates != 0 {
		t.Errorf("counts %+v, want 20 rows: ten from before, ten that are left", m.Counts)
	}
	if len(m.Gaps) != 1 {
		t.Fatalf("gaps %+v, want one", m.Gaps)
	}
	g := m.Gaps[0]
	if last := *read[len(read)-1].SequenceNumber; g.From != last || g.Reason != "retention" {
		t.Errorf("gap %+v, want it to begin behind %s", g, last)
	}
	if g.FromTime.Sub(then).Abs() > time.Minute || time.Since(g.ToTime) > time.Minute {
		t.Errorf("the gap is from %v to %v, want from about %v until now", g.FromTime, g.ToTime, then)
	}
	if left := p.readAll(t); len(left) != 10 || *left[0].SequenceNumber != g.To {
		t.Errorf("the gap ends at %s; the stream has %d records, the first is %v", g.To, len(left), left)
	}
	if n := p.page()["cairn_gaps_total"]; n != 1 {
		t.Errorf("%v gaps counted", n)
	}
	if n := len(p.log.lines("level=ERROR")); n != 1 {
		t.Errorf("%d errors in the log, want the one of the gap: %v", n, p.log.lines("level=ERROR"))
	}
}

// readAll reads the stream's shard from its oldest record.
func (p *place) readAll(t *testing.T) []types.Record {
	t.Helper()
	it, err := p.cfg.Kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &p.cfg.Stream, ShardId: aws.String(theShard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cfg.Kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
	if err != nil {
		t.Fatal(err)
	}
	return out.Records
}

// processedThen commits records as the fleet did when it was there last.
func (p *place) processedThen(t *testing.T, read []types.Record, then time.Time) {
	t.Helper()
	about, err := p.describe(t)
	if err != nil {
		t.Fatal(err)
	}
	s := p.before(about)
	var records []processor.Record
	for _, r := range read {
		records = append(records, processor.Record{Sequence: *r.SequenceNumber, PartitionKey: *r.PartitionKey, Data: r.Data, Arrival: *r.ApproximateArrivalTimestamp})
	}
	for _, step := range []func() error{
		func() error { return s.Process(t.Context(), batch(then, records...)) },
		func() error { return s.Release(t.Context(), then, false) },
		s.Close,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}
