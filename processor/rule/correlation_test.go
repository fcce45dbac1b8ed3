package rule

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/window"
)

// loaded is the set of one file, by id.
func loaded(t *testing.T, text string) (map[string]*Rule, *Report) {
	t.Helper()
	set, report, err := Load(Options{}, folder("r.yml", text))
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]*Rule{}
	for _, r := range set.Rules() {
		rules[r.ID] = r
	}
	return rules, report
}

func TestTheExamplesLoad(t *testing.T) {
	set, report, err := Load(Options{}, os.DirFS("testdata/examples"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range set.Rules() {
		kinds[r.Kind.String()]++
	}
	// the 22 documents of the examples, and the selection of the one in the old form, whose document became a correlation
	want := map[string]int{"match": 14, "correlation": 6, "first_seen": 1, "baseline": 1, "resource": 2}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if len(report.Silenced) != 8 || len(report.Warnings) != 0 || len(report.Converted) != 1 || report.Patterns != 1 || len(report.Lists) != 2 {
		t.Errorf("the report is\n%s", report)
	}
}

const twoParts = `{title: A, id: a, name: first, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: A}, condition: s}}
---
{title: B, id: b, name: second, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: B}, condition: s}}
---
`

func TestACorrelationInAllItsParts(t *testing.T) {
	rules, report := loaded(t, twoParts+`
title: C
id: c
level: high
correlation:
  type: temporal_ordered
  rules: [first, b]
  timespan: 30m
  group-by: [key, awsRegion]
  aliases: {key: {first: responseElements.credentials.accessKeyId, b: userIdentity.accessKeyId}}
cairn: {lateness: 2h, suppress: {for: 1d}}
`)
	c := rules["c"]
	want := &window.Spec{ID: "c", Version: c.Version, Type: window.TemporalOrdered,
		Rules:    []window.Reference{{ID: "a", Name: "first"}, {ID: "b", Name: "b"}},
		Timespan: 30 * time.Minute, GroupBy: []string{"key", "awsRegion"}, Lateness: 2 * time.Hour,
		Aliases:  map[string]map[string]string{"key": {"first": "responseElements.credentials.accessKeyId", "b": "userIdentity.accessKeyId"}},
		Suppress: window.Suppress{For: 24 * time.Hour}}
	if diff := cmp.Diff(want, c.Correlation); diff != "" {
		t.Error(diff)
	}
	if c.Kind != KindCorrelation || c.Level != High || len(c.Parts) != 2 || c.Parts[0].Rule != rules["a"] || c.Silent || !rules["a"].Silent || !rules["b"].Silent {
		t.Errorf("the rule is %+v", c)
	}
	keys := []string{c.Parts[0].Keys[0].String(), c.Parts[1].Keys[0].String(), c.Parts[1].Keys[1].String()}
	if diff := cmp.Diff([]string{"responseElements.credentials.accessKeyId", "userIdentity.accessKeyId", "awsRegion"}, keys); diff != "" {
		t.Error(diff)
	}
	if len(report.Silenced) != 2 || report.Rules != 2 || report.Correlations != 1 {
		t.Errorf("the report is\n%s", report)
	}
}

func TestConditionsOfCorrelations(t *testing.T) {
	for text, want := range map[string]window.Condition{
		"type: event_count, condition: {gte: 3}":                                        {Bounds: []window.Bound{{Op: window.GTE, Value: 3}}},
		"type: event_count, condition: {lte: 9, gt: 3}":                                 {Bounds: []window.Bound{{Op: window.GT, Value: 3}, {Op: window.LTE, Value: 9}}},
		"type: value_count, condition: {field: userAgent, eq: 3}":                       {Bounds: []window.Bound{{Op: window.EQ, Value: 3}}, Fields: []string{"userAgent"}},
		"type: value_count, condition: {field: [userAgent, awsRegion], neq: 3}":         {Bounds: []window.Bound{{Op: window.NEQ, Value: 3}}, Fields: []string{"userAgent", "awsRegion"}},
		"type: value_sum, condition: {field: requestParameters.size, gt: 1.5}":          {Bounds: []window.Bound{{Op: window.GT, Value: 1.5}}, Fields: []string{"requestParameters.size"}},
		"type: value_avg, condition: {field: requestParameters.size, lt: 2}":            {Bounds: []window.Bound{{Op: window.LT, Value: 2}}, Fields: []string{"requestParameters.size"}},
		"type: value_percentile, condition: {field: a, percentile: 99, gt: 2}":          {Bounds: []window.Bound{{Op: window.GT, Value: 2}}, Fields: []string{"a"}, Percentile: 99},
		"type: value_percentile, condition: {field: a, gt: 2}":                          {Bounds: []window.Bound{{Op: window.GT, Value: 2}}, Fields: []string{"a"}, Percentile: 50},
		"type: temporal, condition: {gte: 1}":                                           {Bounds: []window.Bound{{Op: window.GTE, Value: 1}}},
		"type: temporal":                                                                {},
		"type: absence":                                                                 {},
		"type: temporal, condition: first or second":                                    {When: &window.Expr{Op: window.Or, Args: []*window.Expr{{Rule: 0}, {Rule: 1}}}},
		"type: temporal_ordered, condition: first and not B, rules: [first, B]":         {When: &window.Expr{Op: window.And, Args: []*window.Expr{{Rule: 0}, {Op: window.Not, Args: []*window.Expr{{Rule: 1}}}}}},
		"type: temporal_ordered, condition: first and not second, rules: [first, b]":    {When: &window.Expr{Op: window.And, Args: []*window.Expr{{Rule: 0}, {Op: window.Not, Args: []*window.Expr{{Rule: 1}}}}}},
		"type: temporal_ordered, rules: [second, a], condition: {gte: 2}, generate: no": {Bounds: []window.Bound{{Op: window.GTE, Value: 2}}},
	} {
		if !strings.Contains(text, "rules:") {
			text += ", rules: [first, second]"
		}
		text = strings.TrimSuffix(text, ", generate: no")
		rules, _ := loaded(t, twoParts+"{title: C, id: c, correlation: {"+text+", timespan: 5m, group-by: [awsRegion]}}\n")
		if diff := cmp.Diff(want, rules["c"].Correlation.Condition); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
}

const counted = "correlation: {type: event_count, rules: [first], timespan: 1h, group-by: [awsRegion], condition: {gte: 3}}\n"

func TestChainsAndWhoStaysSilent(t *testing.T) {
	rules, report := loaded(t, twoParts+"title: C\nid: c\nname: burst\n"+counted+
		"---\ntitle: D\nid: d\ncorrelation: {type: temporal, rules: [burst, second], timespan: 1h, group-by: [awsRegion], generate: true}\n")
	if got := rules["d"].Parts[0].Rule; got != rules["c"] {
		t.Errorf("the chain leads to %v", got)
	}
	if rules["c"].Silent || rules["b"].Silent || !rules["a"].Silent {
		t.Errorf("silent: a %t, b %t, c %t; only a is a part without generate", rules["a"].Silent, rules["b"].Silent, rules["c"].Silent)
	}
	if len(report.Silenced) != 1 || !strings.Contains(report.Silenced[0], "A (r.yml:1): a part of C") {
		t.Errorf("silenced: %q", report.Silenced)
	}
}

// TestReferencesReachThroughFilesAndFolders: by name, by id, and by title with
// a warning.
func TestReferencesReachThroughFilesAndFolders(t *testing.T) {
	outer := "title: C\nid: c\ncorrelation: {type: temporal, rules: [first, B], timespan: 1h, group-by: [awsRegion]}\n"
	set, report, err := Load(Options{}, folder("a/c.yml", outer, "z.yml", small("b", "B")), folder("a.yml", "name: first\n"+small("a", "A")))
	if err != nil {
		t.Fatal(err)
	}
	c := set.Rules()[2]
	if c.ID != "c" || c.Parts[0].Rule.ID != "a" || c.Parts[1].Rule.ID != "b" {
		t.Errorf("the parts are %v", c.Parts)
	}
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], `a/c.yml:3:46: "B" is referred to by its title`) {
		t.Errorf("the warnings are %q", report.Warnings)
	}
}

// TestRulesForOtherSourcesTakeTheirCorrelationsAlong, and their filters.
func TestRulesForOtherSourcesTakeTheirCorrelationsAlong(t *testing.T) {
	windows := strings.Replace(small("w", "W"), "product: aws, service: cloudtrail", "product: windows, category: process_creation", 1) + "---\n"
	rules, report := loaded(t, windows+twoParts+"title: C\nid: c\nname: inner\n"+strings.Replace(counted, "[first]", "[first, w]", 1)+
		"---\ntitle: D\nid: d\n"+strings.Replace(counted, "[first]", "[inner]", 1)+
		"---\ntitle: F\nid: f\nlogsource: {product: aws, service: cloudtrail}\nfilter: {rules: [w, first], s: {userAgent: x}, condition: s}\n")
	if len(rules) != 2 || rules["a"].Silent || len(report.Foreign) != 3 || report.Correlations != 0 || report.Filters != 1 {
		t.Errorf("%d rules\n%s", len(rules), report)
	}
}

// TestVersionsOfCorrelations follow their parts and what decides, not what is
// told.
func TestVersionsOfCorrelations(t *testing.T) {
	version := func(old, new string) string {
		rules, _ := loaded(t, strings.Replace(twoParts+"title: C\nid: c\n"+counted, old, new, 1))
		return rules["c"].Version
	}
	first := version("", "")
	for _, same := range [][2]string{{"title: C", "level: high\ntitle: Other"}, {"title: A", "title: A1"}, {"title: C", "description: d\ntitle: C"}} {
		if got := version(same[0], same[1]); got != first {
			t.Errorf("%v: the version changes", same)
		}
	}
	for _, other := range [][2]string{{"eventName: A", "eventName: X"}, {"1h", "2h"}, {"awsRegion", "userAgent"}, {"gte: 3", "gte: 4"}, {"gte", "gt"},
		{"[first]", "[first, second]"}} {
		if got := version(other[0], other[1]); got == first || len(got) != 12 {
			t.Errorf("%v: the version stays", other)
		}
	}
}

func TestSuppressionsAndTheirDefaults(t *testing.T) {
	event := small("a", "A")
	for text, want := range map[string]string{
		event:                             "1h by actor.root, event.outcome",
		event + "cairn: {suppress: 10m}":  "10m by actor.root, event.outcome",
		event + "cairn: {suppress: none}": "none",
		event + "cairn: {suppress: {for: 2d, by: [awsRegion, userAgent]}}":                      "2d by awsRegion, userAgent",
		event + "cairn: {first_seen: {fields: awsRegion}}":                                      "none",
		event + "cairn: {baseline: {by: awsRegion}}":                                            "none",
		event + "cairn: {first_seen: {fields: awsRegion}, suppress: 90s}":                       "90s by actor.root, event.outcome",
		event + "cairn: {suppress: {for: 10m, by: actor.root}}":                                 "10m by actor.root",
		event + "cairn: {asset: {s: {resource.encrypted: false}, condition: s}, suppress: 10m}": "10m by actor.root",
		event + "cairn: {asset: {s: {resource.encrypted: false}, condition: s}}":                "none",
		twoParts + "title: C\nid: a0\n" + counted:                                               "1h by group",
	} {
		set := compileOne(t, text)
		r := set.Rules()[0]
		for _, other := range set.Rules() {
			if other.Kind == KindCorrelation {
				r = other
			}
		}
		if got := r.Suppress.String(); got != want {
			t.Errorf("%s\n%s, want %s", text, got, want)
		}
	}
}

// TestTheHashOfASetFollowsWhatIsFound, the version only what decides.
func TestTheHashOfASetFollowsWhatIsFound(t *testing.T) {
	first := compileOne(t, small("a", "A"))
	for _, more := range []string{"level: high", "cairn: {suppress: 2h}", "cairn: {staging: true}", "cairn: {severity: {raise_when: s}}"} {
		other := compileOne(t, small("a", "A")+more)
		if other.Hash() == first.Hash() || other.Rules()[0].Version != first.Rules()[0].Version {
			t.Errorf("%s: hash %s, version %s", more, other.Hash(), other.Rules()[0].Version)
		}
	}
	if again := compileOne(t, "description: d\n"+small("a", "B")); again.Hash() != first.Hash() {
		t.Error("the hash follows a title")
	}
}

func TestModels(t *testing.T) {
	rules, _ := loaded(t, small("a", "A")+`level: high
cairn:
  first_seen: {fields: [userIdentity.arn, awsRegion], history: 90d, min_history: 14d}
---
`+small("b", "B")+`
cairn:
  baseline:
    statistic: distinct
    field: requestParameters.bucketName
    by: [actor.root, awsRegion]
    window: 10m
    half_life: 7d
    season: day
    timezone: Europe/Berlin
    threshold: {budget: 12/h}
    min_count: 3
    min_ratio: 1.5
    direction: both
    cold_start: silent
    exclude: [{start: '2026-03-01', end: '2026-03-02T12:00:00+01:00', alert: true}, {cron: '0 2 * * *', duration: 1h}]
    model: count
    max_keys: 10
  severity: {raise_when: s}
`)
	wantSeen := &baseline.FirstSeenSpec{Fields: []string{"userIdentity.arn", "awsRegion"}, History: 90 * 24 * time.Hour, MinHistory: 14 * 24 * time.Hour}
	if diff := cmp.Diff(wantSeen, rules["a"].FirstSeen); diff != "" {
		t.Error(diff)
	}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	want := &baseline.Spec{Statistic: baseline.Distinct, Field: "requestParameters.bucketName", By: []string{"actor.root", "awsRegion"}, Window: 10 * time.Minute,
		HalfLife: 7 * 24 * time.Hour, Season: baseline.Day, Timezone: "Europe/Berlin", Threshold: baseline.Threshold{Kind: baseline.ByBudget, Value: 288},
		MinCount: 3, MinRatio: 1.5, Direction: baseline.Both, ColdStart: baseline.Silent, Model: baseline.CountModel, MaxKeys: 10,
		Exclude: []baseline.Exclude{{Start: day, End: day.Add(35 * time.Hour), Alert: true}, {Cron: "0 2 * * *", Duration: time.Hour}}}
	if diff := cmp.Diff(want, rules["b"].Baseline); diff != "" {
		t.Error(diff)
	}
	if rules["a"].LevelOfScore || rules["a"].Level != High || !rules["b"].LevelOfScore || rules["b"].Value.String() != "requestParameters.bucketName" {
		t.Errorf("a %+v, b %+v", rules["a"], rules["b"])
	}
}

// TestModelsKeepTheirStateUnderAnotherThreshold, and lose it under another key.
func TestModelsKeepTheirStateUnderAnotherThreshold(t *testing.T) {
	version := func(more string) string {
		return compileOne(t, small("a", "A")+"cairn: {baseline: {by: [awsRegion]"+more+"}}").Rules()[0].Version
	}
	first := version("")
	if version(", threshold: {score: 6}") != first || version(", min_count: 9") != first || version(", statistic: count") != first {
		t.Error("the version follows what decides nothing about the state")
	}
	if version(", window: 10m") == first || version(", statistic: error_count") == first || compileOne(t, small("a", "A")).Rules()[0].Version == first {
		t.Error("the version does not follow what is learned")
	}
}

func TestFiltersTakeOut(t *testing.T) {
	text := small("a", "A") + "---\n" + strings.ReplaceAll(small("b", "B"), "eventName: A", "eventName: [A, B]") + `---
title: F
id: f
logsource: {product: aws, service: cloudtrail}
filter:
  rules: %s
  robots: {userAgent|startswith: robot}
  condition: robots
`
	for rules, want := range map[string]string{"[a]": "b", "any": "", "[A, b]": "", "B": "a"} {
		set, report, err := Load(Options{}, folder("r.yml", strings.Replace(text, "%s", rules, 1)))
		if err != nil {
			t.Fatal(err)
		}
		m := set.Matcher()
		got := ""
		for _, r := range m.Match(event(t, `{"eventName":"A","userAgent":"robot 1"}`)) {
			got += r.ID
		}
		if person := len(m.Match(event(t, `{"eventName":"A","userAgent":"x"}`))); got != want || person != 2 || report.Filters != 1 || len(set.Rules()) != 2 {
			t.Errorf("%s: robots meet %q, want %q; others meet %d rules", rules, got, want, person)
		}
	}
}

// TestDerivedFields: the actor and the account are fields like any other.
func TestDerivedFields(t *testing.T) {
	in := &Input{Event: event(t, `{"eventName":"A","userIdentity":{"arn":"arn:x"},"requestParameters":{"u":["a","b","a"]}}`),
		Actor:   identity.Actor{Root: "arn:x", Role: "arn:role", Session: "s", Complete: true},
		Account: Account{Alias: "prod", Environment: "live"}}
	for selection, want := range map[string]int{
		"actor.root: ARN:X": 1, "actor.root|fieldref: userIdentity.arn": 1, "userIdentity.arn|fieldref: actor.root": 1, "actor.role|contains: role": 1,
		"actor.session: t": 0, "actor.complete: true": 1, "actor.complete: 'false'": 0, "account.alias: prod": 1, "account.owner: null": 1,
		"event.outcome: success": 1, "event.outcome: failure": 0,
		"account.owner|exists: true": 0, "account.environment|exists: true": 1, "account.environment|neq: test": 1, "resource.type: x": 0, "resource.type: null": 1,
	} {
		set := compileOne(t, selectionRule(selection))
		if got := len(set.Matcher().Judge(in)); got != want {
			t.Errorf("%s: %d matches, want %d", selection, got, want)
		}
	}
	p := newPath("requestParameters.u")
	if diff := cmp.Diff([]string{"a", "b"}, p.AppendTexts(nil, in, 16)); diff != "" {
		t.Error(diff)
	}
	if got := p.AppendTexts([]string{"b"}, in, 1); len(got) != 2 || got[1] != "a" {
		t.Errorf("one of two values: %q", got)
	}
	missing := newPath("requestParameters.v")
	if _, ok := missing.Text(in); ok {
		t.Error("a value of nothing")
	}
	root := newPath("actor.root")
	if text, ok := root.Text(in); !ok || text != "arn:x" {
		t.Errorf("actor.root is %q", text)
	}
}

// TestOutcomes: a refused call has a code, a failed sign-in only a message.
func TestOutcomes(t *testing.T) {
	path := newPath("event.outcome")
	for text, want := range map[string]string{
		`{"eventName":"A"}`: "success",
		`{"eventName":"A","errorCode":null,"errorMessage":null}`:                                                            "success",
		`{"eventName":"A","errorCode":"Client.DryRunOperation"}`:                                                            "failure",
		`{"eventName":"ConsoleLogin","errorMessage":"Failed authentication","responseElements":{"ConsoleLogin":"Failure"}}`: "failure",
	} {
		if got, _ := path.Text(&Input{Event: event(t, text)}); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if bad := badPath("event.result", overEvents); bad != "" {
		t.Errorf("a record may have a member of the name event: %s", bad)
	}
	if badPath("event.outcome", overResources) == "" {
		t.Error("a resource has no outcome")
	}
}

func TestRaisedLevels(t *testing.T) {
	set := compileOne(t, ruleText("s: {eventName: A}\nfar: {awsRegion: ap-south-1}\ncondition: s")+"level: high\ncairn: {severity: {raise_when: far}}\n")
	m := set.Matcher()
	for text, want := range map[string]Level{`{"eventName":"A"}`: High, `{"eventName":"A","awsRegion":"ap-south-1"}`: Critical} {
		if found := m.Judge(&Input{Event: event(t, text)}); len(found) != 1 || m.Level(found[0]) != want {
			t.Errorf("%s: %s, want %s", text, m.Level(found[0]), want)
		}
	}
}
