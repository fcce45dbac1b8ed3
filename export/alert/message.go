package alert

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
)

// Message is what an alert says: who, what, when, where and why. Its JSON goes
// to webhooks, topics, event buses and files; templates read its fields.
type Message struct {
	Version        int               `json:"version"` // of this form: 1
	ID             string            `json:"id"`      // of the alert; the same when it is sent again
	Finding        string            `json:"finding_id,omitzero"`
	Step           string            `json:"step"`   // start, update or end; digest if several alerts were joined
	Status         string            `json:"status"` // open or resolved
	Severity       string            `json:"severity"`
	SeverityNumber float64           `json:"severity_number"` // on the scale of GuardDuty: 3, 5, 8 or 9.5
	Text           string            `json:"text"`            // one sentence
	Rule           Rule              `json:"rule,omitzero"`
	Who            Who               `json:"who,omitzero"`
	What           What              `json:"what,omitzero"`
	When           When              `json:"when"`
	Where          Where             `json:"where,omitzero"`
	Why            Why               `json:"why,omitzero"`
	Resources      []string          `json:"resources,omitempty"`
	Group          map[string]string `json:"group,omitempty"`  // the values that the rule groups by
	Fields         map[string]string `json:"fields,omitempty"` // that the rule names, and figures of its model
	Cut            bool              `json:"cut,omitzero"`     // something was left out: it was too long
	Next           []string          `json:"next,omitempty"`   // commands that tell more
	Digest         []DigestLine      `json:"digest,omitempty"`
	Findings       []string          `json:"finding_ids,omitempty"` // of a digest, at most 100
}

// Rule is what is told of the rule behind a finding.
type Rule struct {
	ID             string   `json:"id"`
	Version        string   `json:"version,omitzero"`
	Title          string   `json:"title"`
	Kind           string   `json:"kind,omitzero"` // match, correlation, first_seen, baseline or resource
	Description    string   `json:"description,omitzero"`
	Author         string   `json:"author,omitzero"` // licences of rules ask for it
	License        string   `json:"license,omitzero"`
	Runbook        string   `json:"runbook,omitzero"`
	Tactic         string   `json:"tactic,omitzero"` // the first one of the tags
	Tags           []string `json:"tags,omitempty"`
	References     []string `json:"references,omitempty"`
	FalsePositives []string `json:"false_positives,omitempty"`
	// Details are the paths of the fields that the rule names, in its order: what
	// people want to know first. Message.Fields has the values.
	Details []string `json:"-"`
}

// Who acted.
type Who struct {
	Actor   string `json:"actor,omitzero"` // the first principal behind a chain of roles
	Role    string `json:"role,omitzero"`
	Session string `json:"session,omitzero"`
}

// What was done.
type What struct {
	Event    string   `json:"event,omitzero"` // name of the call
	Service  string   `json:"service,omitzero"`
	Error    string   `json:"error,omitzero"` // of the call
	Events   int64    `json:"events"`         // exact
	Trigger  string   `json:"trigger_event_id,omitzero"`
	EventIDs []string `json:"event_ids,omitempty"` // the newest
}

// When it happened, event time, RFC 3339 with milliseconds.
type When struct {
	Time string `json:"time"` // of this step
	// First and Last are the events of the finding; of a baseline the window.
	First string `json:"first,omitzero"`
	Last  string `json:"last,omitzero"`
	// Arrived is when Cairn learned of it.
	Arrived string `json:"arrived,omitzero"`
}

// Where it happened.
type Where struct {
	Account     string `json:"account,omitzero"`
	Alias       string `json:"account_alias,omitzero"`
	Owner       string `json:"account_owner,omitzero"`
	Environment string `json:"account_environment,omitzero"`
	Region      string `json:"region,omitzero"`
	Address     string `json:"address,omitzero"`
	UserAgent   string `json:"user_agent,omitzero"`
}

// Why it is a finding.
type Why struct {
	Reasons     []string `json:"reasons,omitempty"` // sentences
	Observed    *float64 `json:"observed,omitzero"`
	Threshold   *float64 `json:"threshold,omitzero"`
	Expected    *float64 `json:"expected,omitzero"`
	Probability string   `json:"probability,omitzero"`
	Steps       []Step   `json:"steps,omitempty"`
	Approximate bool     `json:"approximate,omitzero"`
	Incomplete  bool     `json:"incomplete,omitzero"`
	Learning    bool     `json:"learning,omitzero"`
}

