package resource

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// entry is one compiled row of the catalogue for one event name.
type entry struct {
	source, on, evidence string
	file                 string
	line, layer          int
	effect               Effect
	kind                 *Type // nil: by id prefix or by ARN
	by                   string
	each, id, minus, arn *expr
	when, unless         *comparison
	state                *expr
	set                  []assign
	unset                []string
	tags                 []tagSource
	replaceTags          bool
	untag                *expr
	untagAll             bool
	relate, unrelate     []link
	rename               *expr
	learn                []lesson
}

type assign struct {
	name, kind string
	from       *expr
}

// tagSource is a list of pairs, or an object.
type tagSource struct{ from, key, value *expr }

// link is one `relate` or `unrelate`.
type link struct {
	kind, target string
	to           *Type // nil when the target is no resource
	each, id     *expr
	detail       []assign
	replace      bool
	rules        string // "ingress" or "egress": the rules of the request
	all          bool   // unrelate: every member of the kind and type
}

// lesson is one `learn`.
type lesson struct {
	kind                        *Type
	each, name, member, id, vpc *expr
}

// slot is what a later folder replaces.
func (e *entry) slot() string {
	kind := e.by
	if e.kind != nil {
		kind = e.kind.Name
	}
	return e.source + " " + e.on + " " + kind
}

func compileType(name, source string, body *node) (*Type, error) {
	t := &Type{Name: name, Source: source, kinds: map[string]string{}, derived: map[string]string{}}
	var match string
	err := body.fields(map[string]func(*node) error{
		"arn":    func(n *node) error { return n.string(&t.template) },
		"match":  func(n *node) error { return n.string(&match) },
		"global": func(n *node) error { return n.bool(&t.Global) },
		"id":     t.readID,
		"settle": t.readSettle,
		"attributes": func(n *node) error {
			return t.readAttributes(n, t.kinds, []string{"text", "bool", "number", "list"})
		},
		"derive": func(n *node) error {
			return t.readAttributes(n, t.derived, slices.Sorted(maps.Keys(derivations)))
		},
	})
	if err == nil && !strings.HasPrefix(t.template, "arn:") && t.template != noARN {
		err = body.errorf("type %s has no ARN template; a type without ARNs says `arn: %s`", name, noARN)
	}
	t.form, t.isARN = arnForm(cmp.Or(match, t.template)), match == ""
	t.Attributes = slices.Sorted(maps.Keys(t.kinds))
	for name := range t.derived {
		t.Attributes = append(t.Attributes, name)
	}
	slices.Sort(t.Attributes)
	return t, err
}

func (t *Type) readID(n *node) error {
	return n.fields(map[string]func(*node) error{
		"prefix": func(n *node) error { return n.string(&t.prefix) },
		"reused": func(n *node) error { return n.bool(&t.Reused) },
		"lower":  func(n *node) error { return n.bool(&t.lower) },
		"cut":    func(n *node) error { return n.string(&t.cut) },
		"last":   func(n *node) error { return n.string(&t.last) },
		"ignore": func(n *node) error { return n.texts(&t.ignore) },
	})
}

func (t *Type) readSettle(n *node) (err error) {
	if t.Settle, err = time.ParseDuration(n.text); err != nil {
		return n.errorf("settle: %w", err)
	}
	return nil
}

func (t *Type) readAttributes(n *node, to map[string]string, words []string) error {
	if err := n.expect(mappingNode); err != nil {
		return err
	}
	for _, p := range n.pairs {
		if !slices.Contains(words, p.value.text) {
			return p.value.errorf("attribute %s: %q is none of %s", p.key, p.value.text, strings.Join(words, ", "))
		}
		to[p.key] = p.value.text
	}
	return nil
}

// entries compiles one row for each of its event names.
func (l *loader) entries(src entrySource) (compiled []*entry, err error) {
	var names []string
	if err := src.body.expect(mappingNode); err != nil {
		return nil, err
	}
	for _, p := range src.body.pairs {
		if p.key == "on" {
			err = p.value.texts(&names)
		}
	}
	if err == nil && len(names) == 0 {
		err = src.body.errorf("`on` is missing")
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		c := entryCompiler{types: l.cat.types, entry: &entry{source: src.source, on: name, file: src.body.file, line: src.body.line}}
		if err := c.compile(src.body); err != nil {
			return nil, err
		}
		compiled = append(compiled, c.entry)
	}
	return compiled, nil
}

