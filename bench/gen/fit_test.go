package gen

import (
	"testing"
	"time"
)

// TestFitMeetsTheNumberAtAnyHour asks for as many events of a Sunday night as of a weekday's noon.
func TestFitMeetsTheNumberAtAnyHour(t *testing.T) {
	for _, start := range []time.Time{time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC), time.Date(2026, 3, 3, 11, 0, 0, 0, time.UTC)} {
		g, err := Fit(Options{Seed: 4, Accounts: 12, Start: start, Duration: 2 * time.Hour}, 3000)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range g.Events() {
			n++
		}
		if n < 2500 || n > 3500 {
			t.Errorf("%d events from %s on, want about 3,000", n, start)
		}
	}
	if _, err := Fit(Options{Accounts: -1}, 10); err == nil {
		t.Error("options that New refuses are taken")
	}
}
