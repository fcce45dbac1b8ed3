package detect

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/window"
)

const clock = "2006-01-02 15:04:05 MST"

// mostNamed is how many resources a sentence names.
const mostNamed = 2

// told says who did what to what, where and when, in one sentence.
func told(f *Finding) string { return f.Rule.Title + ": " + act(f) }

// act is the sentence without the title of the rule.
func act(f *Finding) string {
	if f.EventID == "" {
		return resources(f) + prefixed(" of account ", account(f)) + " was found so at " + f.Time.Format(clock)
	}
	s := who(f) + " called " + call(f) + prefixed(" on ", resources(f)) + prefixed(" in account ", account(f))
	if f.Region != "" {
		s += ", " + f.Region + ","
	}
	return s + origin(f) + " at " + f.Time.Format(clock) + prefixed("; it failed with ", f.Error)
}

// who is the first principal, the role that it acted by and the session.
func who(f *Finding) string {
	name := cmp.Or(export.ActorName(f.Root, f.Account), "somebody unknown")
	if f.Role != "" && f.Role != f.Root {
		name += " as " + export.ActorName(f.Role, f.Account)
	}
	if f.Session != "" {
		name += " (session " + f.Session + ")"
	}
	return name
}

// call names what was called, without the version that Lambda's names end
// with.
func call(f *Finding) string {
	name := f.Name
	if at := strings.Index(name, "20"); at > 0 && strings.TrimLeft(name[at:], "0123456789_v") == "" {
		name = name[:at]
	}
	return name + " (" + strings.TrimSuffix(f.Source, ".amazonaws.com") + ")"
}

func resources(f *Finding) string {
	var names []string
	for i, key := range f.Resources {
		if i == mostNamed {
			names = append(names, count(int64(len(f.Resources)-mostNamed), "more resource"))
			break
		}
		names = append(names, export.ResourceName(key))
	}
	return strings.Join(names, " and ")
}

func account(f *Finding) string {
	if f.Alias == "" || f.Account == "" {
		return f.Account
	}
	return f.Account + " (" + f.Alias + ")"
}

// origin is where the call came from: an address, or the service that made it.
func origin(f *Finding) string {
	if f.Address == "" {
		return ""
	}
	if strings.HasSuffix(f.Address, ".amazonaws.com") {
		return " through " + f.Address
	}
	return " from " + f.Address
}

// correlated says what came together, of which group, and what completed it.
func correlated(f *Finding) string {
	s := f.Rule.Title + ": "
	if f.Step == End {
		s += "over; "
	}
	if missed := absent(f); len(missed) > 0 && len(f.Parts) > 0 {
		return s + unfollowed(f, missed)
	}
	s += together(f)
	for _, p := range f.Group {
		name := groupName(f, p)
		s += map[bool]string{true: " with ", false: " by "}[strings.HasSuffix(name, " "+p.Value)] + name
	}
	s += prefixed(" in account ", account(f))
	s += lasting(f)
	if f.Name != "" {
		s += "; " + place(f) + " " + call(f) + prefixed(" by ", byWhom(f)) + origin(f)
	}
	return s
}

// place says which of its events the one in hand is. Events arrive in any order:
// the one that completes a finding need not be the newest.
func place(f *Finding) string {
	switch n := len(f.EventIDs); {
	case n == 0 || f.EventIDs[n-1] == f.EventID:
		return "the last was"
	case f.Step == End:
		return "it was completed by"
	}
	return "the last to arrive was"
}

// lasting is from when to when the events were, which may be much shorter than
// the window in which they were counted.
func lasting(f *Finding) string {
	switch {
	case !f.Began.IsZero():
		return period(f.Began, f.Ended)
	case !f.From.IsZero():
		return period(f.From, f.To)
	}
	return ""
}

// byWhom is who completed it, unless the group has said so.
func byWhom(f *Finding) string {
	for _, p := range f.Group {
		if p.Value == f.Root {
			return ""
		}
	}
	if f.Root == "" {
		return ""
	}
	return who(f)
}

// groupName is the value that a rule groups by, with its name where the value
// does not tell what it is.
func groupName(f *Finding, p Pair) string {
	if strings.HasPrefix(p.Value, "arn:") && strings.Contains(p.Value, ":iam:") {
		return export.ActorName(p.Value, f.Account)
	}
	return p.Name[strings.LastIndexByte(p.Name, '.')+1:] + " " + p.Value
}

