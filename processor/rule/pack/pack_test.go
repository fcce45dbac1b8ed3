package pack

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/rule"
)

// document is what this test wants of a rule's file.
type document struct {
	ID, Name, Title, Description, Author, Level string
	Tags, FalsePositives                        []string
	Cairn                                       struct {
		Baseline map[string]any
		Runbook  string
	}
}

func files(t *testing.T) (rules []string) {
	t.Helper()
	err := fs.WalkDir(FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".yml") && !strings.HasSuffix(path, ".test.yml") {
			rules = append(rules, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func read[T any](t *testing.T, path string) T {
	t.Helper()
	data, err := fs.ReadFile(FS(), path)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

func TestRulesExplainThemselves(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	ids := map[string]string{}
	for _, path := range files(t) {
		r := read[document](t, path)
		if want := strings.TrimSuffix(path[strings.LastIndex(path, "/")+1:], ".yml"); r.Name != want {
			t.Errorf("%s: name %q", path, r.Name)
		}
		if !uuid.MatchString(r.ID) || ids[r.ID] != "" {
			t.Errorf("%s: id %q is no UUID or that of %s", path, r.ID, ids[r.ID])
		}
		ids[r.ID] = path
		if r.Title == "" || len(r.Description) < 100 || r.Author != "Cairn" || len(r.FalsePositives) == 0 {
			t.Errorf("%s: a reader of its findings needs a title, a description, an author and the usual false positives", path)
		}
		if !slices.Contains([]string{"low", "medium", "high", "critical"}, r.Level) && r.Cairn.Baseline == nil { // whose level follows from the score
			t.Errorf("%s: level %q", path, r.Level)
		}
		// Security Hub cuts a recommendation at 512 characters.
		if n := len(r.Cairn.Runbook); n < 80 || n > 510 {
			t.Errorf("%s: a runbook of %d characters: who is woken must know what to do first", path, n)
		}
		checkTags(t, path, r.Tags)
	}
	if len(ids) < 35 {
		t.Errorf("%d rules", len(ids))
	}
}

// checkTags wants the tactic of the folder and a technique.
func checkTags(t *testing.T, path string, tags []string) {
	t.Helper()
	folder, _, _ := strings.Cut(path, "/")
	tactic := "attack." + strings.ReplaceAll(strings.Replace(folder, "defence", "defense", 1), "_", "-")
	if !slices.Contains(tags, tactic) {
		t.Errorf("%s: no tag %s in %v", path, tactic, tags)
	}
	if !slices.ContainsFunc(tags, regexp.MustCompile(`^attack\.t\d{4}(\.\d{3})?$`).MatchString) {
		t.Errorf("%s: no technique in %v", path, tags)
	}
}

func TestEachRuleHasATestThatFiresAndOneThatDoesNot(t *testing.T) {
	type tests struct {
		Rule  string
		Tests []struct{ Expect []struct{ Count int } }
	}
	for _, path := range files(t) {
		f := read[tests](t, strings.TrimSuffix(path, ".yml")+".test.yml")
		if f.Rule != read[document](t, path).Name {
			t.Errorf("%s: its tests are for %q", path, f.Rule)
		}
		var fires, silent bool
		for _, c := range f.Tests {
			fires = fires || len(c.Expect) > 0 && c.Expect[0].Count > 0
			silent = silent || len(c.Expect) == 0
		}
		if !fires || !silent {
			t.Errorf("%s: fires %t, silent %t; want both", path, fires, silent)
		}
	}
}

// TestReadmeListsTheRules: the table names each rule once, by tactic, with its kind and level as they are.
func TestReadmeListsTheRules(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	letters := map[rule.Kind]string{rule.KindMatch: "m", rule.KindCorrelation: "c", rule.KindFirstSeen: "f", rule.KindBaseline: "b", rule.KindResource: "r"}
	var want []string
	for _, r := range load(t).Rules() {
		if r.Silent {
			continue
		}
		letter, level := letters[r.Kind], r.Level.String()
		if r.Asset != nil {
			letter = "r"
		}
		if r.Correlation != nil && strings.Contains(r.Correlation.Condition.When.String(), "not ") {
			letter = "a"
		}
		if r.LevelOfScore {
			level = "by score"
		}
		want = append(want, strings.TrimSuffix(r.Origin.File, ".yml")+" | "+letter+" | "+level)
	}
	var got []string
	for _, line := range regexp.MustCompile(`(?m)^\| (\w+/\w+ \| \w \| [\w ]+) \| .+ \|$`).FindAllStringSubmatch(string(readme), -1) {
		got = append(got, line[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
