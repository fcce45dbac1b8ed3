package columnar

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// maxDictionary is the size at which a dictionary is given up: beyond it the
// column is not one of few values, and readers must hold it whole.
const maxDictionary = 1 << 20

// dictionary numbers the distinct strings of a column chunk in the order in
// which they first occur.
type dictionary struct {
	plain   []byte // the strings as the dictionary page holds them
	entries []entry
	table   []uint32 // hash table of entry numbers + 1; a power of two in size
	last    int32    // the newest answer: neighbours are often equal
}

type entry struct {
	start, end uint32 // of the string in plain
	hash       uint32
	page       uint32 // newest page that uses it
}

const smallTable = 256

func (d *dictionary) reset() {
	d.plain, d.entries, d.last = d.plain[:0], d.entries[:0], -1
	if d.table == nil {
		d.table = make([]uint32, smallTable)
		return
	}
	// A file may be tiny after a large one; its tables should be too.
	d.table = d.table[:smallTable]
	clear(d.table)
}

// at returns the string with number i.
func (d *dictionary) at(i int32) []byte {
	e := &d.entries[i]
	return d.plain[e.start:e.end]
}

// number returns the string's number, a new one if need be.
func (d *dictionary) number(b []byte) int32 {
	if d.last >= 0 && string(d.at(d.last)) == string(b) {
		return d.last
	}
	h := uint32(xxhash.Sum64(b))
	mask := uint32(len(d.table) - 1)
	slot := h & mask
	for ; d.table[slot] != 0; slot = (slot + 1) & mask {
		i := int32(d.table[slot] - 1)
		if d.entries[i].hash == h && string(d.at(i)) == string(b) {
			d.last = i
			return i
		}
	}
	return d.insert(b, h, slot)
}

func (d *dictionary) insert(b []byte, h, slot uint32) int32 {
	d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(len(b)))
	start := len(d.plain)
	d.plain = append(d.plain, b...)
	d.entries = append(d.entries, entry{start: uint32(start), end: uint32(len(d.plain)), hash: h})
	d.last = int32(len(d.entries) - 1)
	d.table[slot] = uint32(len(d.entries))
	if 2*len(d.entries) > len(d.table) {
		d.grow()
	}
	return d.last
}

func (d *dictionary) grow() {
	n := 4 * len(d.table)
	if cap(d.table) >= n {
		d.table = d.table[:n]
		clear(d.table)
	} else {
		d.table = make([]uint32, n)
	}
	mask := uint32(n - 1)
	for i := range d.entries {
		slot := d.entries[i].hash & mask
		for d.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		d.table[slot] = uint32(i + 1)
	}
}
