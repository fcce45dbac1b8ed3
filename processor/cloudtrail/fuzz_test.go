package cloudtrail

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// decodeChecked decodes and checks what must always hold. A decoder that was
// used before must give the same.
func decodeChecked(t testing.TB, payload []byte) Records {
	t.Helper()
	d := Decoder{MaxBytes: 1 << 22}
	r := d.Decode(payload)
	checkRecords(t, r)
	again := d.Decode(payload)
	if len(again.Events) != len(r.Events) || len(again.Rejects) != len(r.Rejects) || again.Control != r.Control || again.Bytes != r.Bytes {
		t.Errorf("the second Decode of %q differs from the first", payload)
	}
	return r
}

func FuzzDecode(f *testing.F) {
	for _, form := range forms(f) {
		f.Add(form.payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) { decodeChecked(t, payload) })
}

// FuzzDecodeBetween puts anything between two records. Whatever it is, the first
// one survives; and with lines around it, so does the second.
func FuzzDecodeBetween(f *testing.F) {
	second := strings.Replace(oneRecord, "0001", "0002", 1)
	for _, json := range append(validJSON, invalidJSON...) {
		f.Add([]byte(json))
	}
	f.Fuzz(func(t *testing.T, piece []byte) {
		has := func(form, id string, payload ...string) {
			if o := outcomeOf(decodeChecked(t, []byte(strings.Join(payload, "")))); !slices.Contains(o.Events, id) {
				t.Errorf("%s lost record %s because of %q: %+v", form, id, piece, o)
			}
		}
		if bytes.Contains(piece, []byte("event")) {
			return // a member or record of its own may change what the others mean
		}
		has("a file", "1", `{"Records":[`, oneRecord, `,`, string(piece), `,`, second, `]}`)
		has("lines", "1", oneRecord, "\n", string(piece), "\n", second, "\n")
		has("lines", "2", oneRecord, "\n", string(piece), "\n", second, "\n")
	})
}

func FuzzDecodeGzip(f *testing.F) {
	for _, form := range forms(f) {
		f.Add(form.payload, 0, byte(0))
	}
	f.Fuzz(func(t *testing.T, plain []byte, at int, flip byte) {
		packed := pack(plain)
		if at >= 0 {
			packed[at%len(packed)] ^= flip
		}
		decodeChecked(t, packed)
	})
}

func FuzzDecodeAggregate(f *testing.F) {
	f.Add([]byte(oneRecord), []byte(""), uint8(0))
	f.Add([]byte("x"), []byte(`{"messageType":"CONTROL_MESSAGE"}`), uint8(1))
	f.Fuzz(func(t *testing.T, a, b []byte, cut uint8) {
		whole := decodeChecked(t, aggregateOf([]string{"k"}, part0(0, a), part0(0, b)))
		alone := decodeChecked(t, a)
		if len(whole.Events) < len(alone.Events) {
			t.Errorf("%d events of a part became %d", len(alone.Events), len(whole.Events))
		}
		broken := aggregateOf([]string{"k"}, part0(0, a), append(part0(0, b), make([]byte, cut)...))
		decodeChecked(t, broken)
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(oneRecord))
	for _, form := range forms(f) {
		f.Add(form.payload)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		if e, err := Parse(record); err == nil {
			checkEvent(t, e)
		}
	})
}

// FuzzScanner compares the grammar with that of jsontext.
func FuzzScanner(f *testing.F) {
	for _, json := range append(validJSON, invalidJSON...) {
		f.Add([]byte(json))
	}
	f.Fuzz(func(t *testing.T, json []byte) {
		want := jsontext.Value(json).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		v, err := ParseValue(json)
		if got := err == nil; got != want {
			t.Fatalf("ParseValue(%q): %v, jsontext says valid=%v", json, err, want)
		}
		if want {
			checkTree(t, json, v)
		}
	})
}
