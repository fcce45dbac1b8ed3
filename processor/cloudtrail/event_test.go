package cloudtrail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// parsed parses a record of the given members beside an eventTime.
func parsed(t *testing.T, members string) *Event {
	t.Helper()
	e, err := Parse([]byte(`{"eventTime":"2023-07-10T12:00:00Z",` + members + `}`))
	if err != nil {
		t.Fatalf("Parse(%s): %v", members, err)
	}
	checkEvent(t, e)
	return e
}

func TestEventMembers(t *testing.T) {
	for _, c := range []struct {
		name, members string
		field         Field
		want          string
		kind          byte
		extra         string
	}{
		{"text", `"eventName":"A"`, EventName, "A", '"', ""},
		{"empty text", `"eventName":""`, EventName, "", '"', ""},
		{"absent", `"x":1`, EventName, "", 0, `{"x":1}`},
		{"null", `"eventName":null`, EventName, "", 'n', ""},
		{"boolean", `"readOnly":false`, ReadOnly, "false", 'f', ""},
		{"boolean as text", `"readOnly":"false"`, ReadOnly, "false", '"', ""},
		{"number beyond float64", `"apiVersion":1e999`, APIVersion, "1e999", '0', ""},
		{"number beyond 2^53", `"apiVersion":9007199254740993`, APIVersion, "9007199254740993", '0', ""},
		{"escapes", `"userAgent":"a\"\\\/\n\u00e9\ud83d\ude00"`, UserAgent, "a\"\\/\né😀", '"', ""},
		{"nul", `"userAgent":"a\u0000b"`, UserAgent, "a\x00b", '"', ""},
		{"lone surrogate", `"userAgent":"a\ud800b"`, UserAgent, "a\ufffdb", '"', ""},
		{"surrogates in the wrong order", `"userAgent":"\ude00\ud83d"`, UserAgent, "\ufffd\ufffd", '"', ""},
		{"invalid UTF-8", "\"userAgent\":\"a\xff\xc3(\"", UserAgent, "a\ufffd\ufffd(", '"', ""},
		{"escaped name", `"event\u004eame":"A"`, EventName, "A", '"', ""},
		{"other case", `"eventname":"A","EventName":"B"`, EventName, "", 0, `{"eventname":"A","EventName":"B"}`},
		{"eventId is not eventID", `"eventId":"i"`, EventID, "", 0, `{"eventId":"i"}`},
		{"last of two wins", `"eventName":"A","eventName":"B"`, EventName, "B", '"', ""},
		{"last of two is null", `"eventName":"A","eventName":null`, EventName, "", 'n', ""},
		{"list for text", `"userAgent":["a", "b"]`, UserAgent, "", '[', `{"userAgent":["a","b"]}`},
		{"list, then text", `"userAgent":["a"],"userAgent":"b"`, UserAgent, "b", '"', ""},
		{"text, then list", `"userAgent":"b","userAgent":["a"]`, UserAgent, "", '[', `{"userAgent":["a"]}`},
		{"service as address", `"sourceIPAddress":"ec2.amazonaws.com"`, SourceIPAddress, "ec2.amazonaws.com", '"', ""},
		{"nested", `"userIdentity":{"sessionContext":{"sessionIssuer":{"arn":"r"}}}`, IssuerARN, "r", '"', ""},
		{"nested unknown", `"userIdentity":{"sessionContext":{"attributes":{"a":1}}}`, IdentityType, "", 0, `{"userIdentity.sessionContext.attributes.a":1}`},
		{"name with a dot is not a path", `"userIdentity.type":"Root"`, IdentityType, "", 0, `{"userIdentity.type":"Root"}`},
		{"identity is text", `"userIdentity":"root"`, IdentityType, "", 0, `{"userIdentity":"root"}`},
		{"identity is a list", `"userIdentity":[{"type":"Root"}]`, IdentityType, "", 0, `{"userIdentity":[{"type":"Root"}]}`},
		{"identity is null", `"userIdentity":null`, IdentityType, "", 0, ""},
		{"second identity wins whole", `"userIdentity":{"type":"Root","x":1},"userIdentity":{"userName":"u"}`, IdentityType, "", 0, ""},
		{"null wins over an identity", `"userIdentity":{"type":"Root","x":1},"userIdentity":null`, IdentityType, "", 0, ""},
		{"text wins over an identity", `"userIdentity":{"type":"Root"},"userIdentity":"u"`, IdentityType, "", 0, `{"userIdentity":"u"}`},
		{"second session wins whole", `"userIdentity":{"sessionContext":{"sourceIdentity":"a"},"sessionContext":{}}`, SourceIdentity, "", 0, ""},
		{"unknown member twice", `"x":1,"x":[2]`, EventName, "", 0, `{"x":[2]}`},
		{"unknown member twice, once escaped", `"x":1,"\u0078":2`, EventName, "", 0, `{"\u0078":2}`},
		{"unknown null", `"x":null`, EventName, "", 0, `{"x":null}`},
		{"unknown name with bad bytes", "\"x\xff\\ud800\":1", EventName, "", 0, "{\"x\ufffd\\ufffd\":1}"},
		{"names with dots stay apart", `"addendum":{"x":1},"addendum.x":2`, AddendumReason, "", 0, `{"addendum.x":1,"addendum.x":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parsed(t, c.members)
			got, ok := e.Text(c.field)
			if wantOK := c.kind != 0 && c.kind != 'n' && c.kind != '['; got != c.want || ok != wantOK {
				t.Errorf("Text = %q, %v, want %q, %v", got, ok, c.want, wantOK)
			}
			if got := e.FieldKind(c.field); byte(got) != c.kind {
				t.Errorf("FieldKind = %q, want %q", got, c.kind)
			}
			if got := string(e.Extra()); got != c.extra {
				t.Errorf("Extra = %s, want %s", got, c.extra)
			}
		})
	}
}

func TestEventBlobs(t *testing.T) {
	for _, c := range []struct {
		name, members string
		blob          Blob
		want, extra   string
	}{
		{"as received", `"requestParameters":{"b":1,"a":[true,"x y"]}`, RequestParameters, `{"b":1,"a":[true,"x y"]}`, ""},
		{"white space goes, inside texts it stays", "\"requestParameters\":{ \"a\" :\t[ 1 ,\n\" \\\" \" ] }", RequestParameters, `{"a":[1," \" "]}`, ""},
		{"names that differ in case, and twice", `"requestParameters":{"tag":1,"Tag":2,"tag":3}`, RequestParameters, `{"tag":1,"Tag":2,"tag":3}`, ""},
		{"numbers stay text", `"requestParameters":{"a":70.0,"b":18446744073709551615,"c":1e999}`, RequestParameters, `{"a":70.0,"b":18446744073709551615,"c":1e999}`, ""},
		{"invalid UTF-8", "\"requestParameters\":{\"a\":\"\xff\"}", RequestParameters, "{\"a\":\"\ufffd\"}", ""},
		{"lone surrogate", `"requestParameters":{"a":"\uD800 \ud83d\ude00"}`, RequestParameters, `{"a":"\ufffd \ud83d\ude00"}`, ""},
		{"list", `"requestParameters":[ 1 ]`, RequestParameters, `[1]`, ""},
		{"null", `"requestParameters":null`, RequestParameters, "", ""},
		{"empty", `"requestParameters":{}`, RequestParameters, "{}", ""},
		{"text", `"requestParameters":"{\"a\":1}"`, RequestParameters, "", `{"requestParameters":"{\"a\":1}"}`},
		{"text, then object", `"responseElements":"x","responseElements":{}`, ResponseElements, "{}", ""},
		{"object, then text", `"responseElements":{},"responseElements":"x"`, ResponseElements, "", `{"responseElements":"x"}`},
		{"identity as a whole", `"userIdentity":{"type":"Root", "x":{}}`, UserIdentity, `{"type":"Root","x":{}}`, `{"userIdentity.x":{}}`},
		{"resources", `"resources":[{"ARN":"a","accountId":"1","type":"T"},{"ARN":"b"}]`, Resources, `[{"ARN":"a","accountId":"1","type":"T"},{"ARN":"b"}]`, ""},
		{"resource with more", `"resources":[{"ARN":"a"},{"ARNPrefix":"b"}]`, Resources, `[{"ARN":"a"},{"ARNPrefix":"b"}]`, `{"resources":[{"ARN":"a"},{"ARNPrefix":"b"}]}`},
		{"resource that is no object", `"resources":["a"]`, Resources, `["a"]`, `{"resources":["a"]}`},
		{"resource with a null", `"resources":[{"ARN":null}]`, Resources, `[{"ARN":null}]`, `{"resources":[{"ARN":null}]}`},
		{"resource with a name twice", `"resources":[{"ARN":"a","ARN":"b"}]`, Resources, `[{"ARN":"a","ARN":"b"}]`, `{"resources":[{"ARN":"a","ARN":"b"}]}`},
		{"no resources", `"resources":[ ]`, Resources, `[]`, ""},
		{"resources are text", `"resources":"a"`, Resources, "", `{"resources":"a"}`},
		{"federated attributes", `"userIdentity":{"sessionContext":{"webIdFederationData":{"attributes":{"a":"b"}}}}`, FederatedAttributes, `{"a":"b"}`, ""},
		{"federated attribute that is no text", `"userIdentity":{"sessionContext":{"webIdFederationData":{"attributes":{"a":1}}}}`, FederatedAttributes, `{"a":1}`,
			`{"userIdentity.sessionContext.webIdFederationData.attributes":{"a":1}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := parsed(t, c.members)
			if got := string(e.Blob(c.blob)); got != c.want {
				t.Errorf("Blob = %s, want %s", got, c.want)
			}
			if got := string(e.Extra()); got != c.extra {
				t.Errorf("Extra = %s, want %s", got, c.extra)
			}
			if c.want == "" && e.BlobTree(c.blob) != nil {
				t.Error("there is a tree and no blob")
			}
		})
	}
}

