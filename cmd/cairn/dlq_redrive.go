package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/forward"
	"github.com/cairnstream/cairn/processor/replay"
)

type dlqRedriveCmd struct {
	place
	output
	Out    string `help:"Write the events to a new CloudTrail file in DIR, for a later replay." placeholder:"DIR"`
	Stream string `help:"Put the events on this Kinesis stream: name or ARN." placeholder:"NAME"`
	DryRun bool   `help:"Only say what would be done."`
	Reason string `help:"Only reasons that contain this." placeholder:"TEXT"`
	Shard  string `help:"Only shards whose names contain this." placeholder:"TEXT"`
	Since  string `help:"Only what arrived since then: a time such as 2026-03-01T10:00:00Z, or so long ago, such as 36h." placeholder:"TIME"`
}

// Help tells what to expect of doing it twice.
func (*dlqRedriveCmd) Help() string {
	return `The quarantine is only read: what is handed over stays in it.

Doing it twice adds nothing. An event that a file in DIR has already is not
written again. An event that is on its way twice, or was delivered again
meanwhile, is recognised by its id within 26 hours of event time behind the
newest arrivals. Behind those it becomes a row that is marked late, and a second
one if it comes again: so keep DIR, and query the view events_deduplicated.

The file in DIR sorts behind all that was replayed so far. Replay the same
files as before and DIR behind them: cairn replay LOGS DIR.`
}

// redriven is what came of it. Pieces are of the quarantine, events are what
// they held.
type redriven struct {
	Pieces     int            `json:"pieces"`  // that the filters chose
	Decoded    int            `json:"decoded"` // pieces that are read now, wholly
	Events     int64          `json:"events"`  // handed over, or to be with --dry-run
	Duplicates int64          `json:"duplicates"`
	Known      int64          `json:"already_in_out"` // events that a file in DIR has
	Control    int            `json:"control"`        // pieces that need no handing over: digests, handshakes
	Failing    []stillFailing `json:"failing"`
	File       string         `json:"file,omitempty"`
	Stream     string         `json:"stream,omitempty"`
	DryRun     bool           `json:"dry_run"`
}

// stillFailing is a piece that is not, or not wholly, read now.
type stillFailing struct {
	Reason   string `json:"reason"` // of now
	Was      string `json:"was"`    // the reason it was quarantined for
	Error    string `json:"error,omitempty"`
	Shard    string `json:"shard"`
	Sequence string `json:"sequence"`
	File     string `json:"file,omitzero"`
	Record   int    `json:"record,omitzero"`
	Ordinal  int32  `json:"ordinal"`
	Size     int    `json:"size"`
}

// The reasons of redrive's own.
const (
	reasonNotWhole = "only its head was kept"
	reasonNoBytes  = "nothing of it was kept"
)

// Run decodes the quarantine again.
func (c *dlqRedriveCmd) Run(e *env) error {
	since, err := c.validate(time.Now())
	if err != nil {
		return err
	}
	at, state, err := c.reader(e.ctx)
	if err != nil {
		return err
	}
	lake, err := at.openLake(e.ctx)
	if err != nil {
		return err
	}
	manifests, err := processor.Manifests(e.ctx, state, c.app())
	if err != nil {
		return err
	}
	d := redrive{report: redriven{Failing: []stillFailing{}, DryRun: c.DryRun, Stream: c.Stream}, ids: map[string]bool{}}
	for _, m := range manifests {
		d.behind(m.Arrival)
	}
	if err := d.know(e.ctx, c.Out); err != nil {
		return err
	}
	for q, err := range processor.ReadQuarantine(e.ctx, lake) {
		if err != nil {
			return err
		}
		if contains(q.Reason, c.Reason) && contains(q.Shard, c.Shard) && !q.Arrival.Before(since) {
			d.piece(&q)
		}
	}
	if err := c.handOver(e, &d); err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, d.report)
	}
	d.report.print(e)
	return nil
}

// validate returns the time of --since, zero without it.
func (c *dlqRedriveCmd) validate(now time.Time) (since time.Time, err error) {
	if c.Out == "" && c.Stream == "" && !c.DryRun {
		return since, usageError{errors.New("say where the events go: --out DIR, --stream NAME, or --dry-run")}
	}
	if c.Since == "" {
		return since, nil
	}
	if ago, err := time.ParseDuration(c.Since); err == nil {
		return now.Add(-ago.Abs()), nil
	}
	if since, err = time.Parse(time.RFC3339, c.Since); err != nil {
		return since, usageError{fmt.Errorf("--since must be a time such as 2026-03-01T10:00:00Z or a duration such as 36h, not %q", c.Since)}
	}
	return since, nil
}

// redrive is a run over the quarantine.
type redrive struct {
	report  redriven
	decoder cloudtrail.Decoder
	ids     map[string]bool // true: in a file of DIR; false: decoded in this run
	events  [][]byte        // as lines of JSON
	last    time.Time       // newest arrival that was seen anywhere
}

func (d *redrive) behind(at time.Time) {
	if at.After(d.last) {
		d.last = at
	}
}

