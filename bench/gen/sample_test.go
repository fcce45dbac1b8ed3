package gen

import (
	"flag"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the bundled sample anew")

func TestSampleIsCurrent(t *testing.T) {
	if *rewrite {
		if err := os.RemoveAll("sample"); err != nil {
			t.Fatal(err)
		}
		sum, err := writeSample("sample")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", sum)
	}
	fresh := t.TempDir()
	if _, err := writeSample(fresh); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, os.DirFS(fresh)), contents(t, os.DirFS("sample"))); diff != "" {
		t.Fatalf("the sample is not what the generator makes now; run go generate ./bench/gen\n%.2000s", diff)
	}
}

// contents reads all files below a folder.
func contents(t *testing.T, dir fs.FS) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path], err = fs.ReadFile(dir, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
