package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// resolve binds what refers to other rules, after all are read: filters,
// correlations, and which rules are no more than parts of others.
func (l *loader) resolve() {
	rules := l.sorted()
	l.titles = map[string][]*Rule{}
	for _, r := range rules {
		l.titles[r.Title] = append(l.titles[r.Title], r)
	}
	for _, r := range rules {
		r.defaults()
		if r.draft.filter != nil {
			l.narrow(r, rules)
		}
	}
	for _, r := range rules {
		if r.draft.correlation != nil {
			l.bind(r)
		}
	}
	for _, r := range rules {
		r.Version = r.stateHash()
		if r.Correlation != nil {
			r.Correlation.Version = r.Version
		}
	}
	l.silence(rules)
}

// find looks a rule up by id, name or title.
func (l *loader) find(d *document, ref *node) *Rule {
	if !ref.Scalar() || ref.Text == "" {
		d.fail(ref, "a reference is the id, name or title of a rule")
		return nil
	}
	if r, ok := l.rules[ref.Text]; ok {
		return r
	}
	if r, ok := l.names[ref.Text]; ok {
		return r
	}
	switch found := l.titles[ref.Text]; {
	case len(found) == 1:
		d.warn(ref, "%q is referred to by its title, which may change: use its id or name", ref.Text)
		return found[0]
	case len(found) > 1:
		d.fail(ref, "%d rules have the title %q: refer to one by id or name", len(found), ref.Text)
		return nil
	}
	if slices.Contains(l.broken, ref.Text) || slices.Contains(l.elsewhere, ref.Text) {
		return nil // its own mistake is told, or that it is for another log source
	}
	known := []string{}
	for name := range l.names {
		known = append(known, name)
	}
	slices.Sort(known)
	advice := ""
	if best := nearest(ref.Text, known); best != "" {
		advice = "; did you mean " + best + "?"
	}
	d.fail(ref, "no rule has the id, name or title %q%s", ref.Text, advice)
	return nil
}

// narrow takes what a filter matches out of the rules that it names.
func (l *loader) narrow(r *Rule, rules []*Rule) {
	f := r.draft.filter
	targets := rules
	if f.rules != nil {
		targets = nil
		for _, ref := range f.rules {
			if to := l.find(r.draft.doc, ref); to != nil && !slices.Contains(targets, to) {
				targets = append(targets, to)
				l.checkTarget(r, to, ref)
			}
		}
	}
	use := filterUse{filter: r, when: f.when, overResources: r.draft.detectionScope() == overResources}
	for _, to := range targets {
		if r.applies(to) && f.when != nil {
			if to.filtered == 0 {
				to.before = to.when
			}
			to.when = and(to.when, not(f.when))
			to.filtered++
			use.rules = append(use.rules, to)
		}
	}
	l.filters = append(l.filters, use)
	l.report.Filters++
}

func (l *loader) checkTarget(r, to *Rule, ref *node) {
	switch {
	case to.draft.filter != nil:
		r.draft.doc.fail(ref, "%s is a filter too: name the rules", to.Title)
	case to.when == nil:
		r.draft.doc.fail(ref, "%s is a correlation: filter the rules that it puts together", to.Title)
	case !r.applies(to):
		r.draft.doc.fail(ref, "%s judges something else than this filter's log source", to.Title)
	}
}

// bind finds the rules of a correlation, those of its parts first.
func (l *loader) bind(r *Rule) {
	c, d := r.draft.correlation, r.draft.doc
	if c.visit != unvisited {
		return
	}
	c.visit = visiting
	for _, ref := range c.refs {
		part := l.find(d, ref)
		if part == nil || !l.fits(r, part, ref) {
			continue
		}
		r.Parts = append(r.Parts, Part{Rule: part})
	}
	c.visit = visited
	if l.goesElsewhere(r) {
		return
	}
	if len(r.Parts) == 0 {
		if len(c.refs) == 0 {
			d.fail(c.node, "a correlation needs at least one rule")
		}
		return
	}
	if len(r.Parts) == len(c.refs) {
		l.keys(r)
		l.compileCorrelation(r)
	}
}

