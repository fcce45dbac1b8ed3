package alert

import (
	"net/http"
	"strings"
	"testing"
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
