package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	hubtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"github.com/cairnstream/cairn/export"
)

// burst is a finding with all that a row can have.
func burst() *export.FindingRow {
	step, account, alias, region, root, role, session := "update", "123456789012", "shop", "eu-central-1", "arn:aws:iam::123456789012:user/alice", "arn:aws:iam::123456789012:role/admin", "s<1>"
	from, to, seen, limit, usual := at.UnixMilli(), at.UnixMilli()+599_999, 12.0, 10.0, 1.5
	return &export.FindingRow{
		FindingID: "f1", RuleID: "r1", RuleVersion: "v1", RuleTitle: "Secrets burst", RuleKind: "correlation", Severity: "high",
		Tags: []string{"attack.t1552", "attack.credential-access"}, State: "open", StateReason: &step, EventTS: to, ArrivalTS: to + 60_000,
		AccountID: &account, AccountAlias: &alias, Region: &region, ActorRoot: &root, ActorRole: &role, ActorSession: &session,
		WindowStartTS: &from, WindowEndTS: &to, GroupKey: map[string]string{"actor.root": root}, Observed: &seen, Threshold: &limit, Expected: &usual,
		EventCount: 14, EventIDs: []string{"e1", "e2"}, TriggerEventID: "e2", ResourceKeys: []string{"123456789012/eu-central-1/AWS::SecretsManager::Secret/db"},
		Fields: map[string]string{"eventName": "GetSecretValue", "sourceIPAddress": "192.0.2.1", "probability": "1e-09", "approximate": "true", "step.r2": "e1",
			"responseElements.credentials.sessionToken": "FwoGZXIvYXdzEXAMPLEEXAMPLEEXAMPLE"},
		Summary: "Secrets burst: alice read 12 secrets & more <fast>", Shard: "s1", Sequence: "7",
	}
}

func rules(id string) (Rule, bool) {
	known := map[string]Rule{
		"r1": {Description: "Many secrets in a short time.", Author: "A. Author", License: "DRL 1.1", Runbook: "https://runbooks.example/secrets",
			References: []string{"https://example.com/t1552"}, FalsePositives: []string{"Deployments"}},
		"r2": {Title: "A secret was read"},
	}
	r, ok := known[id]
	return r, ok
}

// knowledge is what the router of a test knows beside findings.
var knowledge = Knowledge{Rule: rules, Flags: "--lake s3://lake"}

// rendered gives the payload that a sink of a line gets.
func rendered(t *testing.T, line string, r *export.FindingRow, about About) (Alert, body) {
	t.Helper()
	sinks := load(t, line, map[string]string{"KEY": "k3y"})
	alerts := NewRouter(sinks, knowledge, nil).AlertsAbout(r, about)
	if len(alerts) != 1 {
		t.Fatalf("%d alerts", len(alerts))
	}
	b, err := decodeBody(alerts[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	return alerts[0], b
}

// leaves are the values of a JSON text by their paths.
func leaves(t *testing.T, text string) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, m := range v {
				walk(strings.TrimPrefix(path+"/"+k, "/"), m)
			}
		case []any:
			for i, m := range v {
				walk(fmt.Sprint(path, "/", i), m)
			}
		default:
			out[path] = fmt.Sprint(v)
		}
	}
	walk("", v)
	return out
}

// reason is the expected value of a leaf, and why it is there.
type reason struct{ want, because string }

// explained compares leaves with expectations; each has a reason, and none is
// without.
func explained(t *testing.T, got map[string]string, want map[string]reason) {
	t.Helper()
	values := map[string]string{}
	for path, r := range want {
		values[path] = r.want
		if r.because == "" {
			t.Errorf("%s stands there without a reason", path)
		}
	}
	if diff := cmp.Diff(values, got); diff != "" {
		t.Error(diff)
	}
}