// goesElsewhere leaves a correlation out that refers to rules for other log
// sources, so that whole folders of rules may be given.
func (l *loader) goesElsewhere(r *Rule) bool {
	for _, ref := range r.draft.correlation.refs {
		to := cmp.Or(l.rules[ref.Text], l.names[ref.Text])
		if to == nil && !slices.Contains(l.elsewhere, ref.Text) || to != nil && !to.draft.elsewhere {
			continue
		}
		r.draft.elsewhere, r.Parts = true, nil
		l.report.Foreign = append(l.report.Foreign, fmt.Sprintf("%s: a correlation over %s, which is for another log source", r.Origin.File, ref.Text))
		return true
	}
	return false
}

// fits tells whether a rule may be part of a correlation, and binds it.
func (l *loader) fits(r, part *Rule, ref *node) bool {
	d := r.draft.doc
	switch {
	case part.draft.filter != nil:
		d.fail(ref, "%s is a filter: a correlation takes rules", part.Title)
		return false
	case part.Kind != KindMatch && part.Kind != KindCorrelation:
		d.fail(ref, "%s is a %s rule: a correlation takes rules over single events, and correlations", part.Title, part.Kind)
		return false
	case slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Rule == part }):
		d.fail(ref, "%s stands twice in rules", ref.Text)
		return false
	case part.Kind == KindMatch:
		return true
	case part.draft.correlation.visit == visiting:
		d.fail(ref, "%s is reached from itself: correlations that refer to each other in a circle can never be decided", part.Title)
		return false
	}
	l.bind(part)
	return true
}

// keys gives each part the paths of the groups and values.
func (l *loader) keys(r *Rule) {
	c, d := r.draft.correlation, r.draft.doc
	for i := range c.aliases {
		l.checkAlias(r, &c.aliases[i])
	}
	for _, g := range c.groupBy {
		a := c.alias(g.Text)
		if a == nil {
			if p, ok := d.path(g); ok {
				for i := range r.Parts {
					r.Parts[i].Keys = append(r.Parts[i].Keys, p)
				}
				r.group = append(r.group, g.Text)
			}
			continue
		}
		r.group = append(r.group, g.Text)
		for i := range r.Parts {
			r.Parts[i].Keys = append(r.Parts[i].Keys, l.aliased(a, r.Parts[i].Rule))
		}
	}
	for _, f := range c.fields {
		if p, ok := d.path(f); ok {
			for i := range r.Parts {
				r.Parts[i].Value = append(r.Parts[i].Value, p)
			}
		}
	}
}

func (c *correlation) alias(name string) *alias {
	for i := range c.aliases {
		if c.aliases[i].name.Text == name {
			return &c.aliases[i]
		}
	}
	return nil
}

// checkAlias wants exactly the rules of the correlation.
func (l *loader) checkAlias(r *Rule, a *alias) {
	d := r.draft.doc
	var have []*Rule
	for i, ref := range a.rules {
		part := l.find(d, ref)
		if part == nil {
			continue
		}
		if !slices.ContainsFunc(r.Parts, func(p Part) bool { return p.Rule == part }) {
			d.fail(ref, "the alias %s names %s, which is not among the rules of the correlation", a.name.Text, ref.Text)
		}
		have = append(have, part)
		d.path(a.paths[i])
	}
	for i, p := range r.Parts {
		if !slices.Contains(have, p.Rule) {
			d.fail(a.name, "the alias %s says nothing of %s: give it a path for each rule of the correlation", a.name.Text, r.draft.correlation.refs[i].Text)
		}
	}
}

// aliased is the path that stands for an alias in a rule.
func (l *loader) aliased(a *alias, part *Rule) Path {
	for i, ref := range a.rules {
		if ref.Text == part.ID || ref.Text == part.Name || ref.Text == part.Title {
			return newPath(a.paths[i].Text)
		}
	}
	return newPath("eventID") // an error was noted
}

// silence marks rules that only feed correlations.
func (l *loader) silence(rules []*Rule) {
	parts, loud := map[*Rule][]string{}, map[*Rule]bool{}
	for _, r := range rules {
		for _, p := range r.Parts {
			parts[p.Rule] = append(parts[p.Rule], r.Title)
			loud[p.Rule] = loud[p.Rule] || r.draft.correlation.generate
		}
	}
	for _, r := range rules {
		if by := parts[r]; by != nil && !loud[r] {
			r.Silent = true
			if r.draft.condition == "" {
				l.report.Silenced = append(l.report.Silenced, fmt.Sprintf("%s (%s): a part of %s", r.Title, r.Origin, strings.Join(by, ", ")))
			}
		}
	}
}
