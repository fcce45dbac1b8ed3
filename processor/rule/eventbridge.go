package rule

import (
	"fmt"
	"strings"
)

// derivedNames are the members of an EventBridge event that a record stands
// for, and those that it cannot.
var derivedNames = map[string]string{"account": "recipientAccountId", "region": "awsRegion"}

// eventPattern compiles an EventBridge pattern (Amazon EventBridge user guide,
// "Event patterns"). As there, text is cased, an array of the event matches by
// any member, and all fields of a pattern must match.
func (d *detection) eventPattern(n *node) *expr {
	if n.kind == nodeText { // JSON as text
		docs, err := parseYAML(d.file, []byte(n.text))
		if err != nil || len(docs) != 1 {
			return d.fail(n, "the pattern is not one JSON object")
		}
		n = docs[0]
	}
	if n.kind != nodeMap || len(n.keys) == 0 {
		return d.fail(n, "a pattern is a map with source, detail-type, account, region or detail")
	}
	var kids []*expr
	for i, k := range n.keys {
		kids = append(kids, d.patternTop(k, n.items[i]))
	}
	return and(kids...)
}

func (d *detection) patternTop(k, v *node) *expr {
	switch k.text {
	case "detail":
		return d.patternFields("", v)
	case "$or":
		return d.patternOr("", v, d.eventPattern)
	case "source":
		return d.source(v)
	case "detail-type":
		return d.detailType(v)
	}
	if field, ok := derivedNames[k.text]; ok {
		return d.patternLeaf(field, v)
	}
	return d.fail(k, "%s is not part of a CloudTrail record: use source, detail-type, account, region and detail", k.text)
}

// source is the service: aws.s3 stands for the eventSource s3.amazonaws.com.
func (d *detection) source(v *node) *expr {
	out := *v
	out.items = nil
	for _, item := range v.items {
		c := d.sourceValue(item)
		if c == nil {
			return or()
		}
		out.items = append(out.items, c)
	}
	return d.patternLeaf("eventSource", &out)
}

func (d *detection) sourceValue(item *node) *node {
	c := *item
	if item.kind != nodeMap {
		c.text = strings.TrimPrefix(item.text, "aws.") + ".amazonaws.com"
		return &c
	}
	if but := item.get("anything-but"); but != nil && len(item.keys) == 1 {
		values := *but
		values.kind, values.items = nodeList, nil
		for _, v := range but.list() {
			if v.kind != nodeText {
				d.fail(v, "anything-but of source takes texts")
				return nil
			}
			values.items = append(values.items, d.sourceValue(v))
		}
		c.items = []*node{&values}
		return &c
	}
	prefix := item.get("prefix")
	switch {
	case prefix == nil || prefix.kind != nodeText || len(item.keys) != 1:
		d.fail(item, "source takes texts, prefix and anything-but: write the services out")
		return nil
	case strings.HasPrefix("aws.", prefix.text): // every service
		return &node{kind: nodeMap, keys: []*node{{text: "exists"}}, items: []*node{{kind: nodeBool, text: "true"}}, line: item.line, col: item.col}
	}
	p := *prefix
	p.text = strings.TrimPrefix(prefix.text, "aws.")
	if p.text == prefix.text {
		d.fail(prefix, "the sources of CloudTrail records begin with aws.")
		return nil
	}
	c.items = []*node{&p}
	return &c
}

// detailType is the kind of record, by its eventType.
func (d *detection) detailType(v *node) *expr {
	kinds := map[string]string{
		"AWS API Call via CloudTrail": "AwsApiCall", "AWS Console Sign In via CloudTrail": "AwsConsoleSignIn",
		"AWS Service Event via CloudTrail": "AwsServiceEvent", "AWS Insight via CloudTrail": "AwsCloudTrailInsight",
	}
	var values []*node
	for _, item := range v.list() {
		kind, ok := kinds[item.text]
		if !ok {
			return d.fail(item, "the detail-type %q is not CloudTrail's", item.text)
		}
		c := *item
		c.text = kind
		values = append(values, &c)
	}
	return d.patternLeaf("eventType", &node{kind: nodeList, items: values, line: v.line, col: v.col})
}

func (d *detection) patternFields(prefix string, n *node) *expr {
	if n.kind != nodeMap || len(n.keys) == 0 {
		return d.fail(n, "an object of the pattern needs at least one field")
	}
	var kids []*expr
	for i, k := range n.keys {
		v := n.items[i]
		switch {
		case k.text == "$or":
			kids = append(kids, d.patternOr(prefix, v, func(n *node) *expr { return d.patternFields(prefix, n) }))
		case v.kind == nodeMap:
			kids = append(kids, d.patternFields(prefix+k.text+".", v))
		default:
			kids = append(kids, d.patternLeaf(prefix+k.text, v))
		}
	}
	return and(kids...)
}

