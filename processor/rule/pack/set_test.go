package pack

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/resource"
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

// play runs the events of all files of a folder through the pack, in the order
// of their times, and gives the findings that a person would see.
func play(t *testing.T, dir fs.FS, names []string, yield func(*detect.Finding)) {
	t.Helper()
	var events []*cloudtrail.Event
	for _, name := range names {
		content, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		var decoder cloudtrail.Decoder
		records := decoder.Decode(content).Events
		for i := range records {
			events = append(events, &records[i])
		}
	}
	slices.SortStableFunc(events, func(a, b *cloudtrail.Event) int { return a.Time.Compare(b.Time) })
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	s, err := detect.Simulate(load(t), catalogue)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, e := range events {
		if err := s.Event(e, yield); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Advance(s.Clock().Add(24*time.Hour), yield); err != nil {
		t.Fatal(err)
	}
}

// recorded are the files of a folder with a suffix.
func recorded(t *testing.T, dir fs.FS, suffix string) (names []string) {
	t.Helper()
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatal(len(names), err)
	}
	return names
}

// TestHistoryIsQuiet holds the findings of rules over single events on the recorded history to those of bench/oracle, which shares no
// code with the matcher, and the alerts of all rules to what a person can look at.
func TestHistoryIsQuiet(t *testing.T) {
	dir := data(t, "history")
	got, alerts := map[string]int{}, map[string]int{}
	const days = 68 // on which the account recorded something
	play(t, dir, recorded(t, dir, ".json.gz"), func(f *detect.Finding) {
		if f.Rule.Kind == rule.KindMatch {
			got[f.Rule.Name]++
		}
		if f.Sent() && f.Step == detect.Start && f.Level >= rule.Medium {
			alerts[f.Rule.Name]++
		}
	})
	want := map[string]int{"console_login_without_mfa": 33, "root_without_mfa": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	total := 0
	for _, n := range alerts {
		total += n
	}
	t.Logf("%d alerts in %d days: %v", total, days, alerts)
	if total > 3*days {
		t.Errorf("more than 3 alerts a day: %v", alerts)
	}
}

// beyond are the techniques that no rule of the pack gives away. Their calls are ordinary by themselves.
var beyond = []string{
	"aws.credential-access.ec2-steal-instance-credentials", // the machine is a minute old, so no address is new for it
}

// TestAttacksAreMet plays each recorded attack by itself.
func TestAttacksAreMet(t *testing.T) {
	dir := data(t, "stratus")
	names := recorded(t, dir, ".ndjson")
	seen := map[string][]string{}
	for _, name := range names {
		technique := strings.TrimSuffix(name, ".ndjson")
		play(t, dir, []string{name}, func(f *detect.Finding) {
			if f.Sent() && !slices.Contains(seen[technique], f.Rule.Name) {
				seen[technique] = append(seen[technique], f.Rule.Name)
			}
		})
	}
	if len(names) != 35 || len(beyond) > 5 {
		t.Fatalf("%d techniques, %d beyond the rules", len(names), len(beyond))
	}
	for _, name := range names {
		technique := strings.TrimSuffix(name, ".ndjson")
		t.Log(technique, seen[technique])
		if met := len(seen[technique]) > 0; met == slices.Contains(beyond, technique) {
			t.Errorf("%s: met %t by %v", technique, met, seen[technique])
		}
	}
	for technique, want := range map[string]string{
		"aws.credential-access.ec2-get-password-data": "password_data_burst", "aws.discovery.ec2-download-user-data": "user_data_burst",
		"aws.credential-access.secretsmanager-retrieve-secrets": "secrets_burst",
	} {
		if !slices.Contains(seen[technique], want) {
			t.Errorf("%s is not met by %s", technique, want)
		}
	}
}

func TestRulesPassTheirTests(t *testing.T) {
	report, err := detect.RunTests(detect.TestOptions{}, FS())
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
