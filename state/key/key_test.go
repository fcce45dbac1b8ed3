package key

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestKnownKeys pins the layout: other bytes are another key layout.
func TestKnownKeys(t *testing.T) {
	h := HashOf("")
	if want := (Hash{0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04}); h != want { // md5 of nothing, RFC 1321 A.5
		t.Errorf("hash of the empty key %x, want %x", h, want)
	}
	for name, c := range map[string]struct{ got, want []byte }{
		"keyed":  {Keyed(h, Inventory, []byte("ab"), []byte("c")), []byte("K\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04Iabc")},
		"prefix": {Keyed(h, Inventory), []byte("K\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04I")},
		"whole":  {Whole(Outbox, []byte("x")), []byte("XOx")},
		"string": {AppendString(nil, "a\x00b"), []byte("a\x00\xffb\x00\x01")},
		"uint":   {AppendUint64(nil, 258), []byte{0, 0, 0, 0, 0, 0, 1, 2}},
		"int":    {AppendInt64(nil, -1), []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		"dedup":  {DedupRow(1, EventID{15: 9}), []byte("XD\x80\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09")},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: %x, want %x", name, c.got, c.want)
		}
	}
}

type parts struct {
	s string
	u uint64
	i int64
	t time.Time
}

var partsGen = rapid.Custom(func(t *rapid.T) parts {
	return parts{
		s: string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff}), 0, 4).Draw(t, "s")),
		u: rapid.Uint64().Draw(t, "u"),
		i: rapid.Int64().Draw(t, "i"),
		t: time.UnixMilli(rapid.Int64Range(-1e13, 1e13).Draw(t, "t")).UTC(),
	}
})

func (p parts) key() []byte {
	return AppendTime(AppendInt64(AppendUint64(AppendString(nil, p.s), p.u), p.i), p.t)
}

func (p parts) compare(o parts) int {
	return cmp.Or(cmp.Compare(p.s, o.s), cmp.Compare(p.u, o.u), cmp.Compare(p.i, o.i), p.t.Compare(o.t))
}

func TestPartsComeBackAndKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := partsGen.Draw(t, "a"), partsGen.Draw(t, "b")
		if rapid.Bool().Draw(t, "same string") {
			b.s = a.s
		}
		if got, want := bytes.Compare(a.key(), b.key()), a.compare(b); got != want {
			t.Fatalf("%x against %x: %d, want %d", a.key(), b.key(), got, want)
		}
		rest := append(a.key(), "rest"...)
		var got parts
		var err error
		if got.s, rest, err = TakeString(rest); err != nil {
			t.Fatal(err)
		}
		if got.u, rest, err = TakeUint64(rest); err != nil {
			t.Fatal(err)
		}
		if got.i, rest, err = TakeInt64(rest); err != nil {
			t.Fatal(err)
		}
		if got.t, rest, err = TakeTime(rest); err != nil || got != a || string(rest) != "rest" {
			t.Fatalf("%+v, rest %q, %v; want %+v", got, rest, err, a)
		}
	})
}

func TestTruncatedParts(t *testing.T) {
	for n := range 7 {
		if _, _, err := TakeTime(make([]byte, n)); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, k := range []string{"", "a", "a\x00", "a\x00\xff"} {
		if _, _, err := TakeString([]byte(k)); !errors.Is(err, ErrTruncated) {
			t.Errorf("%q: %v", k, err)
		}
	}
	if _, _, err := TakeString([]byte("a\x00\x02")); err == nil {
		t.Error("a zero byte that is neither escaped nor the end")
	}
}

func TestParse(t *testing.T) {
	h := HashOf("123456789012")
	keyed, err := Parse(Keyed(h, Baseline, []byte("r")))
	if err != nil || keyed.Space != SpaceKeyed || keyed.Hash != h || keyed.Kind != Baseline || string(keyed.Rest) != "r" {
		t.Errorf("%+v %v", keyed, err)
	}
	whole, err := Parse(Whole(Outbox, []byte("r")))
	if err != nil || whole.Space != SpaceWhole || whole.Kind != Outbox || string(whole.Rest) != "r" {
		t.Errorf("%+v %v", whole, err)
	}
	for _, k := range []string{"", "K", "K12345678", "X", "Y1"} {
		if p, err := Parse([]byte(k)); err == nil {
			t.Errorf("%q is %+v", k, p)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sample := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xfe, 0xff}), 0, 4)
		prefix, k := sample.Draw(t, "prefix"), sample.Draw(t, "key")
		end := PrefixEnd(prefix)
		inside := bytes.Compare(k, prefix) >= 0 && (end == nil || bytes.Compare(k, end) < 0)
		if inside != bytes.HasPrefix(k, prefix) {
			t.Fatalf("key %x, prefix %x, end %x", k, prefix, end)
		}
	})
}

func TestEventIDs(t *testing.T) {
	const id = "6ac3a93e-d8e2-4b8d-9d3f-0a1b2c3d4e5f"
	if got := EventIDOf(id); got != (EventID{0x6a, 0xc3, 0xa9, 0x3e, 0xd8, 0xe2, 0x4b, 0x8d, 0x9d, 0x3f, 0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f}) {
		t.Errorf("UUID: %x", got)
	}
	seen := map[EventID]string{EventIDOf(id): id}
	for _, other := range []string{
		"6AC3A93E-D8E2-4B8D-9D3F-0A1B2C3D4E5F", "6ac3a93ed8e24b8d9d3f0a1b2c3d4e5f", "6ac3a93e-d8e2-4b8d-9d3f-0a1b2c3d4e5g", "", "x",
		"6ac3a93e-d8e2-4b8d-9d3f-0a1b2c3d4e5", "6ac3a93e-d8e2-4b8d-9d3f+0a1b2c3d4e5f",
	} {
		u := EventIDOf(other)
		if before, ok := seen[u]; ok {
			t.Errorf("%q and %q are one id", before, other)
		}
		seen[u] = other
	}
}

