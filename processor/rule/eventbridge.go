package rule

import (
	"fmt"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// derivedNames are the members of an EventBridge event that a record stands
// for, and those that it cannot.
var derivedNames = map[string]string{"account": "recipientAccountId", "region": "awsRegion"}

// eventPattern compiles an EventBridge pattern (Amazon EventBridge user guide,
// "Event patterns"). As there, text is cased, an array of the event matches by
// any member, and all fields of a pattern must match.
func (d *detection) eventPattern(n *node) *expr {
	if n.Kind == yamlat.Text { // JSON as text
		docs, err := parseYAML(d.file, []byte(n.Text))
		if err != nil || len(docs) != 1 {
			return d.fail(n, "the pattern is not one JSON object")
		}
		n = docs[0]
	}
	if n.Kind != yamlat.Map || len(n.Keys) == 0 {
		return d.fail(n, "a pattern is a map with source, detail-type, account, region or detail")
	}
	var kids []*expr
	for i, k := range n.Keys {
		kids = append(kids, d.patternTop(k, n.Items[i]))
	}
	return and(kids...)
}

func (d *detection) patternTop(k, v *node) *expr {
	switch k.Text {
	case "detail":
		return d.patternFields("", v)
	case "$or":
		return d.patternOr("", v, d.eventPattern)
	case "source":
		return d.source(v)
	case "detail-type":
		return d.detailType(v)
	}
	if field, ok := derivedNames[k.Text]; ok {
		return d.patternLeaf(field, v)
	}
	return d.fail(k, "%s is not part of a CloudTrail record: use source, detail-type, account, region and detail", k.Text)
}

// source is the service: aws.s3 stands for the eventSource s3.amazonaws.com.
func (d *detection) source(v *node) *expr {
	out := *v
	out.Items = nil
	for _, item := range v.Items {
		c := d.sourceValue(item)
		if c == nil {
			return or()
		}
		out.Items = append(out.Items, c)
	}
	return d.patternLeaf("eventSource", &out)
}

func (d *detection) sourceValue(item *node) *node {
	c := *item
	if item.Kind != yamlat.Map {
		c.Text = strings.TrimPrefix(item.Text, "aws.") + ".amazonaws.com"
		return &c
	}
	if but := item.Get("anything-but"); but != nil && len(item.Keys) == 1 {
		values := *but
		values.Kind, values.Items = yamlat.List, nil
		for _, v := range but.List() {
			if v.Kind != yamlat.Text {
				d.fail(v, "anything-but of source takes texts")
				return nil
			}
			values.Items = append(values.Items, d.sourceValue(v))
		}
		c.Items = []*node{&values}
		return &c
	}
	prefix := item.Get("prefix")
	switch {
	case prefix == nil || prefix.Kind != yamlat.Text || len(item.Keys) != 1:
		d.fail(item, "source takes texts, prefix and anything-but: write the services out")
		return nil
	case strings.HasPrefix("aws.", prefix.Text): // every service
		return &node{Kind: yamlat.Map, Keys: []*node{{Text: "exists"}}, Items: []*node{{Kind: yamlat.Bool, Text: "true"}}, Line: item.Line, Col: item.Col}
	}
	p := *prefix
	p.Text = strings.TrimPrefix(prefix.Text, "aws.")
	if p.Text == prefix.Text {
		d.fail(prefix, "the sources of CloudTrail records begin with aws.")
		return nil
	}
	c.Items = []*node{&p}
	return &c
}

// detailType is the kind of record, by its eventType.
func (d *detection) detailType(v *node) *expr {
	kinds := map[string]string{
		"AWS API Call via CloudTrail": "AwsApiCall", "AWS Console Sign In via CloudTrail": "AwsConsoleSignIn",
		"AWS Service Event via CloudTrail": "AwsServiceEvent", "AWS Insight via CloudTrail": "AwsCloudTrailInsight",
	}
	var values []*node
	for _, item := range v.List() {
		kind, ok := kinds[item.Text]
		if !ok {
			return d.fail(item, "the detail-type %q is not CloudTrail's", item.Text)
		}
		c := *item
		c.Text = kind
		values = append(values, &c)
	}
	return d.patternLeaf("eventType", &node{Kind: yamlat.List, Items: values, Line: v.Line, Col: v.Col})
}

func (d *detection) patternFields(prefix string, n *node) *expr {
	if n.Kind != yamlat.Map || len(n.Keys) == 0 {
		return d.fail(n, "an object of the pattern needs at least one field")
	}
	var kids []*expr
	for i, k := range n.Keys {
		v := n.Items[i]
		switch {
		case k.Text == "$or":
			kids = append(kids, d.patternOr(prefix, v, func(n *node) *expr { return d.patternFields(prefix, n) }))
		case v.Kind == yamlat.Map:
			kids = append(kids, d.patternFields(prefix+k.Text+".", v))
		default:
			kids = append(kids, d.patternLeaf(prefix+k.Text, v))
		}
	}
	return and(kids...)
}

func (d *detection) patternOr(_ string, v *node, each func(*node) *expr) *expr {
	if v.Kind != yamlat.List || len(v.Items) < 2 {
		return d.fail(v, "$or is a list of two or more patterns")
	}
	var kids []*expr
	for _, item := range v.Items {
		kids = append(kids, each(item))
	}
	return or(kids...)
}

// patternLeaf is a field with the list of values and operators that it may
// match.
func (d *detection) patternLeaf(name string, v *node) *expr {
	if v.Kind != yamlat.List || len(v.Items) == 0 {
		return d.fail(v, "the values of %s stand in a list: [ … ]", name)
	}
	p := bindPath(name)
	var kids []*expr
	for _, item := range v.Items {
		if item.Kind == yamlat.Map {
			kids = append(kids, d.operator(p, item))
			continue
		}
		kids = append(kids, d.patternValue(p, item))
	}
	return or(kids...)
}

// patternValue is equality with a text, number, boolean or null.
func (d *detection) patternValue(p member, v *node) *expr {
	switch v.Kind {
	case yamlat.Null:
		return and(leaf(p, keyExists(true), "existstrue"), leaf(p, isNull{}, "null"))
	case yamlat.Number:
		n, ok := parseDecimal(v.Text)
		if !ok {
			return d.fail(v, "%q is no number", v.Text)
		}
		return leaf(p, &literalTest{newPattern(v.Text, true), n, true}, "number"+v.Text)
	case yamlat.List:
		return d.fail(v, "a list inside the list of values: write the values side by side")
	}
	return d.patternText(p, v.Text, true)
}

func (d *detection) patternText(p member, source string, cased bool) *expr {
	t := newPattern(source, cased)
	return leaf(p, &textTest{t, false}, fmt.Sprint("text", false, t.key()))
}

// operator is one of EventBridge's comparisons.
func (d *detection) operator(p member, n *node) *expr {
	if len(n.Keys) != 1 {
		return d.fail(n, "an operator stands alone in its braces")
	}
	k, v := n.Keys[0], n.Items[0]
	switch k.Text {
	case "prefix", "suffix":
		return d.affix(p, k.Text, v)
	case "equals-ignore-case":
		return d.patternText(p, v.Text, false)
	case "wildcard":
		return d.patternText(p, squeeze(strings.ReplaceAll(v.Text, "*", star)), true)
	case "exists":
		if v.Kind != yamlat.Bool {
			return d.fail(v, "exists takes true or false")
		}
		return leaf(p, keyExists(v.Text == "true"), "exists"+v.Text)
	case "cidr":
		return d.network(p, v)
	case "numeric":
		return d.numeric(p, v)
	case "anything-but":
		return d.anythingBut(p, v)
	}
	return d.fail(k, "unknown operator %q: known are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists, $or", k.Text)
}

func (d *detection) affix(p member, how string, v *node) *expr {
	cased := true
	if inner := v.Get("equals-ignore-case"); inner != nil {
		v, cased = inner, false
	}
	if v.Kind != yamlat.Text || v.Text == "" {
		return d.fail(v, "%s takes a text", how)
	}
	if how == "prefix" {
		return d.patternText(p, v.Text+star, cased)
	}
	return d.patternText(p, star+v.Text, cased)
}

// numeric is a list of comparisons that must all hold: [">", 0, "<=", 5].
func (d *detection) numeric(p member, v *node) *expr {
	words := map[string]string{"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
	items := v.List()
	if len(items) == 0 || len(items)%2 != 0 {
		return d.fail(v, "numeric is a list of signs and numbers in turn: [\">\", 0, \"<=\", 5]")
	}
	var kids []*expr
	for i := 0; i < len(items); i += 2 {
		sign, limit := items[i], items[i+1]
		switch word, ok := words[sign.Text]; {
		case sign.Text == "=":
			kids = append(kids, d.patternValue(p, limit))
		case ok:
			kids = append(kids, d.ordered(p, modifiers{compare: word}, limit))
		default:
			return d.fail(sign, "unknown sign %q: known are < <= = >= >", sign.Text)
		}
	}
	return and(kids...)
}

// anythingBut holds when the field is there and no value matches.
func (d *detection) anythingBut(p member, v *node) *expr {
	if len(v.List()) == 0 {
		return d.fail(v, "anything-but needs a value")
	}
	var kids []*expr
	for _, item := range v.List() {
		if item.Kind != yamlat.Map {
			kids = append(kids, d.patternValue(p, item))
			continue
		}
		for i, k := range item.Keys {
			for _, value := range item.Items[i].List() {
				kids = append(kids, d.operator(p, &node{Kind: yamlat.Map, Keys: []*node{k}, Items: []*node{value}, Line: k.Line, Col: k.Col}))
			}
		}
	}
	return and(leaf(p, keyExists(true), "existstrue"), not(or(kids...)))
}
