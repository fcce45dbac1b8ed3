package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// document is one YAML document of a rule file on its way to a Rule.
type document struct {
	file     string
	node     *node
	lists    map[string]*list
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

// rule reads the document; what is wrong stands in problems. What refers to
// other rules stays in the draft until all are read.
func (d *document) rule() *Rule {
	n := d.node
	if n.kind != nodeMap {
		d.fail(n, "a rule is a map with title, logsource and detection")
		return nil
	}
	d.checkTop()
	bodies := d.bodies()
	if len(bodies) > 1 {
		d.fail(bodies[1], "a document is one of detection, pattern, correlation and filter: write a document for each, with --- between")
		return nil
	}
	correlation, filter := n.get("correlation"), n.get("filter")
	if d.foreign = foreignSource(n.get("logsource")); d.foreign != "" && correlation == nil {
		return nil
	}
	r := d.header()
	switch {
	case correlation != nil:
		r.Kind = KindCorrelation
		d.correlation(r, correlation)
	case filter != nil:
		d.filter(r, filter)
		return r
	default:
		d.detect(r)
		if r.draft.converted != nil {
			d.correlation(r, r.draft.converted)
		}
	}
	d.vendor(r, n.get("cairn"))
	d.raiseWhen(r)
	if r.draft.detection != nil {
		r.draft.detection.unused()
		d.take(r.draft.detection)
	}
	return r
}

// bodies are the keys of which a document has one.
func (d *document) bodies() (out []*node) {
	for _, k := range d.node.keys {
		if k.text == "detection" || k.text == "pattern" || k.text == "correlation" || k.text == "filter" {
			out = append(out, k)
		}
	}
	return out
}

// take takes over what the compilation of a detection has to say.
func (d *document) take(c *detection) {
	d.problems = append(d.problems, c.problems...)
	for _, w := range c.warnings {
		d.warn(d.node, "%s", w)
	}
	c.problems, c.warnings = nil, nil
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

// foreignSource says why a log source is not one of ours, "" if it is.
func foreignSource(n *node) string {
	product, service, category := n.str("product"), n.str("service"), n.str("category")
	switch {
	case n == nil:
		return "" // a bare EventBridge pattern, or a correlation
	case product == "aws" && (service == "cloudtrail" || service == "health") && category == "":
		return ""
	case overState(n):
		return ""
	}
	return fmt.Sprintf("log source product %q, category %q, service %q", product, category, service)
}

// overState tells whether the log source is the state of resources.
func overState(n *node) bool {
	return n.str("product") == "cairn" && n.str("category") == "resource"
}

func (d *document) header() *Rule {
	n := d.node
	r := &Rule{
		ID: n.str("id"), Name: n.str("name"), Title: n.str("title"), Description: strings.TrimSpace(n.str("description")),
		Status: n.str("status"), Author: n.str("author"), License: n.str("license"), Level: Medium,
		Tags: n.strs("tags"), References: n.strs("references"), FalsePositives: n.strs("falsepositives"), Fields: n.strs("fields"),
		Origin: Origin{File: d.file, Line: n.line}, draft: &draft{doc: d},
	}
	if r.Title == "" {
		d.fail(n, "a rule needs a title")
	}
	if r.ID == "" {
		sum := sha256.Sum256([]byte(r.Title))
		r.ID = hex.EncodeToString(sum[:16])
		d.warn(n, "no id; %s was made from the title and changes with it", r.ID)
	}
	if level := n.get("level"); level != nil {
		d.level(r, level)
	}
	if r.Status == "deprecated" || r.Status == "experimental" {
		d.warn(n, "%s is %s", r.Title, r.Status)
	}
	return r
}

// detect compiles what decides about single events, or about resources.
func (d *document) detect(r *Rule) {
	body, pattern := d.node.get("detection"), d.node.get("pattern")
	c := &detection{file: d.file, lists: d.lists}
	r.draft.detection = c
	if overState(d.node.get("logsource")) {
		c.scope, r.Kind, r.overResources, r.occasions = overResources, KindResource, true, OnChange
	}
	switch {
	case pattern != nil && r.overResources:
		d.fail(pattern, "a pattern is for events: write a detection over resource.*")
	case pattern != nil:
		r.when, r.pattern = c.eventPattern(pattern), true
	case body == nil || body.kind != nodeMap:
		d.fail(d.node, "a rule needs a detection with at least one selection and a condition")
	case d.old(r, c, body):
	default:
		r.when = c.compile(body)
	}
}

// raiseWhen compiles the condition that raises the level, over the parts of the
// rule's detection.
func (d *document) raiseWhen(r *Rule) {
	n, c := r.draft.raise, r.draft.detection
	switch {
	case n == nil:
	case c == nil || c.named == nil:
		d.fail(n, "raise_when names parts of a detection, which this rule does not have: write the level")
	default:
		r.raise = c.condition(n)
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
