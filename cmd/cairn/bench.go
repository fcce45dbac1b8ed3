package main

import (
	"fmt"
	"io"
	"os"

	"github.com/cairnstream/cairn/bench"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/replay"
)

type benchCmd struct {
	Replay   benchReplayCmd   `cmd:"" help:"Replay files into a fresh folder and report throughput, memory, bytes and the share of each stage."`
	Recovery benchRecoveryCmd `cmd:"" help:"End processes at work, and report how long the next ones need to go on, and what commits cost."`
	Shard    benchShardCmd    `cmd:"" hidden:""`
	Detect   benchDetectCmd   `cmd:"" help:"Measure how well learned thresholds tell attacks from normal life, on labelled series and generated principals."`
}

type benchReplayCmd struct {
	Paths []string `arg:"" name:"path" help:"CloudTrail files, folders or s3:// prefixes."`
	ruleFlags
	tuning
	CPUProfile string `name:"cpuprofile" help:"Also write the CPU profile to FILE, for \"go tool pprof\"." placeholder:"FILE"`
	Keep       string `help:"Keep the data in DIR, which must not exist yet (default: a temporary folder that is removed)." placeholder:"DIR"`
}

// Run measures one replay and prints the report as JSON.
func (c *benchReplayCmd) Run(e *env) (err error) {
	if err := c.validate(); err != nil {
		return err
	}
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer remove()
	rules, err := c.load(e)
	if err != nil {
		return err
	}
	in, err := replay.List(e.ctx, c.Paths, e.in, dir)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // in the folder that is removed
	cfg, err := c.pipeline(e.ctx, place{Data: dir}, processor.Config{Rules: rules, Log: logger(e)})
	if err != nil {
		return err
	}
	profile, closeProfile, err := c.profile()
	if err != nil {
		return err
	}
	defer closeProfile()
	report, err := bench.Replay(e.ctx, cfg, in, profile)
	if err != nil {
		return err
	}
	return printJSON(e.out, report)
}

// folder is where the measured replay puts its data.
func (c *benchReplayCmd) folder() (dir string, remove func(), err error) {
	if c.Keep != "" {
		if exists(c.Keep) {
			return "", nil, usageError{fmt.Errorf("--keep %s exists already: a measurement needs a fresh folder", c.Keep)}
		}
		return c.Keep, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "cairn-bench-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder to measure in: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

func (c *benchReplayCmd) profile() (io.Writer, func(), error) {
	if c.CPUProfile == "" {
		return nil, func() {}, nil
	}
	f, err := os.Create(c.CPUProfile)
	if err != nil {
		return nil, nil, fmt.Errorf("write the profile: %w", err)
	}
	return f, func() { _ = f.Close() }, nil
}
