package rule

import (
	"strings"
	"testing"
)

// TestEventBridgeOperators follows the table of operators in the EventBridge
// user guide ("Comparison operators for use in event patterns").
func TestEventBridgeOperators(t *testing.T) {
	for name, c := range map[string]selectionCase{
		"text is cased": {`{"detail":{"eventName":["StopLogging"]}}`, []string{`{"eventName":"StopLogging"}`}, []string{`{"eventName":"stoplogging"}`, `{}`}},
		"no wildcard":   {`{"detail":{"eventName":["A*"]}}`, []string{`{"eventName":"A*"}`}, []string{`{"eventName":"AB"}`}},
		"number":        {`{"detail":{"requestParameters":{"n":[300]}}}`, []string{`{"requestParameters":{"n":300.0}}`, `{"requestParameters":{"n":3e2}}`}, []string{`{"requestParameters":{"n":301}}`}},
		"null":          {`{"detail":{"errorCode":[null]}}`, []string{`{"errorCode":null}`}, []string{`{}`, `{"errorCode":""}`}},
		"empty":         {`{"detail":{"errorCode":[""]}}`, []string{`{"errorCode":""}`}, []string{`{}`, `{"errorCode":"x"}`}},
		"boolean":       {`{"detail":{"readOnly":[false]}}`, []string{`{"readOnly":false}`}, []string{`{"readOnly":true}`, `{}`}},
		"prefix":        {`{"detail":{"eventName":[{"prefix":"Put"}]}}`, []string{`{"eventName":"PutObject"}`}, []string{`{"eventName":"putObject"}`, `{"eventName":"GetPut"}`}},
		"prefix, case":  {`{"detail":{"eventName":[{"prefix":{"equals-ignore-case":"put"}}]}}`, []string{`{"eventName":"PutObject"}`}, []string{`{"eventName":"GetPut"}`}},
		"suffix":        {`{"detail":{"eventName":[{"suffix":"Trail"}]}}`, []string{`{"eventName":"DeleteTrail"}`}, []string{`{"eventName":"Trails"}`}},
		"ignore case":   {`{"detail":{"eventName":[{"equals-ignore-case":"stoplogging"}]}}`, []string{`{"eventName":"StopLogging"}`}, []string{`{"eventName":"Stop"}`}},
		"wildcard":      {`{"detail":{"eventName":[{"wildcard":"*Log*ing"}]}}`, []string{`{"eventName":"StopLogging"}`}, []string{`{"eventName":"StopLog"}`, `{"eventName":"stoplogging"}`}},
		"anything-but":  {`{"detail":{"errorCode":[{"anything-but":["A","B"]}]}}`, []string{`{"errorCode":"C"}`}, []string{`{"errorCode":"A"}`, `{}`}},
		"not prefix":    {`{"detail":{"awsRegion":[{"anything-but":{"prefix":"us-"}}]}}`, []string{`{"awsRegion":"eu-west-1"}`}, []string{`{"awsRegion":"us-east-1"}`}},
		"not wildcard":  {`{"detail":{"userAgent":[{"anything-but":{"wildcard":"*/lib/*"}}]}}`, []string{`{"userAgent":"a"}`}, []string{`{"userAgent":"a/lib/b"}`}},
		"numeric":       {`{"detail":{"requestParameters":{"n":[{"numeric":[">",0,"<=",5]}]}}}`, []string{`{"requestParameters":{"n":5}}`, `{"requestParameters":{"n":0.1}}`}, []string{`{"requestParameters":{"n":0}}`, `{"requestParameters":{"n":6}}`}},
		"cidr":          {`{"detail":{"sourceIPAddress":[{"cidr":"10.0.0.0/24"}]}}`, []string{`{"sourceIPAddress":"10.0.0.7"}`}, []string{`{"sourceIPAddress":"10.0.1.7"}`}},
		"exists":        {`{"detail":{"errorCode":[{"exists":true}]}}`, []string{`{"errorCode":"x"}`, `{"errorCode":null}`}, []string{`{}`}},
		"exists not":    {`{"detail":{"errorCode":[{"exists":false}]}}`, []string{`{}`}, []string{`{"errorCode":"x"}`}},
		"arrays":        {`{"detail":{"requestParameters":{"a":["x"]}}}`, []string{`{"requestParameters":{"a":["y","x"]}}`}, []string{`{"requestParameters":{"a":["y"]}}`}},
		"or":            {`{"detail":{"$or":[{"eventName":["A"]},{"awsRegion":["R"]}]}}`, []string{`{"eventName":"A"}`, `{"awsRegion":"R"}`}, []string{`{"eventName":"B"}`}},
		"and":           {`{"detail":{"eventName":["A"],"awsRegion":["R"]}}`, []string{`{"eventName":"A","awsRegion":"R"}`}, []string{`{"eventName":"A"}`}},
		"source":        {`{"source":["aws.s3"]}`, []string{`{"eventSource":"s3.amazonaws.com"}`}, []string{`{"eventSource":"ec2.amazonaws.com"}`}},
		"every source":  {`{"source":[{"prefix":"aws."}]}`, []string{`{"eventSource":"s3.amazonaws.com"}`}, []string{`{}`}},
		"source prefix": {`{"source":[{"prefix":"aws.s"}]}`, []string{`{"eventSource":"s3.amazonaws.com"}`}, []string{`{"eventSource":"ec2.amazonaws.com"}`}},
		"other source":  {`{"source":[{"anything-but":["aws.s3"]}]}`, []string{`{"eventSource":"ec2.amazonaws.com"}`}, []string{`{"eventSource":"s3.amazonaws.com"}`}},
		"detail-type":   {`{"detail-type":["AWS API Call via CloudTrail"]}`, []string{`{"eventType":"AwsApiCall"}`}, []string{`{"eventType":"AwsServiceEvent"}`}},
		"account":       {`{"account":["111122223333"],"region":["R"]}`, []string{`{"recipientAccountId":"111122223333","awsRegion":"R"}`}, []string{`{"recipientAccountId":"111122223333"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			bare, _, err := Load(Options{}, folder("p.pattern.json", c.selection))
			if err != nil {
				t.Fatal(err)
			}
			inRule, _, err := Load(Options{}, folder("p.yml", "title: p\nid: p\nlogsource: {product: aws, service: cloudtrail}\npattern: "+c.selection))
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range []*Set{bare, inRule} {
				m := set.Matcher()
				for want, records := range map[int][]string{1: c.meets, 0: c.misses} {
					for _, members := range records {
						if got := len(m.Match(event(t, members))); got != want {
							t.Errorf("%s on %s: %d matches, want %d", c.selection, members, got, want)
						}
					}
				}
			}
		})
	}
}

func TestABarePatternIsNamedAfterItsFile(t *testing.T) {
	set, report, err := Load(Options{}, folder("deep/trail stopped.pattern.json", `{"detail":{"eventName":["StopLogging"]}}`,
		"r.yml", "title: T\nid: r\nlogsource: {product: aws, service: cloudtrail}\npattern: '{\"detail\":{\"eventName\":[\"A\"]}}'\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := set.Rules()[0]
	if r.Title != "trail stopped" || r.Level != Medium || report.Rules != 2 || report.Patterns != 2 {
		t.Errorf("title %q, level %s, %d rules, %d patterns", r.Title, r.Level, report.Rules, report.Patterns)
	}
	if !strings.HasPrefix(report.String(), "2 rules, 2 of them EventBridge patterns") {
		t.Errorf("the report is %s", report)
	}
}
