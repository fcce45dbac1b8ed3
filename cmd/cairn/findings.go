package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/blob"
)

type findingsCmd struct {
	List findingsListCmd `cmd:"" default:"withargs" help:"List findings, oldest first; the same as findings alone."`
	Show findingsShowCmd `cmd:"" help:"Show all that is known of one finding, with its events and a chart."`
}

type findingsListCmd struct {
	place
	output
	Severity   string `help:"At least this severity: informational, low, medium, high, critical." name:"min-severity" default:"low" aliases:"severity" placeholder:"LEVEL"`
	Rule       string `help:"Only rules whose id is this or whose title contains it." placeholder:"TEXT"`
	Kind       string `help:"Only rules of this kind: match, correlation, first_seen, baseline, resource." placeholder:"KIND"`
	Account    string `help:"Only this account." placeholder:"ID"`
	Actor      string `help:"Only actors whose name contains this." placeholder:"TEXT"`
	Since      string `help:"Only what lasted until this time or later, RFC 3339 or YYYY-MM-DD." placeholder:"TIME"`
	Until      string `help:"Only what began before this time." placeholder:"TIME"`
	Status     string `help:"Only this state: open or resolved." placeholder:"STATE"`
	Suppressed *bool  `help:"Only findings that another one holds back; --no-suppressed: without them." negatable:""`
	Staged     *bool  `help:"Only findings of rules on trial; --no-staged: without them." negatable:""`
	By         string `help:"Count instead of listing: by rule, account or actor, the loudest first." placeholder:"WHAT"`
	Limit      int    `help:"At most so many findings of text, the newest; 0: all." default:"50"`
}

// findingKinds are the words of --kind.
var findingKinds = []string{"match", "correlation", "first_seen", "baseline", "resource"}

// Run lists the findings of the lake, oldest first.
func (c *findingsListCmd) Run(e *env) error {
	wanted, err := c.filter()
	if err != nil {
		return err
	}
	at, lake, err := c.findingsLake(e.ctx)
	if err != nil {
		return err
	}
	all, err := readLives(e.ctx, lake)
	if err != nil {
		return err
	}
	lives := slices.DeleteFunc(all, func(l life) bool { return !wanted(&l) })
	switch {
	case c.By != "":
		return c.count(e, lake, lives)
	case c.json():
		return printJSON(e.out, map[string]any{"findings": allColumns(rowsOfLives(lives))})
	}
	c.print(e, lives)
	if len(lives) == 0 {
		return at.tellOpen(e)
	}
	return nil
}

// tellOpen says how many rows a worker has that are in no file yet: for the first
// minutes of a fleet these are all.
func (p place) tellOpen(e *env) error {
	state, err := p.openState(e.ctx)
	if err != nil {
		return err
	}
	shards, err := processor.Manifests(e.ctx, state, p.app())
	if err != nil {
		return err
	}
	var open int64
	for _, m := range shards {
		open += openRows(m)
	}
	if open > 0 {
		_, _ = fmt.Fprintf(e.out, "%s not yet in a file, where commands find them: look again after --roll-age of \"cairn run\"\n", plural(open, "row"))
	}
	return nil
}

// count tells how many findings there are instead of which.
func (c *findingsListCmd) count(e *env, lake blob.Store, lives []life) error {
	days, err := daysOfEvents(e.ctx, lake)
	if err != nil {
		return err
	}
	groups := groupFindings(lives, c.By, days)
	if c.json() {
		return printJSON(e.out, map[string]any{"days": days, "groups": groups})
	}
	printGroups(e, c.By, groups, days)
	return nil
}

// findingsLake is the lake of a command that only reads findings, and where it
// is.
func (p place) findingsLake(ctx context.Context) (place, blob.Store, error) {
	at, _, err := p.reader(ctx)
	if err != nil {
		return at, nil, err
	}
	lake, err := at.openLake(ctx)
	return at, lake, err
}

// filter checks the flags and says what passes them.
func (c *findingsListCmd) filter() (func(*life) bool, error) {
	switch {
	case !slices.Contains(levels, c.Severity):
		return nil, oneOf("--min-severity", c.Severity, levels...)
	case c.Kind != "" && !slices.Contains(findingKinds, c.Kind):
		return nil, oneOf("--kind", c.Kind, findingKinds...)
	case c.By != "" && !slices.Contains(groupings, c.By):
		return nil, oneOf("--by", c.By, groupings...)
	case c.Status != "" && c.Status != "open" && c.Status != "resolved":
		return nil, oneOf("--status", c.Status, "open", "resolved")
	}
	since, err := timeFlag("--since", c.Since)
	if err != nil {
		return nil, err
	}
	until, err := timeFlag("--until", c.Until)
	if err != nil {
		return nil, err
	}
	return func(l *life) bool {
		return c.wants(l) && !l.lasted().Before(since) && (until.IsZero() || l.began().Before(until))
	}, nil
}

func timeFlag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := parseTime(text)
	if err != nil {
		return t, usageError{fmt.Errorf("%s %q is no time: write 2026-03-01T14:00:00Z or 2026-03-01", name, text)}
	}
	return t, nil
}

