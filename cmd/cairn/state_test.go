package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStateVerifyFindsDamage flips one bit in the middle of each segment in
// turn.
func TestStateVerifyFindsDamage(t *testing.T) {
	dir := t.TempDir()
	object[report](t, "replay", "--data", dir)
	segments, err := filepath.Glob(filepath.Join(dir, "sample", "state", "cairn", "replay", "*", "seg", "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	verify := func() (int, string) {
		var out, errs bytes.Buffer
		code := run(&env{ctx: context.Background(), in: &bytes.Buffer{}, out: &out, err: &errs}, []string{"state", "verify", "--data", dir})
		return code, out.String()
	}
	if code, out := verify(); code != exitDone || strings.Contains(out, "DAMAGED") {
		t.Fatalf("before: status %d, %s", code, out)
	}
	for _, s := range segments {
		data, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 0x10
		if err := os.WriteFile(s, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if code, out := verify(); code != exitFailed || strings.Count(out, "DAMAGED") != 1 || !strings.Contains(out, filepath.Base(s)) {
			t.Errorf("%s: status %d, %s", filepath.Base(s), code, out)
		}
		data[len(data)/2] ^= 0x10
		if err := os.WriteFile(s, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
