// Package fault is a reverse proxy that stands between Cairn and a service (or its emulator) and does to chosen calls what
// networks and busy services do: it delays them, answers with an error, loses them, loses the answer of a write that worked,
// cuts bodies, holds a call until a test lets it go, lets a write arrive late, refuses all connections; and it kills a process
// at an exact point of the conversation. So a binary can be tested without a hook of its own.
//
//	p, err := fault.New(emulator.URL())
//	p.Add(fault.Rule{Operation: "PutObject", Path: regexp.MustCompile("MANIFEST$"), Calls: fault.Nth(3), Fate: fault.LoseAnswer})
//
// # Operations
//
// A call's operation is the last part of its X-Amz-Target header (Kinesis, DynamoDB, SQS), the Action of its form (SNS), or, for
// everything else, what S3 calls such a request: GetObject, HeadObject, PutObject, CopyObject, DeleteObject, ListObjectsV2,
// CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload, DeleteObjects, CreateBucket.
//
// # Rules
//
// Of the rules that match a call and choose it, the one that was added first is applied; all others still count it. Without a
// rule a call is passed on. The Host header stays as the client sent it, so signatures stay valid.
package fault

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// keepCalls is how many of the latest calls the log holds.
const keepCalls = 20_000

// Proxy is a running proxy. All methods may be called concurrently.
type Proxy struct {
	upstream  *url.URL
	transport *http.Transport
	server    *http.Server
	url       string
	closed    context.Context
	close     context.CancelFunc

	mu     sync.Mutex
	rules  []*Injected
	counts map[string]int
	calls  []*Call
	conns  map[net.Conn]bool
	down   bool
}

// New starts a proxy in front of an http address, on a free port of the loopback interface.
func New(upstream string) (*Proxy, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	if target.Scheme != "http" || target.Host == "" {
		return nil, fmt.Errorf("fault proxy: %q is no address such as http://127.0.0.1:4566", upstream)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p := &Proxy{upstream: target, url: "http://" + listener.Addr().String(), counts: map[string]int{}, conns: map[net.Conn]bool{}}
	p.closed, p.close = context.WithCancel(context.Background())
	p.transport = &http.Transport{
		DisableCompression:  true, // what the client accepts is its own affair
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     2 * time.Second, // Node closes idle connections after 5 s, and a call that meets that would fail by no rule
	}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ConnState: p.track, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(&gatekeeper{listener, p}) }() // ends with Close
	return p, nil
}

// URL is the proxy's address, without a slash at the end.
func (p *Proxy) URL() string { return p.url }

// Close breaks all connections and ends the proxy.
func (p *Proxy) Close() error {
	p.close()
	err := p.server.Close()
	p.transport.CloseIdleConnections()
	return err
}

// Add puts rules to work, after those that are there. It returns the last of them.
func (p *Proxy) Add(rules ...Rule) *Injected {
	p.mu.Lock()
	defer p.mu.Unlock()
	var last *Injected
	for _, r := range rules {
		last = &Injected{proxy: p, rule: r}
		p.rules = append(p.rules, last)
	}
	return last
}

// Clear removes all rules.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

func (p *Proxy) remove(i *Injected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = slices.DeleteFunc(p.rules, func(r *Injected) bool { return r == i })
}

// Outage begins or ends an outage: all connections are broken, and new ones are reset at once. (A port that was given up could
// be another program's by the end of the outage, so the proxy keeps listening.)
func (p *Proxy) Outage(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = on
	if !on {
		return
	}
	for conn := range p.conns {
		reset(conn)
	}
}

// Count is how many calls of an operation have come in, whatever became of them.
func (p *Proxy) Count(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[operation]
}

// Counts is Count for every operation that was called.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Calls returns the latest calls whose fate is sealed, at least 20,000, in that order. A call is among them before its client
// hears of the answer.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := make([]Call, len(p.calls))
	for i, c := range p.calls {
		calls[i] = *c
	}
	return calls
}

// begin counts a call and finds its rule.
func (p *Proxy) begin(c *Call) (rule Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[c.Operation]++
	c.Number = p.counts[c.Operation]
	found := false
	for _, i := range p.rules {
		if !i.rule.matches(c) {
			continue
		}
		i.seen++
		if !found && i.rule.Calls.chooses(i.seen) {
			i.hits++
			rule, found = i.rule, true
		}
	}
	return rule
}

// end puts a call into the log.
func (p *Proxy) end(c Call) *Call {
	c.Took = time.Since(c.Start)
	c.Header, c.Body = nil, nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, &c)
	if len(p.calls) > 2*keepCalls {
		p.calls = slices.Clone(p.calls[keepCalls:])
	}
	return &c
}

// track keeps the set of connections that an outage breaks.
func (p *Proxy) track(conn net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateNew:
		p.conns[conn] = true
		if p.down { // it began between Accept and here
			reset(conn)
		}
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, conn)
	}
}

// gatekeeper is the listener, which in an outage lets nobody in.
type gatekeeper struct {
	net.Listener
	proxy *Proxy
}

// Accept returns the next connection outside of an outage.
func (g *gatekeeper) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.proxy.mu.Lock()
		down := g.proxy.down
		g.proxy.mu.Unlock()
		if !down {
			return conn, nil
		}
		reset(conn)
	}
}

// reset breaks a connection so that its peer gets an error and no orderly end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // an error: it is closed already
	}
	_ = conn.Close() // broken on purpose
}
