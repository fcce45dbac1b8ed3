package athena

import (
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

var example = Options{LakeURL: "s3://example-lake/lake/", From: "2026-01-01"}

func statements(t *testing.T, o Options) map[string]string {
	t.Helper()
	list, err := Statements(o)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range list {
		out[s.Name] = s.SQL
	}
	return out
}

func TestStatementsInTheOrderOfTheirNeeds(t *testing.T) {
	list, err := Statements(example)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, string(s.Kind)+" "+s.Name)
	}
	want := []string{
		"database cairn", "table events", "table findings", "table resource_changes", "table resources", "table progress",
		"view resources_current", "view resource_history", "view findings_open", "view events_deduplicated",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("statements (-want +got):\n%s", d)
	}
}

// The types that the published CloudTrail table of AWS gives its columns;
// queries written for it must run here.
func TestEventsBeginsLikeThePublishedTable(t *testing.T) {
	columns, err := Columns(export.Events)
	if err != nil {
		t.Fatal(err)
	}
	names := "eventversion useridentity eventtime eventsource eventname awsregion sourceipaddress useragent errorcode errormessage " +
		"requestparameters responseelements additionaleventdata requestid eventid readonly resources eventtype apiversion " +
		"recipientaccountid serviceeventdetails sharedeventid vpcendpointid vpcendpointaccountid eventcategory addendum " +
		"sessioncredentialfromconsole edgedevicedetails tlsdetails"
	types := map[string]string{
		"useridentity": "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,username:string," +
			"onbehalfof:struct<userid:string,identitystorearn:string>,sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>," +
			"sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>,ec2roledelivery:string," +
			"webidfederationdata:struct<federatedprovider:string,attributes:map<string,string>>,sourceidentity:string,assumedroot:string>," +
			"invokedbydelegate:struct<accountid:string>,inscopeof:struct<sourcearn:string,sourceaccount:string,issuertype:string,credentialsissuedto:string>," +
			"credentialid:string,identityprovider:string>",
		"resources":  "array<struct<arn:string,accountid:string,type:string>>",
		"addendum":   "struct<reason:string,updatedfields:string,originalrequestid:string,originaleventid:string>",
		"tlsdetails": "struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string>",
	}
	for i, name := range strings.Fields(names) {
		want, ok := types[name]
		if !ok {
			want = "string"
		}
		if d := cmp.Diff(Column{name, want}, columns[i]); d != "" {
			t.Errorf("column %d (-want +got):\n%s", i, d)
		}
	}
}

func TestTableTypes(t *testing.T) {
	columns, err := Columns(export.Progress)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"table_name": "string", "hash_share": "double", "checkpoint": "bigint", "watermark_ts": "timestamp", "closed": "boolean",
		"gaps": "array<struct<from_sequence:string,to_sequence:string,reason:string>>", "files": "array<string>",
	}
	for _, c := range columns {
		if w, ok := want[c.Name]; ok && w != c.Type {
			t.Errorf("%s is %s, want %s", c.Name, c.Type, w)
		}
		delete(want, c.Name)
	}
	if len(want) > 0 {
		t.Errorf("columns that are not there: %v", want)
	}
}

func TestProjection(t *testing.T) {
	sql := statements(t, example)
	for table, want := range map[string][]string{
		"findings": {
			"`cairn`.`findings`", "LOCATION 's3://example-lake/lake/findings/'", "PARTITIONED BY (`dt` string)", "'projection.enabled'='true'",
			"'projection.dt.type'='date'", "'projection.dt.format'='yyyy-MM-dd'", "'projection.dt.interval'='1'", "'projection.dt.interval.unit'='DAYS'",
			"'projection.dt.range'='2026-01-01,NOW+1DAYS'", "'storage.location.template'='s3://example-lake/lake/findings/dt=${dt}/'", "'cairn.schema'='1'",
		},
		"resources": {
			"PARTITIONED BY (`snapshot` string)", `'projection.snapshot.format'="yyyy-MM-dd'T'HH-mm"`, "'projection.snapshot.interval.unit'='HOURS'",
			"'projection.snapshot.range'='2026-01-01T00-00,NOW+1HOURS'",
			"'storage.location.template'='s3://example-lake/lake/resources/snapshot=${snapshot}/'",
		},
	} {
		for _, w := range want {
			if !strings.Contains(sql[table], w) {
				t.Errorf("%s lacks %s", table, w)
			}
		}
	}
}

