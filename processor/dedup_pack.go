package processor

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/ids"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

const (
	// packAbove is how many ids an hour has to have. In RAM they cost some
	// 2 MB then; fewer are not worth an object of their own, nor the
	// request when one of them is looked up.
	packAbove = 50_000

	// packMost bounds what one commit packs, and by that the memory of its
	// removals, some 80 bytes an id. A single hour is packed whatever its size.
	packMost = 1_000_000

	// packAfter is how far the watermark has to be past the end of an hour.
	// Nearly no event comes later than this.
	packAfter = 2 * time.Hour

	// packedInRAM is how many packed hours are kept that late events needed.
	packedInRAM = 4
)

// packedHours are the hours in objects that the manifest names, those of the
// shards that this one was split or merged from included.
type packedHours struct {
	above  int // how many ids an hour must have to be packed
	places map[int64][]packedPlace
	recent []packedSets // read lately, the latest first
	read   func(packedPlace) (ids.Set, error)
	err    error // of the first read that failed
}

// packedPlace is where an hour is. One hour may be in several places: in an
// object of each of two merged shards, or packed again with what came late.
type packedPlace struct {
	object manifest.Dedup
	hour   manifest.DedupHour
}

type packedSets struct {
	hour int64
	sets []ids.Set
}

// attach names the packed hours of the manifest that the shard goes on from.
// They are read when they are needed, until ctx ends.
func (d *dedup) attach(ctx context.Context, store blob.Store, m *manifest.Manifest) {
	d.packed.read = func(p packedPlace) (ids.Set, error) { return ids.ReadHour(ctx, store, p.object, p.hour) }
	d.packed.refer(m.Dedup)
}

// failed is the error of the first packed hour that could not be read. The
// shard must end with it.
func (d *dedup) failed() error { return d.packed.err }

func (p *packedHours) refer(objects []manifest.Dedup) {
	p.places = map[int64][]packedPlace{}
	for _, o := range objects {
		for _, h := range o.Hours {
			p.places[h.Hour] = append(p.places[h.Hour], packedPlace{o, h})
		}
	}
	// A hour may have got another place.
	p.recent = slices.DeleteFunc(p.recent, func(s packedSets) bool { return len(s.sets) != len(p.places[s.hour]) })
}

func (p *packedHours) has(hour int64, event key.EventID) bool {
	places := p.places[hour]
	if len(places) == 0 {
		return false
	}
	sets, err := p.sets(hour, places)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("look up an event id: %w", err)
	}
	return slices.ContainsFunc(sets, func(s ids.Set) bool { return s.Has(event) })
}

// sets returns the ids of an hour, from RAM if they were needed lately.
func (p *packedHours) sets(hour int64, places []packedPlace) ([]ids.Set, error) {
	i := slices.IndexFunc(p.recent, func(s packedSets) bool { return s.hour == hour })
	if i == 0 {
		return p.recent[0].sets, nil
	}
	if i > 0 {
		found := p.recent[i]
		copy(p.recent[1:i+1], p.recent[:i])
		p.recent[0] = found
		return found.sets, nil
	}
	// Make room first: an hour may have a hundred megabytes.
	p.recent = p.recent[:min(len(p.recent), packedInRAM-1)]
	sets := make([]ids.Set, len(places))
	for i, place := range places {
		var err error
		if sets[i], err = p.read(place); err != nil {
			return nil, err
		}
	}
	p.recent = slices.Insert(p.recent, 0, packedSets{hour, sets})
	return sets, nil
}

// idPacking is the hours that one commit packs. The zero idPacking has none.
type idPacking struct {
	hours   []int64 // ascending
	ids     map[int64]hourIDs
	unsaved []idRow // ids of these hours that have no row in any segment
}

