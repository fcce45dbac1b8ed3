package baseline

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaultSpecIsGood(t *testing.T) {
	s := Spec{By: []string{"actor.root"}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	got := s.WithDefaults()
	if got.Threshold != (Threshold{ByScore, 4}) || got.Model != CountModel || got.Window != 5*time.Minute {
		t.Errorf("defaults %+v", got)
	}
	sum := Spec{Statistic: Sum, Field: "x", By: []string{"a"}}.WithDefaults()
	if sum.Model != GaugeModel || sum.Threshold != (Threshold{ByScore, 6.4}) {
		t.Errorf("a sum gets %s with %+v", sum.Model, sum.Threshold)
	}
}

// TestCheckNamesTheKey: each fault names its key, so that a loader finds the line.
func TestCheckNamesTheKey(t *testing.T) {
	good := func(change func(*Spec)) Spec {
		s := Spec{By: []string{"actor.root"}}
		change(&s)
		return s
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		key  string
		spec Spec
	}{
		{"by", good(func(s *Spec) { s.By = nil })},
		{"by", good(func(s *Spec) { s.By = []string{"a", "b", "c", "d", "e"} })},
		{"statistic", good(func(s *Spec) { s.Statistic = "median" })},
		{"field", good(func(s *Spec) { s.Statistic = Distinct })},
		{"field", good(func(s *Spec) { s.Field = "x" })},
		{"window", good(func(s *Spec) { s.Window = 30 * time.Second })},
		{"window", good(func(s *Spec) { s.Window = 2 * time.Hour })},
		{"half_life", good(func(s *Spec) { s.HalfLife = time.Hour })},
		{"season", good(func(s *Spec) { s.Season = "lunar" })},
		{"timezone", good(func(s *Spec) { s.Timezone = "Mars/Olympus" })},
		{"timezone", good(func(s *Spec) { s.Timezone = "Local" })},
		{"threshold", good(func(s *Spec) { s.Threshold = Threshold{ByProbability, 2} })},
		{"threshold", good(func(s *Spec) { s.Threshold = Threshold{"sigma", 2} })},
		{"threshold", good(func(s *Spec) { s.Threshold = Threshold{ByScore, math.NaN()} })},
		{"threshold", good(func(s *Spec) { s.Statistic, s.Field, s.Threshold = Sum, "x", Threshold{ByBand, 4} })},
		{"min_count", good(func(s *Spec) { s.MinCount = -1 })},
		{"min_ratio", good(func(s *Spec) { s.MinRatio = math.Inf(1) })},
		{"direction", good(func(s *Spec) { s.Direction = "sideways" })},
		{"cold_start", good(func(s *Spec) { s.ColdStart = "loud" })},
		{"model", good(func(s *Spec) { s.Model = "oracle" })},
		{"model", good(func(s *Spec) { s.Statistic, s.Field, s.Model = Sum, "x", CountModel })},
		{"max_keys", good(func(s *Spec) { s.MaxKeys = -1 })},
		{"exclude[0]", good(func(s *Spec) { s.Exclude = []Exclude{{}} })},
		{"exclude[0]", good(func(s *Spec) { s.Exclude = []Exclude{{Start: day, End: day}} })},
		{"exclude[0]", good(func(s *Spec) { s.Exclude = []Exclude{{Cron: "61 * * * *", Duration: time.Hour}} })},
		{"exclude[0]", good(func(s *Spec) { s.Exclude = []Exclude{{Cron: "0 * * * *"}} })},
	} {
		var fault *KeyError
		if err := c.spec.Check(); !errors.As(err, &fault) || fault.Key != c.key {
			t.Errorf("want a fault of %s, got %v", c.key, err)
		}
	}
}

func TestCheckTellsAllFaults(t *testing.T) {
	err := Spec{Statistic: "x", Season: "y"}.Check()
	for _, key := range []string{"statistic", "season", "by"} {
		if err == nil || !strings.Contains(err.Error(), key+": ") {
			t.Errorf("%v does not name %s", err, key)
		}
	}
}

func TestFirstSeenCheck(t *testing.T) {
	if err := (FirstSeenSpec{Fields: []string{"awsRegion"}}).Check(); err != nil {
		t.Error(err)
	}
	for key, s := range map[string]FirstSeenSpec{
		"fields":      {Fields: []string{"a", "b", "c", "d"}},
		"history":     {Fields: []string{"a"}, History: time.Hour, MinHistory: time.Minute},
		"min_history": {Fields: []string{"a"}, History: 48 * time.Hour, MinHistory: 72 * time.Hour},
	} {
		var fault *KeyError
		if err := s.Check(); !errors.As(err, &fault) || fault.Key != key {
			t.Errorf("want a fault of %s, got %v", key, err)
		}
	}
}

func TestParseBudget(t *testing.T) {
	for text, want := range map[string]float64{"20/d": 20, "1/h": 24, "7/w": 1, " 3 / d ": 3} {
		if got, err := ParseBudget(text); err != nil || math.Abs(got-want) > 1e-9 {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "20", "20/y", "-1/d", "x/d", "NaN/d"} {
		if _, err := ParseBudget(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestCron(t *testing.T) {
	c, err := parseCron("*/20 2-3 * * 1-5")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	c.starts(2026, 1, 5, time.UTC, func(at time.Time) { got = append(got, at.Format("15:04")) }) // a Monday
	if want := []string{"02:00", "02:20", "02:40", "03:00", "03:20", "03:40"}; !slices.Equal(got, want) {
		t.Errorf("Monday: %v, want %v", got, want)
	}
	c.starts(2026, 1, 4, time.UTC, func(at time.Time) { t.Errorf("Sunday %v fits", at) })
	// crontab(5): with both day fields restricted either is enough.
	c, _ = parseCron("0 0 13 * 7")
	if !c.onDay(time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC)) || !c.onDay(time.Date(2026, 1, 13, 0, 0, 0, 0, time.UTC)) || c.onDay(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)) {
		t.Error("day 13 or Sunday: wrong days")
	}
	for _, text := range []string{"", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "* * 0 * *"} {
		if _, err := parseCron(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
