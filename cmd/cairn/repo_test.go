package main_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rules of the repository that no compiler holds. Each test reads the files as text or syntax and names the place that
// breaks a rule.

const modulePath = "github.com/cairnstream/cairn/"

// root is the top of the checkout, seen from this package.
const root = "../.."

// repoFiles lists the files of the checkout, tracked or about to be, as slash paths from the top; without git all files but hidden ones.
func repoFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	var files []string
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		files = strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	} else {
		files = walkFiles(t)
	}
	// A file that is deleted but still tracked is not there to be judged.
	return slices.DeleteFunc(files, func(f string) bool { _, err := os.Lstat(filepath.Join(root, f)); return err != nil })
}

func walkFiles(t *testing.T) (files []string) {
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "cairn-data") {
				return fs.SkipDir
			}
			return nil
		}
		files = append(files, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// goFile is a parsed source file.
type goFile struct {
	path string // from the top, with slashes
	dir  string
	test bool
	set  *token.FileSet
	ast  *ast.File
}

func (f goFile) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(pos).Line)
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	for _, name := range repoFiles(t) {
		if !strings.HasSuffix(name, ".go") || strings.Contains(name, "testdata/") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out = append(out, goFile{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), set: set, ast: parsed})
	}
	if len(out) == 0 {
		t.Fatal("found no Go files")
	}
	return out
}

func under(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

// mayImport says whether a package of the folder dir may import Cairn's package in the folder other.
func mayImport(dir, other string) bool {
	allowed := map[string][]string{
		"state":     {"state"},
		"export":    {"export", "state/blob"},
		"processor": {"processor", "state", "export"},
		"bench":     {"bench", "processor", "state", "export", "deploy"},
		"deploy":    {"deploy", "export"},
		"cmd":       {"cmd", "bench", "processor", "state", "export", "deploy"},
	}
	top, _, _ := strings.Cut(dir, "/")
	return slices.ContainsFunc(allowed[top], func(parent string) bool { return under(other, parent) })
}

// startsEmulators is a program for people, built by nobody who builds cairn.
const startsEmulators = "deploy/local/cairn-local"

// TestImportDirection: imports go one way, from cmd down to state. Tests may look anywhere but into cmd.
func TestImportDirection(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, spec := range f.ast.Imports {
			other, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), modulePath)
			switch {
			case !ours:
			case f.test && under(other, "cmd") && !under(f.dir, "cmd"):
				t.Errorf("%s: a test imports %s", f.at(spec.Pos()), other)
			case !f.test && !mayImport(f.dir, other):
				t.Errorf("%s: %s may not import %s", f.at(spec.Pos()), f.dir, other)
			case !f.test && under(other, "deploy/local") && f.dir != startsEmulators:
				t.Errorf("%s: deploy/local is for tests and %s", f.at(spec.Pos()), startsEmulators)
			}
		}
	}
}

// TestMayImport holds the rule itself against the cases that it is there for.
func TestMayImport(t *testing.T) {
	tests := []struct {
		dir, other string
		want       bool
	}{
		{"cmd/cairn", "processor/replay", true}, {"processor", "cmd/cairn", false}, {"processor", "state", true},
		{"processor", "bench", false}, {"state", "processor/rule", false}, {"state/blob", "export", false}, {"state", "state/key", true},
		{"export", "state/blob", true}, {"export", "state", false}, {"export", "state/key", false}, {"bench", "cmd/cairn", false},
		{"bench/gen", "processor/rule", true}, {"processor", "statement", false}, {"elsewhere", "state", false},
	}
	for _, test := range tests {
		if got := mayImport(test.dir, test.other); got != test.want {
			t.Errorf("%s importing %s: allowed %v, want %v", test.dir, test.other, got, test.want)
		}
	}
}

// TestSoleImporters: a package that wraps a library is its only importer, in tests too.
func TestSoleImporters(t *testing.T) {
	sole := map[string][]string{
		"github.com/dgraph-io/badger":               {"state"},
		"github.com/parquet-go/parquet-go":          {"export", "export/columnar", "export/parquetcheck"},
		"github.com/aws/aws-sdk-go-v2/service/s3":   {"state/blob"},
		"github.com/vmware/vmware-go-kcl-v2":        {"processor/kcl"},
		"github.com/aws/aws-sdk-go-v2/service/glue": {"export/athena", "cmd/cairn"},
	}
	for _, f := range goFiles(t) {
		for _, spec := range f.ast.Imports {
			for library, dirs := range sole {
				if under(strings.Trim(spec.Path.Value, `"`), library) && !slices.Contains(dirs, f.dir) {
					t.Errorf("%s: only %v may import %s", f.at(spec.Pos()), dirs, library)
				}
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.test {
			documented[f.dir] = documented[f.dir] || f.ast.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment", dir)
		}
	}
}

// wellKnown are methods whose meaning their interface tells.
var wellKnown = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Read": true, "Write": true, "Close": true, "Len": true, "Less": true, "Swap": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true, "ServeHTTP": true}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		for _, decl := range f.ast.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no comment", f.at(name.Pos()), name.Name)
			}
		}
	}
}

