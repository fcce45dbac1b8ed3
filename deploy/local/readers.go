package local

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
)

// Count is what verify.mjs tells about one path of a file; its comment defines each number.
type Count struct {
	Kind     string         `json:"kind"`     // string, integer, time, boolean, double, struct, list or map
	Values   int64          `json:"values"`   // slots, NULLs included
	Nulls    int64          `json:"nulls"`    // slots that are NULL
	Empty    int64          `json:"empty"`    // empty strings
	Distinct int64          `json:"distinct"` // different values, without NULL
	Sum      string         `json:"sum"`      // bytes of strings, the numbers, milliseconds, trues; "" for doubles and containers
	Lengths  map[string]int `json:"lengths"`  // length of a list or map → how often; NULLs not among them
}

// Counts is one reader's account of one file.
type Counts struct {
	Rows  int64            `json:"rows"`
	Paths map[string]Count `json:"paths"` // by dotted path; `.element` are a list's items, `.key` and `.value` a map's
}

// FileCounts is what both readers say about one file.
type FileCounts struct {
	File      string `json:"file"` // path below the lake
	DuckDB    Counts `json:"duckdb"`
	Hyparquet Counts `json:"hyparquet"`
}

// Verify counts all columns of all Parquet files below the folder lake, with DuckDB and with hyparquet. It fails when one of
// them cannot read a file; it does not compare them.
func Verify(ctx context.Context, lake string) ([]FileCounts, error) {
	var files []FileCounts
	err := script(ctx, &files, nil, "verify.mjs", lake)
	return files, err
}

// Result is a table that a query gave. A cell is what JSON makes of it: string, float64, bool, nil, []any, map[string]any. Numbers
// of 64 bits and times come as text, as DuckDB prints them.
type Result struct {
	Columns []string `json:"columns"`
	Types   []string `json:"types"`
	Rows    [][]any  `json:"rows"`
}

// Query runs SQL statements over a lake in the dialect that Athena and DuckDB share, with the views and macros of duckdb.sql, and returns the result
// of the last statement. query.mjs tells how UNNEST of a list of structs is rewritten. With an empty lake it is plain DuckDB.
func Query(ctx context.Context, lake, sql string) (Result, error) {
	var result Result
	err := script(ctx, &result, []byte(sql), "query.mjs", lake)
	return result, err
}

// Difference is what two lakes have of a table or, of resources, of a snapshot: each pair is for the first lake and the second.
type Difference struct {
	What     string      `json:"what"`     // "events", "resources 2026-03-01T13-00", "sums of progress"
	Rows     [2]int      `json:"rows"`     // how many there are
	Only     [2]int      `json:"only"`     // how many of them the other lake has not
	Alone    bool        `json:"alone"`    // a snapshot that only one of them has; its rows are not counted as differences
	Examples [2][]string `json:"examples"` // some of Only, as JSON
}

// Compare holds the rows of two lakes against each other with DuckDB. compare.mjs tells what is compared and what is not.
func Compare(ctx context.Context, first, second string) ([]Difference, error) {
	var found []Difference
	err := script(ctx, &found, nil, "compare.mjs", first, second)
	return found, err
}

// Dialect names a grammar of ParseSQL.
type Dialect string

// The grammars: Hive's reads table definitions, Trino's queries and views.
const (
	Hive  Dialect = "hive"
	Trino Dialect = "trino"
)

// Statement is one SQL statement and the grammar that it should keep.
type Statement struct {
	Dialect Dialect `json:"dialect"`
	SQL     string  `json:"sql"`
}

// SyntaxError is one place where a statement breaks its grammar; line and column count from 1.
type SyntaxError struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// Error gives the place and the parser's message.
func (e SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// ParseSQL returns for each statement the places where it breaks its grammar: an empty list means that it was accepted.
func ParseSQL(ctx context.Context, statements []Statement) ([][]SyntaxError, error) {
	input, err := json.Marshal(statements)
	if err != nil {
		return nil, fmt.Errorf("parse SQL: %w", err)
	}
	var found [][]SyntaxError
	if err := script(ctx, &found, input, "parse-sql.mjs"); err != nil {
		return nil, err
	}
	if len(found) != len(statements) {
		return nil, fmt.Errorf("parse SQL: %d answers to %d statements", len(found), len(statements))
	}
	return found, nil
}

// script runs a script whose output is one JSON value and decodes it into out. Folders are made absolute, since the
// programs put them into messages and globs.
func script(ctx context.Context, out any, input []byte, name string, folder ...string) error {
	for i, f := range folder {
		if f == "" {
			continue
		}
		abs, err := filepath.Abs(f)
		if err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
		folder[i] = abs
	}
	data, err := run(ctx, input, name, folder...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("node %s: output: %w", name, err)
	}
	return nil
}
