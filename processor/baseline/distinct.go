package baseline

import (
	"encoding/binary"
	"slices"
)

// Distinct values are counted by a sample of their hashes: all of them up to
// sampleMost, then only those whose hash begins with a zero bit, then with two,
// and so on (adaptive sampling, Flajolet 1990). Unlike a sketch of registers
// this can let single values go when their window leaves the long span, and
// the order of the values makes no difference.

// sampleMost bounds a sample. Up to it counts are exact; beyond, the standard
// error is 1.2/√2048.
const (
	sampleMost  = 2048
	sampleError = 0.0265
)

// sample is the distinct values of one open window.
type sample struct {
	depth  uint8    // leading zero bits that a hash must have
	hashes []uint64 // ascending
}

// fits tells whether a hash is in a sample of this depth.
func fits(h uint64, depth uint8) bool { return depth == 0 || h>>(64-depth) == 0 }

func (s *sample) add(h uint64) {
	if !fits(h, s.depth) {
		return
	}
	i, found := slices.BinarySearch(s.hashes, h)
	if found {
		return
	}
	s.hashes = slices.Insert(s.hashes, i, h)
	for len(s.hashes) > sampleMost {
		s.thin(s.depth + 1)
	}
}

func (s *sample) thin(depth uint8) {
	if s.depth = max(s.depth, depth); s.depth > 0 {
		i, _ := slices.BinarySearch(s.hashes, uint64(1)<<(64-s.depth))
		s.hashes = s.hashes[:i]
	}
}

// size is the number of distinct values, estimated once it is large.
func (s *sample) size() uint32 { return uint32(min(uint64(len(s.hashes))<<s.depth, 1<<31)) }

func (s *sample) append(b []byte) []byte {
	b = append(b, s.depth)
	b = binary.AppendUvarint(b, uint64(len(s.hashes)))
	for _, h := range s.hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

func (r *reader) sample() *sample {
	s := &sample{depth: r.bytes(1)[0]}
	for range r.count() {
		s.hashes = append(s.hashes, r.u64())
	}
	return s
}

// span is the distinct values of the last twelve windows of a key and when
// each was seen last. The ring of the state holds how many were last seen in
// each window, so its sum is the number of distinct values of the span.
type span struct {
	depth uint8
	seen  []spanValue // by hash
}

type spanValue struct {
	hash uint64
	last Window
}

// again is a number of values that were last seen age windows ago.
type again struct {
	age   uint8
	count uint32
}

// close merges the values of window k in. Those that the span held already
// leave the window in which they were last seen: again says how many by age.
func (p *span) close(s *sample, k Window, cal *calendar) (out []again) {
	p.depth = max(p.depth, s.depth)
	s.thin(p.depth)
	var moved [ringSlots]uint32
	merged := make([]spanValue, 0, len(p.seen)+len(s.hashes))
	i := 0
	for _, v := range p.seen {
		for i < len(s.hashes) && s.hashes[i] < v.hash {
			merged = append(merged, spanValue{s.hashes[i], k})
			i++
		}
		age := cal.left(v.last, k)
		old := !fits(v.hash, p.depth) || age >= ringSlots
		switch {
		case i < len(s.hashes) && s.hashes[i] == v.hash:
			if !old {
				moved[age] += 1 << p.depth
			}
			merged = append(merged, spanValue{v.hash, k})
			i++
		case !old:
			merged = append(merged, v)
		}
	}
	for ; i < len(s.hashes); i++ {
		merged = append(merged, spanValue{s.hashes[i], k})
	}
	p.seen = merged
	p.thin()
	for age, n := range moved {
		if n > 0 {
			out = append(out, again{uint8(age), n})
		}
	}
	return out
}

func (p *span) thin() {
	for len(p.seen) > sampleMost {
		p.depth++
		p.seen = slices.DeleteFunc(p.seen, func(v spanValue) bool { return !fits(v.hash, p.depth) })
	}
	if len(p.seen) == 0 {
		p.depth = 0
	}
}

func (p *span) append(b []byte) []byte {
	b = append(b, p.depth)
	b = binary.AppendUvarint(b, uint64(len(p.seen)))
	for _, v := range p.seen {
		b = binary.LittleEndian.AppendUint64(b, v.hash)
		b = binary.LittleEndian.AppendUint32(b, v.last)
	}
	return b
}

func decodeSpan(b []byte) (*span, error) {
	r := &reader{b: b}
	p := &span{depth: r.bytes(1)[0]}
	for range r.count() {
		p.seen = append(p.seen, spanValue{r.u64(), binary.LittleEndian.Uint32(r.bytes(4))})
	}
	return p, r.end()
}
