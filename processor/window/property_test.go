package window

import (
	"fmt"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state"
)

// lateness of the streams of the properties, in seconds.
const lateness = 12

// arrival is an event and the second in which it arrives.
type arrival struct {
	match
	when int64
}

// drawSpec draws a correlation over the rules a, b and c.
func drawSpec(t *rapid.T) Spec {
	s := Spec{ID: "corr", Version: "1", Rules: refs("a", "b", "c"), GroupBy: []string{"ip", "zone"},
		Type:     rapid.SampledFrom([]Type{EventCount, ValueCount, ValueSum, ValueAvg, ValuePercentile, Temporal, TemporalOrdered, Absence}).Draw(t, "type"),
		Timespan: time.Duration(rapid.IntRange(1, 14).Draw(t, "timespan")) * time.Second,
		AtClose:  rapid.Bool().Draw(t, "at close"),
	}
	switch rapid.IntRange(0, 3).Draw(t, "suppress") {
	case 0:
		s.Suppress.None = true
	case 1:
		s.Suppress.For = time.Duration(rapid.IntRange(1, 40).Draw(t, "for")) * time.Second
	case 2:
		s.Suppress.By = []string{"zone"} // all groups hold back each other
	}
	if s.temporal() {
		drawRules(t, &s)
		return s
	}
	s.Shape = rapid.SampledFrom([]Shape{Sliding, Sliding, Tumbling, Session}).Draw(t, "shape")
	if s.Shape == Session {
		s.Gap = time.Duration(rapid.IntRange(1, int(s.Timespan.Seconds())).Draw(t, "gap")) * time.Second
	}
	if s.Type != EventCount {
		s.Condition.Fields = []string{"v"}
	}
	if s.Type == ValuePercentile {
		s.Condition.Percentile = rapid.SampledFrom([]float64{1, 50, 90, 100}).Draw(t, "percentile")
	}
	s.Condition.Bounds = rapid.SampledFrom([][]Bound{{{GTE, 3}}, {{GT, 1}}, {{GTE, 5}}, {{LT, 3}}, {{EQ, 2}}, {{NEQ, 2}}, {{GTE, 2}, {LT, 4}}, {{LTE, 4}}}).Draw(t, "bounds")
	return s
}

func drawRules(t *rapid.T, s *Spec) {
	if s.Type == Absence {
		return
	}
	switch rapid.IntRange(0, 2).Draw(t, "condition") {
	case 0:
		text := rapid.SampledFrom([]string{"a and b and c", "a and (b or c)", "a and b and not c", "a and not b", "b and not a", "a and not b and c", "a or b and not c"}).Draw(t, "text")
		e, err := ParseExpr(text, s.Rules)
		if err != nil {
			t.Fatal(err)
		}
		s.Condition.When = e
	case 1:
		s.Condition.Bounds = []Bound{{GTE, 2}}
	}
	if rapid.Bool().Draw(t, "twice") && s.Condition.When == nil {
		s.Rules = append(s.Rules, Reference{ID: "b", Name: "again"})
	}
}

// drawStream draws events in the order in which they arrive, each within the
// lateness.
func drawStream(t *rapid.T) []arrival {
	n := rapid.IntRange(1, 40+limit*5).Draw(t, "events")
	length := rapid.IntRange(1, 80).Draw(t, "length")
	var out []arrival
	for i := range n {
		m := match{at: int64(rapid.IntRange(0, length).Draw(t, "at")), id: fmt.Sprintf("e%03d", i)}
		m.rules = rapid.SampledFrom([][]string{{"a"}, {"a"}, {"b"}, {"c"}, {"a", "b"}, {"b", "c"}}).Draw(t, "rules")
		m.fields = map[string]string{"zone": "z", "ip": fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "ip")), "v": fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "v"))}
		out = append(out, arrival{m, m.at + int64(rapid.IntRange(0, lateness).Draw(t, "delay"))})
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return int(a.when - b.when) })
	return out
}

