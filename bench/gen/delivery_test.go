package gen

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"
)

func TestFilesAreDeliveredAsCloudTrailDoes(t *testing.T) {
	layout := regexp.MustCompile(`^AWSLogs/(\d{12})/CloudTrail/([a-z0-9-]+)/(\d{4})/(\d\d)/(\d\d)/(\d{12})_CloudTrail_([a-z0-9-]+)_(\d{8}T\d{4}Z)_[A-Za-z0-9]{16}\.json\.gz$`)
	var last time.Time
	unsorted, keys := 0, map[string]bool{}
	first := map[string]time.Time{}
	for f := range generator(t, small).Files() {
		m := layout.FindStringSubmatch(f.Key)
		if m == nil || m[1] != m[6] || m[2] != m[7] || keys[f.Key] {
			t.Fatalf("key %q", f.Key)
		}
		keys[f.Key] = true
		at, err := time.Parse("20060102T1504Z", m[8])
		if err != nil || !at.Equal(f.Delivered) || at.Format("2006/01/02") != strings.Join(m[3:6], "/") {
			t.Fatalf("key %q of a file delivered at %s", f.Key, f.Delivered)
		}
		if f.Delivered.Before(last) {
			t.Fatalf("%s comes after a file of %s", f.Key, last)
		}
		last = f.Delivered
		if !slices.IsSortedFunc(f.Records, func(a, b Record) int { return a.Time.Compare(b.Time) }) {
			unsorted++
		}
		for _, r := range f.Records {
			if r.Account != m[1] || r.Region != m[2] {
				t.Fatalf("a record of %s %s in %s", r.Account, r.Region, f.Key)
			}
			if first[r.ID].IsZero() {
				first[r.ID] = r.Delivered
			}
		}
	}
	if unsorted < len(keys)/20 {
		t.Errorf("%d of %d files are out of order; CloudTrail's often are", unsorted, len(keys))
	}
	for r := range generator(t, small).Events() {
		if wait := first[r.ID].Sub(r.Time); wait < 3*time.Minute || wait > 10*time.Minute {
			t.Fatalf("%s of %s came %s later", r.Name, r.Time, wait)
		}
	}
}

func TestFilesDecompressToTheirRecords(t *testing.T) {
	for f := range generator(t, Options{Seed: 1, Accounts: 1, EventsPerDay: 200, Duration: 12 * time.Hour}).Files() {
		var b bytes.Buffer
		n, err := f.WriteTo(&b)
		if err != nil || n != int64(b.Len()) {
			t.Fatalf("%d of %d bytes: %v", n, b.Len(), err)
		}
		if head := b.Bytes()[3:8]; !bytes.Equal(head, make([]byte, 5)) { // flags and time, RFC 1952
			t.Fatalf("the header of %s holds % x", f.Key, head)
		}
		z, err := gzip.NewReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Records []struct{ EventID string } }
		if err := json.Unmarshal(content, &file); err != nil {
			t.Fatal(err)
		}
		if len(file.Records) != len(f.Records) || len(file.Records) == 0 {
			t.Fatalf("%d records of %d in %s", len(file.Records), len(f.Records), f.Key)
		}
		for i, r := range file.Records {
			if r.EventID != f.Records[i].ID {
				t.Fatalf("%s: record %d is %s, want %s", f.Key, i, r.EventID, f.Records[i].ID)
			}
		}
	}
}

func TestWriteLaysOutABucket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	g := generator(t, Options{Seed: 2, Accounts: 3, EventsPerDay: 300, Attacks: 2, Duration: 6 * time.Hour})
	sum, err := g.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files, events, labelled int
	var size int64
	for f := range g.Files() {
		info, err := os.Stat(filepath.Join(dir, f.Key))
		if err != nil {
			t.Fatal(err)
		}
		files++
		size += info.Size()
		events += len(f.Records)
		for _, r := range f.Records {
			if r.Label != nil {
				labelled++
			}
		}
	}
	if sum.Files != files || sum.Events != events || sum.Labelled != labelled || sum.Bytes != size {
		t.Errorf("summary %+v; counted %d files, %d events, %d labelled, %d bytes", sum, files, events, labelled, size)
	}
	labels, err := os.ReadFile(filepath.Join(dir, "labels.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(labels), "\n"); lines != labelled+1 || labelled == 0 {
		t.Errorf("%d lines of labels for %d labelled records", lines, labelled)
	}
}

func TestWriteSaysWhereItFailed(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "AWSLogs")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := generator(t, Options{Accounts: 1, Duration: time.Hour}).Write(dir)
	if err == nil || !strings.Contains(err.Error(), blocked) {
		t.Fatalf("%v does not name %s", err, blocked)
	}
}

// The delay of a record is due to the grid of its account and region: for every instant the file comes at the next multiple.
func TestDueIsTheNextFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := delivery{account: rapid.StringMatching(`[0-9]{12}`).Draw(t, "account")}
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).UTC()
		region := rapid.SampledFrom([]string{"us-east-1", "eu-west-1", "ap-southeast-2"}).Draw(t, "region")
		due := d.due(region, at)
		if due.Before(at) || !due.Add(-interval).Before(at) {
			t.Fatalf("due %s for %s", due, at)
		}
		if next := d.due(region, due.Add(time.Second)); next.Sub(due) != interval {
			t.Fatalf("the file after %s comes at %s", due, next)
		}
	})
}

// TestUntilIsABucketAtThatTime holds that Until cuts the corpus where it says and changes nothing before.
func TestUntilIsABucketAtThatTime(t *testing.T) {
	o := Options{Seed: 3, Accounts: 4, EventsPerDay: 400, Duration: 8 * time.Hour}
	whole := generator(t, o)
	o.Until = time.Date(2026, 3, 3, 6, 0, 0, 0, time.UTC)
	cut := map[string]bool{}
	for f := range generator(t, o).Files() {
		cut[f.Key] = true
	}
	files := 0
	for f := range whole.Files() {
		files++
		if want := !f.Delivered.After(o.Until); cut[f.Key] != want {
			t.Errorf("%s is there: %v, want %v", f.Key, cut[f.Key], want)
		}
	}
	if len(cut) == 0 || len(cut) == files {
		t.Errorf("%d of %d files are left", len(cut), files)
	}
}
