package detect

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	accounts "github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/rule"
)

// folder is a folder of files, given as names and contents in turn.
func folder(pairs ...string) fs.FS {
	out := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return out
}

func small(id, title string) string {
	return "title: " + title + "\nid: " + id + "\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: A}, condition: s}\n"
}

const testsOfA = `rule: a
base: {eventName: A, requestParameters: {x: 1, y: 2}}
tests:
  - name: fires
    at: '2026-03-01T23:59:50Z'
    steps:
      - {event: {}, repeat: 3, every: 30s}
      - {advance: 1d}
      - {event: {}}
      - {file: data/one.json}
    expect: [{count: 2, level: medium, kind: match, contains: Title}]
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

// TestTestsBesideTheRules: an alert holds back those of the next hour.
func TestTestsBesideTheRules(t *testing.T) {
	report, err := RunTests(TestOptions{}, folder("a.yml", small("a", "Title"), "a.test.yml", testsOfA,
		"data/one.json", `{"Records":[{"eventTime":"2026-03-03T00:30:00Z","eventName":"A","recipientAccountId":"111122223333"},{"eventTime":"2026-03-03T00:30:00Z","eventName":"B"}]}`,
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
		t.Errorf("%d failed\n%s\n%+v", report.Failed(), diff, report.Results)
	}
	if r := report.Results[2]; r.Want != "2" || !strings.HasPrefix(r.Got, "1\n") || !strings.Contains(r.Got, "level medium, kind match, state open") {
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
		_, err := RunTests(TestOptions{}, folder("a.yml", small("a", "A"), "a.test.yml", text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nthe error is %v, want %s", text, err, want)
		}
	}
}

// TestTestsBringListsAndAssets: lists of the test come before those of the
// folder, assets stand for what an event touches.
func TestTestsBringListsAndAssets(t *testing.T) {
	text := `title: T
id: t
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A, userIdentity.userName|expand: '%leavers%'}, condition: s}
cairn: {asset: {s: {resource.encrypted: false}, condition: s}}
`
	tests := `rule: t
lists: {leavers: [ann]}
base: {eventName: A, userIdentity: {userName: ann}}
tests:
  - name: of the list, and a plain one
    assets: [{resource.encrypted: 'false', resource.key: k1}, {resource.encrypted: 'true', resource.key: k2}]
    steps: [{event: {}}]
    expect: [{kind: resource, resource: k1}]
  - name: another name
    assets: [{resource.encrypted: 'false'}]
    steps: [{event: {userIdentity: {userName: bob}}}]
    expect: []
`
	report, err := RunTests(TestOptions{}, folder("t.yml", text, "t.test.yml", tests, "_lists/leavers.txt", "bob\n"))
	if err != nil || report.Failed() != 0 || len(report.Untested) != 0 {
		t.Errorf("%v: %+v", err, report)
	}
}

// TestRegressionData is the second form of tests, which counts matches.
func TestRegressionData(t *testing.T) {
	info := "rule_metadata: [{id: a, title: A}]\nregression_tests_info: [{name: Positive, type: TYPE, provider: x, match_count: 2, path: regression/a/e.json}]\n"
	events := `{"Records":[{"eventTime":"2026-03-03T00:30:00Z","eventName":"A"},{"eventTime":"2026-03-03T00:30:01Z","eventName":"A"}]}`
	files := func(kind string) fs.FS {
		return folder("rules/a.yml", small("a", "A"), "regression/a/info.yml", strings.Replace(info, "TYPE", kind, 1), "regression/a/e.json", events)
	}
	report, err := RunTests(TestOptions{}, files("json"))
	if err != nil || len(report.Results) != 1 || !report.Results[0].Passed {
		t.Errorf("%v: %+v", err, report)
	}
	if _, err := RunTests(TestOptions{}, files("evtx")); err == nil || !strings.Contains(err.Error(), `has the type "evtx"`) {
		t.Errorf("the error is %v", err)
	}
}

// TestFilledInMembersAreTheSameOnEachRun, and those of the test win.
func TestFilledInMembersAreTheSameOnEachRun(t *testing.T) {
	over := map[string]any{"awsRegion": "eu-west-1"}
	one, err := testEvent(map[string]any{"eventName": "A"}, over, testStart, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := testEvent(map[string]any{"eventName": "A"}, over, testStart, 1)
	if string(one.Raw) != string(again.Raw) || !strings.Contains(string(one.Raw), `"awsRegion":"eu-west-1"`) ||
		!strings.Contains(string(one.Raw), `"eventTime":"2026-03-01T10:00:00Z"`) || one.ID != "00000000-0000-4000-8000-000000000001" {
		t.Errorf("%s\n%s", one.Raw, again.Raw)
	}
}

// TestTheExamplesPassTheirTests runs those of the rules' folder of examples.
func TestTheExamplesPassTheirTests(t *testing.T) {
	report, err := RunTests(TestOptions{}, examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if !r.Passed {
			t.Errorf("%s: %s: want %s, got %s", r.File, r.Name, r.Want, r.Got)
		}
	}
	if len(report.Untested) != 0 || len(report.Results) < 35 {
		t.Errorf("%d tests, untested %q", len(report.Results), report.Untested)
	}
}

const prodOnly = `title: Prod only
id: prod
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A, account.environment: prod}, condition: s}
`

// TestTestsKnowAccounts: from the accounts file, or from the test's own.
func TestTestsKnowAccounts(t *testing.T) {
	tests := func(own string) string {
		return "rule: prod\n" + own + `tests:
  - name: fires
    steps: [{event: {eventName: A}}]
    expect: [{count: 1}]
  - name: silent
    steps: [{event: {eventName: A, recipientAccountId: '444455556666'}}]
    expect: []
`
	}
	book := accounts.New(map[string]rule.Account{"111122223333": {Environment: "prod"}})
	other := accounts.New(map[string]rule.Account{"444455556666": {Environment: "prod"}})
	own := "accounts: {'111122223333': {alias: shop, environment: prod}}\n"
	for _, c := range []struct {
		book   *accounts.Book
		tests  string
		failed int
	}{{book, "", 0}, {nil, "", 1}, {nil, own, 0}, {other, own, 0}, {other, "", 2}} {
		report, err := RunTests(TestOptions{Accounts: c.book}, folder("p.yml", prodOnly, "p.test.yml", tests(c.tests)))
		if err != nil || report.Failed() != c.failed {
			t.Errorf("%q: %v, %+v", c.tests, err, report)
		}
	}
}
