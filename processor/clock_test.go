package processor

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDaysAreNamedAsOneByOne: what is remembered of the event before makes no
// difference.
func TestDaysAreNamedAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d days
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		zones := []*time.Location{time.UTC, time.FixedZone("east", 9*3600)}
		for range 20 {
			event := at.Add(time.Duration(rapid.Int64Range(-3*86400, 3*86400).Draw(t, "event")) * time.Second).In(rapid.SampledFrom(zones).Draw(t, "zone"))
			arrival := at.Add(time.Duration(rapid.Int64Range(-86400, 86400).Draw(t, "arrival")) * time.Second)
			if rapid.Bool().Draw(t, "long ago") {
				event = event.AddDate(-60, 0, 0)
			}
			if got, want := d.name(event, arrival), day(event, arrival); got != want {
				t.Fatalf("event %v, arrival %v: %s, want %s", event, arrival, got, want)
			}
		}
	})
}
