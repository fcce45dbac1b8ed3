package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// document is one YAML document of a rule file on its way to a Rule.
type document struct {
	file     string
	node     *node
	lists    map[string][]string
	foreign  string // why it is not for this program
	problems []error
	warnings []string
}

func (d *document) fail(n *node, format string, args ...any) {
	d.problems = append(d.problems, &problem{d.file, n.line, n.col, fmt.Sprintf(format, args...)})
}

func (d *document) warn(n *node, format string, args ...any) {
	d.warnings = append(d.warnings, fmt.Sprintf("%s:%d:%d: %s", d.file, n.line, n.col, fmt.Sprintf(format, args...)))
}

// topKeys are the keys of a rule that mean something here; Sigma allows others
// at the top, which are passed over unless they look like a slip.
var topKeys = []string{"title", "id", "name", "status", "description", "author", "license", "level", "tags", "references",
	"falsepositives", "fields", "logsource", "detection", "pattern", "cairn", "date", "modified", "related", "taxonomy",
	"correlation", "filter", "scope", "simulation", "regression_tests_path"}

// later are the keys of `cairn` that belong to kinds of rules which this
// version does not evaluate.
var later = []string{"first_seen", "baseline", "asset", "window", "evaluate", "lateness"}

// rule compiles the document; what is wrong stands in problems.
func (d *document) rule() *Rule {
	n := d.node
	if n.kind != nodeMap {
		d.fail(n, "a rule is a map with title, logsource and detection")
		return nil
	}
	d.checkTop()
	switch {
	case n.get("correlation") != nil:
		d.fail(n.get("correlation"), "correlation rules are not evaluated by this version: leave the document out, or put it into a folder whose name begins with _")
		return nil
	case n.get("filter") != nil:
		d.fail(n.get("filter"), "filters are not evaluated by this version: write the exception into the rule as \"and not …\"")
		return nil
	}
	if d.foreign = foreignSource(n.get("logsource")); d.foreign != "" {
		return nil
	}
	r := d.header()
	d.vendor(r, n.get("cairn"))
	d.detect(r)
	return r
}

func (d *document) checkTop() {
	for _, k := range d.node.keys {
		if slices.Contains(topKeys, k.text) {
			continue
		}
		if best := nearest(k.text, topKeys); best != "" {
			d.fail(k, "unknown key %q; did you mean %s?", k.text, best)
			continue
		}
		d.warn(k, "the key %q means nothing here", k.text)
	}
}

// foreignSource says why a log source is not CloudTrail, "" if it is.
func foreignSource(n *node) string {
	product, service, category := n.str("product"), n.str("service"), n.str("category")
	switch {
	case n == nil:
		return "" // a bare EventBridge pattern
	case product == "aws" && (service == "cloudtrail" || service == "health") && category == "":
		return ""
	}
	return fmt.Sprintf("log source product %q, category %q, service %q", product, category, service)
}

func (d *document) header() *Rule {
	n := d.node
	r := &Rule{
		ID: n.str("id"), Name: n.str("name"), Title: n.str("title"), Description: strings.TrimSpace(n.str("description")),
		Status: n.str("status"), Author: n.str("author"), License: n.str("license"), Level: Medium,
		Tags: n.strs("tags"), References: n.strs("references"), FalsePositives: n.strs("falsepositives"), Fields: n.strs("fields"),
		Origin: Origin{File: d.file, Line: n.line},
	}
	if r.Title == "" {
		d.fail(n, "a rule needs a title")
	}
	if level := n.get("level"); level != nil {
		var ok bool
		if r.Level, ok = parseLevel(level.text); !ok {
			d.fail(level, "unknown level %q: known are %s", level.text, strings.Join(levelNames[:], ", "))
		}
	}
	if r.Status == "deprecated" || r.Status == "experimental" {
		d.warn(n, "%s is %s", r.Title, r.Status)
	}
	return r
}

// vendor reads the key that Sigma leaves to each program.
func (d *document) vendor(r *Rule, n *node) {
	if n == nil {
		return
	}
	if n.kind != nodeMap {
		d.fail(n, "cairn is a map")
		return
	}
	for i, k := range n.keys {
		v := n.items[i]
		switch {
		case k.text == "runbook":
			r.Runbook = v.text
		case k.text == "staging":
			r.Staged = v.text == "true"
			if v.kind != nodeBool {
				d.fail(v, "staging is true or false")
			}
		case k.text == "severity":
			d.severity(r, v)
		case k.text == "suppress" || k.text == "tests":
			// how often an alert is sent, and where its tests are, is not for the matcher
		case slices.Contains(later, k.text):
			d.fail(k, "cairn: %s is not evaluated by this version: leave the rule out, or put it into a folder whose name begins with _", k.text)
		default:
			d.fail(k, "unknown key %q in cairn; known are runbook, severity, staging, suppress, tests", k.text)
		}
	}
}

// severity is the organisation's own view of the level.
func (d *document) severity(r *Rule, v *node) {
	word := v
	if v.kind == nodeMap {
		if raise := v.get("raise_when"); raise != nil {
			d.fail(raise, "raise_when is not evaluated by this version: write two rules")
		}
		if word = v.get("is"); word == nil {
			return
		}
	}
	level, ok := parseLevel(word.text)
	if !ok {
		d.fail(word, "unknown level %q: known are %s", word.text, strings.Join(levelNames[:], ", "))
	}
	r.Level = level
}

func (d *document) detect(r *Rule) {
	body, pattern := d.node.get("detection"), d.node.get("pattern")
	c := &detection{file: d.file, lists: d.lists}
	switch {
	case body != nil && pattern != nil:
		d.fail(pattern, "a rule has a detection or a pattern, not both")
		return
	case pattern != nil:
		r.when, r.pattern = c.eventPattern(pattern), true
	case body == nil || body.kind != nodeMap:
		d.fail(d.node, "a rule needs a detection with at least one selection and a condition")
		return
	default:
		r.when = c.compile(body)
	}
	d.problems = append(d.problems, c.problems...)
	for _, w := range c.warnings {
		d.warn(d.node, "%s", w)
	}
	if len(d.problems) == 0 {
		r.Version = version(r.when)
	}
}

// patternDocument makes a rule of a bare EventBridge pattern, whose title is
// the name of its file.
func patternDocument(file string, pattern *node) *node {
	at := func(text string) *node { return &node{text: text, line: pattern.line, col: pattern.col} }
	title := strings.TrimSuffix(path.Base(file), ".pattern.json")
	return &node{kind: nodeMap, line: pattern.line, col: pattern.col,
		keys: []*node{at("title"), at("id"), at("pattern")}, items: []*node{at(title), at("pattern:" + title), pattern}}
}
