package baseline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/key"
)

// stateOf reads a key's flushed state.
func stateOf(t testing.TB, e *Engine, who string) State {
	t.Helper()
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	r := e.order[0]
	ev := Event{Hash: key.HashOf("111122223333"), Account: "111122223333", Key: []string{who}}
	id := appendID(nil, &ev)
	b, ok, err := e.store.Get(r.row(placeOf(&ev), rowState, id[accountAt:]))
	if err != nil || !ok {
		t.Fatalf("no state of %s: %v", who, err)
	}
	s, err := DecodeState(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHeldEpisodeIsLearned: at its end an episode leaves the state that
// learning its windows at once would have left. A rule that never starts an
// episode is the measure.
func TestHeldEpisodeIsLearned(t *testing.T) {
	for _, statistic := range []Statistic{Count, Distinct} {
		rapid.Check(t, func(rt *rapid.T) {
			sizes := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 40).Draw(rt, "sizes")
			change := func(threshold float64) Rule {
				return counting(func(s *Spec) {
					s.Statistic, s.Threshold, s.Season = statistic, Threshold{ByScore, threshold}, Weekday
					if statistic == Distinct {
						s.Field = "x"
					}
				})
			}
			states, episodes := [2]State{}, 0
			for i, threshold := range []float64{3, 1e9} {
				f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, change(threshold))}
				end := f.routine(monday, 9, "ann")
				n := 0
				for k, size := range append([]int{250}, sizes...) {
					f.events(end.Add(time.Duration(k)*window), "ann", size, func(e *Event) { n++; e.Value = string(rune('a' + n*7%90)) })
					f.advance(end.Add(time.Duration(k+1) * window))
				}
				f.advance(end.AddDate(0, 0, 2))
				for _, found := range f.take() {
					if found.Step == End {
						episodes++
					}
				}
				states[i] = stateOf(t, f.e, "ann")
			}
			if episodes == 0 {
				rt.Fatal("no episode was held")
			}
			if diff := cmp.Diff(states[1], states[0], cmpopts.IgnoreFields(State{}, "Cool", "Run", "hourAt", "hourX")); diff != "" {
				rt.Fatalf("learned at once (-) and held (+):\n%s", diff)
			}
		})
	}
}

// TestNewLevel: after a day above the threshold the new level is learned, and
// the next day is ordinary.
func TestNewLevel(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(nil))}
	end := f.routine(monday, 10, "ann")
	f.take()
	for k := range 3 * 288 {
		at := end.Add(time.Duration(k) * window)
		f.events(at, "ann", 60)
		f.advance(at.Add(window))
	}
	got := f.take()
	starts, levels := 0, 0
	for i, g := range got {
		switch {
		case g.Step == Start:
			starts++
		case g.Reason == EndNewLevel:
			levels++
			if first := got[i].First; g.WindowEnd.Sub(first) != 24*time.Hour {
				t.Errorf("it ends after %v, want a day", g.WindowEnd.Sub(first))
			}
		}
	}
	if levels == 0 || starts > 2 {
		t.Errorf("%d starts, %d new levels", starts, levels)
	}
	if s := stateOf(t, f.e, "ann"); s.Short.Q < 40 {
		t.Errorf("the new level is not learned: quantile %v", s.Short.Q)
	}
}

// TestCoolDown: within six hours only a higher peak is a new finding.
func TestCoolDown(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.Season = NoSeason }))}
	end := f.routine(monday, 14, "ann")
	f.take()
	burst := func(after time.Duration, n int) int {
		at := end.Add(after)
		f.events(at, "ann", n)
		f.advance(at.Add(5 * window))
		starts := 0
		for _, g := range f.take() {
			if g.Step == Start {
				starts++
			}
		}
		return starts
	}
	if n := burst(9*time.Hour, 120); n != 1 {
		t.Fatalf("%d findings of the first burst", n)
	}
	if n := burst(11*time.Hour, 100); n != 0 {
		t.Errorf("%d findings of a smaller burst two hours later, want none", n)
	}
	if n := burst(13*time.Hour, 3000); n != 1 {
		t.Errorf("%d findings of a greater burst four hours later, want one", n)
	}
	if n := burst(24*time.Hour+9*time.Hour, 2500); n != 1 {
		t.Errorf("%d findings of a burst on the next day, want one", n)
	}
	if len(f.e.order[0].cooling) != 1 {
		t.Errorf("%d keys cool down", len(f.e.order[0].cooling))
	}
	f.advance(end.AddDate(0, 0, 3))
	if len(f.e.order[0].cooling) != 0 {
		t.Error("a cool-down does not end")
	}
}

