package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
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
	d.problems = append(d.problems, n.Problem(d.file, format, args...))
}

func (d *document) warn(n *node, format string, args ...any) {
	d.warnings = append(d.warnings, fmt.Sprintf("%s:%d:%d: %s", d.file, n.Line, n.Col, fmt.Sprintf(format, args...)))
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
	if n.Kind != yamlat.Map {
		d.fail(n, "a rule is a map with title, logsource and detection")
		return nil
	}
	d.checkTop()
	bodies := d.bodies()
	if len(bodies) > 1 {
		d.fail(bodies[1], "a document is one of detection, pattern, correlation and filter: write a document for each, with --- between")
		return nil
	}
	correlation, filter := n.Get("correlation"), n.Get("filter")
	if d.foreign = foreignSource(n.Get("logsource")); d.foreign != "" && correlation == nil {
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
	d.vendor(r, n.Get("cairn"))
	d.raiseWhen(r)
	if r.draft.detection != nil {
		r.draft.detection.unused()
		d.take(r.draft.detection)
	}
	return r
}

// bodies are the keys of which a document has one.
func (d *document) bodies() (out []*node) {
	for _, k := range d.node.Keys {
		if k.Text == "detection" || k.Text == "pattern" || k.Text == "correlation" || k.Text == "filter" {
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
	for _, k := range d.node.Keys {
		if slices.Contains(topKeys, k.Text) {
			continue
		}
		if best := nearest(k.Text, topKeys); best != "" {
			d.fail(k, "unknown key %q; did you mean %s?", k.Text, best)
			continue
		}
		d.warn(k, "the key %q means nothing here", k.Text)
	}
}

// foreignSource says why a log source is not one of ours, "" if it is.
func foreignSource(n *node) string {
	product, service, category := n.TextOf("product"), n.TextOf("service"), n.TextOf("category")
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
	return n.TextOf("product") == "cairn" && n.TextOf("category") == "resource"
}

func (d *document) header() *Rule {
	n := d.node
	r := &Rule{
		ID: n.TextOf("id"), Name: n.TextOf("name"), Title: n.TextOf("title"), Description: strings.TrimSpace(n.TextOf("description")),
		Status: n.TextOf("status"), Author: n.TextOf("author"), License: n.TextOf("license"), Level: Medium,
		Tags: n.TextsOf("tags"), References: n.TextsOf("references"), FalsePositives: n.TextsOf("falsepositives"), Fields: n.TextsOf("fields"),
		Origin: Origin{File: d.file, Line: n.Line}, draft: &draft{doc: d},
	}
	if r.Title == "" {
		d.fail(n, "a rule needs a title")
	}
	if r.ID == "" {
		sum := sha256.Sum256([]byte(r.Title))
		r.ID = hex.EncodeToString(sum[:16])
		d.warn(n, "no id; %s was made from the title and changes with it", r.ID)
	}
	if level := n.Get("level"); level != nil {
		d.level(r, level)
	}
	if r.Status == "deprecated" || r.Status == "experimental" {
		d.warn(n, "%s is %s", r.Title, r.Status)
	}
	return r
}

// detect compiles what decides about single events, or about resources.
func (d *document) detect(r *Rule) {
	body, pattern := d.node.Get("detection"), d.node.Get("pattern")
	c := &detection{file: d.file, lists: d.lists}
	r.draft.detection = c
	if overState(d.node.Get("logsource")) {
		c.scope, r.Kind, r.overResources, r.occasions = overResources, KindResource, true, OnChange
	}
	switch {
	case pattern != nil && r.overResources:
		d.fail(pattern, "a pattern is for events: write a detection over resource.*")
	case pattern != nil:
		r.when, r.pattern = c.eventPattern(pattern), true
	case body == nil || body.Kind != yamlat.Map:
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
	at := func(text string) *node { return &node{Text: text, Line: pattern.Line, Col: pattern.Col} }
	title := strings.TrimSuffix(path.Base(file), ".pattern.json")
	return &node{Kind: yamlat.Map, Line: pattern.Line, Col: pattern.Col,
		Keys: []*node{at("title"), at("id"), at("pattern")}, Items: []*node{at(title), at("pattern:" + title), pattern}}
}
