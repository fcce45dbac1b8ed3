// Package rule loads detection rules and evaluates all of them against one
// event at a time.
//
// Rules are written in Sigma or as EventBridge patterns; both compile to one
// tree of tests. All rules of a set share their tests, and an index by event
// name and source leads from an event to the few rules that it could meet, so
// the cost of an event does not grow with the number of rules.
//
// Nothing is skipped in silence: what is not supported is an error with file,
// line, column and advice, and Load reports all of them at once. The package is
// pure; it reads rules through fs.FS and no clock.
package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/window"
)

// Level is the severity of a rule's findings.
type Level uint8

// The levels of Sigma, from a mere fact to an emergency.
const (
	Informational Level = iota
	Low
	Medium
	High
	Critical
)

var levelNames = [...]string{"informational", "low", "medium", "high", "critical"}

// String is the level as Sigma writes it.
func (l Level) String() string { return levelNames[min(int(l), len(levelNames)-1)] }

// parseLevel reads a level; ok is false for any other word.
func parseLevel(word string) (Level, bool) {
	for i, name := range levelNames {
		if strings.EqualFold(word, name) {
			return Level(i), true
		}
	}
	return Medium, false
}

// Origin is where a rule was read.
type Origin struct {
	File string
	Line int
}

// String is "file:line".
func (o Origin) String() string { return fmt.Sprintf("%s:%d", o.File, o.Line) }

// Kind is how a rule comes to its findings.
type Kind uint8

// The kinds of rules.
const (
	KindMatch       Kind = iota // one event is enough
	KindCorrelation             // matches of other rules within a time
	KindFirstSeen               // a value that was not seen before
	KindBaseline                // a number that is unusual for its key
	KindResource                // the state of a resource
)

var kindNames = [...]string{"match", "correlation", "first_seen", "baseline", "resource"}

// String is the kind as the table of findings has it.
func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// Rule is one rule.
type Rule struct {
	ID             string
	Name           string // for references between rules; may be empty
	Title          string
	Version        string // 12 hex digits of what decides; another title leaves it alone
	Kind           Kind
	Description    string
	Status         string
	Author         string
	License        string
	Level          Level
	Tags           []string
	References     []string
	FalsePositives []string
	Fields         []string // paths that its findings carry
	Runbook        string
	Staged         bool // a silent trial: findings are rows, nothing is sent
	Silent         bool // a part of correlations that makes no findings of its own
	Origin         Origin
	// LevelOfScore: the level of a baseline's findings follows from their
	// score, because the rule names none.
	LevelOfScore bool
	Suppress     Suppress
	Asset        *Asset // the state of a resource that the event must touch; nil: none

	Correlation *window.Spec // of correlations: how Parts are put together
	Parts       []Part

	// Of baselines and first-seen rules: what they learn.
	Baseline  *baseline.Spec
	FirstSeen *baseline.FirstSeenSpec
	Keys      []Path // the baseline's key, or the fields of first_seen
	Value     *Path  // what distinct and sum look at; nil for others

	group    []string // of a correlation: names of the group's values, paths and aliases
	shown    []Path   // Fields, bound
	when     *expr    // of all kinds but correlations
	raise    *expr    // raises the level by one; nil: nothing does
	pattern  bool     // written as an EventBridge pattern
	filtered int      // by how many filters
	before   *expr    // when, as it was before any filter; nil without one
	lookups  []*atom  // of when and raise: what they ask of lists
	lists    []ListUse
	place    int // in the set
	draft    *draft

	overResources bool
	occasions     When
}

// FindingID is the id of what a rule finds in one event: 32 hex digits of a
// hash over rule, version, account and event, so it is the same after a
// replay.
func FindingID(r *Rule, account, eventID string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{r.ID, r.Version, account, eventID}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// Shown are the paths of Fields, ready to read.
func (r *Rule) Shown() []Path { return r.shown }

// stateHash is what the state of a rule depends on: selection, grouping,
// timespan and kind, and nothing that is only told about a finding.
func (r *Rule) stateHash() string {
	if r.Version != "" {
		return r.Version
	}
	text := ""
	if r.when != nil {
		text = r.when.String()
	}
	if more := r.decides(); more != "" {
		text += "\x03" + r.Kind.String() + "\x03" + more
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
