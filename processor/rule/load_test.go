package rule

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadRulesAreRefused loads each file of testdata/bad alone. Its first line
// says what the error must hold.
func TestBadRulesAreRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		want, ok := strings.CutPrefix(first, "# want: ")
		if !ok {
			t.Fatalf("%s does not begin with # want:", name)
		}
		base := filepath.Base(name)
		set, _, err := Load(Options{}, folder(base, string(text)))
		switch {
		case err == nil:
			t.Errorf("%s loads", base)
		case set != nil:
			t.Errorf("%s: a set beside the error", base)
		case !strings.HasPrefix(err.Error(), base+":") || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v\nwant %s", base, err, want)
		}
	}
}

// TestAllErrorsOfAllFilesAreShown, not only the first.
func TestAllErrorsOfAllFilesAreShown(t *testing.T) {
	_, _, err := Load(Options{}, os.DirFS("testdata/bad"))
	if err == nil {
		t.Fatal("they load")
	}
	files, _ := filepath.Glob("testdata/bad/*.yml")
	for _, name := range files {
		if !strings.Contains(err.Error(), filepath.Base(name)+":") {
			t.Errorf("no error of %s", name)
		}
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if parts := strings.SplitN(line, ":", 4); len(parts) < 4 || parts[1] == "0" {
			t.Errorf("no place in %q", line)
		}
	}
}

func TestTwoMistakesOfOneRuleAreBothShown(t *testing.T) {
	_, _, err := Load(Options{}, folder("r.yml", ruleText("s: {a|windash: x, b.0: y}\ncondition: s")))
	if err == nil || !strings.Contains(err.Error(), "windash") || !strings.Contains(err.Error(), `"0"`) {
		t.Errorf("the error is %v", err)
	}
}

func small(id, title string) string {
	return "title: " + title + "\nid: " + id + "\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: A}, condition: s}\n"
}

func titles(set *Set) (out []string) {
	for _, r := range set.Rules() {
		out = append(out, r.Title+" "+r.Origin.String())
	}
	return out
}

