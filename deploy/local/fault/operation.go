package fault

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxBody is how much of a body is read into memory to look at it, in bytes. Requests of the JSON services are smaller.
const maxBody = 64 << 20

// protocol is the family of AWS protocols that a request speaks: it decides the form of an error.
type protocol int

const (
	protocolS3 protocol = iota
	protocolJSON
	protocolQuery // a form with an Action
)

func protocolOf(r *http.Request) protocol {
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		return protocolJSON
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return protocolQuery
	}
	return protocolS3
}

// keepBody reads the whole body and puts a copy in its place.
func keepBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// operation names what a request asks for.
func operation(r *http.Request, body []byte) string {
	switch protocolOf(r) {
	case protocolJSON:
		target := r.Header.Get("X-Amz-Target")
		return target[strings.LastIndexByte(target, '.')+1:]
	case protocolQuery:
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return ""
		}
		return form.Get("Action")
	}
	return s3Operation(r)
}

// s3Operation knows path-style addresses, /bucket/key.
func s3Operation(r *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" {
		return bucketOperation(r)
	}
	query := r.URL.Query()
	parts := query.Has("uploadId") || query.Has("uploads")
	switch {
	case r.Method == http.MethodPut && query.Has("partNumber"):
		return "UploadPart"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	case r.Method == http.MethodPost && query.Has("uploads"):
		return "CreateMultipartUpload"
	case r.Method == http.MethodPost && parts:
		return "CompleteMultipartUpload"
	case r.Method == http.MethodDelete && parts:
		return "AbortMultipartUpload"
	}
	return s3Verb(r.Method) + "Object"
}

func bucketOperation(r *http.Request) string {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && query.Get("list-type") == "2":
		return "ListObjectsV2"
	case r.Method == http.MethodPost && query.Has("delete"):
		return "DeleteObjects"
	case r.Method == http.MethodPut:
		return "CreateBucket"
	}
	return s3Verb(r.Method) + "Bucket"
}

func s3Verb(method string) string {
	if method == "" {
		return ""
	}
	return method[:1] + strings.ToLower(method[1:])
}
