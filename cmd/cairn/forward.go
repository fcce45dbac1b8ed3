package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/forward"
	"github.com/cairnstream/cairn/processor/replay"
)

type forwardCmd struct {
	Paths      []string      `arg:"" optional:"" name:"path" help:"CloudTrail files, folders, s3:// prefixes, or - for standard input."`
	Stream     string        `help:"The Kinesis stream to write to: name or ARN." required:"" placeholder:"NAME" env:"CAIRN_STREAM"`
	QueueURL   string        `help:"Forward the files that this SQS queue announces, until stopped." placeholder:"URL" env:"CAIRN_QUEUE_URL"`
	FromStream string        `help:"Forward this Kinesis stream, whose producer keys at random, until stopped." placeholder:"NAME" env:"CAIRN_FROM_STREAM"`
	From       string        `help:"Where to begin in --from-stream the first time: trim-horizon, latest, or a time such as 2026-03-01T10:00:00Z." default:"trim-horizon" env:"CAIRN_FROM"`
	Data       string        `help:"Folder for all that Cairn keeps (default: ${default})." default:"./cairn-data" placeholder:"DIR" env:"CAIRN_DATA_DIR"`
	State      string        `help:"Where the positions in --from-stream are kept: a folder or s3://bucket/prefix (default: DIR/state)." placeholder:"URL" env:"CAIRN_STATE"`
	Visibility time.Duration `help:"How long a message stays hidden from others; extended while it is worked on." default:"2m" env:"CAIRN_VISIBILITY"`
	Decoders   int           `help:"Files read and decoded at once; 0: one per core." default:"0" env:"CAIRN_DECODERS"`
	output
	Strict     bool `help:"Fail when something could not be put on the stream." env:"CAIRN_STRICT"`
	NoProgress bool `help:"No progress bar." env:"CAIRN_NO_PROGRESS"`
}

// forwarded is what forward prints with --output json.
type forwarded struct {
	forward.Counts
	Queue           *forward.QueueCounts  `json:"queue,omitempty"`
	Source          *forward.SourceCounts `json:"source,omitempty"`
	Problems        []forward.Problem     `json:"problems"` // the first of what was lost
	Stream          string                `json:"stream"`
	ElapsedSeconds  float64               `json:"elapsed_seconds"`
	EventsPerSecond float64               `json:"events_per_second"`
}

// Run forwards and prints what was done.
func (c *forwardCmd) Run(e *env) error {
	start, err := c.validate(time.Now())
	if err != nil {
		return err
	}
	client, err := forward.Kinesis(e.ctx)
	if err != nil {
		return err
	}
	stream, err := forward.Open(e.ctx, client, c.Stream, logger(e))
	if err != nil {
		return err
	}
	began := time.Now()
	f, r := forward.New(stream), &forwarded{Stream: c.Stream}
	switch {
	case c.QueueURL != "":
		err = c.queue(e, f, r)
	case c.FromStream != "":
		err = c.rekey(e, f, r, start)
	default:
		err = c.files(e, f)
	}
	r.Counts, r.Problems, r.ElapsedSeconds = f.Counts(), append([]forward.Problem{}, f.Problems...), time.Since(began).Seconds()
	r.EventsPerSecond = float64(r.Events) / r.ElapsedSeconds
	if err != nil {
		return err
	}
	if err := c.print(e, r); err != nil {
		return err
	}
	if c.Strict && r.Lost > 0 {
		return fmt.Errorf("%s could not be put on the stream (--strict)", plural(r.Lost, "piece"))
	}
	return nil
}

// validate checks what goes together and returns where reading begins.
func (c *forwardCmd) validate(now time.Time) (start time.Time, err error) {
	sources := 0
	for _, given := range []bool{len(c.Paths) > 0, c.QueueURL != "", c.FromStream != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources != 1:
		return start, usageError{errors.New("name what to forward: either files, or --queue-url, or --from-stream")}
	case c.FromStream == c.Stream:
		return start, usageError{errors.New("--from-stream must be another stream than --stream")}
	case c.Visibility < 10*time.Second || c.Visibility > 12*time.Hour:
		return start, usageError{errors.New("--visibility must be between 10s and 12h")}
	case c.Decoders < 0:
		return start, usageError{errors.New("--decoders must be at least 0")}
	}
	switch c.From {
	case "trim-horizon":
		return time.Time{}, nil
	case "latest":
		return now, nil
	}
	if start, err = time.Parse(time.RFC3339, c.From); err != nil {
		return start, usageError{fmt.Errorf("--from must be trim-horizon, latest, or a time such as 2026-03-01T10:00:00Z, not %q", c.From)}
	}
	return start, nil
}