// More federated attributes than are compared pair by pair stand in extra too.
func TestEventManyFederatedAttributes(t *testing.T) {
	attributes := `{"a0":"x"`
	for i := range 40 {
		attributes += fmt.Sprintf(`,"a%d":"x"`, i+1)
	}
	attributes += `}`
	e := parsed(t, `"userIdentity":{"sessionContext":{"webIdFederationData":{"attributes":`+attributes+`}}}`)
	if want := `{"` + FederatedAttributes.Path() + `":` + attributes + `}`; string(e.Extra()) != want {
		t.Errorf("Extra = %s, want %s", e.Extra(), want)
	}
}

func TestEventID(t *testing.T) {
	for members, want := range map[string]string{
		`"eventID":"6f1c"`:  "6f1c",
		`"eventID":"a\/b"`:  "a/b",
		`"eventID":7`:       "7",
		`"eventID":""`:      "",
		`"eventID":null`:    "",
		`"eventID":["6f1"]`: "",
	} {
		e := parsed(t, members)
		if sum := sha256.Sum256(e.Raw); want == "" {
			want = "sha256:" + hex.EncodeToString(sum[:])[:32]
		}
		if e.ID != want {
			t.Errorf("%s: ID = %q, want %q", members, e.ID, want)
		}
	}
}

