package cloudtrail

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Texts of which RFC 8259 says that they are JSON, and that they are not. Names
// that stand twice and bytes that are not UTF-8 count as JSON here.
var validJSON = []string{
	`null`, `true`, `false`, `0`, `-0`, `1e999`, `1E-3`, `-12.50e+7`, `""`, `[]`, `{}`, ` { } `, "\t[\r\n1 , 2 ]",
	`"\"\\\/\b\f\n\r\t\u00e9"`, `"\ud83d\ude00"`, `"\ud800"`, `"\udc00\ud800x"`, "\"\xff\xfe\"", "\"\x7f\u00e9\u2028\"",
	`{"a":1,"a":2}`, `{"":[{}]}`, `{"a":[1,{"b":null}]}`, `"1234567"`, `"12345678"`, `"123456789"`, `"1234567\u0041"`,
}

var invalidJSON = []string{
	``, ` `, `nul`, `nulls`, `True`, `tru`, `01`, `-`, `+1`, `.5`, `1.`, `1e`, `1e+`, `0x1`, `NaN`, `Infinity`, `'a'`,
	`"`, `"a`, `"\x"`, `"\u12g4"`, `"\u12`, `"\`, "\"\x01\"", "\"\n\"", "\"1234567\x1f\"", `[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `]`,
	`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{1:2}`, `{"a" 1}`, `{"a":1 "b":2}`, `{,}`, `}`, `1 2`, `{}{}`, "\xef\xbb\xbf1", "\v1",
}

func TestScannerKnowsTheGrammar(t *testing.T) {
	for _, json := range validJSON {
		if _, err := ParseValue([]byte(json)); err != nil {
			t.Errorf("ParseValue(%q): %v", json, err)
		}
	}
	for _, json := range invalidJSON {
		if v, err := ParseValue([]byte(json)); err == nil {
			t.Errorf("ParseValue(%q) = %s, want an error", json, v.Raw())
		}
	}
}

func TestScannerAgreesWithJSONTextOnItsOwnExamples(t *testing.T) {
	for _, json := range append(append([]string{}, validJSON...), invalidJSON...) {
		want := jsontext.Value(json).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if _, err := ParseValue([]byte(json)); (err == nil) != want {
			t.Errorf("ParseValue(%q): %v, jsontext says valid=%v", json, err, want)
		}
	}
}

// Every byte value at every offset to the words of eight bytes, in which special
// looks for what ends a run of plain text.
func TestScannerStopsAtEachByte(t *testing.T) {
	for offset := range 17 {
		for c := range 256 {
			text := strings.Repeat("x", offset) + string([]byte{byte(c)}) + strings.Repeat("y", 9)
			json := []byte(`"` + text + `"`)
			want := jsontext.Value(json).IsValid(jsontext.AllowInvalidUTF8(true))
			v, err := ParseValue(json)
			if (err == nil) != want {
				t.Fatalf("ParseValue(%q): %v, jsontext says valid=%v", json, err, want)
			}
			if want {
				checkTree(t, json, v)
			}
		}
	}
}

func TestScannerDepth(t *testing.T) {
	nest := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if _, err := ParseValue(nest(maxDepth)); err != nil {
		t.Errorf("%d levels: %v", maxDepth, err)
	}
	if _, err := ParseValue(nest(maxDepth + 1)); err == nil {
		t.Errorf("%d levels are accepted", maxDepth+1)
	}
	if !jsontext.Value(nest(maxDepth)).IsValid() || jsontext.Value(nest(maxDepth+1)).IsValid() {
		t.Error("jsontext has another limit")
	}
}

func TestScannerSaysWhere(t *testing.T) {
	for json, want := range map[string]string{
		`{"a":x}`: "invalid JSON at byte 5",
		`{"a":1`:  "JSON ends too early at byte 6",
		`"\u12`:   "JSON ends too early at byte 5",
	} {
		if _, err := ParseValue([]byte(json)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("ParseValue(%q): %v, want … %s", json, err, want)
		}
	}
}
