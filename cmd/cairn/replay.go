package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state/manifest"
)

type replayCmd struct {
	Paths []string `arg:"" optional:"" name:"path" help:"CloudTrail files, folders, s3:// prefixes, or - for standard input; without any, a bundled sample."`
	place
	ruleFlags
	accountsFlag
	tuning
	output
	Strict     bool `help:"Fail when a record was quarantined." env:"CAIRN_STRICT"`
	NoProgress bool `help:"No progress bar." env:"CAIRN_NO_PROGRESS"`
}

// tuning are the flags that few people need.
type tuning struct {
	Shards         int           `help:"Virtual shards; a data folder keeps its number." default:"4" env:"CAIRN_SHARDS"`
	SnapshotEvery  time.Duration `help:"Distance of inventory snapshots in event time, at least 1h." default:"24h" env:"CAIRN_SNAPSHOT_EVERY"`
	Lateness       time.Duration `help:"How far the watermark stays behind arrival." default:"20m" env:"CAIRN_LATENESS"`
	KeepTombstones time.Duration `help:"How long deleted resources stay in the inventory, in event time." default:"720h" env:"CAIRN_KEEP_TOMBSTONES"`
	CommitRecords  int64         `help:"Records of a shard between two commits." default:"500000" env:"CAIRN_COMMIT_RECORDS"`
	Decoders       int           `help:"Files decoded at once; 0: one per core." default:"0" env:"CAIRN_DECODERS"`
	Encoders       int           `help:"Parquet files encoded at once." default:"2" env:"CAIRN_ENCODERS"`
	Catalogue      []string      `help:"Folder of inventory catalogue files to add (repeatable)." placeholder:"DIR" env:"CAIRN_CATALOGUE"`
}

func (t tuning) validate() error {
	switch {
	case t.Shards < 1 || t.Shards > 4096:
		return usageError{errors.New("--shards must be between 1 and 4096")}
	case t.SnapshotEvery < time.Hour || t.SnapshotEvery%time.Hour != 0:
		return usageError{errors.New("--snapshot-every must be whole hours, at least 1h")}
	case t.Lateness+5*time.Minute > t.SnapshotEvery:
		return usageError{errors.New("--snapshot-every must be longer than --lateness by at least 5m, else a snapshot would show what happened after it")}
	case t.KeepTombstones < 26*time.Hour:
		return usageError{errors.New("--keep-tombstones must be at least 26h, as long as a late event may take")}
	case t.Lateness < 0 || t.Lateness > 26*time.Hour:
		return usageError{errors.New("--lateness must be between 0s and 26h")}
	case t.CommitRecords < 1:
		return usageError{errors.New("--commit-records must be at least 1")}
	case t.Encoders < 1 || t.Decoders < 0:
		return usageError{errors.New("--encoders must be at least 1 and --decoders at least 0")}
	}
	return nil
}

// report is what a replay prints with --output json. Counts are those of this
// run; Totals are those of the whole data folder.
type report struct {
	counts
	Files           int     `json:"files"`
	SkippedFiles    int     `json:"skipped_files"`
	ElapsedSeconds  float64 `json:"elapsed_seconds"`
	EventsPerSecond float64 `json:"events_per_second"`
	Lake            string  `json:"lake"`
	State           string  `json:"state"`
	// UnknownAccounts are those that the accounts file does not have; none
	// without a file.
	UnknownAccounts []string `json:"unknown_accounts,omitempty"`
	// QuarantinedIn are the files of this run with pieces that could not be decoded.
	QuarantinedIn []replay.Rejected `json:"quarantined_in,omitempty"`

	Findings int64 `json:"findings"` // that the lake holds, of this run and of those before

	Totals counts `json:"totals"`
}

type counts struct {
	Events          int64 `json:"events"`
	Bytes           int64 `json:"bytes"`
	Duplicates      int64 `json:"duplicates"`
	Quarantined     int64 `json:"quarantined"`
	Control         int64 `json:"control"`
	Late            int64 `json:"late"`
	FindingRows     int64 `json:"finding_rows"` // steps of findings: start, update, end
	Alerts          int64 `json:"alerts"`
	Resources       int64 `json:"resources"`
	ResourceChanges int64 `json:"resource_changes"`
}