// Step is what one rule contributed to a sequence.
type Step struct {
	Rule  string `json:"rule"` // its title if it is known, else its id
	Event string `json:"event_id"`
}

// DigestLine says how many alerts of one rule a digest stands for.
type DigestLine struct {
	Rule     string `json:"rule_id"`
	Title    string `json:"title"`
	Severity string `json:"severity"` // the highest
	Alerts   int    `json:"alerts"`
}

// About is what the row of a finding does not have of the event behind it. What
// is empty is taken from the fields that the rule names, if it names them.
type About struct {
	Event, Service, Error, Address, UserAgent string
}

// Knowledge is what messages say beside what a finding and its event have.
type Knowledge struct {
	Rule  func(id string) (Rule, bool) // nil: nothing is known of rules
	Flags string                       // of "cairn findings show", to find the lake; as a shell takes them
}

func (k Knowledge) rule(id string) (Rule, bool) {
	if k.Rule == nil {
		return Rule{}, false
	}
	return k.Rule(id)
}

var numbers = map[string]float64{"informational": 0, "low": 3, "medium": 5, "high": 8, "critical": 9.5}

// compose says what a row says, and what is known beside it.
func compose(id string, r *export.FindingRow, about About, known Knowledge) *Message {
	m := &Message{
		Version: 1, ID: id, Finding: r.FindingID, Step: stepOf(r), Status: r.State, Severity: r.Severity, SeverityNumber: numbers[r.Severity], Text: safe(r.Summary),
		Rule: describe(r, known), Who: Who{Actor: text(r.ActorRoot), Role: text(r.ActorRole), Session: text(r.ActorSession)},
		When: When{Time: stamp(r.EventTS)}, Resources: safeList(r.ResourceKeys),
		Where: Where{Account: text(r.AccountID), Alias: text(r.AccountAlias), Region: text(r.Region)},
	}
	if m.Step == "update" {
		m.Text = "Update: " + m.Text
	}
	if r.ArrivalTS > 0 {
		m.When.Arrived = stamp(r.ArrivalTS)
	}
	field := func(given, path string) string { return safe(cmp.Or(given, r.Fields[path])) }
	m.What = What{Event: field(about.Event, "eventName"), Service: field(about.Service, "eventSource"), Error: field(about.Error, "errorCode"),
		Events: r.EventCount, Trigger: r.TriggerEventID, EventIDs: newest(r.EventIDs, maxIDs)}
	m.Where.Address, m.Where.UserAgent = field(about.Address, "sourceIPAddress"), field(about.UserAgent, "userAgent")
	m.Group, m.Fields = safeMap(r.GroupKey), safeMap(r.Fields)
	m.When.First, m.When.Last = m.lasting(r)
	m.Where.Owner, m.Where.Environment = m.take("account.owner"), m.take("account.environment")
	m.Why = why(r, m, known)
	m.Text += m.aside()
	m.Next = []string{strings.TrimSpace("cairn findings show " + shortID(r.FindingID) + " " + strings.TrimSpace(known.Flags))}
	m.shorten()
	return m
}

// shortID is as much of an id as a person needs: the command line takes any
// beginning that tells findings apart.
func shortID(id string) string { return id[:min(len(id), 12)] }

// take takes a field out that the message says elsewhere.
func (m *Message) take(field string) string {
	value := m.Fields[field]
	delete(m.Fields, field)
	return value
}

// lasting is when the first and the last event of the finding were: of a
// correlation its own, of what counts in windows the window.
func (m *Message) lasting(r *export.FindingRow) (first, last string) {
	began, err := time.Parse(time.RFC3339, m.take(export.BeganField))
	ended, err2 := time.Parse(time.RFC3339, m.take(export.EndedField))
	switch {
	case err == nil && err2 == nil:
		return stamp(began.UnixMilli()), stamp(ended.UnixMilli())
	case r.WindowStartTS != nil && r.WindowEndTS != nil:
		return stamp(*r.WindowStartTS), stamp(*r.WindowEndTS)
	}
	return "", ""
}

