package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// feed stands for one shard of a stream that never ends: generated records,
// over and over, each time with new event ids and with times of now. Record i is
// there from Start + i/Rate on, whoever reads it and how often.
type feed struct {
	start time.Time
	rate  float64 // records a second; 0: all are there at once, a millisecond apart
	lines []feedLine
}

// feedLine is a record and where in it the parts are that change.
type feedLine struct {
	data     []byte
	account  string
	id, time int // offsets of the event id and of the event time
}

// delay is how old events are when they arrive.
const delay = 5 * time.Minute

const feedTime = "2006-01-02T15:04:05Z"

// writeFeed makes the file that readFeed reads: some thousand records of five
// accounts' work.
func writeFeed(path string) error {
	g, err := gen.New(gen.Options{Seed: 1, Accounts: 5, EventsPerDay: 1200})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for r := range g.Events() {
		out.Write(r.JSON)
		out.WriteByte('\n')
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the records: %w", err)
	}
	return nil
}

func readFeed(path string, start time.Time, rate float64) (*feed, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the records: %w", err)
	}
	f := &feed{start: start, rate: rate}
	for line := range bytes.Lines(data) {
		e, err := cloudtrail.Parse(line)
		if err != nil {
			return nil, fmt.Errorf("read the records: %w", err)
		}
		id, at := bytes.Index(line, []byte(`"eventID":"`)), bytes.Index(line, []byte(`"eventTime":"`))
		if id < 0 || at < 0 {
			return nil, errors.New("read the records: one has no event id or no time")
		}
		f.lines = append(f.lines, feedLine{data: bytes.TrimSuffix(line, []byte("\n")), account: e.Account(),
			id: id + len(`"eventID":"`), time: at + len(`"eventTime":"`)})
	}
	if len(f.lines) == 0 {
		return nil, errors.New("read the records: there are none")
	}
	return f, nil
}

// arrival is when record i is there. Records count from 1.
func (f *feed) arrival(i int64) time.Time {
	rate := f.rate
	if rate == 0 {
		rate = 1000
	}
	return f.start.Add(time.Duration(math.Round(float64(i) / rate * float64(time.Second))))
}

// available is the number of the newest record at now.
func (f *feed) available(now time.Time) int64 {
	return max(0, int64(now.Sub(f.start).Seconds()*f.rate))
}

// record makes record i: the first eight digits of its id are i, the rest is
// that of the record it was made from, and it happened a while ago.
func (f *feed) record(i int64) processor.Record {
	l := &f.lines[i%int64(len(f.lines))]
	at := f.arrival(i)
	data := bytes.Clone(l.data)
	copy(data[l.id:], fmt.Appendf(nil, "%08x", uint32(i)))
	copy(data[l.time:], at.Add(-delay).UTC().Format(feedTime))
	return processor.Record{Sequence: strconv.FormatInt(i, 10), PartitionKey: l.account, Data: data, Arrival: at}
}

const (
	feedBatch = 500                    // records that are read at once
	feedPause = 100 * time.Millisecond // between two reads at the tip
)

// ShardRun is one owner of the measured shard: a process of its own, so that it
// can be killed.
type ShardRun struct {
	Config processor.Config // stores, local folder, rules, catalogue, limits
	Feed   string           // file of records
	Start  time.Time        // of the stream
	Rate   float64          // records a second, 0: as fast as they are taken
	Until  int64            // last record; 0: until the process is told to end
	Out    io.Writer        // one line of JSON for each thing that happened
}

// Happening is a line of what a ShardRun writes.
type Happening struct {
	Kind string `json:"kind"` // "open", "commit" or "end"
	// Of a commit: what it cost, from its first upload to its last step.
	Seconds         float64 `json:"seconds,omitempty"`          // all steps; of the end: since it was open
	ManifestSeconds float64 `json:"manifest_seconds,omitempty"` // up to the answer to the manifest's write
	Bytes           int64   `json:"bytes,omitempty"`            // written for the commit, the manifest included
	Requests        int64   `json:"requests,omitempty"`         // that wrote them
	First           bool    `json:"first,omitempty"`            // of this owner
	PeakRSSBytes    int64   `json:"peak_rss_bytes"`             // of the process so far
	// Of the end.
	Records int64 `json:"records,omitempty"`
	Commits int64 `json:"commits,omitempty"`
}

// The measured shard is the only one of its stream.
const (
	recoveryStream = "bench"
	recoveryShard  = "shardId-000000000000"
	lastHash       = "340282366920938463463374607431768211455" // 2¹²⁸ - 1
)

// Run owns the shard until ctx ends or all records are done, and lets it go in
// order.
func (r *ShardRun) Run(ctx context.Context) error {
	cfg := r.Config
	cfg.Stream, cfg.Shard, cfg.HashRange, cfg.HashShare = recoveryStream, recoveryShard, [2]string{"0", lastHash}, 1
	cfg.Source = func(string) string { return "bench" }
	// Like a shard of a live stream.
	cfg.Roll = processor.Roll{Bytes: 128 << 20, Age: 5 * time.Minute, ReportAge: 15 * time.Minute, Days: 4}
	meter := newMeter(cfg.State, r.say)
	cfg.State, cfg.Checkpoint = meter, meter.checkpoint
	f, err := readFeed(r.Feed, r.Start, r.Rate)
	if err != nil {
		return err
	}
	own := context.WithoutCancel(ctx) // being told to end is not losing the lease
	s, err := processor.Open(own, cfg)
	if err != nil {
		return err
	}
	opened := time.Now()
	r.say(Happening{Kind: "open"})
	from := position(s)
	to, err := r.read(ctx, own, s, f)
	if err == nil {
		err = s.Release(own, time.Now(), r.Until > 0)
	}
	commits := meter.commits
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	r.say(Happening{Kind: "end", Seconds: time.Since(opened).Seconds(), Records: to - from, Commits: commits})
	return nil
}

func position(s *processor.Shard) int64 {
	n, err := strconv.ParseInt(s.Position(), 10, 64)
	if err != nil {
		return 0 // before the first
	}
	return n
}

// read takes records until there is a reason to stop, and returns the last.
func (r *ShardRun) read(ctx, own context.Context, s *processor.Shard, f *feed) (last int64, err error) {
	var decoder cloudtrail.Decoder
	for last = position(s); r.Until == 0 || last < r.Until; {
		now := time.Now()
		to := last + feedBatch
		if r.Rate > 0 {
			to = min(to, f.available(now))
		}
		if r.Until > 0 {
			to = min(to, r.Until)
		}
		records := make([]processor.Record, 0, feedBatch)
		for i := last + 1; i <= to; i++ {
			records = append(records, f.record(i))
		}
		if err := s.Process(own, processor.DecodeRecords(&decoder, records, now)); err != nil {
			return last, err
		}
		last = max(last, to)
		if len(records) == feedBatch {
			if ctx.Err() == nil {
				continue
			}
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, nil
		case <-time.After(feedPause):
		}
	}
	return last, nil
}

// say writes a line. That nobody reads is no reason to stop.
func (r *ShardRun) say(h Happening) {
	h.PeakRSSBytes = highWater()
	if line, err := json.Marshal(h); err == nil {
		_, _ = r.Out.Write(append(line, '\n'))
	}
}

// highWater is the greatest resident size of this program so far. On Linux it
// is not peakRSS: that begins with the size of the process that started it.
func highWater() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return peakRSS()
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			if kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	return peakRSS()
}
