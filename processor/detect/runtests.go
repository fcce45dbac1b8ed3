package detect

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/cairnstream/cairn/export/yamlat"
	accounts "github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
)

// TestResult is the outcome of one test beside a rule.
type TestResult struct {
	File, Rule, Name string
	Passed           bool
	Want, Got        string // in words
	Fires            bool   // the test expects a finding
}

// TestReport is the outcome of all tests of a folder.
type TestReport struct {
	Results []TestResult
	// Untested are rules that lack a test that fires, or one that does not.
	Untested []string
}

// Failed counts the tests that did not pass.
func (r *TestReport) Failed() (n int) {
	for _, t := range r.Results {
		if !t.Passed {
			n++
		}
	}
	return n
}

// testFile is a file <rule>.test.yml.
type testFile struct {
	Rule  string              `yaml:"rule"`
	Base  map[string]any      `yaml:"base"`
	Lists map[string][]string `yaml:"lists"`
	Tests []testCase          `yaml:"tests"`
	// Accounts, by their ids, take the place of the accounts file.
	Accounts map[string]rule.Account `yaml:"accounts"`

	// The second form, of regression data beside published rules.
	Metadata   []struct{ ID string }  `yaml:"rule_metadata"`
	Regression []regression           `yaml:"regression_tests_info"`
	Rest       map[string]interface{} `yaml:",inline"`
}

type testCase struct {
	Name   string              `yaml:"name"`
	At     string              `yaml:"at"`
	Steps  []testStep          `yaml:"steps"`
	Expect []expected          `yaml:"expect"`
	Assets []map[string]string `yaml:"assets"`
}

type testStep struct {
	Event   map[string]any `yaml:"event"`
	Repeat  int            `yaml:"repeat"`
	Every   string         `yaml:"every"`
	Advance string         `yaml:"advance"`
	File    string         `yaml:"file"`
}

type expected struct {
	Count    int               `yaml:"count"`
	Group    map[string]string `yaml:"group"`
	Level    string            `yaml:"level"`
	Kind     string            `yaml:"kind"`
	State    string            `yaml:"state"`
	Resource string            `yaml:"resource"`
	Contains string            `yaml:"contains"`
}

// TestOptions are what tests of rules know beside their files.
type TestOptions struct {
	rule.Options
	Accounts *accounts.Book // nil: nothing is known of accounts
}

// RunTests loads the rules of all sources, and runs the *.test.yml and info.yml
// files in them.
func RunTests(opts TestOptions, sources ...fs.FS) (*TestReport, error) {
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		return nil, fmt.Errorf("load the catalogue: %w", err)
	}
	run := &testRun{opts: opts, sources: sources, catalogue: catalogue, report: &TestReport{}}
	if run.set, _, err = rule.Load(opts.Options, sources...); err != nil {
		return nil, err
	}
	for _, source := range sources {
		run.done = map[string]bool{}
		if err := fs.WalkDir(source, ".", run.visit(source)); err != nil {
			return nil, fmt.Errorf("read the tests: %w", err)
		}
	}
	run.untested()
	return run.report, errors.Join(run.problems...)
}

// testRun is a run of all tests.
type testRun struct {
	opts      TestOptions
	sources   []fs.FS
	set       *rule.Set
	catalogue *resource.Catalogue
	report    *TestReport
	problems  []error
	done      map[string]bool // files of the source in hand
}

func (t *testRun) visit(source fs.FS) fs.WalkDirFunc {
	return func(name string, e fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case name != "." && (base[0] == '_' || base[0] == '.'):
			if e.IsDir() {
				return fs.SkipDir
			}
		case !e.IsDir() && (strings.HasSuffix(name, ".test.yml") || strings.HasSuffix(name, ".test.yaml") || base == "info.yml"):
			t.note(t.once(source, name))
		case !e.IsDir() && (strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml")):
			t.note(t.inRule(source, name))
		}
		return nil
	}
}

func (t *testRun) note(results []TestResult, err error) {
	if err != nil {
		t.problems = append(t.problems, err)
	}
	t.report.Results = append(t.report.Results, results...)
}

// untested names the rules that lack a test.
func (t *testRun) untested() {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, r := range t.report.Results {
		fires[r.Rule] = fires[r.Rule] || r.Fires
		silent[r.Rule] = silent[r.Rule] || !r.Fires
	}
	for _, r := range t.set.Rules() {
		if r.Silent {
			continue
		}
		if !fires[r.ID] {
			t.report.Untested = append(t.report.Untested, r.Title+" ("+r.Origin.String()+"): no test in which it fires")
		}
		if !silent[r.ID] {
			t.report.Untested = append(t.report.Untested, r.Title+" ("+r.Origin.String()+"): no test in which it stays silent")
		}
	}
}

