package detect

import (
	"os"
	"testing"

	"github.com/cairnstream/cairn/processor/rule"
)

// TestTheLanguage: each part of the language of rules has a file whose tests
// show when it fires and when it does not.
func TestTheLanguage(t *testing.T) {
	folder := os.DirFS("../rule/testdata/language")
	report, err := RunTests(TestOptions{}, folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		t.Run(r.Rule+"/"+r.Name, func(t *testing.T) {
			if !r.Passed {
				t.Errorf("%s: want %s, got %s", r.File, r.Want, r.Got)
			}
		})
	}
	if len(report.Untested) != 0 {
		t.Errorf("untested: %q", report.Untested)
	}
	set, _, err := rule.Load(rule.Options{}, folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Rules() {
		if f := (&Finding{Rule: r, Level: rule.High}); f.Sent() == (r.ID == "staging") {
			t.Errorf("%s: sent %t", r.ID, f.Sent())
		}
		if r.ID == "staging" && r.Runbook != "runbooks/trial.md" {
			t.Errorf("runbook %q", r.Runbook)
		}
	}
}
