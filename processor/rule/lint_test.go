package rule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lint is what there is to say of rules after some events.
func lint(t *testing.T, text string, events ...string) string {
	t.Helper()
	l := NewLint(compileOne(t, text))
	for _, e := range events {
		l.Event(&Input{Event: event(t, e)})
	}
	return strings.Join(l.Warnings(), "\n")
}

// selected is a rule over several fields, between which stands " & ".
func selected(fields string) string {
	return selectionRule(strings.ReplaceAll(fields, " & ", "\n"))
}

// twenty times an event, so that what it lacks means something.
func twenty(event string) (out []string) {
	for range enough {
		out = append(out, event)
	}
	return out
}

func TestLintFindsRulesThatCannotFire(t *testing.T) {
	call := twenty(`{"eventName":"A","eventSource":"a.amazonaws.com","sourceIPAddress":"a.amazonaws.com","requestParameters":{"bucketName":"x","size":"large"}}`)
	const name = "eventSource: a.amazonaws.com & eventName: A & "
	for text, want := range map[string]string{
		selected("src_country: AT"):                                                  "r.yml:1: dead-field: src_country is no field of CloudTrail records",
		selected("userAgnt: AT"):                                                     "dead-field: userAgnt is no field of CloudTrail records; did you mean userAgent?",
		selected("errorCode: Success"):                                               "dead-value: errorCode is never \"success\": a call that succeeded has no errorCode: write errorCode: null",
		selected("eventType: AwsApiCal"):                                             `dead-value: eventType is never "awsapical"; did you mean awsapicall?`,
		selected("userIdentity.type: [Root, User]"):                                  `dead-value: userIdentity.type is never "user"`,
		selected(name + "requestParameters.bucketNam: x"):                            "dead-field: requestParameters.bucketNam stands in none of 20 such events; did you mean requestParameters.bucketName?",
		selected(name + "sourceIPAddress|cidr: 10.0.0.0/8"):                          "type-clash: cidr on sourceIPAddress, which was never an address in 20 events",
		selected(name + "requestParameters.size|gt: 3"):                              "type-clash: requestParameters.size is compared as a number and was never one in 20 events",
		selected("eventSource: a.amazonaws.com & eventName: A20"):                    "",
		selected("eventSource: a.amazonaws.com"):                                     "always: matches each of 20 events: add what is unusual",
		selected("userIdentity.userNam: ann"):                                        "dead-field: userIdentity.userNam is no field of CloudTrail records; did you mean userIdentity.userName?",
		selected("userIdentity.team: x"):                                             "dead-field: userIdentity.team is no field of CloudTrail records: look its name up in a record",
		selected("eventCategory: x"):                                                 `dead-value: eventCategory is never "x": it is one of management, data, insight, networkactivity`,
		selected(name + "requestParameters.other: x"):                                "dead-field: requestParameters.other stands in none of 20 such events: look its name up in one of them",
		selected(name + "sourceIPAddress|cidr: [10.0.0.0/8, 192.0.2.1]"):             "type-clash: cidr on sourceIPAddress",
		selected("userIdentity.arn|fieldref: userIdentity.userName"):                 "type-clash: fieldref of userIdentity.arn, which holds ARNs, to userIdentity.userName, which holds names: they are never equal; refer to a field of the same sort, or write fieldref|contains",
		selected(name + "requestParameters.bucketName|fieldref: recipientAccountId"): "type-clash: fieldref of requestParameters.bucketName, which holds names, to recipientAccountId, which holds account ids",
		selected("eventName|fieldref: eventNam"):                                     "dead-field: eventNam is no field of CloudTrail records; did you mean eventName?",
	} {
		got := lint(t, text, call...)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\n%s\nwant %s", text, got, want)
		}
	}
}

func TestLintLeavesGoodRulesAlone(t *testing.T) {
	call := twenty(`{"eventName":"A","eventSource":"a.amazonaws.com","sourceIPAddress":"10.0.0.1","requestParameters":{"items":[{"id":"1"}]}}`)
	call = append(call, `{"eventName":"Other","requestParameters":{}}`)
	for _, text := range []string{
		selected("eventName: A & requestParameters.items.id: 1"), selected("eventName: A & requestParameters.items.id|gte: 0"),
		selected("eventName: A & sourceIPAddress|cidr: 10.0.0.0/8"), selected("eventName: A & requestParameters.none: null"),
		selected("eventName: A & requestParameters.none|exists: false"), selected("eventName: Unseen & requestParameters.none: x"),
		ruleText("s: {eventName: A}\na: {requestParameters.none: x}\nb: {requestParameters.items.id: 1}\ncondition: s and (a or b)"),
		ruleText("s: {eventName: A}\na: {requestParameters.none: x}\ncondition: s and not a"),
		selected("detail.affectedEntities.entityValue: x"), selected("actor.root: x"), selected("errorCode: AccessDenied"),
		selected("userIdentity.arn|fieldref|contains: userIdentity.userName"), selected("userIdentity.accountId|fieldref: recipientAccountId"),
		selected("userIdentity.sessionContext.webIdFederationData.attributes.sub: x"), selected("eventName: A & userIdentity.arn|fieldref|neq: requestParameters.roleArn"),
	} {
		if got := lint(t, text, call...); got != "" {
			t.Errorf("%s\n%s", text, got)
		}
	}
}

