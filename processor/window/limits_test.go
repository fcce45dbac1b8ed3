package window

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state"
)

// TestManyValues: a lower bound of a distinct count stays exact with far more
// values than are kept.
func TestManyValues(t *testing.T) {
	s := counting(100)
	s.Type, s.Condition.Fields, s.Timespan, s.Suppress.None = ValueCount, []string{"v"}, 1000*time.Second, true
	e := open(t, s)
	var got []Firing
	for i := range 40_000 { // 40 new values in each second: 40,000 in a window
		got = append(got, feed(t, e, ev(int64(i/40), i).with("v", fmt.Sprint(i)))...)
	}
	if len(got) == 0 || got[0].Trigger != "e099" || got[0].Value != 100 || got[0].Approximate {
		t.Fatalf("the first firing is %v", brief(got[:1]))
	}
	last := got[len(got)-1]
	if last.Step != Update || !last.Approximate || last.Count != 25_600 { // 100 · 2⁸
		t.Errorf("the last firing is %v, approximate %v", brief(got[len(got)-1:]), last.Approximate)
	}
	if c := e.Counts()["c"]; c.Coarsened == 0 || c.Bytes > 4<<20 {
		t.Errorf("counts %+v", c)
	}
	// It ends, and the next burst is counted from nothing.
	ends := advance(t, e, 3000)
	if len(ends) != 1 || ends[0].Count != 40_000 || ends[0].ID != got[0].ID {
		t.Errorf("it ended with %v", brief(ends))
	}
}

// TestSketch: other bounds of a distinct count are estimated, and say so.
func TestSketch(t *testing.T) {
	s := counting(0)
	s.Type, s.Timespan = ValueCount, 1200*time.Second
	s.Condition = Condition{Fields: []string{"v"}, Bounds: []Bound{{GTE, 18_000}, {LT, 25_000}}}
	store, _ := state.Open("", state.Options{})
	e := reopen(t, store, time.Time{}, s)
	const values = 20_000
	for i := range values {
		feed(t, e, ev(int64(i/20), i).with("v", fmt.Sprint(i)))
		if i%9000 == 8999 { // sketches survive a takeover
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			e = reopen(t, store, time.Time{}, s)
		}
	}
	got := advance(t, e, 1000)
	if len(got) != 1 || got[0].Step != Start || !got[0].Approximate || got[0].Error != sketchError {
		t.Fatalf("got %v", brief(got))
	}
	// It fires near 18,000 values.
	if n := float64(got[0].Count); math.Abs(n-18_000) > 18_000*sketchError {
		t.Errorf("it fired at %v values", n)
	}
}

// TestManySeconds: entries are joined, and the count is off by no more than
// what happens in a small part of the window.
func TestManySeconds(t *testing.T) {
	s := counting(1e9)
	s.Timespan = 10 * 24 * time.Hour
	e := open(t, s)
	step := int64(40) // seconds from event to event
	for i := range int64(30_000) {
		feed(t, e, ev(i*step, int(i)))
	}
	var g *group
	for _, g = range e.rules[0].groups {
	}
	if len(g.entries) > maxEntries || g.coarse == 0 {
		t.Fatalf("%d entries, coarse up to %d", len(g.entries), g.coarse)
	}
	exact := float64(s.Timespan/time.Second) / float64(step)
	if got := g.tail; got.m != nil && math.Abs(float64(got.n)-exact) > exact/1000 {
		t.Errorf("%d events in the window, want about %g", got.n, exact)
	}
	var c cursor
	c.place(g)
	c.to(g, g.newest)
	if math.Abs(float64(c.n)-exact) > exact/500 {
		t.Errorf("%d events in the window, want about %g", c.n, exact)
	}
}

