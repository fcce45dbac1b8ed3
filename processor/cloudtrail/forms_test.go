package cloudtrail

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

const oneRecord = `{"eventVersion":"1.08","eventTime":"2023-07-10T12:00:01Z","eventName":"A","eventID":"00000000-0000-4000-8000-000000000001"}`

// outcome is what a payload decodes to: the last digit of each eventID or, where
// the id is another, all of it; the reasons of the rejects; the controls.
type outcome struct {
	Events  []string
	Rejects []string
	Control int
}

func outcomeOf(r Records) (o outcome) {
	for i := range r.Events {
		o.Events = append(o.Events, strings.TrimPrefix(r.Events[i].ID, "00000000-0000-4000-8000-00000000000"))
	}
	for _, reject := range r.Rejects {
		o.Rejects = append(o.Rejects, reject.Reason)
	}
	o.Control = r.Control
	return o
}

func events(ids ...string) outcome     { return outcome{Events: ids} }
func rejects(reason ...string) outcome { return outcome{Rejects: reason} }

type form struct {
	name    string
	payload []byte
	want    outcome
}

// textForms says for each file of testdata/forms what is in it.
var textForms = map[string]outcome{
	"file.json":                       events("1", "2"),
	"file-pretty.json":                events("1", "2"),
	"file-lower-case.json":            events("1"),
	"file-list-last.json":             events("1"),
	"record.json":                     events("1"),
	"lines.ndjson":                    events("1", "2"),
	"concatenated.json":               events("1", "2"),
	"commas.json":                     events("1", "2"),
	"array.json":                      events("1", "2"),
	"array-of-texts.json":             events("1", "2"),
	"text-of-record.json":             events("1"),
	"eventbridge-call.json":           events("1"),
	"eventbridge-signin.json":         events("1"),
	"eventbridge-service.json":        events("1"),
	"eventbridge-insight.json":        events("1"),
	"eventbridge-health.json":         events("arn:aws:health:us-east-1::event/RISK/AWS_RISK_CREDENTIALS_EXPOSED/AWS_RISK_CREDENTIALS_EXPOSED_1/abc-1"),
	"eventbridge-other.json":          rejects("not CloudTrail"),
	"eventbridge-object-created.json": rejects("S3 notification"),
	"cloudwatch.json":                 events("1", "2"),
	"cloudwatch-not-cloudtrail.json":  {Events: []string{"1"}, Rejects: []string{"not CloudTrail"}},
	"cloudwatch-control.json":         {Control: 1},
	"sns.json":                        events("1"),
	"sns-handshake.json":              {Control: 1},
	"sqs.json":                        events("1", "2"),
	"lambda-sqs.json":                 events("1"),
	"lambda-sns.json":                 events("1"),
	"lambda-kinesis.json":             events("1"),
	"base64.txt":                      events("1", "2"),
	"digest.json":                     {Control: 1},
	"s3-notification.json":            rejects("S3 notification"),
	"s3-test-event.json":              {Control: 1},
	"trail-notification.json":         rejects("S3 notification"),
	"other.json":                      rejects("not CloudTrail"),
	"list-is-text.json":               rejects("not CloudTrail"),
	"list-is-null.json":               {},
}

// forms are the files of testdata/forms, and the binary forms made of them.
func forms(t testing.TB) []form {
	t.Helper()
	var all []form
	files, err := filepath.Glob("testdata/forms/*")
	if err != nil || len(files) != len(textForms) {
		t.Fatalf("testdata/forms has %d files, the table %d: %v", len(files), len(textForms), err)
	}
	for _, path := range files {
		payload, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := textForms[filepath.Base(path)]
		if !ok {
			t.Fatalf("no outcome for %s", path)
		}
		all = append(all, form{filepath.Base(path), payload, want})
	}
	return all
}

func (f form) renamed(suffix string, payload []byte) form {
	return form{f.name + suffix, payload, f.want}
}

