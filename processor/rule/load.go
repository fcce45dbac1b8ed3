package rule

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// Options are what rules refer to beside themselves.
type Options struct {
	// Lists are the values behind %name% of the modifier expand. A folder's own
	// _lists/<name>.txt comes before.
	Lists map[string][]string
	// Override are lists that come before all others, for tests of rules.
	Override map[string][]string
}

// Load reads and compiles the rules of all sources. A rule takes the place of
// one with the same id from an earlier source. The error joins all mistakes of
// all files; with one, there is no Set.
func Load(opts Options, sources ...fs.FS) (*Set, *Report, error) {
	l := &loader{lists: map[string]*list{}, rules: map[string]*Rule{}, names: map[string]*Rule{}, report: &Report{}, override: opts.Override}
	for _, given := range []map[string][]string{opts.Lists, opts.Override} {
		for name, values := range given {
			l.lists[name] = givenList(name, values)
		}
	}
	for i, source := range sources {
		l.source = i
		l.folder(source)
	}
	l.resolve()
	l.harvest()
	if len(l.problems) > 0 {
		return nil, l.report, errors.Join(l.problems...)
	}
	rules := slices.DeleteFunc(l.sorted(), func(r *Rule) bool { return r.draft.filter != nil || r.draft.elsewhere })
	for _, r := range rules {
		r.draft = nil
	}
	set := newSet(rules, l.report)
	set.filters = l.filters
	return set, l.report, nil
}

type loader struct {
	lists    map[string]*list
	override map[string][]string
	rules    map[string]*Rule // by id
	names    map[string]*Rule
	titles   map[string][]*Rule
	filters  []filterUse
	docs     []*document
	broken   []string // ids, names and titles of rules with mistakes
	// elsewhere are those of rules for other log sources.
	elsewhere []string
	source    int
	report    *Report
	problems  []error
}

func (l *loader) sorted() []*Rule {
	rules := make([]*Rule, 0, len(l.rules))
	for _, r := range l.rules {
		rules = append(rules, r)
	}
	slices.SortFunc(rules, func(a, b *Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// folder reads a source: its lists first, because rules refer to them.
func (l *loader) folder(source fs.FS) {
	var files []string
	err := fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && base == "_lists":
			l.listFolder(source, name)
			return fs.SkipDir
		case name != "." && (strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".")):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && isRule(base):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("read the rules: %w", err))
	}
	for _, name := range files {
		l.file(source, name)
	}
}

// isRule tells rules from the files that stand beside them.
func isRule(base string) bool {
	if strings.HasSuffix(base, ".test.yml") || strings.HasSuffix(base, ".test.yaml") {
		return false
	}
	return strings.HasSuffix(base, ".yml") || strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".pattern.json")
}

func (l *loader) file(source fs.FS, name string) {
	data, err := fs.ReadFile(source, name)
	name = yamlat.Shown(source, name)
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("read the rule %s: %w", name, err))
		return
	}
	docs, err := parseYAML(name, data)
	if err != nil {
		l.problems = append(l.problems, err)
		return
	}
	for _, doc := range docs {
		if doc.Get("regression_tests_info") != nil {
			continue // tests, not a rule
		}
		if strings.HasSuffix(name, ".pattern.json") {
			doc = patternDocument(name, doc)
		}
		l.document(name, doc)
	}
}

// document reads one rule.
func (l *loader) document(file string, doc *node) {
	d := &document{file: file, node: doc, lists: l.lists}
	l.docs = append(l.docs, d)
	r := d.rule()
	switch {
	case len(d.problems) > 0:
		l.broken = append(l.broken, doc.TextOf("id"), doc.TextOf("name"), doc.TextOf("title"))
	case d.foreign != "":
		l.report.Foreign = append(l.report.Foreign, fmt.Sprintf("%s: %s", file, d.foreign))
		l.elsewhere = append(l.elsewhere, doc.TextOf("id"), doc.TextOf("name"), doc.TextOf("title"))
	default:
		for _, hidden := range r.draft.hidden {
			l.add(hidden)
		}
		if r.draft.converted != nil {
			l.report.Converted = append(l.report.Converted, r.newForm())
		}
		l.add(r)
	}
	l.harvest()
}

// harvest collects the mistakes and warnings of the documents.
func (l *loader) harvest() {
	for _, d := range l.docs {
		l.problems = append(l.problems, d.problems...)
		l.report.Warnings = append(l.report.Warnings, d.warnings...)
		d.problems, d.warnings = nil, nil
	}
}

// add takes a rule in, unless its id or name is taken.
func (l *loader) add(r *Rule) {
	d := r.draft.doc
	r.draft.source = l.source
	if old, taken := l.rules[r.ID]; taken {
		if old.draft.source == l.source {
			d.fail(d.node, "the id %s is that of %s too: give each rule its own", r.ID, old.Origin)
			return
		}
		l.report.Replaced = append(l.report.Replaced, fmt.Sprintf("%s replaces %s", r.Origin, old.Origin))
		delete(l.names, old.Name)
		for _, hidden := range old.draft.hidden {
			delete(l.rules, hidden.ID)
		}
	}
	if old, taken := l.names[r.Name]; taken && r.Name != "" {
		d.fail(d.node, "the name %s is that of %s too: give each rule its own", r.Name, old.Origin)
		return
	}
	l.rules[r.ID] = r
	if r.Name != "" {
		l.names[r.Name] = r
	}
}
