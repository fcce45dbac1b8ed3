package replay

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"testing"
)

// TestRouteOfAgreesWithRanges holds the arithmetic on halves against the
// plain one on big integers, for keys on all sides of the bounds.
func TestRouteOfAgreesWithRanges(t *testing.T) {
	for n := 1; n <= 9; n++ {
		for k := range 500 {
			key := fmt.Sprint(k)
			got := routeOf(key, n)
			sum := md5.Sum([]byte(key))
			h := new(big.Int).SetBytes(sum[:])
			lo, _ := new(big.Int).SetString(hashRange(got.shard, n)[0], 10)
			hi, _ := new(big.Int).SetString(hashRange(got.shard, n)[1], 10)
			if h.Cmp(lo) < 0 || h.Cmp(hi) > 0 {
				t.Fatalf("key %q of %d shards went to %d, outside of [%s, %s]", key, n, got.shard, lo, hi)
			}
		}
	}
}

func TestHashRangesCoverEverything(t *testing.T) {
	const n = 7
	if got := hashRange(0, n)[0]; got != "0" {
		t.Errorf("the first range begins at %s", got)
	}
	for i := range n - 1 {
		end, _ := new(big.Int).SetString(hashRange(i, n)[1], 10)
		if next := end.Add(end, big.NewInt(1)).String(); next != hashRange(i+1, n)[0] {
			t.Errorf("a hole between ranges %d and %d", i, i+1)
		}
	}
	// 2¹²⁸−1, the greatest hash key of Kinesis.
	if got := hashRange(n-1, n)[1]; got != "340282366920938463463374607431768211455" {
		t.Errorf("the last range ends at %s", got)
	}
}

func TestSequenceRoundTrip(t *testing.T) {
	r := &router{}
	for _, place := range []uint64{0, 7, 3*perFile + 42, 1<<63 + 9} {
		text := r.text(place)
		if text != sequence(place) || len(text) != 56 || placeOf(text) != place {
			t.Errorf("place %d became %q, then %d", place, text, placeOf(text))
		}
	}
}
