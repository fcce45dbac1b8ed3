package detect

import (
	"cmp"
	"slices"
	"strings"
	"time"

	accounts "github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
)

// Backtest runs two sets of rules over one history and tells what differs.
type Backtest struct {
	sides [2]side // old, new
}

// side is one of the two sets on its way.
type side struct {
	sim   *Simulation
	rules map[string]*rule.Rule
	seen  map[string][]sighting // by rule
}

// sighting is what is kept of a finding.
type sighting struct {
	account, group, actor, resource string
	from, to                        time.Time
	level                           rule.Level
	held                            bool
	summary                         string
}

// NewBacktest prepares a comparison. Both sides know the accounts of book, which
// may be nil. Finish ends it.
func NewBacktest(old, new *rule.Set, catalogue *resource.Catalogue, book *accounts.Book) (*Backtest, error) {
	b := &Backtest{}
	for i, set := range []*rule.Set{old, new} {
		sim, err := Simulate(set, catalogue)
		if err != nil {
			return nil, err
		}
		sim.Accounts = book
		b.sides[i] = side{sim: sim, rules: map[string]*rule.Rule{}, seen: map[string][]sighting{}}
		for _, r := range set.Rules() {
			b.sides[i].rules[r.ID] = r
		}
	}
	return b, nil
}

// Event takes an event of the history in.
func (b *Backtest) Event(e *cloudtrail.Event) error {
	for i := range b.sides {
		if err := b.sides[i].sim.Event(e, b.sides[i].take); err != nil {
			return err
		}
	}
	return nil
}

// take keeps the start of a finding.
func (s *side) take(f *Finding) {
	if f.Step != Start {
		return
	}
	x := sighting{account: f.Account, group: groupText(f), actor: f.Root, from: f.From, to: f.To, level: f.Level, held: f.SuppressedBy != "", summary: f.Summary}
	if len(f.Resources) > 0 {
		x.resource = f.Resources[0]
	}
	if f.From.IsZero() {
		x.from, x.to = f.Time, f.Time
	}
	s.seen[f.Rule.ID] = append(s.seen[f.Rule.ID], x)
}

// groupText names what a finding is about: its group, else its actor.
func groupText(f *Finding) string {
	if len(f.Group) == 0 {
		return f.Root
	}
	parts := make([]string, len(f.Group))
	for i, p := range f.Group {
		parts[i] = p.Name + "=" + p.Value
	}
	return strings.Join(parts, " ")
}

// RuleDiff is what differs in one rule. Pairs of numbers are old and new.
type RuleDiff struct {
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Staged   bool        `json:"staged,omitempty"`
	Findings [2]int      `json:"findings"` // all
	Alerts   [2]int      `json:"alerts"`   // of them such as a person would see, were the rule not staged
	Added    int         `json:"added"`
	Removed  int         `json:"removed"`
	Same     int         `json:"same"`
	Level    int         `json:"level_changed"`
	Samples  Samples     `json:"samples"`
	Loudest  []Loud      `json:"loudest,omitempty"` // groups of the new rule with most findings
	Preview  [][]Preview `json:"preview,omitempty"` // alerts of the new rule if suppress were 10m, 1h, 1d
	Only     string      `json:"only,omitempty"`    // "old" or "new": the other set does not have the rule
}

// Samples are up to five summaries of each sort.
type Samples struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Level   []string `json:"level_changed,omitempty"`
}

// Loud is a group and how many findings it had.
type Loud struct {
	Group    string `json:"group"`
	Findings int    `json:"findings"`
}

// Preview is how many alerts were left with a suppression.
type Preview struct {
	For    string `json:"for"`
	By     string `json:"by"`
	Alerts int    `json:"alerts"`
}

const samples = 5

// Changed tells whether the sets find different things with this rule.
func (d *RuleDiff) Changed() bool { return d.Added+d.Removed+d.Level > 0 || d.Alerts[0] != d.Alerts[1] }

