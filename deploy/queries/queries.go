// Package queries holds the queries that come with Cairn: one file each, in
// Trino's dialect, over the database cairn. Dates, names and ids in them are
// examples to be replaced.
package queries

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Query is one query.
type Query struct {
	Name  string // of its file, without number and ending: "access-denied"
	Title string // its first line
	SQL   string // without a semicolon at its end
}

// All returns the queries in the order of their numbers.
func All() ([]Query, error) {
	entries, err := files.ReadDir(".") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("queries: %w", err)
	}
	out := make([]Query, 0, len(entries))
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("queries: %w", err)
		}
		q, err := parse(e.Name(), string(data))
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

// parse takes a file apart: a comment with the title, then the statement.
func parse(file, text string) (Query, error) {
	_, name, found := strings.Cut(strings.TrimSuffix(file, ".sql"), "-")
	title, sql, more := strings.Cut(text, "\n")
	title, comment := strings.CutPrefix(title, "-- ")
	if !found || !more || !comment {
		return Query{}, fmt.Errorf("queries: %s does not begin with a number and a title", file)
	}
	return Query{Name: name, Title: title, SQL: strings.TrimSpace(sql)}, nil
}