// Run replays and prints what came of it.
func (c *replayCmd) Run(e *env) error {
	if err := c.validate(); err != nil {
		return err
	}
	at := c.place
	if len(c.Paths) == 0 {
		if c.Lake != "" || c.State != "" {
			return usageError{errors.New("the bundled sample goes to its own folder below --data: name your files, or leave --lake and --state out")}
		}
		at = at.in("sample")
	}
	cfg, err := c.config(e, at)
	if err != nil {
		return err
	}
	in, err := c.inputs(e, at)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only copies of streams; they are removed with the cache at the latest
	bar := c.bar(e, in)
	cfg.Progress = bar.update
	start := time.Now()
	result, err := replay.Run(e.ctx, cfg, in)
	bar.finish()
	switch {
	case errors.Is(err, processor.ErrOtherFiles):
		return missing(at, in, err)
	case err == nil, errors.Is(err, context.Canceled): // what was committed is of these files
		err = errors.Join(err, keepNames(at, in))
	}
	if err != nil {
		return err
	}
	r := newReport(result, in, time.Since(start), cfg)
	if err := c.print(e, at, cfg, result, r); err != nil {
		return err
	}
	switch n := r.Totals.Quarantined; {
	case r.nothingRead():
		return fmt.Errorf("there is no CloudTrail event in %s: \"cairn dlq list%s\" shows what stands there instead", strings.Join(c.Paths, " "), at.flags(c.place))
	case c.Strict && n > 0:
		return fmt.Errorf("%d records were quarantined (--strict): see \"cairn dlq list%s\"", n, at.flags(c.place))
	}
	return nil
}

// nothingRead tells that all input so far was quarantined, none of it read.
func (r *report) nothingRead() bool {
	t := r.Totals
	return t.Quarantined > 0 && t.Events == 0 && t.Duplicates == 0 && t.Control == 0
}

// Help tells when a replay fails although it ran to its end.
func (*replayCmd) Help() string {
	return `What cannot be decoded is quarantined, and the replay goes on: its report names
the files, "cairn dlq list" the records. It fails if nothing at all was an event,
and with --strict if any record was quarantined.`
}

func (c *replayCmd) inputs(e *env, at place) (*replay.Inputs, error) {
	if len(c.Paths) > 0 {
		return replay.List(e.ctx, c.Paths, e.in, at.local())
	}
	return replay.ListFS(gen.Sample(), "sample")
}

// config builds what all shards share.
func (c *replayCmd) config(e *env, at place) (replay.Config, error) {
	rules, err := c.load(e)
	if err != nil {
		return replay.Config{}, err
	}
	book, err := c.book(e)
	if err != nil {
		return replay.Config{}, err
	}
	return c.pipeline(e.ctx, at, processor.Config{Rules: rules, Accounts: book, Log: logger(e)})
}

// thrift makes the collector run at half of its usual growth, unless the
// environment says otherwise: the largest part of the heap is buffers without
// pointers, which cost it nothing. The peak fell by an eighth to a quarter, and
// the CPU time rose by no more than runs differ (bench/RESULTS.md).
func thrift() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// pipeline completes the template of a shard with the stores and the settings.
func (t tuning) pipeline(ctx context.Context, at place, shard processor.Config) (replay.Config, error) {
	thrift()
	more, err := folders(t.Catalogue)
	if err != nil {
		return replay.Config{}, err
	}
	if shard.Catalogue, err = resource.LoadCatalogue(more...); err != nil {
		return replay.Config{}, err
	}
	shard.Catalogue = shard.Catalogue.WithAccounts(shard.Accounts)
	if shard.Lake, err = at.openLake(ctx); err != nil {
		return replay.Config{}, err
	}
	if shard.State, err = at.openState(ctx); err != nil {
		return replay.Config{}, err
	}
	shard.App, shard.Local, shard.Writer = at.app(), at.local(), writer()
	shard.Lateness, shard.SnapshotEvery, shard.KeepTombstones = t.Lateness, t.SnapshotEvery, t.KeepTombstones
	shard.CommitRecords, shard.CommitBytes = t.CommitRecords, 32<<20
	shard.Encoders, shard.Rolls = t.Encoders, make(chan struct{}, 1)
	return replay.Config{Shards: t.Shards, Decoders: t.Decoders, Shard: shard}, nil
}

// writer is the name of this process in the names of objects.
func writer() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return hex.EncodeToString(id[:])
}

func logger(e *env) *slog.Logger {
	level := slog.LevelWarn
	if text := os.Getenv("CAIRN_LOG"); text != "" {
		_ = level.UnmarshalText([]byte(text)) // an unknown level keeps the default
	}
	return slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: level}))
}

func newReport(r *replay.Result, in *replay.Inputs, elapsed time.Duration, cfg replay.Config) *report {
	return &report{
		counts: countsOf(r.Run, r.Resources), Totals: countsOf(r.Total, r.Resources),
		Files: r.Files, SkippedFiles: in.Skipped, ElapsedSeconds: elapsed.Seconds(),
		EventsPerSecond: float64(r.Run.Rows) / elapsed.Seconds(),
		Lake:            cfg.Shard.Lake.URL(), State: cfg.Shard.State.URL(), UnknownAccounts: cfg.Shard.Accounts.Unknown(),
		QuarantinedIn: r.Rejected,
	}
}

func countsOf(c manifest.Counts, resources int64) counts {
	return counts{Events: c.Rows, Bytes: c.Bytes, Duplicates: c.Duplicates, Quarantined: c.Quarantined, Control: c.Control,
		Late: c.Late, FindingRows: c.Findings, Alerts: c.Alerts, Resources: resources, ResourceChanges: c.Changes}
}
