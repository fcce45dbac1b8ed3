package processor

import (
	"cmp"
	"strings"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
)

// findings makes the rows of the rules that an event met, and returns their
// ids.
func (s *Shard) findings(e *cloudtrail.Event, p *place, changes []resource.Change, matched []*rule.Rule) ([]string, error) {
	if len(matched) == 0 {
		return nil, nil
	}
	ids := make([]string, 0, len(matched))
	for _, r := range matched {
		row := findingRow(e, p, r)
		row.Shard, row.ResourceKeys = s.cfg.Shard, keysOf(changes)
		if err := s.rows.AddFinding(p.day, &row); err != nil {
			return nil, err
		}
		if err := s.raise(&row, p); err != nil {
			return nil, err
		}
		ids = append(ids, row.FindingID)
		s.counts.Findings++
		if !r.Staged {
			s.counts.Alerts++ // nothing else holds a finding back yet
		}
	}
	return ids, nil
}

// findingRow is the start of a finding of a rule about one event.
func findingRow(e *cloudtrail.Event, p *place, r *rule.Rule) export.FindingRow {
	account, region := e.Account(), field(e, cloudtrail.AWSRegion)
	start := "start"
	return export.FindingRow{
		FindingID: rule.FindingID(r, account, e.ID), RuleID: r.ID, RuleVersion: r.Version, RuleTitle: r.Title, RuleKind: "match",
		Severity: r.Level.String(), Tags: r.Tags, State: "open", StateReason: &start,
		EventTS: e.Time.UnixMilli(), ArrivalTS: p.item.Arrival.UnixMilli(), AccountID: optional(account), Region: optional(region),
		ActorRoot: optional(p.actor.Root), ActorRole: optional(p.actor.Role), ActorSession: optional(p.actor.Session),
		EventCount: 1, EventIDs: []string{e.ID}, TriggerEventID: e.ID, Fields: named(e, r), Summary: summary(e, p, r),
		Staged: r.Staged, Sequence: p.item.Sequence,
	}
}

// summary says who did what, where and when, in one sentence.
func summary(e *cloudtrail.Event, p *place, r *rule.Rule) string {
	var b strings.Builder
	b.WriteString(r.Title + ": " + cmp.Or(p.actor.Root, "somebody unknown"))
	if p.actor.Session != "" {
		b.WriteString(" (session " + p.actor.Session + ")")
	}
	b.WriteString(" called " + field(e, cloudtrail.EventName) + " of " + strings.TrimSuffix(field(e, cloudtrail.EventSource), ".amazonaws.com"))
	if account := e.Account(); account != "" {
		b.WriteString(" in account " + account)
	}
	if region := field(e, cloudtrail.AWSRegion); region != "" {
		b.WriteString(", " + region + ",")
	}
	if from := field(e, cloudtrail.SourceIPAddress); from != "" {
		b.WriteString(" from " + from)
	}
	b.WriteString(" at " + e.Time.Format("2006-01-02 15:04:05 MST"))
	if code := field(e, cloudtrail.ErrorCode); code != "" {
		b.WriteString("; it failed with " + code)
	}
	return b.String()
}

// named are the fields that a rule names for its findings.
func named(e *cloudtrail.Event, r *rule.Rule) map[string]string {
	out := map[string]string{}
	for _, path := range r.Fields {
		if f, ok := cloudtrail.FieldByPath(path); ok {
			if s, ok := e.Text(f); ok {
				out[path] = s
			}
			continue
		}
		if v := at(e.Tree(), path); v != nil {
			out[path] = scalarOrJSON(v)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// at follows a dotted path through objects.
func at(v *cloudtrail.Value, path string) *cloudtrail.Value {
	for name := range strings.SplitSeq(path, ".") {
		if v = v.Get(name); v == nil {
			return nil
		}
	}
	return v
}

func scalarOrJSON(v *cloudtrail.Value) string {
	if s, ok := v.Text(); ok {
		return s
	}
	return string(v.Raw())
}

// keysOf are the resources that an event changed.
func keysOf(changes []resource.Change) []string {
	if len(changes) == 0 {
		return nil
	}
	keys := make([]string, len(changes))
	for i := range changes {
		keys[i] = changes[i].Key.String()
	}
	return keys
}

func field(e *cloudtrail.Event, f cloudtrail.Field) string {
	s, _ := e.Text(f)
	return s
}
