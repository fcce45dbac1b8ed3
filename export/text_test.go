package export

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlain(t *testing.T) {
	if got, want := Plain("a\nb\u2028c\u2029d\x1b[31me\u202ef é"), "a b c d [31me f é"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     nil,
		" one  two\nthree ":    {"one two", "three"},
		"éééé éééé":            {"éééé", "éééé"}, // letters are counted, not bytes
		"ééé éé éé":            {"ééé éé", "éé"},
		"a muchlongerword b c": {"a", "muchlongerword", "b c"},
	} {
		if diff := cmp.Diff(want, Wrap(text, 7)); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}
