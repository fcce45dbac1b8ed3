package rule

import (
	"regexp"
	"slices"
	"strings"
)

// The old form of Sigma put a count or a sequence behind a bar into the
// condition of a single rule. It becomes what it stands for: a rule for each
// part, and a correlation over them.

// oldCount is count(field) by group > n.
var oldCount = regexp.MustCompile(`(?i)^(\w+)\s*\(\s*([^)]*?)\s*\)\s*(?:by\s+([^<>=]+?)\s*)?(>=|<=|<|>|==?)\s*(\S+)$`)

var oldSigns = map[string]string{">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "eq", "==": "eq"}

// old compiles a detection in the old form; false if it is not in it.
func (d *document) old(r *Rule, c *detection, body *node) bool {
	condition, frame := body.get("condition"), body.get("timeframe")
	if condition == nil || !condition.scalar() || frame == nil && !strings.Contains(condition.text, "|") {
		return false
	}
	c.identifiers(body)
	before, after, bar := strings.Cut(condition.text, "|")
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
	group := &node{kind: nodeList, line: condition.line, col: condition.col}
	for g := range strings.SplitSeq(m[3], ",") {
		group.items = append(group.items, at(condition, strings.TrimSpace(g)))
	}
	corr.put("group-by", group)
}

// oldFrame converts "a and b" within a time.
func (d *document) oldFrame(r *Rule, c *detection, condition, frame *node) {
	parts := slices.DeleteFunc(strings.Fields(condition.text), func(w string) bool { return strings.EqualFold(w, "and") })
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
	corr := &node{kind: nodeMap, line: condition.line, col: condition.col}
	refs := &node{kind: nodeList, line: condition.line, col: condition.col}
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
		refs.items = append(refs.items, at(condition, hidden.ID))
	}
	corr.put("type", at(condition, kind))
	corr.put("rules", refs)
	corr.put("timespan", frame)
	if limits != nil {
		limit := &node{kind: nodeMap, line: condition.line, col: condition.col}
		for _, l := range limits {
			limit.keys, limit.items = append(limit.keys, l[0]), append(limit.items, l[1])
		}
		corr.put("condition", limit)
	}
	r.Kind, r.draft.converted = KindCorrelation, corr
	return corr
}

func at(place *node, text string) *node {
	return &node{text: text, line: place.line, col: place.col}
}

func number(place *node, text string) *node {
	n := at(place, text)
	n.kind = nodeNumber
	return n
}

// put adds a member to a map.
func (n *node) put(key string, v *node) {
	n.keys, n.items = append(n.keys, &node{text: key, line: v.line, col: v.col}), append(n.items, v)
}
