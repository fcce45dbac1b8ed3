package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/replay"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/rule/pack"
)

type rulesBacktestCmd struct {
	Old []string `help:"Folder of the rules as they are (repeatable; default: the bundled rules)." placeholder:"DIR"`
	New []string `help:"Folder of the rules as they shall be (repeatable)." placeholder:"DIR" required:""`
	accountsFlag
	FailOnChange bool     `help:"Fail when the rules find different things."`
	Paths        []string `arg:"" name:"path" help:"CloudTrail files, folders or s3:// prefixes to try the rules on."`
	output
}

// Run runs both sets of rules over the history and tells what differs.
func (c *rulesBacktestCmd) Run(e *env) error {
	old, err := c.set(e, c.Old)
	if err != nil {
		return err
	}
	newer, err := c.set(e, c.New)
	if err != nil {
		return err
	}
	diffs, events, err := c.play(e, old, newer)
	if err != nil {
		return err
	}
	changed := 0
	for i := range diffs {
		if diffs[i].Changed() {
			changed++
		}
	}
	if c.json() {
		if err := printJSON(e.out, map[string]any{"events": events, "changed": changed, "rules": diffs}); err != nil {
			return err
		}
	} else {
		printBacktest(e, diffs, events)
	}
	if c.FailOnChange && changed > 0 {
		return fmt.Errorf("%s with other findings (--fail-on-change)", plural(int64(changed), "rule"))
	}
	return nil
}

func (c *rulesBacktestCmd) set(e *env, dirs []string) (*rule.Set, error) {
	sources := []fs.FS{pack.FS()}
	if len(dirs) > 0 {
		var err error
		if sources, err = folders(dirs); err != nil {
			return nil, err
		}
	}
	set, _, err := rule.Load(rule.Options{}, sources...)
	if err != nil {
		return nil, e.eachLine(err, "the rules have mistakes")
	}
	return set, nil
}

// play feeds the history to both sets.
func (c *rulesBacktestCmd) play(e *env, old, newer *rule.Set) (diffs []detect.RuleDiff, events int64, err error) {
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		return nil, 0, fmt.Errorf("load the catalogue: %w", err)
	}
	book, err := c.book(e)
	if err != nil {
		return nil, 0, err
	}
	b, err := detect.NewBacktest(old, newer, catalogue.WithAccounts(book), book)
	if err != nil {
		return nil, 0, err
	}
	err = eachEvent(e, c.Paths, func(event *cloudtrail.Event) error {
		events++
		return b.Event(event)
	})
	if err != nil {
		return nil, 0, err
	}
	diffs, err = b.Finish()
	return diffs, events, err
}

// eachEvent reads a history in the order of its files.
func eachEvent(e *env, paths []string, take func(*cloudtrail.Event) error) (err error) {
	in, err := replay.List(e.ctx, paths, e.in, os.TempDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	for p := range in.Decode(e.ctx, 1) {
		if p.Err != nil {
			return p.Err
		}
		for i := range p.Records.Events {
			if err := take(&p.Records.Events[i]); err != nil {
				return err
			}
		}
		if n := len(p.Records.Rejects); n > 0 {
			_, _ = fmt.Fprintf(e.err, "%s: %s passed over: %s\n", in.Files[p.File].Path, plural(int64(n), "piece"), p.Records.Rejects[0].Reason)
		}
	}
	return context.Cause(e.ctx)
}

func printBacktest(e *env, diffs []detect.RuleDiff, events int64) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(e.out, format, args...) }
	t := &table{head: []string{"RULE", "FINDINGS", "ALERTS", "ADDED", "REMOVED", "LEVEL", "SAME", ""}}
	pair := func(n [2]int) string {
		if n[0] == n[1] {
			return fmt.Sprint(n[0])
		}
		return fmt.Sprintf("%d → %d", n[0], n[1])
	}
	for i := range diffs {
		d := &diffs[i]
		note := ""
		if d.Only != "" {
			note = "only in the " + d.Only + " rules"
		} else if d.Staged {
			note = "staged"
		}
		t.add(d.Title, pair(d.Findings), pair(d.Alerts), fmt.Sprint(d.Added), fmt.Sprint(d.Removed), fmt.Sprint(d.Level), fmt.Sprint(d.Same), note)
	}
	t.print(e.out)
	for i := range diffs {
		if d := &diffs[i]; d.Changed() || len(d.Preview) > 0 {
			p("\n%s\n", d.Title)
			printDiff(p, d)
		}
	}
	p("\n%s\n", plural(events, "event"))
}

func printDiff(p func(string, ...any), d *detect.RuleDiff) {
	for _, part := range []struct {
		word  string
		lines []string
	}{{"added", d.Samples.Added}, {"removed", d.Samples.Removed}, {"level changed", d.Samples.Level}} {
		for _, l := range part.lines {
			p("  %-14s%s\n", part.word, l)
		}
	}
	for _, l := range d.Loudest {
		if l.Findings > 1 {
			p("  %-14s%s: %s\n", "loudest", l.Group, plural(int64(l.Findings), "finding"))
		}
	}
	for _, row := range d.Preview {
		words := make([]string, len(row))
		for i, c := range row {
			words[i] = fmt.Sprintf("%d by %s", c.Alerts, c.By)
		}
		p("  suppress %-5s%s\n", row[0].For, plural(int64(d.Findings[1]), "finding")+" would be "+strings.Join(words, ", "))
	}
}
