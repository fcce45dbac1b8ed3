package local

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// fanOutShim is a proxy in front of kinesis-local. That leaves out the message with which the service opens the stream of
// SubscribeToShard, and without it the Go SDK takes the subscription for failed.
func fanOutShim(upstream string) (*http.Server, string, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, "", err
	}
	opening, err := openingMessage()
	if err != nil {
		return nil, "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("fan-out shim: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		FlushInterval:  -1, // events are to arrive when they are sent
		ModifyResponse: func(r *http.Response) error { openStream(r, opening); return nil },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // as the emulator's own broken connection
	}}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return server, "http://" + listener.Addr().String(), nil
}

func openStream(r *http.Response, opening []byte) {
	if r.StatusCode != http.StatusOK || !strings.HasSuffix(r.Request.Header.Get("X-Amz-Target"), ".SubscribeToShard") {
		return
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(opening), r.Body), r.Body}
	r.ContentLength = -1
	r.Header.Del("Content-Length")
}

// openingMessage is the initial-response event of the AWS event stream encoding.
func openingMessage() ([]byte, error) {
	var message eventstream.Message
	message.Headers.Set(":message-type", eventstream.StringValue("event"))
	message.Headers.Set(":event-type", eventstream.StringValue("initial-response"))
	message.Headers.Set(":content-type", eventstream.StringValue("application/x-amz-json-1.1"))
	message.Payload = []byte("{}")
	var encoded bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&encoded, message); err != nil {
		return nil, fmt.Errorf("fan-out shim: %w", err)
	}
	return encoded.Bytes(), nil
}
