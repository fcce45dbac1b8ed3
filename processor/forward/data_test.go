package forward

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// TestOddFiles forwards files that are damaged in many ways: every event that
// the decoder finds in a file is found behind the stream, and where a piece was
// rejected before, one is rejected there, unless it is told as lost.
func TestOddFiles(t *testing.T) {
	root := os.Getenv("CAIRN_DATA")
	if root == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "cloudtrail", "odd"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".md") {
			return err
		}
		files++
		t.Run(d.Name(), func(t *testing.T) { forwardOdd(t, path) })
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files: %v", files, err)
	}
}

func forwardOdd(t *testing.T, path string) {
	payload, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d cloudtrail.Decoder
	records := d.Decode(payload)
	k := &target{t: t}
	f := New(k.stream(nil))
	if err := f.take(t.Context(), path, "", &records); err != nil {
		t.Fatal(err)
	}
	if err := f.stream.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, rejects := k.decoded()
	ids := func(events []seen) map[string]bool {
		out := map[string]bool{}
		for _, e := range events {
			out[e.ID] = true
		}
		return out
	}
	if diff := cmp.Diff(ids(seenIn(&records)), ids(events)); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
	c := f.Counts()
	if len(rejects) < len(records.Rejects)-int(c.Lost) || c.Undecodable+c.Lost != int64(len(records.Rejects)) {
		t.Errorf("%d rejects, %d lost, behind the stream %d rejects", len(records.Rejects), c.Lost, len(rejects))
		for _, r := range records.Rejects {
			t.Logf("%s %v %.80q", r.Reason, r.Err, r.Raw)
		}
	}
}
