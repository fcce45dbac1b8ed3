package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/processor/resource"
)

// print shows what a replay did: one object for programs; for people the
// counts, the findings, the inventory, and what to try next.
func (c *replayCmd) print(e *env, at place, cfg replay.Config, result *replay.Result, r *report) error {
	findings, err := firstSteps(e, cfg)
	if err != nil {
		return err
	}
	if r.Findings = int64(len(findings)); c.json() {
		return printJSON(e.out, r)
	}
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(e.out, format, args...) }
	switch {
	case r.nothingRead():
		p("No CloudTrail event in %s: all that was read, %s, is quarantined\n", strings.Join(c.Paths, " "), plural(r.Totals.Quarantined, "piece"))
		p("%s", quarantinedIn(r.QuarantinedIn))
		return nil
	case result.Resumed && result.Run.In == 0:
		p("Nothing new: all files were replayed before\n")
	default:
		p("Replayed %s of %s: %s, %s of JSON, in %.1f s (%s events/s)\n", plural(int64(r.Files), "file"), cmp.Or(strings.Join(c.Paths, " "), "the bundled sample"),
			plural(r.Events, "event"), size(r.Bytes), r.ElapsedSeconds, count(int64(r.EventsPerSecond)))
	}
	p("  %s, %s quarantined, %s control, %s late%s\n", plural(r.Duplicates, "duplicate"), count(r.Quarantined), count(r.Control), count(r.Late), skipped(r.SkippedFiles))
	if result.Resumed {
		p("  went on where an earlier replay of these files had ended; the lake now holds %s\n", plural(r.Totals.Events, "event"))
	}
	if result.Other.Rules {
		p("  the rules have changed since: what was replayed before was judged by the old ones; to judge all anew use another --data\n")
	}
	if result.Other.Accounts {
		p("  the accounts file has changed since: what was replayed before has what the old one said; to write all anew use another --data\n")
	}
	if result.Other.Lateness {
		p("  --lateness has changed since: it holds for new events only; to replay all with it use another --data\n")
	}
	if r.Quarantined > 0 {
		p("%s", quarantinedIn(r.QuarantinedIn))
		p("  what could not be decoded is kept with its reason: cairn dlq list%s\n", at.flags(c.place))
	}
	if n := len(r.UnknownAccounts); n > 0 {
		p("  %s not in %s: %s\n", plural(int64(n), "account"), c.Accounts, strings.Join(r.UnknownAccounts[:min(n, 5)], ", ")+more(n-5))
	}
	p("\nFINDINGS  %s, from %s\n", count(int64(len(findings))), plural(int64(len(byRule(findings))), "rule"))
	ruleTable(e, findings).print(e.out)
	rows, err := processor.InventoryRows(e.ctx, cfg.Shard.State, cfg.Shard.App, cfg.Shard.Catalogue)
	if err != nil {
		return err
	}
	p("\nINVENTORY  %s\n", plural(r.Resources, "resource"))
	typeTable(rows).print(e.out)
	p("\nLake   %s\nState  %s\n\nNext\n", r.Lake, r.State)
	for _, line := range next(at, c.place, r, rows) {
		p("  %s\n", line)
	}
	return nil
}

// quarantinedIn names the first few files with pieces that could not be decoded.
func quarantinedIn(files []replay.Rejected) string {
	const most = 3
	var b strings.Builder
	for _, f := range files[:min(len(files), most)] {
		fmt.Fprintf(&b, "    %s quarantined in %s\n", count(int64(f.Pieces)), f.File)
	}
	if n := len(files) - most; n > 0 {
		fmt.Fprintf(&b, "    and some in %s\n", plural(int64(n), "other file"))
	}
	return b.String()
}

