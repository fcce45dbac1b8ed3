// Package window correlates matches of rules over event time: counts, distinct
// counts, sums, sequences and absences per group, in sliding, tumbling and
// session windows.
//
// An Engine belongs to one shard. It gets each event that met a rule, and the
// watermark; it gives firings. It is pure: it reads no clock and no random
// number, and what it knows lies in rows of state, so that after a crash the
// same events give the same firings with the same ids.
package window