// TestLargeGroup: a group that does not fit a row is cut into parts, and comes
// back from them.
func TestLargeGroup(t *testing.T) {
	s := counting(30_000)
	s.Type, s.Condition.Fields, s.Timespan = ValueCount, []string{"v"}, time.Hour
	store, _ := state.Open("", state.Options{})
	e := reopen(t, store, time.Time{}, s)
	for i := range 29_999 {
		feed(t, e, ev(int64(i/20), i).with("v", fmt.Sprint(i)))
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := store.RowCount(); n < 3 {
		t.Errorf("%d rows, want several", n)
	}
	e = reopen(t, store, time.Time{}, s)
	got := feed(t, e, ev(1500, 29_999).with("v", "new"))
	if len(got) != 1 || got[0].Value != 30_000 {
		t.Errorf("got %v", brief(got))
	}
	advance(t, e, 100_000)
	if err := e.Flush(); err != nil || store.RowCount() != 0 {
		t.Errorf("%d rows are left, %v", store.RowCount(), err)
	}
}

func TestNumbers(t *testing.T) {
	tests := []struct {
		text string
		want float64
		ok   bool
	}{
		{"0", 0, true}, {"12", 12, true}, {"-3.5", -3.5, true}, {"+7", 7, true}, {".25", 0.25, true}, {"1.", 1, true},
		{"1e3", 1000, true}, {"-2.5E-1", -0.25, true}, {"0.0000014", 0.000001, true}, {"0.0000015", 0.000002, true},
		{"9007199254740993", 9007199254740992, true}, {"1e18", 0, false}, {"NaN", 0, false}, {"inf", 0, false}, {"", 0, false}, {"x", 0, false}, {"1.2.3", 0, false},
	}
	for _, test := range tests {
		if n, ok := parseNum(test.text); ok != test.ok || n.float() != test.want {
			t.Errorf("%q is %v, %v, want %v, %v", test.text, n.float(), ok, test.want, test.ok)
		}
	}
}

// TestSumsAreExact: 128 bits agree with big integers, in any order.
func TestSumsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Int64Range(-1e17, 1e17)).Draw(t, "values")
		sum, want := num{}, new(big.Int)
		for _, v := range values {
			n, ok := parseNum(strconv.FormatInt(v, 10))
			if !ok {
				t.Fatalf("%d was not taken", v)
			}
			sum = sum.plus(n)
			want.Add(want, big.NewInt(v))
		}
		exact, _ := new(big.Float).SetInt(want).Float64()
		if got := sum.float(); math.Abs(got-exact) > math.Abs(exact)*1e-15 {
			t.Fatalf("%v, want %v", got, exact)
		}
		for _, v := range values {
			n, _ := parseNum(strconv.FormatInt(v, 10))
			sum = sum.minus(n)
		}
		if sum != (num{}) {
			t.Fatalf("%v is left", sum)
		}
	})
}

// TestBins: a bin keeps the order of numbers, and its middle is within one per cent.
func TestBins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(-1e17, 1e17).Draw(t, "a"), rapid.Float64Range(-1e17, 1e17).Draw(t, "b")
		if a < b && bin(a) > bin(b) {
			t.Fatalf("bins of %v and %v are in the wrong order", a, b)
		}
		if math.Abs(a) > 1e-6 && math.Abs(binMiddle(bin(a))-a) > 0.0101*math.Abs(a) {
			t.Fatalf("the bin of %v stands for %v", a, binMiddle(bin(a)))
		}
	})
	if binMiddle(bin(0)) != 0 {
		t.Error("zero has no bin of its own")
	}
}

func TestIDsComeBack(t *testing.T) {
	ids := []string{"", "x", "5f0c2d6e-4a57-4f0e-9a53-0d8a6f6c1a01", "5F0C2D6E-4a57-4f0e-9a53-0d8a6f6c1a01", "5f0c2d6e-4a57-4f0e-9a53-0d8a6f6c1a0g",
		"sha256:0123456789abcdef0123456789abcdef", "sha256:0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcdef", "not-hex-not-hex-not-hex-not-hex-!"}
	w := writer{}
	w.ids(ids)
	r := reader{buf: w.buf}
	if got := r.ids(); !slices.Equal(got, ids) || r.failed || len(r.buf) > 0 {
		t.Errorf("got %q", got)
	}
	if one := (writer{}); len(one.buf) == 0 {
		if one.id(ids[2]); len(one.buf) != 17 {
			t.Errorf("a UUID takes %d bytes", len(one.buf))
		}
	}
}

// TestRowsComeBack: a group is the same after it was written and read, whatever
// it has been through.
func TestRowsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		if spec.Check() != nil {
			t.Skip("no correlation")
		}
		e := open(t, spec)
		for _, a := range drawStream(t) {
			advance(t, e, a.when-lateness)
			feed(t, e, a.match)
			for _, g := range e.rules[0].groups {
				data := g.encode()
				back := group{rule: g.rule}
				if err := back.decode(data); err != nil {
					t.Fatal(err)
				}
				if again := back.encode(); !slices.Equal(again, data) {
					t.Fatalf("%x became %x", data, again)
				}
				if size := g.size; true {
					if g.weigh(); g.size != size {
						t.Fatalf("the size was kept as %d and is %d", size, g.size)
					}
				}
			}
		}
	})
}

// TestSchedule: items come in order, whatever the order in which they were put in.
func TestSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s schedule
		var want []int64
		for _, due := range rapid.SliceOf(rapid.Int64Range(0, 20)).Draw(t, "due") {
			s.push(item{due: due})
			want = append(want, due)
		}
		slices.Sort(want)
		for _, due := range want {
			if it := s.pop(); it.due != due {
				t.Fatalf("%d came, want %d", it.due, due)
			}
		}
		if len(s) != 0 {
			t.Fatalf("%d are left", len(s))
		}
	})
}
