package forward

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// inSNS is a body as SNS wraps it.
func inSNS(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return `{"Type":"Notification","MessageId":"1","TopicArn":"arn:aws:sns:eu-west-1:111122223333:t","Message":` + string(quoted) + `}`
}

func fromS3(name, key string) string {
	return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"%s","s3":{"s3SchemaVersion":"1.0","bucket":{"name":"b","arn":"arn:aws:s3:::b"},`+
		`"object":{"key":"%s","size":1024,"eTag":"e","sequencer":"0A"}}}]}`, name, key)
}

func TestAnnouncements(t *testing.T) {
	s3 := fromS3("ObjectCreated:Put", "AWSLogs/1/a+b%2Bc%C3%A9.json.gz")
	want := []announced{{"b", "AWSLogs/1/a b+cé.json.gz", 1024}}
	bridge := `{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"version":"0","bucket":{"name":"b"},"object":{"key":"a+b%2B.json.gz","size":7}}}`
	trail := `{"s3Bucket":"b","s3ObjectKey":["k1","k2"]}`
	tests := []struct {
		name, body string
		want       []announced
		bad        bool
	}{
		{"S3", s3, want, false},
		{"S3 through SNS", inSNS(s3), want, false},
		{"S3 through SNS twice", inSNS(inSNS(s3)), want, false},
		{"S3 through SNS without end", inSNS(inSNS(inSNS(inSNS(s3)))), nil, true},
		{"S3 multipart", fromS3("ObjectCreated:CompleteMultipartUpload", "k"), []announced{{"b", "k", 1024}}, false},
		{"removed", fromS3("ObjectRemoved:Delete", "k"), nil, false},
		{"not encoded", fromS3("ObjectCreated:Put", "100%"), nil, true},
		{"no key", fromS3("ObjectCreated:Put", ""), nil, true},
		{"EventBridge, whose keys are plain", bridge, []announced{{"b", "a+b%2B.json.gz", 7}}, false},
		{"EventBridge through SNS", inSNS(bridge), []announced{{"b", "a+b%2B.json.gz", 7}}, false},
		{"EventBridge, something else", `{"detail-type":"Object Deleted","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}`, nil, true},
		{"CloudTrail", trail, []announced{{"b", "k1", 0}, {"b", "k2", 0}}, false},
		{"CloudTrail through SNS", inSNS(trail), []announced{{"b", "k1", 0}, {"b", "k2", 0}}, false},
		{"CloudTrail's first message", inSNS("CloudTrail validation message."), nil, false},
		{"test event", `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`, nil, false},
		{"test event through SNS", inSNS(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`), nil, false},
		{"subscription", `{"Type":"SubscriptionConfirmation","SubscribeURL":"https://example.com"}`, nil, true},
		{"a CloudTrail file", `{"Records":[{"eventVersion":"1.08","eventSource":"ec2.amazonaws.com"}]}`, nil, true},
		{"an empty list", `{"Records":[]}`, nil, true},
		{"no JSON", `hello`, nil, true},
		{"nothing", ``, nil, true},
		{"another type", `{"Records":"x"}`, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := announcements([]byte(test.body))
			if (err != nil) != test.bad {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(announced{})); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatTheDecoderCallsAnAnnouncementIsOne: the decoder rejects such messages
// with the advice to use forward, so forward must know them.
func TestWhatTheDecoderCallsAnAnnouncementIsOne(t *testing.T) {
	for _, form := range []string{"s3-notification.json", "trail-notification.json", "eventbridge-object-created.json"} {
		body, err := os.ReadFile(filepath.Join("..", "cloudtrail", "testdata", "forms", form))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := announcements(body); err != nil || len(got) == 0 {
			t.Errorf("%s: %v, %v", form, got, err)
		}
	}
}

// TestAnyBodyIsAnErrorOrAnAnswer: a queue may hold anything.
func TestAnyBodyIsAnErrorOrAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		if got, err := announcements(body); err != nil && (len(got) > 0 || !errors.Is(err, errNoAnnouncement)) {
			t.Fatalf("%v, %v", got, err)
		}
	})
}
