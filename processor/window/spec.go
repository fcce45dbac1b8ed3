package window

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Type is what a correlation decides.
type Type uint8

// The types. All but Absence are Sigma's.
const (
	EventCount      Type = iota // the number of matches
	ValueCount                  // the number of different values of a field
	ValueSum                    // the sum of a number; on arrival a negative one is not counted
	ValueAvg                    // the mean of a number
	ValuePercentile             // a percentile of a number, to 1 %
	Temporal                    // all rules matched in one window, or as the condition has it
	TemporalOrdered             // the same, in the listed order
	Absence                     // after the first rule none of the others matched within the timespan
)

var typeNames = [...]string{"event_count", "value_count", "value_sum", "value_avg", "value_percentile", "temporal", "temporal_ordered", "absence"}

// String is the type as a rule writes it.
func (t Type) String() string { return typeNames[min(int(t), len(typeNames)-1)] }

// ParseType reads a type as a rule writes it.
func ParseType(word string) (Type, bool) {
	i := slices.Index(typeNames[:], word)
	return Type(max(i, 0)), i >= 0
}

// Shape is how windows lie in time.
type Shape uint8

// The shapes.
const (
	Sliding  Shape = iota // (e−timespan, e] at every second e that has a match
	Tumbling              // one after the other from midnight of the time zone
	Session               // from the first match until none came for the gap, at most the timespan
)

var shapeNames = [...]string{"sliding", "tumbling", "session"}

// String is the shape as a rule writes it.
func (s Shape) String() string { return shapeNames[min(int(s), len(shapeNames)-1)] }

// ParseShape reads a shape as a rule writes it; "" is Sliding.
func ParseShape(word string) (Shape, bool) {
	i := slices.Index(shapeNames[:], cmp.Or(word, "sliding"))
	return Shape(max(i, 0)), i >= 0
}

// Reference is one rule of a correlation, resolved by the loader.
type Reference struct {
	ID   string // of a detection rule or of another correlation
	Name string // what the text of a condition and the aliases call it
}

// Op compares a value with a bound.
type Op uint8

// The operators.
const (
	GT Op = iota
	GTE
	LT
	LTE
	EQ
	NEQ
)

var opNames = [...]string{"gt", "gte", "lt", "lte", "eq", "neq"}

// String is the operator as a rule writes it.
func (o Op) String() string { return opNames[min(int(o), len(opNames)-1)] }

// ParseOp reads an operator as a rule writes it.
func ParseOp(word string) (Op, bool) {
	i := slices.Index(opNames[:], word)
	return Op(max(i, 0)), i >= 0
}

// Bound is one comparison of a condition.
type Bound struct {
	Op    Op
	Value float64
}

// holds says whether the value lies within the bound.
func (b Bound) holds(v float64) bool {
	switch b.Op {
	case GT:
		return v > b.Value
	case GTE:
		return v >= b.Value
	case LT:
		return v < b.Value
	case LTE:
		return v <= b.Value
	case EQ:
		return v == b.Value
	}
	return v != b.Value
}

// Condition is what must hold in a window.
type Condition struct {
	Bounds []Bound // all of them; a temporal type may do without: all rules
	// Fields are the paths that value_count, value_sum, value_avg and
	// value_percentile look at. For value_count several are one tuple.
	Fields     []string
	Percentile float64 // of value_percentile, above 0 and at most 100; 0 means 50
	When       *Expr   // instead of Bounds: which rules of a temporal type
}

// Suppress says which findings are held back.
type Suppress struct {
	None bool          // hold nothing back
	For  time.Duration // after a finding that was not held back; 0: the timespan of a correlation
	// By are the paths that tell one cause from another. Nil means the group of
	// a correlation, and for a rule over single events the account.
	By []string
}

// Limits of a rule in one shard, where the rule sets none.
const (
	DefaultMaxGroups = 1_000_000
	DefaultMaxBytes  = 1 << 30
)

// Spec is a correlation, as the loader of the rules fills it. Durations are
// whole seconds: CloudTrail knows no finer time.
type Spec struct {
	ID      string
	Version string // state hash: another one begins with fresh windows. See Decides
	Type    Type
	Rules   []Reference // in the listed order
	// Generate lets the referenced rules make findings of their own.
	Generate bool

	Shape    Shape
	Timespan time.Duration
	Gap      time.Duration // of a session
	Timezone string        // of tumbling windows; "" is UTC

	// GroupBy are paths or aliases. The account is always part of a group.
	GroupBy []string
	// Aliases has for each alias the path under each rule, by Reference.Name.
	Aliases map[string]map[string]string

	Condition Condition
	// AtClose lets also those conditions wait for the close that could fire on
	// arrival. Then any order within the lateness gives the same firings.
	AtClose  bool
	Lateness time.Duration // how long to wait for late events; 0: as long as the engine
	Suppress Suppress

	MaxGroups int   // 0: DefaultMaxGroups
	MaxBytes  int64 // 0: DefaultMaxBytes
}

