package window

import (
	"fmt"
	"slices"

	"github.com/axiomhq/hyperloglog"
)

// A sketch stands for the values of a group that had too many of them: a
// HyperLogLog for each of 24 parts of the timespan.
const (
	sketchPrecision = 11                      // 2,048 registers
	sketchParts     = 24                      // of the timespan; a window takes in parts as a whole
	sketchError     = 0.023 + 1.0/sketchParts // standard error, 1.04/√2048, and the edge
)

type sketch struct {
	width int64 // seconds per part
	parts []part
}

type part struct {
	number int64 // seconds / width
	hll    *hyperloglog.Sketch
}

func newSketch(r *rule) *sketch {
	if r.spec.Shape == Tumbling {
		return &sketch{width: 1} // all values of a window lie in its first second
	}
	return &sketch{width: max(1, r.span/sketchParts)}
}

func newHLL() *hyperloglog.Sketch {
	hll, err := hyperloglog.NewSketch(sketchPrecision, false)
	if err != nil {
		panic(fmt.Sprintf("window: a precision of %d is refused: %v", sketchPrecision, err)) // a constant
	}
	return hll
}

// add takes the hash of a value in.
func (s *sketch) add(sec int64, value uint64) {
	number := floorDiv(sec, s.width)
	i, found := slices.BinarySearchFunc(s.parts, number, func(p part, n int64) int { return int(p.number - n) })
	if !found {
		s.parts = slices.Insert(s.parts, i, part{number, newHLL()})
	}
	s.parts[i].hll.InsertHash(value)
}

// prune drops parts that ended before a second.
func (s *sketch) prune(before int64) {
	s.parts = slices.DeleteFunc(s.parts, func(p part) bool { return (p.number+1)*s.width <= before })
}

// count estimates how many different values were seen from one second to another.
func (s *sketch) count(from, to int64) (float64, error) {
	all := newHLL()
	for _, p := range s.parts {
		if (p.number+1)*s.width > from && p.number*s.width <= to {
			if err := all.Merge(p.hll); err != nil {
				return 0, fmt.Errorf("merge sketches: %w", err)
			}
		}
	}
	return float64(all.Estimate()), nil
}

// toSketch replaces exact values by sketches. One entry per second is left.
func (g *group) toSketch() {
	g.sketch = newSketch(g.rule)
	kept := g.entries[:0]
	for i := range g.entries {
		e := g.entries[i]
		g.sketch.add(e.sec, e.key)
		if e.key = 0; len(kept) > 0 && kept[len(kept)-1].sec == e.sec {
			kept[len(kept)-1].absorb(&e)
			continue
		}
		kept = append(kept, e)
	}
	clear(g.entries[len(kept):])
	if g.entries = kept; len(kept) > g.rule.limit {
		g.merge()
	}
}

// estimate is the measure of a group with a sketch.
type estimate struct {
	group *group
	from  int64
	n     int64
}

func (m *estimate) enter(e *entry) {
	if m.n == 0 {
		m.from = e.sec
	}
	m.n++
}
func (m *estimate) more(*entry, int64, num) {}
func (m *estimate) leave(e *entry)          { m.n--; m.from = e.sec + 1 }

func (m *estimate) value(end int64) float64 {
	n, err := m.group.sketch.count(m.from, end)
	if err != nil {
		panic("window: sketches of one precision do not merge") // they all come from newHLL
	}
	return n
}