// messageReasons are those of the JSON that webhooks, topics, buses and files
// get, for burst.
func messageReasons(id string) map[string]reason {
	return map[string]reason{
		"version":                {"1", "a receiver must know the form"},
		"id":                     {id, "of the alert, to recognise it when it comes twice"},
		"finding_id":             {"f1", "what links the steps, and the row in the lake"},
		"step":                   {"update", "start, update or end"},
		"status":                 {"open", "resolved would mean that nothing has to be done"},
		"severity":               {"high", "whom to wake"},
		"severity_number":        {"8", "high on the scale of GuardDuty, for numeric filters"},
		"text":                   {"Update: Secrets burst: alice read 12 secrets & more <fast>", "the one sentence; an update says so"},
		"rule/id":                {"r1", "which rule"},
		"rule/version":           {"v1", "and which text of it"},
		"rule/title":             {"Secrets burst", "for people"},
		"rule/kind":              {"correlation", "how it was found"},
		"rule/description":       {"Many secrets in a short time.", "what the rule is about"},
		"rule/author":            {"A. Author", "licences of rules ask for the author"},
		"rule/license":           {"DRL 1.1", "and for the licence"},
		"rule/runbook":           {"https://runbooks.example/secrets", "what to do"},
		"rule/tactic":            {"credential-access", "the first tag that is a tactic, not the technique before it"},
		"rule/tags/0":            {"attack.t1552", "technique"},
		"rule/tags/1":            {"attack.credential-access", "tactic"},
		"rule/references/0":      {"https://example.com/t1552", "where to read on"},
		"rule/false_positives/0": {"Deployments", "when it means nothing"},
		"who/actor":              {"arn:aws:iam::123456789012:user/alice", "the first principal of the chain"},
		"who/role":               {"arn:aws:iam::123456789012:role/admin", "the role it acted by"},
		"who/session":            {"s<1>", "the session, as it was named"},
		"what/event":             {"GetSecretValue", "the call; the rule names the field, so the row has it"},
		"what/service":           {"secretsmanager.amazonaws.com", "the row lacks it, so the caller told"},
		"what/events":            {"14", "exact, more than there are ids"},
		"what/trigger_event_id":  {"e2", "the event that brought the step about"},
		"what/event_ids/0":       {"e1", "to look the events up"},
		"what/event_ids/1":       {"e2", "to look the events up"},
		"when/time":              {"2026-03-01T14:09:59.999Z", "of the step, event time"},
		"when/first":             {"2026-03-01T14:00:00.000Z", "begin of the window"},
		"when/last":              {"2026-03-01T14:09:59.999Z", "end of it"},
		"where/account":          {"123456789012", "the account"},
		"where/account_alias":    {"shop", "and how people call it"},
		"where/region":           {"eu-central-1", "the region"},
		"where/address":          {"192.0.2.1", "from which address"},
		"where/user_agent":       {"aws-cli", "by which tool; the caller told"},
		"why/observed":           {"12", "the value"},
		"why/threshold":          {"10", "its limit"},
		"why/expected":           {"1.5", "what is usual"},
		"why/probability":        {"1e-09", "of such a value"},
		"why/approximate":        {"true", "the value comes from a sketch"},
		"why/steps/0/rule":       {"A secret was read", "the title of the part, because its rule is known"},
		"why/steps/0/event_id":   {"e1", "its event"},
		"why/reasons/0":          {"as much as this comes by chance in one of more than a billion windows", "for people"},
		"why/reasons/1":          {"the value is approximate", "a warning"},
		"when/arrived":           {"2026-03-01T14:10:59.999Z", "how old the news is"},
		"next/0":                 {"cairn findings show f1 --lake s3://lake", "how to go on"},
		"resources/0":            {"123456789012/eu-central-1/AWS::SecretsManager::Secret/db", "what it touches"},
		"group/actor.root":       {"arn:aws:iam::123456789012:user/alice", "what the rule groups by"},
		"fields/eventName":       {"GetSecretValue", "the rule names it"},
		"fields/sourceIPAddress": {"192.0.2.1", "the rule names it"},
		"fields/probability":     {"1e-09", "a figure of the model"},
		"fields/approximate":     {"true", "a note of the engine"},
		"fields/responseElements.credentials.sessionToken": {"(withheld)", "a session token is never sent, even if a rule names it"},
	}
}

func TestMessage(t *testing.T) {
	about := About{Service: "secretsmanager.amazonaws.com", UserAgent: "aws-cli"}
	for _, line := range []string{
		"- {name: a, webhook: 'https://example.com'}", "- {name: a, file: x}", "- {name: a, eventbridge: bus}", "- {name: a, sns: 'arn:aws:sns:eu-central-1:123456789012:x'}",
	} {
		a, b := rendered(t, line, burst(), about)
		explained(t, leaves(t, b.Payload), messageReasons(a.ID))
	}
}

