package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cairnstream/cairn/processor"
)

type dlqCmd struct {
	List    dlqListCmd    `cmd:"" default:"withargs" help:"List the records that could not be decoded, with the reason; the same as dlq alone."`
	Redrive dlqRedriveCmd `cmd:"" help:"Decode them again with this program, and hand over what it can read now."`
}

type dlqListCmd struct {
	place
	output
	Reason string `help:"Only reasons that contain this." placeholder:"TEXT"`
	Limit  int    `help:"At most so many rows of text; 0: all." default:"50"`
}

// Run lists the quarantine. With --output json each piece comes with its bytes
// in base64.
func (c *dlqListCmd) Run(e *env) error {
	at, _, err := c.reader(e.ctx)
	if err != nil {
		return err
	}
	lake, err := at.openLake(e.ctx)
	if err != nil {
		return err
	}
	found := []processor.Quarantined{}
	for q, err := range processor.ReadQuarantine(e.ctx, lake) {
		if err != nil {
			return err
		}
		if contains(q.Reason, c.Reason) {
			found = append(found, q)
		}
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"quarantined": found})
	}
	c.print(e, found)
	return nil
}

func (c *dlqListCmd) print(e *env, found []processor.Quarantined) {
	shown := found
	if c.Limit > 0 && len(found) > c.Limit {
		shown = found[:c.Limit]
	}
	t := &table{head: []string{"REASON", "WHERE", "ARRIVAL", "SIZE", "BEGINS WITH"}}
	for _, q := range shown {
		t.add(q.Reason, where(q.File, q.Record, q.Shard, q.Sequence), cmp.Or(when(q.Arrival), "-"), size(int64(q.Size)), content(&q))
	}
	t.print(e.out)
	if more := len(found) - len(shown); more > 0 {
		_, _ = fmt.Fprintf(e.out, "… and %s more: --limit 0 shows all, --output json their bytes\n", count(int64(more)))
	}
	if len(found) == 0 {
		_, _ = fmt.Fprintln(e.out, "nothing is quarantined")
	}
}

// where a person finds a piece: the record of a file, or the place in a stream.
// The quarantine of an earlier version has no files.
func where(file string, record int, shard, sequence string) string {
	if file == "" {
		return shard + " " + strings.TrimLeft(sequence, "0")
	}
	return fmt.Sprintf("%s, record %d", file, record)
}

// content is the beginning of a piece, or why there is none.
func content(q *processor.Quarantined) string {
	if len(q.Raw) > 0 {
		return head(q.Raw)
	}
	return "(nothing: " + cmp.Or(q.Error, "the end is missing") + ")"
}

// head is the beginning of a piece, fit for a terminal.
func head(raw []byte) string {
	const most = 60
	text := fmt.Sprintf("%+q", raw[:min(len(raw), most)])
	return strings.Trim(text, `"`)
}
