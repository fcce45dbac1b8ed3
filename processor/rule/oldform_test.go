package rule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairnstream/cairn/processor/window"
)

func oldRule(condition string) string {
	return "title: Old one\nid: r\nlevel: high\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventName: 'List*', userAgent: \"it's \\\"x\\\"\"}\n" +
		"  t: {eventName: B}\n  u: {eventName: [C, D]}\n  timeframe: 10m\n  condition: " + condition + "\n"
}

// TestTheOldForm becomes what it stands for, and the new form that is shown
// means the same.
func TestTheOldForm(t *testing.T) {
	gt := func(op window.Op, n float64) window.Condition {
		return window.Condition{Bounds: []window.Bound{{Op: op, Value: n}}}
	}
	values := gt(window.EQ, 2)
	values.Fields = []string{"sourceIPAddress"}
	for text, want := range map[string]window.Spec{
		"s | count() > 10":                                              {Type: window.EventCount, Condition: gt(window.GT, 10)},
		"s and not t | count() by awsRegion >= 5":                       {Type: window.EventCount, Condition: gt(window.GTE, 5), GroupBy: []string{"awsRegion"}},
		"s | count(sourceIPAddress) by awsRegion, userIdentity.arn = 2": {Type: window.ValueCount, Condition: values, GroupBy: []string{"awsRegion", "userIdentity.arn"}},
		"1 of them | count() < 3":                                       {Type: window.EventCount, Condition: gt(window.LT, 3)},
		"s | near t":                                                    {Type: window.Temporal},
		"s | near t and u":                                              {Type: window.Temporal},
		"t and u":                                                       {Type: window.Temporal},
	} {
		set, report, err := Load(Options{}, folder("r.yml", oldRule(text)))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		r := set.Rules()[0]
		got := *r.Correlation
		ignore := cmpopts.IgnoreFields(window.Spec{}, "ID", "Version", "Rules", "Timespan", "Suppress")
		if diff := cmp.Diff(want, got, ignore); diff != "" || r.Level != High || r.ID != "r" || durationText(got.Timespan) != "10m" {
			t.Errorf("%s: %s %s %s\n%s", text, r.ID, r.Level, got.Timespan, diff)
		}
		if len(report.Converted) != 1 || len(report.Silenced) != 0 {
			t.Fatalf("%s: converted %q, silenced %q", text, report.Converted, report.Silenced)
		}
		again, report2, err := Load(Options{}, folder("r.yml", report.Converted[0]))
		if err != nil {
			t.Fatalf("%s: %v\n%s", text, err, report.Converted[0])
		}
		if again.Hash() != set.Hash() || len(report2.Converted) != 0 || again.Rules()[0].Title != "Old one" {
			t.Errorf("%s: the new form means something else:\n%s", text, report.Converted[0])
		}
	}
}

// TestAConvertedRuleIsReplacedWhole, with what it was made of.
func TestAConvertedRuleIsReplacedWhole(t *testing.T) {
	set, _, err := Load(Options{}, folder("r.yml", oldRule("s | count() > 10")), folder("r.yml", small("r", "New")))
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules()) != 1 || set.Rules()[0].Title != "New" {
		t.Errorf("%d rules", len(set.Rules()))
	}
}

func TestHiddenRulesFindNothingAlone(t *testing.T) {
	set := compileOne(t, oldRule("s or t | count() > 10"))
	m := set.Matcher()
	e := event(t, `{"eventName":"B"}`)
	if found := m.Match(e); len(found) != 0 {
		t.Errorf("%s finds something in one event", found[0].Title)
	}
	if found := m.Judge(&Input{Event: e}); len(found) != 1 || !strings.HasPrefix(found[0].ID, "r-") {
		t.Errorf("%d rules see the event", len(found))
	}
}
