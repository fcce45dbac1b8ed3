package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/queries"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/athena"
)

// ddl are the statements that the command prints.
func ddl(t *testing.T) []athena.Statement {
	t.Helper()
	return object[struct{ Statements []athena.Statement }](t, "ddl", "--lake", "s3://example-lake/lake").Statements
}

// query runs SQL over the lake in the way that a reader of deploy/local does.
func (l *lake) query(t *testing.T, sql string) [][]any {
	t.Helper()
	r, err := local.Query(t.Context(), l.dir, sql)
	if err != nil {
		t.Fatal(err)
	}
	return r.Rows
}

// checkGrammar lets the grammars of Hive and Trino read what the command
// prints, and the queries as they will be asked of this lake.
func (l *lake) checkGrammar(t *testing.T) {
	var names []string
	var statements []local.Statement
	for _, s := range ddl(t) {
		dialect := local.Hive
		if s.Kind == athena.View {
			dialect = local.Trino
		}
		names, statements = append(names, s.Name), append(statements, local.Statement{Dialect: dialect, SQL: s.SQL})
	}
	for _, q := range l.asked(t) {
		names, statements = append(names, q.Name), append(statements, local.Statement{Dialect: local.Trino, SQL: q.SQL})
	}
	if len(statements) != 10+18 {
		t.Errorf("%d statements, want a database, five tables, four views and 18 queries", len(statements))
	}
	found, err := local.ParseSQL(t.Context(), statements)
	if err != nil {
		t.Fatal(err)
	}
	for i, list := range found {
		for _, e := range list {
			t.Errorf("%s: %v", names[i], e)
		}
	}
}

// asked are the queries with the examples in them replaced by days and names
// of this lake.
func (l *lake) asked(t *testing.T) []queries.Query {
	t.Helper()
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	r := l.examples(t)
	for i := range all {
		all[i].SQL = r.dates(all[i].SQL)
		all[i].SQL = strings.NewReplacer("arn:aws:s3:::larkfield-security-logs", r.named, "AKIAU4WZK3X4H4N6MSZP", r.key,
			"arn:aws:ec2:eu-west-1:444455556666:vpc-flow-log/fl-08bd76a47e97167ea", r.deleted).Replace(all[i].SQL)
	}
	return all
}

// examples stand in the queries for those of their files.
type examples struct {
	first, last, busiest string // days
	oldest               string // snapshot
	named, key, deleted  string // an ARN in events, an access key, the ARN of a deleted resource
}

// examples are chosen from the Go rows.
func (l *lake) examples(t *testing.T) (x examples) {
	t.Helper()
	days, err := export.Partitions(t.Context(), l.store, export.Events)
	if err != nil {
		t.Fatal(err)
	}
	snapshots, err := export.Partitions(t.Context(), l.store, export.Resources)
	if err != nil {
		t.Fatal(err)
	}
	x.first, x.last, x.oldest = days[0], days[len(days)-1], snapshots[0]
	perDay, keys, named := map[string]int{}, map[string]int{}, map[string]int{}
	for _, e := range l.events {
		perDay[time.UnixMilli(e.EventTS).UTC().Format(time.DateOnly)]++
		if e.UserIdentity != nil && e.UserIdentity.AccessKeyID != nil {
			keys[*e.UserIdentity.AccessKeyID]++
		}
		for _, r := range e.Resources {
			if r != nil && r.ARN != nil {
				named[*r.ARN]++
			}
		}
	}
	for _, c := range l.changes {
		if c.Effect == "delete" && c.ARN != nil {
			x.deleted = max(x.deleted, *c.ARN)
		}
	}
	x.busiest, x.key, x.named = most(perDay), most(keys), most(named)
	return x
}

// most is the word that was counted most often.
func most(counts map[string]int) (word string) {
	for w, n := range counts {
		if n > counts[word] || n == counts[word] && w < word {
			word = w
		}
	}
	return word
}

var (
	fromDay     = regexp.MustCompile(`dt >= '[\d-]+'`)
	betweenDays = regexp.MustCompile(`dt BETWEEN '[\d-]+' AND '[\d-]+'`)
	onDay       = regexp.MustCompile(`dt = '[\d-]+'`)
	newestHour  = regexp.MustCompile(`(?s)asked AS \(.*?\n\)`)
	aTime       = regexp.MustCompile(`TIMESTAMP '[\d :-]+'`)
	oneSnapshot = regexp.MustCompile(`snapshot = '[\dT-]+'`)
	someOfThem  = regexp.MustCompile(`snapshot BETWEEN '[\dT-]+' AND '[\dT-]+'`)
)

func (x examples) dates(sql string) string {
	for _, r := range []struct {
		old *regexp.Regexp
		new string
	}{
		{fromDay, fmt.Sprintf("dt >= '%s'", x.first)},
		{betweenDays, fmt.Sprintf("dt BETWEEN '%s' AND '%s'", x.first, x.last)},
		{onDay, fmt.Sprintf("dt = '%s'", x.busiest)},
		{newestHour, fmt.Sprintf("asked AS (SELECT TIMESTAMP '%s 13:00:00' AS upto)", x.busiest)},
		{oneSnapshot, fmt.Sprintf("snapshot = '%s'", x.oldest)},
		{someOfThem, fmt.Sprintf("snapshot BETWEEN '%s' AND '9999-12-31T00-00'", x.oldest)},
	} {
		sql = r.old.ReplaceAllLiteralString(sql, r.new)
	}
	return sql
}

