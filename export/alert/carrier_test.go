package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// soon is more than enough for what happens on loopback.
const soon = 30 * time.Second

// request is what a server got.
type request struct {
	header http.Header
	body   string
}

// server answers each request with the next of some statuses, the last for
// ever.
type server struct {
	*httptest.Server
	header http.Header // of each answer but 2xx
	said   string

	mu  sync.Mutex
	got []request
}

func serve(t *testing.T, said string, statuses ...int) *server {
	t.Helper()
	s := &server{said: said, header: http.Header{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		s.mu.Lock()
		status := statuses[min(len(s.got), len(statuses)-1)]
		s.got = append(s.got, request{r.Header.Clone(), string(data)})
		s.mu.Unlock()
		if status >= 300 {
			for k, v := range s.header {
				w.Header()[k] = v
			}
		}
		w.WriteHeader(status)
		fmt.Fprint(w, said)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.got...)
}

// carried takes one alert to the sink of a line, by itself, and returns the
// answer.
func carried(t *testing.T, line string, rows ...string) []answer {
	t.Helper()
	sinks := load(t, line, map[string]string{"KEY": "k3y-of-the-sink"})
	s := sinks.All()[0]
	c, err := connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var parcels []*parcel
	for _, finding := range rows {
		row := burst()
		row.FindingID = finding
		a, err := s.alert(row, About{}, knowledge)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeBody(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		parcels = append(parcels, &parcel{a.ID, a.Finding, a.Time, b, []*item{{alert: a}}})
	}
	return c.carry(t.Context(), parcels)
}

// TestWebhook sends through a server that fails first. What arrives is what was
// rendered, under one id, and signed so that somebody who knows the secret can
// tell.
func TestWebhook(t *testing.T) {
	s := serve(t, "thanks", http.StatusServiceUnavailable, http.StatusOK)
	sinks := load(t, "- {name: hook, webhook: {url: '"+s.URL+"/in?token=x', secret: '${SECRET}', headers: {Authorization: 'Bearer ${SECRET}'}}}", map[string]string{"SECRET": "s3cret"})
	alerts := NewRouter(sinks, knowledge, nil).Alerts(burst())
	metrics := NewMetrics()
	sender, err := NewSender(t.Context(), sinks, SenderOptions{Metrics: metrics, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close(t.Context())
	done := make(chan string, 1)
	before := time.Now()
	sender.Send("shard", alerts, func(id string) { done <- id })
	select {
	case id := <-done:
		same(t, "id", alerts[0].ID, id)
	case <-time.After(soon):
		t.Fatal("not delivered")
	}
	if took := time.Since(before); took < time.Second {
		t.Errorf("tried again after %v, not 1 s", took)
	}
	b, _ := decodeBody(alerts[0].Body)
	got := s.requests()
	if len(got) != 2 {
		t.Fatalf("%d requests", len(got))
	}
	for _, r := range got {
		same(t, "body", b.Payload, r.body)
		same(t, "idempotency key", alerts[0].ID, r.header.Get("Idempotency-Key"))
		same(t, "content type", "application/json", r.header.Get("Content-Type"))
		same(t, "authorization", "Bearer s3cret", r.header.Get("Authorization"))
		mac := hmac.New(sha256.New, []byte("s3cret"))
		fmt.Fprintf(mac, "%s.%s", r.header.Get("X-Cairn-Timestamp"), r.body)
		same(t, "signature", "sha256="+hex.EncodeToString(mac.Sum(nil)), r.header.Get("X-Cairn-Signature"))
	}
	if st, _ := sender.Status(alerts[0].ID); st.State != Sent || st.Attempts != 2 || st.Answer != "HTTP 200: thanks" {
		t.Errorf("%+v", st)
	}
	if value(t, metrics, "cairn_alerts_sent_total", "hook") != 1 || value(t, metrics, "cairn_alert_attempts_failed_total", "hook") != 1 {
		t.Error("not counted")
	}
}

// TestSignature holds the signature against one that another program made:
// printf '1772373600.{}' | openssl dgst -sha256 -hmac s3cret
func TestSignature(t *testing.T) {
	s := load(t, "- {name: a, webhook: {url: 'https://example.com', secret: '${KEY}'}}", map[string]string{"KEY": "s3cret"}).Find("a")
	_, h := s.signed(&parcel{body: body{Payload: "{}"}}, time.Unix(1772373600, 0))
	same(t, "signature", "sha256=33b8e4e1a4b4bd9192e329efe4e7510aaee278736728e82e60d462fcc640a45a", h.Get("X-Cairn-Signature"))
	s = load(t, "- {name: a, webhook: 'https://example.com'}", nil).Find("a")
	if _, h := s.signed(&parcel{}, at); h.Get("X-Cairn-Signature") != "" {
		t.Error("signed without a secret")
	}
}

func TestSlackAnswers(t *testing.T) {
	s := serve(t, "ok", http.StatusOK)
	got := carried(t, "- {name: a, slack: '"+s.URL+"/services/${KEY}'}", "f1")
	same(t, "answer", "HTTP 200: ok", got[0].String())
	r := s.requests()[0]
	same(t, "content type", "application/json", r.header.Get("Content-Type"))
	if leaves(t, r.body)["blocks/0/type"] != "header" || r.header.Get("X-Cairn-Signature") != "" {
		t.Errorf("sent %v", r)
	}
}

func TestPagerDutyKey(t *testing.T) {
	s := serve(t, `{"status":"success"}`, http.StatusAccepted)
	got := carried(t, `- {name: a, pagerduty: {routing_key: '${KEY}"', url: '`+s.URL+`'}}`, "f1")
	if got[0].err != nil {
		t.Fatal(got[0].err)
	}
	fields := leaves(t, s.requests()[0].body)
	if fields["routing_key"] != `k3y-of-the-sink"` || fields["dedup_key"] != "f1" || fields["event_action"] != "trigger" {
		t.Errorf("sent %v", fields)
	}
}

// TestJudge: what speaks of the message is final, what speaks of the sink is
// not.
func TestJudge(t *testing.T) {
	for _, test := range []struct {
		status     int
		retryAfter string
		want       string
	}{
		{200, "", "sent"}, {202, "", "sent"}, {204, "", "sent"},
		{301, "", "again"}, {307, "", "again"}, // the address has to be corrected
		{400, "", "refused"}, {413, "", "refused"}, {415, "", "refused"}, {422, "", "refused"},
		{401, "", "again"}, {403, "", "again"}, {404, "", "again"}, {410, "", "again"}, // a key or a channel can be put right within the day
		{408, "", "again"}, {409, "", "again"},
		{429, "7", "again after 7s"}, {429, "Sun, 01 Mar 2026 14:00:30 GMT", "again after 30s"}, {503, "120", "again after 2m0s"},
		{429, "soon", "again"}, {429, "-5", "again"}, {429, "Sun, 01 Mar 2026 13:00:00 GMT", "again"}, // in the past
		{503, "99999999999999", "again after 1h0m0s"}, {503, "99999999999999999999", "again"}, // no number at all
		{503, "86400", "again after 1h0m0s"}, // no sink may silence itself for a day
		{500, "", "again"}, {502, "", "again"},
	} {
		a := judge(&http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {test.retryAfter}}}, "", at)
		got := "sent"
		switch {
		case a.lasting:
			got = "refused"
		case a.err != nil && a.after > 0:
			got = "again after " + a.after.String()
		case a.err != nil:
			got = "again"
		}
		if got != test.want {
			t.Errorf("%d %s: %s, want %s", test.status, test.retryAfter, got, test.want)
		}
	}
}

// TestNoRedirect: a message and its signature go to the host that was named.
func TestNoRedirect(t *testing.T) {
	other := serve(t, "", http.StatusOK)
	s := serve(t, "", http.StatusTemporaryRedirect)
	s.header.Set("Location", other.URL)
	got := carried(t, "- {name: a, webhook: '"+s.URL+"'}", "f1")
	if got[0].err == nil || got[0].lasting || len(other.requests()) > 0 {
		t.Errorf("%v, %d requests elsewhere", got[0], len(other.requests()))
	}
}

// TestErrorsHoldNoKeys: the address of a webhook is a key, and errors of package
// http show it.
func TestErrorsHoldNoKeys(t *testing.T) {
	s := serve(t, "no such key: k3y-of-the-sink\n\x00"+strings.Repeat("x", 10000), http.StatusForbidden)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, line := range []string{
		"- {name: a, slack: '" + gone.URL + "/${KEY}'}", "- {name: a, webhook: {url: '" + gone.URL + "/?key=${KEY}', secret: '${KEY}'}}", "- {name: a, slack: 'http://[::1%25${KEY}]:1/'}",
		"- {name: a, webhook: {url: '" + s.URL + "', secret: '${KEY}'}}", "- {name: a, pagerduty: {routing_key: '${KEY}', url: '" + s.URL + "'}}",
	} {
		sink := load(t, line, map[string]string{"KEY": "k3y-of-the-sink"}).All()[0]
		got := carried(t, line, "f1")
		if got[0].err == nil || got[0].lasting {
			t.Errorf("%s: %v", line, got[0])
		}
		if text := sink.hide(got[0].String()); strings.Contains(text, "k3y") || strings.Contains(text, "\n") || len(text) > 300 {
			t.Errorf("%s: %s", line, text)
		}
	}
}

// TestStopped: the end of a sender is no failure of a sink, and nobody waits
// for a server that does not answer.
func TestStopped(t *testing.T) {
	hold := make(chan struct{})
	arrived := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-hold }))
	defer s.Close()
	defer close(hold)
	sinks := load(t, "- {name: a, webhook: '"+s.URL+"'}", nil)
	metrics := NewMetrics()
	sender, err := NewSender(t.Context(), sinks, SenderOptions{Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	sender.Send("shard", NewRouter(sinks, Knowledge{}, nil).Alerts(burst()), func(string) { t.Error("it is not done") })
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left := sender.Close(ctx); left != 1 {
		t.Errorf("%d left", left)
	}
	if n := value(t, metrics, "cairn_alert_attempts_failed_total", "a"); n != 0 {
		t.Errorf("%v failures", n)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.ndjson")
	line := "- {name: a, file: '" + path + "'}"
	if err := os.WriteFile(path, []byte(`{"half`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range carried(t, line, "f1", "f2") {
		if a.err != nil {
			t.Fatal(a.err)
		}
	}
	carried(t, line, "f3")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 4 || lines[0] != `{"half` { // what a crash cut off stays a line of its own
		t.Fatalf("%q", lines)
	}
	for i, finding := range []string{"f1", "f2", "f3"} {
		same(t, "finding", finding, leaves(t, lines[i+1])["finding_id"])
	}
	got := carried(t, "- {name: a, file: '"+filepath.Join(path, "below")+"'}", "f1", "f2")
	var pathError *os.PathError
	if len(got) != 2 || !errors.As(got[1].err, &pathError) || got[1].lasting {
		t.Errorf("%v", got)
	}
}
