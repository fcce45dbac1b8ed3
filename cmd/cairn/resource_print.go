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
	"github.com/cairnstream/cairn/processor/resource"
)

// printResource prints all that is known of a resource, a line each.
func printResource(w io.Writer, r *export.ResourceRow) {
	line := func(name, text string) {
		if text != "" {
			_, _ = fmt.Fprintf(w, "%-14s %s\n", name, text)
		}
	}
	line("key", r.ResourceKey)
	line("arn", value(r.ARN))
	line("type", r.Type)
	line("name", value(r.Name))
	line("state", r.State)
	line("origin", r.Origin)
	line("owner", value(r.Owner))
	line("environment", value(r.Environment))
	line("created", deed(r.CreatedTS, r.CreatedBy, value(r.CreatedVia)))
	line("changed", deed(&r.ChangedTS, r.ChangedBy, r.ChangedEventName))
	line("deleted", deed(r.DeletedTS, r.DeletedBy, ""))
	printPairs(w, "attributes", r.Attributes)
	printPairs(w, "tags", r.Tags)
	for i, m := range r.Relations {
		title := ""
		if i == 0 {
			title = "relations"
		}
		_, _ = fmt.Fprintf(w, "%-14s %s %s\n", title, m.Kind, m.ResourceKey)
	}
	line("unknown", strings.Join(r.Unknown, ", "))
}

func printPairs(w io.Writer, title string, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		_, _ = fmt.Fprintf(w, "%-14s %s = %s\n", title, k, m[k])
		title = ""
	}
}

// deed is when and by whom, with how in brackets.
func deed(at *int64, by *string, how string) string {
	if at == nil {
		return ""
	}
	text := stamp(at) + " UTC"
	if by != nil {
		text += " by " + *by
	}
	if how != "" {
		text += " (" + how + ")"
	}
	return text
}

type resourcesHistoryCmd struct {
	place
	output
	Resource string `arg:"" help:"Key, ARN, or id."`
}

// Run lists the changes of one resource, oldest first.
func (c *resourcesHistoryCmd) Run(e *env) error {
	at, _, err := c.reader(e.ctx)
	if err != nil {
		return err
	}
	lake, err := at.openLake(e.ctx)
	if err != nil {
		return err
	}
	changes, err := processor.History(e.ctx, lake, c.Resource)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return fmt.Errorf("no change of %q is known: \"cairn resources list\" shows ids, keys and ARNs", c.Resource)
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"changes": allColumns(changes)})
	}
	t := table{head: []string{"TIME", "EFFECT", "EVENT", "STATE", "BY", "WHAT"}}
	for _, r := range changes {
		t.add(time.UnixMilli(r.EventTS).UTC().Format(time.DateTime), r.Effect, r.EventName, value(r.State), short(value(r.ActorRoot)), what(&r))
	}
	t.print(e.out)
	if last := changes[len(changes)-1]; value(last.State) == resource.StateCreating {
		_, _ = fmt.Fprintln(e.out, "\nCloudTrail does not report when a creation is over: the inventory shows it as active some time after the last change")
	}
	return nil
}

// what a change sets and removes, in one line.
func what(r *export.ChangeRow) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(r.AttributesSet)) {
		text := k + "=" + r.AttributesSet[k]
		if before, ok := r.AttributesBefore[k]; ok {
			text += " (was " + before + ")"
		}
		parts = append(parts, text)
	}
	for _, k := range slices.Sorted(maps.Keys(r.TagsSet)) {
		parts = append(parts, "tag "+k+"="+r.TagsSet[k])
	}
	for _, k := range r.TagsUnset {
		parts = append(parts, "untag "+k)
	}
	for _, m := range r.RelationsAdded {
		parts = append(parts, "+"+m.Kind+" "+related(m.ResourceKey))
	}
	for _, m := range r.RelationsRemoved {
		parts = append(parts, "-"+m.Kind+" "+related(m.ResourceKey))
	}
	return strings.Join(parts, ", ")
}

// related is the last part of the key or the ARN of a resource; what is no name
// of a resource, as a rule of a security group, stands whole.
func related(name string) string {
	parts := strings.SplitN(name, "/", 4)
	switch {
	case len(parts) == 4 && strings.Contains(parts[2], "::"):
		return parts[3]
	case strings.HasPrefix(name, "arn:"):
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	return name
}
