package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/resource"
)

type resourcesCmd struct {
	List    resourcesListCmd    `cmd:"" default:"withargs" help:"List resources; the same as resources alone."`
	Show    resourcesShowCmd    `cmd:"" help:"Show all that is known of one resource."`
	History resourcesHistoryCmd `cmd:"" help:"Show who changed a resource, when and how."`
}

// inventoryFlags say which inventory is meant.
type inventoryFlags struct {
	place
	output
	accountsFlag
	AsOf      string   `help:"The inventory as of this time instead of now, RFC 3339 or YYYY-MM-DD." placeholder:"TIME"`
	Catalogue []string `help:"Folder of inventory catalogue files to add (repeatable)." placeholder:"DIR" env:"CAIRN_CATALOGUE"`
}

// rows reads the inventory, sorted by key.
func (f *inventoryFlags) rows(e *env) ([]export.ResourceRow, error) {
	more, err := folders(f.Catalogue)
	if err != nil {
		return nil, err
	}
	catalogue, err := resource.LoadCatalogue(more...)
	if err != nil {
		return nil, err
	}
	book, err := f.book(e)
	if err != nil {
		return nil, err
	}
	catalogue = catalogue.WithAccounts(book)
	at, store, err := f.reader(e.ctx)
	if err != nil {
		return nil, err
	}
	var rows []export.ResourceRow
	if f.AsOf != "" {
		rows, err = f.past(e.ctx, at, catalogue)
	} else {
		rows, err = processor.InventoryRows(e.ctx, store, f.app(), catalogue)
	}
	slices.SortFunc(rows, func(a, b export.ResourceRow) int { return strings.Compare(a.ResourceKey, b.ResourceKey) })
	return rows, err
}

// past folds the changelog up to a time.
func (f *inventoryFlags) past(ctx context.Context, at place, catalogue *resource.Catalogue) ([]export.ResourceRow, error) {
	t, err := parseTime(f.AsOf)
	if err != nil {
		return nil, usageError{fmt.Errorf("--as-of %q is no time: write 2026-03-01T14:00:00Z or 2026-03-01", f.AsOf)}
	}
	lake, err := at.openLake(ctx)
	if err != nil {
		return nil, err
	}
	return processor.InventoryAsOf(ctx, lake, catalogue, t)
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	return time.Parse(time.DateOnly, text)
}

type resourcesListCmd struct {
	inventoryFlags
	Type    string            `help:"Only this type, as AWS::EC2::Instance; a trailing * matches several." placeholder:"TYPE"`
	Account string            `help:"Only this account." placeholder:"ID"`
	Region  string            `help:"Only this region." placeholder:"NAME"`
	Status  string            `help:"Only this state: creating, active, stopped, deleted, unknown; without it, all but deleted." placeholder:"STATE"`
	Owner   string            `help:"Only this owner." placeholder:"NAME"`
	Tag     map[string]string `help:"Only with this tag (repeatable): --tag KEY=VALUE." placeholder:"KEY=VALUE" mapsep:"none"`
	Limit   int               `help:"At most so many rows of text; 0: all." default:"100"`
}

// states are the words of --status.
var states = []string{resource.StateCreating, resource.StateActive, resource.StateStopped, resource.StateDeleted, resource.StateUnknown}

// Run lists the resources that pass the filters.
func (c *resourcesListCmd) Run(e *env) error {
	if c.Status != "" && !slices.Contains(states, c.Status) {
		return oneOf("--status", c.Status, states...)
	}
	rows, err := c.rows(e)
	if err != nil {
		return err
	}
	types := typesOf(rows)
	rows = slices.DeleteFunc(rows, func(r export.ResourceRow) bool { return !c.wants(&r) })
	if c.json() {
		return printJSON(e.out, map[string]any{"resources": allColumns(rows)})
	}
	if err := c.print(e, rows); err != nil || len(rows) > 0 {
		return err
	}
	_, err = fmt.Fprintln(e.out, c.hint(types))
	return err
}

