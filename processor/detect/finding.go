package detect

import (
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/rule"
)

// Step is where a finding stands in its life.
type Step string

// The steps. Each is a row of its own; all of a finding share its id.
const (
	Start  Step = "start"
	Update Step = "update"
	End    Step = "end"
)

// Pair is a grouping field and its value.
type Pair struct{ Name, Value string }

// Part is what one rule contributed to a sequence.
type Part struct {
	Rule   *rule.Rule
	Events int64
	IDs    []string // the newest
}

// Finding is one step of one finding: all that its row and its alert need.
type Finding struct {
	Rule *rule.Rule
	// ID is 32 hex digits: the same after a replay, and for each step.
	ID       string
	Step     Step
	Level    rule.Level
	Resolved bool // the condition on a resource has ceased to hold

	Context           // of the event that brought the step about
	Time    time.Time // of the step, in event time

	From, To                      time.Time // the window, both included; zero where there is none
	Began, Ended                  time.Time // first and last event of a correlation's finding; zero where not known
	Group                         []Pair
	Observed, Threshold, Expected *float64

	Count     int64    // events, exact
	EventIDs  []string // some of them: the first and the newest
	Parts     []Part   // of a sequence
	Resources []string // keys of the resources concerned
	Summary   string   // one sentence for a person
	// SuppressedBy is the finding that holds this one back, "" when none does.
	SuppressedBy string
	// Notes say what has to be known to trust the finding: approximate, error,
	// incomplete, learning, score, probability and the like. They are shown
	// beside the fields of the event.
	Notes map[string]string
}

// Sent tells whether the finding is for the eyes of a person: neither held
// back, nor on trial, nor a mere fact.
func (f *Finding) Sent() bool {
	return f.SuppressedBy == "" && !f.Rule.Staged && f.Level > rule.Informational
}

// Context is what is known of the event behind a finding.
type Context struct {
	EventID                string
	Arrival                time.Time
	Sequence               string
	Account, Alias, Region string
	Root, Role, Session    string
	Name, Source, Error    string // of the call
	Address, UserAgent     string
	Fields                 map[string]string // that rules name for their findings
}

// Of adds what is known of the account: people are told who owns it, and sinks
// can be chosen by that.
func (f *Finding) Of(a rule.Account) {
	if f.Alias == "" {
		f.Alias = a.Alias
	}
	f.tell("account.owner", a.Owner)
	f.tell("account.environment", a.Environment)
}

// tell adds a note, unless there is nothing to say.
func (f *Finding) tell(name, value string) {
	if value == "" {
		return
	}
	if f.Notes == nil {
		f.Notes = map[string]string{}
	}
	f.Notes[name] = value
}

// Row is the finding as the table of findings has it.
func (f *Finding) Row(shard string) export.FindingRow {
	r, step := f.Rule, string(f.Step)
	row := export.FindingRow{
		FindingID: f.ID, RuleID: r.ID, RuleVersion: r.Version, RuleTitle: r.Title, RuleKind: r.Kind.String(),
		Severity: f.Level.String(), Tags: r.Tags, State: "open", StateReason: &step,
		EventTS: f.Time.UnixMilli(), ArrivalTS: f.Arrival.UnixMilli(), AccountID: optional(f.Account), AccountAlias: optional(f.Alias),
		Region: optional(f.Region), ActorRoot: optional(f.Root), ActorRole: optional(f.Role), ActorSession: optional(f.Session),
		WindowStartTS: moment(f.From), WindowEndTS: moment(f.To), Observed: f.Observed, Threshold: f.Threshold, Expected: f.Expected,
		EventCount: f.Count, EventIDs: f.EventIDs, TriggerEventID: f.EventID, ResourceKeys: f.Resources, Summary: f.Summary,
		SuppressedBy: optional(f.SuppressedBy), Staged: r.Staged, Shard: shard, Sequence: f.Sequence,
	}
	if f.Resolved {
		row.State = "resolved"
	}
	for _, p := range f.Group {
		if row.GroupKey == nil {
			row.GroupKey = map[string]string{}
		}
		row.GroupKey[p.Name] = p.Value
	}
	row.Fields = f.fields()
	return row
}

// listPrefix begins the names of fields that come from lists.
const listPrefix = "list."

// fields are those that the rule names, what lists said of the event, which
// content of the lists that was, and the notes.
func (f *Finding) fields() map[string]string {
	var out map[string]string
	put := func(name, value string) {
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	for _, name := range f.Rule.Fields {
		if v, ok := f.Fields[name]; ok {
			put(name, v)
		}
	}
	for name, v := range f.Fields {
		if strings.HasPrefix(name, listPrefix) {
			put(name, v)
		}
	}
	for _, l := range f.Rule.Lists() {
		put(listPrefix+l.Name, l.Hash)
	}
	for name, v := range f.Notes {
		put(name, v)
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func moment(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}

func number(v float64) *float64 { return &v }
