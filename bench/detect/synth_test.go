package detect

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSyntheticFloors holds detection on fewer principals than the command
// takes, and with the slack that this needs.
func TestSyntheticFloors(t *testing.T) {
	r, err := Synthetic(11, 900)
	if err != nil {
		t.Fatal(err)
	}
	if r.Recall2 < 67 || r.Recall3 < 43 || r.Attacks < 200 {
		t.Errorf("recall %.1f at 1e-2, %.1f at 1e-3 of %d attacks", r.Recall2, r.Recall3, r.Attacks)
	}
	if r.NewKeyFalseAlarms.Ratio2 > 5 {
		t.Errorf("new principals make %.1f times the budget of false alarms", r.NewKeyFalseAlarms.Ratio2)
	}
	for _, f := range r.Fixed { // the budget is met by a fixed score too
		if f.Score == 4 && (f.False > 0.02 || f.Recall < 50) {
			t.Errorf("%+v", f)
		}
	}
}

// TestSyntheticRepeats: a seed always gives the same report.
func TestSyntheticRepeats(t *testing.T) {
	report := func(seed uint64) string {
		r, err := Synthetic(seed, 60)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if a, b := report(3), report(3); a != b {
		t.Error(cmp.Diff(a, b))
	}
	if strings.ReplaceAll(report(4), `"seed":4`, `"seed":3`) == report(3) {
		t.Error("two seeds give one report")
	}
}

// TestGenerator holds the distributions and rhythms that the report rests on.
func TestGenerator(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, mean := range []float64{0.3, 5, 200} {
		sum, squares, n := 0.0, 0.0, 20000.0
		for range int(n) {
			v := float64(poisson(rng, mean))
			sum, squares = sum+v, squares+v*v
		}
		if got := sum / n; math.Abs(got-mean) > 5*math.Sqrt(mean/n) {
			t.Errorf("Poisson of %v: mean %v", mean, got)
		}
		if v := squares/n - sum/n*sum/n; math.Abs(v-mean) > 0.06*mean+0.02 {
			t.Errorf("Poisson of %v: variance %v", mean, v)
		}
	}
	for _, shape := range []float64{0.4, 4} {
		sum := 0.0
		for range 20000 {
			sum += gamma(rng, shape)
		}
		if got := sum / 20000; math.Abs(got-shape) > 5*math.Sqrt(shape/20000) {
			t.Errorf("gamma of %v: mean %v", shape, got)
		}
	}
	person := &synthKey{counts: make([]uint32, synthWindows), scale: 5}
	person.live(rng, usual)
	day, night := 0.0, 0.0
	for i, y := range person.counts {
		if hour, weekend := person.local(i); weekend || hour < 7 || hour > 21 {
			night += float64(y)
		} else {
			day += float64(y)
		}
	}
	if day < 20*night || day == 0 {
		t.Errorf("%v calls by day and %v by night", day, night)
	}
}