func TestLintFindsOtherSpellingsOfNames(t *testing.T) {
	call := twenty(`{"eventName":"CreateFunction20150331","eventSource":"lambda.amazonaws.com"}`)
	call = append(call, `{"eventName":"UpdateFunctionCode","eventSource":"lambda.amazonaws.com"}`, `{"eventName":"x"}`)
	for name, want := range map[string]string{
		"CreateFunction": "dead-name: createfunction is recorded with its version, as CreateFunction20150331: write CreateFunction*", "CreateFunction20150331": "",
		"UpdateFunctionCoed": "dead-name: no event is called updatefunctioncoed; did you mean UpdateFunctionCode?", "UpdateFunctionCoda2": "",
		"UpdateFunctionCod": "dead-name: no event is called updatefunctioncod; did you mean UpdateFunctionCode?", "DeleteFunction": "", "CreateFunction*": "",
	} {
		got := lint(t, selected("eventSource: lambda.amazonaws.com & eventName: "+name), call...)
		if got != "" != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestLintFindsGroupsThatAreAbsent(t *testing.T) {
	var events []string
	for i := range 30 {
		region := ""
		if i%5 > 0 {
			region = `,"awsRegion":"eu-west-1"`
		}
		events = append(events, fmt.Sprintf(`{"eventName":"A","requestParameters":{"n":%d}%s}`, i, region), `{"eventName":"Z"}`)
	}
	got := lint(t, twoParts+"title: C\nid: c\n"+counted, events...)
	if !strings.Contains(got, `group-missing: awsRegion is absent in 6 of 30 matches, which are left out of "C"`) {
		t.Errorf("%q", got)
	}
	if got := lint(t, twoParts+"title: C\nid: c\n"+strings.Replace(counted, "awsRegion", "requestParameters.n", 1), events...); got != "" {
		t.Errorf("%q", got)
	}
}

// TestLintOfPublishedRules knows the fields of the placeholder rule for what
// they are.
func TestLintOfPublishedRules(t *testing.T) {
	lists := map[string][]string{"Legitimate_Countries": {"AT"}, "Legitimate_IP_Ranges": {"192.0.2.0/24"}}
	set, _, err := Load(Options{Lists: lists}, os.DirFS(filepath.Join(dataFolder(t), "sigma", "rules")))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(NewLint(set).Warnings(), "\n")
	for _, want := range []string{"src_country", "src_ip", "status is no field", `errorCode is never "success"`} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing of %s in\n%s", want, all)
		}
	}
}

// TestLintFindsPathsThatNoRecordHas, wherever a rule names them.
func TestLintFindsPathsThatNoRecordHas(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Replace(twoParts+"title: C\nid: c\n"+counted, "awsRegion", "awsRegio", 1), "dead-field: awsRegio (in group-by) is no field of CloudTrail records; did you mean awsRegion?"},
		{small("a", "A") + "fields: [userAgnt]\n", "dead-field: userAgnt (in fields)"},
		{small("a", "A") + "cairn: {suppress: {for: 1h, by: [sourceIP]}}\n", "dead-field: sourceIP (in suppress)"},
		{small("a", "A") + "cairn: {first_seen: {fields: [awsRegio]}}\n", "dead-field: awsRegio (in first_seen)"},
		{small("a", "A") + "cairn: {baseline: {statistic: count, by: [awsRegio]}}\n", "dead-field: awsRegio (in by)"},
		{small("a", "A") + "cairn: {baseline: {statistic: distinct, field: userAgnt, by: [awsRegion]}}\n", "dead-field: userAgnt (in field)"},
		{small("a", "A") + "fields: [userAgent, requestParameters.x, actor.root, list.x]\ncairn: {suppress: {for: 1h, by: [actor.role]}}\n", "dead-field: list.x (in fields)"},
	} {
		if got := lint(t, c.text); !strings.Contains(got, c.want) || strings.Count(got, "\n") > 0 && !strings.Contains(c.text, "correlation") {
			t.Errorf("%s\n%s\nwant %s", c.text, got, c.want)
		}
	}
}

// TestLintFindsIdleFilters: a filter is idle when it takes nothing out of the
// matches of its rules, whatever else it would hold for.
func TestLintFindsIdleFilters(t *testing.T) {
	const filtered = "---\ntitle: Deployments\nid: f\nlogsource: {product: aws, service: cloudtrail}\nfilter: {rules: RULES, s: {userIdentity.userName: deploy}, condition: s}\n"
	events := func(name, user string) []string {
		return twenty(`{"eventName":"` + name + `","userIdentity":{"userName":"` + user + `"}}`)
	}
	text := selectionRule("eventName: A")
	const idle = `idle-filter: "Deployments" took nothing out of 40 events: remove it, or look whether what it leaves out is still written so`
	for _, c := range []struct {
		rules  string
		events []string
		want   string
	}{
		{"any", append(events("A", "ann"), events("A", "deploy")...), ""},
		{"any", append(events("A", "ann"), events("B", "deploy")...), idle},
		{"any", events("A", "ann"), strings.Replace(idle, "40", "20", 1)},
		{"any", nil, ""},
	} {
		got := lint(t, text+strings.Replace(filtered, "RULES", c.rules, 1), c.events...)
		if idles := strings.Contains(got, "idle-filter"); idles != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%d events: %q, want %q", len(c.events), got, c.want)
		}
	}
}