// shuffled is another order of the same events within the lateness.
func shuffled(t *rapid.T, in []arrival) []arrival {
	out := slices.Clone(in)
	for i := range out {
		out[i].when = out[i].at + int64(rapid.IntRange(0, lateness).Draw(t, "delay"))
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return int(a.when - b.when) })
	return out
}

// inOrder is the same events in order of time.
func inOrder(in []arrival) []arrival {
	out := slices.Clone(in)
	for i := range out {
		out[i].when = out[i].at
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return compareStamps(stamp{a.at, a.id}, stamp{b.at, b.id}) })
	return out
}

// limit, if set, is how many entries groups may have in play.
var limit int

// start opens an engine for play.
func start(t *rapid.T, store *state.Store, specs []Spec, w time.Time) *Engine {
	e, err := Open(store, specs, w, Options{CacheBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range e.rules {
		if limit > 0 {
			r.limit = limit
		}
	}
	return e
}

// play gives a stream to an engine and lets all windows close. Before each
// event for which crash says so, the engine is given up after a flush, and
// another one goes on.
func play(t *rapid.T, stream []arrival, crash func(i int) bool, specs ...Spec) (out []Firing) {
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	e := start(t, store, specs, time.Time{})
	take := func(f []Firing, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f...)
	}
	var w time.Time
	for i, a := range stream {
		if crash(i) {
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			e = start(t, store, specs, w)
		}
		if i%5 == 4 { // groups leave memory and come back
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		w = at(a.when - lateness)
		take(e.Advance(w))
		take(e.Event(a.event()))
	}
	take(e.Advance(at(1000)))
	for _, r := range e.rules {
		for _, g := range r.groups {
			t.Logf("%+v", g)
		}
		if len(r.groups) > 0 || r.counts.Bytes != 0 {
			t.Fatalf("%d groups and %d bytes are left", len(r.groups), r.counts.Bytes)
		}
		if r.counts.Late > 0 && len(e.rules) == 1 {
			t.Fatalf("%d events were late", r.counts.Late)
		}
	}
	take(e.Advance(at(100_000))) // suppressions go, too
	if err := e.Flush(); err != nil || store.RowCount() != 0 {
		t.Fatalf("%d rows are left, %v", store.RowCount(), err)
	}
	return out
}

func uninterrupted(int) bool { return false }

// expected is what the oracle says, by group.
func expected(spec *Spec, stream []arrival) map[string][]verdict {
	groups := map[string][]match{}
	for _, a := range inOrder(stream) {
		if a.relevant(spec) {
			groups[a.fields["ip"]] = append(groups[a.fields["ip"]], a.match)
		}
	}
	out := map[string][]verdict{}
	for ip, all := range groups {
		o := oracle{spec, all}
		if v := o.verdicts(); len(v) > 0 {
			out[ip] = v
		}
	}
	return out
}

func (a arrival) relevant(s *Spec) bool {
	return slices.ContainsFunc(s.Rules, func(r Reference) bool { return slices.Contains(a.rules, r.ID) })
}

// verdictOf brings a firing into the form of the oracle.
func verdictOf(f Firing) verdict {
	return verdict{f.Step, f.Time.Unix() - base.Unix(), f.From.Unix() - base.Unix(), f.To.Unix() - base.Unix(), f.Value, f.Count, f.First, f.Last, f.SuppressedBy != ""}
}

func lines(v []verdict) (out []string) {
	for _, x := range v {
		out = append(out, x.String())
	}
	return out
}

func only(v []verdict, keep func(verdict) bool) []verdict {
	return slices.DeleteFunc(slices.Clone(v), func(x verdict) bool { return !keep(x) })
}

// TestDecidedAtTheClose: what waits for the close is what the oracle says, for
// every order within the lateness, with the same ids.
func TestDecidedAtTheClose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		if spec.AtClose = true; spec.Check() != nil {
			t.Skip("no correlation")
		}
		stream := drawStream(t)
		if spec.Suppress.By != nil { // the oracle sees one group
			if diff := cmp.Diff(play(t, stream, uninterrupted, spec), play(t, shuffled(t, stream), uninterrupted, spec)); diff != "" {
				t.Fatalf("%s: another order:\n%s", spec.Decides(), diff)
			}
			return
		}
		got := play(t, stream, uninterrupted, spec)
		byGroup := map[string][]verdict{}
		for _, f := range got {
			if f.Step != Update {
				byGroup[f.Group[0].Value] = append(byGroup[f.Group[0].Value], verdictOf(f))
			}
		}
		want := expected(&spec, stream)
		for _, ip := range []string{"0", "1"} {
			if diff := cmp.Diff(lines(want[ip]), lines(byGroup[ip])); diff != "" {
				t.Fatalf("%s\nwant -, got + of group %s:\n%s", spec.Decides(), ip, diff)
			}
		}
		if diff := cmp.Diff(got, play(t, shuffled(t, stream), uninterrupted, spec)); diff != "" {
			t.Fatalf("%s: another order:\n%s", spec.Decides(), diff)
		}
	})
}

