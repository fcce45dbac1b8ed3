// Package athena makes the SQL that lets Athena read a lake: a database, five
// tables and four views. Columns and types come from the row types of package
// export, so a table cannot disagree with its files.
//
// Tables use partition projection: no crawler, and no partition is ever added
// by hand. Tables are written in Hive's dialect, which Athena wants for them,
// views and queries in Trino's.
package athena

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/rowlog"
)

// Kind tells what a statement makes.
type Kind string

// The kinds, in the order in which Statements returns them.
const (
	Database Kind = "database"
	TableDDL Kind = "table"
	View     Kind = "view"
)

// Statement is one SQL statement without a semicolon at its end.
type Statement struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
	SQL  string `json:"sql"`
}

// Options are what the statements depend on.
type Options struct {
	LakeURL  string // "s3://bucket/prefix": the folder above the tables
	Database string // name of the database; empty: "cairn"
	From     string // first day of the tables, YYYY-MM-DD; empty: 2013-11-01, when CloudTrail began

	// OldestSnapshot is the first value of resources.snapshot,
	// YYYY-MM-DDTHH-MM; empty: midnight of From.
	OldestSnapshot string

	// Pin is the snapshot that resources_current reads; empty: whichever is
	// the newest complete one when the view is read. A pinned view prunes
	// for certain and must be renewed.
	Pin string

	// ByAccount says that events lies in account=…/region=…/dt=…. Accounts
	// and Regions are the values of the first two. Above 40 accounts, or
	// without any, each query must name the account.
	ByAccount bool
	Accounts  []string
	Regions   []string
}

// beginning is the month in which CloudTrail was announced; no event is older.
const beginning = "2013-11-01"

// maxEnum is the number of accounts up to which a query need not name one.
// Each value is a folder that a query without a filter looks into.
const maxEnum = 40

var (
	databaseName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
	partValue    = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// check refuses what would break out of a statement, and completes the rest.
func (o *Options) check() error {
	if o.Database == "" {
		o.Database = "cairn"
	}
	if !databaseName.MatchString(o.Database) {
		return fmt.Errorf("database %q: use lower case letters, digits and _", o.Database)
	}
	o.LakeURL = strings.TrimRight(o.LakeURL, "/")
	if o.LakeURL == "" || strings.ContainsAny(o.LakeURL, "'\"`\\\n") {
		return fmt.Errorf("lake URL %q: use s3://bucket/prefix", o.LakeURL)
	}
	if o.From == "" {
		o.From = beginning
	}
	if _, err := time.Parse("2006-01-02", o.From); err != nil {
		return fmt.Errorf("first day %q: use YYYY-MM-DD", o.From)
	}
	if o.OldestSnapshot == "" {
		o.OldestSnapshot = o.From + "T00-00"
	}
	for _, s := range []string{o.OldestSnapshot, o.Pin} {
		if _, err := time.Parse("2006-01-02T15-04", s); err != nil && s != "" {
			return fmt.Errorf("snapshot %q: use YYYY-MM-DDTHH-MM", s)
		}
	}
	for _, v := range append(o.Accounts, o.Regions...) {
		if !partValue.MatchString(v) {
			return fmt.Errorf("partition value %q: use lower case letters, digits and -", v)
		}
	}
	if o.ByAccount && len(o.Regions) == 0 {
		return fmt.Errorf("a table by account needs the list of its regions")
	}
	return nil
}

// Statements returns the database, the tables and the views, in the order in
// which they can be run. An error is one of the options'.
func Statements(o Options) ([]Statement, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("athena: %w", err)
	}
	out := []Statement{{Database, o.Database, "CREATE DATABASE IF NOT EXISTS `" + o.Database + "`"}}
	for _, t := range export.Tables() {
		sql, err := o.table(t)
		if err != nil {
			return nil, fmt.Errorf("athena: table %s: %w", t, err)
		}
		out = append(out, Statement{TableDDL, string(t), sql})
	}
	return append(out, o.views()...), nil
}

// Column is one column of a table as Athena names and types it.
type Column struct{ Name, Type string }

// Columns returns the columns of a table's files, without the partition
// columns.
func Columns(t export.Table) ([]Column, error) {
	fields, err := t.Fields()
	if err != nil {
		return nil, err
	}
	columns := make([]Column, len(fields))
	for i := range fields {
		columns[i] = Column{fields[i].Name, typeOf(&fields[i])}
	}
	return columns, nil
}

// typeOf is the Hive type of a field.
func typeOf(f *rowlog.Field) string {
	switch f.Kind {
	case rowlog.String:
		return "string"
	case rowlog.Int32:
		return "int"
	case rowlog.Int64:
		return "bigint"
	case rowlog.Time:
		return "timestamp"
	case rowlog.Bool:
		return "boolean"
	case rowlog.Double:
		return "double"
	case rowlog.List:
		return "array<" + typeOf(&f.Fields[0]) + ">"
	case rowlog.Map:
		return "map<" + typeOf(&f.Fields[0]) + "," + typeOf(&f.Fields[1]) + ">"
	}
	members := make([]string, len(f.Fields))
	for i := range f.Fields {
		members[i] = f.Fields[i].Name + ":" + typeOf(&f.Fields[i])
	}
	return "struct<" + strings.Join(members, ",") + ">"
}

// table is the DDL of one table.
func (o *Options) table(t export.Table) (string, error) {
	columns, err := Columns(t)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE EXTERNAL TABLE IF NOT EXISTS `%s`.`%s` (\n", o.Database, t)
	writeColumns(&b, columns)
	b.WriteString(")\nPARTITIONED BY (")
	partitions := o.partitions(t)
	for i, p := range partitions {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "`%s` string", p.name)
	}
	b.WriteString(")\n" + parquetFormat)
	fmt.Fprintf(&b, "LOCATION '%s/%s/'\nTBLPROPERTIES (\n", o.LakeURL, t)
	writeProperties(&b, o.properties(t, partitions))
	b.WriteString(")")
	return b.String(), nil
}

const parquetFormat = `ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'
`

func writeColumns(b *strings.Builder, columns []Column) {
	for i, c := range columns {
		comma := ","
		if i == len(columns)-1 {
			comma = ""
		}
		fmt.Fprintf(b, "  `%s` %s%s\n", c.Name, c.Type, comma)
	}
}

func writeProperties(b *strings.Builder, properties [][2]string) {
	for i, p := range properties {
		comma := ","
		if i == len(properties)-1 {
			comma = ""
		}
		fmt.Fprintf(b, "  '%s'=%s%s\n", p[0], quote(p[1]), comma)
	}
}

// quote quotes a property. Hive knows both quotes; a value with apostrophes
// stands in the other ones. The options' check lets no value have both.
func quote(s string) string {
	if strings.Contains(s, "'") {
		return `"` + s + `"`
	}
	return "'" + s + "'"
}
