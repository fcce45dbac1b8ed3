package main

import (
	"strings"
	"testing"
)

// TestNamesOfRelations: what is no name of a resource stands whole, also when it
// has slashes.
func TestNamesOfRelations(t *testing.T) {
	for name, want := range map[string]string{
		"ingress tcp 22-22 0.0.0.0/0":                         "ingress tcp 22-22 0.0.0.0/0",
		"444455556666/eu-west-1/AWS::EC2::SecurityGroup/sg-1": "sg-1",
		"444455556666//AWS::IAM::Role/service/deploy":         "service/deploy",
		"arn:aws:iam::444455556666:role/service/deploy":       "deploy",
	} {
		if got := related(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestOneNumberOfFindings: the report counts findings as the list of them does,
// although a finding may have several rows.
func TestOneNumberOfFindings(t *testing.T) {
	data := t.TempDir()
	r := object[report](t, "replay", "--data", data)
	lines := strings.Count(said(t, "findings", "--data", data+"/sample", "--severity", "informational", "--limit", "0"), "\n") - 1
	if r.Findings != int64(lines) || r.Totals.FindingRows <= r.Findings {
		t.Errorf("%d findings of %d rows, %d listed", r.Findings, r.Totals.FindingRows, lines)
	}
}