// pack compresses each part into a gzip member of its own.
func pack(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		if _, err := z.Write(p); err != nil {
			panic(err) // a bytes.Buffer does not fail
		}
		if err := z.Close(); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// lengthField writes a protobuf field with wire type 2.
func lengthField(dst []byte, number uint64, data []byte) []byte {
	dst = binary.AppendUvarint(dst, number<<3|2)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}

// part0 is a part of an aggregate with that key index, and with a tag, which
// nothing reads.
func part0(index uint64, data []byte) []byte {
	p := binary.AppendUvarint([]byte{1 << 3}, index)
	p = lengthField(p, 3, data)
	return lengthField(p, 4, lengthField(nil, 1, []byte("tag")))
}

func message(keys []string, parts ...[]byte) []byte {
	var m []byte
	for _, k := range keys {
		m = lengthField(m, 1, []byte(k))
	}
	m = lengthField(m, 2, []byte("340282366920938463463374607431768211455"))
	for _, p := range parts {
		m = lengthField(m, 3, p)
	}
	return m
}

func sealed(message []byte) []byte {
	sum := md5.Sum(message)
	return append(append([]byte("\xf3\x89\x9a\xc2"), message...), sum[:]...)
}

func aggregateOf(keys []string, parts ...[]byte) []byte { return sealed(message(keys, parts...)) }

func TestDecodeRecognisesFormsByTheirBytes(t *testing.T) {
	for _, f := range forms(t) {
		for _, v := range []form{
			f,
			f.renamed(" behind a byte order mark", append([]byte("\xef\xbb\xbf \n"), f.payload...)),
			f.renamed(" in gzip", pack(f.payload)),
			f.renamed(" in gzip in gzip", pack(pack(f.payload))),
			f.renamed(" in two members", pack(f.payload[:len(f.payload)/2], f.payload[len(f.payload)/2:])),
			f.renamed(" in base64 of gzip", []byte(base64.StdEncoding.EncodeToString(pack(f.payload)))),
			f.renamed(" in an aggregate", aggregateOf([]string{"k"}, part0(0, f.payload))),
			f.renamed(" in gzip in a marked aggregate", append([]byte{0}, aggregateOf([]string{"k"}, part0(0, pack(f.payload)))...)),
		} {
			t.Run(v.name, func(t *testing.T) {
				if v.name == "base64.txt behind a byte order mark" {
					t.Skip("base64 is ASCII")
				}
				r := decodeChecked(t, v.payload)
				if diff := cmp.Diff(v.want, outcomeOf(r)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// What has an eventTime is a record, also with the members of an envelope.
func TestDecodeRecordsWithMembersOfEnvelopes(t *testing.T) {
	for _, member := range []string{
		`"Records":7`, `"message":"{}"`, `"Message":"[]"`, `"detail-type":"AWS API Call via CloudTrail","detail":{}`, `"Body":"{}"`, `"kinesis":{}`,
		`"digestStartTime":"a","digestEndTime":"b"`, `"messageType":"CONTROL_MESSAGE"`, `"Type":"SubscriptionConfirmation"`, `"s3ObjectKey":["k"]`,
	} {
		for _, record := range []string{
			`{` + member + `,` + oneRecord[1:],
			strings.TrimSuffix(oneRecord, "}") + `,` + member + `}`,
		} {
			if diff := cmp.Diff(events("1"), outcomeOf(decodeChecked(t, []byte(record)))); diff != "" {
				t.Errorf("%s, -want +got:\n%s", record, diff)
			}
		}
	}
}

func TestDecodeKindsOfRecords(t *testing.T) {
	for file, want := range map[string]Kind{
		"eventbridge-call.json":    APICall,
		"eventbridge-signin.json":  SignIn,
		"eventbridge-service.json": ServiceEvent,
		"eventbridge-insight.json": Insight,
		"eventbridge-health.json":  Health,
	} {
		payload, err := os.ReadFile("testdata/forms/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		r := d.Decode(payload)
		if len(r.Events) != 1 || r.Events[0].Kind != want {
			t.Errorf("%s: %+v, want one event of kind %v", file, outcomeOf(r), want)
		}
	}
}

func TestDecodeBytesCountsJSONOnce(t *testing.T) {
	file, err := os.ReadFile("testdata/forms/cloudwatch.json")
	if err != nil {
		t.Fatal(err)
	}
	var d Decoder
	for name, payload := range map[string][]byte{
		"plain": file, "gzip": pack(file), "gzip in gzip": pack(pack(file)), "aggregate": aggregateOf([]string{"k"}, part0(0, pack(file))),
	} {
		// The messages inside are part of the file and do not count again.
		if got := d.Decode(payload).Bytes; got != int64(len(file)) {
			t.Errorf("%s: %d bytes, want %d", name, got, len(file))
		}
	}
}

func TestDecodeHealth(t *testing.T) {
	payload, err := os.ReadFile("testdata/forms/eventbridge-health.json")
	if err != nil {
		t.Fatal(err)
	}
	var d Decoder
	e := &d.Decode(payload).Events[0]
	for f, want := range map[Field]string{
		EventSource: "health.amazonaws.com", EventName: "AWS_RISK_CREDENTIALS_EXPOSED",
		EventTime: "2023-07-10T12:00:05Z", AWSRegion: "us-east-1", RecipientAccountID: "111122223333",
	} {
		if got, _ := e.Text(f); got != want {
			t.Errorf("%s = %q, want %q", f, got, want)
		}
	}
	entity := e.Tree().Get("detail").Get("affectedEntities").Index(0).Get("entityValue")
	if got, _ := entity.Text(); got != "AKIAIOSFODNN7EXAMPLE" {
		t.Errorf("the affected entity is %q", got)
	}
}

func TestDecodeAggregate(t *testing.T) {
	record := []byte(oneRecord)
	keys := []string{"a", "b"}
	good := part0(1, record)
	for _, c := range []struct {
		name    string
		payload []byte
		want    outcome
		keys    []string
	}{
		{"two parts", aggregateOf(keys, part0(0, record), good), events("1", "1"), []string{"a", "b"}},
		{"no part", aggregateOf(keys), outcome{}, nil},
		{"bad key index harms only its part", aggregateOf(keys, part0(2, record), good), outcome{Events: []string{"1"}, Rejects: []string{"broken aggregate"}}, []string{"b"}},
		{"broken part harms only itself", aggregateOf(keys, []byte{0xff}, good), outcome{Events: []string{"1"}, Rejects: []string{"broken aggregate"}}, []string{"b"}},
		{"broken message", sealed(append(message(keys, good), 0xff)), rejects("broken aggregate"), nil},
		{"wrong sum", append(aggregateOf(keys, good), 0), rejects("broken aggregate"), nil},
		{"magic alone", []byte("\xf3\x89\x9a\xc2"), rejects("broken aggregate"), nil},
		{"part that is no JSON", aggregateOf(keys, part0(0, []byte("xyz")), good), outcome{Events: []string{"1"}, Rejects: []string{"not json"}}, []string{"b"}},
		{"key before the parts does not spread", aggregateOf(keys, part0(0, aggregateOf([]string{"in"}, part0(0, record))), good), events("1", "1"), []string{"in", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := decodeChecked(t, c.payload)
			if diff := cmp.Diff(c.want, outcomeOf(r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.keys, r.Keys); diff != "" {
				t.Errorf("keys, -want +got:\n%s", diff)
			}
		})
	}
}

func TestDecodeGzipLimits(t *testing.T) {
	file := []byte(`{"Records":[` + oneRecord + `,` + strings.Replace(oneRecord, "0001", "0002", 1) + `]}`)
	packed := pack(file)
	wrongSum := bytes.Clone(packed)
	wrongSum[len(wrongSum)-8] ^= 1
	deep := file
	for range maxLayers + 1 {
		deep = pack(deep)
	}
	for _, c := range []struct {
		name    string
		payload []byte
		max     int64
		want    outcome
	}{
		{"inside the limit", packed, int64(len(file)), events("1", "2")},
		{"beyond the limit", packed, int64(len(file)) - 1, rejects("bomb")},
		{"both layers count", pack(packed), int64(len(file) + len(packed) - 1), rejects("bomb")},
		{"real bomb", pack(make([]byte, 1<<20)), 1 << 18, rejects("bomb")},
		{"too many layers", deep, 0, rejects("too many layers")},
		{"wrong checksum", wrongSum, 0, outcome{Events: []string{"1", "2"}, Rejects: []string{"corrupt gzip"}}},
		{"trailer cut", packed[:len(packed)-4], 0, outcome{Events: []string{"1", "2"}, Rejects: []string{"truncated gzip"}}},
		{"header cut", packed[:5], 0, rejects("truncated gzip")},
		{"garbage behind", append(bytes.Clone(packed), "garbage here"...), 0, outcome{Events: []string{"1", "2"}, Rejects: []string{"corrupt gzip"}}},
		{"empty", pack(nil), 0, outcome{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decoder{MaxBytes: c.max}
			r := d.Decode(c.payload)
			checkRecords(t, r)
			if diff := cmp.Diff(c.want, outcomeOf(r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
