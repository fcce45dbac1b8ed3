package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"
)

// station is a sink whose answers a test decides. It notes what comes and when.
type station struct {
	began time.Time
	takes time.Duration
	reply func(call int, p *parcel) answer // nil: all is taken

	mu    sync.Mutex
	calls []string // "<seconds>: <ids>"
	ids   []string // that were taken
	text  []string // bodies
}

func (s *station) carry(ctx context.Context, parcels []*parcel) (out []answer) {
	s.mu.Lock()
	call := len(s.calls)
	var ids []string
	for _, p := range parcels {
		id := p.id
		if len(p.items) > 1 {
			id = fmt.Sprint("digest of ", len(p.items))
		}
		ids = append(ids, id)
	}
	s.calls = append(s.calls, fmt.Sprintf("%v: %s", time.Since(s.began).Seconds(), strings.Join(ids, " ")))
	s.mu.Unlock()
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
		}
	}
	for _, p := range parcels {
		a := answer{text: "ok"}
		if s.reply != nil {
			a = s.reply(call, p)
		} else if ctx.Err() != nil {
			a = answer{err: ctx.Err()}
		}
		if a.err == nil {
			s.mu.Lock()
			s.ids, s.text = append(s.ids, p.id), append(s.text, p.body.Payload)
			s.mu.Unlock()
		}
		out = append(out, a)
	}
	return out
}

// called are the calls so far.
func (s *station) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// taken are the ids of what was taken so far.
func (s *station) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// office: a sender whose sinks are stations.
type office struct {
	*Sender
	stations map[string]*station
	log      bytes.Buffer

	mu   sync.Mutex
	done []string
}

func newOffice(t *testing.T, text string, stations map[string]*station) *office {
	t.Helper()
	o := &office{stations: stations}
	sinks := load(t, text, nil)
	var err error
	if o.Sender, err = NewSender(t.Context(), sinks, SenderOptions{Log: slog.New(slog.NewTextHandler(&o.log, nil))}); err != nil {
		t.Fatal(err)
	}
	for name, s := range stations {
		s.began = time.Now()
		q := o.queues[name]
		q.mu.Lock() // nothing was sent yet; the lock is for the race detector
		q.carrier = s
		q.mu.Unlock()
	}
	return o
}

// alerts makes alerts of a sink for finding and id "f:id".
func (o *office) alerts(sink string, names ...string) (out []Alert) {
	for i, n := range names {
		finding, id, _ := strings.Cut(n, ":")
		b := body{Kind: o.queues[sink].sink.Kind, Step: "start", Severity: "high", Rule: "r", Title: "R", Payload: fmt.Sprintf(`{"id":%q}`, id)}
		data, _ := b.encode()
		out = append(out, Alert{ID: id, Sink: sink, Finding: finding, Time: at.UnixMilli() + int64(i), Body: data})
	}
	return out
}

func (o *office) send(sink string, names ...string) {
	o.Send("shard", o.alerts(sink, names...), func(id string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.done = append(o.done, id)
	})
}

func (o *office) finished() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.done)
}

func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

var errDown = errors.New("connection refused")