// Limits of what a rule may ask for.
const (
	MaxSteps    = 32             // rules of a temporal correlation
	MaxLateness = 26 * time.Hour // the horizon in which repeated events are known
	MaxLower    = 65_536         // lower bound of a value_count
	maxClauses  = 64             // of a boolean condition, in disjunctive form
)

// Check tells everything that is wrong with the correlation, nil if nothing.
// Each mistake is a line of its own and says what to write instead.
func (s *Spec) Check() error {
	var errs []error
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	add(s.ID == "", "a correlation needs an id")
	add(s.Version == "", "a correlation needs a version, the hash of what decides")
	add(len(s.Rules) == 0, "rules is empty; name the rules to correlate")
	add(len(s.Rules) > MaxSteps, "more than %d rules", MaxSteps)
	add(s.MaxGroups < 0 || s.MaxBytes < 0, "a limit is negative")
	for _, check := range []func(*Spec) []error{checkTime, checkAliases, checkCondition, checkSuppress} {
		errs = append(errs, check(s)...)
	}
	return errors.Join(errs...)
}

func checkTime(s *Spec) (errs []error) {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"timespan", s.Timespan}, {"gap", s.Gap}, {"lateness", s.Lateness}, {"suppress", s.Suppress.For}} {
		if d.value < 0 || d.value%time.Second != 0 {
			errs = append(errs, fmt.Errorf("%s %v: windows have a resolution of one second; write whole seconds", d.name, d.value))
		}
	}
	switch {
	case s.Timespan < time.Second:
		errs = append(errs, errors.New("timespan is missing"))
	case s.Shape == Session && (s.Gap <= 0 || s.Gap > s.Timespan):
		errs = append(errs, errors.New("a session needs a gap, at most as long as the timespan"))
	case s.Shape != Session && s.Gap != 0:
		errs = append(errs, fmt.Errorf("gap is for sessions, not for %s windows", s.Shape))
	case s.Shape != Tumbling && s.Timezone != "":
		errs = append(errs, fmt.Errorf("timezone is for tumbling windows, not for %s ones", s.Shape))
	}
	if s.Lateness > MaxLateness {
		errs = append(errs, fmt.Errorf("lateness %v is above %v, beyond which repeated events are not known", s.Lateness, MaxLateness))
	}
	if s.Shape == Tumbling {
		if _, err := newCalendar(s.Timespan, s.Timezone); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func checkAliases(s *Spec) (errs []error) {
	for _, alias := range sortedKeys(s.Aliases) {
		for _, r := range s.Rules {
			if s.Aliases[alias][r.Name] == "" {
				errs = append(errs, fmt.Errorf("alias %s has no path for the rule %s", alias, r.Name))
			}
		}
		for _, name := range sortedKeys(s.Aliases[alias]) {
			if !slices.ContainsFunc(s.Rules, func(r Reference) bool { return r.Name == name }) {
				errs = append(errs, fmt.Errorf("alias %s names %s, which is no rule of the correlation", alias, name))
			}
		}
		if !slices.Contains(s.GroupBy, alias) {
			errs = append(errs, fmt.Errorf("alias %s is not used; name it in group-by", alias))
		}
	}
	return errs
}

func checkSuppress(s *Spec) (errs []error) {
	for _, path := range s.Suppress.By {
		if !s.onArrival() && !slices.Contains(s.GroupBy, path) {
			errs = append(errs, fmt.Errorf("suppress by %s: what is decided at the close can be told apart by its group only; add it to group-by", path))
		}
	}
	return errs
}

// Decides is the part of the correlation that decides its windows, in one
// line: the loader's Version is a hash of it and of the versions of the rules
// it names.
func (s *Spec) Decides() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %v %v %q by %q", s.Type, s.Shape, s.Timespan, s.Gap, s.Timezone, s.GroupBy)
	for _, r := range s.Rules {
		fmt.Fprintf(&b, " %q", r.ID)
		for _, alias := range sortedKeys(s.Aliases) {
			fmt.Fprintf(&b, " %q=%q", alias, s.Aliases[alias][r.Name])
		}
	}
	fmt.Fprintf(&b, " when %v fields %q percentile %g bounds", s.Condition.When, s.Condition.Fields, s.percentile())
	for _, bound := range s.Condition.Bounds {
		fmt.Fprintf(&b, " %s %g", bound.Op, bound.Value)
	}
	fmt.Fprintf(&b, " at close %v", s.AtClose)
	return b.String()
}

func (s *Spec) percentile() float64 { return cmp.Or(s.Condition.Percentile, 50) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
