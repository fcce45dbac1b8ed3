package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/export"
)

// TestTablesFitTheTerminal: columns go in the order given, and only as many as must; then cells are cut, to so much at least.
func TestTablesFitTheTerminal(t *testing.T) {
	for width, want := range map[int]string{
		200: "ID RULE ACTOR SUMMARY", 60: "ID RULE ACTOR SUMMARY", 39: "ID RULE ACTOR SUMMARY", 38: "ID RULE ACTOR", 27: "ID RULE ACTOR", 26: "ID RULE", 10: "ID RULE",
	} {
		tab := &table{head: []string{"ID", "RULE", "ACTOR", "SUMMARY"}}
		tab.add("0123456", "A rule with a title", "role/with-a-long-name", "somebody did something to something")
		tab.add("89abcde", "Another", "user/ann", "nothing else")
		tab.fit(width, []string{"SUMMARY", "ACTOR"}, elastic{"SUMMARY", 10}, elastic{"ACTOR", 8}, elastic{"RULE", 8})
		if got := strings.Join(tab.head, " "); got != want {
			t.Errorf("%d characters wide: %s, want %s", width, got, want)
		}
		if got := tab.width(); got > max(width, 17) { // an id and the least of a rule
			t.Errorf("%d characters wide: it takes %d", width, got)
		}
	}
}

func TestCut(t *testing.T) {
	for in, want := range map[string]string{
		"short": "short", "a sentence is cut at its end": "a sentenc…", "secret-of-a-kind-17": "secr…nd-17", // names of a kind differ in their last letters
		"äöüäöüäöüäöü": "äöüä…öüäöü",
	} {
		if got := cutTo(in, 10); got != want || utf8.RuneCountInString(got) > 10 {
			t.Errorf("%s is cut to %s, want %s", in, got, want)
		}
	}
}

// TestNamesDoNothingInAShell: commands that are printed to be copied hold names that somebody else chose.
func TestNamesDoNothingInAShell(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"'; touch x #", "$(touch x)", "`touch x`", "a\nb", "\\'", "", "./with space", "s3://b/p", "~"})).Draw(t, "name")
		for _, text := range []string{quoted(name), word(name)} {
			out, err := exec.Command("sh", "-c", "printf %s "+text).CombinedOutput()
			if err != nil || string(out) != export.Plain(name) {
				t.Fatalf("%q became %q: %v", name, out, err)
			}
		}
	})
}

// TestNamesWriteNothingOnATerminal: neither control sequences nor marks that turn the direction round reach it, whatever a record holds.
func TestNamesWriteNothingOnATerminal(t *testing.T) {
	file := hostileRecord(t)
	dir := t.TempDir()
	said(t, "replay", file, "--data", dir, "--no-progress")
	ids, _ := listed(t, "--data", dir)
	if len(ids) == 0 {
		t.Fatal("no finding about the hostile record")
	}
	texts := []string{said(t, "findings", "--data", dir), said(t, "findings", "--by", "actor", "--data", dir)}
	for _, id := range ids {
		texts = append(texts, said(t, "findings", "show", id, "--data", dir))
	}
	for _, text := range texts {
		if i := strings.IndexAny(text, "\x1b\x07\r\u202e\u0085"); i >= 0 {
			t.Errorf("%q reaches the terminal", text[max(i-20, 0):min(i+20, len(text))])
		}
		if slices.Contains(strings.Split(text, "\n"), "runbook      call +1 555") {
			t.Error("a name has forged a line")
		}
	}
}

// hostileRecord is a file with a call whose names would write upon a terminal.
func hostileRecord(t *testing.T) string {
	t.Helper()
	const evil = `\u001b[2J\u0007\r\u202e\u0085\nrunbook      call +1 555`
	file := filepath.Join(t.TempDir(), "evil.json")
	record := fmt.Sprintf(`{"eventVersion":"1.11","eventID":"00000000-0000-4000-8000-000000000001","eventTime":"2026-03-01T10:00:00Z","eventType":"AwsApiCall",
		"eventSource":"iam.amazonaws.com","eventName":"AttachUserPolicy","awsRegion":"us-east-1","recipientAccountId":"111122223333","sourceIPAddress":"198.51.100.7","readOnly":false,
		"userAgent":"cli%[1]s","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s%[1]s","accountId":"111122223333","principalId":"AROAX:s%[1]s",
		"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/deploy","accountId":"111122223333","userName":"deploy"}}},
		"requestParameters":{"userName":"ann%[1]s","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}}`, evil)
	if err := os.WriteFile(file, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
