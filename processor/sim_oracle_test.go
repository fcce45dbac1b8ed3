package processor_test

import (
	"maps"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// An oracle reads each shard once, from front to back, and keeps all in maps.
// What it ends with is what a shard must end with, however often it died.
type oracle struct {
	config processor.Config
	shards map[string]*truth
}

// truth is what is right for one shard.
type truth struct {
	watermark time.Time
	arrival   time.Time
	ids       map[string]bool
	state     map[string]string // rows of resources and names, by key
	events    map[piece]string  // id of the event at a place
	rejects   map[piece]string  // reason
	changes   map[change]int
	findings  map[string]int
	counts    manifest.Counts
	own       key.Range
	parts     []part
	deeds     []deed
	resources map[string]int // rows of the table
	alerts    map[string]bool
	store     *state.Store // of the detector
	detector  *detect.Detector
}

// piece is a place in a stream.
type piece struct {
	shard, sequence string
	ordinal         int32
}

// change is what tells rows of resource_changes apart.
type change struct {
	piece
	resource, effect, version string
	stale                     bool
}

const idHorizon = 26 * time.Hour

func newOracle(config processor.Config) *oracle {
	return &oracle{config: config, shards: map[string]*truth{}}
}

// read takes in a whole shard. Its parents come first.
func (o *oracle) read(s *processortest.Shard, batch *processor.Batch) *truth {
	t := o.born(s)
	for i := range batch.Items {
		it := &batch.Items[i]
		if w := it.Arrival.Add(-o.config.Lateness); w.After(t.watermark) && it.Arrival.After(t.arrival) {
			o.advance(t, s.ID, w)
		}
		if it.Arrival.After(t.arrival) {
			t.arrival = it.Arrival
		}
		p := piece{s.ID, it.Sequence, it.Ordinal}
		switch {
		case it.Event != nil:
			t.counts.In++
			o.event(t, p, it)
		case it.Reject != nil:
			t.counts.In++
			t.counts.Quarantined++
			t.rejects[p] = it.Reject.Reason
		default:
			t.counts.In += int64(it.Control)
			t.counts.Control += int64(it.Control)
		}
	}
	if err := t.detector.Flush(); err != nil {
		panic(err)
	}
	o.shards[s.ID] = t
	return t
}

// born is a shard before its first record: it has the state of its parents as
// far as its hash range goes, all their ids, and the lower watermark.
func (o *oracle) born(s *processortest.Shard) *truth {
	t := &truth{ids: map[string]bool{}, state: map[string]string{}, events: map[piece]string{}, rejects: map[piece]string{},
		changes: map[change]int{}, findings: map[string]int{}, resources: map[string]int{}, alerts: map[string]bool{}}
	var err error
	if t.own, err = key.ParseRange(s.Lo.String(), s.Hi.String()); err != nil {
		panic(err)
	}
	var parents []*truth
	for _, id := range s.Parents {
		p := o.shards[id]
		parents = append(parents, p)
		maps.Copy(t.ids, p.ids)
		for k, v := range p.state {
			if t.inherits(k, p) {
				t.state[k] = v
			}
		}
		for _, d := range p.deeds {
			if t.inherits(d.row, p) {
				t.deeds = append(t.deeds, d)
			}
		}
		if t.watermark.IsZero() || !p.watermark.IsZero() && p.watermark.Before(t.watermark) {
			t.watermark, t.arrival = p.watermark, p.arrival
		}
	}
	t.bornParts(parents)
	o.openDetector(t, parents)
	return t
}

// inherits tells whether a parent's row goes to this shard: by its hash, or,
// without one, to the lower of two children.
func (t *truth) inherits(k string, parent *truth) bool {
	if k[0] == key.SpaceWhole {
		return t.own.First <= parent.own.First
	}
	return t.own.Contains(key.Hash([]byte(k)[1:9]))
}

func (o *oracle) event(t *truth, p piece, it *processor.Item) {
	e := it.Event
	if !e.Time.Before(t.watermark.Add(-idHorizon)) {
		if t.ids[e.ID] {
			t.counts.Duplicates++
			return
		}
		t.ids[e.ID] = true
	}
	t.counts.Rows++
	t.counts.Bytes += int64(len(e.Raw))
	if e.Time.Before(t.watermark) {
		t.counts.Late++
	}
	t.events[p] = e.ID
	actor := identity.Resolve(e)
	names := &oracleNames{truth: t, hash: it.Key}
	effects := o.config.Catalogue.Changes(e, resource.Actor{Root: actor.Root, Role: actor.Role, Session: actor.Session, Via: actor.Via}, names)
	for _, l := range effects.Learned {
		names.learn(l)
	}
	for i := range effects.Changes {
		c := &effects.Changes[i]
		r := names.record(c.Key)
		stale := r.Apply(c).Stale
		names.put(c.Key, r)
		t.deeds = append(t.deeds, deed{row: names.key(key.Inventory, c.Key.String()), change: c, when: believed(c.Version.When(), it.Arrival)})
		t.changes[change{p, c.Key.String(), c.Effect.String(), c.Version.String(), stale}]++
	}
	t.counts.Changes += int64(len(effects.Changes))
	found, err := t.detector.Event(&detect.Event{Input: rule.Input{Event: e, Actor: actor}, Hash: it.Key, Whole: !t.own.Contains(it.Key),
		Arrival: it.Arrival, Sequence: it.Sequence})
	if err != nil {
		panic(err)
	}
	t.found(found)
}

// openDetector gives a shard the detector's memory of its parents.
func (o *oracle) openDetector(t *truth, parents []*truth) {
	var err error
	if t.store, err = state.Open("", state.Options{}); err != nil {
		panic(err)
	}
	for _, p := range parents {
		for _, space := range []byte{key.SpaceKeyed, key.SpaceWhole} {
			for row, err := range p.store.Range([]byte{space}) {
				if err != nil {
					panic(err)
				}
				if t.inherits(string(row.Key), p) {
					t.store.Put(row.Key, row.Value)
				}
			}
		}
	}
	if t.detector, err = detect.Open(o.config.Rules, t.store, detect.Options{Lateness: o.config.Lateness, Watermark: t.watermark}); err != nil {
		panic(err)
	}
}

func (t *truth) found(all []detect.Finding) {
	for i := range all {
		t.findings[all[i].ID]++
		t.counts.Findings++
		if all[i].Sent() {
			t.counts.Alerts++
			t.alerts[alertID(all[i].ID)] = true
		}
	}
}

// oracleNames are the rows of one partition key.
type oracleNames struct {
	truth *truth
	hash  key.Hash
}

func (n *oracleNames) key(kind byte, rest string) string {
	if !n.truth.own.Contains(n.hash) {
		return string(key.Whole(kind, []byte(rest)))
	}
	return string(key.Keyed(n.hash, kind, []byte(rest)))
}

func (n *oracleNames) record(k resource.Key) *resource.Record {
	data, ok := n.truth.state[n.key(key.Inventory, k.String())]
	if !ok {
		return &resource.Record{}
	}
	r, err := resource.DecodeRecord([]byte(data))
	if err != nil {
		panic(err)
	}
	return r
}

func (n *oracleNames) put(k resource.Key, r *resource.Record) {
	data, err := r.MarshalBinary()
	if err != nil {
		panic(err)
	}
	n.truth.state[n.key(key.Inventory, k.String())] = string(data)
}

func (n *oracleNames) row(at string) *resource.NameRow {
	data, ok := n.truth.state[at]
	if !ok {
		return &resource.NameRow{}
	}
	row, err := resource.DecodeNameRow([]byte(data))
	if err != nil {
		panic(err)
	}
	return row
}

// Lookup implements resource.Names.
func (n *oracleNames) Lookup(kind, scope, name string, at resource.Version) (string, bool) {
	return n.row(n.key(key.Name, resource.NameKey(kind, scope, name))).Lookup(at)
}

// learn keeps a name, and moves what stood under the name alone to where it
// belongs unless it is older than the name.
func (n *oracleNames) learn(l resource.Learned) {
	at := n.key(key.Name, l.Row())
	row := n.row(at)
	if !row.Learn(l) {
		return
	}
	data, err := row.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	n.truth.state[at] = string(data)
	if l.Unresolved.IsZero() {
		return
	}
	from := n.key(key.Inventory, l.Unresolved.String())
	if _, ok := n.truth.state[from]; !ok {
		return
	}
	early := n.record(l.Unresolved)
	if early.FirstSeen().Less(l.Version) {
		return
	}
	delete(n.truth.state, from)
	to := l.Unresolved
	to.ID = l.ID
	n.put(to, resource.Merge(n.record(to), early))
	n.truth.deeds = append(n.truth.deeds, deed{row: n.key(key.Inventory, to.String()), from: from})
}
