package rule

import (
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// Asset is the part of a rule that asks for the state of a resource which the
// event touches.
type Asset struct {
	Types  []string // CloudFormation types, folded; none: any
	Before bool     // the state without the event, not after it

	when *expr
}

// Holds tells whether a resource meets the condition.
func (a *Asset) Holds(r Resource) bool {
	v := view{Input: &Input{}, resources: []Resource{r}, known: true}
	return a.fits(r) && a.when.eval(func(x *expr) bool { return x.atom.holds(&v) })
}

func (a *Asset) fits(r Resource) bool {
	if len(a.Types) == 0 {
		return true
	}
	for _, have := range r("resource.type") {
		have = fold(have)
		for _, want := range a.Types {
			if have == want {
				return true
			}
		}
	}
	return false
}

// asset tells whether one of the touched resources meets the rule's condition
// on them, if it has one.
func (m *Matcher) asset(r *Rule) bool {
	if r.Asset == nil {
		return true
	}
	for _, res := range m.Touched(r) {
		if r.Asset.Holds(res) {
			return true
		}
	}
	return false
}

// Touched are the resources that a rule with an asset asks about, of the event
// that was judged last.
func (m *Matcher) Touched(r *Rule) []Resource {
	if !r.Asset.Before {
		return m.view.touched()
	}
	if m.view.Before == nil {
		return nil
	}
	return m.view.Before()
}

// When says at which occasions a rule over resources is evaluated.
type When uint8

// The occasions.
const (
	OnChange   When = 1 << iota // a resource has changed
	OnSnapshot                  // a snapshot of the inventory is taken
)

// OverResources tells that the rule judges resources, not events, and when.
func (r *Rule) OverResources() (When, bool) { return r.occasions, r.overResources }

// JudgeResource returns the rules over resources that a resource meets at an
// occasion, by id. Fields of the change stand beside those of the resource. The
// slice is valid until the next call.
func (m *Matcher) JudgeResource(r Resource, account Account, at When) []*Rule {
	m.matched, m.alone, m.single = m.matched[:0], Input{Account: account}, [1]Resource{r}
	m.begin(view{Input: &m.alone, resources: m.single[:], known: true})
	for _, i := range m.set.state {
		if rule := m.set.rules[i]; rule.occasions&at != 0 && m.set.exprs[i].eval(m.ask) {
			m.matched = append(m.matched, rule)
		}
	}
	return m.matched
}

// AsksForResources tells whether some rule over events reads resource.*.
func (s *Set) AsksForResources() bool {
	for _, a := range s.atoms {
		if a.path.from == fromResource {
			return true
		}
	}
	for _, r := range s.rules {
		if r.Asset != nil || r.Kind == KindResource {
			return true
		}
	}
	return false
}

// HasResourceRules tells whether the set has rules over resources.
func (s *Set) HasResourceRules() bool { return len(s.state) > 0 }

// asset reads the key asset: {type, at, condition, and identifiers}.
func (d *document) asset(r *Rule, n *node) {
	if n.Kind != yamlat.Map {
		d.fail(n, "asset is a map with identifiers over resource.* and a condition")
		return
	}
	a := &Asset{}
	c := &detection{file: d.file, lists: d.lists, scope: overAsset}
	body := &node{Kind: yamlat.Map, Line: n.Line, Col: n.Col}
	for i, k := range n.Keys {
		v := n.Items[i]
		switch k.Text {
		case "type":
			for _, t := range v.List() {
				a.Types = append(a.Types, fold(t.Text))
				if !strings.Contains(t.Text, "::") {
					d.fail(t, "%q is no type of resource: write one such as AWS::RDS::DBInstance", t.Text)
				}
			}
		case "at":
			a.Before = d.word(v, "at", "after", "before") == "before"
		default:
			body.Keys, body.Items = append(body.Keys, k), append(body.Items, v)
		}
	}
	a.when = c.compile(body)
	c.unused()
	d.take(c)
	r.Asset, r.Kind = a, KindResource
}
