package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
)

// print tells a person all of it, the most urgent first.
func (d *dossier) print(w io.Writer, on page) {
	r := d.now()
	level := strings.ToUpper(d.severity())
	indent := len(level) + 2
	if on.colour {
		level = strings.Replace(severity(d.severity()), d.severity(), level, 1)
	}
	_, _ = fmt.Fprintf(w, "%s  %s\n\n", level, paragraph(export.Plain(d.telling().Summary), on.width, indent))
	p := sheet{w, on.width}
	d.printWhat(p)
	p.line("why", d.why())
	for _, text := range d.evidence() {
		p.line("", text)
	}
	if note := d.note(); note != "" {
		p.line("note", d.noteInFull(note))
	}
	p.pairs("group", r.GroupKey)
	p.pairs("fields", d.plainFields())
	p.list("resources", r.ResourceKeys)
	d.printLife(p)
	d.printHeldBack(p)
	d.printDelivery(p)
	d.printRule(p)
	d.printEvents(w, on)
}

// sheet prints lines of a name and a text; further lines of the same name have
// none.
type sheet struct {
	w     io.Writer
	width int
}

func (p sheet) line(name, text string) {
	if text != "" {
		_, _ = fmt.Fprintf(p.w, "%-12s %s\n", name, export.Plain(text))
	}
}

// prose prints sentences, which may be broken between words.
func (p sheet) prose(name string, texts ...string) {
	for _, text := range texts {
		if text != "" {
			_, _ = fmt.Fprintf(p.w, "%-12s %s\n", name, paragraph(export.Plain(text), p.width, 13))
		}
		name = ""
	}
}

func (p sheet) list(name string, list []string) {
	for _, text := range list {
		p.line(name, text)
		name = ""
	}
}

func (p sheet) pairs(name string, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		p.line(name, k+" = "+m[k])
		name = ""
	}
}

// printWhat prints who did what, when and where.
func (d *dossier) printWhat(p sheet) {
	r := d.steps[0]
	of := func(get func(*export.EventRow) *string) string { return d.tallied(get) }
	who := value(r.ActorRoot)
	if role := value(r.ActorRole); role != "" && role != who {
		who += " as " + role
	}
	if session := value(r.ActorSession); session != "" {
		who += ", session " + session
	}
	p.line("who", who)
	p.line("", prefixed("key ", of(accessKey)))
	p.line("what", of(func(e *export.EventRow) *string { return e.EventName }))
	p.line("", prefixed("failed: ", of(func(e *export.EventRow) *string { return e.ErrorCode })))
	p.line("when", d.when())
	where := "account " + value(r.AccountID)
	if alias := value(r.AccountAlias); alias != "" {
		where += " (" + alias + ")"
	}
	p.line("where", where+prefixed(", ", value(r.Region)))
	p.line("", prefixed("from ", of(func(e *export.EventRow) *string { return e.SourceIPAddress })))
	p.line("", prefixed("with ", of(func(e *export.EventRow) *string { return e.UserAgent })))
}

