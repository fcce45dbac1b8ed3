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
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/queries"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/manifest"
)

// halfADay is traffic long enough for some snapshots, with the settings that
// Cairn has when nothing is said.
var halfADay = pace{span: 10 * time.Hour, lateness: 20 * time.Minute, snapshots: time.Hour}

// snapshots lets records arrive when CloudTrail delivered them, over half a day,
// so that the watermarks of a fleet pass the hours that those of a replay pass. A
// worker is killed half way. Each snapshot that both have of all shards must be
// the same file for file, but for what tells where it was written.
func (g *ground) snapshots(t *testing.T) {
	tr := g.newTraffic(t, 24, 5000, halfADay)
	f := g.newFleet(t, 4)
	f.flags = append(halfADay.flags(), quick...)
	clock := f.asDelivered(tr)
	f.watching()
	f.worker()
	victim := f.worker()
	f.share(2, 2)
	wait := f.produce(tr.pieces, 16*time.Second)
	f.until("half is committed", time.Minute, func() bool { return f.sum().In > int64(tr.events/2) })
	shards := victim.held()
	victim.crash()
	at := time.Now()
	var took recovery
	f.takeover(&took, shards, at)
	wait()
	f.consumed(tr.events)
	clock.over.Store(true)
	last := time.Now().UTC().Add(-halfADay.lateness - time.Minute).Truncate(halfADay.snapshots)
	f.until("the last snapshot is taken", time.Minute, func() bool { return f.snapped(last) })
	f.finish()
	f.compareSnapshots(tr)
	f.check(tr, 0)
	f.sameLake(tr)
	f.completeUpTo(last)
}

// snapped tells whether all shards have taken their snapshots up to a time.
func (f *crew) snapped(at time.Time) bool {
	for _, m := range f.manifests() {
		if len(m.Snapshots) == 0 || slices.ContainsFunc(m.Snapshots, func(s manifest.Snapshots) bool { return s.Through.Before(at) }) {
			return false
		}
	}
	return true
}

// compareSnapshots holds the snapshots that the fleet and the replay have of all
// shards against each other. Which of them both have is said in the notes.
func (f *crew) compareSnapshots(tr *traffic) {
	f.t.Helper()
	want, got := snapshotsOf(f.t, tr.lake), snapshotsOf(f.t, f.lake)
	same, rows := 0, 0
	var alone []string
	for at := range want {
		if got[at] == nil {
			alone = append(alone, "replay "+at)
			continue
		}
		if diff := gocmp.Diff(want[at], got[at]); diff != "" {
			f.t.Errorf("snapshot %s (-replay +fleet):\n%s", at, shortText(diff))
		}
		same, rows = same+1, rows+len(want[at])
	}
	for at := range got {
		if want[at] == nil {
			alone = append(alone, "fleet "+at)
		}
	}
	slices.Sort(alone)
	f.note = append(f.note, fmt.Sprintf("%d snapshots with %d rows are the same; whole in one only: %v", same, rows, alone))
	if hours := int(halfADay.span / time.Hour); same < hours-3 {
		f.t.Errorf("only %d snapshots of %d hours are in both", same, hours)
	}
}

// snapshotsOf are the rows of the snapshots of a lake by their names, those that
// were taken of all shards.
func snapshotsOf(t *testing.T, lake string) map[string][]export.ResourceRow {
	t.Helper()
	shares := map[string]float64{}
	for _, p := range sortedRows(t, lake, func(*export.ProgressRow) string { return "" }) {
		if p.SnapshotID != nil {
			shares[*p.SnapshotID] += p.HashShare
		}
	}
	out := map[string][]export.ResourceRow{}
	for _, r := range sortedRows(t, lake, func(r *export.ResourceRow) string {
		r.Shard, r.WatermarkTS = "", 0
		return r.ResourceKey
	}) {
		if at := time.UnixMilli(r.SnapshotTS).UTC().Format("2006-01-02T15-04"); shares[at] > 0.999999 {
			out[at] = append(out[at], r)
		}
	}
	return out
}

// completeUpTo asks the lake, with the query for it, whether an hour is complete
// that the watermarks have passed and one that they have not.
func (f *crew) completeUpTo(at time.Time) {
	f.t.Helper()
	all, err := queries.All()
	if err != nil {
		f.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(q queries.Query) bool { return q.Name == "is-it-complete" })
	for upTo, covered := range map[time.Time]float64{at: 1, at.Add(time.Hour): 0} {
		sql := askedHour.ReplaceAllLiteralString(all[i].SQL, upTo.Format("asked AS (SELECT TIMESTAMP '2006-01-02 15:04:05' AS upto),\nreports"))
		sql = fromDay.ReplaceAllLiteralString(sql, at.Format("dt >= '2006-01-02'"))
		r, err := local.Query(f.t.Context(), f.lake, sql)
		if err != nil {
			f.t.Fatal(err)
		}
		if row := r.Rows[0]; row[0] != covered || row[1] != "0" || row[4] != "0" {
			f.t.Errorf("the hour up to %s: %v, want %v covered, nothing late and no gap", upTo, row, covered)
		}
	}
}

var askedHour = regexp.MustCompile(`(?s)asked AS \(.*?\),\s*reports`)

// arrivals is what stands between workers and a stream and tells them when a
// record arrived.
type arrivals struct {
	delivered map[string]time.Time // by the data of the record, as it stands in the answer
	over      atomic.Bool          // there will be no more records
}

// asDelivered lets the workers see the records of some traffic arrive when
// CloudTrail delivered them, and the end of the stream when that is said.
func (f *crew) asDelivered(tr *traffic) *arrivals {
	f.t.Helper()
	to, err := url.Parse(f.kinesis.URL())
	if err != nil {
		f.t.Fatal(err)
	}
	a := &arrivals{delivered: tr.delivered}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = a.rewrite
	server := httptest.NewServer(proxy)
	f.t.Cleanup(server.Close)
	f.env = append(f.env, "AWS_ENDPOINT_URL_KINESIS="+server.URL)
	return a
}

// rewrite changes the answers to GetRecords.
func (a *arrivals) rewrite(r *http.Response) error {
	if !strings.HasSuffix(r.Request.Header.Get("X-Amz-Target"), ".GetRecords") || r.StatusCode != http.StatusOK {
		return nil
	}
	var answer map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	var records []map[string]json.RawMessage
	if err := json.Unmarshal(answer["Records"], &records); err != nil {
		return err
	}
	for _, record := range records {
		at, ok := a.delivered[string(record["Data"])]
		if !ok {
			return fmt.Errorf("a record that nobody put: %.80s", record["Data"])
		}
		record["ApproximateArrivalTimestamp"] = json.RawMessage(fmt.Sprint(at.Unix()))
	}
	answer["MillisBehindLatest"] = json.RawMessage("1000")
	if a.over.Load() {
		answer["MillisBehindLatest"] = json.RawMessage("0")
	}
	var err error
	if answer["Records"], err = json.Marshal(records); err != nil {
		return err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return nil
}
