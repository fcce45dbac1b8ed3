package fault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// service is an upstream that keeps what it hears and answers each request with its body, turned to capitals.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
	heads []http.Header
	hosts []string
	broke int // requests whose body broke off
}

func newService(t testing.TB) *service {
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s.mu.Lock()
		if err != nil {
			s.broke++
		} else {
			s.heard = append(s.heard, string(body))
			s.heads = append(s.heads, r.Header.Clone())
			s.hosts = append(s.hosts, r.Host)
		}
		s.mu.Unlock()
		w.Header().Set("X-Service", "yes")
		_, _ = w.Write(bytes.ToUpper(body)) // a client that has gone is what the tests are about
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// waitHeard waits until n requests were heard.
func (s *service) waitHeard(t testing.TB, n int) []string {
	t.Helper()
	for range 1000 {
		if got := s.all(); len(got) >= n {
			return got
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("heard %v, want %d requests", s.all(), n)
	return nil
}

func newProxy(t testing.TB, upstream string, rules ...Rule) *Proxy {
	t.Helper()
	p, err := New(upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.Add(rules...)
	return p
}

// client makes a new connection for each request, so that no request is repeated by the transport on its own account.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// call puts a body with an operation of a JSON service and returns the answer.
func call(t testing.TB, p *Proxy, operation, body string) (string, error) {
	t.Helper()
	return do(t.Context(), p, operation, body)
}

func do(ctx context.Context, p *Proxy, operation, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL()+"/", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Amz-Target", "Service_20200101."+operation)
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), err
}

func TestForward(t *testing.T) {
	s := newService(t)
	p := newProxy(t, s.URL)
	r, err := http.NewRequest(http.MethodPut, p.URL()+"/bucket/a%20b%2Fc?x=%2B", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "bucket.s3.example"
	r.Header.Set("Authorization", "signature")
	r.Header.Set("Accept-Encoding", "identity")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "HELLO" || response.Header.Get("X-Service") != "yes" {
		t.Errorf("answer %q %v %v", body, response.Header, err)
	}
	if s.hosts[0] != "bucket.s3.example" || s.heads[0].Get("Authorization") != "signature" || s.heads[0].Get("Accept-Encoding") != "identity" {
		t.Errorf("host %s, header %v: the signature covers them", s.hosts[0], s.heads[0])
	}
	if len(s.heads[0].Values("X-Forwarded-For")) > 0 {
		t.Error("the proxy says that it is there")
	}
	calls := p.Calls()
	if len(calls) != 1 || calls[0].Operation != "PutObject" || calls[0].Path != "/bucket/a b/c" || calls[0].Query != "x=%2B" || calls[0].Status != 200 {
		t.Errorf("log %+v", calls)
	}
}

// TestFates: what the service hears and what the client gets.
func TestFates(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	tests := map[string]struct {
		rule   Rule
		body   string
		heard  int
		answer string // "": an error
	}{
		"forward":            {Rule{}, "a", 1, "A"},
		"delayed":            {Rule{Delay: 30 * time.Millisecond}, "a", 1, "A"},
		"reply":              {Rule{Fate: Reply, Answer: Error(400, "LimitExceededException")}, "a", 0, `{"__type":"LimitExceededException","message":"injected by the fault proxy"}`},
		"reply to long body": {Rule{Fate: Reply, Answer: Error(400, "E")}, long, 0, `{"__type":"E","message":"injected by the fault proxy"}`},
		"lose":               {Rule{Fate: Lose}, "a", 0, ""},
		"lose answer":        {Rule{Fate: LoseAnswer}, "a", 1, ""},
		"cut request":        {Rule{Fate: CutRequest, Bytes: 100_000}, long, 0, ""},
		"cut answer":         {Rule{Fate: CutAnswer, Bytes: 100_000}, long, 1, ""},
		"repeat":             {Rule{Fate: Repeat}, "a", 2, "A"},
		"late":               {Rule{Late: true, Delay: time.Millisecond}, "a", 1, "A"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			p := newProxy(t, s.URL)
			injected := p.Add(test.rule)
			start := time.Now()
			answer, err := call(t, p, "Op", test.body)
			if (err == nil) != (test.answer != "") || err == nil && answer != test.answer {
				t.Errorf("answer %.80q, %v; want %q", answer, err, test.answer)
			}
			if heard := len(s.all()); heard != test.heard {
				t.Errorf("the service heard %d requests, want %d", heard, test.heard)
			}
			if took := time.Since(start); took < test.rule.Delay {
				t.Errorf("took %v", took)
			}
			if injected.Hits() != 1 || p.Count("Op") != 1 {
				t.Errorf("hits %d, count %d", injected.Hits(), p.Count("Op"))
			}
			if _, err := call(t, p, "Op", test.body); (err == nil) != (test.answer != "") {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

// TestCutAnswerGivesTheBytes: not one more and not one less, and the head says how many there should be.
func TestCutAnswerGivesTheBytes(t *testing.T) {
	s := newService(t)
	for _, n := range []int64{0, 1, 70_000} {
		p := newProxy(t, s.URL, Rule{Fate: CutAnswer, Bytes: n})
		answer, err := call(t, p, "Op", strings.Repeat("x", 100_000))
		if int64(len(answer)) != n || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: got %d, %v", n, len(answer), err)
		}
	}
}

func TestCutRequestReachesTheService(t *testing.T) {
	s := newService(t)
	p := newProxy(t, s.URL, Rule{Fate: CutRequest, Bytes: 500_000})
	if _, err := call(t, p, "Op", strings.Repeat("x", 1<<20)); err == nil {
		t.Error("an answer")
	}
	for range 1000 {
		s.mu.Lock()
		broke := s.broke
		s.mu.Unlock()
		if broke == 1 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the service saw no request break off")
}

func TestBrokenConnectionsAreReset(t *testing.T) {
	s := newService(t)
	for _, f := range []Fate{Lose, LoseAnswer} {
		p := newProxy(t, s.URL, Rule{Fate: f})
		if _, err := call(t, p, "Op", "a"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v: %v, want a reset", f, err)
		}
	}
}

func TestServiceGone(t *testing.T) {
	s := newService(t)
	p := newProxy(t, s.URL)
	s.Close()
	if _, err := call(t, p, "Op", "a"); err == nil {
		t.Error("an answer")
	}
	if c := p.Calls(); len(c) != 1 || c[0].Err == nil {
		t.Errorf("log %+v", c)
	}
}

// TestRulesChoose runs ten calls through each choice.
func TestRulesChoose(t *testing.T) {
	for name, test := range map[string]struct {
		calls Calls
		want  []int
	}{
		"all":      {Calls{}, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"third":    {Nth(3), []int{3}},
		"a range":  {Between(2, 4), []int{2, 3, 4}},
		"the rest": {From(9), []int{9, 10}},
		"each 4th": {Every(4), []int{4, 8}},
		"from 3":   {Calls{First: 3, Last: 9, Step: 2}, []int{4, 6, 8}},
	} {
		if got := chosen(test.calls, 10); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	some := chosen(Sometimes(0.3, 1), 10_000)
	if n := len(some); n < 2800 || n > 3200 { // 4 standard deviations are 183
		t.Errorf("30 %% of 10,000 calls are %d", n)
	}
	if !slices.Equal(some, chosen(Sometimes(0.3, 1), 10_000)) || slices.Equal(some, chosen(Sometimes(0.3, 2), 10_000)) {
		t.Error("the seed does not decide")
	}
}

func chosen(c Calls, n int) (numbers []int) {
	for i := 1; i <= n; i++ {
		if c.chooses(i) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func TestRulesMatch(t *testing.T) {
	s := newService(t)
	fail := Rule{Fate: Reply, Answer: Error(400, "E")}
	with := func(change func(*Rule)) Rule { r := fail; change(&r); return r }
	for name, test := range map[string]struct {
		rule Rule
		hit  bool
	}{
		"operation":       {with(func(r *Rule) { r.Operation = "Op" }), true},
		"other operation": {with(func(r *Rule) { r.Operation = "O" }), false},
		"method":          {with(func(r *Rule) { r.Method = "POST" }), true},
		"other method":    {with(func(r *Rule) { r.Method = "PUT" }), false},
		"path":            {with(func(r *Rule) { r.Path = regexp.MustCompile("^/$") }), true},
		"other path":      {with(func(r *Rule) { r.Path = regexp.MustCompile("MANIFEST$") }), false},
		"body":            {with(func(r *Rule) { r.Contains = "ell" }), true},
		"other body":      {with(func(r *Rule) { r.Contains = "elll" }), false},
	} {
		p := newProxy(t, s.URL, test.rule)
		answer, err := call(t, p, "Op", "hello")
		if err != nil || (answer != "HELLO") != test.hit {
			t.Errorf("%s: %q %v", name, answer, err)
		}
	}
}

// TestFirstRuleWins: the others count all the same, so that "the second call" means the same whatever stands before.
func TestFirstRuleWins(t *testing.T) {
	s := newService(t)
	p := newProxy(t, s.URL)
	first := p.Add(Rule{Calls: Nth(1), Fate: Reply, Answer: Error(400, "First")})
	second := p.Add(Rule{Calls: Nth(2), Fate: Reply, Answer: Error(400, "Second")})
	for i, want := range []string{"First", "Second", "HELLO"} {
		answer, err := call(t, p, "Op", "hello")
		if err != nil || !strings.Contains(answer, want) {
			t.Errorf("call %d: %q %v, want %s", i+1, answer, err, want)
		}
	}
	if first.Hits() != 1 || second.Hits() != 1 {
		t.Errorf("hits %d and %d", first.Hits(), second.Hits())
	}
	p.Add(Rule{Fate: Lose}).Remove()
	third := p.Add(Rule{Fate: Lose})
	p.Clear()
	if _, err := call(t, p, "Op", "hello"); err != nil || third.Hits() != 0 {
		t.Errorf("a removed rule is at work: %v", err)
	}
	if diff := cmp.Diff(map[string]int{"Op": 4}, p.Counts()); diff != "" {
		t.Error(diff)
	}
}

func TestHooksSeeTheCall(t *testing.T) {
	s := newService(t)
	type seen struct {
		Step, Op, Body, Target string
		Number, Status, Heard  int
	}
	var got []seen
	note := func(step string) Hook {
		return func(_ context.Context, c Call) {
			got = append(got, seen{step, c.Operation, string(c.Body), c.Header.Get("X-Amz-Target"), c.Number, c.Status, len(s.all())})
		}
	}
	p := newProxy(t, s.URL, Rule{Before: note("before"), After: note("after")})
	if _, err := call(t, p, "Op", "a"); err != nil {
		t.Fatal(err)
	}
	want := []seen{{"before", "Op", "a", "Service_20200101.Op", 1, 0, 0}, {"after", "Op", "a", "Service_20200101.Op", 1, 200, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c := p.Calls()[0]; c.Header != nil || c.Body != nil {
		t.Error("the log keeps bodies")
	}
}

// TestKill ends a process before the service hears of the call, and after.
func TestKill(t *testing.T) {
	s := newService(t)
	for i, rule := range []Rule{{Fate: Lose}, {Fate: LoseAnswer}} {
		sleeper := exec.Command("sleep", "60")
		if err := sleeper.Start(); err != nil {
			t.Skip(err)
		}
		if rule.Fate == Lose {
			rule.Before = Kill(sleeper.Process)
		} else {
			rule.After = Kill(sleeper.Process)
		}
		p := newProxy(t, s.URL, rule)
		if _, err := call(t, p, "Op", "a"); err == nil {
			t.Error("an answer")
		}
		var end *exec.ExitError
		if err := sleeper.Wait(); !errors.As(err, &end) || end.Sys().(syscall.WaitStatus).Signal() != os.Kill {
			t.Errorf("ended with %v", err)
		}
		if heard := len(s.all()); heard != i {
			t.Errorf("%v: %d requests heard", rule.Fate, heard)
		}
	}
}

func TestGate(t *testing.T) {
	s := newService(t)
	gate := NewGate()
	p := newProxy(t, s.URL, Rule{Calls: Between(1, 2), Before: gate.Wait})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			if answer, err := call(t, p, "Op", "held"); err != nil || answer != "HELD" {
				t.Errorf("%q %v", answer, err)
			}
		})
	}
	for range 2 {
		if c := <-gate.Arrived(); c.Operation != "Op" {
			t.Errorf("arrived: %+v", c)
		}
	}
	if answer, err := call(t, p, "Op", "free"); err != nil || answer != "FREE" {
		t.Errorf("a call beside the held ones: %q %v", answer, err)
	}
	if got := s.all(); !slices.Equal(got, []string{"free"}) {
		t.Errorf("heard %v while the gate is closed", got)
	}
	gate.Open()
	gate.Open()
	wait.Wait()
}

// TestClientGivesUp: the held call is dropped, or arrives late if the rule says so.
func TestClientGivesUp(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newService(t)
		gate := NewGate()
		p := newProxy(t, s.URL, Rule{Calls: Nth(1), Before: gate.Wait, Late: late})
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := do(ctx, p, "Op", "given up")
			gone <- err
		}()
		<-gate.Arrived()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("late %v: %v", late, err)
		}
		if _, err := call(t, p, "Op", "next"); err != nil {
			t.Error(err)
		}
		want := []string{"next"}
		if late {
			gate.Open()
			want = append(want, "given up")
		} else {
			waitEnded(t, p, 2)
			gate.Open()
		}
		if got := s.waitHeard(t, len(want)); !slices.Equal(got, want) {
			t.Errorf("late %v: heard %v, want %v", late, got, want)
		}
	}
}

func waitEnded(t testing.TB, p *Proxy, n int) {
	t.Helper()
	for range 1000 {
		if len(p.Calls()) >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d calls have ended, want %d", len(p.Calls()), n)
}

func TestOutage(t *testing.T) {
	s := newService(t)
	gate := NewGate()
	defer gate.Open()
	p := newProxy(t, s.URL, Rule{Operation: "Held", Before: gate.Wait})
	keepAlive := &http.Client{Transport: &http.Transport{}}
	defer keepAlive.CloseIdleConnections()
	get := func() error {
		response, err := keepAlive.Get(p.URL())
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	under := make(chan error)
	go func() {
		_, err := do(t.Context(), p, "Held", "a")
		under <- err
	}()
	<-gate.Arrived()
	for range 2 {
		p.Outage(true)
		for range 3 {
			if err := get(); err == nil {
				t.Error("an answer in the outage, over a connection that was there")
			}
			if _, err := call(t, p, "Op", "a"); err == nil {
				t.Error("an answer in the outage")
			}
		}
		p.Outage(false)
		if err := get(); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	}
	if err := <-under; err == nil {
		t.Error("the call that was under way was answered")
	}
}

// TestStreamedAnswer: an event stream must come through piece by piece.
func TestStreamedAnswer(t *testing.T) {
	next := make(chan string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for piece := range next {
			if _, err := io.WriteString(w, piece); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
	}))
	defer s.Close()
	p := newProxy(t, s.URL)
	go func() { next <- "first" }()
	response, err := http.Get(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	buffer := make([]byte, 10)
	for _, piece := range []string{"first", "second"} {
		if piece == "second" {
			next <- piece
		}
		n, err := io.ReadAtLeast(response.Body, buffer, len(piece))
		if err != nil || string(buffer[:n]) != piece {
			t.Errorf("got %q %v, want %q", buffer[:n], err, piece)
		}
	}
	close(next)
}

func TestClose(t *testing.T) {
	s := newService(t)
	p, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	gate := NewGate()
	p.Add(Rule{Before: gate.Wait, Late: true})
	done := make(chan error)
	go func() {
		_, err := do(t.Context(), p, "Op", "a")
		done <- err
	}()
	<-gate.Arrived()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("the held call was answered")
	}
	if _, err := call(t, p, "Op", "a"); err == nil {
		t.Error("an answer after Close")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, upstream := range []string{"", "127.0.0.1:80", "https://example.org", "http://", "http://%"} {
		if p, err := New(upstream); err == nil {
			t.Errorf("%q: a proxy at %s", upstream, p.URL())
		}
	}
}

// TestManyClients is for the race detector.
func TestManyClients(t *testing.T) {
	s := newService(t)
	p := newProxy(t, s.URL,
		Rule{Operation: "A", Calls: Sometimes(0.2, 1), Fate: Lose}, Rule{Operation: "A", Calls: Sometimes(0.2, 2), Fate: LoseAnswer},
		Rule{Operation: "B", Calls: Sometimes(0.5, 3), Fate: Reply, Answer: Error(500, "E")}, Rule{Calls: Sometimes(0.1, 4), Delay: time.Millisecond})
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			for i := range 40 {
				answer, err := call(t, p, []string{"A", "B"}[(w+i)%2], "hello")
				if err == nil && answer != "HELLO" && !strings.Contains(answer, `"E"`) {
					t.Errorf("answer %q", answer)
				}
				p.Counts()
			}
		})
	}
	for range 20 {
		p.Add(Rule{Operation: "none"}).Remove()
		p.Outage(false)
		p.Calls()
	}
	wait.Wait()
	if p.Count("A") != 160 || p.Count("B") != 160 {
		t.Errorf("counts %v", p.Counts())
	}
}
