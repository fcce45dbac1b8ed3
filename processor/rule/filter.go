package rule

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
	if n.kind != nodeMap {
		d.fail(n, "a filter is a map with rules, selections and a condition")
		return
	}
	f := &filter{}
	r.draft.filter = f
	c := &detection{file: d.file, lists: d.lists}
	if overState(d.node.get("logsource")) {
		c.scope = overResources
	}
	body := &node{kind: nodeMap, line: n.line, col: n.col}
	for i, k := range n.keys {
		if k.text != "rules" {
			body.keys, body.items = append(body.keys, k), append(body.items, n.items[i])
			continue
		}
		f.rules = n.items[i].list()
		if len(f.rules) == 1 && f.rules[0].text == "any" {
			f.rules = nil
		} else if len(f.rules) == 0 {
			d.fail(n.items[i], "a filter names the rules that it narrows, or any")
		}
	}
	if n.get("rules") == nil {
		d.fail(n, "a filter needs rules: a list of ids, names or titles, or any")
	}
	f.when = c.compile(body)
	if f.when != nil && f.when.op == opNot {
		d.fail(n.get("condition"), "what the condition of a filter matches is removed, and other tools read it the other way round: "+
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
	if overState(d.doc.node.get("logsource")) {
		return overResources
	}
	return overEvents
}
