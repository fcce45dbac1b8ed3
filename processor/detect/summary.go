package detect

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
)

const clock = "2006-01-02 15:04:05 MST"

// told says who did what, where and when, in one sentence.
func told(f *Finding) string {
	if f.EventID == "" {
		return f.Rule.Title + ": found so at " + f.Time.Format(clock)
	}
	var b strings.Builder
	b.WriteString(f.Rule.Title + ": " + cmp.Or(f.Root, "somebody unknown"))
	if f.Session != "" {
		b.WriteString(" (session " + f.Session + ")")
	}
	b.WriteString(" called " + f.Name + " of " + strings.TrimSuffix(f.Source, ".amazonaws.com"))
	if f.Account != "" {
		b.WriteString(" in account " + f.Account)
	}
	if f.Region != "" {
		b.WriteString(", " + f.Region + ",")
	}
	if f.Address != "" {
		b.WriteString(" from " + f.Address)
	}
	b.WriteString(" at " + f.Time.Format(clock))
	if f.Error != "" {
		b.WriteString("; it failed with " + f.Error)
	}
	return b.String()
}

// correlated says how many events of which group came together, and what
// completed them.
func correlated(f *Finding) string {
	var b strings.Builder
	b.WriteString(f.Rule.Title + ": ")
	if f.Step == End {
		b.WriteString("over; ")
	}
	b.WriteString(count(f.Count, "event"))
	if f.Threshold != nil && f.Observed != nil && *f.Observed != float64(f.Count) {
		b.WriteString(", " + strconv.FormatFloat(*f.Observed, 'g', 6, 64) + " against a limit of " + strconv.FormatFloat(*f.Threshold, 'g', 6, 64) + ",")
	}
	for i, p := range f.Group {
		b.WriteString([]string{" with ", " and "}[min(i, 1)] + p.Name + " " + p.Value)
	}
	if f.Account != "" {
		b.WriteString(" in account " + f.Account)
	}
	if !f.From.IsZero() {
		b.WriteString(" from " + f.From.Format(clock) + " to " + f.To.Format(time.TimeOnly))
	}
	if f.Name != "" {
		b.WriteString("; the last was " + f.Name)
		if f.Root != "" {
			b.WriteString(" by " + f.Root)
		}
		if f.Address != "" {
			b.WriteString(" from " + f.Address)
		}
	}
	return b.String()
}

// newly says what was seen for the first time, and for whom.
func newly(f *Finding) string {
	last := len(f.Group) - 1
	s := f.Rule.Title + ": " + f.Group[last].Name + " " + f.Group[last].Value
	for i, p := range f.Group[:last] {
		s += []string{" for ", " and "}[min(i, 1)] + p.Name + " " + p.Value
	}
	return s + "; " + strings.TrimPrefix(told(f), f.Rule.Title+": ")
}

// unusually says how much a key did, and how much it usually does.
func unusually(f *Finding, b *baseline.Finding) string {
	var s strings.Builder
	s.WriteString(f.Rule.Title + ": ")
	if f.Step == End {
		s.WriteString("over; ")
	}
	amount := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	s.WriteString(amount(b.Observed) + " where about " + amount(b.Expected) + " is usual")
	for i, p := range f.Group {
		s.WriteString([]string{" for ", " and "}[min(i, 1)] + p.Name + " " + p.Value)
	}
	if f.Account != "" {
		s.WriteString(" in account " + f.Account)
	}
	s.WriteString(" from " + b.WindowStart.Format(clock) + " to " + b.WindowEnd.Format(time.TimeOnly))
	if b.Learning {
		s.WriteString("; little is known of it yet")
	}
	return s.String()
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