// TestOnArrival: in any order within the lateness, what is found in the end is
// what the oracle says; in the order of time each start is, too.
func TestOnArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		if spec.AtClose = false; spec.Check() != nil || !spec.onArrival() || spec.Suppress.By != nil {
			t.Skip("not on arrival")
		}
		stream := drawStream(t)
		got := play(t, stream, uninterrupted, spec)
		checkLives(t, got)
		want := expected(&spec, stream)
		ended := func(fs []Firing, ip string) (out []verdict) {
			for _, f := range fs {
				if f.Group[0].Value == ip && f.Step == End && f.Merged == "" && !f.Void {
					out = append(out, verdictOf(f))
				}
			}
			return out
		}
		sorted := play(t, inOrder(stream), uninterrupted, spec)
		for _, f := range sorted {
			if f.Merged != "" || f.Void {
				t.Fatalf("%s: in order, a finding was retracted: %v", spec.Decides(), brief(sorted))
			}
		}
		for _, ip := range []string{"0", "1"} {
			ends := only(want[ip], func(v verdict) bool { return v.step == End })
			if diff := cmp.Diff(lines(ends), lines(ended(got, ip))); diff != "" {
				t.Fatalf("%s\nwant -, got + of group %s:\n%s", spec.Decides(), ip, diff)
			}
			starts := only(want[ip], func(v verdict) bool { return v.step == Start })
			if diff := cmp.Diff(points(starts), points(startsOf(sorted, ip))); diff != "" {
				t.Logf("%q %+v", brief(sorted), inOrder(stream))
				t.Fatalf("%s\nstarts in order, want -, got + of group %s:\n%s", spec.Decides(), ip, diff)
			}
		}
	})
}

// checkLives holds that each finding starts once, and ends once unless it was
// held back.
func checkLives(t *rapid.T, got []Firing) {
	starts, ends := map[string]int{}, map[string]int{}
	for _, f := range got {
		switch {
		case f.Step == Start && f.SuppressedBy == "":
			starts[f.ID]++
		case f.Step == End:
			ends[f.ID]++
		}
	}
	for id, n := range starts {
		if n != 1 || ends[id] != 1 {
			t.Fatalf("finding %s started %d times and ended %d times", id, n, ends[id])
		}
	}
	if len(ends) != len(starts) {
		t.Fatalf("%d findings started, %d ended", len(starts), len(ends))
	}
}

func startsOf(fs []Firing, ip string) (out []verdict) {
	for _, f := range fs {
		if f.Group[0].Value == ip && f.Step == Start {
			out = append(out, verdictOf(f))
		}
	}
	return out
}