func describe(r *export.FindingRow, known Knowledge) Rule {
	out, _ := known.rule(r.RuleID)
	out.Description, out.Runbook = strings.TrimSpace(out.Description), strings.TrimSpace(out.Runbook)
	out.ID, out.Version, out.Title, out.Kind, out.Tags, out.Tactic = r.RuleID, r.RuleVersion, export.Plain(r.RuleTitle), r.RuleKind, r.Tags, tactic(r.Tags)
	return out
}

// tactic is the first tag that names a tactic of ATT&CK, without the prefix. A
// technique is a t or an s, and digits.
func tactic(tags []string) string {
	for _, tag := range tags {
		name, ok := strings.CutPrefix(strings.ToLower(tag), "attack.")
		if ok && name != "" && !(len(name) > 1 && strings.ContainsRune("tsg", rune(name[0])) && name[1] >= '0' && name[1] <= '9') {
			return name
		}
	}
	return ""
}

// why takes the reasons out of a row and what is said elsewhere out of the
// fields of the message.
func why(r *export.FindingRow, m *Message, known Knowledge) Why {
	w := Why{Observed: r.Observed, Threshold: r.Threshold, Expected: r.Expected, Probability: r.Fields["probability"],
		Approximate: r.Fields["approximate"] != "", Incomplete: r.Fields["incomplete"] == "true", Learning: r.Fields["confidence"] == "learning" || r.Fields["learning"] == "true"}
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		id, ok := strings.CutPrefix(name, "step.")
		if !ok {
			continue
		}
		step := Step{Rule: id, Event: r.Fields[name]}
		if part, ok := known.rule(id); ok && part.Title != "" {
			step.Rule = part.Title
		}
		w.Steps = append(w.Steps, step)
		delete(m.Fields, name)
	}
	w.Reasons = reasons(r, &w)
	return w
}

// reasons are sentences for people, most important first: what neither the
// sentence about the finding nor the description of its rule tells.
func reasons(r *export.FindingRow, w *Why) (out []string) {
	put := func(when bool, sentence string) {
		if when {
			out = append(out, sentence)
		}
	}
	switch {
	case r.State == "resolved" && r.Fields[export.ReasonField] == export.NotKnown:
		put(true, "a change left open whether it still holds: look at the resource")
	case r.State == "resolved":
		put(true, "what the rule looks for is no longer so")
	case r.RuleKind == "first_seen":
		put(r.Fields["new_for"] == "account", "the value is new in the whole account")
		put(r.Fields["new_for"] == "parent", "the value is new here, although "+r.Fields["other_parents"]+" others of the account have it")
		put(r.Fields["parent_since"] != "", "known since "+r.Fields["parent_since"]+" without it")
	}
	put(r.Fields["upper_band"] != "", "unusual from "+r.Fields["upper_band"]+" on")
	put(w.Probability != "", chance(w.Probability))
	put(w.Approximate, "the value is approximate")
	put(w.Incomplete, "something may be missing: not all events of the window are known")
	put(w.Learning, "little is known of the usual behaviour yet")
	return out
}

// chance says how seldom a probability is, as people can picture it.
func chance(probability string) string {
	p, err := strconv.ParseFloat(probability, 64)
	if err != nil || p <= 0 || p >= 1 {
		return "the probability of this or more is " + probability
	}
	often := strconv.FormatFloat(1/p, 'f', 0, 64)
	switch n := 1 / p; {
	case n >= 999.5e6: // what rounds to it
		often = "more than a billion"
	case n >= 999.5e3:
		often = strconv.FormatFloat(n/1e6, 'f', 0, 64) + " million"
	case n >= 999.5:
		often = strconv.FormatFloat(n/1e3, 'f', 0, 64) + " thousand"
	}
	return "as much as this comes by chance in one of " + often + " windows"
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return safe(*s)
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func safeMap(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = safeValue(k, v)
	}
	return out
}

func safeList(in []string) (out []string) {
	for _, s := range in {
		out = append(out, safe(s))
	}
	return out
}

func newest(ids []string, n int) []string { return ids[max(len(ids)-n, 0):] }
