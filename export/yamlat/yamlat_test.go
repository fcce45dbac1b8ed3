package yamlat

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func read(t *testing.T, text string) []*Node {
	t.Helper()
	docs, err := Read("f.yml", []byte(text), "tests")
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// TestPlaces: each piece stands where its first letter is, in documents behind the first one too.
func TestPlaces(t *testing.T) {
	docs := read(t, "# nothing\n---\na: 1\nlist:\n  - x\n  - {k: \"v\", n: null}\n---\n\n---\nyes: True\ntext: |\n  --x\n")
	at := func(kind Kind, text string, line, col int) *Node {
		return &Node{Kind: kind, Text: text, Line: line, Col: col}
	}
	first := at(Map, "", 3, 1)
	first.Keys = []*Node{at(Text, "a", 3, 1), at(Text, "list", 4, 1)}
	list, inner := at(List, "", 5, 3), at(Map, "", 6, 6)
	inner.Keys = []*Node{at(Text, "k", 6, 6), at(Text, "n", 6, 14)}
	inner.Items = []*Node{at(Text, "v", 6, 9), at(Null, "", 6, 17)}
	list.Items = []*Node{at(Text, "x", 5, 5), inner}
	first.Items = []*Node{at(Number, "1", 3, 4), list}
	second := at(Map, "", 10, 1)
	second.Keys = []*Node{at(Text, "yes", 10, 1), at(Text, "text", 11, 1)}
	second.Items = []*Node{at(Bool, "true", 10, 6), at(Text, "--x\n", 11, 7)} // a block text keeps its dashes
	if diff := cmp.Diff([]*Node{first, second}, docs); diff != "" {
		t.Error(diff)
	}
}

func TestLookingUp(t *testing.T) {
	n := read(t, "a: 007\nlist: [x, 2, {k: v}, true]\nnothing:\n")[0]
	got := []any{n.TextOf("a"), n.TextOf("list"), n.TextOf("none"), n.TextsOf("list"), n.TextsOf("a"), n.TextsOf("nothing"), n.Get("none") == nil, (*Node)(nil).Get("a") == nil, len(n.Get("a").List()), n.Get("nothing").Scalar()}
	want := []any{"007", "", "", []string{"x", "2", "true"}, []string{"007"}, []string(nil), true, true, 1, false} // a number keeps its zeros
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesHaveAPlace(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: 2\na: 3":         `f.yml:3:1: not valid YAML: mapping key "a" already defined at [1:1]`,
		"---\n---\nx: {y: &z 1}":   "f.yml:3:8: Anchor is not used in tests: write the value itself",
		"ok: 1\n---\nkey: [s3cr3t": "f.yml:3:6: not valid YAML: sequence end token ']' not found",
		"a: \xff":                  "f.yml:1:1: not valid YAML: it is not UTF-8",
	} {
		_, err := Read("f.yml", []byte(text), "tests")
		if err == nil || err.Error() != want {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
	}
	if text := SyntaxError("f.yml", errors.New("near s3cr3t")).Error(); strings.Contains(text, "s3cr3t") {
		t.Errorf("%s: what is around a mistake may be a key", text)
	}
}

// TestAnyTextIsReadOrRefused: the parser breaks on some texts, and a reader must not.
func TestAnyTextIsReadOrRefused(t *testing.T) {
	pieces := []string{"a", ": ", "\n", "- ", "---\n", "{", "}", "[", "]", "\"", "'", "|", ">", "&x", "*x", "#", "  ", "!!str", "%", "\t", ",", "?"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "pieces"), "")
		docs, err := Read("f.yml", []byte(text), "tests")
		var p *Problem
		if err != nil && (!errors.As(err, &p) || p.Line < 1 || docs != nil) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
