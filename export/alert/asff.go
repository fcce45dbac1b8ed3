package alert

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cairnstream/cairn/export"
)

// A finding in the AWS Security Finding Format, with the names of its members.
// Limits of the format: title 256 characters, description 1,024, text of a
// recommendation 512, 32 resources, 50 product fields of 128 and 2,048.
type (
	asffFinding struct {
		SchemaVersion, Id, ProductArn, GeneratorId, AwsAccountId string //nolint:revive // the format's own names
		Types                                                    []string
		FirstObservedAt, LastObservedAt, CreatedAt, UpdatedAt    string
		Severity                                                 asffSeverity
		Title, Description                                       string
		Remediation                                              *asffRemediation `json:",omitzero"`
		ProductFields                                            map[string]string
		Resources                                                []asffResource
		RecordState                                              string
		FindingProviderFields                                    asffProvider
	}
	asffSeverity struct {
		Label      string
		Normalized int `json:",omitzero"`
		Original   string
	}
	asffProvider struct {
		Severity asffProviderSeverity
		Types    []string
	}
	asffProviderSeverity struct{ Label, Original string }
	asffRemediation      struct{ Recommendation asffRecommendation }
	asffRecommendation   struct {
		Text string
		Url  string `json:",omitzero"`
	}
	asffResource struct {
		Type, Id, Partition string
		Region              string `json:",omitzero"`
	}
)

// normalized severities on the scale of Security Hub, 0 to 100.
var normalized = map[string]int{"low": 30, "medium": 50, "high": 80, "critical": 95}

// asff renders a finding for Security Hub. Its id is the finding's, so each
// step updates the one before. The account is the one that imports, because
// Security Hub refuses others; the account that the finding is about stands
// among the resources and the product fields.
func (s *Sink) asff(m *Message, row *export.FindingRow) asffFinding {
	account, region := s.get("account"), s.get("region")
	partition := partitionOf(region)
	f := asffFinding{
		SchemaVersion: "2018-10-08", Id: m.Finding, GeneratorId: "cairn/" + m.Rule.ID, AwsAccountId: account,
		ProductArn: cmp.Or(s.get("product_arn"), fmt.Sprintf("arn:%s:securityhub:%s:%s:product/%s/default", partition, region, account, account)),
		Types:      []string{asffType(m.Rule.Tactic)}, FirstObservedAt: cmp.Or(m.When.First, m.When.Time), LastObservedAt: cmp.Or(m.When.Last, m.When.Time),
		CreatedAt: cmp.Or(m.When.First, m.When.Time), UpdatedAt: m.When.Time,
		Severity: asffSeverity{strings.ToUpper(m.Severity), normalized[m.Severity], m.Severity},
		Title:    clip(m.Rule.Title, 250), Description: clip(m.Text, 1020), RecordState: "ACTIVE",
		ProductFields: productFields(m), Resources: asffResources(m, row, partition),
	}
	if m.Status == "resolved" {
		f.RecordState = "ARCHIVED"
	}
	f.FindingProviderFields = asffProvider{asffProviderSeverity{f.Severity.Label, m.Severity}, f.Types}
	if m.Rule.Runbook != "" || len(m.Rule.References) > 0 {
		r := asffRecommendation{Text: clip(cmp.Or(m.Rule.Runbook, "See the reference."), 510)}
		if len(m.Rule.References) > 0 && strings.HasPrefix(m.Rule.References[0], "http") {
			r.Url = m.Rule.References[0]
		}
		f.Remediation = &asffRemediation{r}
	}
	return f
}

func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// asffType is the type of a finding in the taxonomy of Security Hub.
func asffType(tactic string) string {
	if tactic == "" {
		return "Unusual Behaviors"
	}
	words := strings.FieldsFunc(tactic, func(c rune) bool { return c == '-' || c == '_' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return "TTPs/" + strings.Join(words, " ")
}

func productFields(m *Message) map[string]string {
	out := map[string]string{}
	put := func(name, value string) {
		if value != "" {
			out["cairn/"+clip(name, 100)] = clip(value, 2000)
		}
	}
	for name, value := range map[string]string{
		"ruleVersion": m.Rule.Version, "ruleKind": m.Rule.Kind, "step": m.Step, "alertId": m.ID, "tags": strings.Join(m.Rule.Tags, " "), "author": m.Rule.Author, "licence": m.Rule.License,
		"actor": m.Who.Actor, "role": m.Who.Role, "session": m.Who.Session, "account": m.Where.Account, "accountAlias": m.Where.Alias, "accountOwner": m.Where.Owner, "accountEnvironment": m.Where.Environment, "region": m.Where.Region,
		"address": m.Where.Address, "userAgent": m.Where.UserAgent, "event": joined(" of ", m.What.Event, m.What.Service), "error": m.What.Error,
		"events": fmt.Sprint(m.What.Events), "eventIds": strings.Join(newest(m.What.EventIDs, 20), " "), "why": strings.Join(m.Why.Reasons, "; "),
		"falsePositives": strings.Join(m.Rule.FalsePositives, "; "),
	} {
		put(name, value)
	}
	for name, value := range m.Fields {
		if len(m.Fields) <= 25 { // the limit is 50, and which of more would matter is not known
			put("field/"+name, value)
		}
	}
	return out
}

// asffResources are what the finding is about; without any it is the account.
// The id of a resource may have 512 characters.
func asffResources(m *Message, row *export.FindingRow, partition string) (out []asffResource) {
	for _, key := range m.Resources {
		if len(out) == 32 {
			break
		}
		out = append(out, asffResource{Type: "Other", Id: clip(key, 500), Partition: partition, Region: m.Where.Region})
	}
	if len(out) == 0 && m.Where.Account != "" {
		out = append(out, asffResource{Type: "AwsAccount", Id: "AWS::::Account:" + m.Where.Account, Partition: partition, Region: m.Where.Region})
	}
	if len(out) == 0 {
		out = append(out, asffResource{Type: "Other", Id: "shard/" + row.Shard, Partition: partition})
	}
	return out
}