func typesOf(rows []export.ResourceRow) []string {
	seen := map[string]bool{}
	for i := range rows {
		seen[rows[i].Type] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// hint says what there is for somebody who found nothing.
func (c *resourcesListCmd) hint(types []string) string {
	const most = 12
	switch n := len(types); {
	case n == 0 && c.AsOf != "":
		return "no resource was known at " + c.AsOf + ": no change in the lake is that old"
	case n == 0:
		return "the inventory is empty: no event in the lake made or changed a resource"
	case c.Type != "" && !slices.ContainsFunc(types, c.ofType):
		return "no such type is known; there are " + strings.Join(types[:min(n, most)], ", ") + more(n-most)
	}
	return "the inventory has resources, and none passes all filters: leave one out, or add --status deleted for those that are gone"
}

// ofType tells whether a type is that of --type.
func (c *resourcesListCmd) ofType(name string) bool {
	prefix, wild := strings.CutSuffix(c.Type, "*")
	return c.Type == "" || name == c.Type || wild && strings.HasPrefix(name, prefix)
}

// wants tells whether a resource passes the filters.
func (c *resourcesListCmd) wants(r *export.ResourceRow) bool {
	switch {
	case !c.ofType(r.Type),
		c.Account != "" && r.AccountID != c.Account,
		c.Region != "" && r.Region != c.Region,
		c.Owner != "" && value(r.Owner) != c.Owner,
		c.Status == "" && r.State == resource.StateDeleted,
		c.Status != "" && r.State != c.Status:
		return false
	}
	for k, v := range c.Tag {
		if got, ok := r.Tags[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func (c *resourcesListCmd) print(e *env, rows []export.ResourceRow) error {
	t := table{head: []string{"TYPE", "ID", "NAME", "STATE", "ACCOUNT", "REGION", "OWNER", "CREATED", "BY"}}
	shown := rows
	if c.Limit > 0 && len(rows) > c.Limit {
		shown = rows[:c.Limit]
	}
	for _, r := range shown {
		name := value(r.Name)
		if name == r.ResourceID {
			name = ""
		}
		t.add(r.Type, r.ResourceID, name, r.State, r.AccountID, r.Region, value(r.Owner), stamp(r.CreatedTS), short(value(r.CreatedBy)))
	}
	t.print(e.out)
	if len(rows) == 0 {
		_, _ = fmt.Fprintln(e.out, "no resources match")
	}
	if more := len(rows) - len(shown); more > 0 {
		_, _ = fmt.Fprintf(e.out, "… and %s more: --limit 0 shows all\n", count(int64(more)))
	}
	return nil
}

type resourcesShowCmd struct {
	inventoryFlags
	Resource string `arg:"" help:"Key, ARN, or id."`
}

// Run shows one resource in full.
func (c *resourcesShowCmd) Run(e *env) error {
	rows, err := c.rows(e)
	if err != nil {
		return err
	}
	found := matching(rows, c.Resource)
	if err := one(found, c.Resource); err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, columns{&found[0]})
	}
	printResource(e.out, &found[0])
	return nil
}

// matching are the rows that a person may mean by a key, an ARN or an id.
func matching(rows []export.ResourceRow, what string) []export.ResourceRow {
	var found []export.ResourceRow
	for _, r := range rows {
		if what == r.ResourceKey || what == value(r.ARN) || what == r.ResourceID {
			found = append(found, r)
		}
	}
	return found
}

// one refuses none and several.
func one(found []export.ResourceRow, what string) error {
	switch len(found) {
	case 1:
		return nil
	case 0:
		return fmt.Errorf("no resource %q: \"cairn resources list\" shows ids, \"--status deleted\" those that are gone", what)
	}
	var keys []string
	for _, r := range found {
		keys = append(keys, r.ResourceKey)
	}
	return errors.New("several resources are called " + what + ", name one by its key: " + strings.Join(keys, ", "))
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// stamp is a time for a table.
func stamp(ms *int64) string {
	if ms == nil {
		return ""
	}
	return time.UnixMilli(*ms).UTC().Format("2006-01-02 15:04:05")
}

// short is the last part of an ARN: what a table has room for.
func short(arn string) string {
	if strings.HasPrefix(arn, "arn:") {
		return arn[strings.LastIndexByte(arn, ':')+1:]
	}
	return arn
}
