package cloudtrail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// number is a JSON number as it is written.
type number string

// oracle parses JSON with jsontext, which shares no code with the package:
// objects as maps in which the last of duplicate names wins.
func oracle(json []byte) (any, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(json), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, err := oracleValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("behind the value: %v", err)
	}
	return v, nil
}

func oracleValue(dec *jsontext.Decoder) (any, error) {
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return tok.Bool(), nil
	case '"':
		return tok.String(), nil
	case '0':
		return number(tok.String()), nil
	case '[':
		list := []any{}
		for dec.PeekKind() != ']' {
			v, err := oracleValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.ReadToken()
		return list, err
	}
	object := map[string]any{}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if object[key], err = oracleValue(dec); err != nil {
			return nil, err
		}
	}
	_, err = dec.ReadToken()
	return object, err
}

func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case number:
		return string(v), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// extras are the members of Extra by path. A path may stand twice, because a
// name may hold dots.
func extras(t testing.TB, e *Event) map[string][]any {
	t.Helper()
	all := map[string][]any{}
	if e.Extra() == nil {
		return all
	}
	dec := jsontext.NewDecoder(bytes.NewReader(e.Extra()), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		t.Fatalf("extra: %v", err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			t.Fatalf("extra: %v", err)
		}
		path := name.String()
		v, err := oracleValue(dec)
		if err != nil {
			t.Fatalf("extra: %v", err)
		}
		all[path] = append(all[path], v)
	}
	return all
}

// checkLossless rebuilds the record from Text, Blob and Extra and compares it
// with what jsontext reads. Only nulls of known members are allowed to vanish.
func checkLossless(t testing.TB, e *Event) {
	t.Helper()
	whole, err := oracle(e.Raw)
	if err != nil {
		t.Fatalf("jsontext refuses an accepted record: %v\n%s", err, e.Raw)
	}
	c := losslessCheck{t, e, extras(t, e)}
	c.object("", whole.(map[string]any))
	for path, left := range c.extra {
		if len(left) > 0 {
			t.Errorf("extra holds %s = %v, which is not in the record or has a column\n%s", path, left, e.Raw)
		}
	}
}

type losslessCheck struct {
	t     testing.TB
	e     *Event
	extra map[string][]any
}

// nested are the objects that are taken apart.
var nested = func() map[string]bool {
	all := map[string]bool{}
	for _, paths := range [][]string{fieldPaths[:], blobPaths[:]} {
		for _, p := range paths {
			for i := strings.LastIndexByte(p, '.'); i > 0; i = strings.LastIndexByte(p[:i], '.') {
				all[p[:i]] = true
			}
		}
	}
	return all
}()

func (c *losslessCheck) object(prefix string, members map[string]any) {
	for name, v := range members {
		if strings.Contains(name, ".") {
			c.inExtra(prefix+name, v) // such a name is never a known one
			continue
		}
		c.member(prefix+name, v)
	}
}

func (c *losslessCheck) member(path string, v any) {
	object, isObject := v.(map[string]any)
	if f, ok := FieldByPath(path); ok {
		c.field(f, v)
		return
	}
	b, isBlob := BlobByPath(path)
	if isBlob {
		c.blob(b, v)
	}
	switch {
	case nested[path] && isObject:
		c.object(path+".", object)
	case v == nil && (nested[path] || isBlob):
	case nested[path], !isBlob:
		c.inExtra(path, v)
	}
}

func (c *losslessCheck) field(f Field, v any) {
	want, scalar := scalarText(v)
	if got, ok := c.e.Text(f); ok != scalar || got != want {
		c.t.Errorf("Text(%s) = %q, %v, want %q, %v", f, got, ok, want, scalar)
	}
	if !scalar && v != nil {
		c.inExtra(f.Path(), v)
	}
}

