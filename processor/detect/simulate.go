package detect

import (
	"slices"
	"time"

	accounts "github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// Lateness is how far the watermark of a simulation lies behind its clock, as
// in a stream of files.
const Lateness = 20 * time.Minute

// Simulation runs events through rules as a shard does, with an inventory of
// its own and all state in memory: for tests of rules and for trying them on a
// history.
type Simulation struct {
	Detector  *Detector
	catalogue *resource.Catalogue
	store     *state.Store
	records   map[string]*resource.Record
	names     resource.MapNames
	clock     time.Time
	// Accounts are what is known of accounts; nil: nothing.
	Accounts *accounts.Book
	// Assets, if set, are the resources that every event touches, in place of
	// those of the inventory.
	Assets []Touched
}

// Simulate prepares a simulation with nothing in its state. Close ends it.
func Simulate(set *rule.Set, catalogue *resource.Catalogue) (*Simulation, error) {
	store, err := state.Open("", state.Options{})
	if err != nil {
		return nil, err
	}
	d, err := Open(set, store, Options{Lateness: Lateness})
	if err != nil {
		return nil, err
	}
	return &Simulation{Detector: d, catalogue: catalogue, store: store, records: map[string]*resource.Record{}, names: resource.MapNames{}}, nil
}

// Close gives up the state.
func (s *Simulation) Close() error { return s.store.Close() }

// Clock is the newest time that was reached.
func (s *Simulation) Clock() time.Time { return s.clock }

// Advance moves the clock, and with it the watermark, and gives yield what is
// decided by that.
func (s *Simulation) Advance(to time.Time, yield func(*Finding)) error {
	if to.Before(s.clock) {
		to = s.clock
	}
	s.clock = to
	return each(yield)(s.Detector.Advance(to.Add(-Lateness)))
}

// Event takes an event in, as if it arrived when it happened, and gives yield
// what it brings about. Findings are valid during the call only.
func (s *Simulation) Event(e *cloudtrail.Event, yield func(*Finding)) error {
	if err := s.Advance(e.Time, yield); err != nil {
		return err
	}
	in := &Event{Input: rule.Input{Event: e, Actor: identity.Resolve(e), Account: s.Accounts.Look(e.Account())}, Hash: key.HashOf(e.Account()), Arrival: s.clock}
	touched := s.touch(e)
	for i := range touched {
		in.Resources = append(in.Resources, touched[i].Key)
	}
	if len(touched) > 0 {
		in.Touched = func() []Touched { return touched }
	}
	return each(yield)(s.Detector.Event(in))
}

func each(yield func(*Finding)) func([]Finding, error) error {
	return func(found []Finding, err error) error {
		for i := range found {
			yield(&found[i])
		}
		return err
	}
}

// touch applies an event to the inventory, and returns the resources that it
// touches.
func (s *Simulation) touch(e *cloudtrail.Event) (touched []Touched) {
	if s.Assets != nil {
		return s.Assets
	}
	actor := identity.Resolve(e)
	effects := s.catalogue.Changes(e, resource.Actor{Root: actor.Root, Role: actor.Role, Session: actor.Session, Via: actor.Via}, s.names)
	for _, l := range effects.Learned {
		s.names.Learn(l)
	}
	for i := range effects.Changes {
		c := &effects.Changes[i]
		text := c.Key.String()
		t := Touched{Key: text}
		r := s.records[text]
		if r == nil {
			r = &resource.Record{}
			s.records[text] = r
		} else {
			t.Before = s.fields(c, r, nil)
		}
		r.Apply(c)
		t.After = s.fields(c, r, c)
		if i := slices.IndexFunc(touched, func(o Touched) bool { return o.Key == text }); i >= 0 {
			touched[i].After = t.After
			continue
		}
		touched = append(touched, t)
	}
	return touched
}

func (s *Simulation) fields(c *resource.Change, r *resource.Record, change *resource.Change) rule.Resource {
	at := c.Version.When()
	v := s.catalogue.View(c.Key, r, at)
	return Fields(&v, change, at)
}
