package detect

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const clock = "2006-01-02 15:04:05 MST"

// told says who did what, where and when, in one sentence.
func told(f *Finding) string {
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

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