func (c *forwardCmd) files(e *env, f *forward.Forwarder) error {
	spool, err := os.MkdirTemp("", "cairn-forward-*")
	if err != nil {
		return fmt.Errorf("make room for standard input: %w", err)
	}
	defer func() { _ = os.RemoveAll(spool) }() // only a copy of standard input
	in, err := replay.List(e.ctx, c.Paths, e.in, spool)
	if err != nil {
		return err
	}
	b := bar{}
	if !c.NoProgress && !c.json() && terminal(e.err) {
		b = newBar(e.err, in.Bytes)
		b.bar.Describe("forward")
	}
	err = f.Files(e.ctx, in, c.Decoders, b.update)
	b.finish()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped after %d of %s: the same command begins anew; what then comes twice is recognised by its event id",
			f.Counts().Files, plural(int64(len(in.Files)), "file"))
	}
	return err
}

func (c *forwardCmd) queue(e *env, f *forward.Forwarder, r *forwarded) error {
	client, err := forward.SQS(e.ctx)
	if err != nil {
		return err
	}
	q, err := forward.OpenQueue(e.ctx, client, c.QueueURL, logger(e))
	if err != nil {
		return err
	}
	q.Visibility, q.Decoders, r.Queue = c.Visibility, c.Decoders, &q.Counts
	return f.Queue(e.ctx, q)
}

func (c *forwardCmd) rekey(e *env, f *forward.Forwarder, r *forwarded, start time.Time) error {
	client, err := forward.Kinesis(e.ctx)
	if err != nil {
		return err
	}
	state, err := place{Data: c.Data, State: c.State}.openState(e.ctx)
	if err != nil {
		return err
	}
	s, err := forward.OpenSource(e.ctx, client, c.FromStream, c.Stream, state, start, logger(e))
	if err != nil {
		return err
	}
	r.Source = &s.Counts
	return f.Rekey(e.ctx, s)
}

func (c *forwardCmd) print(e *env, r *forwarded) error {
	if c.json() {
		return printJSON(e.out, r)
	}
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(e.out, format, args...) }
	p("Forwarded %s from %s to the stream %s: %s of JSON in %.1f s (%s events/s)\n", plural(r.Events, "event"), c.source(r),
		c.Stream, size(r.Bytes), r.ElapsedSeconds, count(int64(r.EventsPerSecond)))
	p("  %s of %s (%s) in %s, %s sent again\n", plural(r.Records, "record"), size(r.Sent.Bytes), plural(r.Aggregates, "aggregate"), plural(r.Requests, "request"), count(r.Retries))
	p("  %s forwarded without being decoded, %s control%s\n", plural(r.Undecodable, "piece"), count(r.Control), skipped(int(r.Skipped)))
	if q := r.Queue; q != nil {
		p("  %s received, %s deleted, %s left to the queue's redrive policy\n", plural(q.Messages, "message"), count(q.Deleted), count(q.Failed))
	}
	if r.Lost > 0 {
		p("\nNOT FORWARDED  %s\n", plural(r.Lost, "piece"))
		t := &table{head: []string{"FILE", "RECORD", "SIZE", "REASON"}}
		for _, l := range r.Problems {
			t.add(l.File, fmt.Sprint(l.Record), size(int64(l.Size)), l.Reason)
		}
		t.print(e.out)
	}
	return nil
}

// source names what was read, for people.
func (c *forwardCmd) source(r *forwarded) string {
	switch {
	case r.Source != nil:
		return fmt.Sprintf("%s of the stream %s", plural(r.Source.Read, "record"), c.FromStream)
	case r.Queue != nil:
		return fmt.Sprintf("%s announced by %s", plural(r.Files, "file"), filepath.Base(c.QueueURL))
	}
	return fmt.Sprintf("%s of %s", plural(r.Files, "file"), strings.Join(c.Paths, " "))
}
