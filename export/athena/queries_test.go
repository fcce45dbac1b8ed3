package athena

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/queries"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/blob"
)

// fill sets every field of a row, so that each column and path of the queries
// has a value to be read.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"x": "y"}))
	}
}

func text(s string) *string { return &s }

// writeLake writes a lake in which every query finds something.
func writeLake(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	b := export.NewBuffer(export.BufferOptions{})
	addEvents(t, b)
	addInventory(t, b)
	batch := b.Freeze()
	files, err := batch.Roll(t.Context(), store, export.Naming{Shard: "shardId-000000000000", Checkpoint: 1, Writer: "00"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := store.Publish(t.Context(), f.Stage, f.Final); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// addEvents adds one event for each query over events.
func addEvents(t *testing.T, b *export.Buffer) {
	for _, change := range []func(*export.EventRow){
		func(r *export.EventRow) {
			r.EventSource, r.EventName = text("signin.amazonaws.com"), text("ConsoleLogin")
			r.ResponseElements, r.AdditionalEventData = text(`{"ConsoleLogin":"Success"}`), text(`{"MFAUsed":"No"}`)
		},
		func(r *export.EventRow) { r.ErrorCode = text("AccessDenied") },
		func(r *export.EventRow) {
			r.EventSource, r.EventName, r.RequestParameters = text("s3.amazonaws.com"), text("GetObject"), text(`{"bucketName":"my-bucket"}`)
			r.UserIdentity.AccountID, r.UserIdentity.ARN = text("anonymous"), nil
		},
		func(r *export.EventRow) {
			r.EventName, r.RequestParameters, r.ErrorCode = text("AuthorizeSecurityGroupIngress"), text(`{"groupId":"sg-1"}`), nil
		},
		func(r *export.EventRow) { r.Resources[0].ARN = text("arn:aws:s3:::larkfield-security-logs") },
		func(r *export.EventRow) {
			r.UserIdentity.Type, r.UserIdentity.InvokedBy, r.EventType = text("Root"), nil, nil
		},
		func(r *export.EventRow) { r.UserIdentity.AccessKeyID = text("AKIAU4WZK3X4H4N6MSZP") },
		func(r *export.EventRow) {
			r.EventSource, r.EventName, r.ErrorCode = text("sts.amazonaws.com"), text("AssumeRole"), nil
			r.RequestParameters = text(`{"roleArn":"arn:aws:iam::111122223333:role/app"}`)
			r.ResponseElements = text(`{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE"}}`)
		},
		func(r *export.EventRow) { r.UserIdentity.AccessKeyID = text("ASIAIOSFODNN7EXAMPLE") },
	} {
		var r export.EventRow
		fill(reflect.ValueOf(&r).Elem())
		r.EventTS, r.ArrivalTS = noon.UnixMilli(), noon.UnixMilli()
		change(&r)
		if err := b.AddEvent("2026-03-03", &r); err != nil {
			t.Fatal(err)
		}
	}
}

// addInventory adds a finding, two snapshots, changes and progress.
func addInventory(t *testing.T, b *export.Buffer) {
	var finding export.FindingRow
	fill(reflect.ValueOf(&finding).Elem())
	finding.State, finding.StateReason, finding.SuppressedBy, finding.Staged = "open", text("start"), nil, false
	check(t, b.AddFinding("2026-03-03", &finding))
	for _, snapshot := range []string{"2026-03-03T00-00", "2026-03-04T00-00"} {
		var r export.ResourceRow
		fill(reflect.ValueOf(&r).Elem())
		created := noon.UnixMilli()
		r.State, r.Type, r.CreatedTS, r.SnapshotTS, r.ChangedEventID = "active", "AWS::EC2::Instance", &created, noon.AddDate(0, 0, 1).UnixMilli(), snapshot
		check(t, b.AddResource(snapshot, &r))
		p := export.ProgressRow{TableName: "resources", SnapshotID: &snapshot, HashShare: 1}
		check(t, b.AddProgress("2026-03-04", &p))
	}
	var half export.ProgressRow
	half.TableName, half.SnapshotID, half.HashShare = "resources", text("2026-03-05T00-00"), 0.5
	check(t, b.AddProgress("2026-03-04", &half))
	hour := export.ProgressRow{TableName: "events", HashShare: 1, WatermarkTS: noon.Add(2 * time.Hour).UnixMilli(), Gaps: []export.Gap{}}
	check(t, b.AddProgress("2026-03-03", &hour))
	addChanges(t, b)
}

// addChanges adds the life of two resources: one is created, tagged and
// changed, the other is deleted.
func addChanges(t *testing.T, b *export.Buffer) {
	yes, no := true, false
	for _, r := range []export.ChangeRow{
		{ResourceKey: "a", Effect: "create", Alive: &yes, Version: "1/1/e1", AttributesSet: map[string]string{"size": "small", "zone": "a"}, TagsSet: map[string]string{"team": "red", "cost": "1"}},
		{ResourceKey: "a", Effect: "update", Alive: &yes, Version: "2/1/e2", AttributesSet: map[string]string{"size": "large"}, AttributesUnset: []string{"zone"}},
		{ResourceKey: "a", Effect: "untag", Alive: &yes, Version: "3/1/e3", TagsUnset: []string{"cost"}},
		{ResourceKey: "b", Effect: "create", Alive: &yes, Version: "1/1/e4", AttributesSet: map[string]string{"size": "small"}},
		{ResourceKey: "b", Effect: "delete", Alive: &no, Version: "4/1/e5", ARN: text("arn:aws:ec2:eu-west-1:444455556666:vpc-flow-log/fl-08bd76a47e97167ea")},
	} {
		r.EventTS, r.Type = noon.UnixMilli(), "AWS::EC2::Instance"
		check(t, b.AddChange("2026-03-03", &r))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestQueriesFind runs every query, view and the template over a lake in
// which each finds something.
func TestQueriesFind(t *testing.T) {
	local.Require(t)
	lake := writeLake(t)
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 18 {
		t.Errorf("%d queries, want 18", len(all))
	}
	for _, q := range all {
		t.Run(q.Name, func(t *testing.T) {
			r, err := local.Query(t.Context(), lake, q.SQL)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Rows) == 0 {
				t.Error("found nothing")
			}
		})
	}
	t.Run("views", func(t *testing.T) { checkViews(t, lake) })
	t.Run("resources_as_of", func(t *testing.T) { checkAsOf(t, lake) })
}

// checkViews counts the rows of each view.
func checkViews(t *testing.T, lake string) {
	r, err := local.Query(t.Context(), lake, `SELECT
		(SELECT count(*) FROM cairn.resources_current), (SELECT max(snapshot) FROM cairn.resources_current),
		(SELECT count(*) FROM cairn.resource_history WHERE valid_to IS NULL), (SELECT count(*) FROM cairn.findings_open),
		(SELECT count(*) FROM cairn.events_deduplicated)`)
	if err != nil {
		t.Fatal(err)
	}
	// The newest snapshot is only half written; each of two resources has one
	// newest change; all events have the id "x".
	want := []any{"1", "2026-03-04T00-00", "2", "1", "1"}
	if d := cmp.Diff(want, r.Rows[0]); d != "" {
		t.Errorf("views (-want +got):\n%s", d)
	}
}

func checkAsOf(t *testing.T, lake string) {
	r, err := local.Query(t.Context(), lake, ResourcesAsOf("cairn", noon))
	if err != nil {
		t.Fatal(err)
	}
	var got [][]any
	for _, row := range r.Rows {
		got = append(got, []any{row[0], row[3], row[4], row[5]})
	}
	want := [][]any{{"a", "attribute", "size", "large"}, {"a", "tag", "team", "red"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("as of noon (-want +got):\n%s", d)
	}
	r, err = local.Query(t.Context(), lake, ResourcesAsOf("cairn", noon.Add(-time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 0 {
		t.Errorf("before the first change there are %v", r.Rows)
	}
}

// TestDuckDBHasTheViews holds duckdb.sql against the definitions that the
// command prints: on a laptop the views are the same.
func TestDuckDBHasTheViews(t *testing.T) {
	prepared, err := os.ReadFile("../../deploy/local/duckdb.sql")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Statements(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Kind == View && !strings.Contains(string(prepared), s.SQL+";\n") {
			t.Errorf("deploy/local/duckdb.sql has not this view:\n%s;", s.SQL)
		}
	}
}

// No name of a person's account may stand in a query: the accounts are those
// of the AWS documentation, as in the sample.
func TestQueriesUseExampleAccounts(t *testing.T) {
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	account := regexp.MustCompile(`\b\d{12}\b`)
	for _, q := range all {
		for _, id := range account.FindAllString(q.SQL, -1) {
			if id != "444455556666" {
				t.Errorf("%s names account %s", q.Name, id)
			}
		}
	}
}
