package window

import (
	"github.com/cairnstream/cairn/state/key"
)

// group is the state of one correlation for one group of one account.
//
// Its entries hold all matches that a window may still need. End points before
// settled are decided for good: run tells how they ended. On those behind it
// judgement may change while late events come; what was announced of them so
// far is in announced.
type group struct {
	rule    *rule
	id      string // key in rule.groups, and end of the row's key
	hash    key.Hash
	account string
	values  []string

	entries   []entry
	newest    int64 // second of the newest entry, ever
	hot       int64 // newest end point that is known to be true
	settled   int64 // first second that is not decided
	run       run
	announced []announcement
	live      live
	coarse    int64 // newest second whose entries were merged; 0: none
	sketch    *sketch

	done cursor // at the last decided end point
	tail cursor // at the newest end point; of rules that fire on arrival
	stretch
	before stretch // at the end point before the newest

	due    int64 // when the schedule wakes it, in the rule's seconds; 0: not at all
	oldest int64 // first entry that was not settled when the end of a session was planned
	size   int64 // as it stands in Counts.Bytes
	cold   bool  // in the store only, but for id, newest, due and size
	dirty  bool
	parts  int  // rows that the store has of it
	kept   int  // entries that were left when it was last pruned
	active bool // touched since the last flush
	gone   bool
}

// stretch is how the newest end point stands, of a rule that fires on arrival.
type stretch struct {
	on    bool  // the condition holds
	said  bool  // and this has been announced
	since int64 // first end point, of those not settled, from which it holds
}

// run is a stretch of end points at which the condition holds, together with
// those that follow closely enough to be held back by its finding.
type run struct {
	open     bool
	anchor   int64 // end point at which it began
	last     int64 // newest end point at which the condition held
	falseAt  int64 // since when it is false; 0: it holds
	counted  int64 // events up to this second are in total
	total    int64
	reported int64 // total at the last update
	peak     float64
	id       string // of its finding; "" while none was announced
	held     string // id of a finding of it that was held back
	named    bool   // the current stretch has been announced
	trigger  string
	ctx      string
	from     int64 // first second of its first window
	lo       int64 // first second of the window at last
	first    []string
	end      []string
	began    int64 // time of its first event, ms
	ended    int64 // and of the last one of its last true window
}

// announcement is a finding that was fired on arrival and is not settled yet.
type announcement struct {
	point int64 // the end point
	id    string
	by    string // the finding that holds it back
	event string // the trigger
	ctx   string
}

// live is the finding that further events count for.
type live struct {
	id       string
	events   int64
	reported int64
	began    int64 // time of its first event, ms
}

// sizes for the estimate of what a group takes in memory, in bytes.
const (
	sizeGroup  = 640
	sizeEntry  = 96
	sizeID     = 72
	sizeSketch = 2200
)

// weigh estimates the group's size anew.
func (g *group) weigh() {
	size := int64(sizeGroup + 2*len(g.id))
	for i := range g.entries {
		size += sizeEntry + sizeID*int64(len(g.entries[i].ids))
	}
	if g.sketch != nil {
		size += sizeSketch * int64(len(g.sketch.parts))
	}
	g.grow(size - g.size)
}

// grow changes the estimate of the group's size.
func (g *group) grow(by int64) {
	g.size += by
	g.rule.counts.Bytes += by
}

// error is by how much a value may be off, relative to it.
func (g *group) error() float64 {
	switch {
	case g.sketch != nil:
		return sketchError
	case g.coarse > 0:
		return 1.0 / mergeParts
	case g.rule.spec.Type == ValuePercentile:
		return (binGrowth - 1) / 2
	}
	return 0
}
