package replay

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/export"
)

// line is a record of its own on one line.
func line(n int, at, rest string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventID":"00000000-0000-4000-8000-%012d","eventTime":"%s","eventSource":"ec2.amazonaws.com",`+
		`"awsRegion":"eu-west-1","recipientAccountId":"111122223333","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve"},%s}`, n, at, rest)
}

const look = `"eventName":"DescribeVolumes"`

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func list(t testing.TB, paths ...string) *Inputs {
	t.Helper()
	in, err := List(t.Context(), paths, strings.NewReader(""), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestLargeFilesAreReadLineByLine puts lines beyond the size of a piece, one of
// them longer than a piece, into a file: nothing is lost, and reading ends.
func TestLargeFilesAreReadLineByLine(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 60 MB")
	}
	var b bytes.Buffer
	n := 0
	for ; b.Len() < 40<<20; n++ {
		b.WriteString(line(n, "2026-03-01T10:00:00Z", look+`,"requestParameters":{"filler":"`+strings.Repeat("x", 4000)+`"}`) + "\n")
	}
	long := b.String() + `{"note":"` + strings.Repeat("y", chunkBytes+1000) + `"}` + "\n" + line(n, "2026-03-01T10:00:00Z", look) + "\n"
	plain := write(t, t.TempDir(), "plain.ndjson", long)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(long))
	_ = z.Close()
	gz := write(t, t.TempDir(), "packed.ndjson.gz", packed.String())
	for _, file := range []string{plain, gz} {
		r := replay(t, config(t, t.TempDir()), list(t, file))
		if r.Run.Rows != int64(n+1) || r.Run.Quarantined != 1 {
			t.Errorf("%s: %d rows and %d quarantined of %d records and one long line", filepath.Base(file), r.Run.Rows, r.Run.Quarantined, n+1)
		}
	}
}

// TestOneValueBeyondTheLimitIsRefused: a single JSON document that cannot be
// held is no reason to lose its end.
func TestOneValueBeyondTheLimitIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 270 MB")
	}
	file := filepath.Join(t.TempDir(), "giant.json")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	record := []byte(line(1, "2026-03-01T10:00:00Z", look) + ",")
	_, _ = f.WriteString(`{"Records":[`)
	for size := 0; size < 270<<20; size += 1000 * len(record) {
		if _, err := f.Write(bytes.Repeat(record, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), config(t, t.TempDir()), list(t, file))
	if err == nil || !strings.Contains(err.Error(), "giant.json") || !strings.Contains(err.Error(), "one record a line") {
		t.Errorf("the error is %v", err)
	}
}

func TestInputsAreOrderedByDelivery(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b/111122223333_CloudTrail_eu-west-1_20260301T1005Z_aaaaaaaaaaaaaaaa.json", `{"Records":[]}`)
	write(t, dir, "a/111122223333_CloudTrail_eu-west-1_20260301T1010Z_aaaaaaaaaaaaaaaa.json", `{"Records":[]}`)
	write(t, dir, "111122223333_CloudTrail-Digest_eu-west-1_main_eu-west-1_20260301T100700Z.json", `{}`)
	write(t, dir, "own.ndjson", line(1, "2026-03-01T10:06:00Z", look))
	write(t, dir, "readme.txt", "no log")
	in := list(t, dir)
	var got []string
	for _, f := range in.Files {
		got = append(got, f.first.Format("15:04"))
	}
	if s := strings.Join(got, " "); s != "10:05 10:06 10:07 10:10" || in.Skipped != 1 {
		t.Errorf("order %s, %d skipped", s, in.Skipped)
	}
}

// TestTheDataFolderIsNoInput replays the folder in which the data lie.
func TestTheDataFolderIsNoInput(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.ndjson", line(1, "2026-03-01T10:00:00Z", look))
	for range 2 {
		r := replay(t, config(t, filepath.Join(dir, "cairn-data")), list(t, dir))
		if r.Total.In != 1 {
			t.Errorf("%d pieces came in, one is there", r.Total.In)
		}
	}
}