// TestID: an id is that of finding, sink and step, and does not depend on what
// may be told otherwise the next time.
func TestID(t *testing.T) {
	id := func(change func(*export.FindingRow)) string {
		r := burst()
		change(r)
		return ID("a", r)
	}
	same := id(func(*export.FindingRow) {})
	if len(same) != 32 {
		t.Errorf("%q is not 32 hex digits", same)
	}
	if id(func(r *export.FindingRow) { r.Summary, r.Shard, r.ArrivalTS = "other", "s2", 0 }) != same {
		t.Error("the same step has another id when another shard tells of it")
	}
	start, end := "start", "end"
	others := []string{
		same, ID("b", burst()), id(func(r *export.FindingRow) { r.FindingID = "f2" }), id(func(r *export.FindingRow) { r.StateReason = &start }), id(func(r *export.FindingRow) { r.StateReason = &end }),
		id(func(r *export.FindingRow) { r.EventCount = 28 }), // the second update of a finding is another message
		id(func(r *export.FindingRow) { r.Severity = "critical" }),
	}
	slices.Sort(others)
	if n := len(slices.Compact(others)); n != 7 {
		t.Errorf("%d different ids of 7", n)
	}
	if id(func(r *export.FindingRow) { r.StateReason = &start }) != id(func(r *export.FindingRow) { r.StateReason, r.EventCount = &start, 28 }) {
		t.Error("a finding has one start")
	}
}

func TestSlack(t *testing.T) {
	_, b := rendered(t, "- {name: a, slack: 'https://example.com'}", burst(), About{})
	section := func(name, text string) reason { return reason{"*" + name + "*\n" + text, "the fact people ask for"} }
	want := map[string]reason{
		"text":                     {"[high] Update: Secrets burst: alice read 12 secrets &amp; more &lt;fast&gt;", "notifications show no blocks; & < > escaped: nobody can call the channel"},
		"blocks/0/text/text":       {":large_orange_circle: HIGH: Secrets burst (update)", "the headline; what is not a start says so"},
		"blocks/1/text/text":       {"alice read 12 secrets &amp; more &lt;fast&gt;", "the sentence, without the title above it"},
		"blocks/2/fields/0/text":   section("Who", "`user/alice as role/admin, session s&lt;1&gt; (arn:aws:iam::123456789012:user/alice)`"), // the ARN is what one looks up
		"blocks/2/fields/1/text":   section("Account", "`123456789012 (shop), eu-central-1`"),
		"blocks/2/fields/2/text":   section("From", "`192.0.2.1`"),
		"blocks/2/fields/3/text":   section("When", "2026-03-01 14:00:00 to 14:09:59 UTC, noticed 1m later\n<!date^1772374199^{date_short_pretty} {time} for you|2026-03-01T14:09:59Z>"),
		"blocks/2/fields/4/text":   section("Call", "`GetSecretValue`"),
		"blocks/2/fields/5/text":   section("On", "`secret db`"),
		"blocks/3/text/text":       {"*What it means*\nMany secrets in a short time.", "who is woken does not know each rule"},
		"blocks/4/text/text":       {"*Why*\n• as much as this comes by chance in one of more than a billion windows\n• the value is approximate\n• A secret was read: event e1", "the reasons"},
		"blocks/5/text/text":       {"*What to do*\n<https://runbooks.example/secrets>", "a link that the rule gives is one"},
		"blocks/6/text/text":       {"*Harmless when*\nDeployments", "when it means nothing"},
		"blocks/7/text/text":       {"*More*\n<https://example.com/t1552>", "where to read on"},
		"blocks/8/text/text":       {"*Go on*\n`cairn findings show f1 --lake s3://lake`", "to be copied as it stands"},
		"blocks/9/elements/0/text": {"Cairn · finding f1 · rule r1 v1 · tags attack.t1552 attack.credential-access · by A. Author · licence DRL 1.1", "ids, and what licences ask for"},
	}
	kinds := []string{"header", "section", "section", "section", "section", "section", "section", "section", "section", "context"}
	for i, kind := range kinds {
		want[fmt.Sprintf("blocks/%d/type", i)] = reason{kind, "the block kit has a type for each block"}
	}
	for path := range maps.Clone(want) {
		if strings.Contains(path, "fields/") || strings.HasSuffix(path, "text/text") || strings.Contains(path, "elements/") {
			want[strings.TrimSuffix(path, "text")+"type"] = reason{"mrkdwn", "bold needs it"}
			want[strings.TrimSuffix(path, "text")+"verbatim"] = reason{"true", "Slack shall make no links of what only looks like one"}
		}
	}
	want["blocks/0/text/type"] = reason{"plain_text", "a header takes no markup"}
	delete(want, "blocks/0/text/verbatim")
	explained(t, leaves(t, b.Payload), want)
}

