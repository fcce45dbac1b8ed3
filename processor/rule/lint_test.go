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
		selected("src_country: AT"):                               "r.yml:1: dead-field: src_country is no field of CloudTrail records",
		selected("userAgnt: AT"):                                  "dead-field: userAgnt is no field of CloudTrail records; did you mean userAgent?",
		selected("errorCode: Success"):                            "dead-value: errorCode is never \"success\": a call that succeeded has no errorCode: write errorCode: null",
		selected("eventType: AwsApiCal"):                          `dead-value: eventType is never "awsapical"; did you mean awsapicall?`,
		selected("userIdentity.type: [Root, User]"):               `dead-value: userIdentity.type is never "user"`,
		selected(name + "requestParameters.bucketNam: x"):         "dead-field: requestParameters.bucketNam stands in none of 20 such events; did you mean requestParameters.bucketName?",
		selected(name + "sourceIPAddress|cidr: 10.0.0.0/8"):       "type-clash: cidr on sourceIPAddress, which was never an address in 20 events",
		selected(name + "requestParameters.size|gt: 3"):           "type-clash: requestParameters.size is compared as a number and was never one in 20 events",
		selected("eventSource: a.amazonaws.com & eventName: A20"): "",
		selected("eventSource: a.amazonaws.com"):                  "always: matches each of 20 events",
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