// value of a metric of a sink.
func value(t *testing.T, m *Metrics, name string, labels ...string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(m); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			var has []string
			for _, l := range one.GetLabel() {
				has = append(has, l.GetValue())
			}
			slices.Sort(labels)
			slices.Sort(has)
			if f.GetName() == name && slices.Equal(has, labels) {
				return one.GetCounter().GetValue() + one.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s%v", name, labels)
	return 0
}

// TestBackoff: the times of a sink that is dead are 1 s, then twice as much each
// time, up to ten minutes; after a day the alert is given up.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &station{reply: func(int, *parcel) answer { return answer{err: errDown} }}
		o := newOffice(t, "- {name: a, file: x}", map[string]*station{"a": down})
		o.send("a", "f:1")
		pass(4000 * time.Second)
		// 2^n-1: each pause begins with the answer before. From 1023 on it is 600.
		var want []string
		for _, at := range []int{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023 - 0, 1623, 2223, 2823, 3423} {
			want = append(want, fmt.Sprint(at, ": 1"))
		}
		same(t, "calls", want, down.called())
		if st, ok := o.Status("1"); !ok || st.State != Waiting || st.Attempts != 15 || st.Answer != "connection refused" {
			t.Errorf("status %+v", st)
		}
		if len(o.finished()) > 0 {
			t.Error("it is not over")
		}
		pass(24*time.Hour - 4000*time.Second)
		synctest.Wait()
		same(t, "done", []string{"1"}, o.finished())
		if st, _ := o.Status("1"); st.State != GivenUp {
			t.Errorf("status %+v", st)
		}
		if value(t, o.count, "cairn_alerts_given_up_total", "a", "age") != 1 || value(t, o.count, "cairn_alerts_waiting", "a") != 0 {
			t.Error("not counted")
		}
		if !strings.Contains(o.log.String(), "alert given up") {
			t.Error("not logged")
		}
		o.Close(t.Context())
	})
}

// TestRetryAfter: a sink that names a time is left alone until then, and all
// alerts with it.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{reply: func(call int, _ *parcel) answer {
			if call == 0 {
				return answer{err: errors.New("HTTP 429"), after: 30 * time.Second}
			}
			return answer{}
		}}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com'}", map[string]*station{"a": s})
		o.send("a", "f:1", "g:2")
		pass(time.Minute)
		same(t, "calls", []string{"0: 1", "30: 2", "30: 1"}, s.called())
		same(t, "done", []string{"2", "1"}, o.finished())
		o.Close(t.Context())
	})
}

// TestPoison: an alert that always fails holds neither the others nor their
// pace; those of its own finding wait for it.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{reply: func(_ int, p *parcel) answer {
			if p.id == "1" {
				return answer{err: errors.New("HTTP 500")}
			}
			return answer{}
		}}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com'}", map[string]*station{"a": s})
		o.send("a", "f:1", "f:2", "g:3", "h:4")
		pass(10 * time.Second)
		same(t, "taken", []string{"3", "4"}, s.taken())
		// A failing sink is tried with another alert next. When it takes that, it is not the sink that is broken.
		same(t, "calls", []string{"0: 1", "1: 3", "1: 1", "2: 4", "3: 1", "7: 1"}, s.called())
		o.Close(t.Context())
	})
}

// TestDeadSink: a sink that does not answer delays no other.
func TestDeadSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, live := &station{takes: time.Hour}, &station{}
		o := newOffice(t, "- {name: dead, webhook: 'https://example.com'}\n- {name: live, webhook: 'https://example.com'}", map[string]*station{"dead": dead, "live": live})
		before := time.Now()
		o.send("dead", "f:1", "g:2")
		o.send("live", "f:3", "g:4")
		if !time.Now().Equal(before) {
			t.Error("Send waited")
		}
		synctest.Wait()
		same(t, "calls", []string{"0: 3", "0: 4"}, live.called())
		same(t, "done", []string{"3", "4"}, o.finished())
		// Nor does it hold up the end: two seconds, and what is left is left.
		if left := o.Close(t.Context()); left != 2 || time.Since(before) != 2*time.Second {
			t.Errorf("%d left after %v", left, time.Since(before))
		}
		same(t, "done", []string{"3", "4"}, o.finished()) // the state keeps the others
		o.send("live", "f:5")
		if len(live.called()) != 2 {
			t.Error("sent after the end")
		}
	})
}

// TestClose: what can be sent at once is sent; what waits for a pause is not.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, failing := &station{takes: 300 * time.Millisecond}, &station{reply: func(int, *parcel) answer { return answer{err: errDown} }}
		o := newOffice(t, "- {name: slow, webhook: 'https://example.com'}\n- {name: failing, webhook: 'https://example.com'}", map[string]*station{"slow": slow, "failing": failing})
		o.send("slow", "f:1", "g:2", "h:3")
		o.send("failing", "f:4")
		synctest.Wait()
		before := time.Now()
		if left := o.Close(t.Context()); left != 1 || time.Since(before) != 900*time.Millisecond {
			t.Errorf("%d left after %v", left, time.Since(before))
		}
		same(t, "taken", []string{"1", "2", "3"}, slow.taken())
	})
}

