package window

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// temporal is a rule over several rules within ten seconds.
func temporal(typ Type, condition string, names ...string) Spec {
	s := Spec{ID: "t", Version: "1", Type: typ, Rules: refs(names...), Timespan: 10 * time.Second, GroupBy: []string{"ip"}}
	if condition != "" {
		s.Condition.When, _ = ParseExpr(condition, s.Rules)
	}
	return s
}

func TestAliasesFollowACredential(t *testing.T) {
	s := temporal(TemporalOrdered, "", "chained", "changed")
	s.GroupBy = []string{"access_key", "awsRegion"}
	s.Aliases = map[string]map[string]string{"access_key": {"chained": "issued", "changed": "used"}}
	e := open(t, s)
	got := feed(t, e,
		ev(0, 1).of("chained").with("issued", "AKIA1").with("awsRegion", "eu-central-1"),
		ev(1, 2).of("chained").with("issued", "AKIA2").with("awsRegion", "eu-central-1"),
		ev(2, 3).of("changed").with("used", "AKIA3").with("awsRegion", "eu-central-1"),
		ev(3, 4).of("changed").with("used", "AKIA1").with("awsRegion", "us-east-1"),
		ev(4, 5).of("changed").with("awsRegion", "eu-central-1"), // no key: dropped
		ev(5, 6).of("changed").with("used", "AKIA1").with("awsRegion", "eu-central-1"))
	compare(t, []string{"t start at 5 [0,5] value 1 of 2"}, brief(got))
	compare(t, []string{"{access_key AKIA1}", "{awsRegion eu-central-1}"}, printed(got[0].Group))
	compare(t, []string{"{chained 1 [e001]}", "{changed 1 [e006]}"}, printed(got[0].Steps))
	if c := e.Counts()["t"]; c.NoGroup != 1 || c.Matches != 6 || c.Firings != 1 || c.Groups != 4 {
		t.Errorf("counts %+v", c)
	}
	if f := got[0]; f.Trigger != "e006" || f.Context != "context of e006" || f.Account != "111111111111" {
		t.Errorf("trigger %s, context %q, account %s", f.Trigger, f.Context, f.Account)
	}
}

