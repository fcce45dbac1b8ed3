package rule

import (
	"strings"

	"github.com/cairnstream/cairn/processor/window"
)

// compileCorrelation fills the description of a correlation whose rules are
// known, and lets it check itself.
func (l *loader) compileCorrelation(r *Rule) {
	c, d := r.draft.correlation, r.draft.doc
	s := r.Correlation
	s.ID, s.Generate, s.GroupBy = r.ID, c.generate, r.group
	s.Suppress = r.Suppress.window()
	s.Type, _ = window.ParseType(c.kind)
	for i, p := range r.Parts {
		s.Rules = append(s.Rules, window.Reference{ID: p.Rule.ID, Name: c.refs[i].Text})
	}
	for _, sign := range signs {
		if v, ok := c.limits[sign]; ok {
			op, _ := window.ParseOp(sign)
			s.Condition.Bounds = append(s.Condition.Bounds, window.Bound{Op: op, Value: v})
		}
	}
	if s.Type == window.ValuePercentile {
		s.Condition.Percentile = float64(c.percentile)
	}
	for _, f := range c.fields {
		s.Condition.Fields = append(s.Condition.Fields, f.Text)
	}
	l.aliasMap(r, s)
	if c.boolean != nil {
		l.boolean(r, s)
	}
	l.correlationVendor(r, s)
	s.Version = "unknown" // until all are bound; it has to be there for the check
	if err := s.Check(); err != nil && len(d.problems) == 0 {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			d.fail(c.place(), "%s", line)
		}
	}
}

// place is where a mistake of the whole condition is shown.
func (c *correlation) place() *node {
	if c.limitsAt != nil {
		return c.limitsAt
	}
	return c.node
}

// aliasMap names, for each alias, the path of each rule.
func (l *loader) aliasMap(r *Rule, s *window.Spec) {
	for i := range r.draft.correlation.aliases {
		a := &r.draft.correlation.aliases[i]
		if s.Aliases == nil {
			s.Aliases = map[string]map[string]string{}
		}
		paths := map[string]string{}
		for n, p := range r.Parts {
			path := l.aliased(a, p.Rule)
			paths[s.Rules[n].Name] = path.String()
		}
		s.Aliases[a.name.Text] = paths
	}
}

// boolean reads a condition over rule names.
func (l *loader) boolean(r *Rule, s *window.Spec) {
	c, d := r.draft.correlation, r.draft.doc
	named := make([]window.Reference, len(r.Parts))
	for i, p := range r.Parts { // a condition may call a rule by its name where the list has its id
		named[i] = window.Reference{ID: s.Rules[i].Name, Name: p.Rule.Name}
	}
	when, err := window.ParseExpr(c.boolean.Text, named)
	if err != nil {
		d.fail(c.boolean, "%s", err)
		return
	}
	s.Condition.When = when
}

// correlationVendor takes over what the key cairn says of windows.
func (l *loader) correlationVendor(r *Rule, s *window.Spec) {
	d, n := r.draft.doc, r.draft.vendor.Get("window")
	if n == nil {
		return
	}
	d.members(n, "window", takers{
		"kind": func(v *node) {
			s.Shape, _ = window.ParseShape(d.word(v, "kind of window", "sliding", "tumbling", "session"))
		},
		"gap":      func(v *node) { s.Gap = d.duration(v) },
		"timezone": func(v *node) { s.Timezone = v.Text },
	})
}
