package detect

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/key"
)

// open is a finding about a resource that is not resolved yet. All of one
// resource are one row of state.
type open struct {
	Rule    string     `json:"rule"`
	Version string     `json:"version"`
	Finding string     `json:"finding"`
	Since   int64      `json:"since"` // event time, ms
	Level   rule.Level `json:"level"`
}

func (d *Detector) openKey(resource string) []byte {
	if d.event.Whole {
		return key.Whole(key.Finding, []byte(resource))
	}
	return key.Keyed(d.event.Hash, key.Finding, []byte(resource))
}

func (d *Detector) openFindings(resource string) (list []open, err error) {
	data, ok, err := d.store.Get(d.openKey(resource))
	if err != nil || !ok {
		return nil, err
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("open findings of %s: %w", resource, err)
	}
	return list, nil
}

func (d *Detector) putOpen(resource string, list []open) error {
	if len(list) == 0 {
		d.store.Delete(d.openKey(resource))
		return nil
	}
	data, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("open findings of %s: %w", resource, err)
	}
	d.store.Put(d.openKey(resource), data)
	return nil
}

// move puts the open findings of a resource under its new key. A rule that has
// one there already has two then, and both end when it is over.
func (d *Detector) move(m Move) error {
	early, err := d.openFindings(m.From)
	if err != nil || len(early) == 0 {
		return err
	}
	list, err := d.openFindings(m.To)
	if err != nil {
		return err
	}
	d.store.Delete(d.openKey(m.From))
	return d.putOpen(m.To, append(list, early...))
}

// asset opens findings of a rule with an asset, one for each resource that
// meets its condition and has none yet.
func (d *Detector) asset(r *rule.Rule) error {
	for _, t := range d.changed() {
		state := t.After
		if r.Asset.Before {
			state = t.Before
		}
		if state == nil || !r.Asset.Holds(state) {
			continue
		}
		if err := d.openFor(r, &t); err != nil {
			return err
		}
	}
	return nil
}

// openFor opens a finding about a resource, unless it is open already.
func (d *Detector) openFor(r *rule.Rule, t *Touched) error {
	list, err := d.openFindings(t.Key)
	kept := r.Asset == nil || !r.Asset.Before // what was before is over at once
	if err != nil || kept && slices.ContainsFunc(list, func(o open) bool { return o.Rule == r.ID }) {
		return err
	}
	f := d.start(r)
	f.ID, f.Resources, f.Group = resourceID(r, f.Account, t.Key, cmp.Or(f.EventID, f.Time.Format(time.RFC3339))), []string{t.Key}, []Pair{{"resource.key", t.Key}}
	f.Summary = told(f)
	if d.snapshot == nil {
		err = d.suppress(f)
	}
	if err != nil || !kept {
		return err
	}
	return d.putOpen(t.Key, append(list, open{r.ID, r.Version, f.ID, f.Time.UnixMilli(), f.Level}))
}

func resourceID(r *rule.Rule, account, resource, event string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{r.ID, r.Version, account, resource, event}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// review closes the findings about changed resources whose condition has
// ceased to hold, and opens those of rules over resources.
func (d *Detector) review() error {
	if !d.stateful {
		return nil
	}
	for _, t := range d.changed() {
		if t.After == nil {
			continue
		}
		if err := d.judge(&t, rule.OnChange); err != nil {
			return err
		}
	}
	return nil
}

// judge holds one resource against the rules over resources. One that is gone
// is no danger any more, whatever was known of it last: late events about it
// would tell of it again and again.
func (d *Detector) judge(t *Touched, at rule.When) error {
	holding := slices.Clone(d.matcher.JudgeResource(t.After, d.event.Account, at))
	if err := d.resolve(t, holding, at); err != nil || len(holding) == 0 || gone(t) {
		return err
	}
	for _, r := range holding {
		if err := d.openFor(r, t); err != nil {
			return err
		}
	}
	return nil
}

// Snapshot is a resource as it stands at a time, for the rules that are asked
// at snapshots.
type Snapshot struct {
	At        time.Time
	Hash      key.Hash // of the partition key
	Whole     bool     // see Event
	Key       string
	AccountID string
	Region    string
	Account   rule.Account
	State     rule.Resource
	Position  string // sequence number up to which the snapshot goes
}

// WantsSnapshots tells whether some rule is asked at snapshots.
func (d *Detector) WantsSnapshots() bool {
	for _, r := range d.set.Rules() {
		if when, over := r.OverResources(); over && when&rule.OnSnapshot != 0 {
			return true
		}
	}
	return false
}

// Snapshot asks the rules over resources about one resource of a snapshot. The
// slice is valid until the next call.
func (d *Detector) Snapshot(s *Snapshot) ([]Finding, error) {
	d.out, d.touched, d.asked = d.out[:0], nil, true
	d.event = &Event{Input: rule.Input{Account: s.Account}, Hash: s.Hash, Whole: s.Whole, Arrival: s.At}
	d.snapshot = s
	err := d.judge(&Touched{Key: s.Key, After: s.State}, rule.OnSnapshot)
	d.snapshot = nil
	return d.out, err
}

// resolve closes the findings about one resource that no longer hold.
func (d *Detector) resolve(t *Touched, holding []*rule.Rule, at rule.When) error {
	list, err := d.openFindings(t.Key)
	if err != nil || len(list) == 0 {
		return err
	}
	left := list[:0]
	for _, o := range list {
		r := d.rules[o.Rule]
		switch {
		case r == nil || r.Kind != rule.KindResource:
			left = append(left, o) // the rule is gone, and may come back within a day
		case !gone(t) && d.holds(r, t, holding, at):
			left = append(left, o)
		default:
			d.resolved(r, &o, t)
		}
	}
	if len(left) == len(list) {
		return nil
	}
	return d.putOpen(t.Key, left)
}

// gone tells that a resource was deleted.
func gone(t *Touched) bool { return slices.Contains(t.After("resource.state"), "deleted") }

// holds tells whether the condition of an open finding still holds, as far as
// this occasion can tell.
func (d *Detector) holds(r *rule.Rule, t *Touched, holding []*rule.Rule, at rule.When) bool {
	if r.Asset != nil {
		return r.Asset.Holds(t.After)
	}
	if when, _ := r.OverResources(); when&at == 0 {
		return true // another occasion will tell
	}
	return slices.Contains(holding, r)
}

// blurred tells that a change left something of the resource unknown: then a
// condition that no longer holds may hold all the same.
func blurred(t *Touched) bool {
	for _, name := range t.After("resource.unknown") {
		if t.Before == nil || !slices.Contains(t.Before("resource.unknown"), name) {
			return true
		}
	}
	return false
}

// resolved tells that a finding about a resource is over.
func (d *Detector) resolved(r *rule.Rule, o *open, t *Touched) {
	f := d.start(r)
	f.ID, f.Step, f.Resolved, f.Level = o.Finding, End, true, o.Level
	f.Resources, f.Group = []string{t.Key}, []Pair{{"resource.key", t.Key}}
	over := ": over for "
	if !gone(t) && blurred(t) {
		over = ": no longer known to hold for "
		f.tell(export.ReasonField, export.NotKnown)
	}
	f.Summary = r.Title + over + resources(f) + ", where it was so since " + time.UnixMilli(o.Since).UTC().Format(clock) + "; " + act(f)
}
