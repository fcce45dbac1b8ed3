package baseline

import "math"

// A bucket of State.Hour gains 15 when its hour was active and first loses a
// sixteenth, at least 1, at each visit: it halves in eleven visits, is gone
// fifteen visits after a single use, and settles at 240 when each visit is
// used. Integers, so that many hours at once give the same bytes as one by one.

// idleVisit is a bucket's value after a visit without activity.
func idleVisit(v uint8) uint8 {
	if v == 0 {
		return 0
	}
	return v - max(1, v/16)
}

// usedVisit is a bucket's value after a visit with activity.
func usedVisit(v uint8) uint8 { return idleVisit(v) + 15 }

// alwaysUsed[n] is a bucket that was used at each of n visits.
var alwaysUsed = func() (table [128]uint8) {
	for i := 1; i < len(table); i++ {
		table[i] = usedVisit(table[i-1])
	}
	return table
}()

// expectedHour is what a bucket would hold if the key had been active at each
// of so many visits.
func expectedHour(visits int32) float64 {
	return float64(alwaysUsed[min(max(visits, 0), int32(len(alwaysUsed)-1))])
}

// Limits of the off-hours evidence. A week shows every hour on both kinds of
// day; half a visit of the key's mean activity is the prior.
const (
	offAge      = 7 * 24 * 3600 // seconds that a key must be known
	offFloor    = 0.08
	offCap      = 8.0
	offTrust    = 0.8 // the exponential end promises too much
	offValues   = 20
	shareLeast  = 1.0 / 336 // two weeks of hours
	shareSteady = 334       // from this hour on the rate is shareLeast
)

// passHours brings the buckets and the share of active hours from the hour of
// the last active window up to, not including, the hour now.
func (m *Model) passHours(s *State, now int64) {
	last := m.cal.hourOf(s.Last)
	if last >= now || m.seasons == 0 {
		return
	}
	first := m.cal.hourOf(s.First)
	if b, ok := m.cal.bucket(last); ok {
		s.Hour[b] = usedVisit(s.Hour[b])
	}
	for h := last + 1; h < now; h++ {
		if b, ok := m.cal.bucket(h); ok && s.Hour[b] != 0 {
			s.Hour[b] = idleVisit(s.Hour[b])
		}
	}
	i := m.cal.hours(first, last)
	share := float64(s.Share)
	share += max(shareLeast, 1/float64(i+2)) * (1 - share)
	s.Share = float32(share * idleShare(i+1, m.cal.hours(last+1, now)))
}

// idleShare is the product of 1 − max(1/336, 1/(j+2)) over the hours j in
// [i, i+n).
func idleShare(i, n int64) float64 {
	early := min(n, max(0, shareSteady-i))
	f := 1.0
	if early > 0 {
		f = float64(i+1) / float64(i+early+1)
	}
	if rest := n - early; rest > 0 {
		f *= math.Exp(float64(rest) * math.Log1p(-shareLeast))
	}
	return f
}

// activity is the key's activity in the hours around now, as a share of the
// visits that it could have used: of the previous, this and the next hour of
// the same part of the week.
func (m *Model) activity(s *State, now int64) float64 {
	b, _ := m.cal.bucket(now)
	part, hour := b/24*24, b%24
	first := m.cal.hourOf(s.First)
	used, could := 0.0, 0.0
	for _, d := range [3]uint8{23, 0, 1} {
		k := part + (hour+d)%24
		used += float64(s.Hour[k])
		could += expectedHour(m.cal.visits(k, first, now))
	}
	return (used/16 + 0.5*float64(s.Share)) / (could/16 + 0.5)
}

// unusualHour is −log₁₀ of the activity, from 0 to 4.
func unusualHour(activity float64) float64 {
	return -math.Log(min(max(activity, 1e-4), 1)) / math.Ln10
}

// offScore is the evidence of an hour that is x unusual.
func (m *Model) offScore(s *State, x float64) float64 {
	if s.Off.N < offValues {
		return 0
	}
	return offTrust * min(offCap, s.Off.nlp(x, offFloor, &offShape))
}
