package pack

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/rule"
)

func load(t *testing.T) *rule.Set {
	t.Helper()
	set, _, err := rule.Load(rule.Options{}, FS())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestPackLoadsWhole: each file is one rule that finds something, and perhaps
// parts that only feed it.
func TestPackLoadsWhole(t *testing.T) {
	loud := 0
	for _, r := range load(t).Rules() {
		if !r.Silent {
			loud++
		} else if !strings.HasPrefix(r.Name, "part_") || r.Level != rule.Informational {
			t.Errorf("%s is silent, level %s", r.Name, r.Level)
		}
	}
	if want := len(files(t)); loud != want {
		t.Errorf("%d rules of %d files", loud, want)
	}
}

// data is the folder of recorded events, given by CAIRN_DATA.
func data(t *testing.T, folder string) fs.FS {
	t.Helper()
	root := os.Getenv("CAIRN_DATA")
	if root == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	return os.DirFS(path.Join(root, "cloudtrail", folder))
}

// met counts the events that each rule meets, by a key of the file and the event.
func met(t *testing.T, set *rule.Set, dir fs.FS, suffix string) map[string]map[string]int {
	t.Helper()
	counts := map[string]map[string]int{}
	matcher := set.Matcher()
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, suffix) {
			return err
		}
		content, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		var decoder cloudtrail.Decoder
		events := decoder.Decode(content).Events
		for i := range events {
			for _, r := range matcher.Match(&events[i]) {
				if counts[r.Name] == nil {
					counts[r.Name] = map[string]int{}
				}
				counts[r.Name][name]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// TestHistoryIsQuiet holds the number of findings on the recorded history. The numbers come from an evaluation of the same files by
// bench/oracle, which shares no code with the matcher.
func TestHistoryIsQuiet(t *testing.T) {
	dir := data(t, "history")
	got := map[string]int{}
	for name, counts := range met(t, load(t), dir, ".json.gz") {
		for _, n := range counts {
			got[name] += n
		}
	}
	want := map[string]int{"console_login_without_mfa": 33, "root_used": 1, "root_without_mfa": 1, "security_group_opened_to_world": 13}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// beyond are the techniques that no single event gives away: bursts, sequences, and calls that are ordinary by themselves.
var beyond = []string{
	"aws.credential-access.ec2-get-password-data", "aws.credential-access.ec2-steal-instance-credentials",
	"aws.credential-access.secretsmanager-batch-retrieve-secrets", "aws.credential-access.secretsmanager-retrieve-secrets",
	"aws.credential-access.ssm-retrieve-securestring-parameters", "aws.discovery.ec2-download-user-data",
	"aws.execution.ssm-send-command", "aws.execution.ssm-start-session",
}

func TestAttacksAreMet(t *testing.T) {
	dir := data(t, "stratus")
	mapping, err := fs.ReadFile(dir, "mapping.json")
	if err != nil {
		t.Fatal(err)
	}
	var techniques []struct{ Technique string }
	if err := json.Unmarshal(mapping, &techniques); err != nil {
		t.Fatal(err)
	}
	if len(techniques) != 35 {
		t.Fatalf("%d techniques", len(techniques))
	}
	seen := map[string]bool{}
	for _, counts := range met(t, load(t), dir, ".ndjson") {
		for name := range counts {
			seen[strings.TrimSuffix(name, ".ndjson")] = true
		}
	}
	for _, name := range beyond {
		if seen[name] {
			t.Errorf("%s is met now; take it off the list", name)
		}
		seen[name] = true
	}
	for _, technique := range techniques {
		if !seen[technique.Technique] {
			t.Errorf("no rule meets %s", technique.Technique)
		}
	}
}

func TestRulesPassTheirTests(t *testing.T) {
	report, err := detect.RunTests(rule.Options{}, FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if !r.Passed {
			t.Errorf("%s: %s: want %s, got %s", r.File, r.Name, r.Want, r.Got)
		}
	}
	if len(report.Results) < 2*len(files(t)) {
		t.Errorf("only %d tests ran", len(report.Results))
	}
	if len(report.Untested) > 0 {
		t.Errorf("untested: %v", report.Untested)
	}
}
