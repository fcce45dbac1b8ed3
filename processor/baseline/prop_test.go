package baseline

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// op is a step of a story: an event, or a watermark.
type op struct {
	rule      string
	event     *Event
	watermark time.Time
}

// storyRules is a rule for each way in which the engine can learn.
func storyRules() []Rule {
	by := []string{"actor.root"}
	rules := map[string]*Spec{
		"count":    {By: by},
		"errors":   {By: by, Statistic: ErrorCount, Threshold: Threshold{ByBand, 4}},
		"distinct": {By: by, Statistic: Distinct, Field: "x", MinCount: 3},
		"sum":      {By: by, Statistic: Sum, Field: "y", Direction: Both},
		"both":     {By: by, Direction: Both, MinCount: 3},
		"budget":   {By: by, Threshold: Threshold{ByBudget, 5}, ColdStart: Alert},
		"excluded": {By: by, Timezone: "Europe/Berlin", Exclude: []Exclude{{Cron: "0 10 * * *", Duration: time.Hour, Alert: true}, {Cron: "30 11 * * 1-5", Duration: 20 * time.Minute}}},
	}
	var out []Rule
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		out = append(out, Rule{ID: name, StateHash: "v1", Baseline: rules[name]})
	}
	return append(out, Rule{ID: "seen", StateHash: "v1", FirstSeen: &FirstSeenSpec{Fields: []string{"actor.root", "x"}, History: 48 * time.Hour, MinHistory: 24 * time.Hour}})
}

// drawStory makes events of a few principals, routine and bursts, over some
// days, with watermarks that follow twenty minutes behind.
func drawStory(t *rapid.T) (ops []op) {
	days := rapid.IntRange(2, 3).Draw(t, "days")
	bursts := rapid.SliceOfN(rapid.IntRange(0, days*288-1), 0, 6).Draw(t, "bursts")
	seed := rapid.Uint64().Draw(t, "seed")
	next := func(n uint64) uint64 { // a cheap generator keeps rapid's own data small
		seed = seed*6364136223846793005 + 1442695040888963407
		return (seed >> 33) % n
	}
	n := 0
	for k := range days * 288 {
		at := monday.Add(time.Duration(k) * window)
		for who := range uint64(3) {
			count := next(4)
			if who == 1 {
				count += 25
			}
			if hour := at.Hour(); hour < 6 || hour > 17 || next(3) == 0 {
				count = 0
			}
			if i := slices.Index(bursts, k); i >= 0 && uint64(i%3) == who {
				count += 60 + next(60)
			}
			for range count {
				n++
				ops = append(ops, storyEvents(n, at, who, next)...)
			}
		}
		if k%3 == 2 {
			ops = append(ops, op{watermark: at.Add(window - 20*time.Minute)})
		}
	}
	return append(ops, op{watermark: monday.AddDate(0, 0, days+2)})
}

func storyEvents(n int, at time.Time, who uint64, next func(uint64) uint64) (ops []op) {
	account := fmt.Sprintf("11112222333%d", who%2)
	ev := Event{
		ID: fmt.Sprintf("e%07d", n), Time: at.Add(time.Duration(next(300)) * time.Second), Hash: key.HashOf(account), Account: account,
		Failed: next(3) == 0, Value: fmt.Sprint("v", next(200)), Number: float64(next(1000)) / 10, Raised: next(500) == 0,
	}
	ev.Attributes[SourceIP], ev.Attributes[Region] = fmt.Sprint("192.0.2.", next(12)), "eu-west-1"
	principal := fmt.Sprint("p", who)
	for _, r := range storyRules() {
		if next(7) == 0 && r.ID != "count" { // each rule sees another part
			continue
		}
		one := ev
		one.Key = []string{principal}
		if r.FirstSeen != nil {
			one.Key = append(one.Key, fmt.Sprint("v", next(40)))
		}
		ops = append(ops, op{rule: r.ID, event: &one})
	}
	return ops
}

// teller runs a story and gathers what is found, as text.
type teller struct {
	t     *rapid.T
	store *state.Store
	e     *Engine
	w     time.Time
	said  []string
}

