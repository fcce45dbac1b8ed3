package processor

import (
	"time"

	"github.com/cairnstream/cairn/state/manifest"
)

// widen takes an event into an extent.
func widen(x *manifest.Extent, event, arrival time.Time) {
	if x.FirstEvent.IsZero() || event.Before(x.FirstEvent) {
		x.FirstEvent = event
	}
	if event.After(x.LastEvent) {
		x.LastEvent = event
	}
	if x.FirstArrival.IsZero() || arrival.Before(x.FirstArrival) {
		x.FirstArrival = arrival
	}
	if arrival.After(x.LastArrival) {
		x.LastArrival = arrival
	}
}

// extent is what was done since the last cut, as of now.
func (s *Shard) extent() manifest.Extent {
	x := s.open
	x.Last, x.To, x.Counts = s.position, s.watermark, s.counts.Minus(s.cutCounts)
	return x
}

// cut ends the extent and begins the next one.
func (s *Shard) cut() manifest.Extent {
	x := s.extent()
	s.open = manifest.Extent{From: []manifest.Reach{{Share: s.cfg.HashShare, Watermark: s.watermark}}}
	s.cutCounts = s.counts
	return x
}
