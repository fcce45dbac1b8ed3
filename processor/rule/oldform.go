package rule

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// The old form of Sigma put a count or a sequence behind a bar into the
// condition of a single rule. It becomes what it stands for: a rule for each
// part, and a correlation over them.

// oldCount is count(field) by group > n.
var oldCount = regexp.MustCompile(`(?i)^(\w+)\s*\(\s*([^)]*?)\s*\)\s*(?:by\s+([^<>=]+?)\s*)?(>=|<=|<|>|==?)\s*(\S+)$`)

var oldSigns = map[string]string{">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "eq", "==": "eq"}

// old compiles a detection in the old form; false if it is not in it.
func (d *document) old(r *Rule, c *detection, body *node) bool {
	condition, frame := body.Get("condition"), body.Get("timeframe")
	if condition == nil || !condition.Scalar() || frame == nil && !strings.Contains(condition.Text, "|") {
		return false
	}
	c.identifiers(body)
	before, after, bar := strings.Cut(condition.Text, "|")
	before, after = strings.TrimSpace(before), strings.TrimSpace(after)
	near, isNear := strings.CutPrefix(after, "near ")
	switch {
	case !bar:
		d.oldFrame(r, c, condition, frame)
	case frame == nil && isNear:
		d.fail(condition, "near is the old form of a sequence, and needs to know how near: add timeframe, or write a temporal correlation with a timespan")
	case frame == nil:
		d.fail(condition, "%q is the old form of a count, and needs a time: add timeframe, or write a correlation with a timespan", "| "+after)
	case isNear:
		parts := append([]string{before}, strings.Fields(strings.ReplaceAll(near, " and ", " "))...)
		d.convert(r, c, condition, frame, "temporal", parts, nil)
	default:
		d.oldCount(r, c, condition, frame, before, after)
	}
	return true
}

// oldCount converts "selection | count() by group > n".
func (d *document) oldCount(r *Rule, c *detection, condition, frame *node, before, after string) {
	m := oldCount.FindStringSubmatch(after)
	switch {
	case m == nil:
		d.fail(condition, "%q is not understood: write a correlation with type, rules, group-by, timespan and condition", "| "+after)
		return
	case !strings.EqualFold(m[1], "count"):
		d.fail(condition, "%s is not counted in this form: write a correlation of type value_sum or value_avg, or cairn: {baseline: …} for what is unusual", m[1])
		return
	}
	limits := [][2]*node{{at(condition, oldSigns[m[4]]), number(condition, m[5])}}
	kind := "event_count"
	if m[2] != "" {
		kind, limits = "value_count", append(limits, [2]*node{at(condition, "field"), at(condition, m[2])})
	}
	corr := d.convert(r, c, condition, frame, kind, []string{before}, limits)
	if m[3] == "" || corr == nil {
		return
	}
	group := &node{Kind: yamlat.List, Line: condition.Line, Col: condition.Col}
	for g := range strings.SplitSeq(m[3], ",") {
		group.Items = append(group.Items, at(condition, strings.TrimSpace(g)))
	}
	put(corr, "group-by", group)
}

// oldFrame converts "a and b" within a time.
func (d *document) oldFrame(r *Rule, c *detection, condition, frame *node) {
	parts := slices.DeleteFunc(strings.Fields(condition.Text), func(w string) bool { return strings.EqualFold(w, "and") })
	for _, name := range parts {
		if c.named[name] == nil || len(parts) < 2 {
			d.fail(frame, "timeframe is the old form of a sequence, and goes with \"a and b\" over two selections: write a temporal correlation with a timespan")
			return
		}
	}
	for i, name := range parts {
		mine, ok := c.named[name].required("eventName")
		for _, other := range parts[:i] {
			theirs, also := c.named[other].required("eventName")
			if !ok || !also || slices.ContainsFunc(mine, func(n string) bool { return slices.Contains(theirs, n) }) {
				d.fail(frame, "one event could be %s and %s at once, so a timeframe between them says nothing: write a temporal correlation over two rules, with a timespan", other, name)
				return
			}
		}
	}
	d.convert(r, c, condition, frame, "temporal", parts, nil)
}

// convert makes a correlation of r over a hidden rule for each part, and
// returns its text for a last touch.
func (d *document) convert(r *Rule, c *detection, condition, frame *node, kind string, parts []string, limits [][2]*node) *node {
	corr := &node{Kind: yamlat.Map, Line: condition.Line, Col: condition.Col}
	refs := &node{Kind: yamlat.List, Line: condition.Line, Col: condition.Col}
	for _, text := range parts {
		part := at(condition, text)
		x := c.condition(part)
		if len(c.problems) > 0 {
			return nil
		}
		hidden := *r
		hidden.ID = r.ID + "-" + strings.Join(conditionWords(text), "-")
		hidden.Title, hidden.Name, hidden.Level, hidden.Kind = r.Title+": "+text, "", Informational, KindMatch
		hidden.when, hidden.draft = x, &draft{doc: d, condition: text}
		r.draft.hidden = append(r.draft.hidden, &hidden)
		refs.Items = append(refs.Items, at(condition, hidden.ID))
	}
	put(corr, "type", at(condition, kind))
	put(corr, "rules", refs)
	put(corr, "timespan", frame)
	if limits != nil {
		limit := &node{Kind: yamlat.Map, Line: condition.Line, Col: condition.Col}
		for _, l := range limits {
			limit.Keys, limit.Items = append(limit.Keys, l[0]), append(limit.Items, l[1])
		}
		put(corr, "condition", limit)
	}
	r.Kind, r.draft.converted = KindCorrelation, corr
	return corr
}

func at(place *node, text string) *node {
	return &node{Text: text, Line: place.Line, Col: place.Col}
}

func number(place *node, text string) *node {
	n := at(place, text)
	n.Kind = yamlat.Number
	return n
}

// put adds a member to a map.
func put(n *node, key string, v *node) {
	n.Keys, n.Items = append(n.Keys, &node{Text: key, Line: v.Line, Col: v.Col}), append(n.Items, v)
}