func accessKey(e *export.EventRow) *string {
	if e.UserIdentity == nil {
		return nil
	}
	return e.UserIdentity.AccessKeyID
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// tallied are the different values of the finding's events, the most frequent
// first, with how often each stands.
func (d *dossier) tallied(get func(*export.EventRow) *string) string {
	counts := map[string]int{}
	for _, e := range d.events {
		if r := d.steps[0]; r.RuleKind == "resource" && e.EventID != r.TriggerEventID {
			continue // of who put it right
		}
		if v := value(get(e)); v != "" {
			counts[v]++
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	const most = 5
	var parts []string
	for i, name := range names {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		if counts[name] > 1 {
			name += fmt.Sprintf(" ×%d", counts[name])
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}

// when is the time of the events, of the window in which they count, or of the
// one event, and how long it took to get
// here.
func (d *dossier) when() string {
	r := d.steps[0]
	text := stamp(&r.EventTS) + " UTC"
	began, err := time.Parse(time.RFC3339, r.Fields[export.BeganField])
	ended, err2 := time.Parse(time.RFC3339, r.Fields[export.EndedField])
	switch first := began.UnixMilli(); {
	case err == nil && err2 == nil && began.Unix() != ended.Unix():
		text = stamp(&first) + " to " + ended.UTC().Format(time.TimeOnly) + " UTC"
	case err == nil && err2 == nil && time.UnixMilli(r.EventTS).Sub(ended) >= time.Second:
		text = stamp(&first) + " UTC, decided " + stamp(&r.EventTS)
	case err == nil && err2 == nil:
	case r.WindowStartTS == nil || r.WindowEndTS == nil:
	case *r.WindowStartTS == *r.WindowEndTS:
		text = stamp(r.WindowStartTS) + " UTC, decided " + stamp(&r.EventTS)
	default:
		text = stamp(r.WindowStartTS) + " to " + time.UnixMilli(*r.WindowEndTS).UTC().Format(time.TimeOnly) + " UTC"
	}
	if lag := time.Duration(r.ArrivalTS-r.EventTS) * time.Millisecond; lag > 0 {
		text += ", here " + duration(lag.Round(time.Second)) + " later"
	}
	return text
}

func (d *dossier) noteInFull(note string) string {
	r := d.now()
	switch {
	case r.State == "resolved" && r.Fields[export.ReasonField] == export.NotKnown:
		return "no longer known to hold: a later change left open whether it does"
	case r.SuppressedBy != nil:
		return "held back: finding " + shortID(*r.SuppressedBy) + " is about the same"
	case r.Staged:
		return "the rule is on trial: nothing was sent"
	}
	return note
}

// printLife prints the steps, when there is more than one.
func (d *dossier) printLife(p sheet) {
	if len(d.steps) < 2 {
		return
	}
	name := "life"
	for _, r := range d.steps {
		text := fmt.Sprintf("%s %-6s %s", stamp(&r.EventTS), value(r.StateReason), r.Severity)
		if r.Observed != nil {
			text += ", " + amount(*r.Observed)
		}
		text += ", " + plural(r.EventCount, "event")
		if r.State == "resolved" {
			text += ", resolved"
		}
		if reason := r.Fields["reason"]; reason != "" {
			text += " (" + strings.ReplaceAll(reason, "_", " ") + ")"
		}
		p.line(name, text)
		name = ""
	}
}

func (d *dossier) printHeldBack(p sheet) {
	n := len(d.standsFor)
	if n == 0 {
		return
	}
	last := d.standsFor[n-1].now()
	p.line("stands for", plural(int64(n), "more finding")+" held back, the last of "+stamp(&last.EventTS)+" ("+shortID(last.FindingID)+")")
}

// printRule prints what the rule has to say.
func (d *dossier) printRule(p sheet) {
	r := d.now()
	p.line("rule", fmt.Sprintf("%s (%s, %s, version %s)", r.RuleTitle, r.RuleKind, r.RuleID, r.RuleVersion))
	p.line("tags", strings.Join(r.Tags, ", "))
	if d.rule == nil {
		p.line("", "not among the rules at hand: --rules names its folder")
		return
	}
	if !d.same() {
		p.line("", "it has changed since: it is version "+d.rule.Version+" now")
	}
	p.line("", d.rule.Origin.String())
	p.prose("about", d.rule.Description)
	p.prose("runbook", d.rule.Runbook)
	p.list("references", d.rule.References)
	p.prose("may be", d.rule.FalsePositives...)
	p.line("author", d.rule.Author+prefixed(", licence ", d.rule.License))
}

// readEvents is how many of a finding's events a person reads.
const readEvents = 20

// shownEvents are the newest events, and the one that completed the finding.
func (d *dossier) shownEvents() []*export.EventRow {
	if len(d.events) <= readEvents {
		return d.events
	}
	older, shown := d.events[:len(d.events)-readEvents], d.events[len(d.events)-readEvents:]
	for _, e := range older {
		if e.EventID == d.steps[0].TriggerEventID {
			return append([]*export.EventRow{e}, shown...)
		}
	}
	return shown
}

func (d *dossier) printEvents(w io.Writer, on page) {
	total := d.now().EventCount
	shown := d.shownEvents()
	_, _ = fmt.Fprintf(w, "\nEVENTS  %s", plural(total, "event"))
	switch n := int64(len(d.events)); {
	case len(shown) < len(d.events):
		_, _ = fmt.Fprintf(w, "; %d of the %d that are known", len(shown), n)
	case n < total:
		_, _ = fmt.Fprintf(w, "; %d are known", n)
	}
	_, _ = fmt.Fprintln(w, "; * is the one that completed it"+d.lateness())
	d.eventTable(shown, on.table).print(w)
	if len(d.missing) > 0 {
		_, _ = fmt.Fprintf(w, "not in the lake, or not yet: %s\n", strings.Join(d.missing[:min(len(d.missing), 5)], ", ")+more(len(d.missing)-5))
	}
}

// lateness explains a mark that does not stand at the last event of the start.
func (d *dossier) lateness() string {
	r := d.steps[0]
	if n := len(r.EventIDs); n == 0 || r.EventIDs[n-1] == r.TriggerEventID {
		return ""
	}
	return ": it arrived after later ones"
}

// eventTable has a line for each event. What all have in common is told above,
// and left out; so are columns for which there is no room.
func (d *dossier) eventTable(shown []*export.EventRow, width int) *table {
	t := &table{head: []string{"TIME", "EVENT", "ACTOR", "ADDRESS", "ERROR", "WHAT", "ID"}}
	for _, e := range shown {
		id := e.EventID
		if id == d.steps[0].TriggerEventID {
			id += " *"
		}
		t.add(stamp(&e.EventTS), value(e.EventName), export.ActorName(value(e.ActorRoot), value(d.now().AccountID)), value(e.SourceIPAddress), value(e.ErrorCode), d.detailOf(e), id)
	}
	for _, name := range []string{"ACTOR", "ADDRESS", "ERROR", "WHAT"} {
		if t.same(name) || t.empty(name) {
			t.drop(name)
		}
	}
	if t.width() > width { // as much of an id as finds the event in the lake
		for _, row := range t.rows {
			last := &row[len(row)-1]
			id, mark, _ := strings.Cut(*last, " ")
			*last = strings.TrimSpace(shortEvent(id) + " " + mark)
		}
	}
	t.fit(width, nil, elastic{"WHAT", 12}, elastic{"ACTOR", 16}, elastic{"EVENT", 16})
	return t
}

// shortEvent is the beginning of an event's id.
func shortEvent(id string) string {
	if len(id) <= 9 {
		return id
	}
	return id[:8] + "…"
}

// detailOf is what the rule's fields say of one event, the actor's aside.
func (d *dossier) detailOf(e *export.EventRow) string {
	if d.rule == nil {
		return ""
	}
	in, err := processor.InputOf(e)
	if err != nil {
		return "" // its row has it as it came
	}
	var parts []string
	for _, path := range d.rule.Shown() {
		text, ok := path.Shown(in)
		if ok && text != "" && !strings.HasPrefix(path.String(), "userIdentity.") && path.String() != "sourceIPAddress" {
			parts = append(parts, text[strings.LastIndexByte(text, ':')+1:])
		}
	}
	return strings.Join(parts, ", ")
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// printNext names commands that lead on.
func (d *dossier) printNext(w io.Writer, flags string) {
	r := d.steps[0]
	_, _ = fmt.Fprintln(w, "\nNext")
	if actor := value(r.ActorRoot); actor != "" {
		day := d.began().UTC()
		_, _ = fmt.Fprintf(w, "  cairn findings --actor %s --since %s%s\n", quoted(actor), day.AddDate(0, 0, -1).Format(time.DateOnly), flags)
	}
	for _, key := range r.ResourceKeys[:min(len(r.ResourceKeys), 3)] {
		_, _ = fmt.Fprintf(w, "  cairn resources history %s%s\n", quoted(key), flags)
	}
	if d.chart != nil {
		_, _ = fmt.Fprintf(w, "  cairn findings show %s --svg finding.svg%s\n", shortID(r.FindingID), flags)
	}
}
