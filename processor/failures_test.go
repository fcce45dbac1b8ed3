package processor_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFailureTableNamesTestsThatExist keeps FAILURES.md true to the code.
func TestFailureTableNamesTestsThatExist(t *testing.T) {
	table, err := os.ReadFile("FAILURES.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code := all.String()
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(table), -1)
	if len(names) < 50 {
		t.Fatalf("only %d tests are named", len(names))
	}
	for _, n := range names {
		if !strings.Contains(code, "func "+n[1]+"(") {
			t.Errorf("FAILURES.md names %s, which no package has", n[1])
		}
	}
}
