package window

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ExprOp is what a node of a boolean condition does.
type ExprOp uint8

// The nodes of a boolean condition.
const (
	Is  ExprOp = iota // the rule Spec.Rules[Rule] matched
	And               // all of Args
	Or                // one of Args
	Not               // not Args[0]
)

// Expr is a boolean condition over the rules of a temporal correlation.
type Expr struct {
	Op   ExprOp
	Rule int // index in Spec.Rules
	Args []*Expr
}

// String is the condition with rules as numbers and all parentheses.
func (e *Expr) String() string {
	if e == nil {
		return "all"
	}
	switch e.Op {
	case Is:
		return fmt.Sprint(e.Rule)
	case Not:
		return "not " + e.Args[0].String()
	}
	parts := make([]string, len(e.Args))
	for i, a := range e.Args {
		parts[i] = a.String()
	}
	return "(" + strings.Join(parts, map[ExprOp]string{And: " and ", Or: " or "}[e.Op]) + ")"
}

// ParseExpr reads a boolean condition over rule names: and, or, not and
// parentheses, with the precedence of Sigma.
func ParseExpr(text string, rules []Reference) (*Expr, error) {
	spaced := strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text)
	p := exprParser{words: strings.Fields(spaced), rules: rules}
	e, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("unexpected %q", p.words[0])
	}
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", text, err)
	}
	return e, nil
}

type exprParser struct {
	words []string
	rules []Reference
}

// next takes the next word if it is this one, in any case.
func (p *exprParser) next(word string) bool {
	if len(p.words) == 0 || !strings.EqualFold(p.words[0], word) {
		return false
	}
	p.words = p.words[1:]
	return true
}

func (p *exprParser) or() (*Expr, error)  { return p.list(Or, "or", p.and) }
func (p *exprParser) and() (*Expr, error) { return p.list(And, "and", p.not) }

func (p *exprParser) list(op ExprOp, word string, part func() (*Expr, error)) (*Expr, error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	args := []*Expr{first}
	for p.next(word) {
		e, err := part()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
	}
	if len(args) == 1 {
		return first, nil
	}
	return &Expr{Op: op, Args: args}, nil
}