func TestPagerDuty(t *testing.T) {
	a, b := rendered(t, "- {name: a, pagerduty: '${KEY}'}", burst(), About{Service: "secretsmanager.amazonaws.com", UserAgent: "aws-cli"})
	if strings.Contains(string(a.Body), "k3y") {
		t.Error("the routing key would lie in the state")
	}
	want := map[string]reason{
		"event_action": {"trigger", "an update triggers the same incident again"},
		"dedup_key":    {"f1", "all steps of a finding are one incident"}, "client": {"Cairn", "who says so"},
		"payload/summary": {"[high] Update: Secrets burst: alice read 12 secrets & more <fast>", "what the phone shows"},
		"payload/source":  {"123456789012", "the thing that has the problem: the account"}, "payload/severity": {"error", "high is error"},
		"payload/timestamp": {"2026-03-01T14:09:59.999Z", "of the step"}, "payload/component": {"secretsmanager.amazonaws.com", "the part of it"},
		"payload/group": {"123456789012", "incidents of an account belong together"}, "payload/class": {"credential-access", "the kind of problem"},
		"links/0/href": {"https://runbooks.example/secrets", "the runbook is a link"}, "links/0/text": {"https://runbooks.example/secrets", "the runbook is a link"},
		"links/1/href": {"https://example.com/t1552", "and so is a reference"}, "links/1/text": {"https://example.com/t1552", "and so is a reference"},
	}
	for name, text := range map[string]string{
		"Who": "user/alice as role/admin, session s<1> (arn:aws:iam::123456789012:user/alice)", "Account": "123456789012 (shop), eu-central-1", "From": "192.0.2.1 with aws-cli",
		"When": "2026-03-01 14:00:00 to 14:09:59 UTC, noticed 1m later", "Call": "GetSecretValue of secretsmanager.amazonaws.com", "On": "secret db",
		"What it means": "Many secrets in a short time.", "Why": "as much as this comes by chance in one of more than a billion windows\nthe value is approximate\nA secret was read: event e1",
		"What to do": "https://runbooks.example/secrets", "Harmless when": "Deployments", "More": "https://example.com/t1552", "Go on": "cairn findings show f1 --lake s3://lake",
		"Finding": "f1", "Alert": a.ID, "Rule": "r1 v1", "Tags": "attack.t1552 attack.credential-access", "By": "A. Author, licence DRL 1.1", "Events": "e1 e2",
	} {
		want["payload/custom_details/"+name] = reason{text, "an incident shows its details as a table, so each is a line in words"}
	}
	explained(t, leaves(t, b.Payload), want)

	r := burst()
	end := "end"
	r.StateReason = &end
	_, b = rendered(t, "- {name: a, pagerduty: {routing_key: '${KEY}', resolve: true}}", r, About{})
	explained(t, leaves(t, b.Payload), map[string]reason{"event_action": {"resolve", "asked for by resolve: true"}, "dedup_key": {"f1", "that of the trigger"}})
	_, b = rendered(t, "- {name: a, pagerduty: '${KEY}', send: [start, end]}", r, About{})
	if got := leaves(t, b.Payload)["event_action"]; got != "trigger" {
		t.Errorf("%s: a finished attack still needs a person, unless resolve says otherwise", got)
	}
}

