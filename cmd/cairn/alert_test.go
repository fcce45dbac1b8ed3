package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export/alert"
)

const everySink = `
- {name: slack, slack: 'http://127.0.0.1:1/k3y'}
- {name: topic, sns: 'arn:aws:sns:eu-central-1:123456789012:alerts'}
- {name: pager, pagerduty: {routing_key: r0uting-k3y}}
`

// TestAlertsOfTheSample prints what each finding of the sample would have told each kind of sink. Whoever is woken by it must find who,
// what, where and when in one sentence, what to do, and how to go on.
func TestAlertsOfTheSample(t *testing.T) {
	rules, data := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(rules, alert.FileName), []byte(everySink), 0o600); err != nil {
		t.Fatal(err)
	}
	said(t, "replay", "--data", data, "--no-progress")
	ids, _ := listed(t, "--data", data)
	if len(ids) < 15 {
		t.Fatalf("%d findings", len(ids))
	}
	sinks := []string{"slack", "topic", "pager"}
	for i, title := range slices.Sorted(maps.Keys(ids)) {
		sink, id := sinks[i%len(sinks)], ids[title]
		text := said(t, "alert", "test", sink, "--rules", rules, "--data", data, "--finding", id, "--print")
		for _, want := range []string{strings.TrimSuffix(title, " (held back)"), "444455556666", " UTC", "What to do", "What it means", "Harmless when", "cairn findings show " + id[:12]} {
			if !strings.Contains(text, want) {
				t.Errorf("%s for %s does not say %q:\n%s", title, sink, want, text)
			}
		}
		for _, never := range []string{"somebody unknown", "()", "``", "k3y", "<nil>", "  ,", "of account 444455556666"} {
			if strings.Contains(text, never) {
				t.Errorf("%s for %s has %q:\n%s", title, sink, never, text)
			}
		}
	}
	id := ids["Trail stopped and not started again"]
	testLetter(t, said(t, "alert", "test", "topic", "--rules", rules, "--data", data, "--finding", id, "--print"), id[:12]+" --data "+data+"/sample")
}

// testLetter holds a whole letter: the sentence says who did what, where from and when, and what did not follow; the facts have the ARN
// to look up, the key to revoke and when it was decided; then what it means and what to do first.
func testLetter(t *testing.T, printed, shown string) {
	var forms struct {
		Email string `json:"email"`
	}
	if err := json.Unmarshal([]byte(printed), &forms); err != nil {
		t.Fatal(err)
	}
	want := `HIGH: Trail stopped and not started again

user/svc-backup-sync called StopLogging (cloudtrail) with name
arn:aws:cloudtrail:eu-west-1:444455556666:trail/production in account
444455556666 from 198.51.100.142 at 2026-03-03 12:18:53 UTC; within 30m this
did not come: Logging of a trail started

Who          user/svc-backup-sync (arn:aws:iam::444455556666:user/svc-backup-sync)
Account      444455556666, eu-west-1
From         198.51.100.142 with Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0
When         2026-03-03 12:18:53 UTC, decided at 12:48:53
Call         StopLogging of cloudtrail.amazonaws.com
name         arn:aws:cloudtrail:eu-west-1:444455556666:trail/production
accessKeyId  ASIAM3Z2JPS5F4K4FYKB

What it means
  CloudTrail was told to stop logging to a trail, and nobody started it again
  within half an hour. What happens meanwhile leaves no record there. Stopping
  alone is told by another rule; this one says that it lasts.

Why
  Logging of a trail stopped: event a11edbb0-fdfa-4388-8463-e37280ab4053

What to do
  Start the trail again (aws cloudtrail start-logging). Then read what the
  same principal did before it stopped; for the time without a record look at
  the services' own logs and at the event history, which goes on without a
  trail.

Harmless when
  A trail that is retired on purpose, before it is deleted

Go on
  cairn findings show ` + shown + `
`
	letter, _, _ := strings.Cut(forms.Email, "\nCairn · ")
	if diff := cmp.Diff(want, letter); diff != "" {
		t.Error(diff)
	}
}

func TestAlertOfNoFinding(t *testing.T) {
	rules, data := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(rules, alert.FileName), []byte(everySink), 0o600); err != nil {
		t.Fatal(err)
	}
	said(t, "replay", "--data", data, "--no-progress")
	for id, want := range map[string]string{"ffffffffffff": "no finding", "": "nobody"} {
		args := []string{"alert", "test", "slack", "--rules", rules, "--data", data, "--print"}
		if id != "" {
			args = append(args, "--finding", id)
		}
		code, out, errs := cairn(t, args...)
		if id != "" && (code == exitDone || !strings.Contains(errs, want)) {
			t.Errorf("%q: exit status %d, %s", id, code, errs)
		}
		if id == "" && (code != exitDone || !strings.Contains(out, "nothing has happened")) { // a test message says so
			t.Errorf("exit status %d, %s", code, out)
		}
	}
}

// TestAlertThatWouldNotBeSent: a sink that does not ask for a finding says why,
// and gets it only by force.
func TestAlertThatWouldNotBeSent(t *testing.T) {
	rules, data := t.TempDir(), t.TempDir()
	to := filepath.Join(rules, "alerts.ndjson")
	sinks := "- {name: other, file: " + to + ", min_severity: critical, match: {account_id: '999999999999'}}\n"
	if err := os.WriteFile(filepath.Join(rules, alert.FileName), []byte(sinks), 0o600); err != nil {
		t.Fatal(err)
	}
	said(t, "replay", "--data", data, "--no-progress")
	var list struct {
		Findings []struct {
			ID string `json:"finding_id"`
		} `json:"findings"`
	}
	if err := json.Unmarshal([]byte(said(t, "findings", "--data", data, "--output", "json", "--rule", "Trail stopped")), &list); err != nil || len(list.Findings) == 0 {
		t.Fatal(err, len(list.Findings))
	}
	args := []string{"alert", "test", "other", "--rules", rules, "--data", data, "--finding", list.Findings[0].ID}
	code, out, errs := cairn(t, args...)
	if code != exitDone || !strings.Contains(out, "nothing was sent") || exists(to) {
		t.Errorf("exit status %d, %s", code, out)
	}
	for _, want := range []string{"would not be sent: its severity is high and the sink's min_severity is critical", "; it does not pass the sink's match"} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not in %s", want, errs)
		}
	}
	if out := said(t, append(args, "--force")...); !strings.Contains(out, "took it") || !exists(to) {
		t.Errorf("by force: %s", out)
	}
}
