package rule

import (
	"cmp"
	"net/netip"
	"slices"
)

// networks finds the narrowest of many networks that holds an address: one
// look-up for each length of prefix that occurs, however many networks there
// are.
type networks struct {
	entries map[netip.Prefix]int32
	four    []int // lengths of prefixes that occur, the longest first
	six     []int
}

func newNetworks() *networks { return &networks{entries: map[netip.Prefix]int32{}} }

func (n *networks) add(p netip.Prefix, entry int32) {
	if _, twice := n.entries[p]; twice {
		return
	}
	n.entries[p] = entry
	bits := &n.six
	if p.Addr().Is4() {
		bits = &n.four
	}
	if at, found := slices.BinarySearchFunc(*bits, p.Bits(), func(a, b int) int { return cmp.Compare(b, a) }); !found {
		*bits = slices.Insert(*bits, at, p.Bits())
	}
}

// find is the entry of the narrowest network around an address. A value that is
// no address, such as the name of a service, is in none.
func (n *networks) find(text string) (entry int32, ok bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return none, false
	}
	addr = addr.Unmap().WithZone("")
	lengths := n.six
	if addr.Is4() {
		lengths = n.four
	}
	for _, bits := range lengths {
		p, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		if entry, ok = n.entries[p]; ok {
			return entry, true
		}
	}
	return none, false
}

// scalar makes networks the test for many networks at once.
func (n *networks) scalar(text string, _ bool) bool {
	_, ok := n.find(text)
	return ok
}
