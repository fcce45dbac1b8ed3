package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/deploy/local"
)

// canned is a Kinesis that has its answers ready, so that a worker can be
// measured and not an emulator. It serves one stream that nobody writes to.
type canned struct {
	pages  [][]cannedPage // by shard
	events int
}

// cannedPage is an answer to GetRecords up to the next iterator. The sequence
// numbers of page p of a shard begin behind p million.
type cannedPage struct{ records []byte }

const perPage = 1_000_000

// newCanned puts traffic into so many shards by the account, in records of so
// many events; more than one event is gzipped, as log subscriptions are.
func newCanned(t *testing.T, shards, events, perRecord int) *canned {
	t.Helper()
	o := gen.Options{Seed: 60, Accounts: 4 * shards, Start: time.Now().UTC().Add(-26 * time.Hour), Duration: 24 * time.Hour}
	g, err := gen.Fit(o, events)
	if err != nil {
		t.Fatal(err)
	}
	c := &canned{pages: make([][]cannedPage, shards)}
	open, rows := map[string]*bytes.Buffer{}, map[string]int{}
	type waiting struct {
		records bytes.Buffer
		n       int
	}
	page := make([]waiting, shards)
	flushPage := func(s int) {
		if page[s].n > 0 {
			c.pages[s] = append(c.pages[s], cannedPage{bytes.Clone(page[s].records.Bytes())})
			page[s] = waiting{}
		}
	}
	flush := func(account string, at time.Time) {
		s := shardOf(account, shards)
		data := open[account].Bytes()
		if perRecord > 1 {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write(data)
			_ = z.Close()
			data = b.Bytes()
		}
		w := &page[s]
		if w.n > 0 {
			w.records.WriteByte(',')
		}
		w.n++
		fmt.Fprintf(&w.records, `{"ApproximateArrivalTimestamp":%d,"PartitionKey":"%s","SequenceNumber":"%d","Data":"%s"}`,
			at.Unix(), account, perPage*(len(c.pages[s])+1)+w.n, base64.StdEncoding.EncodeToString(data))
		if w.n == 2000 || w.records.Len() > 2<<20 {
			flushPage(s)
		}
		open[account].Reset()
		rows[account] = 0
	}
	var last time.Time
	for r := range g.Events() {
		if open[r.Account] == nil {
			open[r.Account] = &bytes.Buffer{}
		}
		open[r.Account].Write(r.JSON)
		open[r.Account].WriteByte('\n')
		c.events, last = c.events+1, r.Delivered
		if rows[r.Account]++; rows[r.Account] == perRecord {
			flush(r.Account, r.Delivered)
		}
	}
	for account := range open {
		if rows[account] > 0 {
			flush(account, last)
		}
	}
	for s := range shards {
		flushPage(s)
	}
	return c
}

var allHashes = new(big.Int).Lsh(big.NewInt(1), 128)

func shardOf(key string, shards int) int {
	sum := md5.Sum([]byte(key))
	n := new(big.Int).SetBytes(sum[:])
	return int(n.Mul(n, big.NewInt(int64(shards))).Rsh(n, 128).Int64())
}

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in struct {
		ShardId, ShardIterator, ShardIteratorType, StartingSequenceNumber string //nolint:revive // the service's names
	}
	body, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(body, &in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch operation {
	case "DescribeStreamSummary":
		fmt.Fprintf(w, `{"StreamDescriptionSummary":{"StreamName":"canned","StreamARN":"arn:aws:kinesis:eu-central-1:111122223333:stream/canned","StreamStatus":"ACTIVE","RetentionPeriodHours":48,"StreamCreationTimestamp":1700000000,"EnhancedMonitoring":[],"OpenShardCount":%d}}`, len(c.pages))
	case "ListShards":
		fmt.Fprintf(w, `{"Shards":[%s]}`, c.list())
	case "GetShardIterator":
		page := 0
		if n, err := strconv.Atoi(in.StartingSequenceNumber); err == nil {
			page = n/perPage - 1 // read again from the start of the page; the shard knows what it has
		}
		fmt.Fprintf(w, `{"ShardIterator":"%s/%d"}`, in.ShardId, page)
	case "GetRecords":
		id, number, _ := strings.Cut(in.ShardIterator, "/")
		shard, _ := strconv.Atoi(strings.TrimPrefix(id, "shardId-"))
		page, _ := strconv.Atoi(number)
		if pages := c.pages[shard]; page < len(pages) {
			fmt.Fprintf(w, `{"MillisBehindLatest":1000,"NextShardIterator":"%s/%d","Records":[`, id, page+1)
			_, _ = w.Write(pages[page].records)
			_, _ = io.WriteString(w, "]}")
			return
		}
		fmt.Fprintf(w, `{"MillisBehindLatest":0,"NextShardIterator":"%s/%d","Records":[]}`, id, page)
	default:
		http.Error(w, `{"__type":"UnknownOperationException"}`, http.StatusBadRequest)
	}
}