// TestRate: beyond the rate, the last message of the time speaks for all that
// wait then.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com', rate: 3/m}", map[string]*station{"a": s})
		o.send("a", "f:1", "f:2", "g:3", "h:4", "i:5")
		synctest.Wait()
		same(t, "calls", []string{"0: 1", "0: 2", "0: digest of 3"}, s.called())
		same(t, "done", []string{"1", "2", "3", "4", "5"}, o.finished())
		pass(20 * time.Second)
		o.send("a", "j:6") // the minute is used up
		pass(39 * time.Second)
		same(t, "calls", 3, len(s.called()))
		pass(time.Second)
		synctest.Wait()
		same(t, "calls", "60: 6", s.called()[3]) // alone it goes as itself
		got := leaves(t, s.text[2])
		if got["step"] != "digest" || got["text"] != "3 alerts of 1 rules were joined because more came than this sink takes: 3 × R" || got["digest/0/alerts"] != "3" || got["digest/0/rule_id"] != "r" ||
			got["finding_ids/0"] != "g" || got["finding_ids/2"] != "i" || got["severity"] != "high" {
			t.Errorf("the digest says %v", got)
		}
		if value(t, o.count, "cairn_alert_digests_total", "a") != 1 || value(t, o.count, "cairn_alerts_sent_total", "a") != 6 {
			t.Error("not counted")
		}
		o.Close(t.Context())
	})
}

// TestSlackPace: Slack takes a message a second.
func TestSlackPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{}
		o := newOffice(t, "- {name: a, slack: 'https://example.com'}", map[string]*station{"a": s})
		o.send("a", "f:1", "g:2", "h:3")
		pass(time.Minute)
		same(t, "calls", []string{"0: 1", "1: 2", "2: 3"}, s.called())
		o.Close(t.Context())
	})
}

// TestOverflow: of too many the oldest go, and the newest are kept.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{reply: func(int, *parcel) answer { return answer{err: errDown} }}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com'}", map[string]*station{"a": s})
		for i := range maxWaiting + 3 {
			o.send("a", fmt.Sprintf("f%d:%d", i, i))
		}
		synctest.Wait()
		if n := value(t, o.count, "cairn_alerts_given_up_total", "a", "overflow"); n != 3 {
			t.Errorf("%v given up", n)
		}
		if n := value(t, o.count, "cairn_alerts_waiting", "a"); n != maxWaiting {
			t.Errorf("%v waiting", n)
		}
		o.Close(t.Context())
	})
}

// TestRefused: what a sink will never take is given up at once. What it refuses
// together with others is tried alone.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := &station{reply: func(_ int, p *parcel) answer {
			if p.id == "2" {
				return answer{err: errors.New("HTTP 400"), lasting: true, text: "invalid_payload"}
			}
			return answer{}
		}}
		together := &station{reply: func(call int, p *parcel) answer {
			switch {
			case call == 0:
				return answer{err: errors.New("InvalidArgument"), alone: true}
			case p.id == "2":
				return answer{err: errors.New("InvalidArgument"), lasting: true}
			}
			return answer{}
		}}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com'}\n- {name: b, eventbridge: x}", map[string]*station{"a": bad, "b": together})
		o.send("a", "f:1", "f:2", "f:3")
		o.send("b", "f:1", "g:2", "h:3", "h:4")
		synctest.Wait()
		same(t, "calls", []string{"0: 1", "0: 2", "0: 3"}, bad.called())
		same(t, "calls", []string{"0: 1 2 3", "0: 1", "0: 2", "0: 3", "0: 4"}, together.called()) // 4 is of the finding of 3: never in one batch
		if n := value(t, o.count, "cairn_alerts_given_up_total", "b", "refused"); n != 1 {
			t.Errorf("%v given up", n)
		}
		if st, _ := o.queues["a"].status("2"); st.State != GivenUp || st.Answer != "HTTP 400: invalid_payload" {
			t.Errorf("%+v", st)
		}
		o.Close(t.Context())
	})
}