func TestEventAccount(t *testing.T) {
	for members, want := range map[string]string{
		`"recipientAccountId":"1","userIdentity":{"accountId":"2"}`: "1",
		`"recipientAccountId":"","userIdentity":{"accountId":"2"}`:  "2",
		`"userIdentity":{"accountId":"2"}`:                          "2",
		`"recipientAccountId":111122223333`:                         "111122223333",
		`"eventName":"A"`:                                           "",
	} {
		if got := parsed(t, members).Account(); got != want {
			t.Errorf("%s: Account = %q, want %q", members, got, want)
		}
	}
}

func TestEventKind(t *testing.T) {
	for members, want := range map[string]Kind{
		`"eventType":"AwsApiCall"`:                                        APICall,
		`"eventType":"AwsConsoleSignIn"`:                                  SignIn,
		`"eventType":"AwsServiceEvent"`:                                   ServiceEvent,
		`"eventType":"AwsCloudTrailInsight"`:                              Insight,
		`"eventType":"AwsConsoleAction"`:                                  Other,
		`"eventVersion":"1.01"`:                                           APICall,
		`"eventVersion":"1.01","eventSource":"signin.amazonaws.com"`:      SignIn,
		`"insightDetails":{"state":"Start"}`:                              Insight,
		`"eventType":"AwsApiCall","eventSource":"signin.amazonaws.com"`:   APICall,
		`"eventType":["AwsApiCall"],"eventSource":"signin.amazonaws.com"`: SignIn,
	} {
		if got := parsed(t, members).Kind; got != want {
			t.Errorf("%s: Kind = %v, want %v", members, got, want)
		}
	}
	if got := Kind(200).String(); got != "other" {
		t.Errorf("unknown kind is called %q", got)
	}
}

