package rule

import (
	"strings"
	"time"

	"github.com/cairnstream/cairn/export/yamlat"
	"github.com/cairnstream/cairn/processor/window"
)

// Suppress is how findings of a rule are held back after an alert: those of
// the same values for so long. Zero means not at all.
type Suppress struct {
	For time.Duration
	By  []Path // beside the account; empty for correlations: their group
}

// vendor reads the key that Sigma leaves to each program.
func (d *document) vendor(r *Rule, n *node) {
	if n == nil {
		return
	}
	r.draft.vendor = n
	d.members(n, "cairn", takers{
		"runbook":    func(v *node) { r.Runbook = v.Text },
		"staging":    func(v *node) { r.Staged = d.flag(v, "staging") },
		"severity":   func(v *node) { d.severity(r, v) },
		"suppress":   func(v *node) { d.suppress(r, v) },
		"tests":      func(v *node) { d.tests(v) },
		"lateness":   func(v *node) { d.lateness(r, v) },
		"window":     func(v *node) { d.only(r, v, KindCorrelation, "window") },
		"first_seen": func(v *node) { d.model(r, v, KindFirstSeen) },
		"baseline":   func(v *node) { d.model(r, v, KindBaseline) },
		"asset":      func(v *node) { d.model(r, v, KindResource) },
		"evaluate":   func(v *node) { d.evaluate(r, v) },
	})
	d.noSuppress(r)
	d.notCritical(r)
}

// only refuses a key for other kinds of rules.
func (d *document) only(r *Rule, v *node, kind Kind, key string) bool {
	if r.Kind != kind {
		d.fail(v, "%s is for %s rules: this one is a %s", key, kind, r.Kind)
	}
	return r.Kind == kind
}

// model turns a rule of single events into one of another kind.
func (d *document) model(r *Rule, v *node, kind Kind) {
	switch {
	case r.overResources:
		d.fail(v, "%s takes events: a rule over resources judges their state by itself", kind)
	case r.Kind != KindMatch:
		d.fail(v, "first_seen, baseline and asset do not go together, nor with a correlation: write a rule for each")
	case kind == KindFirstSeen:
		r.Kind = kind
		d.firstSeen(r, v)
	case kind == KindBaseline:
		r.Kind = kind
		d.baseline(r, v)
	default:
		d.asset(r, v)
	}
}

// severity is the organisation's own view of the level.
func (d *document) severity(r *Rule, v *node) {
	if v.Kind != yamlat.Map {
		d.level(r, v)
		return
	}
	d.members(v, "severity", takers{
		"is":         func(v *node) { d.level(r, v) },
		"raise_when": func(v *node) { r.draft.raise = v },
	})
}

func (d *document) level(r *Rule, v *node) {
	level, ok := parseLevel(v.Text)
	if !ok || !v.Scalar() {
		d.fail(v, "unknown level %q: known are %s", v.Text, strings.Join(levelNames[:], ", "))
	}
	r.Level, r.draft.leveled = level, true
}

// suppress is a duration, {for, by}, or none.
func (d *document) suppress(r *Rule, v *node) {
	s := &Suppress{}
	r.draft.suppress = s
	switch {
	case v.Kind != yamlat.Map && v.Text == "none":
	case v.Kind != yamlat.Map:
		s.For = d.duration(v)
	default:
		d.members(v, "suppress", takers{
			"for": func(v *node) { s.For = d.duration(v) },
			"by":  func(v *node) { s.By = d.paths(v, "by", 4) },
		})
		if v.Get("for") == nil {
			d.fail(v, "suppress needs for: write {for: 1h, by: [sourceIPAddress]}, or none")
		}
	}
}

// noSuppress refuses a suppression where a finding already is a whole episode.
func (d *document) noSuppress(r *Rule) {
	if s := r.draft.suppress; s != nil && s.For > 0 && r.Kind == KindBaseline {
		d.fail(r.draft.vendor.Get("suppress"), "a baseline's finding is a whole episode already, however long: leave suppress out")
	}
}

// notCritical refuses an emergency that a number alone would raise.
func (d *document) notCritical(r *Rule) {
	if r.Kind != KindBaseline || r.Level != Critical || !r.draft.leveled {
		return
	}
	at := r.draft.vendor.Get("severity")
	if at == nil {
		at = d.node.Get("level")
	}
	d.fail(at, "an unusual number alone is never critical: write high at most, or leave the level out, so that it follows from the score")
}

// tests are found beside the rules; here only their form is looked at.
func (d *document) tests(v *node) {
	if v.Kind != yamlat.List {
		d.fail(v, "tests is a list of paths or of tests")
	}
}

func (d *document) lateness(r *Rule, v *node) {
	if !d.only(r, v, KindCorrelation, "lateness") {
		return
	}
	if r.Correlation.Lateness = d.duration(v); r.Correlation.Lateness > window.MaxLateness {
		d.fail(v, "lateness goes up to 26h, for so long double deliveries are known")
	}
}

// evaluate says when a rule over resources is asked.
func (d *document) evaluate(r *Rule, v *node) {
	if !r.overResources {
		d.fail(v, "evaluate is for rules over resources: write logsource: {product: cairn, category: resource}")
		return
	}
	r.occasions = 0
	for _, item := range v.List() {
		switch d.word(item, "occasion", "change", "snapshot") {
		case "change":
			r.occasions |= OnChange
		case "snapshot":
			r.occasions |= OnSnapshot
		}
	}
}

// defaults fill in what a rule left open, after its kind is known.
func (r *Rule) defaults() {
	switch {
	case r.draft.suppress != nil:
		r.Suppress = *r.draft.suppress
		if len(r.Suppress.By) == 0 && r.Kind != KindCorrelation && r.Suppress.For > 0 {
			r.Suppress.By = r.sameDeed()
		}
	case r.Kind == KindMatch:
		r.Suppress = Suppress{For: time.Hour, By: r.sameDeed()}
	case r.Kind == KindCorrelation:
		r.Suppress = Suppress{For: r.Correlation.Timespan}
	}
	for _, f := range r.Fields {
		r.shown = append(r.shown, newPath(f))
	}
	r.LevelOfScore = r.Kind == KindBaseline && !r.draft.leveled
}

// sameDeed is what findings are held back by where a rule does not say: who
// did it, and for rules over events whether it succeeded, so that an attempt
// that failed never hides the one that did not. What a resource is like was
// neither.
func (r *Rule) sameDeed() []Path {
	by := []Path{newPath("actor.root")}
	if r.Kind == KindMatch || r.Kind == KindFirstSeen {
		by = append(by, newPath("event.outcome"))
	}
	return by
}

// window is the suppression as the windows have it.
func (s Suppress) window() window.Suppress {
	w := window.Suppress{None: s.For == 0, For: s.For}
	for _, p := range s.By {
		w.By = append(w.By, p.String())
	}
	return w
}

// String is the suppression as findings name it: "1h by actor.root, event.outcome".
func (s Suppress) String() string {
	if s.For == 0 {
		return "none"
	}
	by := make([]string, len(s.By))
	for i, p := range s.By {
		by[i] = p.String()
	}
	if len(by) == 0 {
		return durationText(s.For) + " by group"
	}
	return durationText(s.For) + " by " + strings.Join(by, ", ")
}
