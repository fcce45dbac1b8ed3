package detect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const withTests = `title: First
id: first
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
cairn:
  tests:
    - tests/first.yml
    - first.test.yml
    - {name: fires, steps: [{event: {eventName: A}}], expect: [{count: 1, level: medium}]}
    - {name: silent, steps: [{event: {eventName: B}}], expect: []}
---
title: Without an id
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: B}, condition: s}
cairn: {tests: [{name: wrong, steps: [{event: {eventName: B}}], expect: []}]}
`

// TestTestsThatARuleNames or holds are run, each once; a file need not be called
// a test to be named.
func TestTestsThatARuleNames(t *testing.T) {
	const file = "rule: first\ntests: [{name: NAME, steps: [{event: {eventName: A}}], expect: [{count: 1}]}]\n"
	report, err := RunTests(TestOptions{}, folder("iam/r.yml", withTests, "iam/first.test.yml", strings.Replace(file, "NAME", "beside", 1),
		"iam/tests/_x", "", "iam/tests/first.yml", "rule: first\n"))
	if err == nil {
		t.Errorf("a file of tests that is no rule lies among the rules, and %d tests run", len(report.Results))
	}
	report, err = RunTests(TestOptions{}, folder("iam/r.yml", strings.Replace(withTests, "tests/first.yml", "_tests/first.yml", 1),
		"iam/first.test.yml", strings.Replace(file, "NAME", "beside", 1), "iam/_tests/first.yml", strings.Replace(file, "NAME", "named", 1)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, r := range report.Results {
		if _, twice := got[r.Name]; twice {
			t.Errorf("%s ran twice", r.Name)
		}
		got[r.Name] = r.Passed
	}
	if diff := cmp.Diff(map[string]bool{"beside": true, "named": true, "fires": true, "silent": true, "wrong": false}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesInTestsOfARule(t *testing.T) {
	for text, want := range map[string]string{
		"none.test.yml":                   `r.yml: tests of "A": read none.test.yml: `,
		"{name: x, stepps: []}":           `r.yml: test 1 of "A": a test has name, at, steps, expect and assets: `,
		"{name: x, steps: [{every: 1x}]}": `r.yml: test "x": `,
	} {
		_, err := RunTests(TestOptions{}, folder("r.yml", small("a", "A")+"cairn: {tests: ["+text+"]}\n"))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