// file runs the tests of one file.
func (t *testRun) file(source fs.FS, name string) ([]TestResult, error) {
	data, err := fs.ReadFile(source, name)
	shown := yamlat.Shown(source, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, err)
	}
	var f testFile
	if err := yaml.UnmarshalWithOptions(data, &f); err != nil {
		return nil, yamlat.SyntaxError(shown, err)
	}
	if f.Regression != nil {
		return t.regression(source, name, &f)
	}
	if path.Base(name) == "info.yml" {
		return nil, nil // a rule, or nothing of ours
	}
	var strict strictFile
	if err := yaml.UnmarshalWithOptions(data, &strict, yaml.Strict()); err != nil {
		return nil, yamlat.SyntaxError(shown, err)
	}
	set, err := t.withLists(f.Lists)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	r := find(set, f.Rule)
	if r == nil {
		return nil, fmt.Errorf("%s: no rule has the id or name %q", shown, f.Rule)
	}
	var results []TestResult
	book := t.opts.Accounts
	if len(f.Accounts) > 0 {
		book = accounts.New(f.Accounts)
	}
	for n := range f.Tests {
		c := &f.Tests[n]
		result := TestResult{File: name, Rule: r.ID, Name: c.Name, Fires: len(c.Expect) > 0}
		found, err := t.found(set, r, book, source, path.Dir(name), f.Base, c)
		if err != nil {
			return results, fmt.Errorf("%s: test %q: %w", name, c.Name, err)
		}
		result.judge(found, c.Expect)
		results = append(results, result)
	}
	return results, nil
}

// strictFile is a test file of our own form, whose keys are all known.
type strictFile struct {
	Rule  string              `yaml:"rule"`
	Base  map[string]any      `yaml:"base"`
	Lists map[string][]string `yaml:"lists"`
	Tests []testCase          `yaml:"tests"`

	Accounts map[string]rule.Account `yaml:"accounts"`
}

func find(set *rule.Set, ref string) *rule.Rule {
	for _, r := range set.Rules() {
		if r.ID == ref || r.Name == ref && ref != "" {
			return r
		}
	}
	return nil
}

// withLists is the set with other lists in place of those of the folders.
func (t *testRun) withLists(lists map[string][]string) (*rule.Set, error) {
	if len(lists) == 0 {
		return t.set, nil
	}
	opts := t.opts.Options
	opts.Override = lists
	set, _, err := rule.Load(opts, t.sources...)
	return set, err
}

// found is what a rule finds in a test, but for what is held back.
func (t *testRun) found(set *rule.Set, r *rule.Rule, book *accounts.Book, source fs.FS, dir string, base map[string]any, c *testCase) (found []Finding, err error) {
	s, err := Simulate(set, t.catalogue.WithAccounts(book))
	if err != nil {
		return nil, err
	}
	s.Accounts = book
	defer func() { err = errors.Join(err, s.Close()) }()
	for i, asset := range c.Assets {
		s.Assets = append(s.Assets, Touched{Key: cmp.Or(asset["resource.key"], fmt.Sprint("asset-", i)), After: assetFields(asset)})
	}
	player := &player{source: source, dir: dir, base: base, now: testStart}
	if c.At != "" {
		if player.now, err = time.Parse(time.RFC3339, c.At); err != nil {
			return nil, fmt.Errorf("at: %w", err)
		}
	}
	yield := func(f *Finding) {
		if f.Rule == r && f.SuppressedBy == "" && (f.Step == Start || f.Resolved) {
			found = append(found, *f)
		}
	}
	for i := range c.Steps {
		if err := player.step(s, &c.Steps[i], yield); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func assetFields(fields map[string]string) rule.Resource {
	return func(path string) []string {
		if text, ok := fields[path]; ok {
			return []string{text}
		}
		return nil
	}
}

// judge compares what was found with what was expected: each finding has to be
// expected, and each expectation to be met.
func (r *TestResult) judge(found []Finding, want []expected) {
	left := make([]*Finding, len(found))
	for i := range found {
		left[i] = &found[i]
	}
	met := true
	for i := range want {
		for range max(1, want[i].Count) {
			n := slices.IndexFunc(left, want[i].fits)
			if n < 0 {
				met = false
				break
			}
			left = slices.Delete(left, n, n+1)
		}
	}
	r.Want, r.Passed = describe(want), met && len(left) == 0
	r.Got = "none"
	if len(found) > 0 {
		r.Got = fmt.Sprint(len(found))
		for i := range found[:min(len(found), 3)] {
			f := &found[i]
			r.Got += fmt.Sprintf("\n               level %s, kind %s, state %s, group %v: %s", f.Level, f.Rule.Kind, f.state(), f.Group, f.Summary)
		}
	}
}

func (f *Finding) state() string {
	if f.Resolved {
		return "resolved"
	}
	return "open"
}

// fits tells whether a finding is an expected one.
func (w *expected) fits(f *Finding) bool {
	for name, value := range w.Group {
		if !slices.Contains(f.Group, Pair{name, value}) {
			return false
		}
	}
	resource := w.Resource == "" || slices.ContainsFunc(f.Resources, func(k string) bool { return strings.Contains(k, w.Resource) })
	return resource && (w.Level == "" || w.Level == f.Level.String()) && (w.Kind == "" || w.Kind == f.Rule.Kind.String()) &&
		cmp.Or(w.State, f.state()) == f.state() && strings.Contains(f.Summary, w.Contains)
}

func describe(want []expected) string {
	if len(want) == 0 {
		return "none"
	}
	var parts []string
	for _, w := range want {
		text := fmt.Sprint(max(1, w.Count))
		for _, p := range []struct{ name, value string }{{"level", w.Level}, {"kind", w.Kind}, {"state", w.State}, {"of resource", w.Resource}, {"containing", w.Contains}} {
			if p.value != "" {
				text += " " + p.name + " " + p.value
			}
		}
		for _, name := range sortedKeys(w.Group) {
			text += " with " + name + " " + w.Group[name]
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
