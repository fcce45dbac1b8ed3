package cloudtrail

import "testing"

func TestParseReadsFieldsAndBlobs(t *testing.T) {
	e, err := Parse([]byte(`{"eventVersion":"1.08","userIdentity":{"type":"Root","x":1,"sessionContext":{"sessionIssuer":{"arn":"a\/b"}}},` +
		`"eventTime":"2023-07-10T12:00:00Z","readOnly":false, "requestParameters":{ "a" : 1 },"eventID":"i","more":[1, 2]}`))
	if err != nil {
		t.Fatal(err)
	}
	for f, want := range map[Field]string{EventVersion: "1.08", IdentityType: "Root", IssuerARN: "a/b", ReadOnly: "false"} {
		if got, ok := e.Text(f); !ok || got != want {
			t.Errorf("Text(%s) = %q, %v, want %q", f, got, ok, want)
		}
	}
	if got := string(e.Blob(RequestParameters)); got != `{"a":1}` {
		t.Errorf("requestParameters = %s", got)
	}
	if got := string(e.Extra()); got != `{"userIdentity.x":1,"more":[1,2]}` {
		t.Errorf("extra = %s", got)
	}
	if got, _ := e.Tree().Get("more").Index(1).Text(); got != "2" {
		t.Errorf("tree more[1] = %q", got)
	}
}

func TestDecodeFile(t *testing.T) {
	var d Decoder
	got := d.Decode([]byte(`{"Records":[{"eventVersion":"1","eventTime":"2023-07-10T12:00:00Z"},{"eventVersion":"1"}]}`))
	if len(got.Events) != 1 || len(got.Rejects) != 1 || got.Rejects[0].Reason != "no eventTime" || got.Rejects[0].Ordinal != 1 {
		t.Errorf("Decode = %+v", got)
	}
}
