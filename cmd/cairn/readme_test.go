package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example is a block of YAML in a document whose first line names its file.
var example = regexp.MustCompile("(?ms)^```yaml\n# (\\S+)\n(.*?)^```$")

// TestExamplesInDocuments writes the rules and tests that the documents show
// into a folder and lets the commands do what the documents say they do.
func TestExamplesInDocuments(t *testing.T) {
	for name, tests := range map[string]int{"README.md": 2, "processor/rule/README.md": 4} {
		t.Run(name, func(t *testing.T) {
			dir := writeExamples(t, name)
			if code, out, errs := cairn(t, "rules", "check", dir); code != exitDone {
				t.Errorf("rules check: exit status %d: %s%s", code, out, errs)
			}
			args := []string{"rules", "test", dir}
			if accounts := filepath.Join(dir, "_accounts.yml"); name != "README.md" {
				args = append(args, "--accounts", accounts)
			}
			report := object[struct {
				Results []struct {
					Name, Want, Got string
					Passed          bool
				}
			}](t, args...)
			if len(report.Results) != tests {
				t.Errorf("%d tests ran, want %d", len(report.Results), tests)
			}
			for _, r := range report.Results {
				if !r.Passed {
					t.Errorf("%s: want %s, got %s", r.Name, r.Want, r.Got)
				}
			}
		})
	}
}

// printedBlock is a block of what a command prints: it has no language.
var printedBlock = regexp.MustCompile("(?ms)^```\n(.*?)^```$")

// TestOutputInREADME holds the output that README shows against what the
// commands print, but for the spaces of tables and the time that a replay took.
func TestOutputInREADME(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	_, printed, _ := cairn(t, "replay", "--no-progress", "--data", data)
	id := regexp.MustCompile(`cairn findings show (\w+)`).FindStringSubmatch(string(text))[1]
	_, finding, _ := cairn(t, "findings", "show", id, "--data", data)
	plain := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	printed = plain(printed + finding)
	// Else the end of a block with a language would begin one without.
	withoutOthers := regexp.MustCompile("(?ms)^```[a-z]+\n.*?^```$").ReplaceAllString(string(text), "")
	blocks := printedBlock.FindAllStringSubmatch(withoutOthers, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of output, want the replay's and a finding's", len(blocks))
	}
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, ", in ")
			if line = plain(line); line != "…" && !strings.Contains(printed, line) {
				t.Errorf("no command prints %q", line)
			}
		}
	}
}

// writeExamples makes a folder of what a document shows. The lists that its
// rules name stand beside them, as there.
func writeExamples(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"_lists/threats.csv": "network,reason,source\n203.0.113.0/24,scanner,ours\n", "_lists/staff.txt": "ann\n"}
	for _, m := range example.FindAllStringSubmatch(string(text), -1) {
		files[m[1]] = m[2]
	}
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
