package rule

import "github.com/cairnstream/cairn/export/yamlat"

// filter is a Sigma filter: what it holds for is taken out of other rules.
type filter struct {
	rules []*node // ids, names or titles; none: any rule
	when  *expr
}

// filterUse is a filter with the rules that it narrows.
type filterUse struct {
	filter        *Rule
	overResources bool
	when          *expr
	rules         []*Rule
}

// filter reads a document that narrows other rules.
func (d *document) filter(r *Rule, n *node) {
	if n.Kind != yamlat.Map {
		d.fail(n, "a filter is a map with rules, selections and a condition")
		return
	}
	f := &filter{}
	r.draft.filter = f
	c := &detection{file: d.file, lists: d.lists}
	if overState(d.node.Get("logsource")) {
		c.scope = overResources
	}
	body := &node{Kind: yamlat.Map, Line: n.Line, Col: n.Col}
	for i, k := range n.Keys {
		if k.Text != "rules" {
			body.Keys, body.Items = append(body.Keys, k), append(body.Items, n.Items[i])
			continue
		}
		f.rules = n.Items[i].List()
		if len(f.rules) == 1 && f.rules[0].Text == "any" {
			f.rules = nil
		} else if len(f.rules) == 0 {
			d.fail(n.Items[i], "a filter names the rules that it narrows, or any")
		}
	}
	if n.Get("rules") == nil {
		d.fail(n, "a filter needs rules: a list of ids, names or titles, or any")
	}
	f.when = c.compile(body)
	if f.when != nil && f.when.op == opNot {
		d.fail(n.Get("condition"), "what the condition of a filter matches is removed, and other tools read it the other way round: "+
			"write the selection of what to leave out, as in condition: selection, or put the exception into the rule as \"and not selection\"")
	}
	c.unused()
	d.take(c)
}

// applies tells whether a filter over everything can say something about a rule.
func (r *Rule) applies(to *Rule) bool {
	return to.when != nil && to.overResources == (r.draft.detectionScope() == overResources)
}

func (d *draft) detectionScope() scope {
	if overState(d.doc.node.Get("logsource")) {
		return overResources
	}
	return overEvents
}