func skipped(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %s skipped, not named like CloudTrail's", plural(int64(n), "file"))
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// firstSteps are the rows that began the findings of the lake: further rows of
// a finding tell how it went on.
func firstSteps(e *env, cfg replay.Config) ([]export.FindingRow, error) {
	lives, err := readLives(e.ctx, cfg.Shard.Lake)
	if err != nil {
		return nil, err
	}
	rows := make([]export.FindingRow, len(lives))
	for i := range lives {
		rows[i] = lives[i].steps[0]
	}
	return rows, nil
}

// levels of severity, the worst first.
var levels = []string{"critical", "high", "medium", "low", "informational"}

func byRule(findings []export.FindingRow) map[string][]export.FindingRow {
	m := map[string][]export.FindingRow{}
	for _, f := range findings {
		m[f.RuleID] = append(m[f.RuleID], f)
	}
	return m
}

// ruleTable sums findings by rule, the worst and the most frequent first.
func ruleTable(e *env, findings []export.FindingRow) *table {
	rules := byRule(findings)
	ids := slices.SortedFunc(maps.Keys(rules), func(a, b string) int {
		x, y := rules[a], rules[b]
		return cmp.Or(cmp.Compare(slices.Index(levels, x[0].Severity), slices.Index(levels, y[0].Severity)),
			cmp.Compare(len(y), len(x)), strings.Compare(x[0].RuleTitle, y[0].RuleTitle))
	})
	t := &table{head: []string{"SEVERITY", "COUNT", "RULE", "FIRST", "ACCOUNT", "ACTOR"}, colour: severityIn(e, 0)}
	for _, id := range ids {
		list := rules[id]
		first := slices.MinFunc(list, func(a, b export.FindingRow) int { return cmp.Compare(a.EventTS, b.EventTS) })
		t.add(first.Severity, count(int64(len(list))), first.RuleTitle, stamp(&first.EventTS),
			several(list, func(f export.FindingRow) string { return value(f.AccountID) }),
			several(list, func(f export.FindingRow) string { return short(value(f.ActorRoot)) }))
	}
	return t
}

// several is the one value that all have, or how many there are.
func several(list []export.FindingRow, of func(export.FindingRow) string) string {
	seen := map[string]bool{}
	for _, f := range list {
		seen[of(f)] = true
	}
	if len(seen) == 1 {
		return of(list[0])
	}
	return fmt.Sprintf("%s and %d more", of(list[0]), len(seen)-1)
}

// severityIn colours one column of a table on a terminal.
func severityIn(e *env, column int) func(int, string) string {
	if !terminal(e.out) {
		return nil
	}
	return func(i int, cell string) string {
		if i != column {
			return cell
		}
		return severity(cell)
	}
}

// typeTable counts resources by type and state.
func typeTable(rows []export.ResourceRow) *table {
	counts := map[string]map[string]int64{}
	for _, r := range rows {
		if counts[r.Type] == nil {
			counts[r.Type] = map[string]int64{}
		}
		counts[r.Type][r.State]++
	}
	columns := []string{resource.StateCreating, resource.StateActive, resource.StateStopped, resource.StateUnknown, resource.StateDeleted}
	t := &table{head: []string{"TYPE"}}
	for _, c := range columns {
		t.head = append(t.head, strings.ToUpper(c))
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		cells := []string{kind}
		for _, c := range columns {
			cells = append(cells, blankZero(counts[kind][c]))
		}
		t.add(cells...)
	}
	return t
}

func blankZero(n int64) string {
	if n == 0 {
		return "-"
	}
	return count(n)
}

// next are commands to try, which work as they stand.
func next(at, flags place, r *report, rows []export.ResourceRow) []string {
	data := ""
	if at != flags || flags.Data != "./cairn-data" {
		data = " --data " + at.Data
	}
	var lines []string
	if r.Totals.Quarantined > 0 {
		lines = append(lines, "cairn dlq list"+data)
	}
	lines = append(lines,
		"cairn findings --min-severity high"+data,
		"cairn resources list --type 'AWS::EC2::*'"+data,
	)
	first := ""
	for _, r := range rows {
		if r.Type == "AWS::EC2::Instance" && (first == "" || r.ResourceID < first) {
			first = r.ResourceID
		}
	}
	if first != "" {
		lines = append(lines, "cairn resources history "+first+data)
	}
	if !strings.HasPrefix(r.Lake, "s3://") && r.Totals.Events > 0 {
		lines = append(lines, fmt.Sprintf(`duckdb -c "SELECT eventname, count(*) AS n FROM read_parquet('%s/events/*/*.parquet') GROUP BY 1 ORDER BY n DESC LIMIT 10"`, r.Lake))
	}
	if at != flags {
		lines = append(lines, "cairn replay PATH    # your own CloudTrail files")
	}
	return append(lines, "cairn ddl --lake s3://bucket/prefix    # Athena tables and views for a lake on S3")
}
