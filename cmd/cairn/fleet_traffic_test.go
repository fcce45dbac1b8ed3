package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/resource"
)

// pace is how far traffic goes back, and the settings that a fleet and a replay
// share for it.
type pace struct{ span, lateness, snapshots time.Duration }

// usual is a lateness that holds all of the traffic, so that nothing is late,
// whenever and in whatever order it arrives.
var usual = pace{span: 100 * time.Minute, lateness: 2 * time.Hour, snapshots: 3 * time.Hour}

func (p pace) flags() []string {
	return []string{"--lateness", p.lateness.String(), "--snapshot-every", p.snapshots.String()}
}

// traffic is what an organisation did until now, and what a replay makes of it.
type traffic struct {
	dir    string         // CloudTrail files
	pieces []streamRecord // the same in the order of their delivery, as a producer would put them
	events int            // with those that CloudTrail delivered twice
	ids    map[string]int
	lake   string // that the replay left
	ref    outcome

	delivered map[string]time.Time // when records were, by their data in base64 and quotes
}

// streamRecord is one record to be put.
type streamRecord struct {
	key  string
	data []byte
}

// outcome is what is compared between a fleet and a replay. What depends on
// where and when a record arrived is cleared.
type outcome struct {
	Events    map[string]int // how often each id is in the lake
	Findings  []export.FindingRow
	Inventory []export.ResourceRow
}

// newTraffic makes traffic of about that many events, and replays it.
func (p program) newTraffic(t *testing.T, accounts, events int, at pace) *traffic {
	t.Helper()
	now := time.Now().UTC()
	g, err := gen.Fit(gen.Options{Seed: 60, Accounts: accounts, Attacks: accounts / 2, Start: now.Add(-at.span), Duration: at.span,
		Until: now, DuplicatesPerMillion: 3000}, events)
	if err != nil {
		t.Fatal(err)
	}
	tr := &traffic{dir: filepath.Join(t.TempDir(), "logs"), ids: map[string]int{}, delivered: map[string]time.Time{}}
	n := 0
	for f := range g.Files() {
		tr.add(t, n, &f)
		n++
	}
	dir := filepath.Join(t.TempDir(), "replayed")
	p.must(t, append([]string{"replay", "--data", dir, "--no-progress", tr.dir}, at.flags()...)...)
	tr.lake = filepath.Join(dir, "lake")
	tr.ref = outcomeOf(t, tr.lake, filepath.Join(dir, "state"))
	if len(tr.ref.Events) != len(tr.ids) || len(tr.ref.Findings) == 0 || len(tr.ref.Inventory) == 0 {
		t.Fatalf("a replay of %d events leaves %d, %d findings and %d resources: nothing to compare with",
			len(tr.ids), len(tr.ref.Events), len(tr.ref.Findings), len(tr.ref.Inventory))
	}
	return tr
}

// lasting is traffic for a scenario that does something so many times: enough,
// and of enough accounts, that no shard waits long for a record.
func (g *ground) lasting(t *testing.T, times int) *traffic {
	t.Helper()
	if times <= 2 {
		return g.small
	}
	return g.newTraffic(t, 48, min(2500*times, 30_000), usual)
}

// add writes a file and cuts it into records: the whole file, lines of some
// events, or single events, by turns.
func (tr *traffic) add(t *testing.T, n int, f *gen.File) {
	t.Helper()
	path := filepath.Join(tr.dir, filepath.FromSlash(f.Key))
	var file bytes.Buffer
	if _, err := f.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	account, size := f.Records[0].Account, []int{len(f.Records), 7, 1}[n%3]
	for i := 0; i < len(f.Records); i += size {
		var lines bytes.Buffer
		for _, r := range f.Records[i:min(i+size, len(f.Records))] {
			tr.events++
			tr.ids[r.ID] = 1
			lines.Write(r.JSON)
			lines.WriteByte('\n')
		}
		data := lines.Bytes()
		if size == len(f.Records) {
			data = file.Bytes()
		}
		tr.pieces = append(tr.pieces, streamRecord{account, data})
		// What is delivered twice arrives with its first time: that moves no watermark.
		if text := `"` + base64.StdEncoding.EncodeToString(data) + `"`; tr.delivered[text].IsZero() {
			tr.delivered[text] = f.Delivered
		}
	}
}

// outcomeOf reads a lake and its state.
func outcomeOf(t *testing.T, lake, state string) (o outcome) {
	t.Helper()
	o.Events = map[string]int{}
	for row, err := range export.ReadRows[export.EventRow](t.Context(), store(t, lake), export.Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		o.Events[row.EventID]++
	}
	for row, err := range export.ReadRows[export.FindingRow](t.Context(), store(t, lake), export.Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		row.Shard, row.Sequence, row.ArrivalTS = "", "", 0
		o.Findings = append(o.Findings, *row)
	}
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	if o.Inventory, err = processor.InventoryRows(t.Context(), store(t, state), "cairn", catalogue); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(o.Inventory, func(a, b export.ResourceRow) int { return strings.Compare(a.ResourceKey, b.ResourceKey) })
	for i := range o.Inventory {
		o.Inventory[i].Shard, o.Inventory[i].WatermarkTS = "", 0
	}
	return o
}

// put puts records at such a rate a second; 0: as fast as it goes. The order of
// a key's records is kept: a failed call is an error and not tried again.
func (f *crew) put(ctx context.Context, records []streamRecord, rate float64) {
	f.t.Helper()
	began := time.Now()
	for i := 0; i < len(records); {
		n := len(records)
		if rate > 0 && !f.hurry.Load() {
			n = min(n, 1+int(time.Since(began).Seconds()*rate))
		}
		if n <= i {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		n = min(n, i+100)
		in := &kinesis.PutRecordsInput{StreamName: &f.stream}
		for _, r := range records[i:n] {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &r.key, Data: r.data})
		}
		out, err := f.client.PutRecords(ctx, in)
		if err != nil || *out.FailedRecordCount > 0 {
			f.t.Errorf("put records %d to %d: %v", i, n, err)
			return
		}
		f.sent.Add(int64(n - i))
		i = n
	}
}

// produce puts the traffic in the background, in so many seconds. The returned
// function waits for its end.
func (f *crew) produce(records []streamRecord, takes time.Duration) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.put(f.t.Context(), records, float64(len(records))/takes.Seconds())
	}()
	return func() { <-done }
}

// repeated puts each record so many times more somewhere behind its first place.
// The order of the first ones stays: what chains of roles and early windows say
// depends on it.
func repeated(records []streamRecord, times int) []streamRecord {
	chance := rand.New(rand.NewPCG(9, 9))
	type placed struct {
		at float64
		streamRecord
	}
	var all []placed
	for i, r := range records {
		all = append(all, placed{float64(i), r})
		for range times {
			all = append(all, placed{float64(i) + chance.Float64()*float64(len(records)-i), r})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	out := make([]streamRecord, len(all))
	for i := range all {
		out[i] = all[i].streamRecord
	}
	return out
}
