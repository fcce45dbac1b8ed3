package processor

import (
	"fmt"
	"time"

	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/key"
)

// openDetection prepares the rules with the state that the shard has, as of a
// watermark.
func (s *Shard) openDetection(watermark time.Time) (err error) {
	past := s.cfg.Past
	if past == nil && s.cfg.History != nil {
		past = s.cfg.History.For(s.background, s.cfg.Rules, func() *account.Book { return s.cfg.Accounts }, func() time.Time { return s.watermark })
	}
	s.detector, err = detect.Open(s.cfg.Rules, s.store, detect.Options{Lateness: s.cfg.Lateness, Watermark: watermark, Past: past})
	return err
}

// UseRules exchanges the rules between two batches. What the old ones remember
// goes on under those of the new ones that decide in the same way.
func (s *Shard) UseRules(set *rule.Set) error {
	if err := s.detector.Flush(); err != nil {
		return fmt.Errorf("shard %s: exchange the rules: %w", s.cfg.Shard, err)
	}
	s.cfg.Rules = set
	if err := s.openDetection(s.watermark); err != nil {
		return fmt.Errorf("shard %s: exchange the rules: %w", s.cfg.Shard, err)
	}
	return nil
}

// UseAccounts exchanges what is known of accounts between two batches. Rows
// that were written keep what was known then.
func (s *Shard) UseAccounts(book *account.Book) {
	s.cfg.Accounts = book
	s.cfg.Catalogue = s.cfg.Catalogue.WithAccounts(book)
	s.inventory.catalogue = s.cfg.Catalogue
}

// detect holds an event against the rules, and returns the ids of the findings
// that begin with it.
func (s *Shard) detect(e *cloudtrail.Event, p *place, changed []changed) ([]string, error) {
	in := &s.judged
	*in = detect.Event{Input: rule.Input{Event: e, Actor: p.actor, Account: p.account}, Hash: p.item.Key, Whole: !s.inventory.own.Contains(p.item.Key),
		Arrival: p.item.Arrival, Sequence: p.item.Sequence, Moved: s.inventory.moved}
	var t *touching
	if len(changed) > 0 {
		t = &touching{shard: s, changes: changed, at: e.Time}
		t.enter(in)
	}
	found, err := s.detector.Event(in)
	if err == nil && t != nil {
		err = t.err
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range found {
		if err := s.found(&found[i], p.item.Key, p.day); err != nil {
			return nil, err
		}
		// What else an event brings about goes on, or ends, what others began.
		if found[i].Step == detect.Start && found[i].EventID == e.ID {
			ids = append(ids, found[i].ID)
		}
	}
	return ids, nil
}

// decide makes the findings that the watermark decides.
func (s *Shard) decide() error {
	swept := s.detector.Swept()
	found, err := s.detector.Advance(s.watermark)
	if err != nil {
		return err
	}
	if n := s.detector.Swept() - swept; n > 0 {
		s.cfg.logger().Info("the state of rules that are not loaded any more was removed", "rows", n)
	}
	for i := range found {
		f := &found[i]
		if f.Sequence == "" {
			f.Sequence = s.position
		}
		if f.Arrival.IsZero() {
			f.Arrival = s.arrival
		}
		if err := s.found(f, key.HashOf(f.Account), day(f.Time, f.Arrival)); err != nil {
			return err
		}
	}
	return nil
}

// found makes the row of a finding, and its alerts.
func (s *Shard) found(f *detect.Finding, hash key.Hash, day string) error {
	f.Of(s.cfg.Accounts.Look(f.Account))
	row := f.Row(s.cfg.Shard)
	if err := s.rows.AddFinding(day, &row); err != nil {
		return err
	}
	s.counts.Findings++
	if !f.Sent() {
		return nil
	}
	s.counts.Alerts++
	return s.raise(f, &row, hash)
}

// judgeSnapshot holds one resource of a snapshot against the rules that ask for
// it.
func (s *Shard) judgeSnapshot(at time.Time, parts key.Parts, view *resource.View) error {
	found, err := s.detector.Snapshot(&detect.Snapshot{At: at, Hash: parts.Hash, Whole: parts.Space == key.SpaceWhole, Key: view.Key.String(),
		AccountID: view.Key.Account, Account: s.cfg.Accounts.Look(view.Key.Account), Region: view.Key.Region, State: detect.Fields(view, nil, at), Position: s.position})
	if err != nil {
		return err
	}
	for i := range found {
		f := &found[i]
		if f.Arrival.IsZero() {
			f.Arrival = s.arrival
		}
		if err := s.found(f, parts.Hash, day(f.Time, f.Arrival)); err != nil {
			return err
		}
	}
	return nil
}

// touching is an event that changed resources, on its way through the rules.
type touching struct {
	shard   *Shard
	changes []changed
	at      time.Time
	err     error // of a record that cannot be read
}

// enter names the resources in the event that rules see.
func (t *touching) enter(in *detect.Event) {
	for i := range t.changes {
		in.Resources = append(in.Resources, t.changes[i].Key.String())
	}
	if t.shard.detector.WantsResources() {
		in.Touched = func() []detect.Touched { return t.touched(in.Resources) }
	}
}

// touched are the resources as rules see them.
func (t *touching) touched(keys []string) (out []detect.Touched) {
	for i := range t.changes {
		c := &t.changes[i]
		out = append(out, detect.Touched{Key: keys[i], After: t.seen(c, c.now), Before: t.seen(c, c.before)})
	}
	return out
}

// seen is a resource as rules see it, nil when nothing is known: so it is before
// the first change, and after one that is too old to be applied. Most resources
// are of a type that no rule asks for, so a record is read only on demand.
func (t *touching) seen(c *changed, data []byte) rule.Resource {
	if len(data) == 0 {
		return nil
	}
	var view *resource.View
	return detect.FieldsOf(c.Key, func() *resource.View {
		if view == nil {
			view = t.view(c, data)
		}
		return view
	}, &c.Change, t.at)
}

// view reads a record.
func (t *touching) view(c *changed, data []byte) *resource.View {
	record, err := resource.DecodeRecord(data)
	if err != nil {
		t.err = fmt.Errorf("state of %s: %w", c.Key, err)
		record = &resource.Record{}
	}
	view := t.shard.cfg.Catalogue.View(c.Key, record, t.at)
	return &view
}
