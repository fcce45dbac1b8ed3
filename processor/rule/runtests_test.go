package rule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testsOfA = `rule: a
base: {eventName: A, requestParameters: {x: 1, y: 2}}
tests:
  - name: fires
    at: '2026-03-01T23:59:50Z'
    steps:
      - {event: {}, repeat: 3, every: 30s}
      - {advance: 1d}
      - {file: data/one.json}
    expect: [{count: 4, level: medium, kind: match, contains: Title}]
  - name: silent
    steps: [{event: {eventName: B}}]
    expect: []
  - name: wrong count
    steps: [{event: {}}]
    expect: [{count: 2}]
  - name: wrong level
    steps: [{event: {}}]
    expect: [{level: high}]
  - name: not silent
    steps: [{event: {}}]
    expect: []
`

func TestTestsBesideTheRules(t *testing.T) {
	report, err := RunTests(Options{}, folder("a.yml", small("a", "Title"), "a.test.yml", testsOfA,
		"data/one.json", `{"Records":[{"eventTime":"2026-03-01T10:00:00Z","eventName":"A"},{"eventTime":"2026-03-01T10:00:00Z","eventName":"B"}]}`,
		"b.yml", small("b", "Bare")))
	if err != nil {
		t.Fatal(err)
	}
	passed := map[string]bool{}
	for _, r := range report.Results {
		passed[r.Name] = r.Passed
	}
	want := map[string]bool{"fires": true, "silent": true, "wrong count": false, "wrong level": false, "not silent": false}
	if diff := cmp.Diff(want, passed); diff != "" || report.Failed() != 3 {
		t.Errorf("%d failed\n%s", report.Failed(), diff)
	}
	if r := report.Results[2]; r.Want != "2" || !strings.HasPrefix(r.Got, "1 of level medium") {
		t.Errorf("want %q, got %q", r.Want, r.Got)
	}
	if len(report.Untested) != 2 || !strings.Contains(report.Untested[0], "Bare (b.yml:1): no test in which it fires") {
		t.Errorf("untested: %q", report.Untested)
	}
}

func TestMistakesInTestsAreErrors(t *testing.T) {
	for text, want := range map[string]string{
		"rule: nobody\ntests: []":                                           `no rule has the id or name "nobody"`,
		"rule: a\ntests: [{name: n, steps: [{event: {}, evry: 3s}]}]":       "a.test.yml:2:",
		"rule: a\ntests: [{name: n, steps: [{event: {}, every: soon}]}]":    `"soon" is no duration`,
		"rule: a\ntests: [{name: n, at: noon, steps: [{event: {}}]}]":       "at: ",
		"rule: a\ntests: [{name: n, steps: [{file: gone.json}]}]":           "gone.json",
		"rule: a\ntests: [{name: n, steps: [{event: {eventTime: never}}]}]": `test "n"`,
	} {
		_, err := RunTests(Options{}, folder("a.yml", small("a", "A"), "a.test.yml", text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nthe error is %v, want %s", text, err, want)
		}
	}
}

// TestFilledInMembersAreTheSameOnEachRun, and those of the test win.
func TestFilledInMembersAreTheSameOnEachRun(t *testing.T) {
	steps := []testStep{{Event: map[string]any{"awsRegion": "eu-west-1"}, Repeat: 2, Every: "90s"}}
	var raw [2][]string
	for run := range raw {
		events, err := testEvents(folder(), ".", map[string]any{"eventName": "A"}, "", steps)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			raw[run] = append(raw[run], string(e.Raw))
		}
	}
	if diff := cmp.Diff(raw[0], raw[1]); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{`"eventTime":"2026-03-01T10:00:00Z"`, `"eventTime":"2026-03-01T10:01:30Z"`} {
		if !strings.Contains(raw[0][i], want) || !strings.Contains(raw[0][i], `"awsRegion":"eu-west-1"`) || !strings.Contains(raw[0][i], `"eventID":`) {
			t.Errorf("event %d is %s", i, raw[0][i])
		}
	}
}
