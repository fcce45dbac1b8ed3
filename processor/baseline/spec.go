package baseline

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Statistic is the number that a baseline learns, one per key and window.
type Statistic string

// The statistics.
const (
	Count      Statistic = "count"       // events that match
	ErrorCount Statistic = "error_count" // of them those with an errorCode
	Distinct   Statistic = "distinct"    // different values of Spec.Field
	Sum        Statistic = "sum"         // sum of the number in Spec.Field
)

// Season is the rhythm in which the hours of activity are learned.
type Season string

// The seasons.
const (
	Weekday  Season = "weekday" // 24 hours of weekdays and 24 of weekends
	Day      Season = "day"     // 24 hours, every day alike
	NoSeason Season = "none"    // the time of day says nothing
)

// Direction says which way a deviation has to point.
type Direction string

// The directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
	Both Direction = "both"
)

// ColdStart says how a key is judged that is too young to be known.
type ColdStart string

// The ways to start.
const (
	Population ColdStart = "population" // by what all keys of the account do
	Silent     ColdStart = "silent"     // not at all
	Alert      ColdStart = "alert"      // by its own few windows
)

// ModelKind names the model that scores a statistic.
type ModelKind string

// The models.
const (
	Auto       ModelKind = "auto" // gauge for sums, else counts
	CountModel ModelKind = "count"
	GaugeModel ModelKind = "gauge"
)

// ThresholdKind is the unit in which a rule's threshold is given.
type ThresholdKind string

// The kinds of thresholds.
const (
	ByScore       ThresholdKind = "score"       // −log₁₀ of the probability, or the gauge's sum of evidences
	ByProbability ThresholdKind = "probability" // of a value as unusual as this
	ByBand        ThresholdKind = "band"        // standard deviations of a normal distribution, upper tail
	ByBudget      ThresholdKind = "budget"      // findings per day, rule and account
)

// Threshold is where a finding begins. The zero value is the model's default.
type Threshold struct {
	Kind  ThresholdKind
	Value float64 // a budget is per day
}

// ParseBudget reads a budget such as "20/d", "1/h" or "3/w" as findings per day.
func ParseBudget(text string) (perDay float64, err error) {
	number, unit, ok := strings.Cut(strings.TrimSpace(text), "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	days := map[string]float64{"h": 1.0 / 24, "d": 1, "w": 7}[strings.TrimSpace(unit)]
	if !ok || err != nil || days == 0 || !(n > 0) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("budget %q: want a number and a unit, such as 20/d, 1/h or 3/w", text)
	}
	return n / days, nil
}

// Exclude is time that does not exist for the model: a range, or a duration
// after each moment that a cron expression names (in the zone of the Spec).
type Exclude struct {
	Start, End time.Time // with Cron "": the range, End excluded
	Cron       string    // minute hour day month weekday
	Duration   time.Duration
	Alert      bool // still report what is unusual in it
}

// Spec is a rule's baseline block. Its zero values stand for the defaults;
// WithDefaults fills them in.
type Spec struct {
	Statistic Statistic
	Field     string   // path of the values for Distinct and Sum
	By        []string // 1 to 4 paths: the key, beside the account
	Window    time.Duration
	HalfLife  time.Duration
	Season    Season
	Timezone  string // IANA name
	Threshold Threshold
	MinCount  float64 // fewer prove nothing
	MinRatio  float64 // times the expected value; less is no news
	Direction Direction
	ColdStart ColdStart
	Exclude   []Exclude
	Model     ModelKind
	MaxKeys   int // per rule and shard
}

// Defaults of a Spec.
const (
	DefaultWindow     = 5 * time.Minute    // CloudTrail arrives in files of five minutes
	DefaultHalfLife   = 5 * 24 * time.Hour // about a week of memory
	DefaultScore      = 4.0
	DefaultGaugeScore = 6.4
	DefaultMinCount   = 5.0
	DefaultMinRatio   = 2.0
	DefaultMaxKeys    = 500_000
)

