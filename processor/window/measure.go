package window

import (
	"cmp"
	"math"
	"slices"
)

// measure is what is known of the entries of one window. Entries enter and
// leave in order of time.
type measure interface {
	enter(e *entry)                  // e came into the window
	more(e *entry, n int64, sum num) // n events with this sum were added to an entry that is in the window
	leave(e *entry)                  // e, the oldest entry, left
	value(end int64) float64         // what is compared with the bounds, at an end point
}

// counter counts events.
type counter struct{ n int64 }

func (m *counter) enter(e *entry)                { m.n += e.n }
func (m *counter) more(_ *entry, n int64, _ num) { m.n += n }
func (m *counter) leave(e *entry)                { m.n -= e.n }
func (m *counter) value(int64) float64           { return float64(m.n) }

// summer adds numbers up.
type summer struct {
	n    int64
	sum  num
	mean bool
}

func (m *summer) enter(e *entry)                  { m.more(e, e.n, e.sum) }
func (m *summer) more(_ *entry, n int64, sum num) { m.n, m.sum = m.n+n, m.sum.plus(sum) }
func (m *summer) leave(e *entry)                  { m.n, m.sum = m.n-e.n, m.sum.minus(e.sum) }

func (m *summer) value(int64) float64 {
	if m.mean {
		return m.sum.float() / float64(m.n)
	}
	return m.sum.float()
}

// distinct counts different keys. There is one entry per second and key.
type distinct struct{ entries map[uint64]int32 }

func (m *distinct) enter(e *entry)          { m.entries[e.key]++ }
func (m *distinct) more(*entry, int64, num) {}
func (m *distinct) value(int64) float64     { return float64(len(m.entries)) }

func (m *distinct) leave(e *entry) {
	if n := m.entries[e.key]; n > 1 {
		m.entries[e.key] = n - 1
	} else {
		delete(m.entries, e.key)
	}
}

// histogram counts events by bin, for a percentile: the smallest number that
// so many per cent of all are not above (nearest rank).
type histogram struct {
	percent float64
	n       int64
	bins    []binCount // sorted
}

type binCount struct {
	key uint64
	n   int64
}

func (m *histogram) enter(e *entry) { m.more(e, e.n, num{}) }
func (m *histogram) leave(e *entry) { m.more(e, -e.n, num{}) }

func (m *histogram) more(e *entry, n int64, _ num) {
	m.n += n
	i, found := slices.BinarySearchFunc(m.bins, e.key, func(b binCount, k uint64) int { return cmp.Compare(b.key, k) })
	if !found {
		m.bins = slices.Insert(m.bins, i, binCount{key: e.key})
	}
	if m.bins[i].n += n; m.bins[i].n == 0 {
		m.bins = slices.Delete(m.bins, i, i+1)
	}
}

func (m *histogram) value(int64) float64 {
	rank := max(1, int64(math.Ceil(m.percent/100*float64(m.n))))
	for _, b := range m.bins {
		if rank -= b.n; rank <= 0 {
			return binMiddle(b.key)
		}
	}
	return math.NaN()
}

// presence says which rules matched, in any order. Its value is the number of
// different rules, for a clause 1 or 0.
type presence struct {
	newest  []int64 // per rule, never when it did not match
	clauses []clause
	group   *group
}

// never is before all times.
const never = math.MinInt64 / 4

func (m *presence) enter(e *entry) { m.more(e, 0, num{}) }

func (m *presence) more(e *entry, _ int64, _ num) {
	for i := range m.newest {
		if e.key>>i&1 != 0 && e.sec > m.newest[i] {
			m.newest[i] = e.sec
		}
	}
}

func (m *presence) leave(e *entry) {
	for i := range m.newest {
		if e.key>>i&1 != 0 && m.newest[i] == e.sec {
			m.newest[i] = never
		}
	}
}

func (m *presence) value(int64) float64 {
	if len(m.clauses) > 0 {
		return truth(slices.ContainsFunc(m.clauses, m.met))
	}
	n := 0
	for _, t := range m.newest {
		if t != never {
			n++
		}
	}
	return float64(n)
}

// met says whether a clause holds: the rules it needs are in the window, and
// none that it denies could share a window with their newest matches.
func (m *presence) met(c clause) bool {
	oldest, newest := int64(math.MaxInt64), int64(never)
	for i, t := range m.newest {
		if c.need>>i&1 != 0 {
			if t == never {
				return false
			}
			oldest, newest = min(oldest, t), max(newest, t)
		}
	}
	span := m.group.rule.span
	return c.deny == 0 || !m.group.has(c.deny, newest-span+1, oldest+span)
}

func truth(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}
