package rule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDocumentNamesWhatIsRefused: each line of its table names cases that
// TestBadRulesAreRefused holds, and nothing that Load refuses as an unknown or
// unsupported part of Sigma is missing there.
func TestTheDocumentNamesWhatIsRefused(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "## What is refused")
	part, _, _ = strings.Cut(part, "\n## ")
	lines := 0
	for line := range strings.Lines(part) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, ""), "|")
		if len(cells) != 6 || !strings.Contains(cells[4], "`") {
			continue
		}
		lines++
		for name := range strings.SplitSeq(strings.ReplaceAll(cells[4], "`", ""), ",") {
			if _, err := os.Stat(filepath.Join("testdata", "bad", strings.TrimSpace(name)+".yml")); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(cells[1]), err)
			}
		}
	}
	if lines < 15 {
		t.Errorf("%d lines of the table were read", lines)
	}
	for word := range refused {
		if !strings.Contains(part, "`"+word+"`") {
			t.Errorf("the modifier %s is refused, and the document does not say so", word)
		}
	}
}