func (d *detection) patternOr(_ string, v *node, each func(*node) *expr) *expr {
	if v.kind != nodeList || len(v.items) < 2 {
		return d.fail(v, "$or is a list of two or more patterns")
	}
	var kids []*expr
	for _, item := range v.items {
		kids = append(kids, each(item))
	}
	return or(kids...)
}

// patternLeaf is a field with the list of values and operators that it may
// match.
func (d *detection) patternLeaf(name string, v *node) *expr {
	if v.kind != nodeList || len(v.items) == 0 {
		return d.fail(v, "the values of %s stand in a list: [ … ]", name)
	}
	p := bindPath(name)
	var kids []*expr
	for _, item := range v.items {
		if item.kind == nodeMap {
			kids = append(kids, d.operator(p, item))
			continue
		}
		kids = append(kids, d.patternValue(p, item))
	}
	return or(kids...)
}

// patternValue is equality with a text, number, boolean or null.
func (d *detection) patternValue(p member, v *node) *expr {
	switch v.kind {
	case nodeNull:
		return and(leaf(p, keyExists(true), "existstrue"), leaf(p, isNull{}, "null"))
	case nodeNumber:
		n, ok := parseDecimal(v.text)
		if !ok {
			return d.fail(v, "%q is no number", v.text)
		}
		return leaf(p, &literalTest{newPattern(v.text, true), n, true}, "number"+v.text)
	case nodeList:
		return d.fail(v, "a list inside the list of values: write the values side by side")
	}
	return d.patternText(p, v.text, true)
}

func (d *detection) patternText(p member, source string, cased bool) *expr {
	t := newPattern(source, cased)
	return leaf(p, &textTest{t, false}, fmt.Sprint("text", false, t.key()))
}

// operator is one of EventBridge's comparisons.
func (d *detection) operator(p member, n *node) *expr {
	if len(n.keys) != 1 {
		return d.fail(n, "an operator stands alone in its braces")
	}
	k, v := n.keys[0], n.items[0]
	switch k.text {
	case "prefix", "suffix":
		return d.affix(p, k.text, v)
	case "equals-ignore-case":
		return d.patternText(p, v.text, false)
	case "wildcard":
		return d.patternText(p, squeeze(strings.ReplaceAll(v.text, "*", star)), true)
	case "exists":
		if v.kind != nodeBool {
			return d.fail(v, "exists takes true or false")
		}
		return leaf(p, keyExists(v.text == "true"), "exists"+v.text)
	case "cidr":
		return d.network(p, v)
	case "numeric":
		return d.numeric(p, v)
	case "anything-but":
		return d.anythingBut(p, v)
	}
	return d.fail(k, "unknown operator %q: known are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists, $or", k.text)
}

func (d *detection) affix(p member, how string, v *node) *expr {
	cased := true
	if inner := v.get("equals-ignore-case"); inner != nil {
		v, cased = inner, false
	}
	if v.kind != nodeText || v.text == "" {
		return d.fail(v, "%s takes a text", how)
	}
	if how == "prefix" {
		return d.patternText(p, v.text+star, cased)
	}
	return d.patternText(p, star+v.text, cased)
}

// numeric is a list of comparisons that must all hold: [">", 0, "<=", 5].
func (d *detection) numeric(p member, v *node) *expr {
	words := map[string]string{"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
	items := v.list()
	if len(items) == 0 || len(items)%2 != 0 {
		return d.fail(v, "numeric is a list of signs and numbers in turn: [\">\", 0, \"<=\", 5]")
	}
	var kids []*expr
	for i := 0; i < len(items); i += 2 {
		sign, limit := items[i], items[i+1]
		switch word, ok := words[sign.text]; {
		case sign.text == "=":
			kids = append(kids, d.patternValue(p, limit))
		case ok:
			kids = append(kids, d.ordered(p, modifiers{compare: word}, limit))
		default:
			return d.fail(sign, "unknown sign %q: known are < <= = >= >", sign.text)
		}
	}
	return and(kids...)
}

// anythingBut holds when the field is there and no value matches.
func (d *detection) anythingBut(p member, v *node) *expr {
	if len(v.list()) == 0 {
		return d.fail(v, "anything-but needs a value")
	}
	var kids []*expr
	for _, item := range v.list() {
		if item.kind != nodeMap {
			kids = append(kids, d.patternValue(p, item))
			continue
		}
		for i, k := range item.keys {
			for _, value := range item.items[i].list() {
				kids = append(kids, d.operator(p, &node{kind: nodeMap, keys: []*node{k}, items: []*node{value}, line: k.line, col: k.col}))
			}
		}
	}
	return and(leaf(p, keyExists(true), "existstrue"), not(or(kids...)))
}
