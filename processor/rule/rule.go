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

// Rule is one rule that judges single events.
type Rule struct {
	ID             string
	Name           string // for references between rules; may be empty
	Title          string
	Version        string // 12 hex digits of what decides; another title leaves it alone
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
	Origin         Origin

	when    *expr
	pattern bool // written as an EventBridge pattern
}

// FindingID is the id of what a rule finds in one event: 32 hex digits of a
// hash over rule, version, account and event, so it is the same after a
// replay.
func FindingID(r *Rule, account, eventID string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{r.ID, r.Version, account, eventID}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// version is the state hash of a detection: what decides, and nothing else.
func version(when *expr) string {
	sum := sha256.Sum256([]byte(when.String()))
	return hex.EncodeToString(sum[:6])
}