// WithDefaults returns the spec with each zero value replaced by its default,
// Model by what Auto means.
func (s Spec) WithDefaults() Spec {
	orText(&s.Statistic, Count)
	orText(&s.Season, Weekday)
	orText(&s.Timezone, "UTC")
	orText(&s.Direction, Up)
	orText(&s.ColdStart, Population)
	orNumber(&s.Window, DefaultWindow)
	orNumber(&s.HalfLife, DefaultHalfLife)
	orNumber(&s.MinCount, DefaultMinCount)
	orNumber(&s.MinRatio, DefaultMinRatio)
	orNumber(&s.MaxKeys, DefaultMaxKeys)
	if s.Model == "" || s.Model == Auto {
		s.Model = CountModel
		if s.Statistic == Sum {
			s.Model = GaugeModel
		}
	}
	if s.Threshold.Kind == "" {
		s.Threshold = Threshold{ByScore, DefaultScore}
		if s.Model == GaugeModel {
			s.Threshold.Value = DefaultGaugeScore
		}
	}
	return s
}

func orText[T ~string](v *T, otherwise T) {
	if *v == "" {
		*v = otherwise
	}
}

func orNumber[T int | float64 | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// KeyError is a fault in one key of a baseline or first_seen block. Check
// joins all of them, so that a loader can name the place of each.
type KeyError struct{ Key, Message string }

func (e *KeyError) Error() string { return e.Key + ": " + e.Message }

// faults collects what is wrong in a block.
type faults []error

func (f *faults) add(bad bool, key, format string, args ...any) {
	if bad {
		*f = append(*f, &KeyError{key, fmt.Sprintf(format, args...)})
	}
}

// Check tells all that is wrong with the block, each fault a *KeyError. Zero
// values stand for the defaults.
func (s Spec) Check() error {
	s = s.WithDefaults()
	var f faults
	s.checkValues(&f)
	s.checkRanges(&f)
	s.checkThreshold(&f)
	for i, x := range s.Exclude {
		x.check(&f, fmt.Sprintf("exclude[%d]", i))
	}
	return errors.Join(f...)
}

func (s *Spec) checkValues(f *faults) {
	f.add(!oneOf(s.Statistic, Count, ErrorCount, Distinct, Sum), "statistic", "unknown %q: known are count, error_count, distinct, sum", s.Statistic)
	f.add(!oneOf(s.Season, Weekday, Day, NoSeason), "season", "unknown %q: known are weekday, day, none", s.Season)
	f.add(!oneOf(s.Direction, Up, Down, Both), "direction", "unknown %q: known are up, down, both", s.Direction)
	f.add(!oneOf(s.ColdStart, Population, Silent, Alert), "cold_start", "unknown %q: known are population, silent, alert", s.ColdStart)
	f.add(!oneOf(s.Model, CountModel, GaugeModel), "model", "unknown %q: known are auto, count, gauge", s.Model)
	needs := s.Statistic == Distinct || s.Statistic == Sum
	f.add(needs && s.Field == "", "field", "%s needs the path of its values", s.Statistic)
	f.add(!needs && s.Field != "", "field", "%s has no field: use distinct or sum", s.Statistic)
	f.add(s.Statistic == Sum && s.Model == CountModel, "model", "a sum is no count: leave model out, or write gauge")
	_, err := time.LoadLocation(s.Timezone)
	f.add(err != nil || s.Timezone == "Local", "timezone", "unknown %q: want a name such as Europe/Berlin", s.Timezone)
}

func oneOf[T comparable](v T, known ...T) bool {
	for _, k := range known {
		if v == k {
			return true
		}
	}
	return false
}

func (s *Spec) checkRanges(f *faults) {
	f.add(len(s.By) < 1 || len(s.By) > 4, "by", "%d paths: want 1 to 4", len(s.By))
	for _, p := range s.By {
		f.add(p == "", "by", "an empty path")
	}
	f.add(s.Window < time.Minute || s.Window > time.Hour || s.Window%time.Second != 0, "window", "%v: want 1m to 1h in whole seconds", s.Window)
	f.add(s.HalfLife < 24*time.Hour || s.HalfLife > 60*24*time.Hour, "half_life", "%v: want 1d to 60d", s.HalfLife)
	f.add(!(s.MinCount >= 0) || s.MinCount > math.MaxUint32, "min_count", "%v: want a number from 0 up", s.MinCount)
	f.add(!(s.MinRatio >= 0) || math.IsInf(s.MinRatio, 0), "min_ratio", "%v: want a number from 0 up", s.MinRatio)
	f.add(s.MaxKeys < 1, "max_keys", "%d: want at least 1", s.MaxKeys)
}

func (s *Spec) checkThreshold(f *faults) {
	t := s.Threshold
	f.add(!(t.Value > 0) || math.IsInf(t.Value, 0), "threshold", "%v: want a number above 0", t.Value)
	switch t.Kind {
	case ByScore, ByBudget:
	case ByProbability:
		f.add(t.Value >= 1, "threshold", "a probability of %v: want less than 1, such as 1e-6", t.Value)
		fallthrough
	case ByBand:
		f.add(s.Model == GaugeModel, "threshold", "the gauge model gives no probability: use score or budget in place of %s", t.Kind)
		f.add(t.Kind == ByBand && t.Value > 37, "threshold", "a band of %v: want at most 37", t.Value) // beyond, the normal tail is no number
	default:
		f.add(true, "threshold", "unknown %q: want exactly one of score, probability, band, budget", t.Kind)
	}
}

func (x Exclude) check(f *faults, key string) {
	ranged := !x.Start.IsZero() || !x.End.IsZero()
	switch {
	case x.Cron != "" && ranged:
		f.add(true, key, "either start and end, or cron and duration")
	case x.Cron != "":
		_, err := parseCron(x.Cron)
		f.add(err != nil, key, "%v", err)
		f.add(x.Duration < time.Minute || x.Duration > 31*24*time.Hour, key, "duration %v: want 1m to 31d", x.Duration)
	default:
		f.add(!ranged, key, "want start and end, or cron and duration")
		f.add(ranged && !x.Start.Before(x.End), key, "start is not before end")
		f.add(x.Duration != 0, key, "duration goes with cron")
	}
}

// FirstSeenSpec is a rule's first_seen block. Zero durations stand for the
// defaults.
type FirstSeenSpec struct {
	Fields     []string      // 1 to 3 paths: the last is the value, the others are its parent
	History    time.Duration // what was not seen for so long is new again
	MinHistory time.Duration // a parent known for less only learns
}

// Defaults of a FirstSeenSpec.
const (
	DefaultHistory    = 30 * 24 * time.Hour
	DefaultMinHistory = 7 * 24 * time.Hour
)

// WithDefaults returns the spec with each zero duration replaced by its
// default.
func (s FirstSeenSpec) WithDefaults() FirstSeenSpec {
	orNumber(&s.History, DefaultHistory)
	orNumber(&s.MinHistory, DefaultMinHistory)
	return s
}

// Check tells all that is wrong with the block, each fault a *KeyError.
func (s FirstSeenSpec) Check() error {
	s = s.WithDefaults()
	var f faults
	f.add(len(s.Fields) < 1 || len(s.Fields) > 3, "fields", "%d paths: want 1 to 3", len(s.Fields))
	for _, p := range s.Fields {
		f.add(p == "", "fields", "an empty path")
	}
	f.add(s.History < 24*time.Hour || s.History > 10*365*24*time.Hour, "history", "%v: want 1d to 3650d", s.History)
	f.add(s.MinHistory < 0 || s.MinHistory > s.History, "min_history", "%v: want at most the history of %v", s.MinHistory, s.History)
	return errors.Join(f...)
}
