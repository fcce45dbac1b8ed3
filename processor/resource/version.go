package resource

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Rank orders changes inside one millisecond. CloudTrail times are nearly always whole seconds, so a tag set in the second of
// the create would otherwise sort before it half of the time, by the chance of the event id.
type Rank uint8

// The three ranks, in the order in which they must apply.
const (
	RankCreate Rank = iota // creates and seeds
	RankChange             // everything else
	RankDelete             // deletes
)

// Version is the place of a change in the total order of all changes of a resource. The zero Version is older than every other.
type Version struct {
	Time    int64 // event time, milliseconds since 1970 UTC
	Rank    Rank
	EventID string
}

// Compare returns -1, 0 or +1: by time, then rank, then event id.
func (v Version) Compare(w Version) int {
	if c := cmp.Compare(v.Time, w.Time); c != 0 {
		return c
	}
	if c := cmp.Compare(v.Rank, w.Rank); c != 0 {
		return c
	}
	return strings.Compare(v.EventID, w.EventID)
}

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool { return v.Compare(w) < 0 }

// IsZero reports whether v is the version of nothing.
func (v Version) IsZero() bool { return v == Version{} }

// When is the event time in UTC; the zero time for the zero Version.
func (v Version) When() time.Time {
	if v.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(v.Time).UTC()
}

// String is the form of the lake, "<ms>/<rank>/<event id>". The milliseconds have 13 digits, so text order is version order
// from 1970 to 2286.
func (v Version) String() string { return fmt.Sprintf("%013d/%d/%s", v.Time, v.Rank, v.EventID) }

func later(v, w Version) Version {
	if v.Less(w) {
		return w
	}
	return v
}
