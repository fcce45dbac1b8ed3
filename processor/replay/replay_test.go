package replay

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/rule/pack"
	"github.com/cairnstream/cairn/state/blob"
)

// config is that of a replay into dir, with all that the program has.
func config(t testing.TB, dir string) Config {
	t.Helper()
	rules, _, err := rule.Load(rule.Options{}, pack.FS())
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) blob.Store {
		s, err := blob.Open(t.Context(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return Config{Shards: 4, Shard: processor.Config{
		App: "cairn", Lake: open("lake"), State: open("state"), Local: filepath.Join(dir, "local"),
		Rules: rules, Catalogue: catalogue, Lateness: 20 * time.Minute, SnapshotEvery: 24 * time.Hour, KeepTombstones: 30 * 24 * time.Hour,
		CommitRecords: 500_000, CommitBytes: 32 << 20, Encoders: 2, Rolls: make(chan struct{}, 1), Writer: "0123456789abcdef",
		Log: slog.New(slog.DiscardHandler),
	}}
}

func sample(t testing.TB) *Inputs {
	t.Helper()
	in, err := ListFS(gen.Sample(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func replay(t testing.TB, cfg Config, in *Inputs) *Result {
	t.Helper()
	r, err := Run(context.Background(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReplayAccountsForEveryPiece(t *testing.T) {
	r := replay(t, config(t, t.TempDir()), sample(t))
	c := r.Run
	if c.In == 0 || c.In != c.Rows+c.Duplicates+c.Control+c.Quarantined {
		t.Errorf("in %d is not rows %d + duplicates %d + control %d + quarantined %d", c.In, c.Rows, c.Duplicates, c.Control, c.Quarantined)
	}
	t.Logf("%+v, %d resources", r.Run, r.Resources)
}
