package alert

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/export"
)

// functions of templates.
var functions = template.FuncMap{
	"json": func(v any) (string, error) {
		data, err := json.Marshal(v, json.Deterministic(true))
		return string(data), err
	},
	"join":  func(separator string, list []string) string { return strings.Join(list, separator) },
	"upper": strings.ToUpper,
}

func execute(t *template.Template, m *Message) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, m); err != nil {
		return "", err
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD"), nil
}

// payload renders a message in the form of the sink's kind. An error concerns a
// template; the payload has the usual form then.
func (s *Sink) payload(m *Message, row *export.FindingRow) (string, error) {
	switch s.Kind {
	case "slack":
		return encode(slackMessage(m))
	case "pagerduty":
		return encode(pagerDutyEvent(m, s.get("resolve") == "true"))
	case "securityhub":
		return encode(s.asff(m, row))
	}
	plain, err := encode(m)
	if s.body == nil || err != nil {
		return plain, err
	}
	own, err := execute(s.body, m)
	if err != nil {
		return plain, fmt.Errorf("the template of body: %w", err)
	}
	return own, nil
}

func encode(v any) (string, error) {
	data, err := json.Marshal(v, json.Deterministic(true))
	return string(data), err
}

// exampleMessage is a message as a finding gives it, for trying out templates.
func exampleMessage() *Message {
	row := ExampleRow(time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC))
	return compose("0123456789abcdef", &row, exampleAbout, Knowledge{Rule: exampleRule})
}

var exampleAbout = About{Event: "CreateAccessKey", Service: "iam.amazonaws.com", Address: "192.0.2.10", UserAgent: "aws-cli/2.15.0"}

// ExampleRow is a finding that nobody made, at a time. It says so, in every
// form that a message can take.
func ExampleRow(at time.Time) export.FindingRow {
	start, account, alias, region := "start", "123456789012", "example", "eu-central-1"
	actor, limit, seen := "arn:aws:iam::123456789012:user/alice", 3.0, 4.0
	from, to := at.Add(-9*time.Minute).UnixMilli(), at.UnixMilli()
	return export.FindingRow{
		FindingID: hash("test", at.UTC().Format(time.RFC3339Nano)), RuleID: "test", RuleVersion: "000000000000", RuleTitle: "Test of a sink", RuleKind: "correlation",
		Severity: "medium", Tags: []string{"attack.persistence", "attack.t1098.001"}, State: "open", StateReason: &start, EventTS: to, ArrivalTS: to,
		AccountID: &account, AccountAlias: &alias, Region: &region, ActorRoot: &actor, WindowStartTS: &from, WindowEndTS: &to,
		GroupKey: map[string]string{"actor.root": actor}, Observed: &seen, Threshold: &limit, EventCount: 4,
		EventIDs: []string{"00000000-0000-4000-8000-000000000001"}, TriggerEventID: "00000000-0000-4000-8000-000000000001",
		Fields: map[string]string{"eventName": "CreateAccessKey", "requestParameters.userName": "alice", "step.first": "00000000-0000-4000-8000-000000000001"}, ResourceKeys: []string{"123456789012/global/AWS::IAM::User/alice"},
		Summary: "Test of a sink: this is a test message of Cairn and nothing has happened", Shard: "test", Sequence: "0",
	}
}

func exampleRule(string) (Rule, bool) {
	return Rule{Title: "Test of a sink", Details: []string{"requestParameters.userName"}, Description: "Sent by hand to see whether alerts arrive.", Author: "Cairn", License: "none", Runbook: "Nothing has to be done.",
		References: []string{"https://example.com/"}, FalsePositives: []string{"Always: it is a test"}}, true
}