// together is what came together in the window.
func together(f *Finding) string {
	spec := f.Rule.Correlation
	switch spec.Type {
	case window.Temporal, window.TemporalOrdered:
		return sequence(f, spec)
	case window.EventCount:
		return count(f.Count, "event") + limit(f)
	}
	if f.Observed == nil {
		return count(f.Count, "event")
	}
	var fields []string
	for _, path := range spec.Condition.Fields {
		fields = append(fields, path[strings.LastIndexByte(path, '.')+1:])
	}
	of := " of " + strings.Join(fields, " and ")
	what := strings.TrimPrefix(spec.Type.String(), "value_") + of + " " + figure(*f.Observed)
	if spec.Type == window.ValueCount {
		what = count(int64(*f.Observed), "different value") + of
	}
	return what + limit(f) + " in " + count(f.Count, "event")
}

func limit(f *Finding) string {
	if f.Threshold == nil || f.Step == End {
		return ""
	}
	return " (limit " + figure(*f.Threshold) + ")"
}

// sequence names the rules that matched. An end has no parts.
func sequence(f *Finding, spec *window.Spec) string {
	if len(f.Parts) == 0 {
		return count(f.Count, "event")
	}
	var met []string
	for _, p := range f.Parts {
		if p.Rule != nil && p.Events > 0 {
			met = append(met, p.Rule.Title)
		}
	}
	return strings.Join(met, map[bool]string{true: ", then ", false: " and "}[spec.Type == window.TemporalOrdered]) + " within " + spell(spec.Timespan)
}

// unfollowed says what was done, and what did not happen after it.
func unfollowed(f *Finding, missed []string) string {
	s := who(f) + " called " + call(f)
	for _, p := range f.Group {
		if p.Value != f.Root {
			s += " with " + groupName(f, p)
		}
	}
	return s + prefixed(" in account ", account(f)) + origin(f) + " at " + f.From.Format(clock) + "; within " + spell(f.Rule.Correlation.Timespan) + " this did not come: " + strings.Join(missed, " or ")
}

// absent are the titles of the rules whose absence counts.
func absent(f *Finding) (titles []string) {
	spec := f.Rule.Correlation
	not := map[int]bool{}
	absences(spec.Condition.When, false, not)
	for i := range spec.Rules {
		if title := partOf(f, i); not[i] && title != "" {
			titles = append(titles, title)
		}
	}
	return titles
}

func partOf(f *Finding, i int) string {
	if i < len(f.Rule.Parts) && f.Rule.Parts[i].Rule != nil {
		return f.Rule.Parts[i].Rule.Title
	}
	return ""
}

// absences notes the rules that must not have matched.
func absences(e *window.Expr, not bool, into map[int]bool) {
	if e == nil {
		return
	}
	if e.Op == window.Is && not {
		into[e.Rule] = true
	}
	for _, arg := range e.Args {
		absences(arg, not != (e.Op == window.Not), into)
	}
}

// spell writes a duration without parts that are zero.
func spell(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// period is a window of time; the day and the zone stand once.
func period(from, to time.Time) string {
	switch {
	case from.Unix() == to.Unix():
		return " at " + from.Format(clock)
	case from.Format(time.DateOnly) == to.Format(time.DateOnly):
		return from.Format(" from "+time.DateTime) + to.Format(" to 15:04:05 MST")
	}
	return from.Format(" from "+time.DateTime) + " to " + to.Format(clock)
}

// newly says what was seen for the first time, and for whom.
func newly(f *Finding) string {
	last := len(f.Group) - 1
	s := f.Rule.Title + ": " + groupName(f, f.Group[last]) + " is new"
	for i, p := range f.Group[:last] {
		s += []string{" for ", " and "}[min(i, 1)] + groupName(f, p)
	}
	return s + "; " + act(f)
}

// unusually says how much a key did, and how much it usually does.
func unusually(f *Finding, b *baseline.Finding) string {
	s := f.Rule.Title + ": "
	if f.Step == End {
		s += "over; "
	}
	s += rounded(b.Observed) + prefixed(" ", counted(f)) + " where about " + rounded(b.Expected) + " is usual"
	for i, p := range f.Group {
		s += []string{" for ", " and "}[min(i, 1)] + groupName(f, p)
	}
	s += prefixed(" in account ", account(f)) + period(b.WindowStart, b.WindowEnd)
	if b.Learning {
		s += "; little is known of it yet"
	}
	return s
}

// counted is what a baseline counts.
func counted(f *Finding) string {
	if f.Rule.Baseline == nil {
		return ""
	}
	settings := f.Rule.Baseline.WithDefaults()
	field := settings.Field[strings.LastIndexByte(settings.Field, '.')+1:]
	switch settings.Statistic {
	case baseline.ErrorCount:
		return "failed calls"
	case baseline.Distinct:
		return "different values of " + field
	case baseline.Sum:
		return "of " + field
	}
	return "calls"
}

func figure(v float64) string  { return strconv.FormatFloat(v, 'g', 6, 64) }
func rounded(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
