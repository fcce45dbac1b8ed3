package detect

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
)

// TestReportKeys pins the names that programs read.
func TestReportKeys(t *testing.T) {
	var steps []string
	r, err := Run(Options{NAB: smallFolder(), Seeds: []uint64{1}, Keys: 30, Progress: func(what string) { steps = append(steps, what) }})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"nab":{"files":2,"points":800,"windows":1,"standard":`, `"reward_low_fp":`, `"reward_low_fn":`, `"threshold":`,
		`"synthetic":[{"seed":1,"keys":30,`, `"recall_1e2":`, `"recall_1e3":`, `"new_key_false_alarms":`, `"cost":{"ns":`, `"bytes":192`} {
		if !bytes.Contains(text, []byte(key)) {
			t.Errorf("no %s in %s", key, text)
		}
	}
	if r.Cost.NS <= 0 || r.Cost.GaugeNS <= 0 || r.Fit != nil || r.Windows != nil {
		t.Errorf("%+v", r)
	}
	if want := []string{"30 generated principals, seed 1", "labelled series", "costs"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
}

// TestVary: other habits make other activity, and each is reported.
func TestVary(t *testing.T) {
	r, err := Run(Options{Seeds: []uint64{3}, Keys: 90, Vary: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Varied) != len(variations) {
		t.Fatalf("%d variations", len(r.Varied))
	}
	seen := map[float64]bool{r.Mean.Fixed[0].False: true}
	for _, v := range r.Varied {
		if seen[v.Fixed[0].False] || v.Recall2 <= 0 {
			t.Errorf("%s: %+v", v.Habits, v.SyntheticMean)
		}
		seen[v.Fixed[0].False] = true
	}
}

// TestMeanOf: each figure is the mean of the seeds.
func TestMeanOf(t *testing.T) {
	one := &SyntheticReport{Recall2: 40, Recall3: 10, ByAttack2: map[string]float64{"scan": 30}, ByAttack3: map[string]float64{"scan": 8}, Fixed: []FixedScore{{4, true, 60, 0.02}}}
	two := &SyntheticReport{Recall2: 60, Recall3: 30, ByAttack2: map[string]float64{"scan": 50}, ByAttack3: map[string]float64{"scan": 2}, Fixed: []FixedScore{{4, true, 80, 0.04}}}
	one.NewKeyFalseAlarms.Ratio2, two.NewKeyFalseAlarms.Ratio2 = 1, 2
	m := meanOf([]*SyntheticReport{one, two})
	if m.Recall2 != 50 || m.Recall3 != 20 || m.NewKeys2 != 1.5 || m.ByAttack2["scan"] != 40 || m.ByAttack3["scan"] != 5 {
		t.Errorf("%+v", m)
	}
	if want := (FixedScore{4, true, 70, 0.03}); len(m.Fixed) != 1 || m.Fixed[0] != want {
		t.Errorf("%+v", m.Fixed)
	}
}

// TestPrint: a reader finds each figure with its floor and goal, and what it
// was tuned on.
func TestPrint(t *testing.T) {
	r := &Report{
		Synthetic: []*SyntheticReport{{Seed: 9, Keys: 3000, Attacks: 900}},
		Mean: SyntheticMean{Recall2: 71.26, Recall3: 51.3, NewKeys2: 1.25, ByAttack2: map[string]float64{"scan": 44}, ByAttack3: map[string]float64{"scan": 33},
			Fixed: []FixedScore{{4, false, 11, 0.5}, {4, true, 66.6, 0.0123}}},
		Varied:  []VariedReport{{"no sleep", SyntheticMean{Recall2: 48.4, Recall3: 31.2, NewKeys2: 0.7}}},
		NAB:     &NABReport{Files: 31, Points: 10, Windows: 57, Standard: 72, RewardLowFP: 67, RewardLowFN: 75, Threshold: 6.5, Fixed: NABScores{6.4, 70, 60, 50}},
		Fit:     &FitReport{Fitted: []string{"edge"}, Configurations: 5, Spread: 5.4, Sets: []FitSet{{Name: "fitted", Seen: NABScores{18, 70, 60, 50}, Unseen: NABScores{17, 66, 55, 44}, UnseenDeviation: NABScores{1, 1.7, 1, 1}}}},
		Cost:    Cost{140, 192, 61, 256},
		Windows: []WindowCost{{"count", 1000, 900_000, 1e6, 5e5}},
		Rules:   []RuleCost{{800, 1000, 65_000}},
	}
	r.Fit.Sets[0].Constants.Edge = 0.05
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	// Columns are padded with spaces; their cells are what counts.
	got := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"seeds 9, 900 attacks", "chosen on seeds 1 to 4", "one false alarm in 100 principal-days 71.3 % 63 % 70 %", "one in 1,000 51.3 % 38 % 50 %", "1.2 × 3 × 2 ×",
		"ten more calls per window for half an hour 44 % 33 %", "score 4 66.6 % 1.23", "no sleep 48.4 % 31.2 % 0.7 ×",
		"chosen on the whole Numenta benchmark", "6.50 72.0 / 67.0 / 75.0 71 / 66 / 74 74 / 70 / 77", "default threshold, 6.4 70.0 / 60.0 / 50.0",
		"fitted 70.0 / 60.0 / 50.0 66.0 / 55.0 / 44.0 ± 1.7 18.0", "± 5.4", "fitted: edge 0.05",
		"140 ns, 192 B 300 ns, 200 B 150 ns", "61 ns, 256 B 300 ns, 256 B 100 ns", "count 1000 900 k updates/s 500 k 1000 k", "800 rules, 1000 windows each 800000 65 k events/s",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(got, "11.0 %") {
		t.Error("a score without gates is printed")
	}
}

// TestWindowLoads drives small loads: what is measured is the work that the
// names say.
func TestWindowLoads(t *testing.T) {
	if testing.Short() {
		t.Skip("a million events")
	}
	list, err := measureWindows()
	if err != nil || len(list) != 2 || list[0].Updates <= 0 || list[1].Updates <= 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	c := RuleCost{Rules: 3, Each: 40}
	if err := c.measure(); err != nil || c.Events <= 0 {
		t.Errorf("%+v, %v", c, err)
	}
	events, err := c.calls(0, 240)
	if err != nil {
		t.Fatal(err)
	}
	set, err := countingRules(3)
	if err != nil {
		t.Fatal(err)
	}
	met, m := map[string]int{}, set.Matcher()
	for _, e := range events {
		for _, r := range m.Judge(&rule.Input{Event: e}) {
			ip, _ := e.Text(cloudtrail.SourceIPAddress)
			met[r.Name+" "+ip]++
		}
	}
	if len(met) != 120 || met["call_2 198.51.0.39"] != 2 {
		t.Errorf("%d pairs of rule and address: %v", len(met), met)
	}
}