// TestOtherIDsAreDistinct: with 16 bytes two of 10,000 ids meet once in 10^31
// times, with 4 bytes once in a hundred.
func TestOtherIDsAreDistinct(t *testing.T) {
	for from := range 16 { // any 5 bytes of them tell ids apart
		seen := map[[5]byte]int{}
		for i := range 10_000 {
			id := EventIDOf(fmt.Sprintf("sha256:%032x", i))
			var part [5]byte
			for j := range part {
				part[j] = id[(from+j)%16]
			}
			if before, ok := seen[part]; ok {
				t.Fatalf("ids %d and %d agree in 5 bytes from %d", before, i, from)
			}
			seen[part] = i
		}
	}
}

func TestDedupRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hour := rapid.Int64().Draw(t, "hour")
		id := EventIDOf(rapid.String().Draw(t, "id"))
		k := DedupRow(hour, id)
		gotHour, gotID, ok := ParseDedup(k)
		if !ok || gotHour != hour || gotID != id || !IsDedup(k) {
			t.Fatalf("%d %x %v, want %d %x", gotHour, gotID, ok, hour, id)
		}
		if other := rapid.Int64().Draw(t, "other"); cmp.Compare(hour, other) != bytes.Compare(k, DedupRow(other, id)) && hour != other {
			t.Fatal("hours out of order")
		}
	})
	for _, k := range [][]byte{nil, Whole(Dedup), Whole(Outbox, make([]byte, 24)), Keyed(Hash{}, Dedup, make([]byte, 16))} {
		if _, _, ok := ParseDedup(k); ok {
			t.Errorf("%x was taken for an event id", k)
		}
	}
}

func TestHour(t *testing.T) {
	for at, want := range map[string]int64{
		"1970-01-01T00:59:59.999Z": 0, "1970-01-01T01:00:00Z": 1, "1969-12-31T23:59:59Z": -1, "1969-12-31T23:00:00Z": -1, "1969-12-31T22:59:59Z": -2,
	} {
		parsed, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := Hour(parsed); got != want {
			t.Errorf("%s: %d, want %d", at, got, want)
		}
	}
}

var max128 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))

// TestSplitIsACut: two adjacent ranges share no hash and leave none out,
// wherever the boundary is.
func TestSplitIsACut(t *testing.T) {
	if got, err := ParseRange("0", max128.String()); err != nil || got != Full {
		t.Fatalf("whole range %+v %v", got, err)
	}
	boundary := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) *big.Int { // inside of a prefix, often at its edges
			high := new(big.Int).SetUint64(rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64 - 1, math.MaxUint64})).Draw(t, "high"))
			low := new(big.Int).SetUint64(rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64})).Draw(t, "low"))
			return high.Lsh(high, 64).Or(high, low)
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		last := boundary.Draw(t, "last of the lower child")
		if last.Cmp(max128) == 0 {
			t.Skip("there is no upper child")
		}
		next := new(big.Int).Add(last, big.NewInt(1))
		lower, err := ParseRange("0", last.String())
		if err != nil {
			t.Fatal(err)
		}
		upper, err := ParseRange(next.String(), max128.String())
		if err != nil {
			t.Fatal(err)
		}
		var h Hash
		copy(h[:], AppendUint64(nil, rapid.OneOf(rapid.Uint64(), rapid.Just(new(big.Int).Rsh(last, 64).Uint64()), rapid.Just(new(big.Int).Rsh(next, 64).Uint64())).Draw(t, "hash")))
		if lower.Contains(h) == upper.Contains(h) {
			t.Fatalf("hash %x in lower %+v: %v, in upper %+v: %v", h, lower, lower.Contains(h), upper, upper.Contains(h))
		}
		k := Keyed(h, Inventory, []byte("r"))
		for _, r := range []Range{lower, upper} {
			lo, hi := r.Bounds()
			if inside := bytes.Compare(k, lo) >= 0 && bytes.Compare(k, hi) < 0; inside != r.Contains(h) {
				t.Fatalf("hash %x: bounds %x to %x say %v, range %+v says %v", h, lo, hi, inside, r, r.Contains(h))
			}
		}
		if upper.Empty() && lower != Full {
			t.Fatalf("upper is empty and lower is %+v", lower)
		}
	})
}

func TestParseRangeRefuses(t *testing.T) {
	above := new(big.Int).Add(max128, big.NewInt(1)).String()
	for _, c := range [][2]string{{"", "1"}, {"0", above}, {"-1", "5"}, {"5", "4"}, {"0x1", "9"}, {"1", "a"}} {
		if r, err := ParseRange(c[0], c[1]); err == nil {
			t.Errorf("%q to %q is %+v", c[0], c[1], r)
		}
	}
}

// TestEventIDsOfAnyText: a UUID in lower case is its bytes, all else is hashed.
func TestEventIDsOfAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`).Draw(t, "uuid"))
		id := EventIDOf(string(text))
		if got, want := hex.EncodeToString(id[:]), strings.ReplaceAll(string(text), "-", ""); got != want {
			t.Fatalf("%s: %s, want %s", text, got, want)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		if old := text[at]; old != '-' {
			text[at] = rapid.SampledFrom([]byte("ABCDEFg-/: \x00\xff")).Draw(t, "other")
			sum := sha256.Sum256(text)
			if got := EventIDOf(string(text)); got != EventID(sum[:16]) {
				t.Fatalf("%q is taken for a UUID", text)
			}
		}
	})
}
