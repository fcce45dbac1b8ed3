package athena

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/queries"
	"github.com/cairnstream/cairn/export"
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
