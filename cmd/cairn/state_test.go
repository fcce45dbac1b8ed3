package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
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

// TestOpenRowsAreTold: who finds nothing learns that rows wait for their file.
func TestOpenRowsAreTold(t *testing.T) {
	dir := t.TempDir()
	object[report](t, "replay", "--data", dir)
	store, err := blob.Open(t.Context(), filepath.Join(dir, "sample", "state"))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := manifest.Open(t.Context(), store, manifest.Key("cairn", "replay", "shardId-000000000000"))
	if err != nil {
		t.Fatal(err)
	}
	next := handle.Current().Clone()
	next.Ckpt++
	next.RowLogs = append(next.RowLogs, manifest.RowLog{Key: "cairn/replay/shardId-000000000000/rows/1", Ckpt: next.Ckpt, Tables: map[string]manifest.TableSize{"events": {Rows: 7}}})
	if err := handle.Commit(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if out := said(t, "findings", "--data", dir, "--rule", "nothing"); !strings.Contains(out, "7 rows not yet in a file") {
		t.Error(out)
	}
}