// checkQueries runs every query, and holds the answers of those whose answer
// is easily counted from the Go rows against them.
func (l *lake) checkQueries(t *testing.T) {
	asked, x := l.asked(t), l.examples(t)
	answers := map[string][][]any{}
	var silent []string
	for _, q := range asked {
		answers[q.Name] = l.query(t, q.SQL)
		if len(answers[q.Name]) == 0 {
			silent = append(silent, q.Name)
		}
	}
	expect := func(query string, want int, got int) {
		t.Helper()
		if want != got {
			t.Errorf("%s counts %d, the rows %d", query, got, want)
		}
	}
	count := func(keep func(*export.EventRow) bool) (n int) {
		for _, e := range l.events {
			if keep(e) {
				n++
			}
		}
		return n
	}
	expect("console-sign-ins", count(func(e *export.EventRow) bool {
		return value(e.EventSource) == "signin.amazonaws.com" && value(e.EventName) == "ConsoleLogin"
	}), len(answers["console-sign-ins"]))
	expect("access-key", count(func(e *export.EventRow) bool {
		return e.UserIdentity != nil && value(e.UserIdentity.AccessKeyID) == x.key
	}), len(answers["access-key"]))
	expect("root-use", count(func(e *export.EventRow) bool {
		return e.UserIdentity != nil && value(e.UserIdentity.Type) == "Root" && e.UserIdentity.InvokedBy == nil && value(e.EventType) != "AwsServiceEvent"
	}), len(answers["root-use"]))
	expect("assumed-roles", count(func(e *export.EventRow) bool {
		return value(e.EventSource) == "sts.amazonaws.com" && strings.HasPrefix(value(e.EventName), "AssumeRole")
	}), len(answers["assumed-roles"]))
	if calls := answers["calls-per-hour"]; len(calls) < 100 { // it shows no more
		expect("calls-per-hour", count(func(e *export.EventRow) bool {
			return time.UnixMilli(e.EventTS).UTC().Format(time.DateOnly) == x.busiest
		}), total(t, calls, 2))
	}
	expect("inventory-by-owner", int(l.report.Totals.Resources), total(t, answers["inventory-by-owner"], 2))
	expect("findings-by-rule", l.alerted(), total(t, answers["findings-by-rule"], 5))
	if complete := answers["is-it-complete"][0]; complete[0] != 1.0 || fmt.Sprint(complete[4]) != "0" {
		t.Errorf("%s 13:00 is not complete: %v", x.busiest, complete)
	}
	l.checkNothingIsIncomplete(t, asked)
	if slices.Contains(silent, "who-did-what") || len(silent) > 6 {
		t.Errorf("%d queries find nothing: %v", len(silent), silent)
	}
	t.Logf("silent: %v", silent)
}

// TestQueriesOverTheSample runs the queries as they are over the sample: that
// is how they are tried first.
func TestQueriesOverTheSample(t *testing.T) {
	local.Require(t)
	l := &lake{dir: object[report](t, "replay", "--no-progress", "--data", filepath.Join(t.TempDir(), "data")).Lake}
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	// The sample has no events of objects, and nobody in it uses a root account.
	silent := []string{"anonymous-reads", "root-use"}
	for _, q := range all {
		rows := l.query(t, q.SQL)
		if slices.Contains(silent, q.Name) != (len(rows) == 0) {
			t.Errorf("%s finds %d rows", q.Name, len(rows))
		}
		if q.Name == "is-it-complete" && (rows[0][0] != 1.0 || fmt.Sprint(rows[0][4]) != "0") {
			t.Errorf("the sample is not complete: %v", rows[0])
		}
	}
}

// checkNothingIsIncomplete asks whether an hour is complete of which the lake
// says nothing: one before its first event, and one that no report reaches. The
// answer is no, and not NULL.
func (l *lake) checkNothingIsIncomplete(t *testing.T, asked []queries.Query) {
	t.Helper()
	i := slices.IndexFunc(asked, func(q queries.Query) bool { return q.Name == "is-it-complete" })
	for name, sql := range map[string]string{
		"before the first event": aTime.ReplaceAllLiteralString(asked[i].SQL, "TIMESTAMP '1970-01-01 00:00:00'"),
		"without a report":       fromDay.ReplaceAllLiteralString(asked[i].SQL, "dt >= '9999-01-01'"),
	} {
		if diff := gocmp.Diff([][]any{{0.0, "0", "0", "0", "0"}}, l.query(t, sql)); diff != "" {
			t.Errorf("an hour %s (-want +got):\n%s", name, diff)
		}
	}
}

// total adds up a column of counts, which come as text.
func total(t *testing.T, rows [][]any, column int) (sum int) {
	t.Helper()
	for _, row := range rows {
		var n int
		if err := json.Unmarshal([]byte(fmt.Sprint(row[column])), &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// alerted counts the findings that nothing holds back, once for each severity
// that they had.
func (l *lake) alerted() int {
	found := map[[2]string]bool{}
	for _, f := range l.findings {
		if f.SuppressedBy == nil && !f.Staged {
			found[[2]string{f.FindingID, f.Severity}] = true
		}
	}
	return len(found)
}
