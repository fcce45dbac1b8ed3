package key

import (
	"fmt"
	"math"
	"math/big"
)

// Range is a range of hashes, both ends included. First above Last is the
// empty range.
type Range struct{ First, Last uint64 }

// Full is the range of an unsplit stream with one shard.
var Full = Range{First: 0, Last: math.MaxUint64}

// ParseRange cuts a range of 128-bit hashes, decimal as Kinesis gives it, to
// the 64 bits that keys hold. Where a boundary lies inside of one 64-bit
// prefix, the prefix goes to the range that begins lower, so that adjacent
// ranges never share a prefix and leave none out.
func ParseRange(lo, hi string) (Range, error) {
	low, err := parse128(lo)
	if err != nil {
		return Range{}, err
	}
	high, err := parse128(hi)
	if err != nil {
		return Range{}, err
	}
	if low.Cmp(high) > 0 {
		return Range{}, fmt.Errorf("hash range %s to %s: ends before it begins", lo, hi)
	}
	last := new(big.Int).Rsh(high, 64).Uint64()
	first := new(big.Int).Rsh(low, 64).Uint64()
	if new(big.Int).And(low, big.NewInt(0).SetUint64(math.MaxUint64)).Sign() == 0 {
		return Range{First: first, Last: last}, nil
	}
	if first == math.MaxUint64 {
		return Range{First: 1, Last: 0}, nil
	}
	return Range{First: first + 1, Last: last}, nil
}

func parse128(s string) (*big.Int, error) {
	v, ok := new(big.Int).SetString(s, 10)
	if !ok || v.Sign() < 0 || v.BitLen() > 128 {
		return nil, fmt.Errorf("hash key %q: not a decimal number of at most 128 bits", s)
	}
	return v, nil
}

// Empty tells whether no hash is in the range.
func (r Range) Empty() bool { return r.First > r.Last }

// Contains tells whether the hash is in the range.
func (r Range) Contains(h Hash) bool {
	v := h.Uint64()
	return r.First <= v && v <= r.Last
}

// Bounds returns the keyed rows of the range as keys: lo included, hi not.
func (r Range) Bounds() (lo, hi []byte) {
	lo = AppendUint64([]byte{SpaceKeyed}, r.First)
	if r.Empty() {
		return lo, lo
	}
	if r.Last == math.MaxUint64 {
		return lo, []byte{SpaceKeyed + 1}
	}
	return lo, AppendUint64([]byte{SpaceKeyed}, r.Last+1)
}