func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d.Recv) && (d.Recv == nil || !wellKnown[d.Name.Name]) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc == nil {
			return undocumentedSpecs(d.Specs)
		}
	}
	return nil
}

func undocumentedSpecs(specs []ast.Spec) (names []*ast.Ident) {
	for _, spec := range specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if s.Doc == nil && s.Comment == nil && name.IsExported() {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func exportedReceiver(recv *ast.FieldList) bool {
	if recv == nil || len(recv.List) == 0 {
		return true
	}
	typ := recv.List[0].Type
	for {
		switch t := typ.(type) {
		case *ast.StarExpr:
			typ = t.X
		case *ast.IndexExpr:
			typ = t.X
		case *ast.IndexListExpr:
			typ = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

// maxLines is where a file holds more than one thing.
const maxLines = 400

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func TestFileLength(t *testing.T) {
	for _, name := range repoFiles(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata/") {
			continue
		}
		data := read(t, name)
		if lines := bytes.Count(data, []byte("\n")); lines > maxLines && !generated.Match(data) {
			t.Errorf("%s has %d lines, at most %d", name, lines, maxLines)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTopLevel: the top of the tree is a table of contents and does not grow.
func TestTopLevel(t *testing.T) {
	fixed := []string{"cmd", "processor", "state", "export", "bench", "deploy", "go.mod", "go.sum", "README.md", "LICENSE"}
	for _, name := range repoFiles(t) {
		top, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(fixed, top) {
			t.Errorf("%s: %s does not belong on the top level", name, top)
		}
	}
}

// junk are names of packages that say nothing of what is in them.
var junk = regexp.MustCompile(`(^|/)(utils?|helpers?|common|misc|shared)(/|$)`)

func TestFolderNames(t *testing.T) {
	for _, name := range repoFiles(t) {
		if junk.MatchString(path.Dir(name)) {
			t.Errorf("%s: the folder's name does not tell what is in it", name)
		}
	}
}

// foreign are words that speak of the place where Cairn was made and not of Cairn. They are put together here so that this file
// does not hold them.
func foreign() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"a folder of somebody's machine": regexp.MustCompile(`/` + `work/|` + `share` + `d/data|/` + `tmp/[a-z]|/` + `home/[a-z]+/|/` + `root/`),
		"a package registry":             regexp.MustCompile(`registry\.` + `npmjs|proxy\.` + `golang\.org|sum\.` + `golang\.org|deb\.` + `debian\.org`),
		"how it came to be":              regexp.MustCompile(`(?i)\bthis ` + `session\b|\bthis ` + `machine\b|\bbefore-` + `stop\b|\bsub-?` + `agent|\bas an ` + `AI\b|\bclau` + `de\b`),
		"a document that is not here":    regexp.MustCompile(`\b(architecture|commit-protocol|performance|CONTRACT|anomaly|inventory|tables|style|kcl|rules)` + `\.md\b`),
	}
}

// TestForeignWords reads the sources and documents. Recorded events and rules of others keep their words.
func TestForeignWords(t *testing.T) {
	files := repoFiles(t)
	here := map[string]bool{}
	for _, name := range files {
		here[path.Base(name)] = true
	}
	for _, name := range files {
		if strings.Contains(name, "testdata/") || name == ".ci/run" || !slices.Contains([]string{".go", ".md", ".mjs", ".json", ".sql", ".yml", ".yaml", ".sh", ""}, path.Ext(name)) {
			continue
		}
		for i, line := range bytes.Split(read(t, name), []byte("\n")) {
			for what, words := range foreign() {
				if found := words.Find(line); found != nil && !here[string(found)] {
					t.Errorf("%s:%d: %q names %s", name, i+1, found, what)
				}
			}
		}
	}
}

// TestForeign holds the words against examples, put together like them.
func TestForeign(t *testing.T) {
	bad := []string{"/" + "work/main", "share" + "d/data/x", "see registry." + "npmjs.org", "in this " + "session", "tables" + ".md, section 6"}
	good := []string{"role session", "the worker", "package shared", "network/x", "timetables", "SCHEMA.md"}
	matches := func(s string) bool {
		for _, words := range foreign() {
			if words.MatchString(s) {
				return true
			}
		}
		return false
	}
	for _, s := range bad {
		if !matches(s) {
			t.Errorf("%q was not noticed", s)
		}
	}
	for _, s := range good {
		if matches(s) {
			t.Errorf("%q was refused", s)
		}
	}
}
