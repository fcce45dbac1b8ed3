package detect

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/cairnstream/cairn/processor/baseline"
)

// manySeries is a folder of ten series of two kinds, with a jump in each.
func manySeries() fstest.MapFS {
	small := smallFolder()
	folder, labels := fstest.MapFS{}, ""
	for i := range 10 {
		name := fmt.Sprintf("%c/jump%d.csv", 'a'+rune(i%2), i)
		folder["data/"+name] = small["data/a/jump.csv"]
		labels += fmt.Sprintf(`, %q: [["2026-01-06 01:25:00", "2026-01-06 03:00:00"]]`, name)
	}
	folder["labels/combined_windows.json"] = &fstest.MapFile{Data: []byte("{" + labels[2:] + "}")}
	return folder
}

// TestFit fits series that are all alike: what was chosen on some of them is
// worth as much on the others.
func TestFit(t *testing.T) {
	r, err := Fit(manySeries(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Fitted, []string{"scale", "edge"}) || r.Configurations < 10 || len(r.Sets) != 3 {
		t.Fatalf("%+v", r)
	}
	for _, s := range r.Sets {
		if s.Seen.Standard < 80 || math.Abs(s.Seen.Standard-s.Unseen.Standard) > 1e-9 || s.UnseenDeviation.Standard > 1e-9 {
			t.Errorf("%s: %+v seen, %+v unseen, ± %+v", s.Name, s.Seen, s.Unseen, s.UnseenDeviation)
		}
	}
	if r.Sets[0].Constants != baseline.StandardGauge() || r.Spread > 1e-9 {
		t.Errorf("%+v, spread %v", r.Sets[0].Constants, r.Spread)
	}
	if left := r.Sets[2].Constants; left.Fast != middle().Fast {
		t.Errorf("a constant moved that was not to be fitted: %v", left.Fast)
	}
}

// TestFitRefuses names what is wrong.
func TestFitRefuses(t *testing.T) {
	for _, n := range []int{0, MaxKnobs + 1} {
		if _, err := Fit(manySeries(), n); err == nil {
			t.Errorf("%d constants were fitted", n)
		}
	}
	if _, err := Fit(smallFolder(), 1); err == nil {
		t.Error("two series were dealt into five parts")
	}
}

// TestDeal: each file lies in one fold, and folds take of each folder alike.
func TestDeal(t *testing.T) {
	series, err := loadNAB(manySeries())
	if err != nil {
		t.Fatal(err)
	}
	f := &fitter{series: series}
	for seed := range uint64(20) {
		var all []int
		for _, fold := range f.deal(seed) {
			if len(fold) != 2 || series[fold[0]].name[0] == series[fold[1]].name[0] {
				t.Errorf("seed %d: fold %v", seed, fold)
			}
			all = append(all, fold...)
			if rest := f.without(fold); len(rest) != 8 || slices.Contains(rest, fold[0]) {
				t.Errorf("without %v: %v", fold, rest)
			}
		}
		if slices.Sort(all); !slices.Equal(all, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("seed %d: %v", seed, all)
		}
	}
}

// TestPlateauBeatsPeak: between a lone best value and one with good neighbours
// the second wins.
func TestPlateauBeatsPeak(t *testing.T) {
	f := &fitter{seen: map[baseline.GaugeKnobs][]nabCorpus{}}
	k, n := middle(), knobs[0]
	// A window found outright is worth 100, one found half-way (v+1)/2 of it.
	for i, v := range []float64{-1, 0.8, -1, 0.5, 0.6} {
		try := k
		*n.of(&try) = n.values[i]
		f.seen[try] = []nabCorpus{{rows: []nabRow{{1, v, 0}}, windows: 1}}
	}
	f.turn(&k, &n, []int{0})
	if got := k.Scale; got != n.values[4] {
		t.Errorf("took %v", got)
	}
}
