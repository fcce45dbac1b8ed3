package processor

import (
	"fmt"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// inventory keeps the records of resources, and the names by which calls refer
// to them, in the state of a shard.
type inventory struct {
	shard     string
	store     *state.Store
	catalogue *resource.Catalogue

	// Deleted resources are forgotten when they are older than this. A change
	// from before it could bring back what was forgotten, so it is told in the
	// changelog and changes nothing.
	horizon time.Time

	own  key.Range // hashes of the shard
	hash key.Hash  // of the event in hand
	done []changed // by it
	// moved are the resources that have an id since it, and were known by a name
	// alone before.
	moved []detect.Move
	err   error // of a look-up of a name, which has no way to return one

	// parts are the parts of the hash range and their snapshots. A change beyond
	// the next one must not show in it, so the record as it was is kept beside
	// (P rows) until the snapshot was taken.
	parts []snapshotPart
}

// changed is a change with the record of its resource on both sides, encoded;
// nil before the first.
type changed struct {
	resource.Change
	before, now []byte
}

// apply brings the inventory up to an event and makes the rows that tell of
// it. It returns what changed, until the next call.
func (v *inventory) apply(e *cloudtrail.Event, p *place, rows *export.Buffer) ([]changed, error) {
	actor := resource.Actor{Root: p.actor.Root, Role: p.actor.Role, Session: p.actor.Session, Via: p.actor.Via}
	effects := v.catalogue.Changes(e, actor, v)
	if v.err != nil {
		return nil, v.err
	}
	v.moved = v.moved[:0]
	for _, l := range effects.Learned {
		if err := v.learn(l); err != nil {
			return nil, err
		}
	}
	v.done = v.done[:0]
	for i := range effects.Changes {
		if err := v.change(&effects.Changes[i], p, rows); err != nil {
			return nil, err
		}
	}
	return v.done, nil
}

// change applies one change to its record.
func (v *inventory) change(c *resource.Change, p *place, rows *export.Buffer) error {
	k := v.key(key.Inventory, c.Key.String())
	before, _, err := v.store.Get(k)
	if err != nil {
		return err
	}
	record, err := decodeRecord(k, before)
	if err != nil {
		return err
	}
	done := changed{Change: *c, before: before, now: before}
	defer func() { v.done = append(v.done, done) }()
	if c.Version.When().Before(v.horizon) {
		row := changeRow(v.catalogue.ChangeView(c, resource.Outcome{Stale: true}), p, v.shard)
		return rows.AddChange(p.day, &row)
	}
	if err := v.keepBefore(c, record, p.item.Arrival); err != nil {
		return err
	}
	outcome := record.Apply(c)
	if err := v.put(k, record); err != nil {
		return err
	}
	if done.now, _, err = v.store.Get(k); err != nil {
		return err
	}
	row := changeRow(v.catalogue.ChangeView(c, outcome), p, v.shard)
	return rows.AddChange(p.day, &row)
}

// keepBefore sees to it that the next snapshot shows the resource as of its
// time, whatever comes before the watermark gets there: a change beyond the
// snapshot leaves a copy of the record as it was, and one before it reaches
// the copy too.
func (v *inventory) keepBefore(c *resource.Change, record *resource.Record, arrival time.Time) error {
	boundary := v.part(v.hash).boundary
	if boundary.IsZero() {
		return nil
	}
	k := v.preImage(boundary, c.Key)
	data, kept, err := v.store.Get(k)
	if err != nil {
		return err
	}
	beyond := clamp(c.Version.When(), arrival).After(boundary)
	switch {
	case beyond && !kept:
		return v.put(k, record)
	case beyond || !kept:
		return nil
	}
	before, err := resource.DecodeRecord(data)
	if err != nil {
		return fmt.Errorf("state of %s before the snapshot: %w", c.Key, err)
	}
	before.Apply(c)
	return v.put(k, before)
}

// learn keeps a name. Changes that came before the event that teaches it, but
// happened after it, stand under the name alone; they move to where they
// belong.
func (v *inventory) learn(l resource.Learned) error {
	k := v.key(key.Name, l.Row())
	names, err := v.names(k)
	if err != nil || !names.Learn(l) {
		return err
	}
	data, _ := names.AppendBinary(nil)
	v.store.Put(k, data)
	if l.Unresolved.IsZero() {
		return nil
	}
	from := v.key(key.Inventory, l.Unresolved.String())
	data, ok, err := v.store.Get(from)
	if err != nil || !ok {
		return err
	}
	early, err := resource.DecodeRecord(data)
	if err != nil {
		return fmt.Errorf("state of %s: %w", l.Unresolved, err)
	}
	if early.FirstSeen().Less(l.Version) {
		return nil // an older resource that had this name
	}
	to := l.Unresolved
	to.ID = l.ID
	target := v.key(key.Inventory, to.String())
	record, err := v.record(target)
	if err != nil {
		return err
	}
	if err := v.movePreImage(l.Unresolved, to, early, record); err != nil {
		return err
	}
	v.store.Delete(from)
	v.moved = append(v.moved, detect.Move{From: l.Unresolved.String(), To: to.String()})
	return v.put(target, resource.Merge(record, early))
}

// movePreImage joins what the next snapshot shall show of two records that
// become one, where one of them was kept beside.
func (v *inventory) movePreImage(from, to resource.Key, early, record *resource.Record) error {
	boundary := v.part(v.hash).boundary
	fromKey, toKey := v.preImage(boundary, from), v.preImage(boundary, to)
	_, fromKept, err := v.store.Get(fromKey)
	if err != nil {
		return err
	}
	_, toKept, err := v.store.Get(toKey)
	if err != nil || !fromKept && !toKept {
		return err
	}
	if fromKept {
		if early, err = v.record(fromKey); err != nil {
			return err
		}
	}
	if toKept {
		if record, err = v.record(toKey); err != nil {
			return err
		}
	}
	v.store.Delete(fromKey)
	return v.put(toKey, resource.Merge(record, early))
}

// Lookup answers which id a name had at a time, from what was learned.
func (v *inventory) Lookup(kind, scope, name string, at resource.Version) (id string, ok bool) {
	names, err := v.names(v.key(key.Name, resource.NameKey(kind, scope, name)))
	if err != nil {
		v.err = err
		return "", false
	}
	return names.Lookup(at)
}

func (v *inventory) names(k []byte) (*resource.NameRow, error) {
	data, ok, err := v.store.Get(k)
	if err != nil || !ok {
		return &resource.NameRow{}, err
	}
	names, err := resource.DecodeNameRow(data)
	if err != nil {
		return nil, fmt.Errorf("state row %x: %w", k, err)
	}
	return names, nil
}

func (v *inventory) record(k []byte) (*resource.Record, error) {
	data, _, err := v.store.Get(k)
	if err != nil {
		return nil, err
	}
	return decodeRecord(k, data)
}

// decodeRecord reads a record; without any bytes it is one of nothing.
func decodeRecord(k, data []byte) (*resource.Record, error) {
	if len(data) == 0 {
		return &resource.Record{}, nil
	}
	r, err := resource.DecodeRecord(data)
	if err != nil {
		return nil, fmt.Errorf("state row %x: %w", k, err)
	}
	return r, nil
}

func (v *inventory) put(k []byte, r *resource.Record) error {
	data, err := r.MarshalBinary()
	if err != nil {
		return fmt.Errorf("state row %x: %w", k, err)
	}
	v.store.Put(k, data)
	return nil
}

func (v *inventory) key(kind byte, rest string) []byte {
	return v.keyOf(v.hash, kind, []byte(rest))
}

// keys makes keys for the partition key of the event in hand.
func (v *inventory) keys(kind byte, rest ...[]byte) []byte { return v.keyOf(v.hash, kind, rest...) }

// keyOf is the key of a row that belongs to a partition key. The rows of one
// from outside of the shard's range, which a producer chose by hand, stand
// under the shard as a whole: a cut of the range must not lose them.
func (v *inventory) keyOf(h key.Hash, kind byte, rest ...[]byte) []byte {
	if v.own.Contains(h) {
		return key.Keyed(h, kind, rest...)
	}
	return key.Whole(kind, rest...)
}

// preImage is the key of a resource as it was for a snapshot.
func (v *inventory) preImage(at time.Time, k resource.Key) []byte {
	return v.keyOf(v.hash, key.PreImage, key.AppendTime(nil, at), []byte(k.String()))
}