// TestOneDateBeyondReasonHarmsNoOther: a record of the year 9999 moves no clock.
func TestOneDateBeyondReasonHarmsNoOther(t *testing.T) {
	text := line(1, "2026-03-01T10:00:00Z", look) + "\n" + line(2, "9999-12-31T23:59:59Z", look) + "\n" +
		line(3, "2026-03-01T10:01:00Z", look) + "\n" + line(3, "2026-03-01T10:01:00Z", look) + "\n"
	r := replay(t, config(t, t.TempDir()), list(t, write(t, t.TempDir(), "a.ndjson", text)))
	if r.Run.Rows != 3 || r.Run.Duplicates != 1 || r.Run.Late != 0 {
		t.Errorf("%d rows, %d duplicates, %d late; want 3, 1, 0", r.Run.Rows, r.Run.Duplicates, r.Run.Late)
	}
}

// TestALakeBelongsToOneState: two data folders would give their files the same
// names.
func TestALakeBelongsToOneState(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	in := list(t, write(t, t.TempDir(), "a.ndjson", line(1, "2026-03-01T10:00:00Z", look)))
	cfg := config(t, first)
	replay(t, cfg, in)
	other := config(t, second)
	other.Shard.Lake, other.Shard.Writer = cfg.Shard.Lake, "fedcba9876543210" // another process
	if _, err := Run(t.Context(), other, in); err == nil || !strings.Contains(err.Error(), "another state") {
		t.Errorf("the lake of another state: %v", err)
	}
	cfg = config(t, first)
	cfg.Shard.Lake = config(t, second).Shard.Lake
	if _, err := Run(t.Context(), cfg, in); err == nil || !strings.Contains(err.Error(), "delete the state too") {
		t.Errorf("a lake that is gone: %v", err)
	}
}

// TestSnapshotsAreTheSameWhenInputGrows replays two days at once and one after
// the other. The last snapshot of the first run stands at midnight, which the
// second day passes again.
func TestSnapshotsAreTheSameWhenInputGrows(t *testing.T) {
	create := func(n int, id string) string {
		return `"eventName":"CreateVolume","requestParameters":{"size":"8"},"responseElements":{"volumeId":"` + id + `","size":"8","status":"creating"}`
	}
	log := func(name string, lines ...string) (string, string) {
		return "111122223333_CloudTrail_eu-west-1_" + name + "Z_aaaaaaaaaaaaaaaa.json", `{"Records":[` + strings.Join(lines, ",") + `]}`
	}
	dir := t.TempDir()
	day := func(at string, n int, id string) {
		name, text := log(strings.NewReplacer("-", "", ":", "").Replace(at[:16]), line(n, at, create(n, id)))
		write(t, dir, name, text)
	}
	day("2026-03-01T12:00:00Z", 1, "vol-1")
	day("2026-03-01T23:58:00Z", 2, "vol-2")
	grown := config(t, t.TempDir())
	replay(t, grown, list(t, dir))
	day("2026-03-02T00:06:00Z", 3, "vol-3") // before the watermark passes midnight
	day("2026-03-02T12:00:00Z", 4, "vol-4")
	day("2026-03-03T12:00:00Z", 5, "vol-5")
	replay(t, grown, list(t, dir))
	want := map[string]string{"2026-03-02T00-00": "vol-1 vol-2", "2026-03-03T00-00": "vol-1 vol-2 vol-3 vol-4", "2026-03-03T12-00": "vol-1 vol-2 vol-3 vol-4 vol-5"}
	for name, ids := range want {
		if got := snapshotIDs(t, grown, name); got != ids {
			t.Errorf("snapshot %s holds %s, want %s", name, got, ids)
		}
	}
}

func snapshotIDs(t *testing.T, cfg Config, name string) string {
	var ids []string
	pick := export.Selection{Partition: func(p string) bool { return p == name }}
	for row, err := range export.ReadRows[export.ResourceRow](t.Context(), cfg.Shard.Lake, pick) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ResourceID)
	}
	return strings.Join(ids, " ")
}
