package resource

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

const goodType = `source: a.amazonaws.com
types:
  AWS::A::Thing:
    arn: "arn:{partition}:a:{region}:{account}:thing/{id}"
    attributes: {size: number}
events:
`

// Every mistake in a file of the catalogue is refused at start, with file and line.
func TestMistakesAreFound(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no YAML":             {"a: [", "bad.yml"},
		"no source":           {"types: {}", "bad.yml:1: source is missing"},
		"unknown key":         {"source: a\nsurprise: 1", `bad.yml:2: unknown key "surprise"`},
		"key twice":           {"source: a\nsource: b", "bad.yml"},
		"a list for a map":    {"source: a\ntypes: []", "bad.yml:2: want a mapping, found a list"},
		"an anchor":           {"source: &a a", "bad.yml:1: anchors, aliases and tags have no meaning here"},
		"no ARN template":     {"source: a\ntypes:\n  T: {settle: 1s}", "bad.yml:3: type T has no ARN template"},
		"settle":              {"source: a\ntypes:\n  T:\n    settle: soon", "bad.yml:4: settle: "},
		"attribute kind":      {"source: a\ntypes:\n  T:\n    attributes: {x: int}", `bad.yml:4: attribute x: "int" is none of text, bool, number, list`},
		"derivation":          {"source: a\ntypes:\n  T:\n    derive: {x: magic}", `bad.yml:4: attribute x: "magic" is none of`},
		"no on":               {goodType + "  - {effect: touch}", "bad.yml:7: `on` is missing"},
		"no effect":           {goodType + "  - {on: X, evidence: shape, type: AWS::A::Thing, id: q.a}", "bad.yml:7: `effect` is missing"},
		"no evidence":         {goodType + "  - {on: X, effect: touch, type: AWS::A::Thing, id: q.a}", "bad.yml:7: `evidence` is missing"},
		"no id":               {goodType + "  - {on: X, effect: touch, evidence: shape, type: AWS::A::Thing}", "bad.yml:7: `id` is missing"},
		"no type":             {goodType + "  - {on: X, effect: touch, evidence: shape, id: q.a}", "bad.yml:7: `type` or `by` is missing"},
		"undeclared type":     {goodType + "  - {on: X, effect: touch, evidence: shape, id: q.a, type: B}", `bad.yml:7: type "B" is not declared`},
		"effect":              {goodType + "  - {on: X, effect: seed, evidence: shape, id: q.a, type: AWS::A::Thing}", `bad.yml:7: effect "seed" is none of`},
		"evidence":            {goodType + "  - {on: X, effect: touch, evidence: hearsay}", `bad.yml:7: evidence "hearsay" is none of`},
		"undeclared set":      {goodType + "  - on: X\n    type: AWS::A::Thing\n    set: {colour: q.c}", `bad.yml:9: attribute "colour" is not declared by AWS::A::Thing`},
		"undeclared unset":    {goodType + "  - on: X\n    type: AWS::A::Thing\n    unset: [colour]", `bad.yml:9: attribute "colour" is not declared by AWS::A::Thing`},
		"path":                {goodType + "  - {on: X, id: requestParameters.a}", `begins with none of`},
		"path end":            {goodType + "  - {on: X, id: 'q.a |'}", "it ends too early"},
		"path step":           {goodType + "  - {on: X, id: 'q.a..b'}", "is no name of a member"},
		"path rest":           {goodType + "  - {on: X, id: 'q.a q.b'}", `unexpected "q.b"`},
		"function":            {goodType + "  - {on: X, id: 'upper(q.a)'}", `no function "upper"`},
		"arguments":           {goodType + "  - {on: X, id: 'last(q.a)'}", "last takes 2 arguments, not 1"},
		"comparison":          {goodType + "  - {on: X, when: 'q.a > 1'}", "comparison \"q.a > 1\" is none of"},
		"relation":            {goodType + "  - {on: X, relate: {kind: in}}", "a relation needs `kind`, `type` and `id`"},
		"type of relation":    {goodType + "  - {on: X, relate: {kind: in, type: \"AWS::B::C\", id: q.a}}", `type "AWS::B::C" is not declared`},
		"lesson":              {goodType + "  - {on: X, learn: {id: q.a}}", "learn needs one of `name` and `member`"},
		"by":                  {goodType + "  - {on: X, by: name}", "by: want prefix or arn"},
		"replace wants truth": {goodType + "  - {on: X, relate: {kind: in, type: x, id: q.a, replace: 1}}", "want true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadCatalogue(fstest.MapFS{"bad.yml": {Data: []byte(test.text)}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestAllMistakesAreReportedTogether(t *testing.T) {
	_, err := LoadCatalogue(fstest.MapFS{
		"one.yml": {Data: []byte(goodType + "  - {on: X}\n  - {on: Y, id: 7}")},
		"two.yml": {Data: []byte("source: [")},
	})
	for _, want := range []string{"one.yml:7", "one.yml:8", "two.yml"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}

func TestVersionsOfEventNames(t *testing.T) {
	for name, want := range map[string]string{
		"CreateFunction20150331": "CreateFunction", "CreateFunction20150331v2": "CreateFunction", "CreateFunction20150331v12": "CreateFunction",
		"CreateFunction2020_05_31": "CreateFunction", "CreateFunction2015": "", "CreateFunctionv2": "", "20150331": "", "CreateFunction2020_05_31v2": "",
		"CreateFunction": "", "X2015033": "",
	} {
		if got, ok := cutVersion(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
	c := load(t)
	for name, want := range map[string]bool{"CreateFunction": true, "CreateFunction20150331": true, "CreateFunctionX": false, "CreateFunctionUrlConfig": true} {
		if got := c.Covers("lambda.amazonaws.com", name); got != want {
			t.Errorf("%s covered: %v", name, got)
		}
	}
}

func TestCutVersionNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z]{0,3}[0-9_v]{0,14}`).Draw(t, "name")
		if base, ok := cutVersion(name); ok && !strings.HasPrefix(name, base) {
			t.Fatalf("%q of %q", base, name)
		}
	})
}

// An attribute that the lake has a column for must be spelled as the column is.
func TestColumnsAreAttributesOfSomeType(t *testing.T) {
	c := load(t)
	for _, column := range []string{"instance_type", "image_id", "private_dns_name", "private_ip", "public_ip", "engine", "engine_version", "class", "runtime", "availability_zone", "multi_az", "encrypted", "is_public"} {
		if !slices.ContainsFunc(c.Types(), func(name string) bool { return slices.Contains(c.Type(name).Attributes, column) }) {
			t.Errorf("no type has %s", column)
		}
	}
}

func TestPrefixesAreOfOneType(t *testing.T) {
	c := load(t)
	for _, id := range []string{"i-0a", "vol-0a", "vpc-0a", "subnet-0a", "sg-0a", "eni-0a", "eipalloc-0a", "snap-0a", "ami-0a"} {
		if c.byPrefix(id) == nil {
			t.Errorf("%s has no type", id)
		}
	}
	for _, id := range []string{"", "-", "x", "vpce-0a", "i"} {
		if got := c.byPrefix(id); got != nil {
			t.Errorf("%q is a %s", id, got.Name)
		}
	}
}
