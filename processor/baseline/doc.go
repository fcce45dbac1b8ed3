// Package baseline learns what is usual for a key and says when something is
// not.
//
// A rule with a baseline asks whether a count, a number of distinct values or
// a sum is unusual for its key; a rule with first_seen asks whether a value
// has been seen before. Both learn from the stream alone, keep a small state
// per key, and explain what they say.
//
//   - The count model (State, Model) scores the windows of a key in which
//     something happened: most windows are empty and cost nothing.
//   - The gauge model (Gauge) scores series in which each window has a value.
//   - The first-seen store (Seen) remembers combinations of values by day.
//   - Engine drives all of them for a shard: events come in, the watermark
//     closes windows, findings come out, and what changed is flushed to the
//     shard's state before a commit.
//
// Nothing here reads a clock or a random number: what comes out is a function
// of the events per key and of the watermark. After a crash the same input
// gives the same findings.
package baseline