// know reads the ids of the events in earlier files of dir.
func (d *redrive) know(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, redrivePrefix+"*.json.gz"))
	if dir == "" || err != nil || len(files) == 0 {
		return err
	}
	in, err := replay.List(ctx, files, strings.NewReader(""), dir)
	if err != nil {
		return err
	}
	for p := range in.Decode(ctx, 1) {
		if p.Err != nil {
			return p.Err
		}
		d.behind(in.Files[p.File].Delivery)
		for i := range p.Records.Events {
			d.ids[strings.Clone(p.Records.Events[i].ID)] = true
		}
	}
	return context.Cause(ctx)
}

// piece tries one piece again.
func (d *redrive) piece(q *processor.Quarantined) {
	d.report.Pieces++
	d.behind(q.Arrival)
	switch {
	case q.SHA256 != "":
		d.fail(q, reasonNotWhole, nil)
		return
	case len(q.Raw) == 0:
		d.fail(q, reasonNoBytes, nil)
		return
	}
	records := d.decoder.Decode(q.Raw)
	for i := range records.Rejects {
		d.fail(q, records.Rejects[i].Reason, records.Rejects[i].Err)
	}
	whole := len(records.Rejects) == 0
	for i := range records.Events {
		line, err := oneLine(records.Events[i].Raw)
		if err != nil {
			d.fail(q, "cannot be written as a line", err)
			whole = false
			continue
		}
		d.event(records.Events[i].ID, line)
	}
	switch {
	case whole && len(records.Events) > 0:
		d.report.Decoded++
	case whole:
		d.report.Control++
	}
}

func (d *redrive) event(id string, line []byte) {
	inOut, seen := d.ids[id]
	switch {
	case inOut:
		d.report.Known++
	case seen:
		d.report.Duplicates++
	default:
		d.ids[id] = false
		d.events = append(d.events, line)
		d.report.Events++
	}
}

func (d *redrive) fail(q *processor.Quarantined, reason string, err error) {
	f := stillFailing{Reason: reason, Was: q.Reason, Shard: q.Shard, Sequence: strings.TrimLeft(q.Sequence, "0"), File: q.File, Record: q.Record, Ordinal: q.Ordinal, Size: q.Size}
	if err != nil {
		f.Error = err.Error()
	}
	d.report.Failing = append(d.report.Failing, f)
}

// handOver writes the events and puts them on the stream.
func (c *dlqRedriveCmd) handOver(e *env, d *redrive) (err error) {
	if c.DryRun || len(d.events) == 0 {
		return nil
	}
	dir := c.Out
	if dir == "" {
		if dir, err = os.MkdirTemp("", "cairn-redrive-*"); err != nil {
			return fmt.Errorf("make room for the events: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // they are on the stream then
	}
	temporary, final, err := d.write(dir)
	if err != nil {
		return err
	}
	// The file gets its name last: one that has it holds events that need not
	// be handed over again.
	if c.Stream != "" {
		if err := c.forward(e, temporary); err != nil {
			return errors.Join(err, os.Remove(temporary))
		}
	}
	if c.Out == "" {
		return nil
	}
	d.report.File = final
	if err := os.Rename(temporary, final); err != nil {
		return fmt.Errorf("write the events: %w", err)
	}
	return nil
}

// forward puts the events of a file on the stream.
func (c *dlqRedriveCmd) forward(e *env, path string) error {
	client, err := forward.Kinesis(e.ctx)
	if err != nil {
		return err
	}
	stream, err := forward.Open(e.ctx, client, c.Stream, logger(e))
	if err != nil {
		return err
	}
	in, err := replay.List(e.ctx, []string{path}, e.in, filepath.Dir(path))
	if err != nil {
		return err
	}
	f := forward.New(stream)
	if err := f.Files(e.ctx, in, 1, nil); err != nil {
		return err
	}
	if n := f.Counts().Lost; n > 0 {
		return fmt.Errorf("%s of %s could not be put on the stream %s: %s", count(n), plural(f.Counts().Events, "event"), c.Stream, f.Problems[0].Reason)
	}
	return nil
}

// print tells it to people, the failing pieces by reason.
func (r *redriven) print(e *env) {
	verb := "were"
	if r.DryRun {
		verb = "would be"
	}
	_, _ = fmt.Fprintf(e.out, "%s tried: %s decoded, %s failing, %s without events\n",
		plural(int64(r.Pieces), "piece"), count(int64(r.Decoded)), count(int64(len(r.Failing))), count(int64(r.Control)))
	_, _ = fmt.Fprintf(e.out, "%s %s handed over; %s twice, %s in an earlier file\n", plural(r.Events, "event"), verb, count(r.Duplicates), count(r.Known))
	if r.File != "" {
		_, _ = fmt.Fprintf(e.out, "written to %s: replay the same files as before and %s behind them\n", r.File, filepath.Dir(r.File))
	}
	if r.Stream != "" && r.Events > 0 && !r.DryRun {
		_, _ = fmt.Fprintf(e.out, "put on the stream %s\n", r.Stream)
	}
	if len(r.Failing) == 0 {
		return
	}
	slices.SortStableFunc(r.Failing, func(a, b stillFailing) int { return strings.Compare(a.Reason, b.Reason) })
	t := &table{head: []string{"STILL FAILING", "WAS", "SIZE", "WHERE", "ERROR"}}
	for _, f := range r.Failing {
		t.add(f.Reason, f.Was, size(int64(f.Size)), where(f.File, f.Record, f.Shard, f.Sequence), f.Error)
	}
	t.print(e.out)
}
