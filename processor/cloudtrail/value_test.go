package cloudtrail

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustValue(t *testing.T, json string) *Value {
	t.Helper()
	v, err := ParseValue([]byte(json))
	if err != nil {
		t.Fatalf("ParseValue(%s): %v", json, err)
	}
	return v
}

func TestValueText(t *testing.T) {
	for json, want := range map[string]string{`"a"`: "a", `""`: "", `"\u00e9\n"`: "é\n", `1e999`: "1e999", `-0`: "-0", `true`: "true", `false`: "false"} {
		v := mustValue(t, json)
		for range 2 { // the second call answers from what the first kept
			if got, ok := v.Text(); !ok || got != want {
				t.Errorf("%s: Text = %q, %v, want %q", json, got, ok, want)
			}
		}
	}
	for _, json := range []string{`null`, `{}`, `[]`, `["a"]`} {
		if got, ok := mustValue(t, json).Text(); ok {
			t.Errorf("%s: Text = %q, want none", json, got)
		}
	}
}

func TestValueGet(t *testing.T) {
	v := mustValue(t, `{ "a" : {"b" : [10, {"c":"x"}, null]}, "A":1, "a\u002eb":2, "a":{"b":[20, {"c":"y"}]}, "":3 }`)
	for _, c := range []struct {
		got  *Value
		want string
	}{
		{v.Get("a"), `{"b":[20,{"c":"y"}]}`}, // the last of two
		{v.Get("A"), `1`},
		{v.Get("a.b"), `2`},
		{v.Get(""), `3`},
		{v.Get("a").Get("b").Index(1).Get("c"), `"y"`},
		{v.Get("B"), ``},
		{v.Get("a").Get("b").Index(2), ``},
		{v.Get("a").Get("b").Index(-1), ``},
		{v.Get("a").Index(0), ``},
		{v.Get("A").Get("x"), ``},
		{v.Get("nothing").Get("x").Index(0), ``},
	} {
		if got := string(c.got.Raw()); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestValueNil(t *testing.T) {
	var v *Value
	if _, ok := v.Text(); ok || v.Kind() != 0 || v.Raw() != nil || v.Len() != 0 || v.Get("a") != nil || v.Index(0) != nil {
		t.Error("a nil Value is something")
	}
	for range v.Members() {
		t.Error("a nil Value has members")
	}
	for range v.Items() {
		t.Error("a nil Value has items")
	}
}

func TestValueMembersKeepTheOrder(t *testing.T) {
	few := `{"c":1,"a":2,"b":3,"a":4}`
	many := `{"m0":0` // more than are compared pair by pair
	for i := 1; i < 40; i++ {
		many += fmt.Sprintf(`,"m%d":%d`, i%30, i)
	}
	many += `}`
	wantMany := []string{}
	for i := 10; i < 40; i++ {
		wantMany = append(wantMany, fmt.Sprintf("m%d=%d", i%30, i))
	}
	for json, want := range map[string][]string{few: {"c=1", "b=3", "a=4"}, many: wantMany} {
		got := []string{}
		for name, member := range mustValue(t, json).Members() {
			got = append(got, name+"="+string(member.Raw()))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", json, diff)
		}
	}
}

func TestValueIterationStops(t *testing.T) {
	v := mustValue(t, `{"a":[1,2,3],"b":1}`)
	n := 0
	for range v.Members() {
		n++
		break
	}
	for range v.Get("a").Items() {
		n++
		break
	}
	if n != 2 {
		t.Errorf("%d steps, want 2", n)
	}
	if got := v.Get("a").Len(); got != 3 {
		t.Errorf("Len = %d, want 3", got)
	}
}

func TestTreesAreKept(t *testing.T) {
	e := parsed(t, `"requestParameters": {"a":1}`)
	whole, blob := e.Tree(), e.BlobTree(RequestParameters)
	if e.Tree() != whole || e.BlobTree(RequestParameters) != blob {
		t.Error("a tree is parsed twice")
	}
	if got, want := string(e.Tree().Raw()), strings.ReplaceAll(string(e.Raw), " ", ""); got != want {
		t.Errorf("Tree = %s, want %s", got, want)
	}
}

// randomJSON writes any JSON, with white space and awkward texts.
func randomJSON(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n\t"})
	text := rapid.SampledFrom([]string{
		`""`, `"a"`, `"eventName"`, `"userIdentity"`, `"type"`, `"sessionContext"`, `"ARN"`, `"resources"`, `"attributes"`, `"webIdFederationData"`, `"requestParameters"`,
		`"\u0061"`, `"x.y"`, `"\ud800"`, `"\ud83d\ude00"`, "\"\xff\"", `"é\n"`, `"\\\""`, `"more than eight bytes"`,
	})
	list := func(open, close string, item func() string) string {
		items := []string{}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			items = append(items, item())
		}
		return open + space.Draw(t, "s") + strings.Join(items, space.Draw(t, "s")+","+space.Draw(t, "s")) + space.Draw(t, "s") + close
	}
	kinds := 6
	if depth <= 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return "null"
	case 1:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case 2:
		return rapid.SampledFrom([]string{"0", "-1.50", "1e999", "9007199254740993"}).Draw(t, "number")
	case 3:
		return text.Draw(t, "text")
	case 4:
		return list("[", "]", func() string { return randomJSON(t, depth-1) })
	}
	return list("{", "}", func() string { return text.Draw(t, "name") + ":" + space.Draw(t, "s") + randomJSON(t, depth-1) })
}

// Any record, with any values at the members that are taken apart, can be
// rebuilt from its columns and extra.
func TestRandomRecordsAreLossless(t *testing.T) {
	paths := append(append([]string{}, fieldPaths[:]...), blobPaths[:]...)
	rapid.Check(t, func(rt *rapid.T) {
		record := `{"eventTime":"2023-07-10T12:00:00Z"`
		for range rapid.IntRange(0, 6).Draw(rt, "members") {
			names := strings.Split(rapid.SampledFrom(paths).Draw(rt, "path"), ".")
			if names[0] == "eventTime" {
				continue
			}
			names = names[:rapid.IntRange(1, len(names)).Draw(rt, "depth")]
			record += `,"` + strings.Join(names, `":{"`) + `":` + randomJSON(rt, 3) + strings.Repeat("}", len(names)-1)
		}
		record += `}`
		e, err := Parse([]byte(record))
		if err != nil {
			if strings.Contains(record, "aws:s3") {
				return
			}
			rt.Fatalf("Parse(%s): %v", record, err)
		}
		checkEvent(t, e)
		if t.Failed() {
			rt.Fatalf("for %s", record)
		}
	})
}
