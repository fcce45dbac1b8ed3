// Package window correlates matches of rules over event time: counts, distinct
// counts, sums, sequences and absences per group, in sliding, tumbling and
// session windows. It also holds back findings that say the same as one before.
//
// An Engine belongs to one shard. It gets each event that met a rule, and the
// watermark; it gives firings. It is pure: it reads no clock and no random
// number, and all that it knows lies in rows of state, so that after a crash
// the same events give the same firings with the same ids.
//
// # Time
//
// Windows have a resolution of one second. The window at the end point e is
// (e−timespan, e], and every second with a match is an end point. The close of
// a rule is the watermark, moved by the rule's own lateness: an event behind it
// is in no window. Deadlines are kept in a heap by the watermark at which they
// are due, so the steps in which the watermark moves make no difference.
//
// # When it fires
//
// A condition that more events can only make true fires on arrival, once per
// stretch of true end points. All others are decided when the close has passed
// the end point; those that hold for want of a match, when nothing can come any
// more that would count. Firings on arrival cannot be the same for every order
// of the events. Take "two in ten seconds" and events at 0, 5, 9, 16 and 18: in
// order they are one stretch, which begins at 5; but who has seen all but the
// one at 9 has to report two, at 5 and at 18, because without it the condition
// is false at 16. So each group has two layers:
//
//   - What the close has passed is settled: stretches of true end points, the
//     finding to which each belongs, the exact number of its events, its first
//     and last window. This is a function of the events alone. An End carries it.
//   - What lies behind is announced: each stretch that is seen gets a Start at
//     once. When it settles, the first announcement of a finding gives the id,
//     and further ones that late events joined with it end as Merged.
//
// Within the lateness, any order of the same events gives the same settled
// findings, each with exactly one Start that was not held back; events in order
// give no Merged ones. With Spec.AtClose everything waits for the close, and
// then all firings are the same for every order, ids included.
//
// # State and cost
//
// A group keeps one entry per second and key (value, bin, or set of rules) as
// far back as an undecided window reaches, and a window with its measure at the
// newest end point. An event in order is added to it and what is too old leaves
// it: constant time. A late event is added to its entry; only if windows around
// it could meet the condition all open end points are judged again. Above 8,192
// entries (16,384 values) neighbouring seconds are joined; of distinct values
// the newest are kept, which leaves a lower bound exact, or HyperLogLogs take
// their place; the firing then says Approximate and the error.
package window
