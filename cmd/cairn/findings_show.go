package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/chart"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/blob"
)

type findingsShowCmd struct {
	ID string `arg:"" help:"Id of the finding, or as much of its beginning as tells it apart."`
	place
	output
	ruleFlags
	SVG     string `help:"Write the chart to this file, as SVG." name:"svg" placeholder:"FILE"`
	Windows int    `help:"Windows of history in the chart." default:"48"`
}

// dossier is all that is known of one finding.
type dossier struct {
	life
	rule      *rule.Rule // nil: not among the rules at hand
	set       *rule.Set
	events    []*export.EventRow // of the finding, by time; what the lake has
	missing   []string           // ids of events that it does not have
	standsFor []life             // findings that this one held back
	chart     *chart.Series      // nil: its kind has no windows
	delivery  delivery
}

// Run shows one finding.
func (c *findingsShowCmd) Run(e *env) error {
	if c.Windows < 1 || c.Windows > 10_000 {
		return usageError{errors.New("--windows must be between 1 and 10000")}
	}
	at, store, err := c.reader(e.ctx)
	if err != nil {
		return err
	}
	lake, err := at.openLake(e.ctx)
	if err != nil {
		return err
	}
	d, err := c.gather(e, lake)
	if err != nil {
		return err
	}
	if err := d.readDelivery(e.ctx, store, at.app()); err != nil {
		return err
	}
	if err := c.writeSVG(d); err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, d.object())
	}
	on := pageOf(e)
	d.print(e.out, on)
	if d.chart != nil {
		_, _ = fmt.Fprintln(e.out)
		_, _ = fmt.Fprint(e.out, d.chart.Text(on.width, on.colour))
	}
	d.printNext(e.out, at.flags(c.place))
	return nil
}

// flags are what a command needs to find the same data again, as a shell takes
// them.
func (p place) flags(given place) string {
	text := ""
	if p.Data != "./cairn-data" {
		text += " --data " + word(p.Data)
	}
	if given.Lake != "" {
		text += " --lake " + word(given.Lake)
	}
	if given.State != "" {
		text += " --state " + word(given.State)
	}
	return text
}

func (c *findingsShowCmd) writeSVG(d *dossier) error {
	switch {
	case c.SVG == "":
		return nil
	case d.chart == nil && d.waited():
		return errors.New("a finding about what did not come has no chart: there is nothing to count")
	case d.chart == nil:
		return fmt.Errorf("a finding of kind %s has no chart: only correlations and baselines count in windows", d.now().RuleKind)
	}
	if err := os.WriteFile(c.SVG, d.chart.SVG(), 0o644); err != nil {
		return fmt.Errorf("write the chart: %w", err)
	}
	return nil
}

// gather reads everything about the finding.
func (c *findingsShowCmd) gather(e *env, lake blob.Store) (*dossier, error) {
	lives, err := readLives(e.ctx, lake)
	if err != nil {
		return nil, err
	}
	d := &dossier{}
	if d.life, err = findLife(lives, c.ID); err != nil {
		return nil, err
	}
	for _, l := range lives {
		if value(l.now().SuppressedBy) == d.now().FindingID {
			d.standsFor = append(d.standsFor, l)
		}
	}
	c.findRule(e, d)
	t := newTally(d, c.Windows)
	if err := d.readEvents(e.ctx, lake, t); err != nil {
		return nil, err
	}
	if t != nil {
		d.chart = t.series()
		d.also(t.matched)
	}
	return d, nil
}

// findLife is the finding that an id, or its beginning, names.
func findLife(lives []life, id string) (life, error) {
	var found []life
	for _, l := range lives {
		if strings.HasPrefix(l.now().FindingID, strings.ToLower(id)) {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 1 && id != "":
		return found[0], nil
	case len(found) == 0:
		return life{}, fmt.Errorf("no finding %q in the lake: \"cairn findings --min-severity informational --limit 0\" lists all ids; what was found in the last minutes may not be in a file yet", id)
	}
	return life{}, fmt.Errorf("%s begin with %q: write more of the id", plural(int64(len(found)), "finding"), id)
}

// findRule looks for the rule. Without it much can be shown all the same.
func (c *findingsShowCmd) findRule(e *env, d *dossier) {
	set, err := c.load(e)
	if err != nil {
		_, _ = fmt.Fprintf(e.err, "cairn: shown without its rule: %v\n", err)
		return
	}
	for _, r := range set.Rules() {
		if r.ID == d.now().RuleID {
			d.rule, d.set = r, set
		}
	}
}

// same tells that the rule at hand decides as the one did that made the
// finding.
func (d *dossier) same() bool { return d.rule != nil && d.rule.Version == d.now().RuleVersion }

// ids are those of all events that the finding names.
func (d *dossier) ids() map[string]bool {
	ids := map[string]bool{}
	for _, r := range d.steps {
		for _, id := range append([]string{r.TriggerEventID}, r.EventIDs...) {
			ids[id] = true
		}
		for name, list := range r.Fields {
			if strings.HasPrefix(name, "step.") {
				for _, id := range strings.Fields(list) {
					ids[id] = true
				}
			}
		}
	}
	delete(ids, "")
	return ids
}

// readEvents reads the finding's events, and counts for the chart, in one pass
// over the days that can have either.
func (d *dossier) readEvents(ctx context.Context, lake blob.Store, t *tally) error {
	from, to := d.began(), d.lasted()
	if w := d.steps[0].WindowStartTS; w != nil && time.UnixMilli(*w).Before(from) {
		from = time.UnixMilli(*w)
	}
	if t != nil {
		from, to = earlier(from, t.start), later(to, t.end())
	}
	// An event whose own time cannot be right lies on the day of its arrival.
	first, last := from.UTC().AddDate(0, 0, -1).Format(time.DateOnly), to.UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	days := export.Selection{Partition: func(p string) bool {
		day := p[strings.LastIndexByte(p, '=')+1:]
		return first <= day && day <= last
	}}
	ids := d.ids()
	for row, err := range export.ReadRows[export.EventRow](ctx, lake, days) {
		if err != nil {
			return err
		}
		if ids[row.EventID] {
			delete(ids, row.EventID)
			d.events = append(d.events, row)
		}
		if err := t.add(row); err != nil {
			return err
		}
	}
	for id := range ids {
		d.missing = append(d.missing, id)
	}
	slices.Sort(d.missing)
	d.sortEvents()
	return nil
}

// also adds events that the finding does not name: of many it keeps some.
func (d *dossier) also(events []*export.EventRow) {
	for _, e := range events {
		if !slices.ContainsFunc(d.events, func(o *export.EventRow) bool { return o.EventID == e.EventID }) && len(d.events) < mostEvents {
			d.events = append(d.events, e)
		}
	}
	d.sortEvents()
}

// mostEvents bounds the events of a finding that are shown or printed.
const mostEvents = 1000

func (d *dossier) sortEvents() {
	slices.SortFunc(d.events, func(a, b *export.EventRow) int {
		return cmp.Or(cmp.Compare(a.EventTS, b.EventTS), strings.Compare(a.EventID, b.EventID))
	})
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