// TestEarlyFindingIsTakenOver: late events show that the windows before a burst
// were unusual too. The episode begins with them and keeps the id that was told.
func TestEarlyFindingIsTakenOver(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.Season = NoSeason }))}
	end := f.routine(monday, 14, "ann").Add(9 * time.Hour)
	f.take()
	late := end.Add(4 * window)
	f.events(late, "ann", 60)
	early := f.take()
	if len(early) != 1 {
		t.Fatalf("%d early findings", len(early))
	}
	for k := range 4 {
		f.events(end.Add(time.Duration(k)*window), "ann", 400)
	}
	f.advance(late.Add(window))
	f.advance(late.AddDate(0, 0, 1))
	steps := map[Step]int{}
	for _, g := range f.take() {
		steps[g.Step]++
		if g.ID != early[0].ID {
			t.Errorf("another id: %+v", g)
		}
	}
	if steps[End] != 1 || steps[Start] != 0 {
		t.Errorf("steps %v: want the early finding alone, ended once", steps)
	}
}

// TestRetracted: a burst that was reported early, and is ordinary once the
// windows before it are known, is taken back.
func TestRetracted(t *testing.T) {
	young := func() *feeder {
		f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.ColdStart, s.MinRatio = Alert, 0.1 }))}
		for k := range 15 {
			f.events(monday.Add(time.Duration(k)*window), "new", 2)
		}
		f.advance(monday.Add(15 * window))
		return f
	}
	at := monday.Add(40 * window)
	probe := young()
	probe.events(at, "new", 300)
	told := probe.take()
	if len(told) != 1 {
		t.Fatalf("%d early findings", len(told))
	}
	f := young()
	f.events(at, "new", int(told[0].Observed))
	for k := 15; k < 40; k++ {
		f.events(monday.Add(time.Duration(k)*window), "new", int(told[0].UpperBand)-1)
	}
	f.advance(monday.Add(41 * window))
	got := f.take()
	if len(got) != 2 || got[0].Step != Start || got[1].Step != End || got[1].Reason != EndRetracted || got[0].ID != got[1].ID {
		t.Fatalf("want a start and its retraction, got %+v", got)
	}
	if len(f.e.order[0].stepping) != 0 {
		t.Error("an episode is open")
	}
}

func TestColdStart(t *testing.T) {
	for mode, want := range map[ColdStart]bool{Population: true, Silent: false} {
		f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.ColdStart = mode }))}
		f.events(monday, "new", 5000)
		f.advance(monday.Add(5 * window))
		got := f.take()
		if (len(got) > 0) != want {
			t.Errorf("%s: %d findings of a first window with 5000 calls", mode, len(got))
		}
		for _, g := range got {
			if g.Confidence() != "learning" {
				t.Errorf("%s: a first window is %s", mode, g.Confidence())
			}
		}
	}
}

