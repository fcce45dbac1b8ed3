package cloudtrail

import (
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// insideOfString draws the inside of a JSON string of the given characters and
// escapes.
func insideOfString(t *rapid.T, pieces ...string) string {
	inside := ""
	for range rapid.IntRange(0, 40).Draw(t, "pieces") {
		inside += rapid.SampledFrom(pieces).Draw(t, "piece")
	}
	return inside
}

var asciiPieces = []string{"a", "bc", "12345678", " ", `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u0000`, `\u00e9`, `\uABCD`, `\ud83d`, `\ude00`, `\ud83d\ude00`, `\uffff`}

func TestTextAgreesWithJSONText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inside := insideOfString(t, append([]string{"é", "😀", "\xff", "\xe2\x82", "\xed\xa0\x80"}, asciiPieces...)...)
		// jsontext reports what it had to replace as an error, and replaces it.
		want, _ := jsontext.AppendUnquote(nil, `"`+inside+`"`)
		if got := appendText(nil, []byte(inside)); string(got) != string(want) {
			t.Fatalf("appendText(%q) = %q, want %q", inside, got, want)
		}
		clean := appendClean(nil, []byte(inside))
		if !utf8.Valid(clean) || !jsontext.Value(`"`+string(clean)+`"`).IsValid() {
			t.Fatalf("appendClean(%q) = %q, which strict readers refuse", inside, clean)
		}
		if got := appendText(nil, clean); string(got) != string(want) {
			t.Fatalf("appendClean(%q) = %q, which reads as %q, not %q", inside, clean, got, want)
		}
	})
}

func TestUnescapeASCII(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inside := []byte(insideOfString(t, asciiPieces...))
		if got, want := unescapeASCII(inside), appendText(nil, inside); string(got) != string(want) {
			t.Fatalf("unescapeASCII(%q) = %q, want %q", inside, got, want)
		}
	})
}

func TestCompactAgreesWithJSONText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		json := randomJSON(t, 4)
		got := appendCompact(nil, []byte(json))
		want := jsontext.Value(got)
		if err := want.Compact(jsontext.AllowDuplicateNames(true)); err != nil || string(want) != string(got) {
			t.Fatalf("appendCompact(%q) = %q: %v, jsontext makes it %q", json, got, err, want)
		}
	})
}
