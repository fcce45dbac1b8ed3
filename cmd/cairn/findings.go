package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
)

type findingsCmd struct {
	place
	output
	MinSeverity string `help:"At least this severity: informational, low, medium, high, critical." default:"low" placeholder:"LEVEL"`
	Rule        string `help:"Only rules whose id is this or whose title contains it." placeholder:"TEXT"`
	Account     string `help:"Only this account." placeholder:"ID"`
	Actor       string `help:"Only actors whose name contains this." placeholder:"TEXT"`
	Since       string `help:"Only events from this time on, RFC 3339 or YYYY-MM-DD." placeholder:"TIME"`
	Limit       int    `help:"At most so many rows of text, the newest; 0: all." default:"50"`
}

// Run lists the findings of the lake, oldest first.
func (c *findingsCmd) Run(e *env) error {
	if !slices.Contains(levels, c.MinSeverity) {
		return oneOf("--min-severity", c.MinSeverity, levels...)
	}
	since, err := c.since()
	if err != nil {
		return err
	}
	rows, err := c.read(e, since)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"findings": allColumns(rows)})
	}
	c.print(e, rows)
	return nil
}

func (c *findingsCmd) since() (time.Time, error) {
	if c.Since == "" {
		return time.Time{}, nil
	}
	t, err := parseTime(c.Since)
	if err != nil {
		return t, usageError{fmt.Errorf("--since %q is no time: write 2026-03-01T14:00:00Z or 2026-03-01", c.Since)}
	}
	return t, nil
}

// read reads the findings that pass the filters, in the order of time.
func (c *findingsCmd) read(e *env, since time.Time) ([]export.FindingRow, error) {
	at, _, err := c.reader(e.ctx)
	if err != nil {
		return nil, err
	}
	lake, err := at.openLake(e.ctx)
	if err != nil {
		return nil, err
	}
	var rows []export.FindingRow
	for row, err := range export.ReadRows[export.FindingRow](e.ctx, lake, export.Selection{}) {
		if err != nil {
			return nil, err
		}
		if c.wants(row) && !time.UnixMilli(row.EventTS).Before(since) {
			rows = append(rows, *row)
		}
	}
	slices.SortFunc(rows, func(a, b export.FindingRow) int {
		return cmp.Or(cmp.Compare(a.EventTS, b.EventTS), strings.Compare(a.FindingID, b.FindingID))
	})
	return rows, nil
}

func (c *findingsCmd) wants(r *export.FindingRow) bool {
	return slices.Index(levels, r.Severity) <= slices.Index(levels, c.MinSeverity) &&
		(c.Rule == "" || r.RuleID == c.Rule || contains(r.RuleTitle, c.Rule)) &&
		(c.Account == "" || value(r.AccountID) == c.Account) &&
		(c.Actor == "" || contains(value(r.ActorRoot), c.Actor))
}

// contains compares without case, as people type.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func (c *findingsCmd) print(e *env, rows []export.FindingRow) {
	shown := rows
	if c.Limit > 0 && len(rows) > c.Limit {
		shown = rows[len(rows)-c.Limit:]
		_, _ = fmt.Fprintf(e.out, "%s older ones left out: --limit 0 shows all\n", count(int64(len(rows)-len(shown))))
	}
	t := &table{head: []string{"TIME", "SEVERITY", "RULE", "ACCOUNT", "ACTOR", "SUMMARY"}, colour: severityIn(e, 1)}
	for _, r := range shown {
		t.add(stamp(&r.EventTS), r.Severity, r.RuleTitle, value(r.AccountID), short(value(r.ActorRoot)), strings.TrimPrefix(r.Summary, r.RuleTitle+": "))
	}
	t.print(e.out)
	if len(rows) == 0 {
		_, _ = fmt.Fprintln(e.out, "no findings match")
	}
}
