package rule

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// folder is a source with files of these names and texts, given in turn.
func folder(files ...string) fstest.MapFS {
	f := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		f[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return f
}

// ruleText is a rule with this detection, indented by nothing.
func ruleText(detection string) string {
	return "title: T\nid: r\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  " +
		strings.ReplaceAll(strings.TrimSpace(detection), "\n", "\n  ") + "\n"
}

func selectionRule(selection string) string {
	return ruleText("selection:\n  " + strings.ReplaceAll(strings.TrimSpace(selection), "\n", "\n  ") + "\ncondition: selection")
}

func compileOne(t testing.TB, text string) *Set {
	t.Helper()
	set, _, err := Load(Options{Lists: map[string][]string{"offices": {"192.0.2.0/24", "2001:db8::/32"}, "people": {"ann", "b*"}}}, folder("r.yml", text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return set
}

// event is a record of these members, with the ones that each record has.
func event(t testing.TB, members string) *cloudtrail.Event {
	t.Helper()
	text := strings.Replace(members, "{", `{"eventTime":"2026-03-01T10:00:00Z",`, 1)
	e, err := cloudtrail.Parse([]byte(strings.Replace(text, ",}", "}", 1)))
	if err != nil {
		t.Fatalf("%v in %s", err, members)
	}
	return e
}

// selectionCase is a selection with records that it must and must not meet.
type selectionCase struct {
	selection string
	meets     []string
	misses    []string
}

func (c selectionCase) check(t *testing.T) {
	t.Helper()
	m := compileOne(t, selectionRule(c.selection)).Matcher()
	for _, members := range c.meets {
		if len(m.Match(event(t, members))) != 1 {
			t.Errorf("%s\nmisses %s", c.selection, members)
		}
	}
	for _, members := range c.misses {
		if len(m.Match(event(t, members))) != 0 {
			t.Errorf("%s\nmeets %s", c.selection, members)
		}
	}
}

func checkAll(t *testing.T, cases map[string]selectionCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, c.check)
	}
}

func TestTextIsComparedWithoutCase(t *testing.T) {
	checkAll(t, map[string]selectionCase{
		"equal": {"eventName: stopLOGGING", []string{`{"eventName":"StopLogging"}`}, []string{`{"eventName":"StopLoggin"}`, `{"eventName":"StopLogging2"}`, `{}`}},
		"cased": {"eventName|cased: StopLogging", []string{`{"eventName":"StopLogging"}`}, []string{`{"eventName":"stopLogging"}`}},
		// Simple folding: the Kelvin sign folds to k, sharp s is not two letters.
		"unicode": {"userAgent: KÖRPER", []string{`{"userAgent":"körper"}`, "{\"userAgent\":\"\u212a\u00f6rper\"}"}, []string{`{"userAgent":"korper"}`}},
		"sharp s": {"userAgent: straße", []string{`{"userAgent":"STRAßE"}`}, []string{`{"userAgent":"STRASSE"}`}},
		// A field's name is exact.
		"names": {"requestParameters.tagging: x", []string{`{"requestParameters":{"tagging":"x"}}`}, []string{`{"requestParameters":{"Tagging":"x"}}`}},
		"list":  {"eventName: [A, b, 'c*']", []string{`{"eventName":"a"}`, `{"eventName":"B"}`, `{"eventName":"cat"}`}, []string{`{"eventName":"d"}`}},
		"empty": {"errorCode: ''", []string{`{"errorCode":""}`}, []string{`{}`, `{"errorCode":null}`, `{"errorCode":"x"}`}},
	})
}

func TestWildcardsAndEscapes(t *testing.T) {
	checkAll(t, map[string]selectionCase{
		"star":          {"userAgent: a*c", []string{`{"userAgent":"abbc"}`, `{"userAgent":"AC"}`}, []string{`{"userAgent":"abcd"}`, `{"userAgent":"xabc"}`}},
		"one":           {"userAgent: a?c", []string{`{"userAgent":"abc"}`, `{"userAgent":"aöc"}`}, []string{`{"userAgent":"ac"}`, `{"userAgent":"abbc"}`}},
		"overlap":       {"userAgent: ab*ba", []string{`{"userAgent":"abba"}`}, []string{`{"userAgent":"aba"}`}},
		"only star":     {"userAgent: '*'", []string{`{"userAgent":"x"}`, `{"userAgent":""}`}, []string{`{}`}},
		"plain star":    {`userAgent: 'a\*c'`, []string{`{"userAgent":"a*c"}`}, []string{`{"userAgent":"abc"}`}},
		"plain mark":    {`userAgent: 'a\?c'`, []string{`{"userAgent":"a?c"}`}, []string{`{"userAgent":"abc"}`}},
		"backslash":     {`userAgent: 'a\b'`, []string{`{"userAgent":"a\\b"}`}, []string{`{"userAgent":"ab"}`}},
		"two":           {`userAgent: 'a\\b'`, []string{`{"userAgent":"a\\b"}`}, []string{`{"userAgent":"a\\\\b"}`}},
		"three":         {`userAgent: 'a\\\b'`, []string{`{"userAgent":"a\\\\b"}`}, []string{`{"userAgent":"a\\b"}`}},
		"four":          {`userAgent: 'a\\\\b'`, []string{`{"userAgent":"a\\\\b"}`}, []string{`{"userAgent":"a\\b"}`}},
		"two and star":  {`userAgent: 'a\\*'`, []string{`{"userAgent":"a\\"}`, `{"userAgent":"a\\xyz"}`}, []string{`{"userAgent":"a*"}`}},
		"three, star":   {`userAgent: 'a\\\*'`, []string{`{"userAgent":"a\\*"}`}, []string{`{"userAgent":"a\\x"}`}},
		"contains":      {"userAgent|contains: 'b?d'", []string{`{"userAgent":"xxBCDxx"}`}, []string{`{"userAgent":"bd"}`}},
		"startswith":    {"userAgent|startswith: aws", []string{`{"userAgent":"AWS-cli"}`}, []string{`{"userAgent":"my aws"}`}},
		"endswith":      {"userAgent|endswith: 'o*o'", []string{`{"userAgent":"foo to do"}`}, []string{`{"userAgent":"of"}`}},
		"contains, all": {"userAgent|contains|all: [a, b]", []string{`{"userAgent":"b a"}`}, []string{`{"userAgent":"a"}`, `{"userAgent":"b"}`}},
	})
}

// TestANulIsNoWildcard: two tests that differ in a NUL and a star are two tests.
func TestANulIsNoWildcard(t *testing.T) {
	text := ruleText("star: {userAgent: 'a*b'}\nnul: {userAgent: \"a\\0b\"}\ncondition: nul and not star or nul")
	m := compileOne(t, text).Matcher()
	if got := m.Match(event(t, `{"userAgent":"axb"}`)); len(got) != 0 {
		t.Error("the text with a NUL meets what only the star meets")
	}
}

func TestNumbersAreComparedByValueWithoutRounding(t *testing.T) {
	checkAll(t, map[string]selectionCase{
		"value":            {"requestParameters.n: 70", []string{`{"requestParameters":{"n":70.0}}`, `{"requestParameters":{"n":"70"}}`, `{"requestParameters":{"n":7e1}}`}, []string{`{"requestParameters":{"n":71}}`, `{"requestParameters":{"n":"x"}}`}},
		"text":             {"requestParameters.n: '70'", []string{`{"requestParameters":{"n":70.0}}`, `{"requestParameters":{"n":"70"}}`}, []string{`{"requestParameters":{"n":"70.0"}}`}},
		"64 bits":          {"requestParameters.n: 9007199254740993", []string{`{"requestParameters":{"n":9007199254740993}}`}, []string{`{"requestParameters":{"n":9007199254740992}}`}},
		"boolean":          {"readOnly: false", []string{`{"readOnly":false}`, `{"readOnly":"False"}`}, []string{`{"readOnly":true}`, `{}`}},
		"boolean, as text": {"readOnly: 'false'", []string{`{"readOnly":false}`}, []string{`{"readOnly":true}`}},
		"list":             {"requestParameters.n: [22, 3389]", []string{`{"requestParameters":{"n":22}}`, `{"requestParameters":{"n":"3389"}}`}, []string{`{"requestParameters":{"n":2}}`}},
		"gt":               {"requestParameters.n|gt: 9", []string{`{"requestParameters":{"n":10}}`, `{"requestParameters":{"n":"9.01"}}`}, []string{`{"requestParameters":{"n":9}}`, `{"requestParameters":{"n":-10}}`, `{"requestParameters":{"n":"ten"}}`, `{}`}},
		"lte":              {"requestParameters.n|lte: -0.5", []string{`{"requestParameters":{"n":-0.50}}`, `{"requestParameters":{"n":-1}}`}, []string{`{"requestParameters":{"n":0}}`, `{"requestParameters":{"n":-0.4}}`}},
		"gte, lt":          {"requestParameters.n|gte: 0\nrequestParameters.n|lt: 1e3", []string{`{"requestParameters":{"n":0}}`, `{"requestParameters":{"n":999.9}}`}, []string{`{"requestParameters":{"n":1000}}`}},
		"id in text":       {"recipientAccountId: '012345678901'", []string{`{"recipientAccountId":"012345678901"}`}, []string{`{"recipientAccountId":"12345678901"}`}},
	})
}

func TestNullExistsAndNeq(t *testing.T) {
	checkAll(t, map[string]selectionCase{
		"null":          {"errorCode: null", []string{`{}`, `{"errorCode":null}`}, []string{`{"errorCode":""}`, `{"errorCode":"x"}`, `{"errorCode":[]}`}},
		"null, deep":    {"requestParameters.a.b: null", []string{`{}`, `{"requestParameters":null}`, `{"requestParameters":{"a":{"b":null}}}`}, []string{`{"requestParameters":{"a":{"b":{}}}}`, `{"requestParameters":{"a":{"b":[]}}}`}},
		"null, members": {"requestParameters.a.b: null", []string{`{"requestParameters":{"a":[{"b":null},{"b":1}]}}`}, []string{`{"requestParameters":{"a":[{"b":2},{"b":1}]}}`, `{"requestParameters":{"a":[{},{"b":1}]}}`}},
		"exists":        {"requestParameters.a|exists: true", []string{`{"requestParameters":{"a":null}}`, `{"requestParameters":{"a":[]}}`, `{"requestParameters":{"a":1}}`}, []string{`{"requestParameters":{"b":1}}`, `{}`}},
		"exists not":    {"errorCode|exists: false", []string{`{}`}, []string{`{"errorCode":null}`, `{"errorCode":"x"}`}},
		"neq":           {"errorCode|neq: AccessDenied", []string{`{}`, `{"errorCode":"x"}`}, []string{`{"errorCode":"accessdenied"}`}},
		"neq, cased":    {"errorCode|neq|cased: A", []string{`{"errorCode":"a"}`}, []string{`{"errorCode":"A"}`}},
		"neq, members":  {"requestParameters.a|neq: [x, y]", []string{`{"requestParameters":{"a":["z"]}}`}, []string{`{"requestParameters":{"a":["z","y"]}}`}},
	})
}

func TestOtherModifiers(t *testing.T) {
	checkAll(t, map[string]selectionCase{
		"fieldref":      {"userIdentity.userName|fieldref: requestParameters.userName", []string{`{"userIdentity":{"userName":"ann"},"requestParameters":{"userName":"ANN"}}`}, []string{`{"userIdentity":{"userName":"ann"},"requestParameters":{"userName":"bob"}}`, `{}`}},
		"fieldref, neq": {"userIdentity.userName|fieldref|neq: requestParameters.userName", []string{`{"userIdentity":{"userName":"ann"},"requestParameters":{"userName":"bob"}}`}, []string{`{"userIdentity":{"userName":"ann"},"requestParameters":{"userName":"ann"}}`}},
		"fieldref part": {"userIdentity.arn|fieldref|endswith: requestParameters.userName", []string{`{"userIdentity":{"arn":"arn:aws:iam::1:user/ann"},"requestParameters":{"userName":"ann"}}`}, []string{`{"userIdentity":{"arn":"x"},"requestParameters":{"userName":"ann"}}`}},
		"re":            {`userAgent|re: '^aws-(cli|sdk)/\d+'`, []string{`{"userAgent":"aws-cli/2"}`}, []string{`{"userAgent":"AWS-cli/2"}`, `{"userAgent":"an aws-cli/2"}`}},
		"re, i":         {"userAgent|re|i: '^aws'", []string{`{"userAgent":"AWS-cli/2"}`}, []string{`{"userAgent":"my aws"}`}},
		"re, object":    {`requestParameters.policy.Statement|re: '"Effect":"Allow".*"Principal":"\*"'`, []string{`{"requestParameters":{"policy":{"Statement":[{"Effect":"Allow","Principal":"*"}]}}}`}, []string{`{"requestParameters":{"policy":{"Statement":[{"Effect":"Deny","Principal":"*"}]}}}`}},
		"cidr":          {"sourceIPAddress|cidr: [10.0.0.0/8, '2001:db8::/32']", []string{`{"sourceIPAddress":"10.1.2.3"}`, `{"sourceIPAddress":"::ffff:10.1.2.3"}`, `{"sourceIPAddress":"2001:DB8::1"}`}, []string{`{"sourceIPAddress":"11.0.0.1"}`, `{"sourceIPAddress":"AWS Internal"}`, `{"sourceIPAddress":""}`, `{}`}},
		"cidr, mapped":  {"sourceIPAddress|cidr: '::ffff:10.0.0.0/104'", []string{`{"sourceIPAddress":"10.1.2.3"}`}, []string{`{"sourceIPAddress":"11.1.2.3"}`}},
		"cidr, expand":  {"sourceIPAddress|cidr|expand: '%offices%'", []string{`{"sourceIPAddress":"192.0.2.9"}`, `{"sourceIPAddress":"2001:db8::9"}`}, []string{`{"sourceIPAddress":"198.51.100.1"}`}},
		"expand":        {"userIdentity.userName|expand: '%people%'", []string{`{"userIdentity":{"userName":"Ann"}}`, `{"userIdentity":{"userName":"bob"}}`}, []string{`{"userIdentity":{"userName":"%people%"}}`}},
		// RFC 4648, section 10: foobar is Zm9vYmFy.
		"base64": {"requestParameters.userData|base64: foobar", []string{`{"requestParameters":{"userData":"Zm9vYmFy"}}`}, []string{`{"requestParameters":{"userData":"zm9vymfy"}}`, `{"requestParameters":{"userData":"foobar"}}`}},
		// base64 of "curl x", "-curl x" and "--curl x": all hold "curl" at one of three shifts.
		"base64offset": {"requestParameters.userData|base64offset|contains: curl", []string{`{"requestParameters":{"userData":"Y3VybCB4"}}`, `{"requestParameters":{"userData":"LWN1cmwgeA=="}}`, `{"requestParameters":{"userData":"LS1jdXJsIHg="}}`}, []string{`{"requestParameters":{"userData":"d2dldCB4"}}`}},
	})
}

func TestPathsGoThroughArraysAndDots(t *testing.T) {
	checkAll(t, map[string]selectionCase{
		"arrays":      {"requestParameters.items.port: 22", []string{`{"requestParameters":{"items":[{"port":80},{"port":22}]}}`, `{"requestParameters":[{"items":[[{"port":[22]}]]}]}`}, []string{`{"requestParameters":{"items":[{"port":80}]}}`}},
		"two members": {"requestParameters.i.a: 1\nrequestParameters.i.b: 2", []string{`{"requestParameters":{"i":[{"a":1},{"b":2}]}}`}, []string{`{"requestParameters":{"i":[{"a":1}]}}`}},
		"dots":        {"requestParameters.x.y.z: 1", []string{`{"requestParameters":{"x.y":{"z":1}}}`, `{"requestParameters":{"x":{"y.z":1}}}`, `{"requestParameters":{"x.y.z":1}}`}, []string{`{"requestParameters":{"x":1}}`}},
		"dots, top":   {"requestParameters.x: 1", []string{`{"requestParameters.x":1}`, `{"requestParameters.x":1,"requestParameters":{"y":2}}`}, nil},
		"unknown":     {"detail.entities.value: v", []string{`{"detail":{"entities":[{"value":"v"}]}}`}, []string{`{}`}},
		"bent scalar": {"userIdentity.arn: a", []string{`{"userIdentity":{"arn":"a"}}`, `{"userIdentity":{"arn":["b","a"]}}`, `{"userIdentity":[{"arn":"a"}]}`}, []string{`{"userIdentity":"a"}`}},
		"bent name":   {"eventName: A", []string{`{"eventName":["A"]}`}, []string{`{"eventName":["B"]}`}},
		"bent source": {"eventSource: A", []string{`{"eventSource":["B","A"]}`}, []string{`{"eventSource":{"a":"A"}}`}},
	})
}

func TestSearchingObjects(t *testing.T) {
	const policy = `{"requestParameters":{"policyDocument":"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\"}]}"}}`
	const encoded = `{"requestParameters":{"policyDocument":"%7B%22Effect%22%3A%22Allow%22%7D"}}`
	checkAll(t, map[string]selectionCase{
		"json":       {`requestParameters|contains: '"a":1,"b"'`, []string{`{"requestParameters":{"a":1, "b" : 2}}`}, []string{`{"requestParameters":{"b":1,"a":2}}`}},
		"embedded":   {`requestParameters|contains: '"Effect":"Allow"'`, []string{policy, encoded}, []string{`{"requestParameters":{"Effect":"Deny"}}`}},
		"as text":    {`requestParameters.policyDocument|contains: '"Effect":"Allow"'`, []string{policy}, []string{encoded}},
		"wildcard":   {"responseElements: '*pending*'", []string{`{"responseElements":{"state":"PENDING"}}`}, []string{`{"responseElements":{}}`}},
		"no search":  {"responseElements: pending", nil, []string{`{"responseElements":{"state":"pending"}}`, `{}`}},
		"key words":  {"- trufflehog\n- nmap", []string{`{"userAgent":"TruffleHog"}`, `{"requestParameters":{"a":[{"b":"nmap 7"}]}}`}, []string{`{"userAgent":"x"}`}},
		"all words":  {"'|all': [one, two]", []string{`{"userAgent":"one","errorMessage":"two"}`}, []string{`{"userAgent":"one"}`}},
		"words, map": {"- nmap\n- eventName: A", []string{`{"eventName":"a"}`, `{"userAgent":"nmap"}`}, []string{`{"eventName":"b"}`}},
	})
}

func TestConditions(t *testing.T) {
	const parts = "a1: {eventName: A}\na2: {awsRegion: R}\nb: {readOnly: true}\n_c: {errorCode: E}\ncondition: "
	const (
		onlyA1 = `{"eventName":"A"}`
		onlyA2 = `{"awsRegion":"R"}`
		bothA  = `{"eventName":"A","awsRegion":"R"}`
		allABC = `{"eventName":"A","awsRegion":"R","readOnly":true,"errorCode":"E"}`
		none   = `{}`
	)
	for condition, want := range map[string]string{ // one letter per record in the order below: y or n
		"a1 and a2 or b": "nnyyn", "a1 and (a2 or b)": "nnyyn", "not a1": "nynny", "NOT a1 AND not a2": "nnnny",
		"not not a1": "ynyyn", "1 of a*": "yyyyn", "any of a*": "yyyyn", "all of a*": "nnyyn", "all of them": "nnnyn",
		"1 of them": "yyyyn", "1 of _*": "nnnyn", "[a1 and a2, b]": "nnyyn", "a1 and not 1 of (b)": "",
	} {
		if want == "" {
			if _, _, err := Load(Options{}, folder("r.yml", ruleText(parts+condition))); err == nil {
				t.Errorf("%s is taken", condition)
			}
			continue
		}
		m := compileOne(t, ruleText(parts+condition)).Matcher()
		got := ""
		for _, members := range []string{onlyA1, onlyA2, bothA, allABC, none} {
			got += map[bool]string{true: "y", false: "n"}[len(m.Match(event(t, members))) == 1]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", condition, got, want)
		}
	}
}