type entryCompiler struct {
	types map[string]*Type
	*entry
}

func (c *entryCompiler) compile(body *node) error {
	// The type first: attributes are checked against it.
	for _, p := range body.pairs {
		if p.key == "type" {
			if err := c.readType(p.value); err != nil {
				return err
			}
		}
	}
	ignore := func(*node) error { return nil }
	err := body.fields(map[string]func(*node) error{
		"on": ignore, "type": ignore, "by": c.readBy, "effect": c.readEffect, "evidence": c.readEvidence,
		"each": c.path(&c.each), "id": c.path(&c.id), "minus": c.path(&c.minus), "arn": c.path(&c.arn),
		"when": c.comparison(&c.when), "unless": c.comparison(&c.unless),
		"state": c.readState, "set": c.readSet, "unset": c.readUnset,
		"tags":         func(n *node) error { return c.readTags(n) },
		"replace_tags": func(n *node) error { c.replaceTags = true; return c.readTags(n) },
		"untag_keys":   c.readUntag,
		"relate":       c.links(&c.relate), "unrelate": c.links(&c.unrelate),
		"rename": c.path(&c.rename), "learn": c.readLearn,
	})
	switch {
	case err != nil:
		return err
	case c.effect == 0:
		return body.errorf("`effect` is missing")
	case c.evidence == "":
		return body.errorf("`evidence` is missing")
	case c.id == nil:
		return body.errorf("`id` is missing")
	case c.kind == nil && c.by == "":
		return body.errorf("`type` or `by` is missing")
	}
	return nil
}

func (c *entryCompiler) readType(n *node) error {
	t, known := c.types[n.text]
	if !known {
		return n.errorf("type %q is not declared", n.text)
	}
	c.kind = t
	return n.expect(scalarNode)
}

func (c *entryCompiler) readBy(n *node) error {
	c.by = n.text
	if n.text != "prefix" && n.text != "arn" {
		return n.errorf("by: want prefix or arn, found %q", n.text)
	}
	return nil
}

func (c *entryCompiler) readEffect(n *node) error {
	e, known := ParseEffect(n.text)
	if !known || e >= Seed {
		return n.errorf("effect %q is none of create, update, delete, tag, untag, attach, detach, touch", n.text)
	}
	c.effect = e
	return nil
}

func (c *entryCompiler) readEvidence(n *node) error {
	c.evidence = n.text
	if !slices.Contains([]string{"recorded", "fixture", "shape"}, n.text) {
		return n.errorf("evidence %q is none of recorded, fixture, shape", n.text)
	}
	return nil
}

func (c *entryCompiler) path(to **expr) func(*node) error {
	return func(n *node) (err error) {
		if err := n.expect(scalarNode); err != nil {
			return err
		}
		if *to, err = parseExpr(n.text, strings.TrimSuffix(c.on, "*")); err != nil {
			return n.errorf("%w", err)
		}
		return nil
	}
}

func (c *entryCompiler) comparison(to **comparison) func(*node) error {
	return func(n *node) (err error) {
		if *to, err = parseComparison(n.text, strings.TrimSuffix(c.on, "*")); err != nil {
			return n.errorf("%w", err)
		}
		return nil
	}
}

func (c *entryCompiler) readState(n *node) error {
	if _, known := states[n.text]; known {
		c.state = &expr{op: opConstant, text: n.text}
		return nil
	}
	return c.path(&c.state)(n)
}

// value is a path, or a constant: true, false, a number.
func (c *entryCompiler) value(n *node, to **expr) error {
	if !n.quoted && (n.text == "true" || n.text == "false" || digits(n.text)) {
		*to = &expr{op: opConstant, text: n.text}
		return nil
	}
	return c.path(to)(n)
}