func TestProjectionByAccount(t *testing.T) {
	o := example
	o.ByAccount, o.Regions = true, []string{"eu-west-1", "us-east-1"}
	for _, tt := range []struct {
		accounts []string
		want     string
	}{
		{nil, "'projection.account.type'='injected'"},
		{strings.Fields(strings.Repeat("111122223333 ", maxEnum+1)), "'projection.account.type'='injected'"},
		{[]string{"111122223333", "444455556666"}, "'projection.account.values'='111122223333,444455556666'"},
	} {
		o.Accounts = tt.accounts
		sql := statements(t, o)
		for _, w := range []string{
			tt.want, "PARTITIONED BY (`account` string, `region` string, `dt` string)", "'projection.region.values'='eu-west-1,us-east-1'",
			"/events/account=${account}/region=${region}/dt=${dt}/'",
		} {
			if !strings.Contains(sql["events"], w) {
				t.Errorf("%d accounts: events lacks %s", len(tt.accounts), w)
			}
		}
		if strings.Contains(sql["findings"], "account=$") {
			t.Error("findings is by account too")
		}
	}
}

func TestPinnedSnapshot(t *testing.T) {
	o := example
	o.Pin, o.Database = "2026-03-01T13-00", "security"
	sql := statements(t, o)["resources_current"]
	want := "CREATE OR REPLACE VIEW security.resources_current AS\nSELECT r.* FROM security.resources r WHERE r.snapshot = '2026-03-01T13-00'"
	if sql != want {
		t.Errorf("view is %s, want %s", sql, want)
	}
}

func TestOptionsThatWouldBreakOut(t *testing.T) {
	for _, tt := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) { o.Database = "a`; DROP" }, "database"},
		{func(o *Options) { o.LakeURL = "" }, "lake URL"},
		{func(o *Options) { o.LakeURL = "s3://a'b" }, "lake URL"},
		{func(o *Options) { o.From = "yesterday" }, "first day"},
		{func(o *Options) { o.Pin = "2026-03-01' OR '1'='1" }, "snapshot"},
		{func(o *Options) { o.OldestSnapshot = "2026-03-01" }, "snapshot"},
		{func(o *Options) { o.ByAccount, o.Regions = true, []string{"x'"} }, "partition value"},
		{func(o *Options) { o.ByAccount = true }, "regions"},
	} {
		o := example
		tt.change(&o)
		if _, err := Statements(o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want one about %s", o, err, tt.want)
		}
	}
}

// TestGrammar lets the grammars of both engines read every statement.
func TestGrammar(t *testing.T) {
	local.Require(t)
	byAccount := example
	byAccount.ByAccount, byAccount.Accounts, byAccount.Regions, byAccount.Pin = true, []string{"111122223333"}, []string{"us-east-1"}, "2026-03-01T00-00"
	var names []string
	var sql []local.Statement
	add := func(name string, d local.Dialect, text string) {
		names, sql = append(names, name), append(sql, local.Statement{Dialect: d, SQL: text})
	}
	for _, o := range []Options{example, byAccount} {
		list, err := Statements(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Kind == View {
				add(s.Name, local.Trino, s.SQL)
				continue
			}
			add(s.Name, local.Hive, s.SQL)
		}
	}
	add("resources_as_of", local.Trino, ResourcesAsOf("cairn", time.Unix(0, 0)))
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range all {
		add(q.Name, local.Trino, q.SQL)
	}
	errs, err := local.ParseSQL(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	for i, list := range errs {
		for _, e := range list {
			t.Errorf("%s: %v in\n%s", names[i], e, sql[i].SQL)
		}
	}
}

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

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

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
		func(r *export.EventRow) { r.Resources[0].ARN = text("arn:aws:s3:::my-bucket") },
		func(r *export.EventRow) {
			r.UserIdentity.Type, r.UserIdentity.InvokedBy, r.EventType = text("Root"), nil, nil
		},
		func(r *export.EventRow) { r.UserIdentity.AccessKeyID = text("AKIAIOSFODNN7EXAMPLE") },
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
		if err := b.AddEvent("2026-03-01", &r); err != nil {
			t.Fatal(err)
		}
	}
}

