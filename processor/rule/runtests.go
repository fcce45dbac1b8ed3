package rule

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"

	"github.com/cairnstream/cairn/processor/cloudtrail"
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
	Rule  string         `yaml:"rule"`
	Base  map[string]any `yaml:"base"`
	Tests []struct {
		Name   string     `yaml:"name"`
		At     string     `yaml:"at"`
		Steps  []testStep `yaml:"steps"`
		Expect []expected `yaml:"expect"`
	} `yaml:"tests"`
}

type testStep struct {
	Event   map[string]any `yaml:"event"`
	Repeat  int            `yaml:"repeat"`
	Every   string         `yaml:"every"`
	Advance string         `yaml:"advance"`
	File    string         `yaml:"file"`
}

type expected struct {
	Count    int    `yaml:"count"`
	Level    string `yaml:"level"`
	Kind     string `yaml:"kind"`
	State    string `yaml:"state"`
	Contains string `yaml:"contains"`
}

// testStart is when the events of a test happen unless it says otherwise.
const testStart = "2026-03-01T10:00:00Z"

// RunTests runs the *.test.yml files of all sources against the rules in them.
func RunTests(opts Options, sources ...fs.FS) (*TestReport, error) {
	set, _, err := Load(opts, sources...)
	if err != nil {
		return nil, err
	}
	report := &TestReport{}
	fires, silent := map[string]bool{}, map[string]bool{}
	var problems []error
	for _, source := range sources {
		err := fs.WalkDir(source, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(name, ".test.yml") {
				return err
			}
			results, err := set.testFile(source, name)
			if err != nil {
				problems = append(problems, err)
			}
			report.Results = append(report.Results, results...)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read the tests: %w", err)
		}
	}
	for _, r := range report.Results {
		fires[r.Rule] = fires[r.Rule] || r.Fires
		silent[r.Rule] = silent[r.Rule] || !r.Fires
	}
	for _, r := range set.rules {
		if !fires[r.ID] {
			report.Untested = append(report.Untested, r.Title+" ("+r.Origin.String()+"): no test in which it fires")
		}
		if !silent[r.ID] {
			report.Untested = append(report.Untested, r.Title+" ("+r.Origin.String()+"): no test in which it stays silent")
		}
	}
	return report, errors.Join(problems...)
}

// testFile runs the tests of one file.
func (s *Set) testFile(source fs.FS, name string) ([]TestResult, error) {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var f testFile
	if err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict()); err != nil {
		return nil, syntaxError(name, err)
	}
	i := slices.IndexFunc(s.rules, func(r *Rule) bool { return r.ID == f.Rule || r.Name == f.Rule && r.Name != "" })
	if i < 0 {
		return nil, fmt.Errorf("%s: no rule has the id or name %q", name, f.Rule)
	}
	var results []TestResult
	for n := range f.Tests {
		t := &f.Tests[n]
		r := TestResult{File: name, Rule: s.rules[i].ID, Name: t.Name, Fires: len(t.Expect) > 0}
		events, err := testEvents(source, path.Dir(name), f.Base, t.At, t.Steps)
		if err != nil {
			return results, fmt.Errorf("%s: test %q: %w", name, t.Name, err)
		}
		r.judge(s, s.rules[i], events, t.Expect)
		results = append(results, r)
	}
	return results, nil
}

// judge compares what the rule found with what was expected. A rule of single
// events finds one thing in each event that it meets.
func (r *TestResult) judge(s *Set, rule *Rule, events []*cloudtrail.Event, want []expected) {
	m, found := s.Matcher(), 0
	for _, e := range events {
		if slices.Contains(m.Match(e), rule) {
			found++
		}
	}
	total := 0
	for _, w := range want {
		total += max(1, w.Count)
		if w.Level != "" && w.Level != rule.Level.String() || w.Kind != "" && w.Kind != "match" || w.State != "" && w.State != "open" ||
			!strings.Contains(rule.Title, w.Contains) {
			total = -1
			break
		}
	}
	r.Want = describe(want)
	r.Got = fmt.Sprintf("%d of level %s, kind match", found, rule.Level)
	r.Passed = total == found
}

func describe(want []expected) string {
	if len(want) == 0 {
		return "none"
	}
	var parts []string
	for _, w := range want {
		text := fmt.Sprint(max(1, w.Count))
		for _, p := range []struct{ name, value string }{{"level", w.Level}, {"kind", w.Kind}, {"state", w.State}, {"containing", w.Contains}} {
			if p.value != "" {
				text += " " + p.name + " " + p.value
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// testEvents makes the events of a test. What an event does not say comes from
// base; what neither says is filled in, the same on each run.
func testEvents(source fs.FS, dir string, base map[string]any, at string, steps []testStep) ([]*cloudtrail.Event, error) {
	now, err := time.Parse(time.RFC3339, cmp.Or(at, testStart))
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	var events []*cloudtrail.Event
	for _, s := range steps {
		if s.File != "" {
			more, err := fileEvents(source, path.Join(dir, s.File))
			if err != nil {
				return nil, err
			}
			events = append(events, more...)
			continue
		}
		pause, err := duration(cmp.Or(s.Every, s.Advance))
		if err != nil {
			return nil, err
		}
		if s.Event == nil {
			now = now.Add(pause)
			continue
		}
		for range max(1, s.Repeat) {
			e, err := testEvent(base, s.Event, now, len(events))
			if err != nil {
				return nil, err
			}
			events = append(events, e)
			now = now.Add(pause)
		}
	}
	return events, nil
}

func fileEvents(source fs.FS, name string) ([]*cloudtrail.Event, error) {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var d cloudtrail.Decoder
	records := d.Decode(data)
	if len(records.Rejects) > 0 {
		return nil, fmt.Errorf("%s: %s", name, records.Rejects[0].Reason)
	}
	var events []*cloudtrail.Event
	for i := range records.Events {
		events = append(events, &records.Events[i])
	}
	return events, nil
}

func testEvent(base, over map[string]any, at time.Time, n int) (*cloudtrail.Event, error) {
	record := overlay(base, over)
	for name, value := range map[string]any{
		"eventVersion": "1.11", "eventID": fmt.Sprintf("00000000-0000-4000-8000-%012x", n), "eventTime": at.UTC().Format(time.RFC3339),
		"recipientAccountId": "111122223333", "awsRegion": "us-east-1", "eventType": "AwsApiCall",
	} {
		if _, ok := record[name]; !ok {
			record[name] = value
		}
	}
	text, err := json.Marshal(record, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("make the event: %w", err)
	}
	return cloudtrail.Parse(text)
}

// overlay lays over upon base, member by member.
func overlay(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range over {
		below, isMap := out[name].(map[string]any)
		above, both := value.(map[string]any)
		if isMap && both {
			out[name] = overlay(below, above)
			continue
		}
		out[name] = value
	}
	return out
}
