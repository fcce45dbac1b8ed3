package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
)

type rulesCheckCmd struct {
	rulesArgs
	accountsFlag
	Strict  bool     `help:"Fail on warnings too."`
	History []string `help:"CloudTrail files, folders or s3:// prefixes from which to learn what records hold, so that rules that cannot fire are found (repeatable)." placeholder:"PATH"`
	Write   string   `help:"Save what rules in the old form were converted to in this folder." placeholder:"DIR"`
}

// Run loads the rules and tells what it took in and what it left out.
func (c *rulesCheckCmd) Run(e *env) error {
	sources, err := c.sources()
	if err != nil {
		return err
	}
	set, report, err := rule.Load(rule.Options{}, sources...)
	sinks, errSinks := alert.Load(alert.Options{Elsewhere: true}, sources...)
	if err := errors.Join(err, errSinks); err != nil {
		return e.eachLine(err, "the rules have mistakes")
	}
	report.Warnings = append(report.Warnings, sinks.Warnings...)
	if err := c.lint(e, set, report); err != nil {
		return err
	}
	if err := c.write(report); err != nil {
		return err
	}
	if report.Rules == 0 {
		return fmt.Errorf("no rules in %s: a rule is a .yml or .pattern.json file whose name does not begin with _ (%d documents are for other log sources)",
			strings.Join(c.Dirs, " "), len(report.Foreign))
	}
	if c.json() {
		if err := printJSON(e.out, report); err != nil {
			return err
		}
	} else if _, err := fmt.Fprint(e.out, report); err != nil {
		return err
	}
	if c.Strict && len(report.Warnings) > 0 {
		return fmt.Errorf("%s (--strict)", plural(int64(len(report.Warnings)), "warning"))
	}
	return nil
}

// lint adds what a look at the rules, and at a history, has to say.
func (c *rulesCheckCmd) lint(e *env, set *rule.Set, report *rule.Report) error {
	l := rule.NewLint(set)
	book, err := c.book(e)
	if err != nil {
		return err
	}
	if len(c.History) > 0 {
		err := eachEvent(e, c.History, func(event *cloudtrail.Event) error {
			l.Event(&rule.Input{Event: event, Actor: identity.Resolve(event), Account: book.Look(event.Account())})
			return nil
		})
		if err != nil {
			return err
		}
	}
	report.Warnings = append(report.Warnings, l.Warnings()...)
	return nil
}

// write saves the rules that were converted, under the names of their titles.
func (c *rulesCheckCmd) write(report *rule.Report) error {
	if c.Write == "" {
		return nil
	}
	if err := os.MkdirAll(c.Write, 0o755); err != nil {
		return fmt.Errorf("make the folder of --write: %w", err)
	}
	for i, text := range report.Converted {
		name := filepath.Join(c.Write, fmt.Sprintf("converted_%02d.yml", i+1))
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write a converted rule: %w", err)
		}
	}
	return nil
}

// eachLine prints the mistakes that an error joins, a line each, and returns
// one that sums them up.
func (e *env) eachLine(err error, what string) error {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if len(lines) == 1 {
		return err
	}
	for _, l := range lines {
		_, _ = fmt.Fprintln(e.err, l)
	}
	return fmt.Errorf("%s: %s, listed above", what, plural(int64(len(lines)), "error"))
}

type rulesListCmd struct{ rulesArgs }

// ruleLine is a rule in a list.
type ruleLine struct {
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Title    string   `json:"title"`
	Kind     string   `json:"kind"`
	Severity string   `json:"severity"`
	Tags     []string `json:"tags,omitempty"`
	Version  string   `json:"version"`
	Staged   bool     `json:"staged"`
	Silent   bool     `json:"silent,omitempty"` // only a part of correlations
	Origin   string   `json:"origin"`
}

// Run lists the rules, the most severe first.
func (c *rulesListCmd) Run(e *env) error {
	sources, err := c.sources()
	if err != nil {
		return err
	}
	set, _, err := rule.Load(rule.Options{}, sources...)
	if err != nil {
		return e.eachLine(err, "the rules have mistakes")
	}
	rules := slices.SortedFunc(slices.Values(set.Rules()), func(a, b *rule.Rule) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), strings.Compare(a.Title, b.Title))
	})
	lines := make([]ruleLine, 0, len(rules))
	for _, r := range rules {
		lines = append(lines, ruleLine{r.ID, r.Name, r.Title, r.Kind.String(), level(r), r.Tags, r.Version, r.Staged, r.Silent, r.Origin.String()})
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"rules": lines})
	}
	t := &table{head: []string{"SEVERITY", "KIND", "RULE", "TACTIC", "FILE"}, colour: severityIn(e, 0)}
	for _, l := range lines {
		if !l.Silent {
			t.add(l.Severity, l.Kind, l.Title, tactic(l.Tags), l.Origin)
		}
	}
	t.print(e.out)
	return nil
}

// level is the severity of a rule's findings.
func level(r *rule.Rule) string {
	if r.LevelOfScore {
		return "by score"
	}
	return r.Level.String()
}

// tactic is the first MITRE ATT&CK tactic among tags.
func tactic(tags []string) string {
	for _, t := range tags {
		name, ok := strings.CutPrefix(t, "attack.")
		if ok && !strings.HasPrefix(name, "t1") && !strings.HasPrefix(name, "t0") {
			return name
		}
	}
	return ""
}

type rulesTestCmd struct {
	rulesArgs
	accountsFlag
}

// Run runs the tests beside the rules.
func (c *rulesTestCmd) Run(e *env) error {
	sources, err := c.sources()
	if err != nil {
		return err
	}
	book, err := c.book(e)
	if err != nil {
		return err
	}
	report, err := detect.RunTests(detect.TestOptions{Accounts: book}, sources...)
	if err != nil {
		return e.eachLine(err, "the tests cannot be run")
	}
	failed := report.Failed()
	if c.json() {
		if err := printJSON(e.out, report); err != nil {
			return err
		}
	} else {
		printTests(e, report, failed)
	}
	if failed > 0 {
		return fmt.Errorf("%s failed", plural(int64(failed), "test"))
	}
	return nil
}

func printTests(e *env, report *detect.TestReport, failed int) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(e.out, format, args...) }
	for _, r := range report.Results {
		if !r.Passed {
			p("FAIL %s: %s\n     expected %s\n     found    %s\n", r.File, r.Name, r.Want, r.Got)
		}
	}
	for _, u := range report.Untested {
		p("note %s\n", u)
	}
	p("%d passed, %d failed\n", len(report.Results)-failed, failed)
}
