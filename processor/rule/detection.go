package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// detection compiles the part of a rule that decides.
type detection struct {
	file     string
	lists    map[string]*list
	scope    scope
	named    map[string]*expr
	order    []string
	used     map[string]bool
	problems []error
	warnings []string
}

// fail notes a mistake; compilation goes on, so that all are shown at once.
func (d *detection) fail(n *node, format string, args ...any) *expr {
	d.problems = append(d.problems, n.Problem(d.file, format, args...))
	return or()
}

// compile turns the map under `detection` into one tree.
func (d *detection) compile(n *node) *expr {
	if n == nil || n.Kind != yamlat.Map {
		return nil
	}
	condition := n.Get("condition")
	d.identifiers(n)
	if condition == nil {
		for _, k := range n.Keys {
			if nearest(k.Text, []string{"condition"}) != "" {
				return d.fail(k, "detection has no condition: did you mean condition instead of %s", k.Text)
			}
		}
		return d.fail(n, "detection has no condition: write, for example, condition: selection")
	}
	var alternatives []*expr
	for _, c := range condition.List() {
		if !c.Scalar() {
			return d.fail(c, "a condition is text, or a list of texts")
		}
		alternatives = append(alternatives, d.condition(c))
	}
	return or(alternatives...)
}

// identifiers compiles the named parts of a detection.
func (d *detection) identifiers(n *node) {
	d.named, d.used = map[string]*expr{}, map[string]bool{}
	for i, k := range n.Keys {
		if k.Text == "condition" || k.Text == "timeframe" {
			continue
		}
		d.named[k.Text] = d.identifier(n.Items[i])
		d.order = append(d.order, k.Text)
	}
}

// unused warns of parts that no condition names.
func (d *detection) unused() {
	for _, name := range d.order {
		if !d.used[name] {
			d.warnings = append(d.warnings, fmt.Sprintf("no condition uses %q", name))
		}
	}
}

// identifier compiles one named part: a map is "and", a list of maps "or",
// texts are key words.
func (d *detection) identifier(n *node) *expr {
	switch n.Kind {
	case yamlat.Map:
		return d.fields(n)
	case yamlat.List:
		if len(n.Items) == 0 {
			return d.fail(n, "an empty list can never match: remove it or give it values")
		}
		var kids []*expr
		for _, item := range n.Items {
			kids = append(kids, d.identifier(item))
		}
		return or(kids...)
	case yamlat.Null:
		return d.fail(n, "a selection is a map of fields, a list of maps, or a list of key words")
	}
	return d.keyword(n)
}

func (d *detection) fields(n *node) *expr {
	if len(n.Keys) == 0 {
		return d.fail(n, "an empty selection would match everything: remove it")
	}
	var kids []*expr
	for i, k := range n.Keys {
		kids = append(kids, d.field(k, n.Items[i]))
	}
	return and(kids...)
}

// keyword searches the whole record.
func (d *detection) keyword(n *node) *expr {
	if n.Text == "" {
		return d.fail(n, "an empty key word matches everything: remove it")
	}
	if d.scope != overEvents {
		return d.fail(n, "key words search records: name a field of the resource, such as resource.type")
	}
	p := newPattern(squeeze(star+unescape(n.Text)+star), false)
	return leaf(member{text: "*", keyword: true}, &textTest{p, true}, "text"+p.key())
}

const star = "\xfe"

// field compiles one line of a selection: a path with modifiers, and values.
func (d *detection) field(k, v *node) *expr {
	name, rest, _ := strings.Cut(k.Text, "|")
	m, ok := d.modifiers(k, rest)
	if !ok {
		return or()
	}
	if name == "" {
		return d.keywords(k, v, m)
	}
	p := bindPath(name)
	if text := badPath(name, d.scope); text != "" {
		return d.fail(k, "%s", text)
	}
	values := v.List()
	if v.Kind == yamlat.List && len(values) == 0 {
		return d.fail(v, "an empty list can never match: give %s values", name)
	}
	if m.all && len(values) < 2 {
		return d.fail(k, "all needs a list of two or more values")
	}
	if v.Kind == yamlat.Map {
		return d.fail(v, "%s holds a map: write nested fields as one path with dots", name)
	}
	x := d.fieldValues(p, m, v, values)
	if m.neq {
		return not(x)
	}
	return x
}

// keywords is the form |all: [words].
func (d *detection) keywords(k, v *node, m modifiers) *expr {
	if !m.all || m.compare != "" {
		return d.fail(k, "a key without a field name takes the modifier all alone, for key words")
	}
	var kids []*expr
	for _, item := range v.List() {
		kids = append(kids, d.keyword(item))
	}
	return and(kids...)
}

func (d *detection) values(p member, m modifiers, whole *node, values []*node) *expr {
	if m.compare == "cidr" && len(values) > 1 && !m.all && !slices.ContainsFunc(values, func(v *node) bool { return !v.Scalar() }) {
		return d.networks(p, values)
	}
	set, kids := setTest{}, []*expr(nil)
	for _, v := range values {
		if v.Kind == yamlat.Null && whole.Kind == yamlat.List {
			return d.fail(v, "null inside a list is not supported: write a selection of its own with %s: null, and join them with or", p.text)
		}
		x := d.value(p, m, v)
		if text, ok := plainText(x); ok && len(values) > 1 && !m.all {
			set[text] = struct{}{}
			continue
		}
		kids = append(kids, x)
	}
	switch {
	case m.all:
		return and(kids...)
	case len(set) == 1:
		for text := range set {
			t := newPattern(text, false)
			kids = append(kids, leaf(p, &textTest{t, false}, "text"+t.key()))
		}
	case len(set) > 1:
		kids = append(kids, leaf(p, set, "set"+strings.Join(sortedKeys(set), "\x02")))
	}
	return or(kids...)
}

// plainText is the folded text of an equality without case, wildcard or
// number: what can stand in a set.
func plainText(x *expr) (string, bool) {
	if x.op != opAtom {
		return "", false
	}
	t, ok := x.atom.test.(*textTest)
	if !ok || t.pattern.cased {
		return "", false
	}
	text, ok := t.pattern.literal()
	return text, ok && text != ""
}

func sortedKeys(set setTest) []string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// fieldValues compiles the values of a field: lists by a test each, and what is
// written in the rule itself.
func (d *detection) fieldValues(p member, m modifiers, whole *node, values []*node) *expr {
	if !m.expand {
		return d.values(p, m, whole, values)
	}
	var own []*node
	var kids []*expr
	missing := []string{}
	for _, v := range values {
		name, ok := listName(v.Text)
		switch l := d.lists[name]; {
		case !ok:
			own = append(own, v)
		case l == nil:
			missing = append(missing, name)
		case m.all || m.compare == "exists" || m.compare == "fieldref":
			d.fail(v, "a list does not go with %s: write one of contains, startswith, endswith, re or cidr, or none", cmp.Or(m.compare, "all"))
		default:
			kids = append(kids, d.lookup(p, m, v, l))
		}
	}
	if len(missing) > 0 {
		return d.fail(whole, "no list named %s: put %s.txt (one value a line), .csv or .json into the folder _lists beside the rules", strings.Join(missing, ", "), strings.Join(missing, ".txt, "))
	}
	if len(own) > 0 {
		kids = append(kids, d.values(p, m, whole, own))
	}
	return or(kids...)
}

func listName(text string) (string, bool) {
	if len(text) > 2 && text[0] == '%' && text[len(text)-1] == '%' {
		return text[1 : len(text)-1], true
	}
	return "", false
}