// TestRefusedDigest: alerts do not fall with the digest that stood for them.
func TestRefusedDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{reply: func(_ int, p *parcel) answer {
			if len(p.items) > 1 {
				return answer{err: errors.New("HTTP 400"), lasting: true}
			}
			return answer{}
		}}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com', rate: 1/m}", map[string]*station{"a": s})
		o.send("a", "f:1", "g:2")
		pass(3 * time.Minute)
		same(t, "calls", []string{"0: digest of 2", "60: 1", "120: 2"}, s.called())
		o.Close(t.Context())
	})
}

// TestTwice: an alert that comes twice is sent once, and all are told who
// brought it.
func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &station{takes: time.Second}
		o := newOffice(t, "- {name: a, webhook: 'https://example.com'}", map[string]*station{"a": s})
		o.send("a", "f:1")
		synctest.Wait()
		o.send("a", "f:1") // on its way
		pass(2 * time.Second)
		o.send("a", "f:1") // over
		synctest.Wait()
		same(t, "done", []string{"1", "1", "1"}, o.finished())
		same(t, "calls", 1, len(s.called()))
		o.Close(t.Context())
	})
}

// TestUnknown: an alert whose sink is gone, or became another kind, does not
// stay for ever.
func TestUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, "- {name: a, slack: 'https://example.com'}", map[string]*station{"a": {}})
		alerts := o.alerts("a", "f:1", "f:2")
		alerts[0].Sink = "gone"
		b := body{Kind: "sns"}
		alerts[1].Body, _ = b.encode()
		alerts = append(alerts, Alert{ID: "3", Sink: "a", Body: []byte("half a")})
		var done []string
		o.Send("shard", alerts, func(id string) { done = append(done, id) })
		same(t, "done", []string{"1", "2", "3"}, done)
		same(t, "calls", 0, len(o.stations["a"].called()))
		if value(t, o.count, "cairn_alerts_given_up_total", "gone", "unknown") != 1 || value(t, o.count, "cairn_alerts_given_up_total", "a", "refused") != 2 {
			t.Error("not counted")
		}
		o.Close(t.Context())
	})
}

// TestOrder: whatever fails, the alerts of a finding arrive in their order, and
// all of them do.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		kinds := rapid.SampledFrom([]string{"webhook: 'https://example.com'", "eventbridge: x", "file: x"}).Draw(r, "kind")
		n := rapid.IntRange(1, 30).Draw(r, "alerts")
		fails := rapid.SliceOfN(rapid.IntRange(0, 4), 200, 200).Draw(r, "fails")
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("f%d:%02d", rapid.IntRange(0, 4).Draw(r, "finding"), i))
		}
		synctest.Test(t, func(t *testing.T) {
			place := 0
			s := &station{reply: func(int, *parcel) answer {
				place++
				if place < len(fails) && fails[place] == 0 {
					return answer{err: errDown}
				}
				return answer{}
			}}
			o := newOffice(t, "- {name: a, "+kinds+"}", map[string]*station{"a": s})
			for _, name := range names {
				o.send("a", name)
			}
			pass(20 * time.Hour)
			if len(s.taken()) != n || len(o.finished()) != n {
				t.Errorf("%d of %d arrived", len(s.taken()), n)
			}
			last := map[string]string{}
			for _, id := range s.taken() {
				for _, name := range names {
					if f, i, _ := strings.Cut(name, ":"); i == id {
						if kinds != "file: x" && last[f] > id { // a file takes a batch as a whole
							t.Errorf("%s came after %s", id, last[f])
						}
						last[f] = id
					}
				}
			}
			o.Close(t.Context())
		})
	})
}

