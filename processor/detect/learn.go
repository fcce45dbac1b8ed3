package detect

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
)

// Past gives the history of an account to a first-seen rule that has not seen
// the account before, oldest or newest first, and says what was read. A nil
// sequence means that there is none.
type Past func(r *rule.Rule, account string) (iter.Seq2[baseline.Past, error], baseline.Mark, error)

// openBaselines prepares what learns.
func (d *Detector) openBaselines(opts Options) error {
	var rules []baseline.Rule
	for _, r := range d.set.Rules() {
		if r.Baseline != nil || r.FirstSeen != nil {
			rules = append(rules, baseline.Rule{ID: r.ID, StateHash: r.Version, Baseline: r.Baseline, FirstSeen: r.FirstSeen})
		}
	}
	d.past = opts.Past
	var err error
	if d.baselines, err = baseline.NewEngine(d.store, rules); err != nil {
		return err
	}
	return d.baselines.Begin(opts.Watermark)
}

// learn gives the event in hand to a baseline or a first-seen store.
func (d *Detector) learn(r *rule.Rule) error {
	in, ev := d.event, &d.learned
	failed := text(in.Event, cloudtrail.ErrorCode) != ""
	if r.Baseline != nil && r.Baseline.Statistic == baseline.ErrorCount && !failed {
		return nil
	}
	*ev = baseline.Event{ID: in.Event.ID, Time: d.window.Time, Hash: in.Hash, Whole: in.Whole, Account: d.window.Account, Key: ev.Key[:0],
		Failed: failed, Context: ev.Context}
	for i := range r.Keys {
		text, ok := r.Keys[i].Text(&in.Input)
		if !ok {
			return nil // no key, no baseline
		}
		ev.Key = append(ev.Key, text)
	}
	if r.FirstSeen != nil {
		return d.firstSeen(r, ev)
	}
	return d.baseline(r, ev)
}

// firstSeen asks whether the values of an event are new.
func (d *Detector) firstSeen(r *rule.Rule, ev *baseline.Event) error {
	learning, err := d.baselines.Learning(r.ID, ev)
	if err != nil {
		return err
	}
	if learning {
		if err := d.preload(r, ev); err != nil {
			return err
		}
	}
	news, err := d.baselines.FirstSeen(r.ID, ev)
	if err != nil || news == nil {
		return err
	}
	d.raised = true
	f := d.start(r)
	f.ID, f.Notes = news.ID, news.Fields()
	for i, v := range news.Values {
		f.Group = append(f.Group, Pair{r.Keys[i].String(), v})
	}
	f.Resources = d.event.Resources
	f.Summary = newly(f)
	return d.suppress(f)
}

// preload gives an account's history to a first-seen rule. Without any, the
// rule learns from here on, and knows no parent for long enough to judge it.
func (d *Detector) preload(r *rule.Rule, ev *baseline.Event) error {
	if d.past == nil {
		return d.baselines.Preload(r.ID, ev, nil, baseline.Mark{})
	}
	past, mark, err := d.past(r, ev.Account)
	if err != nil {
		return fmt.Errorf("history of account %s: %w", ev.Account, err)
	}
	return d.baselines.Preload(r.ID, ev, past, mark)
}

// baseline counts an event for its key.
func (d *Detector) baseline(r *rule.Rule, ev *baseline.Event) error {
	in := d.event
	if r.Value != nil {
		text, ok := r.Value.Text(&in.Input)
		if !ok {
			return nil
		}
		if ev.Value = text; r.Baseline.Statistic == baseline.Sum {
			n, err := strconv.ParseFloat(text, 64)
			if errors.Is(err, strconv.ErrSyntax) {
				return nil
			}
			ev.Number = n
		}
	}
	e := in.Event
	ev.Raised = d.raised || d.matcher.Raised(r)
	ev.Attributes = [baseline.NumAttributes]string{text(e, cloudtrail.IdentityARN), text(e, cloudtrail.UserAgent), text(e, cloudtrail.ErrorCode),
		text(e, cloudtrail.SourceIPAddress), text(e, cloudtrail.AWSRegion)}
	d.learner = r
	found, err := d.baselines.Event(r.ID, ev)
	for i := range found {
		d.unusual(&found[i])
	}
	return err
}

// appendContext is what a baseline keeps of the event in hand.
func (d *Detector) appendContext(buf []byte) []byte {
	c := contextOf(d.event, d.learner.Shown())
	c.listed(d.event, d.learner)
	return c.append(buf)
}

// unusual makes a finding of what a baseline found.
func (d *Detector) unusual(b *baseline.Finding) {
	r := d.rules[b.RuleID]
	if r == nil {
		return
	}
	f := Finding{Rule: r, ID: b.ID, Step: Step(b.Step), Level: r.Level, Context: decodeContext(b.Context), Time: b.TriggerTime,
		From: b.WindowStart, To: b.WindowEnd, Observed: number(b.Observed), Expected: number(b.Expected), Threshold: number(b.Threshold),
		Count: int64(b.Events), EventIDs: slices.Clone(b.EventIDs), Notes: maps.Clone(b.Fields())}
	f.EventID, f.Account = b.Trigger, b.Account
	switch {
	case r.LevelOfScore:
		f.Level = rule.Level(b.Severity)
	case b.Raised:
		f.Level = max(f.Level, min(f.Level+1, rule.High)) // critical is nothing that a number alone can be
	}
	if f.Step == End || f.Time.IsZero() {
		f.Time = b.WindowEnd
	}
	for i, v := range b.Key {
		f.Group = append(f.Group, Pair{r.Keys[i].String(), v})
	}
	f.Summary = unusually(&f, b)
	d.out = append(d.out, f)
}
