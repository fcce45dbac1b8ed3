package processor_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state/key"
)

// deed is something that was done to a row of the inventory: a change, or that
// it moved to where its name belongs.
type deed struct {
	row    string // state key
	change *resource.Change
	when   time.Time // of the change, as far as it is believed
	from   string    // the row that moved here
}

// part is a part of a shard's range and its newest snapshot.
type part struct {
	own     key.Range
	through time.Time
}

// aheadOfArrival is how far beyond its arrival an event's own time is believed.
const aheadOfArrival = 5 * time.Minute

func believed(t, arrival time.Time) time.Time {
	if limit := arrival.Add(aheadOfArrival); t.After(limit) {
		return limit
	}
	return t
}

// bornParts are the parts that a child begins with.
func (t *truth) bornParts(parents []*truth) {
	for _, p := range parents {
		for _, q := range p.parts {
			q.own = key.Range{First: max(q.own.First, t.own.First), Last: min(q.own.Last, t.own.Last)}
			if !q.own.Empty() {
				t.parts = append(t.parts, q)
			}
		}
	}
	if len(parents) == 0 {
		t.parts = []part{{own: t.own}}
	}
	slices.SortFunc(t.parts, func(a, b part) int {
		if a.own.First < b.own.First {
			return -1
		}
		return 1
	})
}

// advance moves the watermark. A part of which the newest snapshot time was
// passed has its snapshot taken; where the stream begins there is none.
func (o *oracle) advance(t *truth, shard string, to time.Time) {
	t.watermark = to
	decided, err := t.detector.Advance(to)
	if err != nil {
		panic(err)
	}
	t.found(decided)
	at := to.Truncate(o.config.SnapshotEvery)
	for i := range t.parts {
		p := &t.parts[i]
		if !at.After(p.through) {
			continue
		}
		if !p.through.IsZero() {
			o.snapshot(t, shard, p, at, i == 0)
		}
		p.through = at
	}
}

// snapshot is the inventory of a part as of at: all that was known when the
// watermark passed it, without the changes after it. Rows outside of the range
// go with the first part.
func (o *oracle) snapshot(t *truth, shard string, p *part, at time.Time, first bool) {
	records := map[string]*resource.Record{}
	get := func(k string) *resource.Record {
		if records[k] == nil {
			records[k] = &resource.Record{}
		}
		return records[k]
	}
	for _, d := range t.deeds {
		switch {
		case d.change == nil && records[d.from] != nil:
			records[d.row] = resource.Merge(get(d.row), records[d.from])
			delete(records, d.from)
		case d.change != nil && !d.when.After(at):
			get(d.row).Apply(d.change)
		}
	}
	for k, r := range records {
		parts, err := key.Parse([]byte(k))
		if err != nil {
			panic(err)
		}
		mine := parts.Space == key.SpaceKeyed && p.own.Contains(parts.Hash) || parts.Space == key.SpaceWhole && first
		if id, ok := resource.ParseKey(string(parts.Rest)); ok && mine && !r.Empty() {
			v := o.config.Catalogue.View(id, r, at)
			row := processor.ResourceRow(&v, at, t.watermark, shard)
			t.resources[resourceText(&row)]++
		}
	}
}

// resourceText tells rows of resources apart.
func resourceText(r *export.ResourceRow) string {
	text := fmt.Sprintf("%d %s %s %s %s %s %s %v %v %v %v", r.SnapshotTS, r.Shard, r.ResourceKey, r.State, r.Origin, r.ChangedEventID, r.ChangedEventName,
		r.Tags, r.Attributes, r.Relations, r.EventIDs)
	if r.DeletedEventID != nil {
		text += " deleted by " + *r.DeletedEventID
	}
	return text
}
