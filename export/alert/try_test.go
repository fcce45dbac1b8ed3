package alert

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/export"
)

func TestTry(t *testing.T) {
	ok, bad, down := serve(t, "ok", 200), serve(t, "invalid_payload for k3y-of-the-sink", 400), serve(t, "", http.StatusBadGateway)
	sinks := load(t, "- {name: good, slack: '"+ok.URL+"/${KEY}', min_severity: critical, match: {region: nowhere}}\n- {name: bad, slack: '"+bad.URL+"/${KEY}'}\n- {name: down, slack: '"+down.URL+"/${KEY}'}",
		map[string]string{"KEY": "k3y-of-the-sink"})
	example := func(sink string) *Trial {
		t.Helper()
		trial, err := Example(sinks.Find(sink), "low", at)
		if err != nil {
			t.Fatal(err)
		}
		return trial
	}
	said, err := example("good").Send(t.Context())
	if err != nil || said != "HTTP 200: ok" {
		t.Errorf("%q %v", said, err)
	}
	sent := ok.requests()[0].body
	if !strings.Contains(sent, "nothing has happened") || !strings.Contains(sent, "LOW") {
		t.Errorf("it does not say that it is a test: %s", sent)
	}
	if preview := example("good").Payload(); preview != sent {
		t.Errorf("the preview is not what was sent: %s", preview)
	}
	if _, err := example("bad").Send(t.Context()); err == nil || err.Error() != "bad refuses such a message: HTTP 400: invalid_payload for (secret)" {
		t.Error(err)
	}
	if _, err := example("down").Send(t.Context()); err == nil || err.Error() != "down did not take it: HTTP 502" {
		t.Error(err)
	}
	if n := len(down.requests()); n != 1 {
		t.Errorf("%d attempts: somebody waits for the answer", n)
	}
}

// TestRefusalsAgreeWithWants: what a person is told is what a worker does.
func TestRefusalsAgreeWithWants(t *testing.T) {
	by, end, here, elsewhere := "ffffffffffffffff", "end", "eu-west-1", "us-east-1"
	changes := map[string]func(*export.FindingRow){
		"":                             func(*export.FindingRow) {},
		"its severity is low":          func(r *export.FindingRow) { r.Severity = "low" },
		"its rule is on trial":         func(r *export.FindingRow) { r.Staged = true },
		"held back by finding ffffff":  func(r *export.FindingRow) { r.SuppressedBy = &by },
		`this step of it is "end"`:     func(r *export.FindingRow) { r.StateReason = &end },
		"does not pass the sink's mat": func(r *export.FindingRow) { r.Region = &elsewhere },
	}
	sink := load(t, "- {name: a, file: a.ndjson, min_severity: medium, match: {region: eu-*}}", nil).Find("a")
	for want, change := range changes {
		row := ExampleRow(at)
		row.Severity, row.Region = "high", &here
		change(&row)
		why := strings.Join(sink.refusals(&row), "; ")
		if sink.wants(&row) != (why == "") || !strings.Contains(why, want) || (want == "") != (why == "") {
			t.Errorf("wanted: %v, refused because %q, want %q", sink.wants(&row), why, want)
		}
	}
}