func (c *losslessCheck) blob(b Blob, v any) {
	_, scalar := scalarText(v)
	raw := c.e.Blob(b)
	if (v == nil || scalar) != (raw == nil) {
		c.t.Errorf("Blob(%s) = %q for %v", b, raw, v)
		return
	}
	if raw != nil {
		got, err := oracle(raw)
		if diff := cmp.Diff(v, got); err != nil || diff != "" {
			c.t.Errorf("Blob(%s): %v, -want +got:\n%s", b, err, diff)
		}
	}
	if nested[b.Path()] || v == nil {
		return
	}
	// Lists and maps whose columns are narrower than JSON may stand in Extra too.
	if _, list := v.([]any); scalar || b == Resources && !list {
		c.inExtra(b.Path(), v)
	} else if len(c.extra[b.Path()]) > 0 || b == FederatedAttributes && list {
		c.inExtra(b.Path(), v)
	}
}

// inExtra takes the value out of the extras that were found.
func (c *losslessCheck) inExtra(path string, v any) {
	for i, got := range c.extra[path] {
		if cmp.Equal(v, got) {
			c.extra[path] = append(c.extra[path][:i:i], c.extra[path][i+1:]...)
			return
		}
	}
	c.t.Errorf("%s = %v is lost, extra has %v\n%s", path, v, c.extra[path], c.e.Raw)
}

// checkRecords holds what must be true of every result, whatever the payload.
func checkRecords(t testing.TB, r Records) {
	t.Helper()
	pieces := len(r.Events) + len(r.Rejects) + r.Control
	if len(r.Ordinals) != len(r.Events) || r.Keys != nil && len(r.Keys) != len(r.Events) {
		t.Fatalf("%d events, %d ordinals, %d keys", len(r.Events), len(r.Ordinals), len(r.Keys))
	}
	taken := make([]bool, pieces)
	take := func(ordinal int) {
		if ordinal < 0 || ordinal >= pieces || taken[ordinal] {
			t.Fatalf("ordinal %d is outside %d pieces or taken", ordinal, pieces)
		}
		taken[ordinal] = true
	}
	for i := range r.Events {
		take(r.Ordinals[i])
		checkEvent(t, &r.Events[i])
	}
	for _, reject := range r.Rejects {
		take(reject.Ordinal)
		if reject.Reason == "" {
			t.Errorf("a reject without a reason: %q", reject.Raw)
		}
	}
}

func checkEvent(t testing.TB, e *Event) {
	t.Helper()
	if e.ID == "" || e.Time.IsZero() && e.Time.Year() != 1 {
		t.Errorf("event without id or time: %s", e.Raw)
	}
	checkLossless(t, e)
	for b := range NumBlobs {
		if raw := e.Blob(b); raw != nil {
			checkTree(t, raw, e.BlobTree(b))
		}
	}
	checkTree(t, e.Raw, e.Tree())
}

// checkTree compares a tree with what jsontext reads, and its Raw with a
// compact copy.
func checkTree(t testing.TB, json []byte, v *Value) {
	t.Helper()
	want, err := oracle(json)
	if err != nil {
		t.Fatalf("jsontext refuses %q: %v", json, err)
	}
	if diff := cmp.Diff(want, treeValue(t, v)); diff != "" {
		t.Errorf("tree of %s, -want +got:\n%s", json, diff)
	}
	// Without AllowInvalidUTF8: the raw text must suit the strictest reader.
	if !jsontext.Value(v.Raw()).IsValid(jsontext.AllowDuplicateNames(true)) {
		t.Errorf("tree of %q has the raw text %q", json, v.Raw())
	}
}

func treeValue(t testing.TB, v *Value) any {
	t.Helper()
	text, scalar := v.Text()
	switch v.Kind() {
	case 'n':
		return nil
	case 't', 'f':
		return text == "true"
	case '0':
		return number(text)
	case '"':
		return text
	case '[':
		list := []any{}
		for item := range v.Items() {
			list = append(list, treeValue(t, item))
		}
		return list
	}
	if scalar {
		t.Errorf("an object that is a scalar: %s", v.Raw())
	}
	object := map[string]any{}
	for name, member := range v.Members() {
		if _, twice := object[name]; twice {
			t.Errorf("Members yields %q twice: %s", name, v.Raw())
		}
		object[name] = treeValue(t, member)
		if v.Get(name) != member {
			t.Errorf("Get(%q) is not what Members yields: %s", name, v.Raw())
		}
	}
	return object
}