func TestSecurityHub(t *testing.T) {
	const line = "- {name: a, securityhub: {account: '999999999999', region: us-gov-west-1}, send: [start, update, end]}"
	a, b := rendered(t, line, burst(), About{})
	got := leaves(t, b.Payload)
	want := map[string]reason{
		"SchemaVersion": {"2018-10-08", "the only one"}, "Id": {"f1", "each step updates the finding in place"},
		"ProductArn":      {"arn:aws-us-gov:securityhub:us-gov-west-1:999999999999:product/999999999999/default", "the default product of the importing account, in its partition"},
		"GeneratorId":     {"cairn/r1", "the rule"},
		"AwsAccountId":    {"999999999999", "Security Hub takes findings for the caller's account alone"},
		"Types/0":         {"TTPs/Credential Access", "the taxonomy's name of the tactic"},
		"FirstObservedAt": {"2026-03-01T14:00:00.000Z", "begin of the window"}, "LastObservedAt": {"2026-03-01T14:09:59.999Z", "end of it"},
		"CreatedAt": {"2026-03-01T14:00:00.000Z", "event time, so that it is the same when sent again"}, "UpdatedAt": {"2026-03-01T14:09:59.999Z", "must rise with each step"},
		"Severity/Label": {"HIGH", "the level"}, "Severity/Normalized": {"80", "high of 100"}, "Severity/Original": {"high", "as the rule has it"},
		"FindingProviderFields/Severity/Label": {"HIGH", "what providers are to fill"}, "FindingProviderFields/Severity/Original": {"high", "what providers are to fill"}, "FindingProviderFields/Types/0": {"TTPs/Credential Access", "what providers are to fill"},
		"Title": {"Secrets burst", "the rule's title"}, "Description": {"Update: Secrets burst: alice read 12 secrets & more <fast>", "the sentence"},
		"Remediation/Recommendation/Text": {"https://runbooks.example/secrets", "the runbook"}, "Remediation/Recommendation/Url": {"https://example.com/t1552", "the reference"},
		"Resources/0/Type": {"Other", "keys of Cairn are no types of Security Hub"}, "Resources/0/Id": {"123456789012/eu-central-1/AWS::SecretsManager::Secret/db", "the resource"},
		"Resources/0/Partition": {"aws-us-gov", "of the region"}, "Resources/0/Region": {"eu-central-1", "where it happened"},
		"RecordState": {"ACTIVE", "only what is resolved is archived"},
	}
	for name, value := range map[string]string{
		"ruleVersion": "v1", "ruleKind": "correlation", "step": "update", "alertId": a.ID, "tags": "attack.t1552 attack.credential-access", "author": "A. Author", "licence": "DRL 1.1",
		"actor": "arn:aws:iam::123456789012:user/alice", "role": "arn:aws:iam::123456789012:role/admin", "session": "s<1>", "account": "123456789012", "accountAlias": "shop", "region": "eu-central-1",
		"address": "192.0.2.1", "event": "GetSecretValue", "events": "14", "eventIds": "e1 e2", "falsePositives": "Deployments",
		"why":             "as much as this comes by chance in one of more than a billion windows; the value is approximate",
		"field/eventName": "GetSecretValue", "field/sourceIPAddress": "192.0.2.1", "field/probability": "1e-09", "field/approximate": "true", "field/responseElements.credentials.sessionToken": "(withheld)",
	} {
		// A slash in a name is one more step of the path here.
		want["ProductFields/cairn/"+name] = reason{value, "the format has no place of its own for it"}
	}
	explained(t, got, want)

	var f hubtypes.AwsSecurityFinding
	if err := json.Unmarshal([]byte(b.Payload), &f, json.RejectUnknownMembers(true)); err != nil {
		t.Errorf("the SDK does not know a member: %v", err)
	}
	r, end := burst(), "end"
	r.StateReason, r.State, r.ResourceKeys = &end, "resolved", nil
	_, b = rendered(t, line, r, About{})
	got = leaves(t, b.Payload)
	if got["RecordState"] != "ARCHIVED" || got["Resources/0/Id"] != "AWS::::Account:123456789012" || got["Resources/0/Type"] != "AwsAccount" {
		t.Errorf("resolved and without resources, it is %v", got)
	}
}

// TestSameBytes: a takeover renders again and must get the same.
func TestSameBytes(t *testing.T) {
	for _, line := range kindLines {
		first, _ := rendered(t, line, burst(), About{})
		for range 20 {
			if again, _ := rendered(t, line, burst(), About{}); string(again.Body) != string(first.Body) {
				t.Fatalf("%s\n%s\n%s", line, first.Body, again.Body)
			}
		}
	}
}

// kindLines has a sink of each kind.
var kindLines = []string{
	"- {name: a, webhook: {url: 'https://example.com', secret: '${KEY}'}}", "- {name: a, slack: 'https://example.com/${KEY}'}", "- {name: a, pagerduty: '${KEY}'}", "- {name: a, file: x}", "- {name: a, eventbridge: bus}",
	"- {name: a, sns: 'arn:aws:sns:eu-central-1:123456789012:x'}", "- {name: a, securityhub: {account: '999999999999', region: eu-west-1}}",
}

