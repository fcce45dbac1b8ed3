package baseline

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// Step is the place of a report in the life of a finding.
type Step string

// The steps of a finding.
const (
	Start  Step = "start"
	Update Step = "update" // the severity rose
	End    Step = "end"
)

// Reasons why a finding ends.
const (
	EndQuiet     = "quiet"     // three windows below the threshold
	EndNewLevel  = "new_level" // a day above it: this is what is usual now
	EndRetracted = "retracted" // late events made the window less unusual than it seemed
)

// Severity is how bad a finding is, on the scale of rules.
type Severity uint8

// The severities. Critical never comes from a baseline alone.
const (
	Informational Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"informational", "low", "medium", "high", "critical"}

// String is the severity as rules write it.
func (s Severity) String() string { return severityNames[min(int(s), len(severityNames)-1)] }

// gaugeFactor carries the bounds of severity to the scores of gauges.
const gaugeFactor = 1.6

// severityOf is the severity of a score, whatever the rule's own threshold. An
// unusual number is a hint and no proof, so it is High at most, raised or not.
func severityOf(score float64, gauge, raised, learning bool) Severity {
	k := 1.0
	if gauge {
		k = gaugeFactor
	}
	s := High
	switch {
	case score < 6*k:
		s = Low
	case score < 9*k:
		s = Medium
	}
	if raised {
		s = min(s+1, High)
	}
	if learning {
		s--
	}
	return s
}

// Evidence is one reason of a score.
type Evidence struct {
	Name  string  `json:"name"` // size_short, size_long, off_hours; of a gauge low, range, level, season, season_level
	Score float64 `json:"score"`
}

// Average is a mean rate and the time over which it was taken.
type Average struct {
	PerMinute float64 `json:"per_minute"`
	Minutes   float64 `json:"minutes"`
}

// Finding is one step in the life of what a baseline found. All steps of an
// episode have one ID.
type Finding struct {
	ID       string   `json:"id"` // 32 hex digits of a hash of rule, state hash, account, key, first window and direction
	RuleID   string   `json:"rule_id"`
	Step     Step     `json:"step"`
	Reason   string   `json:"reason,omitempty"` // why it ended
	Account  string   `json:"account"`
	Hash     key.Hash `json:"hash"` // of the partition key
	Whole    bool     `json:"whole,omitempty"`
	Key      []string `json:"key"` // values of Spec.By
	Severity Severity `json:"severity"`
	Raised   bool     `json:"raised,omitempty"` // the rule's raise_when held, or a first-seen rule fired, for an event of the window
	Down     bool     `json:"down,omitempty"`   // less than usual, not more

	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
	First       time.Time `json:"first"` // start of the episode's first window

	Observed   float64 `json:"observed"` // window count, or the sum over twelve windows when that is the strongest evidence
	Expected   float64 `json:"expected"`
	Threshold  float64 `json:"threshold"` // in units of Score
	Score      float64 `json:"score"`
	UpperBand  float64 `json:"upper_band,omitempty"` // the smallest count of the window that reaches the threshold
	Population float64 `json:"population_score,omitempty"`
	// Probability of a window as unusual as this; 0 for gauges, whose score is none.
	Probability float64    `json:"probability,omitempty"`
	Evidence    []Evidence `json:"evidence,omitempty"`
	Baseline    Average    `json:"baseline"`
	Insight     Average    `json:"insight"`

	ActiveWindows uint32  `json:"active_windows"`
	Learning      bool    `json:"learning,omitempty"`
	HasBucket     bool    `json:"has_bucket,omitempty"`
	Bucket        float64 `json:"bucket,omitempty"` // share of such hours in which the key was active
	Approximate   bool    `json:"approximate,omitempty"`
	Early         bool    `json:"early,omitempty"` // the window was still open

	Events       uint32         `json:"events"` // of the window; at the end of the episode
	Attributed   uint32         `json:"attributed,omitempty"`
	Attributions []Attributions `json:"attributions,omitempty"`
	EventIDs     []string       `json:"event_ids,omitempty"`
	Trigger      string         `json:"trigger"` // id of the newest event of the window
	TriggerTime  time.Time      `json:"trigger_time"`
	Context      string         `json:"context,omitempty"` // of that event
}

// ApproximateError is the standard error of a number of distinct values that
// is marked approximate, as a share of it.
const ApproximateError = sampleError

// Confidence is "learning" for a key that is too young to be known, else
// "mature".
func (f *Finding) Confidence() string {
	if f.Learning {
		return "learning"
	}
	return "mature"
}

// Fields lists the numbers that have no column of their own, as text.
func (f *Finding) Fields() map[string]string {
	m := map[string]string{
		"score": number(f.Score), "confidence": f.Confidence(), "active_windows": strconv.FormatUint(uint64(f.ActiveWindows), 10),
		"baseline_per_minute": number(f.Baseline.PerMinute), "baseline_minutes": number(f.Baseline.Minutes),
		"insight_per_minute": number(f.Insight.PerMinute), "insight_minutes": number(f.Insight.Minutes),
	}
	put := func(on bool, name, value string) {
		if on {
			m[name] = value
		}
	}
	put(f.UpperBand > 0, "upper_band", number(f.UpperBand))
	put(f.Probability > 0, "probability", number(f.Probability))
	put(f.Population > 0, "population_score", number(f.Population))
	put(f.HasBucket, "bucket", "active in "+number(100*f.Bucket)+" % of such hours")
	put(f.Approximate, "approximate", "standard error "+number(100*ApproximateError)+" %")
	put(f.Reason != "", "reason", f.Reason)
	put(f.Down, "direction", "down")
	for _, e := range f.Evidence {
		m["evidence."+e.Name] = number(e.Score)
	}
	put(f.Attributed > 0, "attributed_events", strconv.FormatUint(uint64(f.Attributed), 10))
	for _, a := range f.Attributions {
		for _, v := range a.Top {
			m["attribution."+a.Attribute+"."+v.Value] = number(v.Insight.PerMinute) + " per minute"
		}
	}
	return m
}

// number writes four significant digits.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// findingID is a stable name of what began in a window of a key.
func findingID(r *ruleState, id string, k Window, down bool) string {
	b := append([]byte{}, r.prefix...)
	b = append(b, id...)
	b = key.AppendUint64(b, uint64(k))
	if down {
		b = append(b, 1)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func probability(score float64) float64 { return math.Pow(10, -score) }
