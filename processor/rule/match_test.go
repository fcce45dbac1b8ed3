package rule

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// naive evaluates every rule's own tree, with no index and nothing shared.
func naive(set *Set, e *cloudtrail.Event) (ids []string) {
	for _, r := range set.Rules() {
		if r.when.eval(func(x *expr) bool { return x.atom.holds(&view{Input: &Input{Event: e}}) }) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func ids(rules []*Rule) (out []string) {
	for _, r := range rules {
		out = append(out, r.ID)
	}
	return out
}

var (
	drawnTests = []string{
		"eventName: A", "eventName: [a, B]", "eventName: 'A*'", "eventName|cased: b", "eventName|neq: A", "eventName: null", "eventName: 7",
		"eventSource: s", "eventSource: [S, t]", "eventSource|startswith: s", "errorCode: null", "errorCode|exists: true", "readOnly: false",
		"userAgent|contains: 'x?z'", "requestParameters.p: 22", "requestParameters.p|gt: 20", "requestParameters|contains: yes",
		"requestParameters.p|fieldref: errorCode", "userAgent|re: '^x'", "userIdentity.arn: null",
		"userIdentity.arn: a", "userIdentity.arn: [b, A]", "userIdentity.type: Root", "userAgent: q", "userAgent|cased: q", "errorCode: [22, '']",
	}
	drawnMembers = map[string][]string{
		"eventName":         {`"A"`, `"a"`, `"b"`, `"C"`, `null`, `7`, `["A","q"]`, `{"A":1}`},
		"eventSource":       {`"s"`, `"S"`, `"t"`, `"u"`, `["t"]`},
		"errorCode":         {`"22"`, `null`, `""`},
		"readOnly":          {`true`, `false`, `"False"`},
		"userAgent":         {`"xyz"`, `"XÖZ"`, `"q"`},
		"requestParameters": {`{"p":22}`, `{"p":[21,"22.0"]}`, `{"q":"{\"a\":\"yes\"}"}`, `null`, `"text"`, `[{"p":30}]`},
		"userIdentity":      {`{"arn":"a"}`, `{"arn":null}`, `[{"arn":"a"}]`, `"u"`, `{"arn":["q","b"]}`, `{"arn":{"b":"a"}}`, `{"arn":"A","type":"root"}`},
		"userIdentity.arn":  {`"b"`, `["a"]`},
	}
	drawnOrder = []string{"eventName", "eventSource", "errorCode", "readOnly", "userAgent", "requestParameters", "userIdentity", "userIdentity.arn"}
)

func drawRule(t *rapid.T, i int) string {
	var parts []string
	n := rapid.IntRange(1, 3).Draw(t, "parts")
	for k := range n {
		tests := rapid.SliceOfNDistinct(rapid.SampledFrom(drawnTests), 1, 2, func(s string) string { return regexp.MustCompile(`^[^|:]*`).FindString(s) }).Draw(t, "tests")
		parts = append(parts, fmt.Sprintf("s%d: {%s}", k, strings.Join(tests, ", ")))
	}
	form := rapid.SampledFrom([]string{"1 of s*", "all of s*", "not s0", "s0 or not all of s*", "s0 and not 1 of them or s0"}).Draw(t, "condition")
	return strings.Replace(ruleText(strings.Join(parts, "\n")+"\ncondition: "+form), "id: r", fmt.Sprintf("id: r%02d", i), 1)
}

func drawEvent(t *rapid.T) string {
	var members []string
	for _, name := range drawnOrder {
		if rapid.Bool().Draw(t, name+" is there") {
			members = append(members, `"`+name+`":`+rapid.SampledFrom(drawnMembers[name]).Draw(t, name))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestTheIndexChangesNothing: the matcher finds what evaluating every rule's
// tree finds, in the order of the ids, also on an event seen before.
func TestTheIndexChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := folder()
		for i := range rapid.IntRange(1, 8).Draw(rt, "rules") {
			for name, file := range folder(fmt.Sprintf("r%02d.yml", i), drawRule(rt, i)) {
				f[name] = file
			}
		}
		set, _, err := Load(Options{}, f)
		if err != nil {
			rt.Fatal(err)
		}
		m := set.Matcher()
		for range 8 {
			members := drawEvent(rt)
			e := event(t, members)
			want := naive(set, event(t, members))
			for range 2 {
				if diff := cmp.Diff(want, ids(m.Match(e))); diff != "" {
					rt.Fatalf("%s (-every tree +matcher)\n%s", members, diff)
				}
			}
		}
	})
}

// TestTheIndexChangesNothingOnRecordedEvents does the same with the published
// rules.
func TestTheIndexChangesNothingOnRecordedEvents(t *testing.T) {
	set := published(t)
	m := set.Matcher()
	for _, e := range recorded(t, "stratus") {
		if diff := cmp.Diff(naive(set, e), ids(m.Match(e))); diff != "" {
			t.Fatalf("%s (-every tree +matcher)\n%s", e.ID, diff)
		}
	}
}

// TestEventsWithoutCandidatesAllocateNothing: most events are such.
func TestEventsWithoutCandidatesAllocateNothing(t *testing.T) {
	m := generatedRules(t, 800).Matcher()
	e := event(t, `{"eventName":"DescribeInstances","eventSource":"ec2.amazonaws.com","requestParameters":{"a":1}}`)
	if n := testing.AllocsPerRun(100, func() { m.Match(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// globByRegexp is the meaning of a Sigma text, said in another way.
func globByRegexp(text string) *regexp.Regexp {
	var b strings.Builder
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && strings.ContainsRune(`*?\`, rune(text[i+1])):
			b.WriteString(regexp.QuoteMeta(text[i+1 : i+2]))
			i += 2
			continue
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
		i++
	}
	return regexp.MustCompile("(?is)^(?:" + b.String() + ")$")
}

func FuzzWildcards(f *testing.F) {
	for _, s := range []string{"a*b?c|AxxbYc", `\*|*`, `a\\*|a\z`, "**|", "?|k", "ab*ba|aba", `\|\`} {
		p, text, _ := strings.Cut(s, "|")
		f.Add(p, text)
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		// The comparison is for ASCII patterns; the text may be anything but what decoding never yields.
		if !ascii(pattern) || len(pattern) > 60 || len(text) > 200 || strings.ToValidUTF8(text, "") != text {
			return
		}
		want := globByRegexp(pattern).MatchString(text)
		if got := newPattern(unescape(pattern), false).matches(text); got != want {
			t.Errorf("%q on %q: %t, want %t", pattern, text, got, want)
		}
	})
}

func FuzzDecimals(f *testing.F) {
	f.Add("70", "70.0")
	f.Add("-1e3", "9007199254740993")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := parseDecimal(a)
		y, also := parseDecimal(b)
		if !ok || !also {
			return
		}
		if c := x.compare(y); (c > 0) != (y.compare(x) < 0) || (c == 0) != (y.compare(x) == 0) || x.compare(x) != 0 {
			t.Errorf("%q and %q: %d and %d", a, b, c, y.compare(x))
		}
	})
}

// FuzzLoad: any text gives a set or errors with a place, never a panic.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(small("a", "A")))
	f.Add([]byte("a: [b\n---\n- {c: *d, e: &f g}\n"))
	f.Add([]byte(ruleText("s: {a|re: '(', b|cidr: 1, c|base64offset|contains: x}\ncondition: 1 of s* and (not s)")))
	for _, pattern := range []string{"testdata/bad/*.yml", "testdata/examples/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, report, err := Load(Options{}, folder("r.yml", string(text)))
		if (set == nil) != (err != nil) || report == nil {
			t.Fatalf("set %v, report %v, error %v", set, report, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "r.yml:") {
			t.Errorf("no place in %v", err)
		}
		if set != nil {
			set.Matcher().Match(event(t, `{"eventName":"A"}`))
			NewLint(set).Warnings()
		}
	})
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{"a and b", "not (a or b)", "1 of them", "all of a*", "((", "a b", "1 of"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := &detection{named: map[string]*expr{"a": or(), "b": and()}, order: []string{"a", "b"}, used: map[string]bool{}}
		x := d.condition(&node{Text: text, Line: 1, Col: 1})
		if x == nil {
			t.Fatal("no tree")
		}
		if len(d.problems) == 0 {
			x.eval(func(*expr) bool { return false })
		}
	})
}

// generatedRules are shaped like the published ones: most name calls, some
// look deeper, one in twenty-five names neither call nor service.
func generatedRules(t testing.TB, n int) *Set {
	t.Helper()
	f := folder()
	for i := range n {
		s := fmt.Sprintf("eventSource: service%d.amazonaws.com\n  eventName: [Create%d, Delete%d]", i%60, i, i)
		switch i % 25 {
		case 3, 7:
			s += fmt.Sprintf("\n  requestParameters.policy|contains: word%d", i)
		case 5:
			s += "\n  errorCode: null"
		case 11:
			s = fmt.Sprintf("userIdentity.type: Kind%d\n  userAgent|contains: tool%d", i, i)
		}
		text := strings.Replace(ruleText("s:\n  "+s+"\ncondition: s"), "id: r", fmt.Sprintf("id: r%04d", i), 1)
		for name, file := range folder(fmt.Sprintf("r%04d.yml", i), text) {
			f[name] = file
		}
	}
	set, _, err := Load(Options{}, f)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func BenchmarkMatchGeneratedRules(b *testing.B) {
	events := recorded(b, "history")
	for _, n := range []int{57, 800} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := generatedRules(b, n).Matcher()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Match(events[i%len(events)])
			}
		})
	}
}
