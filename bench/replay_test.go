package bench

import (
	"bytes"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/rule/pack"
	"github.com/cairnstream/cairn/state/blob"
)

func config(t *testing.T) replay.Config {
	t.Helper()
	dir := t.TempDir()
	rules, _, err := rule.Load(rule.Options{}, pack.FS())
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	lake, err := blob.Open(t.Context(), filepath.Join(dir, "lake"))
	if err != nil {
		t.Fatal(err)
	}
	state, err := blob.Open(t.Context(), filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	return replay.Config{Shards: 2, Shard: processor.Config{
		App: "cairn", Lake: lake, State: state, Rules: rules, Catalogue: catalogue, Lateness: 20 * time.Minute,
		SnapshotEvery: 24 * time.Hour, KeepTombstones: 720 * time.Hour, CommitRecords: 500_000, CommitBytes: 32 << 20,
		Encoders: 2, Rolls: make(chan struct{}, 1), Writer: "0123456789abcdef", Log: slog.New(slog.DiscardHandler),
	}}
}

// TestReplayReport holds the figures of a report against each other and
// against what the sample is known to hold.
func TestReplayReport(t *testing.T) {
	in, err := replay.ListFS(gen.Sample(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	var samples bytes.Buffer
	r, err := Replay(t.Context(), config(t), in, &samples)
	if err != nil {
		t.Fatal(err)
	}
	if r.Input.Files != len(in.Files) || r.Input.BytesGz != in.Bytes || r.Input.Events == 0 || r.Input.BytesJSON < 2*r.Input.BytesGz {
		t.Errorf("input %+v of %d files and %d bytes", r.Input, len(in.Files), in.Bytes)
	}
	if r.CPUSeconds <= 0 || r.ElapsedSeconds <= 0 || r.PeakRSSBytes < 1<<20 {
		t.Errorf("cost %v CPU s, %v s, %d bytes", r.CPUSeconds, r.ElapsedSeconds, r.PeakRSSBytes)
	}
	if got := r.BytesPerEvent * float64(r.Input.Events); math.Abs(got-float64(r.EventsBytes)) > 1 || r.EventsBytes >= r.LakeBytes {
		t.Errorf("%v bytes an event, %d in events, %d in the lake", r.BytesPerEvent, r.EventsBytes, r.LakeBytes)
	}
	for _, s := range r.Scan {
		if s.Bytes <= 0 || s.Bytes >= r.EventsBytes {
			t.Errorf("%s reads %d of %d bytes", s.Query, s.Bytes, r.EventsBytes)
		}
	}
	sum := 0.0
	for _, s := range r.Stages {
		sum += s.CPUShare
	}
	if len(r.Stages) > 0 && math.Abs(sum-1) > 1e-6 {
		t.Errorf("the shares of the stages sum to %v", sum)
	}
	if _, err := profile.Parse(&samples); err != nil {
		t.Errorf("the profile: %v", err)
	}
}

// TestStageOfTakesTheNarrowest: a sample in gunzip below the decoder is
// gunzip's, though the decoder stands on the stack too.
func TestStageOfTakesTheNarrowest(t *testing.T) {
	stack := func(names ...string) *profile.Sample {
		s := &profile.Sample{}
		for _, n := range names {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: n}}}})
		}
		return s
	}
	for want, s := range map[string]*profile.Sample{
		"gunzip":  stack("github.com/klauspost/compress/flate.(*decompressor).read", "github.com/cairnstream/cairn/processor/cloudtrail.(*Decoder).gzip"),
		"rules":   stack("runtime.memequal", "github.com/cairnstream/cairn/processor/rule.(*Matcher).Match", "github.com/cairnstream/cairn/processor.(*Shard).event"),
		"runtime": stack("runtime.schedule"),
	} {
		if got := stageOf(s); got != want {
			t.Errorf("stage %q, want %q", got, want)
		}
	}
}