// pack freezes the hours that are due into the hands of the commit that next
// describes, and takes those behind the horizon out of next. next must be made
// from the committed manifest, with no other commit in flight. It is called
// before take: ids that are packed at once never become rows.
func (d *dedup) pack(next *manifest.Manifest) (idPacking, error) {
	if err := d.failed(); err != nil {
		return idPacking{}, err
	}
	next.Dedup = within(next.Dedup, key.Hour(next.Watermark.Add(-horizon)))
	d.packed.refer(next.Dedup) // what the last commit packed is in here now
	d.frozen = map[int64]hourIDs{}
	p := idPacking{hours: d.due(next.Watermark), ids: d.frozen}
	if len(p.hours) == 0 {
		return p, nil
	}
	for _, hour := range p.hours {
		d.frozen[hour] = d.hours[hour]
		delete(d.hours, hour)
	}
	d.fresh = slices.DeleteFunc(d.fresh, func(row idRow) bool {
		hour, _, _ := key.ParseDedup(row[:])
		_, packed := d.frozen[hour]
		if packed {
			p.unsaved = append(p.unsaved, row)
		}
		return packed
	})
	return p, nil
}

// due are the hours to pack now, the oldest first.
func (d *dedup) due(watermark time.Time) (hours []int64) {
	passed, total := key.Hour(watermark.Add(-packAfter)), 0
	for _, hour := range slices.Sorted(maps.Keys(d.hours)) {
		n := len(d.hours[hour])
		if hour >= passed || n <= d.packed.above || hour < d.oldest {
			continue
		}
		if total += n; total > packMost && len(hours) > 0 {
			break
		}
		hours = append(hours, hour)
	}
	return hours
}

// within leaves out the hours before oldest, and the objects that have no
// other. It does not change what refs refers to.
func within(refs []manifest.Dedup, oldest int64) (kept []manifest.Dedup) {
	for _, ref := range refs {
		ref.Hours = slices.DeleteFunc(slices.Clone(ref.Hours), func(h manifest.DedupHour) bool { return h.Hour < oldest })
		if len(ref.Hours) > 0 {
			kept = append(kept, ref)
		}
	}
	return kept
}

// write uploads the packed hours, names them in next, and returns the removals
// of their rows, for the delta of the same commit. It runs beside the owner,
// who goes on looking ids up in the frozen hours.
func (p idPacking) write(ctx context.Context, store blob.Store, next *manifest.Manifest) ([]state.Row, error) {
	if len(p.hours) == 0 {
		return nil, nil
	}
	slices.SortFunc(p.unsaved, compareRows)
	var removals []state.Row
	hours := make([]ids.Hour, len(p.hours))
	for i, hour := range p.hours {
		hours[i] = ids.Hour{Hour: hour, IDs: sortedIDs(p.ids[hour])}
		removals = p.remove(removals, hours[i])
	}
	ref, err := ids.Write(ctx, store, next, hours)
	if err != nil {
		return nil, fmt.Errorf("pack event ids: %w", err)
	}
	next.Dedup = append(slices.Clip(next.Dedup), ref)
	return removals, nil
}

func sortedIDs(set hourIDs) []key.EventID {
	out := make([]key.EventID, 0, len(set))
	for id := range set {
		out = append(out, id)
	}
	slices.SortFunc(out, func(a, b key.EventID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// remove appends the removals of an hour's rows, in key order.
func (p idPacking) remove(rows []state.Row, h ids.Hour) []state.Row {
	keys := make([]byte, 0, len(h.IDs)*len(idRow{}))
	rows = slices.Grow(rows, len(h.IDs))
	for _, id := range h.IDs {
		at := len(keys)
		keys = append(keys, key.DedupRow(h.Hour, id)...)
		row := keys[at:len(keys):len(keys)]
		if _, unsaved := slices.BinarySearchFunc(p.unsaved, row, func(a idRow, b []byte) int { return bytes.Compare(a[:], b) }); !unsaved {
			rows = append(rows, state.Row{Key: row, Deleted: true})
		}
	}
	return rows
}