// addInventory adds a finding, two snapshots, changes and progress.
func addInventory(t *testing.T, b *export.Buffer) {
	var finding export.FindingRow
	fill(reflect.ValueOf(&finding).Elem())
	finding.State, finding.StateReason, finding.SuppressedBy, finding.Staged = "open", text("start"), nil, false
	check(t, b.AddFinding("2026-03-01", &finding))
	for _, snapshot := range []string{"2026-03-01T00-00", "2026-03-02T00-00"} {
		var r export.ResourceRow
		fill(reflect.ValueOf(&r).Elem())
		created := noon.UnixMilli()
		r.State, r.Type, r.CreatedTS, r.SnapshotTS, r.ChangedEventID = "active", "AWS::EC2::Instance", &created, noon.AddDate(0, 0, 1).UnixMilli(), snapshot
		check(t, b.AddResource(snapshot, &r))
		p := export.ProgressRow{TableName: "resources", SnapshotID: &snapshot, HashShare: 1}
		check(t, b.AddProgress("2026-03-02", &p))
	}
	var half export.ProgressRow
	half.TableName, half.SnapshotID, half.HashShare = "resources", text("2026-03-03T00-00"), 0.5
	check(t, b.AddProgress("2026-03-02", &half))
	hour := export.ProgressRow{TableName: "events", HashShare: 1, WatermarkTS: noon.Add(2 * time.Hour).UnixMilli(), Gaps: []export.Gap{}}
	check(t, b.AddProgress("2026-03-01", &hour))
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
		{ResourceKey: "b", Effect: "delete", Alive: &no, Version: "4/1/e5", ARN: text("arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0")},
	} {
		r.EventTS, r.Type = noon.UnixMilli(), "AWS::EC2::Instance"
		check(t, b.AddChange("2026-03-01", &r))
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
	var views []string
	list, err := Statements(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Kind == View {
			views = append(views, s.SQL)
		}
	}
	prelude := strings.Join(views, ";\n") + ";\n"
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 18 {
		t.Errorf("%d queries, want 18", len(all))
	}
	for _, q := range all {
		t.Run(q.Name, func(t *testing.T) {
			r, err := local.Query(t.Context(), lake, prelude+q.SQL)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Rows) == 0 {
				t.Error("found nothing")
			}
		})
	}
	t.Run("views", func(t *testing.T) { checkViews(t, lake, prelude) })
	t.Run("resources_as_of", func(t *testing.T) { checkAsOf(t, lake) })
}

// checkViews counts the rows of each view.
func checkViews(t *testing.T, lake, prelude string) {
	r, err := local.Query(t.Context(), lake, prelude+`SELECT
		(SELECT count(*) FROM cairn.resources_current), (SELECT max(snapshot) FROM cairn.resources_current),
		(SELECT count(*) FROM cairn.resource_history WHERE valid_to IS NULL), (SELECT count(*) FROM cairn.findings_open),
		(SELECT count(*) FROM cairn.events_deduplicated)`)
	if err != nil {
		t.Fatal(err)
	}
	// The newest snapshot is only half written; each of two resources has one
	// newest change; all events have the id "x".
	want := []any{"1", "2026-03-02T00-00", "2", "1", "1"}
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

// Only the date that a query is about may stand in it, no name of a person's
// account: the examples of the AWS documentation are used.
func TestQueriesUseExampleAccounts(t *testing.T) {
	all, err := queries.All()
	if err != nil {
		t.Fatal(err)
	}
	account := regexp.MustCompile(`\b\d{12}\b`)
	for _, q := range all {
		for _, id := range account.FindAllString(q.SQL, -1) {
			if id != "111122223333" {
				t.Errorf("%s names account %s", q.Name, id)
			}
		}
	}
}