func (p *exprParser) not() (*Expr, error) {
	if p.next("not") {
		e, err := p.not()
		return &Expr{Op: Not, Args: []*Expr{e}}, err
	}
	if p.next("(") {
		e, err := p.or()
		if err == nil && !p.next(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return e, err
	}
	if len(p.words) == 0 {
		return nil, errors.New("a rule is missing at the end")
	}
	word := p.words[0]
	for i, r := range p.rules {
		if r.Name == word || r.ID == word {
			p.words = p.words[1:]
			return &Expr{Op: Is, Rule: i}, nil
		}
	}
	return nil, fmt.Errorf("%q is no rule of the correlation", word)
}

// clause is one way in which a temporal condition holds: all rules of need
// matched, none of deny. Both are sets of indexes of Spec.Rules.
type clause struct{ need, deny uint32 }

// errClauses means that a condition is too large to be evaluated.
var errClauses = fmt.Errorf("the condition has more than %d alternatives; split the rule", maxClauses)

// clauses brings a condition, or its negation, into disjunctive form.
func (e *Expr) clauses(negated bool) ([]clause, error) {
	switch e.Op {
	case Is:
		if bit := uint32(1) << e.Rule; negated {
			return []clause{{deny: bit}}, nil
		} else {
			return []clause{{need: bit}}, nil
		}
	case Not:
		return e.Args[0].clauses(!negated)
	}
	product := (e.Op == And) != negated
	var out []clause
	for i, a := range e.Args {
		part, err := a.clauses(negated)
		if err != nil {
			return nil, err
		}
		if product && i > 0 {
			part = multiply(out, part)
			out = nil
		}
		if out = append(out, part...); len(out) > maxClauses {
			return nil, errClauses
		}
	}
	return out, nil
}

// multiply joins each clause with each; what needs and denies one rule is dropped.
func multiply(a, b []clause) (out []clause) {
	for _, x := range a {
		for _, y := range b {
			if c := (clause{x.need | y.need, x.deny | y.deny}); c.need&c.deny == 0 {
				out = append(out, c)
			}
		}
	}
	return out
}

// temporal says whether the type is one over several rules.
func (s *Spec) temporal() bool {
	return s.Type == Temporal || s.Type == TemporalOrdered || s.Type == Absence
}

// alternatives are the clauses of a temporal correlation.
func (s *Spec) alternatives() ([]clause, error) {
	all := uint32(1)<<len(s.Rules) - 1
	switch {
	case s.Type == Absence:
		return []clause{{need: 1, deny: all &^ 1}}, nil
	case s.Condition.When != nil:
		return s.Condition.When.clauses(false)
	case s.Type == TemporalOrdered && len(s.Condition.Bounds) > 0:
		return subsets(len(s.Rules), int(s.least()))
	}
	return []clause{{need: all}}, nil
}

// subsets are all sets of m of n rules.
func subsets(n, m int) (out []clause, err error) {
	var add func(from, left int, need uint32) error
	add = func(from, left int, need uint32) error {
		if left == 0 {
			out = append(out, clause{need: need})
		}
		if len(out) > maxClauses {
			return errClauses
		}
		for i := from; left > 0 && i <= n-left; i++ {
			if err := add(i+1, left-1, need|1<<i); err != nil {
				return err
			}
		}
		return nil
	}
	return out, add(0, m, 0)
}

// least is the smallest whole number that meets all lower bounds.
func (s *Spec) least() float64 {
	least := math.Inf(-1)
	for _, b := range s.Condition.Bounds {
		switch b.Op {
		case GT:
			least = max(least, math.Floor(b.Value)+1)
		case GTE:
			least = max(least, math.Ceil(b.Value))
		}
	}
	return least
}

// lower says whether all bounds are lower ones, so that more events can make
// the condition true, never false.
func (s *Spec) lower() bool {
	for _, b := range s.Condition.Bounds {
		if b.Op != GT && b.Op != GTE {
			return false
		}
	}
	return true
}

// Denies says whether a temporal condition holds for want of a match.
func (s *Spec) Denies() bool {
	ways, err := s.alternatives()
	if err != nil || !s.temporal() {
		return false
	}
	for _, c := range ways {
		if c.deny != 0 {
			return true
		}
	}
	return false
}

// onArrival says whether the rule fires when a threshold is crossed, and not
// only when the close has passed.
func (s *Spec) onArrival() bool {
	switch s.Type {
	case EventCount, ValueCount, ValueSum:
		return s.lower() && !s.AtClose
	case Temporal, TemporalOrdered:
		return s.lower() && !s.Denies() && !s.AtClose
	}
	return false
}

func checkCondition(s *Spec) (errs []error) {
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	c := &s.Condition
	if s.temporal() {
		return checkTemporal(s)
	}
	add(c.When != nil, "a condition over rule names is for temporal and temporal_ordered; %s compares a number", s.Type)
	add(len(c.Bounds) == 0, "%s needs a bound: gt, gte, lt, lte, eq or neq", s.Type)
	add(s.Type == EventCount && len(c.Fields) > 0, "event_count has no field; use value_count to count values")
	add(s.Type == ValueCount && len(c.Fields) == 0, "value_count needs a field")
	add(s.Type > ValueCount && len(c.Fields) != 1, "%s needs one field", s.Type)
	add(c.Percentile < 0 || c.Percentile > 100, "percentile %g is not between 0 and 100", c.Percentile)
	add(c.Percentile != 0 && s.Type != ValuePercentile, "percentile is for value_percentile")
	for _, b := range c.Bounds {
		add(math.IsNaN(b.Value) || math.IsInf(b.Value, 0), "%s %g is no bound", b.Op, b.Value)
	}
	counts := s.Type == EventCount || s.Type == ValueCount
	add(counts && len(c.Bounds) > 0 && s.lower() && s.least() < 1, "the condition holds for every match; write a bound of at least 1")
	add(s.Type == ValueCount && s.lower() && s.least() > MaxLower, "a value_count above %d is not exact; use a lower bound", MaxLower)
	return errs
}

func checkTemporal(s *Spec) (errs []error) {
	c := &s.Condition
	switch {
	case s.Shape != Sliding:
		errs = append(errs, fmt.Errorf("%s has sliding windows only", s.Type))
	case len(c.Fields) > 0 || c.Percentile != 0:
		errs = append(errs, fmt.Errorf("%s looks at rules, not at a field", s.Type))
	case c.When != nil && len(c.Bounds) > 0:
		errs = append(errs, errors.New("the condition is either text over rule names or a count of rules"))
	case s.Type == Absence && (len(s.Rules) < 2 || c.When != nil || len(c.Bounds) > 0):
		errs = append(errs, errors.New("absence names the rule that starts the wait and those that end it, and has no condition"))
	case s.Type == TemporalOrdered && !s.lower():
		errs = append(errs, errors.New("the number of steps in order has lower bounds only: gt or gte"))
	case len(c.Bounds) > 0 && s.lower() && (s.least() < 1 || s.least() > float64(len(s.Rules))):
		errs = append(errs, fmt.Errorf("the count of rules must lie between 1 and %d", len(s.Rules)))
	default:
		errs = append(errs, checkClauses(s)...)
	}
	return errs
}

func checkClauses(s *Spec) (errs []error) {
	ways, err := s.alternatives()
	if err != nil {
		return []error{err}
	}
	if len(ways) == 0 {
		return []error{errors.New("the condition can never hold")}
	}
	for _, w := range ways {
		if w.need == 0 {
			return []error{errors.New("the condition holds without any match, and silence has no window; name a rule that must match")}
		}
	}
	return nil
}