func (c *findingsListCmd) wants(l *life) bool {
	r := l.now()
	return slices.Index(levels, l.severity()) <= slices.Index(levels, c.Severity) &&
		(c.Rule == "" || r.RuleID == c.Rule || contains(r.RuleTitle, c.Rule)) &&
		(c.Kind == "" || r.RuleKind == c.Kind) &&
		(c.Account == "" || value(r.AccountID) == c.Account) &&
		(c.Actor == "" || slices.ContainsFunc(l.steps, func(s export.FindingRow) bool { return contains(value(s.ActorRoot), c.Actor) })) &&
		(c.Status == "" || r.State == c.Status) &&
		(c.Suppressed == nil || (r.SuppressedBy != nil) == *c.Suppressed) &&
		(c.Staged == nil || r.Staged == *c.Staged)
}

// contains compares without case, as people type.
func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func (c *findingsListCmd) print(e *env, lives []life) {
	shown := lives
	if c.Limit > 0 && len(lives) > c.Limit {
		shown = lives[len(lives)-c.Limit:]
		_, _ = fmt.Fprintf(e.out, "%s older ones left out: --limit 0 shows all\n", count(int64(len(lives)-len(shown))))
	}
	t := &table{head: []string{"ID", "TIME", "SEVERITY", "RULE", "ACCOUNT", "ACTOR", "NOTE", "SUMMARY"}, colour: severityIn(e, 2)}
	for _, l := range shown {
		r := l.steps[0]
		t.add(shortID(r.FindingID), stamp(&r.EventTS), l.severity(), r.RuleTitle, value(r.AccountID), export.Plain(export.ActorName(value(r.ActorRoot), value(r.AccountID))), l.note(),
			export.Plain(strings.TrimPrefix(l.telling().Summary, r.RuleTitle+": ")))
	}
	t.fit(pageOf(e).table, []string{"SUMMARY", "ACCOUNT", "ACTOR"}, elastic{"SUMMARY", 30}, elastic{"ACTOR", 16}, elastic{"RULE", 24})
	t.print(e.out)
	if len(lives) == 0 {
		_, _ = fmt.Fprintln(e.out, "no findings match")
	}
}

// shortID is as much of an id as tells findings apart in any lake that a person
// looks at; "findings show" takes it.
func shortID(id string) string { return id[:min(len(id), 12)] }

// life is a finding from its start to its last step, oldest first.
type life struct{ steps []export.FindingRow }

// now is the newest step.
func (l *life) now() *export.FindingRow { return &l.steps[len(l.steps)-1] }

func (l *life) began() time.Time  { return time.UnixMilli(l.steps[0].EventTS) }
func (l *life) lasted() time.Time { return time.UnixMilli(l.now().EventTS) }

// severity is the worst of all steps.
func (l *life) severity() string {
	worst := l.steps[0].Severity
	for _, r := range l.steps {
		if slices.Index(levels, r.Severity) < slices.Index(levels, worst) {
			worst = r.Severity
		}
	}
	return worst
}

// note says in a word or two why a finding needs nobody at once; "" for one
// that may.
func (l *life) note() string {
	r := l.now()
	switch {
	case r.State == "resolved" && r.Fields[export.ReasonField] == export.NotKnown:
		return "not known"
	case r.State == "resolved":
		return "resolved"
	case r.SuppressedBy != nil:
		return "held back"
	case r.Staged:
		return "on trial"
	case value(r.StateReason) == "end":
		return "over"
	}
	return ""
}

// telling is the newest step that says what happens, and not only that it is
// over.
func (l *life) telling() *export.FindingRow {
	for i := len(l.steps) - 1; i > 0; i-- {
		if value(l.steps[i].StateReason) != "end" {
			return &l.steps[i]
		}
	}
	return &l.steps[0]
}

// readLives reads all findings of a lake, in the order in which they began.
func readLives(ctx context.Context, lake blob.Store) ([]life, error) {
	byID := map[string]int{}
	var lives []life
	for row, err := range export.ReadRows[export.FindingRow](ctx, lake, export.Selection{}) {
		if err != nil {
			return nil, err
		}
		i, known := byID[row.FindingID]
		if !known {
			i = len(lives)
			byID[row.FindingID] = i
			lives = append(lives, life{})
		}
		lives[i].steps = append(lives[i].steps, *row)
	}
	for _, l := range lives {
		slices.SortStableFunc(l.steps, compareSteps)
	}
	slices.SortFunc(lives, func(a, b life) int { return compareSteps(a.steps[0], b.steps[0]) })
	return lives, nil
}

// steps of a finding that happen at once come in this order.
var stepOrder = []string{"start", "update", "end"}

func compareSteps(a, b export.FindingRow) int {
	return cmp.Or(cmp.Compare(a.EventTS, b.EventTS), strings.Compare(a.FindingID, b.FindingID),
		cmp.Compare(slices.Index(stepOrder, value(a.StateReason)), slices.Index(stepOrder, value(b.StateReason))), strings.Compare(a.Sequence, b.Sequence))
}

// rowsOfLives are all steps of some findings in the order of time.
func rowsOfLives(lives []life) []export.FindingRow {
	var rows []export.FindingRow
	for _, l := range lives {
		rows = append(rows, l.steps...)
	}
	slices.SortFunc(rows, compareSteps)
	return rows
}