// points are the end points of starts: what is in the window then
// depends on the order within a second.
func points(v []verdict) (out []string) {
	for _, x := range v {
		out = append(out, fmt.Sprint(x.to, x.held))
	}
	sort.Strings(out)
	return out
}

// TestCrashWhenFull: what is dropped for want of room does not depend on
// takeovers, and each finding that began still ends.
func TestCrashWhenFull(t *testing.T) {
	limit = 8
	defer func() { limit = 0 }()
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		if spec.Check() != nil {
			t.Skip("no correlation")
		}
		stream := drawStream(t)
		crashes := rapid.SliceOfN(rapid.Bool(), len(stream), len(stream)).Draw(t, "crashes")
		want := play(t, stream, uninterrupted, spec)
		checkLives(t, want)
		if diff := cmp.Diff(want, play(t, stream, func(i int) bool { return crashes[i] }, spec)); diff != "" {
			t.Fatalf("%s: with crashes:\n%s", spec.Decides(), diff)
		}
	})
}

// drawChain draws a correlation and one that refers to it.
func drawChain(t *rapid.T) []Spec {
	inner, outer := drawSpec(t), drawSpec(t)
	outer.ID, outer.Rules[0] = "outer", Reference{ID: "corr", Name: "a"}
	outer.Lateness = time.Duration(rapid.SampledFrom([]int{0, 20}).Draw(t, "lateness")) * time.Second
	if inner.Check() != nil || outer.Check() != nil {
		t.Skip("no correlation")
	}
	return []Spec{outer, inner}
}

// TestChainAtTheClose: correlations of correlations do not depend on the order
// of events either, if both are decided at the close.
func TestChainAtTheClose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs := drawChain(t)
		for i := range specs {
			specs[i].AtClose = true
		}
		stream := drawStream(t)
		if diff := cmp.Diff(play(t, stream, uninterrupted, specs...), play(t, shuffled(t, stream), uninterrupted, specs...)); diff != "" {
			t.Fatalf("another order:\n%s", diff)
		}
	})
}

// TestChainCrash: a chain survives a takeover like a single correlation.
func TestChainCrash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs, stream := drawChain(t), drawStream(t)
		crashes := rapid.SliceOfN(rapid.Bool(), len(stream), len(stream)).Draw(t, "crashes")
		got := play(t, stream, func(i int) bool { return crashes[i] }, specs...)
		if diff := cmp.Diff(play(t, stream, uninterrupted, specs...), got); diff != "" {
			t.Fatalf("with crashes:\n%s", diff)
		}
	})
}

// TestStepsOfTheWatermark: it makes no difference in which steps the watermark
// moves between two events.
func TestStepsOfTheWatermark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		specs, stream := drawChain(t), drawStream(t)
		want := play(t, stream, uninterrupted, specs...)
		e := open(t, specs...)
		var got []Firing
		from := int64(-lateness)
		for _, a := range append(stream, arrival{when: 1000 + lateness}) {
			for ; from < a.when-lateness; from++ {
				got = append(got, advance(t, e, from)...)
			}
			got = append(got, advance(t, e, a.when-lateness)...)
			if a.id != "" {
				got = append(got, feed(t, e, a.match)...)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("second by second:\n%s", diff)
		}
	})
}

// TestCrash: wherever a shard is taken over, the same firings come.
func TestCrash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		if spec.Check() != nil {
			t.Skip("no correlation")
		}
		stream := drawStream(t)
		crashes := rapid.SliceOfN(rapid.Bool(), len(stream), len(stream)).Draw(t, "crashes")
		want := play(t, stream, uninterrupted, spec)
		got := play(t, stream, func(i int) bool { return crashes[i] }, spec)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Logf("%q\n%q\n%v\n%+v", brief(want), brief(got), crashes, stream)
			t.Fatalf("%s: with crashes:\n%s", spec.Decides(), diff)
		}
	})
}
