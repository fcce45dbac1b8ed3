// Package detect turns events into findings. A Detector holds each event of a
// shard against all rules, and gives what they match to the windows, the
// baselines and the first-seen store; those and the state of resources make
// findings too.
//
// It is pure: events, arrivals and the watermark come from outside, and what
// it remembers lies in the shard's store, so that the same input gives the same
// findings with the same ids, whatever happened in between.
//
// The order of calls matters. For each record of the stream: Advance with the
// watermark that holds on its arrival, then Event. Before a commit freezes the
// store: Flush.
package detect

import (
	"fmt"
	"iter"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/window"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// ahead is how far an event's time is trusted beyond its arrival: clocks of
// services run a little ahead.
const ahead = 5 * time.Minute

// Options of a Detector.
type Options struct {
	Lateness time.Duration // of the watermark behind the newest arrival
	// Watermark is that of the commit which wrote the store, zero for an empty
	// one.
	Watermark time.Time
	Past      Past // history for first-seen rules; nil: they learn from here on
}

// Event is an event with all that detection wants to know of it.
type Event struct {
	rule.Input           // After and Before are filled from Touched
	Hash       key.Hash  // of the partition key
	Whole      bool      // the hash lies outside of the shard's range: rows belong to the shard as a whole
	Arrival    time.Time // of the record
	Sequence   string    // of the record
	Resources  []string  // keys of the resources that the event changed
	// Moved are resources whose key the event made known: what was found about
	// them goes on under that.
	Moved []Move
	// Touched gives the resources that the event changed, each once; nil means
	// none. It is called only when a rule asks for their state.
	Touched func() []Touched
}

// Move is a resource that was known by another key before.
type Move struct{ From, To string }

// Touched is a resource that an event changed.
type Touched struct {
	Key           string        // of the resource
	After, Before rule.Resource // with the event applied, and without it; Before nil: was not known
}

// Detector is the detection of one shard. One goroutine owns it.
type Detector struct {
	set     *rule.Set
	matcher *rule.Matcher
	store   *state.Store
	windows *window.Engine
	retired *retired
	// What learns, and what it is given.
	baselines *baseline.Engine
	past      Past
	later     []*rule.Rule   // baselines that the event in hand met
	raised    bool           // a first-seen rule fired on the event in hand
	learned   baseline.Event // scratch: the event in hand, as what learns sees it
	learner   *rule.Rule     // that it is given to

	rules map[string]*rule.Rule
	paths map[string]*rule.Path // by their text
	parts map[*rule.Rule]bool   // rules that correlations look at
	shown []rule.Path           // fields that correlations name for their findings
	// stateful: some rule makes findings about resources.
	stateful bool

	event    *Event       // in hand
	snapshot *Snapshot    // in hand, in place of an event
	window   window.Event // scratch: the event in hand, as windows see it
	context  string       // that they keep of it; "" until they ask
	scratch  []byte
	touched  []Touched // of the event in hand
	asked    bool      // touched is filled
	out      []Finding
}

// Open prepares the detection of a shard with the state that its store has.
func Open(set *rule.Set, store *state.Store, opts Options) (*Detector, error) {
	d := &Detector{set: set, matcher: set.Matcher(), store: store, rules: map[string]*rule.Rule{}, paths: map[string]*rule.Path{}, parts: map[*rule.Rule]bool{}}
	var specs []window.Spec
	var holds []window.Hold
	for _, r := range set.Rules() {
		d.rules[r.ID] = r
		d.stateful = d.stateful || r.Kind == rule.KindResource
		for _, p := range r.Suppress.By {
			d.paths[p.String()] = &p
		}
		switch {
		case r.Correlation != nil:
			specs = append(specs, *r.Correlation)
			d.shown = append(d.shown, r.Shown()...)
			d.bind(r)
		case r.Suppress.For > 0 && !r.Silent:
			holds = append(holds, window.Hold{Rule: r.ID, Version: r.Version, For: r.Suppress.For, By: pathTexts(r.Suppress.By)})
		}
	}
	var err error
	if d.windows, err = window.New(store, specs, opts.Watermark, window.Options{Lateness: opts.Lateness, Holds: holds}); err != nil {
		return nil, fmt.Errorf("open the windows: %w", err)
	}
	if err := d.openBaselines(opts); err != nil {
		return nil, fmt.Errorf("open the baselines: %w", err)
	}
	d.retired = newRetired(store, opts.Watermark)
	d.retired.keep(set, specs, holds)
	if err := d.restore(); err != nil {
		return nil, err
	}
	if err := store.Err(); err != nil {
		return nil, err
	}
	d.window.Field, d.window.Values, d.window.Context = d.field, d.values, d.kept
	d.learned.Context = d.appendContext
	return d, nil
}

// restore gives windows and baselines the rows that the store has of them, but
// for those of rules that are gone. They lie side by side.
func (d *Detector) restore() error {
	if err := d.retired.open(); err != nil {
		return err
	}
	for row, err := range d.store.RangeTypes(key.Aggregate, key.Baseline) {
		if err != nil {
			return fmt.Errorf("read windows and baselines: %w", err)
		}
		if err := d.takeRow(row); err != nil {
			return err
		}
	}
	for _, rows := range [...]iter.Seq2[state.Row, error]{d.store.Range(key.Whole(key.Aggregate)), d.store.Range(key.Whole(key.Baseline))} {
		for row, err := range rows {
			if err != nil {
				return fmt.Errorf("read windows and baselines: %w", err)
			}
			if err := d.takeRow(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Detector) takeRow(row state.Row) error {
	gone, err := d.retired.gone(row.Key)
	if err != nil || gone {
		return err
	}
	parts, err := key.Parse(row.Key)
	switch {
	case err != nil:
		return err
	case parts.Kind == key.Baseline:
		return d.baselines.Take(row)
	case parts.Space == key.SpaceKeyed: // of the shard as a whole windows read their rows themselves
		return d.windows.Take(row)
	}
	return nil
}

// WantsResources tells whether some rule asks for the state of resources: only
// then is Event.Touched called.
func (d *Detector) WantsResources() bool { return d.stateful || d.set.AsksForResources() }

// bind prepares the paths of a correlation.
func (d *Detector) bind(r *rule.Rule) {
	for _, part := range r.Parts {
		d.parts[part.Rule] = true
		for _, list := range [][]rule.Path{part.Keys, part.Value} {
			for _, p := range list {
				d.paths[p.String()] = &p
			}
		}
	}
}

func pathTexts(paths []rule.Path) (out []string) {
	for _, p := range paths {
		out = append(out, p.String())
	}
	return out
}

// field is the text of a path in the event in hand.
func (d *Detector) field(path string) (string, bool) {
	p := d.paths[path]
	if p == nil {
		return "", false
	}
	return p.Text(&d.event.Input)
}

// values are all texts of a path in the event in hand.
func (d *Detector) values(path string) []string {
	p := d.paths[path]
	if p == nil {
		return nil
	}
	return p.AppendTexts(nil, &d.event.Input, rule.MaxGroups)
}

// Event takes an event in and returns what it brings about. The slice is valid
// until the next call.
func (d *Detector) Event(in *Event) ([]Finding, error) {
	d.begin(in)
	for _, m := range in.Moved {
		if err := d.move(m); err != nil {
			return nil, err
		}
	}
	for _, r := range d.matcher.Judge(&in.Input) {
		if d.parts[r] {
			d.window.Matched = append(d.window.Matched, r.ID)
		}
		if err := d.matched(r); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
	}
	for _, r := range d.later {
		if err := d.learn(r); err != nil {
			return nil, err
		}
	}
	if len(d.window.Matched) > 0 {
		if err := d.correlate(); err != nil {
			return nil, err
		}
	}
	if err := d.review(); err != nil {
		return nil, err
	}
	return d.out, nil
}

// begin takes an event in hand.
func (d *Detector) begin(in *Event) {
	d.out, d.event, d.touched, d.asked = d.out[:0], in, nil, false
	d.later, d.raised, d.window.Matched, d.context = d.later[:0], false, d.window.Matched[:0], ""
	if in.Touched != nil {
		in.After = func() []rule.Resource { return d.states(func(t *Touched) rule.Resource { return t.After }) }
		in.Before = func() []rule.Resource { return d.states(func(t *Touched) rule.Resource { return t.Before }) }
	}
	w := &d.window
	w.ID, w.Time, w.Hash, w.Account = in.Event.ID, in.Event.Time, in.Hash, in.Event.Account()
	if limit := in.Arrival.Add(ahead); w.Time.After(limit) && !in.Arrival.IsZero() {
		w.Time = limit
	}
}

// changed are the resources that the event in hand changed.
func (d *Detector) changed() []Touched {
	if !d.asked && d.event.Touched != nil {
		d.asked, d.touched = true, d.event.Touched()
	}
	return d.touched
}

func (d *Detector) states(of func(*Touched) rule.Resource) (out []rule.Resource) {
	changed := d.changed()
	for i := range changed {
		if r := of(&changed[i]); r != nil {
			out = append(out, r)
		}
	}
	return out
}

// matched is what an event that met a rule brings about by itself. Baselines
// come later, because first-seen rules raise what they find.
func (d *Detector) matched(r *rule.Rule) error {
	switch {
	case r.Silent:
		return nil
	case r.Kind == rule.KindMatch:
		return d.single(r)
	case r.Kind == rule.KindResource:
		return d.asset(r)
	case r.FirstSeen != nil:
		return d.learn(r)
	}
	d.later = append(d.later, r)
	return nil
}

// single is the finding of a rule that one event is enough for.
func (d *Detector) single(r *rule.Rule) error {
	f := d.start(r)
	f.ID = rule.FindingID(r, f.Account, f.EventID)
	f.Resources = d.event.Resources
	f.Summary = told(f)
	return d.suppress(f)
}

// suppress asks whether another finding about the same holds this one back.
func (d *Detector) suppress(f *Finding) (err error) {
	if f.Rule.Suppress.For > 0 {
		f.SuppressedBy, err = d.windows.Held(f.Rule.ID, &d.window, f.ID)
	}
	return err
}

// start appends a finding of a rule about the event or snapshot in hand.
func (d *Detector) start(r *rule.Rule) *Finding {
	f := Finding{Rule: r, Step: Start, Level: d.matcher.Level(r), Count: 1}
	if s := d.snapshot; s != nil {
		f.Context, f.Time, f.Count = Context{Arrival: s.At, Account: s.AccountID, Alias: s.Account.Alias, Region: s.Region, Sequence: s.Position}, s.At, 0
	} else {
		e := d.event.Event
		f.Context, f.Time, f.EventIDs = contextOf(d.event, r.Shown()), e.Time, []string{e.ID}
		f.listed(d.event, r)
	}
	d.out = append(d.out, f)
	return &d.out[len(d.out)-1]
}

// Advance moves the watermark, and returns what is decided by that. The slice
// is valid until the next call.
func (d *Detector) Advance(watermark time.Time) ([]Finding, error) {
	d.out = d.out[:0]
	fired, err := d.windows.Advance(watermark)
	if err != nil {
		return nil, fmt.Errorf("windows: %w", err)
	}
	for i := range fired {
		d.fired(&fired[i])
	}
	found, err := d.baselines.Advance(watermark)
	if err != nil {
		return nil, fmt.Errorf("baselines: %w", err)
	}
	for i := range found {
		d.unusual(&found[i])
	}
	return d.out, d.retired.advance(watermark)
}

// Swept counts the rows of rules that are gone which were removed since the
// store was opened.
func (d *Detector) Swept() int64 { return d.retired.swept }

// Flush writes what changed since the last flush to the store.
func (d *Detector) Flush() error {
	if err := d.windows.Flush(); err != nil {
		return fmt.Errorf("windows: %w", err)
	}
	return d.baselines.Flush()
}

// Pending counts what waits for the watermark to be decided. At the end of a
// replay it is told and never fired.
func (d *Detector) Pending() int { return d.windows.Pending() }
