package fault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"
)

// errCut ends a body that a rule cuts.
var errCut = errors.New("cut by a rule")

// exchange is one call on its way.
type exchange struct {
	proxy *Proxy
	w     http.ResponseWriter
	in    *http.Request
	call  Call
	rule  Rule
	ended *Call // its entry in the log
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{proxy: p, w: w, in: r}
	x.call = Call{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Start: time.Now(), Header: r.Header.Clone()}
	if protocolOf(r) != protocolS3 {
		body, err := keepBody(r)
		if err != nil {
			return // the client broke off: no call
		}
		x.call.Body = body
	}
	x.call.Operation = operation(r, x.call.Body)
	x.rule = p.begin(&x.call)
	x.call.Fate = x.rule.Fate
	if !x.run() {
		x.breakOff()
	}
}

// run takes the steps of the rule. It returns false when the connection is to be broken.
func (x *exchange) run() bool {
	if (x.rule.Late || x.rule.Fate == Repeat) && x.call.Body == nil {
		body, err := keepBody(x.in)
		if err != nil {
			return false
		}
		x.call.Body = body
	}
	ctx, cancel := x.context()
	defer cancel()
	x.wait(ctx)
	x.hook(ctx, x.rule.Before)
	if ctx.Err() != nil && !x.rule.Late {
		return false
	}
	switch x.rule.Fate {
	case Reply:
		return x.reply(ctx)
	case Lose:
		x.hook(ctx, x.rule.After)
		return false
	}
	if x.rule.Late {
		ctx = x.proxy.closed
	}
	return x.forward(ctx)
}

// context ends with the client's request or the proxy.
func (x *exchange) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(x.in.Context())
	stop := context.AfterFunc(x.proxy.closed, cancel)
	return ctx, func() { stop(); cancel() }
}

func (x *exchange) wait(ctx context.Context) {
	if x.rule.Delay <= 0 {
		return
	}
	timer := time.NewTimer(x.rule.Delay)
	defer timer.Stop()
	if x.rule.Late {
		ctx = x.proxy.closed
	}
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hook hands out a copy of the call.
func (x *exchange) hook(ctx context.Context, h Hook) {
	if h == nil {
		return
	}
	if x.rule.Late {
		ctx = x.proxy.closed
	}
	h(ctx, x.call)
}

// reply reads the body first: a server that answers and closes before it has read all makes the client's writes fail.
func (x *exchange) reply(ctx context.Context) bool {
	if _, err := io.Copy(io.Discard, x.in.Body); err != nil {
		return false
	}
	x.call.Status = x.rule.Answer.Status
	x.hook(ctx, x.rule.After)
	x.ended = x.proxy.end(x.call)
	return x.rule.Answer.write(x.w, protocolOf(x.in)) == nil
}

// forward passes the call on and, unless the rule says otherwise, the answer back.
func (x *exchange) forward(ctx context.Context) bool {
	response, err := x.proxy.transport.RoundTrip(x.outgoing(ctx))
	if err == nil && x.rule.Fate == Repeat {
		response, err = x.again(ctx, response)
	}
	if err != nil {
		x.call.Err = err
		x.hook(ctx, x.rule.After)
		return false
	}
	defer response.Body.Close()
	x.call.Status = response.StatusCode
	if x.rule.Fate == LoseAnswer || x.rule.Fate == CutRequest {
		_, x.call.Err = io.Copy(io.Discard, response.Body) // the service may still be at work
		x.hook(ctx, x.rule.After)
		return false
	}
	x.hook(ctx, x.rule.After)
	return x.answer(response)
}

// again passes the call on once more, after the end of the first answer.
func (x *exchange) again(ctx context.Context, first *http.Response) (*http.Response, error) {
	_, err := io.Copy(io.Discard, first.Body)
	first.Body.Close()
	if err != nil {
		return nil, err
	}
	return x.proxy.transport.RoundTrip(x.outgoing(ctx))
}

func (x *exchange) outgoing(ctx context.Context) *http.Request {
	out := x.in.Clone(ctx)
	out.URL.Scheme, out.URL.Host = x.proxy.upstream.Scheme, x.proxy.upstream.Host
	out.RequestURI = ""
	out.Close = false
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Expect"} {
		out.Header.Del(name)
	}
	if _, sent := x.in.Header["User-Agent"]; !sent {
		out.Header["User-Agent"] = nil // none instead of Go's
	}
	switch {
	case x.rule.Fate == CutRequest:
		out.Body = io.NopCloser(io.MultiReader(io.LimitReader(x.in.Body, x.rule.Bytes), broken{}))
	case x.in.ContentLength == 0:
		out.Body = nil
	case x.call.Body != nil:
		out.Body = io.NopCloser(bytes.NewReader(x.call.Body))
	}
	return out
}

// answer copies the service's answer, each piece as it comes. It returns false when it was cut by the rule or broke off.
func (x *exchange) answer(response *http.Response) bool {
	x.ended = x.proxy.end(x.call)
	header := x.w.Header()
	for name, values := range response.Header {
		if name != "Connection" && name != "Keep-Alive" && name != "Transfer-Encoding" {
			header[name] = slices.Clone(values)
		}
	}
	x.w.WriteHeader(response.StatusCode)
	body := io.Reader(response.Body)
	if x.rule.Fate == CutAnswer {
		body = io.MultiReader(io.LimitReader(response.Body, x.rule.Bytes), broken{})
	}
	err := copyFlushed(x.w, body)
	if err != nil && !errors.Is(err, errCut) {
		x.proxy.mu.Lock()
		x.ended.Err = err
		x.proxy.mu.Unlock()
	}
	return err == nil
}

func copyFlushed(w http.ResponseWriter, r io.Reader) error {
	control := http.NewResponseController(w)
	if err := control.Flush(); err != nil {
		return err
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			if err := control.Flush(); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// breakOff ends the client's connection: in order when part of an answer is out, which must arrive, and with a reset otherwise.
func (x *exchange) breakOff() {
	if x.ended == nil {
		x.ended = x.proxy.end(x.call)
	}
	if x.rule.Fate == CutAnswer {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	reset(conn)
}

// broken is the rest of a body that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errCut }
