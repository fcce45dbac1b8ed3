package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// canned is a Kinesis that has its answers ready, so that a worker can be
// measured and not an emulator. It serves one stream that nobody writes to.
type canned struct {
	pages  [][][]byte // by shard: the records of the answers to GetRecords
	events int
}

// perPage separates the sequence numbers of two answers: those of page p of a
// shard begin behind p million.
const perPage = 1_000_000

// newCanned puts generated traffic into so many shards by the account, in records
// of so many events.
func newCanned(t *testing.T, shards, events, perRecord int) *canned {
	t.Helper()
	o := gen.Options{Seed: 60, Accounts: 4 * shards, Start: time.Now().UTC().Add(-26 * time.Hour), Duration: 24 * time.Hour}
	g, err := gen.Fit(o, events)
	if err != nil {
		t.Fatal(err)
	}
	p := newPacker(shards, perRecord)
	for r := range g.Events() {
		p.add(r.Account, r.JSON, r.Delivered)
	}
	return p.end()
}

// cannedFiles puts the events of CloudTrail files into so many shards, by the
// account and the file, for there may be one account only. In the order of the
// files they get times over the last day, whenever they happened.
func cannedFiles(t *testing.T, folder string, shards, perRecord int) *canned {
	t.Helper()
	type keyed struct {
		key   string
		event []byte
	}
	var all []keyed
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var decoder cloudtrail.Decoder
		events := decoder.Decode(data).Events
		for i := range events {
			all = append(all, keyed{fmt.Sprintf("%s-%d", events[i].Account(), files%(4*shards)), events[i].Raw})
		}
		files++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p, began := newPacker(shards, perRecord), time.Now().UTC().Add(-26*time.Hour)
	for i, e := range all {
		at := began.Add(24 * time.Hour / time.Duration(len(all)) * time.Duration(i))
		p.add(e.key, eventTime.ReplaceAll(e.event, []byte(at.Format(`"eventTime":"2006-01-02T15:04:05Z"`))), at)
	}
	return p.end()
}

var eventTime = regexp.MustCompile(`"eventTime" ?: ?"[^"]*"`)

// packer makes records of events, and pages of records.
type packer struct {
	c         *canned
	perRecord int
	open      map[string]*lines
	page      []lines // by shard
	arrived   time.Time
}

// lines are pieces that wait for more of them.
type lines struct {
	bytes.Buffer
	n int
}

func newPacker(shards, perRecord int) *packer {
	return &packer{c: &canned{pages: make([][][]byte, shards)}, perRecord: perRecord, open: map[string]*lines{}, page: make([]lines, shards)}
}

func (p *packer) add(key string, event []byte, at time.Time) {
	w := p.open[key]
	if w == nil {
		w = &lines{}
		p.open[key] = w
	}
	w.Write(event)
	w.WriteByte('\n')
	w.n++
	p.c.events++
	if at.After(p.arrived) {
		p.arrived = at
	}
	if w.n == p.perRecord {
		p.record(key, w)
	}
}

// record makes one of what waits. More than one event is gzipped, as log
// subscriptions are.
func (p *packer) record(key string, w *lines) {
	data := bytes.Clone(w.Bytes())
	if p.perRecord > 1 {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
		data = b.Bytes()
	}
	*w = lines{}
	s := shardOf(key, len(p.page))
	page := &p.page[s]
	if page.n > 0 {
		page.WriteByte(',')
	}
	page.n++
	fmt.Fprintf(page, `{"ApproximateArrivalTimestamp":%d,"PartitionKey":"%s","SequenceNumber":"%d","Data":"%s"}`,
		p.arrived.Unix(), key, perPage*(len(p.c.pages[s])+1)+page.n, base64.StdEncoding.EncodeToString(data))
	if page.n == 2000 || page.Len() > 2<<20 {
		p.turn(s)
	}
}

// turn ends the page of a shard.
func (p *packer) turn(s int) {
	if p.page[s].n > 0 {
		p.c.pages[s] = append(p.c.pages[s], p.page[s].Bytes())
		p.page[s] = lines{}
	}
}

func (p *packer) end() *canned {
	for key, w := range p.open {
		if w.n > 0 {
			p.record(key, w)
		}
	}
	for s := range p.page {
		p.turn(s)
	}
	return p.c
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
			_, _ = w.Write(pages[page])
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