func newTeller(t *rapid.T, rows []state.Row, w time.Time) *teller {
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		store.Put(r.Key, r.Value)
	}
	e, err := NewEngine(store, storyRules())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(w); err != nil {
		t.Fatal(err)
	}
	return &teller{t: t, store: store, e: e, w: w}
}

func (s *teller) tell(o op) {
	var found []Finding
	var err error
	switch {
	case o.event == nil:
		s.w = o.watermark
		found, err = s.e.Advance(o.watermark)
	case o.rule == "seen":
		if err := s.preload(o.event); err != nil {
			s.t.Fatal(err)
		}
		news, err := s.e.FirstSeen(o.rule, o.event)
		if err != nil {
			s.t.Fatal(err)
		}
		if news != nil {
			s.said = append(s.said, text(s.t, news))
		}
	default:
		found, err = s.e.Event(o.rule, o.event)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range found {
		s.said = append(s.said, text(s.t, f))
	}
}

func (s *teller) preload(ev *Event) error {
	learning, err := s.e.Learning("seen", ev)
	if err != nil || !learning {
		return err
	}
	return s.e.Preload("seen", ev, nil, Mark{})
}

func text(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rows flushes and returns all rows.
func (s *teller) rows() (rows []state.Row) {
	if err := s.e.Flush(); err != nil {
		s.t.Fatal(err)
	}
	for row, err := range s.store.Range([]byte{key.SpaceKeyed}) {
		if err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, state.Row{Key: slices.Clone(row.Key), Value: slices.Clone(row.Value)})
	}
	return rows
}

// TestCrashesChangeNothing: an engine that is killed at random points and taken
// up from the rows of the last commit finds the same, word for word, and ends
// with the same rows.
func TestCrashesChangeNothing(t *testing.T) {
	steps := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		ops := drawStory(t)
		whole := newTeller(t, nil, time.Time{})
		for _, o := range ops {
			whole.tell(o)
		}
		commits := rapid.SliceOfNDistinct(rapid.IntRange(0, len(ops)-1), 0, 8, rapid.ID).Draw(t, "commits")
		crashes := rapid.SliceOfNDistinct(rapid.IntRange(0, len(ops)-1), 0, 4, rapid.ID).Draw(t, "crashes")
		broken := newTeller(t, nil, time.Time{})
		at, rows, said, w := 0, []state.Row(nil), []string(nil), time.Time{}
		for i := 0; i < len(ops); i++ {
			if slices.Contains(commits, i) {
				at, rows, said, w = i, broken.rows(), slices.Clone(broken.said), broken.w
			}
			if c := slices.Index(crashes, i); c >= 0 {
				crashes = slices.Delete(crashes, c, c+1)
				broken = newTeller(t, rows, w)
				broken.said = slices.Clone(said)
				i = at
			}
			broken.tell(ops[i])
		}
		if diff := cmp.Diff(whole.said, broken.said); diff != "" {
			t.Fatalf("findings differ (-whole +broken):\n%s", diff)
		}
		if diff := cmp.Diff(whole.rows(), broken.rows()); diff != "" {
			t.Fatalf("rows differ (-whole +broken):\n%s", diff)
		}
		for _, s := range whole.said {
			for _, what := range []string{`"step":"start"`, `"step":"update"`, `"reason":"quiet"`, `"early":true`, `"down":true`, `"NewFor"`, `"attributed"`} {
				if strings.Contains(s, what) {
					steps[what]++
				}
			}
		}
	})
	t.Log(steps)
	for _, what := range []string{`"step":"start"`, `"reason":"quiet"`, `"early":true`, `"NewFor"`, `"attributed"`} {
		if steps[what] == 0 {
			t.Errorf("no story had a finding with %s", what)
		}
	}
}