func (c *entryCompiler) readSet(n *node) error {
	if err := n.expect(mappingNode); err != nil {
		return err
	}
	for _, p := range n.pairs {
		a := assign{name: p.key}
		if err := c.declared(p.key, p.value); err != nil {
			return err
		}
		a.kind = c.kind.kinds[p.key]
		if err := c.value(p.value, &a.from); err != nil {
			return err
		}
		c.set = append(c.set, a)
	}
	return nil
}

func (c *entryCompiler) declared(name string, n *node) error {
	if c.kind == nil {
		return n.errorf("attribute %q needs a `type`", name)
	}
	if _, known := c.kind.kinds[name]; !known {
		return n.errorf("attribute %q is not declared by %s", name, c.kind.Name)
	}
	return nil
}

func (c *entryCompiler) readUnset(n *node) error {
	if err := n.texts(&c.unset); err != nil {
		return err
	}
	for _, name := range c.unset {
		if err := c.declared(name, n); err != nil {
			return err
		}
	}
	return nil
}

// readTags takes a path to a list of pairs or an object, {from, key, value} for other names, or a list of such.
func (c *entryCompiler) readTags(n *node) error {
	return n.each(func(n *node) error {
		var t tagSource
		if n.kind == scalarNode {
			if n.text == "" { // replace_tags: all older tags go, none come
				return nil
			}
			c.tags = append(c.tags, tagSource{})
			return c.path(&c.tags[len(c.tags)-1].from)(n)
		}
		err := n.fields(map[string]func(*node) error{"from": c.path(&t.from), "key": c.path(&t.key), "value": c.path(&t.value)})
		if err == nil && (t.from == nil || t.key == nil) {
			err = n.errorf("tags need `from` and `key`")
		}
		c.tags = append(c.tags, t)
		return err
	})
}

func (c *entryCompiler) readUntag(n *node) error {
	if n.text == "all" {
		c.untagAll = true
		return nil
	}
	return c.path(&c.untag)(n)
}

func (c *entryCompiler) links(to *[]link) func(*node) error {
	return func(n *node) error {
		return n.each(func(n *node) error {
			var l link
			err := n.fields(map[string]func(*node) error{
				"kind":    func(n *node) error { return n.string(&l.kind) },
				"type":    func(n *node) error { return n.string(&l.target) },
				"each":    c.path(&l.each),
				"id":      func(n *node) error { return c.value(n, &l.id) },
				"detail":  func(n *node) error { return c.readDetail(n, &l) },
				"replace": func(n *node) error { return n.bool(&l.replace) },
				"rules":   func(n *node) error { return n.string(&l.rules) },
				"all":     func(n *node) error { return n.bool(&l.all) },
			})
			l.to = c.types[l.target]
			*to = append(*to, l)
			switch {
			case err != nil:
				return err
			case l.rules == "ingress" || l.rules == "egress":
				return nil
			case l.kind == "" || l.target == "" || l.id == nil && !l.all:
				return n.errorf("a relation needs `kind`, `type` and `id`")
			case l.to == nil && strings.Contains(l.target, "::"):
				return n.errorf("type %q is not declared", l.target)
			}
			return nil
		})
	}
}

func (c *entryCompiler) readDetail(n *node, l *link) error {
	if err := n.expect(mappingNode); err != nil {
		return err
	}
	for _, p := range n.pairs {
		a := assign{name: p.key, kind: "text"}
		if err := c.value(p.value, &a.from); err != nil {
			return err
		}
		l.detail = append(l.detail, a)
	}
	slices.SortFunc(l.detail, func(a, b assign) int { return strings.Compare(a.name, b.name) })
	return nil
}

func (c *entryCompiler) readLearn(n *node) error {
	return n.each(func(n *node) error {
		l := lesson{kind: c.kind}
		err := n.fields(map[string]func(*node) error{
			"type": func(n *node) error {
				l.kind = c.types[n.text]
				if l.kind == nil {
					return n.errorf("type %q is not declared", n.text)
				}
				return nil
			},
			"each": c.path(&l.each), "name": c.path(&l.name), "member": c.path(&l.member), "id": c.path(&l.id), "vpc": c.path(&l.vpc),
		})
		if err == nil && (l.name == nil) == (l.member == nil) {
			err = n.errorf("learn needs one of `name` and `member`")
		}
		c.learn = append(c.learn, l)
		return err
	})
}
