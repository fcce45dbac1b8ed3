package rule

import (
	"maps"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
	"github.com/cairnstream/cairn/processor/window"
)

// Part is a rule that a correlation puts together with others, or counts.
type Part struct {
	Rule  *Rule
	Keys  []Path // one for each entry of group-by, as this rule names them
	Value []Path // what value_… types look at; several are one tuple
}

// MaxGroups bounds the groups that one match falls into when a path of
// group-by leads to several values.
const MaxGroups = 16

// correlation is the body of a correlation, before its references are known.
type correlation struct {
	node       *node
	kind       string
	refs       []*node
	groupBy    []*node
	aliases    []alias
	limits     map[string]float64 // gt, gte, lt, lte, eq, neq
	limitsAt   *node
	fields     []*node // what value_… types look at
	percentile int
	boolean    *node // condition as text over the rules
	generate   bool
	visit      visit
}

// alias is a name for a field that the rules call differently.
type alias struct {
	name  *node
	rules []*node
	paths []*node
}

// visit marks how far the resolution of a correlation is.
type visit uint8

const (
	unvisited visit = iota
	visiting
	visited
)

// The types of correlations, as Sigma names them.
const (
	eventCount      = "event_count"
	valueCount      = "value_count"
	valueSum        = "value_sum"
	valueAvg        = "value_avg"
	valuePercentile = "value_percentile"
	temporal        = "temporal"
	temporalOrdered = "temporal_ordered"
	absence         = "absence" // ours: the first rule, and none of the others within the timespan after it
)

var signs = []string{"gt", "gte", "lt", "lte", "eq", "neq"}

// correlation reads the body of a correlation rule.
func (d *document) correlation(r *Rule, n *node) {
	c := &correlation{node: n, percentile: 50}
	r.draft.correlation, r.Correlation = c, &window.Spec{}
	var condition *node
	ok := d.members(n, "correlation", takers{
		"type": func(v *node) {
			c.kind = d.word(v, "type of correlation", eventCount, valueCount, valueSum, valueAvg, valuePercentile, temporal, temporalOrdered, absence)
		},
		"rules":     func(v *node) { c.refs = v.List() },
		"group-by":  func(v *node) { c.groupBy = v.List() },
		"timespan":  func(v *node) { r.Correlation.Timespan = d.duration(v) },
		"aliases":   func(v *node) { d.aliases(c, v) },
		"condition": func(v *node) { condition = v },
		"generate":  func(v *node) { c.generate = d.flag(v, "generate") },
	})
	if g := d.node.Get("generate"); g != nil { // older texts of the specification put it outside
		c.generate = d.flag(g, "generate")
	}
	if !ok {
		return
	}
	for _, key := range []string{"type", "rules", "timespan"} {
		if n.Get(key) == nil {
			d.fail(n, "a correlation needs %s", key)
		}
	}
	if n.Get("group-by") == nil {
		d.warn(n, "no group-by: there is one group per account")
	}
	d.limits(c, condition)
}

// aliases reads {alias: {rule: path}}.
func (d *document) aliases(c *correlation, n *node) {
	if n.Kind != yamlat.Map {
		d.fail(n, "aliases is a map: {alias: {rule: path}}")
		return
	}
	for i, k := range n.Keys {
		v := n.Items[i]
		if v.Kind != yamlat.Map {
			d.fail(v, "the alias %s is a map of rule to path", k.Text)
			continue
		}
		c.aliases = append(c.aliases, alias{k, v.Keys, v.Items})
	}
}

// limits reads the condition: limits on a number, or text over the rules.
func (d *document) limits(c *correlation, n *node) {
	ordered := strings.HasPrefix(c.kind, temporal) || c.kind == absence
	switch {
	case c.kind == "":
		return // said already
	case n == nil && !ordered:
		d.fail(c.node, "%s needs a condition: write, for example, condition: {gte: 10}", c.kind)
	case n == nil:
	case n.Kind != yamlat.Map && !ordered:
		d.fail(n, "%s takes limits: write, for example, condition: {gte: 10}", c.kind)
	case n.Kind == yamlat.Text:
		c.boolean = n
	default:
		d.limitMap(c, n)
	}
	if c.fields == nil && strings.HasPrefix(c.kind, "value_") && n != nil {
		d.fail(n, "%s needs the field that it looks at: condition: {field: …, gte: 10}", c.kind)
	}
}

func (d *document) limitMap(c *correlation, n *node) {
	c.limits, c.limitsAt = map[string]float64{}, n
	take := takers{}
	for _, sign := range signs {
		take[sign] = func(v *node) { c.limits[sign] = d.number(v, sign) }
	}
	if strings.HasPrefix(c.kind, "value_") {
		take["field"] = func(v *node) { c.fields = v.List() }
	}
	if c.kind == valuePercentile {
		take["percentile"] = func(v *node) {
			if c.percentile = d.whole(v, "percentile", 1); c.percentile > 99 {
				d.fail(v, "percentile is a whole number from 1 to 99")
			}
		}
		if n.Get("percentile") == nil {
			d.warn(n, "no percentile: the median, 50, is taken")
		}
	}
	if d.members(n, "the condition of "+c.kind, take) {
		d.checkLimits(c, n)
	}
}

// checkLimits refuses limits that contradict each other. What else may be wrong
// with them is for window.Spec to say.
func (d *document) checkLimits(c *correlation, n *node) {
	low, isLow := c.either("gt", "gte")
	high, isHigh := c.either("lt", "lte")
	lower, upper := c.has("gt")+c.has("gte"), c.has("lt")+c.has("lte")
	single := c.has("eq")+c.has("neq") > 0
	switch {
	case len(c.limits) == 0:
		d.fail(n, "the condition has no limit: write one of %s", strings.Join(signs, ", "))
	case lower > 1, upper > 1, single && len(c.limits) > 1:
		d.fail(n, "%s do not go together: write one limit, or a lower and an upper one", strings.Join(slices.Sorted(maps.Keys(c.limits)), " and "))
	case isLow && isHigh && low >= high && !(low == high && c.has("gte")+c.has("lte") == 2):
		d.fail(n, "no number is above %v and below %v", low, high)
	case c.counts() && isHigh && !isLow && (high < 1 || high == 1 && c.has("lt") == 1):
		d.fail(n, "a group without an event has no window, so the count is never below 1: write an absence, type temporal_ordered with condition: a and not b")
	case c.counts() && !wholeLimits(c.limits):
		d.fail(n, "a count is a whole number")
	}
}

func (c *correlation) counts() bool {
	return c.kind == eventCount || c.kind == valueCount || strings.HasPrefix(c.kind, temporal)
}

func (c *correlation) has(sign string) int {
	if _, ok := c.limits[sign]; ok {
		return 1
	}
	return 0
}

func (c *correlation) either(a, b string) (float64, bool) {
	if v, ok := c.limits[a]; ok {
		return v, true
	}
	v, ok := c.limits[b]
	return v, ok
}

func wholeLimits(limits map[string]float64) bool {
	for _, v := range limits {
		if v != float64(int64(v)) || v < 0 {
			return false
		}
	}
	return true
}
