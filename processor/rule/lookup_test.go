package rule

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const threats = `network,reason,seen
203.0.113.0/24,scanner,2026-01-02
203.0.113.7,"command, and control",2026-02-03
2001:db8::/32,botnet
`

// listed is what the lists say of an event that meets the only rule of a
// folder; nil if it does not.
func listed(t *testing.T, files fs.FS, record string) map[string]string {
	t.Helper()
	set, _, err := Load(Options{}, files)
	if err != nil {
		t.Fatal(err)
	}
	in := &Input{Event: event(t, record)}
	found := set.Matcher().Judge(in)
	if len(found) != 1 {
		return nil
	}
	out := map[string]string{}
	found[0].Listed(in, func(name, value string) { out[name] = value })
	return out
}

// TestNetworksOfAListCarryTheirContext: the narrowest network speaks, and a row
// may be shorter than the header.
func TestNetworksOfAListCarryTheirContext(t *testing.T) {
	files := folder("r.yml", selectionRule("sourceIPAddress|cidr|expand: '%threats%'"), "_lists/threats.csv", threats)
	for address, want := range map[string]map[string]string{
		"203.0.113.9":         {"list.threats.match": "203.0.113.0/24", "list.threats.reason": "scanner", "list.threats.seen": "2026-01-02"},
		"203.0.113.7":         {"list.threats.match": "203.0.113.7", "list.threats.reason": "command, and control", "list.threats.seen": "2026-02-03"},
		"::ffff:203.0.113.7":  {"list.threats.match": "203.0.113.7", "list.threats.reason": "command, and control", "list.threats.seen": "2026-02-03"},
		"2001:db8:1::1":       {"list.threats.match": "2001:db8::/32", "list.threats.reason": "botnet"},
		"198.51.100.1":        nil,
		"2001:db9::1":         nil,
		"ec2.amazonaws.com":   nil,
		"203.0.113.0/24":      nil,
		"network":             nil, // the header is no value
		"203.0.113.7.example": nil,
	} {
		if diff := cmp.Diff(want, listed(t, files, `{"sourceIPAddress":"`+address+`"}`)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
	}
}

// TestWhatAListHolds: lists are looked up as values in the rule itself would be.
func TestWhatAListHolds(t *testing.T) {
	names := "Ann\nadmin-*\n0123\n70\n^dev$\nline ?\n"
	for _, c := range []struct {
		field, value string
		want         string // the entry; "" none
	}{
		{"", `"ann"`, "Ann"}, {"", `"ADMIN-7"`, "admin-*"}, {"", `"administrator"`, ""}, {"", `"bob"`, ""}, {"", `"anne"`, ""}, {"", `"line 7"`, "line ?"},
		{"", `70.0`, "70"}, {"", `"70.0"`, ""}, {"", `"70"`, "70"}, {"", `123`, "0123"}, {"", `"123"`, ""}, {"", `["x","Ann"]`, "Ann"}, {"", `null`, ""},
		{"|cased", `"ann"`, ""}, {"|cased", `"Ann"`, "Ann"}, {"|cased", `"admin-x"`, "admin-*"}, {"|contains", `"joanna"`, "Ann"}, {"|startswith", `"annabel"`, "Ann"},
		{"|endswith", `"joann"`, "Ann"}, {"|re", `"dev"`, "^dev$"}, {"|re", `"Annabel"`, "Ann"}, {"|contains", `{"deep":{"who":"ann"}}`, "Ann"}, {"", `{"deep":"ann"}`, ""},
	} {
		files := folder("r.yml", selectionRule("requestParameters.name"+c.field+"|expand: '%names%'"), "_lists/names.txt", names)
		got := listed(t, files, `{"requestParameters":{"name":`+c.value+`}}`)["list.names.match"]
		if got != c.want {
			t.Errorf("name%s of %s meets %q, want %q", c.field, c.value, got, c.want)
		}
	}
}

// TestANumberLeadsToTheRulesOfItsField, however it is written: a rule that a
// field leads to is found as it would be by trying all rules.
func TestANumberLeadsToTheRulesOfItsField(t *testing.T) {
	files := folder("r.yml", selectionRule("apiVersion|expand: '%versions%'"), "_lists/versions.txt", "5\n70\n")
	for value, want := range map[string]string{`5`: "5", `5.0`: "5", `7e1`: "70", `"5"`: "5", `6`: "", `"5.0"`: ""} {
		if got := listed(t, files, `{"apiVersion":`+value+`}`)["list.versions.match"]; got != want {
			t.Errorf("%s meets %q, want %q", value, got, want)
		}
	}
}

func TestListsBesideOtherValuesAndUnderNot(t *testing.T) {
	list := []string{"_lists/staff.csv", "name,team\nann,payments\nbob,search\n"}
	mixed := folder(append(list, "r.yml", selectionRule("userIdentity.userName|expand: [eve, '%staff%']"))...)
	for name, want := range map[string]map[string]string{
		"eve": {}, "bob": {"list.staff.match": "bob", "list.staff.team": "search"}, "mal": nil,
	} {
		if diff := cmp.Diff(want, listed(t, mixed, `{"userIdentity":{"userName":"`+name+`"}}`)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	allowed := folder(append(list, "r.yml", selectionRule("userIdentity.userName|neq|expand: '%staff%'"))...)
	if got := listed(t, allowed, `{"userIdentity":{"userName":"mal"}}`); got == nil || len(got) != 0 {
		t.Errorf("somebody who is not in the list: %v", got)
	}
	if got := listed(t, allowed, `{"userIdentity":{"userName":"ann"}}`); got != nil {
		t.Errorf("somebody who is: %v", got)
	}
	if set, _, err := Load(Options{}, mixed); err != nil || len(set.Rules()[0].Lists()) != 1 {
		t.Error("the rule does not name its list")
	}
}

// TestAnotherListIsTheSameRule: what a rule remembers goes on when a list
// changes; the set is another one, and findings have the hash of the content.
func TestAnotherListIsTheSameRule(t *testing.T) {
	load := func(text string) *Set {
		set, _, err := Load(Options{}, folder("r.yml", selectionRule("sourceIPAddress|cidr|expand: '%threats%'"), "_lists/threats.csv", text))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	a, b, again := load(threats), load(threats+"192.0.2.1,new\n"), load(threats)
	ra, rb := a.Rules()[0], b.Rules()[0]
	if ra.Version != rb.Version || a.Hash() == b.Hash() || a.Hash() != again.Hash() {
		t.Errorf("versions %s, %s; sets %s, %s, %s", ra.Version, rb.Version, a.Hash(), b.Hash(), again.Hash())
	}
	// The first 12 digits of sha256sum of the file.
	if diff := cmp.Diff([]ListUse{{"threats", listHash([]byte(threats))}}, ra.Lists()); diff != "" || ra.Lists()[0] == rb.Lists()[0] {
		t.Errorf("%s: %v, %v", diff, ra.Lists(), rb.Lists())
	}
}

// TestACorrelationIsJudgedByTheListsOfItsParts, those of filters included.
func TestACorrelationIsJudgedByTheListsOfItsParts(t *testing.T) {
	text := strings.Replace(small("part", "Part"), "detection: {s: {", "detection: {s: {sourceIPAddress|cidr|expand: '%threats%', ", 1) +
		"---\ntitle: F\nid: f\nlogsource: {product: aws, service: cloudtrail}\nfilter: {rules: [part], s: {userIdentity.userName|expand: '%staff%'}, condition: s}\n" +
		"---\ntitle: C\nid: c\ncorrelation: {type: event_count, rules: [part], group-by: [awsRegion], timespan: 5m, condition: {gte: 2}}\n"
	set, report, err := Load(Options{}, folder("r.yml", text, "_lists/threats.csv", threats, "_lists/staff.txt", "ann\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Rules() {
		if len(r.Lists()) != 2 || r.Lists()[0].Name != "staff" {
			t.Errorf("%s: %v", r.Title, r.Lists())
		}
	}
	if len(report.Lists) != 2 || !strings.HasPrefix(report.Lists[1], "threats (_lists/threats.csv): 3 values, ") {
		t.Errorf("%q", report.Lists)
	}
}

func TestMistakesInListsNameTheirLine(t *testing.T) {
	networks := selectionRule("sourceIPAddress|cidr|expand: '%x%'")
	plain := selectionRule("userIdentity.userName|expand: '%x%'")
	many := strings.Repeat("nonsense\n", 9)
	wild := strings.Repeat("a*b\n", 1001)
	for _, c := range []struct{ rule, file, text, want string }{
		{networks, "x.txt", "10.0.0.0/8\n10.0.0.0/40\n", `_lists/x.txt:2:1: "10.0.0.0/40" is no network: write it as 203.0.113.0/24`},
		{networks, "x.csv", "ip,why\n\n10.0.0/8,x\n", `_lists/x.csv:3:1: "10.0.0/8" is no network`},
		{networks, "x.txt", many, "(and 3 more mistakes in this list)"},
		{plain, "x.csv", "name,team,team\n", "_lists/x.csv:1:1: column 3 of the first line is empty or stands there twice"},
		{plain, "x.csv", "name,\nann,b\n", "column 2 of the first line is empty"},
		{plain, "x.csv", "name,team\nann,b,c\n", "_lists/x.csv:2:1: 3 columns, and the first line names 2"},
		{plain, "x.csv", "ann\nbob,b\n", "_lists/x.csv:2:1: 2 columns, and the first line names 1"},
		{plain, "x.csv", "name,team\n\"ann,b\n", "put a value that holds commas or quotes in quotes"},
		{plain, "x.json", `{"a": 1}`, "_lists/x.json:1:1: a list in JSON is one array of texts"},
		{plain, "x.json", `["a", {"b": 1}]`, "_lists/x.json:1:8: a list in JSON holds texts"},
		{plain, "x.txt", wild, "the list x has 1001 values that are held against each event one by one"},
		{selectionRule("userIdentity.userName|exists|expand: '%x%'"), "x.txt", "a\n", "a list does not go with exists"},
		{selectionRule("userIdentity.userName|contains|all|expand: ['%x%', '%x%']"), "x.txt", "a\n", "a list does not go with all"},
	} {
		_, _, err := Load(Options{}, folder("r.yml", c.rule, "_lists/"+c.file, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n%v\nwant %s", c.text[:min(len(c.text), 80)], err, c.want)
		}
	}
}

// TestManyNetworksOfARuleAreOneTest: as many tests of one network each would
// decide.
func TestManyNetworksOfARuleAreOneTest(t *testing.T) {
	set := compileOne(t, selectionRule("sourceIPAddress|cidr: [10.0.0.0/8, 10.1.0.0/16, 192.0.2.1, '2001:db8::/32', '::ffff:198.51.100.0/120']"))
	if len(set.atoms) != 1 {
		t.Errorf("%d tests", len(set.atoms))
	}
	m := set.Matcher()
	for address, want := range map[string]int{"10.200.0.1": 1, "10.1.2.3": 1, "192.0.2.1": 1, "192.0.2.2": 0, "2001:db8::9": 1, "198.51.100.200": 1, "::ffff:10.0.0.1": 1, "AWS Internal": 0, "": 0} {
		if got := len(m.Match(event(t, `{"sourceIPAddress":"`+address+`"}`))); got != want {
			t.Errorf("%s: %d matches, want %d", address, got, want)
		}
	}
}

// TestCallsMayStandInAList: the index leads to a rule by the names in it.
func TestCallsMayStandInAList(t *testing.T) {
	set, report, err := Load(Options{}, folder("r.yml", ruleText("s: {eventName|expand: '%calls%'}\ncondition: s"), "_lists/calls.txt", "StopLogging\nDeleteTrail\n"))
	if err != nil || len(report.Slow) != 0 {
		t.Fatalf("%v, slow %q", err, report.Slow)
	}
	if keys := maps.Keys(set.byName); len(set.other) != 0 || fmt.Sprint(len(set.byName)) != "2" {
		t.Errorf("%v", keys)
	}
	if got := len(set.Matcher().Match(event(t, `{"eventName":"stoplogging"}`))); got != 1 {
		t.Errorf("%d matches", got)
	}
}

// BenchmarkMillionValues: what an event costs that is held against a million
// users and a hundred thousand networks.
func BenchmarkMillionValues(b *testing.B) {
	var users, nets strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&users, "user-%d\n", i)
	}
	for i := range 100_000 {
		fmt.Fprintf(&nets, "10.%d.%d.%d/%d\n", i>>12&255, i>>4&255, i<<4&255, 28+i%5)
	}
	text := ruleText("a: {userIdentity.userName|expand: '%users%'}\nb: {sourceIPAddress|cidr|expand: '%nets%'}\ncondition: a or b")
	set, _, err := Load(Options{}, folder("r.yml", text, "_lists/users.txt", users.String(), "_lists/nets.txt", nets.String()))
	if err != nil {
		b.Fatal(err)
	}
	m := set.Matcher()
	e := event(b, `{"userIdentity":{"userName":"nobody"},"sourceIPAddress":"198.51.100.7"}`)
	b.ReportAllocs()
	for b.Loop() {
		if len(m.Match(e)) != 0 {
			b.Fatal("found")
		}
	}
}