// TestOrderBetweenWatermarksMakesNoDifference: whatever the order of events
// between two watermarks, the same is found and learned. Only what is said of a
// burst in a window that is still open depends on the order: which event was the
// newest then, and of two open windows which one was noticed first. Such an
// episode has its id from there; how it ends does not depend on it.
func TestOrderBetweenWatermarksMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops := drawStory(t)
		for _, o := range ops {
			if o.event != nil {
				o.event.Raised = false // what is raised before the burst is noticed, is raised at once; else at the close
			}
		}
		shuffled := slices.Clone(ops)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		for from := 0; from < len(ops); {
			to := from
			for ops[to].event != nil {
				to++
			}
			part := shuffled[from:to]
			rng.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
			from = to + 1
		}
		compareOrders(t, ops, shuffled)
	})
}

func compareOrders(t *rapid.T, ops, shuffled []op) {
	learned := func(ops []op) (map[string]string, []string) {
		s := newTeller(t, nil, time.Time{})
		for _, o := range ops {
			if o.rule != "seen" { // which event of a day is news depends on the order
				s.tell(o)
			}
		}
		rows := map[string]string{}
		for _, row := range s.rows() {
			rows[string(row.Key)] = string(row.Value)
		}
		early, found := map[string]bool{}, []string{}
		for _, said := range s.said {
			var f Finding
			if err := json.Unmarshal([]byte(said), &f); err != nil {
				t.Fatal(err)
			}
			f.Trigger, f.TriggerTime, f.EventIDs, f.Attributions, f.Attributed = "", time.Time{}, nil, nil, 0
			if early[f.ID] = early[f.ID] || f.Early; early[f.ID] {
				if f.Step != End {
					continue
				}
				f.ID = ""
			}
			found = append(found, text(t, f))
		}
		slices.Sort(found)
		return rows, found
	}
	rows, said := learned(ops)
	otherRows, otherSaid := learned(shuffled)
	if diff := cmp.Diff(rows, otherRows); diff != "" {
		t.Fatalf("rows differ:\n%s", diff)
	}
	if diff := cmp.Diff(said, otherSaid); diff != "" {
		t.Fatalf("findings differ:\n%s", diff)
	}
}

// TestLateArrivalMakesNoDifference: an event may come as late as it likes while
// its window is open. What is learned, and each episode as it is told at its
// end, are the same.
func TestLateArrivalMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops := slices.DeleteFunc(drawStory(t), func(o op) bool { return o.rule == "seen" })
		late := delay(ops, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "delays"), 0)))
		rows, ends := learnedAtEnd(t, ops)
		lateRows, lateEnds := learnedAtEnd(t, late)
		if diff := cmp.Diff(rows, lateRows); diff != "" {
			t.Fatalf("rows differ:\n%s", diff)
		}
		if diff := cmp.Diff(ends, lateEnds); diff != "" {
			t.Fatalf("episodes differ:\n%s", diff)
		}
	})
}

// delay puts a third of the events behind watermarks that leave their windows
// open.
func delay(ops []op, rng *rand.Rand) (out []op) {
	var waiting []op
	for _, o := range ops {
		switch {
		case o.event != nil && rng.IntN(3) == 0:
			waiting = append(waiting, o)
			continue
		case o.event == nil:
			waiting = slices.DeleteFunc(waiting, func(l op) bool {
				end := l.event.Time.Truncate(window).Add(window)
				now := !end.After(o.watermark) || rng.IntN(2) == 0
				if now {
					out = append(out, l)
				}
				return now
			})
		}
		out = append(out, o)
	}
	return out
}

// learnedAtEnd are the rows, and the ends of episodes without what depends on
// when a burst was noticed.
func learnedAtEnd(t *rapid.T, ops []op) (map[string]string, []string) {
	s := newTeller(t, nil, time.Time{})
	for _, o := range ops {
		s.tell(o)
	}
	rows := map[string]string{}
	for _, row := range s.rows() {
		rows[string(row.Key)] = string(row.Value)
	}
	var ends []string
	for _, said := range s.said {
		var f Finding
		if err := json.Unmarshal([]byte(said), &f); err != nil {
			t.Fatal(err)
		}
		if f.Step == End && f.Reason != EndRetracted {
			ends = append(ends, fmt.Sprint(f.RuleID, f.Key, f.WindowStart, f.WindowEnd, f.Insight, f.Baseline, f.Events, f.Score, f.Severity, f.Reason))
		}
	}
	return rows, ends
}
