package main

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

type stateCmd struct {
	Show   stateShowCmd   `cmd:"" default:"withargs" help:"Show where each shard stands: checkpoint, watermark, sizes; the same as state alone."`
	Verify stateVerifyCmd `cmd:"" help:"Read all segments and hold them against the manifests' hashes."`
}

type stateShowCmd struct {
	place
	output
}

// Run lists the manifests.
func (c *stateShowCmd) Run(e *env) error {
	_, store, err := c.reader(e.ctx)
	if err != nil {
		return err
	}
	shards, err := processor.Manifests(e.ctx, store, c.app())
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"shards": shards})
	}
	t := &table{head: []string{"SHARD", "STATUS", "CHECKPOINT", "EPOCH", "COMMITTED", "WATERMARK", "EVENTS", "STATE ROWS", "SEGMENTS", "BYTES", "OPEN ROWS", "TO PUBLISH", "TO SEND"}}
	for _, m := range shards {
		var bytes int64
		for _, s := range m.Segments {
			bytes += s.Bytes
		}
		t.add(m.Shard, status(m), fmt.Sprint(m.Ckpt), fmt.Sprint(m.Epoch), when(m.Committed), when(m.Watermark), count(m.Counts.Rows), count(m.StateRows),
			fmt.Sprint(len(m.Segments)), size(bytes), count(openRows(m)), fmt.Sprint(len(m.Pending)), count(m.Outbox))
	}
	t.print(e.out)
	return nil
}

func status(m *manifest.Manifest) string {
	switch {
	case m.Closed:
		return "ended"
	case len(m.Gaps) > 0:
		return "gaps"
	}
	return "ok"
}

// openRows are the committed rows that are in no file yet.
func openRows(m *manifest.Manifest) (n int64) {
	for _, l := range m.RowLogs {
		for _, t := range l.Tables {
			n += t.Rows
		}
	}
	return n
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}

type stateVerifyCmd struct {
	place
	output
}

// verified is the verdict on one shard.
type verified struct {
	Shard    string `json:"shard"`
	Rows     int64  `json:"rows"`
	Segments int    `json:"segments"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
}

// Run reads all segments of all shards.
func (c *stateVerifyCmd) Run(e *env) error {
	_, store, err := c.reader(e.ctx)
	if err != nil {
		return err
	}
	shards, err := processor.Manifests(e.ctx, store, c.app())
	if err != nil {
		return err
	}
	var verdicts []verified
	bad := 0
	for _, m := range shards {
		heirs, err := processor.Heirs(m, shards)
		if err != nil {
			return err
		}
		if len(heirs) > 0 {
			continue // its children name what counts of it, and the rest may be collected
		}
		v := verified{Shard: m.Shard, Rows: m.StateRows, OK: true}
		if err := processor.Verify(e.ctx, store, m); err != nil {
			v.OK, v.Error = false, err.Error()
			bad++
		}
		v.Segments = len(m.Segments)
		verdicts = append(verdicts, v)
	}
	if err := c.print(e, verdicts); err != nil {
		return err
	}
	if bad > 0 {
		return errors.New("the state is damaged: put the named objects back from a copy, or delete lake and state and replay again")
	}
	return nil
}

func (c *stateVerifyCmd) print(e *env, verdicts []verified) error {
	if c.json() {
		return printJSON(e.out, map[string]any{"shards": verdicts})
	}
	for _, v := range verdicts {
		word := "ok      "
		if !v.OK {
			word = "DAMAGED "
		}
		if _, err := fmt.Fprintf(e.out, "%s%s: %s rows in %s%s\n", word, path.Base(v.Shard), count(v.Rows), plural(int64(v.Segments), "segment"), because(v.Error)); err != nil {
			return err
		}
	}
	return nil
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