// TestBounds: whatever the events held, a message fits into 240 KB.
func TestBounds(t *testing.T) {
	long := strings.Repeat("ä\x00\"", 4000)
	r := burst()
	r.Summary, r.ActorSession, r.RuleTitle = long, &long, long
	for i := range 500 {
		name := fmt.Sprint("f", i, long)
		r.Fields[name], r.GroupKey[name] = long, long
		r.ResourceKeys, r.EventIDs, r.Tags = append(r.ResourceKeys, long), append(r.EventIDs, long), append(r.Tags, "attack.x"+long)
	}
	for _, line := range kindLines {
		_, b := rendered(t, line, r, About{UserAgent: long})
		if len(b.Payload) > 240<<10 {
			t.Errorf("%s: %d bytes", line, len(b.Payload))
		}
		if n := len(leaves(t, b.Payload)["blocks/1/text/text"]); n > 3000 {
			t.Errorf("a section of %d characters", n)
		}
		if n := len(leaves(t, b.Payload)["payload/summary"]); n > 1024 {
			t.Errorf("a summary of %d characters", n)
		}
	}
}

func TestClip(t *testing.T) {
	for _, test := range []struct{ in, want string }{{"abcdef", "abcdef"}, {"abcdefg", "abc…"}, {"abägggg", "ab…"}, {"aäöüß", "aä…"}, {"a\xff", "a�"}} {
		if got := clip(test.in, 6); got != test.want {
			t.Errorf("clip(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestWithheld(t *testing.T) {
	token := "IQoJb3JpZ2luX2VjEXAMPLEEXAMPLEEXAMPLE/+="
	for _, test := range []struct{ path, value, want string }{
		{"requestParameters.password", "x", "(withheld)"},
		{"requestParameters.masterUserPassword", "x", "(withheld)"},
		{"responseElements.accessKey.secretAccessKey", "x", "(withheld)"},
		{"responseElements.accessKey.accessKeyId", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"}, // needed to revoke it
		{"requestParameters.tokenId", "x", "x"},
		{"requestParameters.secretId", "db", "db"}, // the name of a secret is none
		{"requestParameters.passwordResetRequired", "true", "true"},
		{"requestParameters.filter", "has " + token + " inside", "has (withheld) inside"},
		{"requestParameters.key", "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----", "(withheld)"},
		{"responseElements", `{"credentials":{"accessKeyId":"A","sessionToken":{"a":[1]}},"list":[{"password":"x"},"secret"],"n":1.50}`,
			`{"credentials":{"accessKeyId":"A","sessionToken":"(withheld)"},"list":[{"password":"(withheld)"},"secret"],"n":1.50}`},
		{"responseElements", `{"broken`, `{"broken`},
	} {
		if got := safeValue(test.path, test.value); got != test.want {
			t.Errorf("%s: %s became %s, want %s", test.path, test.value, got, test.want)
		}
	}
	r := burst()
	r.Summary, r.GroupKey["requestParameters.password"] = "she used "+token, "hunter2"
	for _, line := range kindLines {
		if _, b := rendered(t, line, r, About{UserAgent: token}); strings.Contains(b.Payload, token) || strings.Contains(b.Payload, "hunter2") {
			t.Errorf("%s: a secret is in %s", line, b.Payload)
		}
	}
}

func TestTemplates(t *testing.T) {
	_, b := rendered(t, `- {name: a, slack: 'https://example.com', text: '{{upper .Severity}} in {{.Where.Account}} <!channel>'}`, burst(), About{})
	if got := leaves(t, b.Payload)["text"]; got != "[high] HIGH in 123456789012 &lt;!channel&gt;" {
		t.Errorf("%q", got)
	}
	_, b = rendered(t, `- {name: a, webhook: {url: 'https://example.com', body: '{"title": {{json .Rule.Title}}, "tags": {{json (join " " .Rule.Tags)}}}'}}`, burst(), About{})
	if b.Payload != `{"title": "Secrets burst", "tags": "attack.t1552 attack.credential-access"}` {
		t.Error(b.Payload)
	}
	// It works for the example and fails for another finding: the usual form is sent, and the mistake is told.
	sinks := load(t, `- {name: a, file: x, text: '{{index .Why.Steps 0}}'}`+"\n"+`- {name: b, webhook: {url: 'https://example.com', body: '{{index .Why.Steps 0}}'}}`, nil)
	r := burst()
	delete(r.Fields, "step.r2")
	for _, s := range sinks.All() {
		a, err := s.alert(r, About{}, knowledge)
		if err == nil || !strings.Contains(err.Error(), "index out of range") {
			t.Errorf("%s: %v", s.Name, err)
		}
		b, err := decodeBody(a.Body)
		if err != nil || leaves(t, b.Payload)["text"] != "Update: "+r.Summary {
			t.Errorf("%s: %v %s", s.Name, err, a.Body)
		}
	}
}

func TestReasons(t *testing.T) {
	for _, test := range []struct {
		change func(*export.FindingRow)
		want   []string
	}{
		{func(r *export.FindingRow) { r.RuleKind = "match" }, nil}, // the description of the rule says it
		{func(r *export.FindingRow) { r.RuleKind = "resource" }, nil},
		{func(r *export.FindingRow) {
			r.RuleKind, r.Observed, r.Expected, r.Threshold = "baseline", new(42.0), new(2.0), new(6.4)
		}, nil}, // the sentence has the numbers
		{func(r *export.FindingRow) { r.RuleKind, r.State = "resource", "resolved" }, []string{"what the rule looks for is no longer so"}},
		{func(r *export.FindingRow) {
			r.RuleKind, r.Fields = "first_seen", map[string]string{"new_for": "account", "parent_since": "2026-01-02"}
		},
			[]string{"the value is new in the whole account", "known since 2026-01-02 without it"}},
		{func(r *export.FindingRow) {
			r.RuleKind, r.Fields = "first_seen", map[string]string{"new_for": "parent", "other_parents": "3"}
		},
			[]string{"the value is new here, although 3 others of the account have it"}},
		{func(r *export.FindingRow) {
			r.Fields = map[string]string{"confidence": "learning", "incomplete": "true", "upper_band": "30"}
		},
			[]string{"unusual from 30 on", "something may be missing: not all events of the window are known", "little is known of the usual behaviour yet"}},
	} {
		r := burst()
		r.Observed, r.Threshold, r.Expected, r.Fields = nil, nil, nil, nil
		test.change(r)
		if diff := cmp.Diff(test.want, compose("x", r, About{}, Knowledge{}).Why.Reasons); diff != "" {
			t.Error(diff)
		}
	}
}

func TestChance(t *testing.T) {
	for p, want := range map[string]string{
		"0.05": "one of 20 windows", "2e-4": "one of 5 thousand windows", "6.25e-09": "one of 160 million windows", "1e-300": "one of more than a billion windows",
		"0": "the probability of this or more is 0", "small": "the probability of this or more is small", // as it was given
	} {
		if got := chance(p); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

// TestTactic: tags of other taxonomies are no tactics.
func TestTactic(t *testing.T) {
	for want, tags := range map[string][]string{"": {"cve.2024-1", "attack.t1078", "attack.", "attack.g0016"}, "exfiltration": {"attack.s0002", "attack.Exfiltration", "attack.impact"}, "stealth": {"attack.stealth"}} {
		if got := tactic(tags); got != want {
			t.Errorf("%v: %q, want %q", tags, got, want)
		}
	}
}

func TestOwnersAreToldAndChooseSinks(t *testing.T) {
	r := burst()
	r.Fields["account.owner"], r.Fields["account.environment"] = "payments", "prod"
	_, b := rendered(t, "- {name: w, webhook: 'https://hooks.example/x', match: {fields.account.owner: payments}}", r, About{})
	got := leaves(t, b.Payload)
	if got["where/account_owner"] != "payments" || got["where/account_environment"] != "prod" || got["fields/account.owner"] != "" {
		t.Errorf("%v", got)
	}
	_, b = rendered(t, "- {name: s, slack: 'https://hooks.example/x'}", r, About{})
	if !strings.Contains(b.Payload, `123456789012 (shop), eu-central-1, prod, owner payments`) {
		t.Error(b.Payload)
	}
	sinks := load(t, "- {name: w, webhook: 'https://hooks.example/x', match: {fields.account.owner: research}}", nil)
	if alerts := NewRouter(sinks, knowledge, nil).Alerts(r); len(alerts) != 0 {
		t.Errorf("%d alerts for the sink of another owner", len(alerts))
	}
}
