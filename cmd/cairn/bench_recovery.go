package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/cairnstream/cairn/bench"
	"github.com/cairnstream/cairn/processor"
)

type benchRecoveryCmd struct {
	output
	Rows          []int64       `help:"Sizes of state to measure; 10000000 takes some minutes more and 6 GB." default:"100000,1000000"`
	Runs          int           `help:"Runs of each kind of end, for each size." default:"3"`
	Rate          float64       `help:"Records a second; a shard of Kinesis takes at most 1000." default:"1000"`
	CommitEvery   time.Duration `help:"Interval of commits while processes are ended." default:"5s"`
	Records       int64         `help:"Records of each run that compares commits with a single one; 0: no comparison." default:"500000"`
	OverheadEvery time.Duration `help:"Interval of commits in that comparison." default:"10s"`
	Rounds        int           `help:"Rounds of that comparison." default:"3"`
	Dir           string        `help:"Work in a new folder in DIR (default: the folder for temporary files). It is removed." placeholder:"DIR"`
}

// Help says what is measured.
func (*benchRecoveryCmd) Help() string {
	return `Starts processes of this program that own a shard of a stand-in for a stream,
ends them, and measures until the next one has committed. All is on the local
disk: leases, networks and S3 come on top. Nothing outside of DIR is touched.`
}

// Run measures and prints.
func (c *benchRecoveryCmd) Run(e *env) error {
	if c.Runs < 1 || c.Rate <= 0 || c.CommitEvery < 10*time.Millisecond || c.OverheadEvery < 10*time.Millisecond || len(c.Rows) == 0 {
		return usageError{errors.New("--runs and --rate must be above 0, the intervals at least 10ms, and --rows must name a size")}
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	dir, err := os.MkdirTemp(c.Dir, "cairn-recovery-")
	if err != nil {
		return fmt.Errorf("make a folder to measure in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	report, err := bench.Recovery(e.ctx, bench.RecoveryOptions{
		Program: []string{program, "bench", "shard"}, Dir: dir, Rows: c.Rows, Runs: c.Runs, Rate: c.Rate,
		CommitEvery: c.CommitEvery, OverheadEvery: c.OverheadEvery, OverheadRecords: c.Records, OverheadRounds: c.Rounds,
		Progress: func(what string) { _, _ = fmt.Fprintln(e.err, what) },
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, report)
	}
	return report.Print(e.out)
}

// benchShardCmd is an owner that bench recovery starts and ends.
type benchShardCmd struct {
	Data        string        `required:""`
	Feed        string        `required:""`
	Start       int64         `required:""`
	Rate        float64       `required:""`
	CommitEvery time.Duration `required:""`
	Until       int64         `required:""`
	ruleFlags
	tuning
}

// Run owns the shard until it is told to end.
func (c *benchShardCmd) Run(e *env) error {
	rules, err := c.load(e)
	if err != nil {
		return err
	}
	cfg, err := c.pipeline(e.ctx, place{Data: c.Data}, processor.Config{Rules: rules, Log: logger(e)})
	if err != nil {
		return err
	}
	shard := cfg.Shard
	shard.CommitEvery, shard.CommitRecords = c.CommitEvery, math.MaxInt64
	if c.Until > 0 {
		shard.CommitBytes = math.MaxInt64 // by the clock alone
	}
	shard.Local = filepath.Join(c.Data, "local")
	run := bench.ShardRun{Config: shard, Feed: c.Feed, Start: time.Unix(0, c.Start), Rate: c.Rate, Until: c.Until, Out: e.out}
	return run.Run(e.ctx)
}
