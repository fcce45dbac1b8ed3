package detect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/cairnstream/cairn/export/yamlat"
	"github.com/cairnstream/cairn/processor/rule"
)

// ruleDocument is what a rule file says of its tests, under the key cairn.
type ruleDocument struct {
	ID    string `yaml:"id"`
	Title string `yaml:"title"`
	Cairn struct {
		Tests []any `yaml:"tests"` // paths of test files, or tests
	} `yaml:"cairn"`
}

// inRule runs the tests that the rules of a file name, or hold themselves.
func (t *testRun) inRule(source fs.FS, name string) (results []TestResult, err error) {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if !bytes.Contains(data, []byte("tests:")) {
		return nil, nil
	}
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc ruleDocument
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			return results, nil
		} else if err != nil {
			return results, yamlat.SyntaxError(name, err)
		}
		more, err := t.named(source, name, &doc)
		results = append(results, more...)
		if err != nil {
			return results, err
		}
	}
}

// named runs the tests of one rule.
func (t *testRun) named(source fs.FS, name string, doc *ruleDocument) (results []TestResult, err error) {
	r := t.ruleOf(doc)
	if r == nil {
		return nil, nil // for another log source, or replaced
	}
	for i, test := range doc.Cairn.Tests {
		if file, ok := test.(string); ok {
			more, err := t.once(source, path.Join(path.Dir(name), file))
			if err != nil {
				return results, fmt.Errorf("%s: tests of %q: %w", name, r.Title, err)
			}
			results = append(results, more...)
			continue
		}
		c, err := inlineTest(test)
		if err != nil {
			return results, fmt.Errorf("%s: test %d of %q: %w", name, i+1, r.Title, err)
		}
		result := TestResult{File: name, Rule: r.ID, Name: c.Name, Fires: len(c.Expect) > 0}
		found, err := t.found(t.set, r, t.opts.Accounts, source, path.Dir(name), nil, c)
		if err != nil {
			return results, fmt.Errorf("%s: test %q: %w", name, c.Name, err)
		}
		result.judge(found, c.Expect)
		results = append(results, result)
	}
	return results, nil
}

// ruleOf is the rule that a document became, nil if it became none.
func (t *testRun) ruleOf(doc *ruleDocument) *rule.Rule {
	for _, r := range t.set.Rules() {
		if r.ID == doc.ID || doc.ID == "" && r.Title == doc.Title {
			return r
		}
	}
	return nil
}

// inlineTest reads a test that stands in the rule itself. All its keys have to
// be known.
func inlineTest(test any) (*testCase, error) {
	data, err := yaml.Marshal(test)
	if err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	c := &testCase{}
	if err := yaml.UnmarshalWithOptions(data, c, yaml.Strict()); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("a test has name, at, steps, expect and assets: %s", first)
	}
	return c, nil
}

// once runs a file of tests, unless that was done.
func (t *testRun) once(source fs.FS, name string) ([]TestResult, error) {
	if t.done[name] {
		return nil, nil
	}
	t.done[name] = true
	return t.file(source, name)
}