func (c *canned) list() string {
	var out []string
	n := int64(len(c.pages))
	for i := range n {
		at := func(i int64) *big.Int {
			x := new(big.Int).Mul(allHashes, big.NewInt(i))
			return x.Add(x, big.NewInt(n-1)).Div(x, big.NewInt(n)) // rounded up, as shardOf rounds down
		}
		out = append(out, fmt.Sprintf(`{"ShardId":"shardId-%012d","HashKeyRange":{"StartingHashKey":"%s","EndingHashKey":"%s"},"SequenceNumberRange":{"StartingSequenceNumber":"1"}}`,
			i, at(i), new(big.Int).Sub(at(i+1), big.NewInt(1))))
	}
	return strings.Join(out, ",")
}

// TestFleetThroughput measures one worker: how many events it takes in while
// there are always more, and its memory. Set CAIRN_MEASURE to run it.
func TestFleetThroughput(t *testing.T) {
	if os.Getenv("CAIRN_MEASURE") == "" {
		t.Skip("set CAIRN_MEASURE to measure")
	}
	awsSettings(t, nil)
	g := &ground{program: build(t), streams: local.Kinesalite(t).URL(), tables: local.Dynalite(t).URL()}
	t.Run("answers that are ready, one event a record", func(t *testing.T) {
		g.throughput(t, newCanned(t, 12, 150_000, 1))
	})
	t.Run("answers that are ready, gzip of 100 events", func(t *testing.T) {
		g.throughput(t, newCanned(t, 4, 300_000, 100))
	})
	t.Run("kinesalite", g.kinesaliteThroughput)
	t.Run("memory of idle shards", g.shardMemory)
}

// cannedFleet is a fleet on a canned stream, with the settings of production but
// for the address of its metrics.
func (g *ground) cannedFleet(t *testing.T, c *canned) *crew {
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	f := g.newFleet(t, 1) // whose stream on the emulator is not used
	f.stream = strings.ReplaceAll(f.stream, "--", "-")
	f.env = append(f.env, "AWS_ENDPOINT_URL_KINESIS="+server.URL)
	f.flags = usual.flags()
	return f
}

func (g *ground) throughput(t *testing.T, c *canned) {
	f := g.cannedFleet(t, c)
	m := f.worker()
	f.measure(m, c.events)
}

// measure waits until a worker has committed all, and prints the rate between a
// tenth and nine tenths, as in the beginning it takes its leases.
func (f *crew) measure(m *member, events int) {
	type sample struct {
		at time.Time
		in int64
	}
	var samples []sample
	f.until("all is committed", 5*time.Minute, func() bool {
		in := f.sum().In
		if len(samples) == 0 || samples[len(samples)-1].in < in {
			samples = append(samples, sample{time.Now(), in})
		}
		time.Sleep(100 * time.Millisecond)
		return in >= int64(events)
	})
	first, last := samples[0], samples[len(samples)-1]
	for _, s := range samples {
		if s.in < int64(events)/10 {
			first = s
		}
	}
	user, rss := m.usage()
	f.t.Logf("%d events: %.0f events/s committed (over %.1f s), %.1f s of CPU, peak memory %d MiB; %d shards", events,
		float64(last.in-first.in)/last.at.Sub(first.at).Seconds(), last.at.Sub(first.at).Seconds(), user, rss>>20, len(f.manifests()))
	m.stop()
}

// usage is the CPU time of a process in seconds and its greatest resident size.
func (m *member) usage() (cpu float64, peak int64) {
	page := m.metrics()
	for _, line := range strings.Split(page, "\n") {
		if text, ok := strings.CutPrefix(line, "process_cpu_seconds_total "); ok {
			cpu, _ = strconv.ParseFloat(text, 64)
		}
	}
	return cpu, m.memory("VmHWM:")
}

// memory is a figure of /proc/<pid>/status in bytes.
func (m *member) memory(name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Process.Pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

func (g *ground) kinesaliteThroughput(t *testing.T) {
	f := g.newFleet(t, 4)
	f.flags = usual.flags()
	now := time.Now().UTC()
	tr, err := gen.Fit(gen.Options{Seed: 60, Accounts: 12, Start: now.Add(-100 * time.Minute), Duration: 90 * time.Minute}, 30_000)
	if err != nil {
		t.Fatal(err)
	}
	var records []streamRecord
	for r := range tr.Events() {
		records = append(records, streamRecord{r.Account, r.JSON})
	}
	began := time.Now()
	f.put(t.Context(), records, 0)
	t.Logf("%d records put in %v", len(records), time.Since(began).Round(time.Millisecond))
	f.measure(f.worker(), len(records))
}

// shardMemory holds a worker with few shards against some with many, all idle.
func (g *ground) shardMemory(t *testing.T) {
	const few = 2
	resident := map[int]int64{}
	for _, shards := range []int{few, 26, 100} {
		t.Run(strconv.Itoa(shards), func(t *testing.T) {
			f := g.cannedFleet(t, newCanned(t, shards, 200*shards, 1))
			m := f.worker()
			f.share(shards)
			f.until("all is committed", 2*time.Minute, func() bool { return len(f.manifests()) == shards && f.sum().In >= int64(150*shards) })
			time.Sleep(5 * time.Second)
			resident[shards] = m.memory("VmRSS:")
			more := float64(resident[shards]-resident[few]) / float64(max(1, shards-few)) / (1 << 20)
			t.Logf("%d shards: resident %d MiB, %.1f MiB for each more than %d", shards, resident[shards]>>20, more, few)
			m.stop()
		})
	}
}