// pass lets time go by, and all that it brings about happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// exchange takes other sinks, with stations behind some of them.
func (o *office) exchange(t *testing.T, text string, stations map[string]*station) {
	t.Helper()
	sinks := &Sinks{}
	if text != "" {
		sinks = load(t, text, nil)
	}
	if err := o.Exchange(t.Context(), sinks); err != nil {
		t.Fatal(err)
	}
	for name, s := range stations {
		s.began = time.Now()
		q := o.queues[name]
		q.mu.Lock()
		q.carrier = s
		q.mu.Unlock()
		q.rouse()
	}
}

// TestExchange: what waited for a sink that was down goes to the one that took
// its place, at once and in order; a sink that stays knows what it has sent.
func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, other := &station{reply: func(int, *parcel) answer { return answer{err: errDown} }}, &station{}
		o := newOffice(t, "- {name: a, webhook: 'https://one.example'}\n- {name: b, webhook: 'https://b.example'}", map[string]*station{"a": down, "b": other})
		o.send("a", "f:1", "g:2")
		o.send("b", "f:3")
		synctest.Wait()
		same(t, "taken before", nil, down.taken())
		up, still := &station{}, &station{}
		o.exchange(t, "- {name: b, webhook: 'https://b.example'}\n- {name: a, webhook: 'https://two.example'}", map[string]*station{"a": up, "b": still})
		o.send("a", "f:4")
		o.send("b", "f:3", "f:5") // 3 was sent, and is not sent again
		pass(time.Second)
		same(t, "taken by a", []string{"1", "2", "4"}, up.taken())
		same(t, "taken by b", []string{"5"}, still.taken())
		if left := o.Close(t.Context()); left != 0 {
			t.Errorf("%d left", left)
		}
		if n := len(o.finished()); n != 6 {
			t.Errorf("told of %d", n)
		}
	})
}

// TestExchangeWithoutTheSink: what waited for a sink that is gone, or is of
// another kind now, is given up; without any sink it waits in the state.
func TestExchangeWithoutTheSink(t *testing.T) {
	for _, c := range []struct {
		text string
		told []string
	}{
		{"- {name: b, webhook: 'https://b.example'}", []string{"1"}},
		{"- {name: a, file: x.json}", []string{"1"}},
		{"", nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			down := &station{reply: func(int, *parcel) answer { return answer{err: errDown} }}
			o := newOffice(t, "- {name: a, webhook: 'https://one.example'}", map[string]*station{"a": down})
			alerts := o.alerts("a", "f:1", "f:2")
			o.send("a", "f:1")
			synctest.Wait()
			o.exchange(t, c.text, nil)
			same(t, "told", c.told, o.finished())
			if c.text == "" {
				o.Send("shard", alerts, func(string) { t.Error("told of an alert that nobody can send") })
			}
			o.Close(t.Context())
		})
	}
}

// TestExchangeThatFails leaves the sinks as they are.
func TestExchangeThatFails(t *testing.T) {
	o := newOffice(t, "- {name: a, webhook: 'https://one.example'}", nil)
	defer o.Close(t.Context())
	before := o.queues["a"]
	if err := o.Exchange(t.Context(), &Sinks{list: []*Sink{{Name: "b", Kind: "unheard of"}}}); err == nil || o.queues["a"] != before {
		t.Errorf("%v", err)
	}
}

// TestSinksAreExchangedWhileMetricsAreRead: who reads the metrics and who
// exchanges the sinks want the same two locks.
func TestSinksAreExchangedWhileMetricsAreRead(t *testing.T) {
	metrics := NewMetrics()
	sinks, path := &Sinks{}, setting{value: filepath.Join(t.TempDir(), "alerts.json")}
	for i := range 50 {
		sinks.list = append(sinks.list, &Sink{Name: fmt.Sprint(i), Kind: "file", settings: map[string]setting{"path": path}})
	}
	s, err := NewSender(t.Context(), sinks, SenderOptions{Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	var reading sync.WaitGroup
	stop := make(chan struct{})
	defer reading.Wait()
	defer close(stop)
	for range 4 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		if err := s.Exchange(t.Context(), sinks); err != nil {
			t.Fatal(err)
		}
	}
}