func printed[T any](list []T) (out []string) {
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func TestOrderOfSteps(t *testing.T) {
	tests := []struct {
		name   string
		events []match
		fires  int
	}{
		{"in order", []match{ev(0, 1).of("a"), ev(5, 2).of("b")}, 1},
		{"in one second, whatever the order", []match{ev(0, 1).of("b"), ev(0, 2).of("a")}, 1},
		{"the wrong order", []match{ev(0, 1).of("b"), ev(5, 2).of("a")}, 0},
		{"nine seconds apart", []match{ev(0, 1).of("a"), ev(9, 2).of("b")}, 1},
		{"ten seconds apart", []match{ev(0, 1).of("a"), ev(10, 2).of("b")}, 0},
		{"one event fills one step", []match{ev(0, 1).of("a", "b")}, 0},
		{"two events that could fill both", []match{ev(0, 1).of("a", "b"), ev(3, 2).of("a", "b")}, 1},
		{"the first step comes late", []match{ev(5, 2).of("b"), ev(3, 1).of("a")}, 1},
	}
	for _, test := range tests {
		if got := feed(t, open(t, temporal(TemporalOrdered, "", "a", "b")), test.events...); len(got) != test.fires {
			t.Errorf("%s: fired %d times, want %d: %v", test.name, len(got), test.fires, brief(got))
		}
	}
}

// TestAbsence: a trail that is stopped, and not started within the timespan.
func TestAbsence(t *testing.T) {
	byType := temporal(Absence, "", "stopped", "started")
	byText := temporal(TemporalOrdered, "stopped and not started", "stopped", "started")
	for _, spec := range []Spec{byType, byText} {
		e := open(t, spec)
		compare(t, nil, brief(feed(t, e, ev(0, 1).of("stopped"), ev(9, 2).of("started"), ev(20, 3).of("stopped"), ev(30, 4).of("started"))))
		if n := e.Pending(); n != 1 {
			t.Errorf("%d groups are pending, want 1", n)
		}
		compare(t, nil, brief(advance(t, e, 29)))
		got := advance(t, e, 30) // until here the trail could have been started in time
		compare(t, []string{"t start at 30 [20,20] value 1 of 1"}, brief(got))
		if got[0].Trigger != "e003" || got[0].Context != "context of e003" {
			t.Errorf("trigger %s, context %q", got[0].Trigger, got[0].Context)
		}
		compare(t, []string{"t end at 40 [20,20] value 1 of 1"}, brief(advance(t, e, 1000)))
	}
}

func TestBooleanConditions(t *testing.T) {
	tests := []struct {
		condition string
		events    []match
		fires     int
	}{
		{"a and (b or c) and not d", []match{ev(0, 1).of("a"), ev(5, 2).of("c")}, 1},
		{"a and (b or c) and not d", []match{ev(0, 1).of("a"), ev(5, 2).of("c"), ev(7, 3).of("d")}, 0},
		{"a and (b or c) and not d", []match{ev(0, 1).of("a"), ev(5, 2).of("c"), ev(10, 3).of("d")}, 1}, // shares no window with a
		{"a and (b or c) and not d", []match{ev(0, 3).of("d"), ev(5, 1).of("a"), ev(6, 2).of("b")}, 0},
		{"a and (b or c) and not d", []match{ev(0, 1).of("a"), ev(1, 4).of("d")}, 0},
	}
	for i, test := range tests {
		e := open(t, temporal(Temporal, test.condition, "a", "b", "c", "d"))
		got := feed(t, e, test.events...)
		if len(got) != 0 {
			t.Errorf("%d: fired before the close: %v", i, brief(got))
		}
		starts := 0
		for _, f := range advance(t, e, 1000) {
			if f.Step == Start {
				starts++
			}
		}
		if starts != test.fires {
			t.Errorf("%d: fired %d times, want %d", i, starts, test.fires)
		}
	}
}

// TestDeniedMatchesStayLongEnough: d shares a window with b, and b is in the
// window at 18, where nothing of d is.
func TestDeniedMatchesStayLongEnough(t *testing.T) {
	e := open(t, temporal(Temporal, "b and not d", "b", "c", "d"))
	got := feed(t, e, ev(0, 1).of("d"), ev(0, 2).of("c"), ev(9, 3).of("b"), ev(18, 4).of("c"))
	compare(t, nil, brief(append(got, advance(t, e, 1000)...)))
}

// TestAStretchIsAnnouncedOnce: the late event makes the second before true, and
// the newest second goes on with it as soon as it is true, too.
func TestAStretchIsAnnouncedOnce(t *testing.T) {
	s := temporal(Temporal, "", "a", "b")
	s.Timespan, s.Suppress.None = time.Second, true
	got := feed(t, open(t, s), ev(0, 1).of("a"), ev(1, 2).of("a"), ev(0, 3).of("b"), ev(1, 4).of("b"))
	compare(t, []string{"t start at 0 [0,0] value 1 of 2"}, brief(got))
}

// TestChain: a brute force, and then a change by the same address. The inner
// correlation makes no finding of its own.
func TestChain(t *testing.T) {
	outer := temporal(TemporalOrdered, "", "c", "changed")
	e := open(t, outer, counting(3))
	got := feed(t, e, ev(0, 1), ev(1, 2), ev(2, 3), ev(8, 4).of("changed"))
	compare(t, []string{"c start at 2 [-7,2] value 3 of 3", "t start at 8 [2,8] value 1 of 2"}, brief(got))
	if !got[0].Silent || got[1].Silent {
		t.Error("the inner correlation is not silent, or the outer one is")
	}
	compare(t, []string{"{c 1 [e003]}", "{changed 1 [e004]}"}, printed(got[1].Steps))
	compare(t, []string{"c", "changed"}, Silenced([]Spec{outer}))
	if outer.Generate = true; Silenced([]Spec{outer}) != nil {
		t.Error("generate does not let the rules speak")
	}
	if got := feed(t, open(t, outer, counting(3)), ev(0, 1), ev(1, 2), ev(2, 3)); got[0].Silent {
		t.Error("generate does not let the inner correlation speak")
	}
}

// TestChainOfWhatIsDecidedAtTheClose: the outer correlation groups by a field of
// the event that completed the inner one, long after that event was there.
func TestChainOfWhatIsDecidedAtTheClose(t *testing.T) {
	inner := counting(3)
	inner.Condition = Condition{Bounds: []Bound{{GTE, 2}, {LT, 3}}}
	outer := temporal(Temporal, "", "c", "changed")
	outer.GroupBy = []string{"who"}
	e := open(t, outer, inner)
	compare(t, nil, brief(feed(t, e, ev(0, 1).with("who", "x"), ev(1, 2).with("who", "y"), ev(3, 3).of("changed").with("who", "y"))))
	got := advance(t, e, 2)
	compare(t, []string{"c start at 1 [-8,1] value 2 of 2", "t start at 3 [-6,3] value 1 of 2"}, brief(got))
	compare(t, []string{"{who y}"}, printed(got[1].Group))
}

func TestCycleIsRefused(t *testing.T) {
	a, b := temporal(Temporal, "", "x", "u"), temporal(Temporal, "", "x", "t")
	b.ID = "u"
	store, _ := state.Open("", state.Options{})
	for _, specs := range [][]Spec{{a, b}, {a, a}, {{ID: "empty"}}} {
		if _, err := Open(store, specs, time.Time{}, Options{}); err == nil {
			t.Errorf("%v was taken", specs)
		}
	}
}

func TestTumbling(t *testing.T) {
	s := counting(3)
	s.Shape, s.Suppress.None = Tumbling, true // windows begin at 0, 10, 20
	e := open(t, s)
	got := feed(t, e, ev(8, 1), ev(9, 2), ev(10, 3), ev(9, 4), ev(19, 5), ev(19, 6), ev(20, 7))
	compare(t, []string{"c start at 9 [0,9] value 3 of 3", "c start at 19 [10,19] value 3 of 3"}, brief(got))
	compare(t, []string{"c end at 10 [0,9] value 3 of 3", "c end at 20 [10,19] value 3 of 3"}, brief(advance(t, e, 100)))
	// The id of a tumbling window is the same whichever event completes it.
	other := feed(t, open(t, s), ev(9, 4), ev(9, 2), ev(8, 1))
	if other[0].ID != got[0].ID || other[0].Trigger == got[0].Trigger {
		t.Errorf("ids %s and %s, triggers %s and %s", other[0].ID, got[0].ID, other[0].Trigger, got[0].Trigger)
	}
}

func TestSession(t *testing.T) {
	s := counting(3)
	s.Shape, s.Gap, s.Timespan, s.Suppress.None = Session, 5*time.Second, 20*time.Second, true
	e := open(t, s)
	// A gap of five seconds ends the session; four do not.
	got := feed(t, e, ev(0, 1), ev(4, 2), ev(9, 3), ev(13, 4), ev(17, 5))
	compare(t, []string{"c start at 17 [9,17] value 3 of 3"}, brief(got))
	compare(t, []string{"c end at 22 [9,17] value 3 of 3"}, brief(advance(t, e, 23)))
	// A session lasts at most as long as the timespan: the event at 50 begins anew.
	got = feed(t, e, ev(30, 6), ev(34, 7), ev(38, 8), ev(42, 9), ev(46, 10), ev(49, 11), ev(50, 12), ev(51, 13), ev(52, 14))
	compare(t, []string{"c start at 38 [30,38] value 3 of 3", "c update at 49 [30,49] value 6 of 6", "c start at 52 [50,52] value 3 of 3"}, brief(got))
}

func TestTwoSided(t *testing.T) {
	s := counting(2)
	s.Condition.Bounds = []Bound{{GTE, 2}, {LTE, 3}}
	e := open(t, s)
	compare(t, nil, brief(feed(t, e, ev(0, 1), ev(1, 2), ev(1, 3), ev(1, 4), ev(20, 5), ev(21, 6))))
	got := advance(t, e, 100)
	compare(t, []string{"c start at 21 [12,21] value 2 of 2", "c end at 41 [12,21] value 2 of 2"}, brief(got))
}

// TestLate: an event behind the close is in no window; one in the second of the
// close is. A rule of its own lateness waits longer.
func TestLate(t *testing.T) {
	patient := counting(2)
	patient.ID, patient.Lateness = "p", 30*time.Second
	store, _ := state.Open("", state.Options{})
	e, err := Open(store, []Spec{counting(2), patient}, time.Time{}, Options{Lateness: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, e, ev(12, 1))
	advance(t, e, 10)
	got := feed(t, e, ev(9, 2), ev(10, 3))
	compare(t, []string{"p start at 12 [3,12] value 2 of 2", "c start at 12 [3,12] value 2 of 2"}, brief(got))
	c := e.Counts()
	if c["c"].Late != 1 || c["p"].Late != 0 {
		t.Errorf("late: %d and %d, want 1 and 0", c["c"].Late, c["p"].Late)
	}
	feed(t, e, ev(-1, 4))
	if c := e.Counts(); c["p"].Late != 1 {
		t.Errorf("late: %d, want 1", c["p"].Late)
	}
}

// TestLateEventsCloseAGap: two findings were announced that turn out to be one.
func TestLateEventsCloseAGap(t *testing.T) {
	s := counting(2)
	s.Suppress.None = true
	e := open(t, s)
	got := feed(t, e, ev(0, 1), ev(5, 2), ev(16, 3), ev(18, 4), ev(9, 5))
	compare(t, []string{"c start at 5 [-4,5] value 2 of 2", "c start at 18 [9,18] value 2 of 2"}, brief(got))
	starts := append([]Firing(nil), got...)
	got = advance(t, e, 1000)
	compare(t, []string{"c end at 18 [18,18] value 0 of 0 merged", "c end at 28 [-4,18] value 3 of 5"}, brief(got))
	if got[0].ID != starts[1].ID || got[0].Merged != starts[0].ID || got[1].ID != starts[0].ID {
		t.Errorf("ids: started %s and %s, merged %s into %s, ended %s", starts[0].ID, starts[1].ID, got[0].ID, got[0].Merged, got[1].ID)
	}
}

func TestSuppression(t *testing.T) {
	s := counting(2)
	s.Suppress.For = 30 * time.Second
	e := open(t, s)
	got := feed(t, e, ev(0, 1), ev(1, 2), ev(20, 3), ev(21, 4), ev(29, 5), ev(30, 6), ev(45, 7), ev(46, 8))
	// True at 1; again from 21 to 30, which the first finding holds back; and
	// again at 46, when its time is over.
	compare(t, []string{"c start at 1 [-8,1] value 2 of 2", "c start at 21 [12,21] value 2 of 2 held",
		"c update at 29 [20,29] value 3 of 4", "c start at 46 [37,46] value 2 of 2"}, brief(got))
	if got[1].SuppressedBy != got[0].ID {
		t.Errorf("held back by %s, want %s", got[1].SuppressedBy, got[0].ID)
	}
}

// TestSuppressionByAnotherField: findings of two groups with one cause.
func TestSuppressionByAnotherField(t *testing.T) {
	s := counting(2)
	s.Suppress.By = []string{"who"}
	e := open(t, s)
	got := feed(t, e, ev(0, 1).with("who", "x"), ev(1, 2).with("who", "x"), ev(2, 3).with("ip", "2").with("who", "x"), ev(3, 4).with("ip", "2").with("who", "x"),
		ev(4, 5).with("ip", "3").with("who", "y"), ev(5, 6).with("ip", "3").with("who", "y"))
	compare(t, []string{"c start at 1 [-8,1] value 2 of 2", "c start at 3 [-6,3] value 2 of 2 held", "c start at 5 [-4,5] value 2 of 2"}, brief(got))
}

// TestHeld: rules over single events, over a takeover.
func TestHeld(t *testing.T) {
	store, _ := state.Open("", state.Options{})
	opts := Options{Holds: []Hold{{Rule: "r", Version: "1", For: 10 * time.Second, By: []string{"who"}}, {Rule: "free"}}}
	e, err := Open(store, nil, time.Time{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(rule string, m match, want string) {
		t.Helper()
		if by, err := e.Held(rule, m.event(), "f"+m.id); by != want || err != nil {
			t.Errorf("%s of %s is held by %q, want %q, %v", rule, m.id, by, want, err)
		}
	}
	ask("r", ev(0, 1).with("who", "x"), "")
	ask("r", ev(9, 2).with("who", "x"), "fe001")
	ask("r", ev(-9, 3).with("who", "x"), "fe001") // late
	ask("r", ev(9, 4).with("who", "y"), "")
	if err := e.Flush(); err != nil || store.RowCount() != 2 {
		t.Fatalf("%d rows, %v", store.RowCount(), err)
	}
	if e, err = Open(store, nil, at(0), opts); err != nil {
		t.Fatal(err)
	}
	ask("r", ev(9, 5).with("who", "x"), "fe001")
	ask("r", ev(10, 6).with("who", "x"), "")
	ask("free", ev(0, 7), "")
	ask("free", ev(0, 8), "")
	ask("unknown", ev(0, 9), "")
	e.Advance(at(30 * 60 * 60))
	if err := e.Flush(); err != nil || store.RowCount() != 0 {
		t.Errorf("%d rows are left, %v", store.RowCount(), err)
	}
}

func TestValuesThroughArrays(t *testing.T) {
	s := counting(1)
	s.GroupBy = []string{"ip", "image"}
	e := open(t, s)
	m := ev(0, 1).event()
	m.Values = func(path string) []string {
		if path == "ip" {
			return []string{"1"}
		}
		return strings.Fields("i1 i2 i1 i3")
	}
	got, _ := e.Event(m)
	var groups []string
	for _, f := range got {
		groups = append(groups, f.Group[1].Value)
	}
	compare(t, []string{"i1", "i2", "i3"}, groups)
	m.Values = func(string) []string {
		return strings.Fields(strings.Repeat("x y z ", 3) + "a b c d e f g h i j k l m n o p q")
	}
	m.ID, m.Time = "e002", at(30)
	if got, _ := e.Event(m); len(got) != maxValues {
		t.Errorf("%d groups, want %d", len(got), maxValues)
	}
}

// TestEviction: when there are too many groups those that were touched least
// recently go, it is counted, and findings say that they may be incomplete.
func TestEviction(t *testing.T) {
	s := counting(2)
	s.MaxGroups = 100
	store, _ := state.Open("", state.Options{})
	e := reopen(t, store, time.Time{}, s)
	for i := range 101 {
		feed(t, e, ev(int64(i/50), i).with("ip", fmt.Sprint(i)))
	}
	c := e.Counts()["c"]
	if c.Groups != 95 || c.Evicted != 6 { // down to 19 of 20
		t.Errorf("%d groups, %d evicted", c.Groups, c.Evicted)
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	e = reopen(t, store, time.Time{}, s)
	got := feed(t, e, ev(2, 200).with("ip", "0"), ev(2, 201).with("ip", "99"))
	if compare(t, []string{"c start at 2 [-7,2] value 2 of 2"}, brief(got)); !got[0].Incomplete {
		t.Error("the finding does not say that it may be incomplete")
	}
}

func TestOrderOfEvictionIsTheSameAfterATakeover(t *testing.T) {
	s := counting(3)
	s.MaxGroups = 20
	rapid.Check(t, func(t *rapid.T) {
		store, _ := state.Open("", state.Options{})
		e, plain := reopen(t, store, time.Time{}, s), open(t, s)
		for i := range 80 {
			m := ev(int64(i/10+rapid.IntRange(-3, 3).Draw(t, "shift")), i).with("ip", fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "ip")))
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
				if err := e.Flush(); err != nil {
					t.Fatal(err)
				}
				e = reopen(t, store, time.Time{}, s)
			}
			got, want := brief(feed(t, e, m)), brief(feed(t, plain, m))
			compare(t, want, got)
		}
	})
}

// TestUnknownRules: rows of a changed rule are not used, and stay where they are.
func TestUnknownRules(t *testing.T) {
	store, _ := state.Open("", state.Options{})
	e := reopen(t, store, time.Time{}, counting(2))
	feed(t, e, ev(0, 1))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	changed := counting(2)
	changed.Version = "2"
	e = reopen(t, store, at(1), changed)
	compare(t, nil, brief(feed(t, e, ev(1, 2))))
	if advance(t, e, 24*60*60); store.RowCount() != 1 {
		t.Errorf("%d rows after a day", store.RowCount())
	}
}

// TestDamagedRows: a flipped or missing byte of a row is an error or another
// state, never a crash.
func TestDamagedRows(t *testing.T) {
	store, _ := state.Open("", state.Options{})
	s := counting(2)
	e := reopen(t, store, time.Time{}, s)
	feed(t, e, ev(0, 1), ev(1, 2), ev(3, 3))
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	var rows []state.Row
	for row, err := range store.Range([]byte{key.SpaceKeyed}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	for i := range rows[0].Value {
		for _, value := range [][]byte{rows[0].Value[:i], flipped(rows[0].Value, i)} {
			bad, _ := state.Open("", state.Options{})
			bad.Put(rows[0].Key, value)
			if e, err := Open(bad, []Spec{s}, at(0), Options{}); err == nil {
				e.Event(ev(4, 4).event())
			}
		}
	}
	cut, _ := state.Open("", state.Options{})
	cut.Put(rows[0].Key, rows[0].Value[:len(rows[0].Value)-1])
	e = reopen(t, cut, at(0), s)
	if _, err := e.Event(ev(4, 4).event()); err == nil {
		t.Error("a cut row was taken")
	}
}

func flipped(b []byte, i int) []byte {
	b = append([]byte(nil), b...)
	b[i] ^= 0x41
	return b
}
