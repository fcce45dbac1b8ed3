package window

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// Step is where a finding stands in its life.
type Step uint8

// The steps.
const (
	Start  Step = iota // the condition came true
	Update             // the number of events has doubled
	End                // the condition has been false for the time of suppression, or the finding is void
)

var stepNames = [...]string{"start", "update", "end"}

// String is the step as a row of findings has it.
func (s Step) String() string { return stepNames[min(int(s), len(stepNames)-1)] }

// Pair is a grouping field and its value.
type Pair struct{ Name, Value string }

// StepEvents are the events of one rule of a temporal correlation.
type StepEvents struct {
	Rule   string // Reference.ID
	Events int64
	IDs    []string // the newest
}

// Firing is one step of one finding of a correlation.
type Firing struct {
	// ID is 32 hex digits, the same after a replay and for each step.
	ID   string
	Spec *Spec
	Step Step
	Time time.Time // of this step, in event time

	Hash    key.Hash // of the partition key
	Account string
	Group   []Pair

	// From and To bound the window: of an end, all windows of the finding. To is
	// the last second that belongs to it, From the first.
	From, To time.Time
	// Began and Ended are the times of the first and the last event of the finding
	// so far, to the millisecond; zero for what was announced and is no finding.
	Began, Ended time.Time
	Value        float64 // what the bounds are compared with; of an end the value furthest beyond them
	Count        int64   // events
	First        []string
	Last         []string // ids of the first and the last events; they overlap when there are few
	Steps        []StepEvents
	Trigger      string // the event that completed the window
	Context      string // Event.Context of the trigger

	SuppressedBy string // the finding that holds this one back
	// Merged is the finding that this one, which was announced earlier, turned
	// out to be a part of when late events filled the gap. Only on an end.
	Merged string
	// Void marks the end of a finding that late events took the ground from.
	Void        bool
	Silent      bool // only a part of other correlations, not a finding of its own
	Approximate bool
	Error       float64 // of the value, relative, when it is approximate
	Incomplete  bool    // state was dropped for want of room
}

// findingID is a hash of what makes a finding one: rule and version, account
// and group, window, and the event that completed it.
func (g *group) findingID(point int64, trigger string) string {
	s := g.rule.spec
	parts := append([]string{s.ID, s.Version, string(g.hash[:]), g.account, strconv.FormatInt(point, 10), trigger}, g.values...)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// firing is a step with all that the group knows.
func (g *group) firing(step Step, id string, at time.Time) Firing {
	r := g.rule
	return Firing{ID: id, Spec: r.spec, Step: step, Time: at.UTC(), Hash: g.hash, Account: g.account, Group: g.pairs(),
		Silent: r.silent, Approximate: g.coarse > 0 || g.sketch != nil, Error: g.error()}
}

func (g *group) pairs() []Pair {
	out := make([]Pair, len(g.values))
	for i, v := range g.values {
		out[i] = Pair{g.rule.spec.GroupBy[i], v}
	}
	return out
}

// window adds to a firing what the window at a cursor holds.
func (g *group) window(f *Firing, c *cursor) {
	from := c.first(g.rule)
	lo := g.index(from)
	f.From, f.To = second(from), g.rule.lastSecond(c.end)
	f.Value, f.Count = c.m.value(c.end), g.events(c)
	f.First, f.Last = g.samples(lo, c.hi)
	f.between(g.extent(lo, c.hi))
	f.Steps = g.steps(lo, c.hi)
}

// events counts those of the window that count for a finding.
func (g *group) events(c *cursor) int64 {
	if g.rule.ordered() {
		return g.between(c.first(g.rule), c.hi)
	}
	return c.n
}

// steps are the events in the window of each rule of a temporal correlation.
func (g *group) steps(lo, hi int) []StepEvents {
	s := g.rule.spec
	if !s.temporal() {
		return nil
	}
	out := make([]StepEvents, len(s.Rules))
	for i := range out {
		out[i].Rule = s.Rules[i].ID
		for j := hi - 1; j >= lo; j-- {
			e := &g.entries[j]
			if e.key>>i&1 == 0 {
				continue
			}
			out[i].Events += e.n
			for k := len(e.ids) - 1; k >= 0 && len(out[i].IDs) < stepIDs; k-- {
				out[i].IDs = append(out[i].IDs, e.ids[k].id)
			}
		}
	}
	return out
}

// between sets the times of the first and the last event, in milliseconds.
func (f *Firing) between(began, ended int64) {
	if began > 0 && ended > 0 { // else a row of an earlier form had none
		f.Began, f.Ended = time.UnixMilli(began).UTC(), time.UnixMilli(ended).UTC()
	}
}

func second(s int64) time.Time { return time.Unix(s, 0).UTC() }