func TestParseTime(t *testing.T) {
	at := func(y, mo, d, h, mi, s, ms int) time.Time {
		return time.Date(y, time.Month(mo), d, h, mi, s, ms*1e6, time.UTC)
	}
	for text, want := range map[string]time.Time{
		"2023-07-10T12:34:56Z":           at(2023, 7, 10, 12, 34, 56, 0),
		"2022-01-01T00:00:00.123456789Z": at(2022, 1, 1, 0, 0, 0, 123),
		"2022-01-01T00:00:00.999999999Z": at(2022, 1, 1, 0, 0, 0, 999),
		"2022-01-01 00:00:00.000000000":  at(2022, 1, 1, 0, 0, 0, 0),
		"2022-01-01 10:00:00.5":          at(2022, 1, 1, 10, 0, 0, 500),
		"2022-01-01T02:00:00+02:00":      at(2022, 1, 1, 0, 0, 0, 0),
		"2016-12-31T23:59:60Z":           at(2017, 1, 1, 0, 0, 0, 0),
		"2016-12-31T23:59:60.7Z":         at(2017, 1, 1, 0, 0, 0, 0),
		"2024-02-29T00:00:00Z":           at(2024, 2, 29, 0, 0, 0, 0),
		"2000-02-29T00:00:00Z":           at(2000, 2, 29, 0, 0, 0, 0),
		"0001-01-01T00:00:00Z":           at(1, 1, 1, 0, 0, 0, 0),
		"9999-12-31T23:59:59Z":           at(9999, 12, 31, 23, 59, 59, 0),
	} {
		if got, ok := parseTime(text); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("parseTime(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "foo", "2023-07-10", "2023-07-10T12:00:00", "2023-13-10T12:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2023-04-31T00:00:00Z",
		"2023-00-10T12:00:00Z", "2023-07-00T12:00:00Z", "2023-07-10T24:00:00Z", "2023-07-10T12:60:00Z", "2023-07-10T12:00:61Z", "2023-07-1xT12:00:00Z",
		"x023-07-10T12:00:00Z", "2023-07-10T12:00:00z ", "1689000000", "Jul 10, 2023, 12:00:00 PM", "10000-01-01T00:00:00Z",
	} {
		if got, ok := parseTime(text); ok {
			t.Errorf("parseTime(%q) = %v, want no time", text, got)
		}
	}
}

// The quick way and the way of package time agree.
func TestParseTimeQuickly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), 0).UTC()
		if got, ok := parsePlainTime(want.Format(time.RFC3339)); !ok || !got.Equal(want) {
			t.Fatalf("parsePlainTime(%s) = %v, %v", want.Format(time.RFC3339), got, ok)
		}
		text := rapid.StringMatching(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z`).Draw(t, "text")
		slow, err := time.Parse(time.RFC3339, text)
		if got, ok := parsePlainTime(text); ok != (err == nil) || ok && !got.Equal(slow) {
			t.Fatalf("parsePlainTime(%s) = %v, %v, package time says %v, %v", text, got, ok, slow, err)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for record, want := range map[string]string{
		``:                                       "not an object",
		`[]`:                                     "not an object",
		`{"eventTime":1`:                         "JSON ends too early",
		`{"eventName":"A"}`:                      "no eventTime",
		`{"eventTime":null}`:                     "no eventTime",
		`{"eventTime":{}}`:                       "no eventTime",
		`{"eventTime":"x"}`:                      "bad eventTime",
		`{"eventTime":"2023-07-10T12:00:00Z"} x`: "invalid JSON",
		`{"eventSource":"aws:s3"}`:               "S3 notification",
	} {
		if _, err := Parse([]byte(record)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%s): %v, want %q", record, err, want)
		}
	}
}

// A decoder that goes on does not touch what it returned.
func TestDecoderLeavesEarlierResultsAlone(t *testing.T) {
	var d Decoder
	first := d.Decode(pack([]byte(`{"Records":[{"eventTime":"2023-07-10T12:00:00Z","userAgent":"a\"b","x" : [ 1 ]}]}`)))
	for range 3 {
		d.Decode(pack([]byte(`{"Records":[{"eventTime":"2023-07-10T12:00:00Z","userAgent":"cc\"dd","x" : [ 22 ]}]}`)))
	}
	e := &first.Events[0]
	agent, _ := e.Text(UserAgent)
	if diff := cmp.Diff([]string{`a"b`, `{"x":[1]}`}, []string{agent, string(e.Extra())}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