// TestManyDocuments counts lines through a file, past documents that hold
// nothing but a comment.
func TestManyDocuments(t *testing.T) {
	text := "# head\n---\n" + small("b", "B") + "---\n# nothing\n---\n" + small("a", "A") + "---\n"
	set, _, err := Load(Options{}, folder("r.yml", text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A r.yml:10", "B r.yml:3"}, titles(set)); diff != "" {
		t.Error(diff)
	}
	_, _, err = Load(Options{}, folder("r.yml", text+"title: X\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "r.yml:15:1: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatIsNoRuleIsPassedOver(t *testing.T) {
	set, report, err := Load(Options{}, folder(
		"a.yml", small("a", "A"), "deep/er/b.yaml", small("b", "B"), "a.test.yml", "rule: a", "_c.yml", "- x", "_d/d.yml", "- x",
		".git/e.yml", "- x", "README.md", "# x", "f.yml", strings.Replace(small("f", "F"), "cloudtrail", "guardduty", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A a.yml:1", "B deep/er/b.yaml:1"}, titles(set)); diff != "" {
		t.Error(diff)
	}
	if len(report.Foreign) != 1 || !strings.Contains(report.String(), `foreign   f.yml: log source product "aws"`) {
		t.Errorf("the report is\n%s", report)
	}
}

func TestALaterSourceReplaces(t *testing.T) {
	set, report, err := Load(Options{}, folder("a.yml", small("a", "Old")), folder("b.yml", small("a", "New")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"New b.yml:1"}, titles(set)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b.yml:1 replaces a.yml:1"}, report.Replaced); diff != "" {
		t.Error(diff)
	}
}

func TestIDsAndNamesAreUnique(t *testing.T) {
	_, _, err := Load(Options{}, folder("a.yml", small("a", "A"), "b.yml", small("a", "B")))
	if err == nil || !strings.Contains(err.Error(), "the id a is that of a.yml:1 too") {
		t.Errorf("the error is %v", err)
	}
	_, _, err = Load(Options{}, folder("a.yml", "name: n\n"+small("a", "A"), "b.yml", "name: n\n"+small("b", "B")))
	if err == nil || !strings.Contains(err.Error(), "the name n is that of a.yml:1 too") {
		t.Errorf("the error is %v", err)
	}
}

func TestAMissingIDIsMadeFromTheTitle(t *testing.T) {
	text := strings.Replace(small("", "A"), "id: \n", "", 1)
	one, report, err := Load(Options{}, folder("a.yml", text))
	if err != nil {
		t.Fatal(err)
	}
	two, _, _ := Load(Options{}, folder("b.yml", "level: high\n"+text))
	if id := one.Rules()[0].ID; len(id) != 32 || id != two.Rules()[0].ID {
		t.Errorf("the ids are %s and %s", id, two.Rules()[0].ID)
	}
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "no id") {
		t.Errorf("the warnings are %q", report.Warnings)
	}
}

// TestVersionFollowsWhatDecides: another title leaves it alone, another value
// does not; a finding's id follows.
func TestVersionFollowsWhatDecides(t *testing.T) {
	first := compileOne(t, small("a", "A"))
	same := compileOne(t, "description: d\n"+small("a", "B"))
	other := compileOne(t, strings.Replace(small("a", "A"), "eventName: A", "eventName: B", 1))
	a, b, c := first.Rules()[0], same.Rules()[0], other.Rules()[0]
	if len(a.Version) != 12 || a.Version != b.Version || a.Version == c.Version {
		t.Errorf("the versions are %s, %s, %s", a.Version, b.Version, c.Version)
	}
	if first.Hash() == other.Hash() {
		t.Error("two sets that decide differently have one hash")
	}
	ids := map[string]bool{}
	for _, id := range []string{FindingID(a, "1", "e"), FindingID(c, "1", "e"), FindingID(a, "2", "e"), FindingID(a, "1", "f")} {
		ids[id] = len(id) == 32
	}
	if len(ids) != 4 || FindingID(a, "1", "e") != FindingID(b, "1", "e") {
		t.Errorf("the ids are %v", ids)
	}
}

func TestListsOfAFolder(t *testing.T) {
	rule := selectionRule("userIdentity.userName|expand: '%leavers%'")
	set, _, err := Load(Options{Lists: map[string][]string{"leavers": {"old"}}},
		folder("r.yml", rule, "_lists/leavers.txt", "# who left\nann # in May\n\n  bob\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := set.Matcher()
	for name, want := range map[string]int{"ann": 1, "bob": 1, "old": 0, "who": 0} {
		if got := len(m.Match(event(t, `{"userIdentity":{"userName":"`+name+`"}}`))); got != want {
			t.Errorf("%s: %d matches, want %d", name, got, want)
		}
	}
}

func TestTheKeyCairn(t *testing.T) {
	set, report, err := Load(Options{}, folder("r.yml", small("a", "A")+"level: low\ncairn: {severity: {is: critical}, runbook: r.md, staging: true, suppress: {for: 1h, by: [awsRegion]}, tests: [x.yml]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules()[0]
	if r.Level != Critical || r.Runbook != "r.md" || !r.Staged || len(report.Staged) != 1 {
		t.Errorf("level %s, runbook %q, staged %t, report %q", r.Level, r.Runbook, r.Staged, report.Staged)
	}
}

func TestUnusedPartsAndUnknownKeysAreWarnings(t *testing.T) {
	_, report, err := Load(Options{}, folder("r.yml", ruleText("s: {eventName: A}\nspare: {eventName: B}\ncondition: s")+"whatever: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(report.Warnings, "\n"); !strings.Contains(all, `no condition uses "spare"`) || !strings.Contains(all, `the key "whatever"`) {
		t.Errorf("the warnings are %s", all)
	}
}

func TestSlowRulesAreReported(t *testing.T) {
	_, report, err := Load(Options{}, folder("a.yml", selectionRule("eventName: A"), "b.yml",
		strings.Replace(selectionRule("userAgent|contains: x"), "id: r", "id: s", 1), "c.yml",
		strings.Replace(ruleText("a: {eventSource: A}\nb: {eventName: [B, C]}\ncondition: a or b"), "id: r", "id: u", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"T (b.yml:1)", "T (c.yml:1)"}, report.Slow); diff != "" {
		t.Error(diff)
	}
}

type broken struct{ fs.FS }

func (broken) Open(string) (fs.File, error) { return nil, errors.New("disk on fire") }

func TestAFolderThatCannotBeReadIsAnError(t *testing.T) {
	if _, _, err := Load(Options{}, broken{}); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("the error is %v", err)
	}
}
