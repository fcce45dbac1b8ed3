package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// regression is one test in the form of the data that is published beside
// SigmaHQ's rules: a file of events, and how many of them match.
type regression struct {
	Name  string `yaml:"name"`
	Type  string `yaml:"type"`
	Path  string `yaml:"path"`
	Count *int   `yaml:"match_count"`
}

// regression runs the tests of an info file. Matches are counted before any is
// held back.
func (t *testRun) regression(source fs.FS, name string, f *testFile) (results []TestResult, err error) {
	if len(f.Metadata) == 0 {
		return nil, fmt.Errorf("%s: rule_metadata names no rule", name)
	}
	r := find(t.set, f.Metadata[0].ID)
	if r == nil {
		return nil, fmt.Errorf("%s: no rule has the id %q", name, f.Metadata[0].ID)
	}
	for _, c := range f.Regression {
		switch strings.ToLower(c.Type) {
		case "json", "ndjson", "raw":
		default:
			return results, fmt.Errorf("%s: test %q has the type %q: events of CloudTrail come as json, ndjson or raw", name, c.Name, c.Type)
		}
		want := 1
		if c.Count != nil {
			want = *c.Count
		}
		s, err := Simulate(t.set, t.catalogue.WithAccounts(t.opts.Accounts))
		if err != nil {
			return results, err
		}
		s.Accounts = t.opts.Accounts
		got := 0
		p := &player{source: source, now: testStart}
		err = p.file(s, regressionPath(source, name, c.Path), func(f *Finding) {
			if f.Rule == r && f.Step == Start {
				got++
			}
		})
		if err := errors.Join(err, s.Close()); err != nil {
			return results, fmt.Errorf("%s: test %q: %w", name, c.Name, err)
		}
		results = append(results, TestResult{File: name, Rule: r.ID, Name: c.Name, Passed: got == want, Want: fmt.Sprint(want), Got: fmt.Sprint(got), Fires: want > 0})
	}
	return results, nil
}

// regressionPath finds the file of a test: paths are given from the root of the
// rules' repository, or from the info file.
func regressionPath(source fs.FS, info, file string) string {
	if _, err := fs.Stat(source, path.Clean(file)); err == nil {
		return path.Clean(file)
	}
	return path.Join(path.Dir(info), path.Base(file))
}