// Finish ends both runs a day behind the history, and returns the rules of both
// sets that found something or stand in one set alone, by id.
func (b *Backtest) Finish() ([]RuleDiff, error) {
	ids := map[string]bool{}
	for i := range b.sides {
		s := &b.sides[i]
		if err := s.sim.Advance(s.sim.Clock().Add(24*time.Hour), s.take); err != nil {
			return nil, err
		}
		if err := s.sim.Close(); err != nil {
			return nil, err
		}
		for id, r := range s.rules {
			other := b.sides[1-i].rules[id]
			if !r.Silent && (len(s.seen[id]) > 0 || other == nil || other.Silent) {
				ids[id] = true
			}
		}
	}
	var out []RuleDiff
	for _, id := range sortedKeys(ids) {
		out = append(out, b.diff(id))
	}
	return out, nil
}

// diff compares one rule.
func (b *Backtest) diff(id string) RuleDiff {
	d := RuleDiff{ID: id}
	for i, word := range []string{"new", "old"} {
		if r := b.sides[i].rules[id]; r == nil {
			d.Only = word
		} else {
			d.Title, d.Staged = r.Title, r.Staged
		}
		d.Findings[i] = len(b.sides[i].seen[id])
		for _, s := range b.sides[i].seen[id] {
			if !s.held && s.level > rule.Informational {
				d.Alerts[i]++
			}
		}
	}
	old, new := b.sides[0].seen[id], b.sides[1].seen[id]
	d.pair(old, new)
	d.Loudest, d.Preview = loudest(new), preview(new)
	return d
}

// pair finds for each finding the one of the other set about the same: account
// and group are equal, and their times overlap.
func (d *RuleDiff) pair(old, new []sighting) {
	waiting := map[string][]*sighting{}
	for i := range old {
		k := old[i].account + "\x00" + old[i].group
		waiting[k] = append(waiting[k], &old[i])
	}
	for i := range new {
		n := &new[i]
		k := n.account + "\x00" + n.group
		at := slices.IndexFunc(waiting[k], func(o *sighting) bool { return !o.from.After(n.to) && !n.from.After(o.to) })
		if at < 0 {
			d.Added++
			sample(&d.Samples.Added, n)
			continue
		}
		if waiting[k][at].level != n.level {
			d.Level++
			sample(&d.Samples.Level, n)
		} else {
			d.Same++
		}
		waiting[k] = slices.Delete(waiting[k], at, at+1)
	}
	for _, k := range sortedKeys(waiting) {
		for _, o := range waiting[k] {
			d.Removed++
			sample(&d.Samples.Removed, o)
		}
	}
}

func sample(list *[]string, s *sighting) {
	if len(*list) < samples {
		*list = append(*list, s.summary)
	}
}

// loudest are the groups with most findings.
func loudest(seen []sighting) (out []Loud) {
	n := map[string]int{}
	for i := range seen {
		n[seen[i].group]++
	}
	for _, g := range sortedKeys(n) {
		out = append(out, Loud{g, n[g]})
	}
	slices.SortStableFunc(out, func(a, b Loud) int { return cmp.Compare(b.Findings, a.Findings) })
	return out[:min(len(out), samples)]
}

// preview counts the alerts that suppressions of different lengths and kinds
// would leave.
func preview(seen []sighting) (out [][]Preview) {
	if len(seen) < 2 {
		return nil
	}
	byTime := slices.Clone(seen)
	slices.SortStableFunc(byTime, func(a, b sighting) int { return a.to.Compare(b.to) })
	for _, span := range []string{"10m", "1h", "1d"} {
		var row []Preview
		length, _ := rule.ParseDuration(span)
		for _, by := range []struct {
			name string
			of   func(*sighting) string
		}{{"actor", func(s *sighting) string { return s.actor }}, {"resource", func(s *sighting) string { return s.resource }}, {"account", func(s *sighting) string { return "" }}} {
			last, alerts := map[string]time.Time{}, 0
			for i := range byTime {
				k := byTime[i].account + "\x00" + by.of(&byTime[i])
				if t, ok := last[k]; !ok || byTime[i].to.Sub(t) >= length {
					last[k] = byTime[i].to
					alerts++
				}
			}
			row = append(row, Preview{span, by.name, alerts})
		}
		out = append(out, row)
	}
	return out
}