// TestAlertUsesOwnTail: with cold_start alert, a key with a quiet past shouts
// long before the population's threshold.
func TestAlertUsesOwnTail(t *testing.T) {
	burst := func(mode ColdStart) int {
		f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.ColdStart, s.MinRatio = mode, 1 }))}
		for k := range 15 {
			f.events(monday.Add(time.Duration(k)*window), "new", 2)
		}
		f.advance(monday.Add(15 * window))
		f.events(monday.Add(15*window), "new", 60)
		f.advance(monday.Add(20 * window))
		return len(f.take())
	}
	if own, pop := burst(Alert), burst(Population); own == 0 || pop != 0 {
		t.Errorf("%d findings by its own tail, %d by the population's", own, pop)
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		score                   float64
		gauge, raised, learning bool
		want                    Severity
	}{
		{5.9, false, false, false, Low}, {6, false, false, false, Medium}, {9, false, false, false, High}, {9, false, true, false, High}, {20, true, true, false, High}, {6, false, true, false, High},
		{9, false, false, true, Medium}, {4, false, false, true, Informational}, {4, false, true, true, Low},
		{9, true, false, false, Low}, {9.7, true, false, false, Medium}, {14.5, true, false, false, High},
	} {
		if got := severityOf(c.score, c.gauge, c.raised, c.learning); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestSilenceOfADenseKey: with direction down, a busy key that falls silent is
// a finding, though no event comes; with up it is none.
func TestSilenceOfADenseKey(t *testing.T) {
	for direction, want := range map[Direction]bool{Up: false, Down: true, Both: true} {
		f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.Direction = direction }))}
		for k := range 6 * 288 {
			at := monday.Add(time.Duration(k) * window)
			f.events(at, "svc", 40+k*7%11)
			f.advance(at.Add(window))
		}
		f.take()
		silent := monday.AddDate(0, 0, 6)
		f.advance(silent.Add(6 * time.Hour))
		var starts []Finding
		for _, g := range f.take() {
			if g.Step == Start {
				starts = append(starts, g)
			}
		}
		if (len(starts) == 1) != want {
			t.Fatalf("%s: %d findings of six silent hours", direction, len(starts))
		}
		if want && (!starts[0].Down || starts[0].Observed != 0 || starts[0].Expected < 30 || starts[0].WindowStart.Before(silent)) {
			t.Errorf("%+v", starts[0])
		}
		f.advance(silent.AddDate(0, 0, 60))
		if n := len(f.e.order[0].stepping); n != 0 {
			t.Errorf("%s: a key that is silent for two months is still stepped", direction)
		}
	}
}

// TestSumsAreGauges: a sum that jumps is found by the gauge model.
func TestSumsAreGauges(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.Statistic, s.Field = Sum, "bytes" }))}
	for k := range 4 * 288 {
		at := monday.Add(time.Duration(k) * window)
		amount := 1000 + float64(k*37%100)
		if k == 4*288-20 {
			amount = 1e6
		}
		f.event(at, "svc", func(e *Event) { e.Number = amount / 2 })
		f.event(at.Add(time.Minute), "svc", func(e *Event) { e.Number = amount / 2 })
		f.advance(at.Add(window))
	}
	got := f.take()
	if len(got) == 0 || got[0].Step != Start || got[0].Observed != 1e6 || got[0].Probability != 0 || got[0].Down {
		t.Fatalf("%+v", got)
	}
	if !got[0].WindowStart.Equal(monday.Add((4*288 - 20) * window)) {
		t.Errorf("found at %v", got[0].WindowStart)
	}
}

// TestBudget: the number of findings follows the budget that was asked for,
// whatever the data.
func TestBudget(t *testing.T) {
	counts := map[float64]int{}
	for _, perDay := range []float64{1, 20} {
		f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) {
			s.Threshold, s.MinCount, s.MinRatio = Threshold{ByBudget, perDay}, 1, 0.01
		}))}
		seed := uint64(1)
		for k := range 8 * 288 {
			at := monday.Add(time.Duration(k) * window)
			for who := range 12 {
				seed = seed*6364136223846793005 + 1442695040888963407
				n := int(seed >> 33 % 6)
				if seed>>40%97 == 0 {
					n *= 1 + int(seed>>50%40)
				}
				f.events(at, string(rune('a'+who)), n)
			}
			f.advance(at.Add(window))
		}
		for _, g := range f.take() {
			if g.Step == Start && g.WindowStart.After(monday.AddDate(0, 0, 3)) {
				counts[perDay]++
			}
		}
	}
	if counts[1] >= counts[20] || counts[1] > 5*10 || counts[20] > 5*40 {
		t.Errorf("findings in five days, by budget per day: %v", counts)
	}
}

