package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// carrier takes parcels to a sink and returns an answer for each. One goroutine
// uses it.
type carrier interface {
	carry(ctx context.Context, parcels []*parcel) []answer
}

// patience with one call. A sink that needs longer is as good as dead, and what
// it took without an answer has an id to be recognised by.
const patience = 10 * time.Second

// connect makes the carrier of a sink.
func connect(ctx context.Context, s *Sink) (carrier, error) {
	switch s.Kind {
	case "slack":
		return newPost(s, func(p *parcel, _ time.Time) ([]byte, http.Header) { return []byte(p.body.Payload), nil }), nil
	case "webhook":
		return newPost(s, s.signed), nil
	case "pagerduty":
		return newPost(s, s.keyed), nil
	case "file":
		return file{s.get("path")}, nil
	}
	return connectAWS(ctx, s)
}

// post sends each parcel as the body of a POST.
type post struct {
	client *http.Client
	url    string
	form   func(p *parcel, now time.Time) ([]byte, http.Header)
}

func newPost(s *Sink, form func(*parcel, time.Time) ([]byte, http.Header)) post {
	client := &http.Client{
		Timeout: patience,
		// A redirect would take the message, and its signature, to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return post{client, s.get("url"), form}
}

// signed is a parcel as a webhook gets it. The signature covers the time, so
// that a copy cannot be sent again much later:
// hex(HMAC-SHA-256(secret, timestamp + "." + body)).
func (s *Sink) signed(p *parcel, now time.Time) ([]byte, http.Header) {
	h := http.Header{}
	for name, v := range s.headers {
		h.Set(name, v.value)
	}
	h.Set("Content-Type", s.get("content_type"))
	h.Set("Idempotency-Key", p.id)
	if secret := s.get("secret"); secret != "" {
		at := strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(at + "." + p.body.Payload))
		h.Set("X-Cairn-Timestamp", at)
		h.Set("X-Cairn-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return []byte(p.body.Payload), h
}

// keyed is a parcel as PagerDuty gets it, with the routing key.
func (s *Sink) keyed(p *parcel, _ time.Time) ([]byte, http.Header) {
	key, _ := json.Marshal(s.get("routing_key")) // a text can always be encoded
	return []byte(`{"routing_key":` + string(key) + `,` + strings.TrimPrefix(p.body.Payload, "{")), nil
}

func (c post) carry(ctx context.Context, parcels []*parcel) (out []answer) {
	for _, p := range parcels {
		out = append(out, c.one(ctx, p))
	}
	return out
}

func (c post) one(ctx context.Context, p *parcel) answer {
	data, headers := c.form(p, time.Now())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(data))
	if err != nil {
		return answer{err: errors.New("the address cannot be used")} // the error would show it
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "cairn")
	for name, values := range headers {
		request.Header[name] = values
		if name == "Host" {
			request.Host = values[0]
		}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return answer{err: unaddressed(err)}
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // what it said is for the log alone
	return judge(response, printable(said), time.Now())
}

// unaddressed takes the address out of an error of package http: that of a
// webhook is a key.
func unaddressed(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// printable is the beginning of an answer, on one line.
func printable(said []byte) string {
	return clip(strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(said), "?"))), " "), 200)
}

// judge decides what a response means. A status that speaks of the message is
// the end of it; one that speaks of the sink, such as a withdrawn key or a
// channel that is gone, can be repaired by somebody within the day.
func judge(r *http.Response, said string, now time.Time) answer {
	a := answer{text: joined(": ", fmt.Sprintf("HTTP %d", r.StatusCode), said)}
	if r.StatusCode >= 200 && r.StatusCode < 300 {
		return a
	}
	a.err, a.text = fmt.Errorf("HTTP %d", r.StatusCode), said
	a.after = retryAfter(r.Header.Get("Retry-After"), now)
	switch r.StatusCode {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusProxyAuthRequired, http.StatusRequestTimeout,
		http.StatusConflict, http.StatusGone, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		a.lasting = r.StatusCode >= 400 && r.StatusCode < 500
	}
	return a
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 1<<20))*time.Second, maxWait)
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// file appends a line for each parcel.
type file struct{ path string }

func (f file) carry(_ context.Context, parcels []*parcel) []answer {
	out := make([]answer, len(parcels))
	a := answer{text: "written to " + f.path}
	if err := f.append(parcels); err != nil {
		a = answer{err: err}
	}
	for i := range out {
		out[i] = a
	}
	return out
}

// append opens the file each time, so that it may be moved away by those who
// rotate logs.
func (f file) append(parcels []*parcel) (err error) {
	out, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var lines bytes.Buffer
	if size, err := out.Seek(0, io.SeekEnd); err == nil && size > 0 {
		last := make([]byte, 1)
		if _, err := out.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			lines.WriteByte('\n') // a crash left half a line
		}
	}
	for _, p := range parcels {
		lines.WriteString(strings.ReplaceAll(p.body.Payload, "\n", " ") + "\n")
	}
	if _, err := out.Write(lines.Bytes()); err != nil {
		return err
	}
	return out.Sync()
}
