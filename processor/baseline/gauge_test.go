package baseline

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestGaugeFindsWhatStandsOut: a jump, a level and a silence in a daily wave
// score above everything before them.
func TestGaugeFindsWhatStandsOut(t *testing.T) {
	wave := func(i int) float64 { return 100 + 30*math.Sin(float64(i)*2*math.Pi/288) + float64(i*37%10) }
	for name, change := range map[string]func(v float64, i int) float64{
		"jump":  func(v float64, i int) float64 { return v + map[bool]float64{i == 2000: 200}[true] },
		"level": func(v float64, i int) float64 { return v + map[bool]float64{i >= 2000: 60}[true] },
		"zero":  func(v float64, i int) float64 { return v * map[bool]float64{i < 2000: 1}[true] },
	} {
		var g Gauge
		before, after := 0.0, 0.0
		for i := range 2020 {
			s := g.Add(change(wave(i), i), i/12%24)
			if i >= 1000 && i < 2000 {
				before = max(before, s.Score)
			} else if i >= 2000 {
				after = max(after, s.Score)
			}
		}
		if after <= DefaultGaugeScore || after <= before {
			t.Errorf("%s: score %.1f, before it up to %.1f", name, after, before)
		}
	}
}

// TestGaugeWarmsUp: the first 149 points score nothing, whatever they are.
func TestGaugeWarmsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g Gauge
		for i, v := range rapid.SliceOfN(rapid.Float64Range(-1e12, 1e12), 1, 149).Draw(t, "values") {
			if s := g.Add(v, i%24); s.Score != 0 || s.Fresh {
				t.Fatalf("point %d scores %v", i+1, s.Score)
			}
		}
	})
}

// TestGaugeStaysFinite: evidences keep to their ceiling, and no series makes
// the score or the state something that is no number.
func TestGaugeStaysFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g Gauge
		values := rapid.SliceOfN(rapid.OneOf(rapid.Just(0.0), rapid.Just(3.0), rapid.Float64Range(-1e9, 1e9)), 1, 8).Draw(t, "values")
		for i := range 400 {
			s := g.Add(values[i*i%len(values)], i%24)
			for _, e := range s.Evidences() {
				if e.Score > 6 {
					t.Fatalf("%s: %v", e.Name, e.Score)
				}
			}
			if math.IsNaN(s.Score) || math.IsInf(s.Score, 0) || math.IsNaN(float64(g.Var)) {
				t.Fatalf("point %d: %+v", i, s)
			}
		}
	})
}

// TestConstantSeriesIsSilent: a value that never changes is never unusual enough
// for a finding, also where 32 bits cannot hold it exactly.
func TestConstantSeriesIsSilent(t *testing.T) {
	for _, v := range []float64{0, 1, 0.1, 1e9 + 0.3, -7.7} {
		var g Gauge
		for i := range 3000 {
			if s := g.Add(v, i/12%24); s.Score > 0.8*DefaultGaugeScore {
				t.Fatalf("%v scores %v at point %d", v, s.Score, i)
			}
		}
	}
}

// TestRecentHoldsBack: after an episode a lower score does not start another
// until the memory of it has faded.
func TestRecentHoldsBack(t *testing.T) {
	var g Gauge
	g.N, g.Recent = 200, 20
	fresh := 0
	for i := range 1200 {
		out := GaugeScore{Low: 6, Level: 4} // a steady sum of 8.5
		g.N++
		g.Own = Tail{}
		g.total(standardGauge, &out)
		if out.Fresh && fresh == 0 {
			fresh = i + 1
		}
	}
	// 20·2^(−n/500) < 4.25 after 500·log₂(20/4.25) = 1,117 points.
	if fresh < 1110 || fresh > 1125 {
		t.Errorf("the first fresh score is number %d, want about 1117", fresh)
	}
}
