package replay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
)

// everything is what a replay leaves behind, as far as anybody can tell: the
// visible files of the lake, byte for byte, the inventory, and the counts.
type everything struct {
	Files     map[string]string
	Inventory map[string]export.ResourceRow
	Result    Result
}

func leftBehind(t testing.TB, dir string, cfg Config, r *Result) everything {
	t.Helper()
	e := everything{Files: map[string]string{}, Inventory: map[string]export.ResourceRow{}, Result: Result{Total: r.Total, Resources: r.Resources}}
	lake := filepath.Join(dir, "lake")
	err := filepath.WalkDir(lake, func(p string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(lake, p)
		if err != nil || d.IsDir() || strings.HasPrefix(name, "_stage") || strings.HasPrefix(name, ".") {
			return err
		}
		data, err := os.ReadFile(p)
		sum := sha256.Sum256(data)
		e.Files[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := processor.InventoryRows(t.Context(), cfg.Shard.State, "cairn", cfg.Shard.Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		e.Inventory[row.ResourceKey] = row
	}
	return e
}

// epochless leaves the owner's generation out of a comparison: each start of
// the program is one, and progress rows carry it.
func epochless(files map[string]string) map[string]string {
	out := map[string]string{}
	for name, sum := range files {
		if !strings.HasPrefix(name, "progress/") {
			out[name] = sum
		} else {
			out[name] = ""
		}
	}
	return out
}

func TestASecondReplayAddsNothing(t *testing.T) {
	dir := t.TempDir()
	cfg := config(t, dir)
	first := leftBehind(t, dir, cfg, replay(t, cfg, sample(t)))
	again := replay(t, config(t, dir), sample(t))
	if again.Run.In != 0 {
		t.Errorf("a second replay took in %d pieces", again.Run.In)
	}
	if diff := cmp.Diff(first, leftBehind(t, dir, cfg, again)); diff != "" {
		t.Errorf("a second replay changed something (-first +second):\n%s", diff)
	}
}

// TestAnInterruptedReplayEndsTheSame stops a replay after each tenth of its
// files and lets it go on, with many small commits, and compares all that is
// left with a replay that ran through.
func TestAnInterruptedReplayEndsTheSame(t *testing.T) {
	small := func(dir string) Config {
		cfg := config(t, dir)
		cfg.Shard.CommitRecords = 97
		return cfg
	}
	straight := t.TempDir()
	cfg := small(straight)
	want := leftBehind(t, straight, cfg, replay(t, cfg, sample(t)))

	dir := t.TempDir()
	stops := 0
	for tenth := 1; tenth <= 10; tenth++ {
		if interrupt(t, small(dir), sample(t), tenth) {
			stops++
		}
	}
	if stops < 5 {
		t.Fatalf("only %d of the replays were interrupted: the test shows nothing", stops)
	}
	cfg = small(dir)
	got := leftBehind(t, dir, cfg, replay(t, cfg, sample(t)))
	want.Files, got.Files = epochless(want.Files), epochless(got.Files)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an interrupted replay ends otherwise (-straight +interrupted):\n%s", diff)
	}
}

// interrupt runs a replay and cancels it after so many tenths of the files.
func interrupt(t *testing.T, cfg Config, in *Inputs, tenths int) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Progress = func(p Progress) {
		if p.Files >= len(in.Files)*tenths/11 {
			cancel()
		}
	}
	_, err := Run(ctx, cfg, in)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return err != nil
}

// TestTheNumberOfShardsChangesNothing compares the rows of all tables, without
// the columns that tell where a row came from.
func TestTheNumberOfShardsChangesNothing(t *testing.T) {
	var want everything
	for i, n := range []int{1, 2, 7} {
		dir := t.TempDir()
		cfg := config(t, dir)
		cfg.Shards = n
		got := leftBehind(t, dir, cfg, replay(t, cfg, sample(t)))
		for k, row := range got.Inventory {
			row.Shard = ""
			got.Inventory[k] = row
		}
		got.Files = nil
		if i == 0 {
			want = got
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d shards give something else than 1 (-1 +%d):\n%s", n, n, diff)
		}
	}
}

// TestManyCommitsDoNotGrowTheManifest: segments are merged on the way, and
// what a resumed replay restores from them is what it had.
func TestManyCommitsDoNotGrowTheManifest(t *testing.T) {
	dir := t.TempDir()
	cfg := config(t, dir)
	cfg.Shards, cfg.Shard.CommitRecords = 1, 7
	want := leftBehind(t, dir, cfg, replay(t, cfg, sample(t)))
	shards, err := processor.Manifests(t.Context(), cfg.Shard.State, "cairn")
	if err != nil {
		t.Fatal(err)
	}
	if m := shards[0]; m.Ckpt < 300 || len(m.Segments) > 40 {
		t.Errorf("%d segments after %d commits: at most base, 16 merged and 16 deltas are wanted", len(m.Segments), m.Ckpt)
	}
	if err := os.RemoveAll(filepath.Join(dir, "local")); err != nil {
		t.Fatal(err)
	}
	again := config(t, dir)
	again.Shards, again.Shard.CommitRecords = 1, 7
	if diff := cmp.Diff(want, leftBehind(t, dir, again, replay(t, again, sample(t)))); diff != "" {
		t.Errorf("after a full restore (-before +after):\n%s", diff)
	}
}