// TestLateAndExcludedAreCounted: what is not learned is counted.
func TestLateAndExcludedAreCounted(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) {
		s.Exclude = []Exclude{{Start: monday.Add(time.Hour), End: monday.Add(2 * time.Hour)}}
	}))}
	f.event(monday, "ann")
	f.advance(monday.Add(window))
	f.event(monday.Add(time.Minute), "ann")
	f.event(monday.Add(90*time.Minute), "ann")
	f.advance(monday.Add(3 * time.Hour))
	if diff := cmp.Diff(Counts{Events: 1, Late: 1, Excluded: 1, Learned: 1}, f.e.Counts("r")); diff != "" {
		t.Error(diff)
	}
}

// TestExcludedTimeMayAlert: with alert, what is unusual in excluded time is
// reported, and the key's bytes stay as they were.
func TestExcludedTimeMayAlert(t *testing.T) {
	out := monday.AddDate(0, 0, 14)
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) {
		s.Exclude = []Exclude{{Start: out, End: out.AddDate(0, 0, 1), Alert: true}}
	}))}
	f.routine(monday, 14, "ann")
	f.take()
	before := stateOf(t, f.e, "ann")
	f.events(out.Add(10*time.Hour), "ann", 900)
	f.advance(out.Add(12 * time.Hour))
	got := f.take()
	if len(got) != 1 || got[0].Step != Start || got[0].Observed != 900 {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(before, stateOf(t, f.e, "ann"), cmpopts.IgnoreUnexported(State{})); diff != "" {
		t.Errorf("excluded time was learned:\n%s", diff)
	}
}

// TestTooManyKeys: the keys that were active least recently go, and are counted.
func TestTooManyKeys(t *testing.T) {
	f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(func(s *Spec) { s.MaxKeys = 40 }))}
	for k := range 50 {
		at := monday.Add(time.Duration(k) * window)
		f.event(at, string(rune('A'+k)))
		f.advance(at.Add(window))
	}
	if err := f.e.Flush(); err != nil {
		t.Fatal(err)
	}
	c := f.e.Counts("r")
	left := 0
	oldest := Window(1 << 31)
	if err := f.e.scan(func(_ *ruleState, row *scanned) error {
		if row.sort == rowState {
			s, err := DecodeState(row.value)
			left++
			oldest = min(oldest, s.Last)
			return err
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if left > 40 || int64(left)+c.Evicted != 50 || oldest != start+Window(c.Evicted) {
		t.Errorf("%d keys left, %d evicted, oldest of window %d", left, c.Evicted, oldest-start)
	}
}

// TestRaised: one level more when the rule's condition held in the window, but
// critical is nothing that a number alone can be.
func TestRaised(t *testing.T) {
	severity := func(n int, raised bool) Severity {
		f := &feeder{t: t, e: openEngine(t, openStore(t), time.Time{}, counting(nil))}
		day := f.routine(monday, 14, "ann")
		f.take()
		f.events(day.Add(10*time.Hour), "ann", n, func(e *Event) { e.Raised = raised })
		f.advance(day.Add(11 * time.Hour))
		got := f.take()
		if len(got) == 0 {
			t.Fatal("nothing found")
		}
		return got[len(got)-1].Severity
	}
	for n, want := range map[int][2]Severity{40: {Medium, High}, 4000: {High, High}} {
		if got := [2]Severity{severity(n, false), severity(n, true)}; got != want {
			t.Errorf("%d events: %v, want %v", n, got, want)
		}
	}
}

// TestFields: the numbers without a column are text that says what it is.
func TestFields(t *testing.T) {
	f := Finding{Score: 6.5, Probability: 3.16e-7, UpperBand: 41, HasBucket: true, Bucket: 0.03, Approximate: true, Down: true,
		Evidence: []Evidence{{"off_hours", 6.5}}, Attributed: 3, Attributions: []Attributions{{"awsRegion", []Attribution{{Value: "eu-west-1", Insight: Average{0.6, 5}}}}}}
	got := f.Fields()
	for name, want := range map[string]string{
		"score": "6.5", "probability": "3.16e-07", "upper_band": "41", "bucket": "active in 3 % of such hours", "approximate": "standard error 2.65 %",
		"evidence.off_hours": "6.5", "direction": "down", "confidence": "mature", "attribution.awsRegion.eu-west-1": "0.6 per minute",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if High.String() != "high" || Severity(9).String() != "critical" {
		t.Error("names of severities")
	}
}
