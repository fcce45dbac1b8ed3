package alert

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/deploy/local"
)

// atAWS points the SDK's environment to an address on loopback.
func atAWS(t *testing.T, service, url string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_" + service: url,
	} {
		t.Setenv(name, value)
	}
}

// service answers calls of the SDK with a text, and shows the last one.
type service struct {
	status int
	reply  string
	kind   string // content type of the answer
	path   string
	header http.Header
	body   []byte
}

func awsService(t *testing.T, name string) *service {
	t.Helper()
	s := &service{status: http.StatusOK}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.path, s.header = r.URL.Path, r.Header.Clone()
		s.body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", s.kind)
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.reply)
	}))
	t.Cleanup(server.Close)
	atAWS(t, name, server.URL)
	return s
}

func outcomes(answers []answer) (out []string) {
	for _, a := range answers {
		switch {
		case a.err == nil:
			out = append(out, "sent: "+a.text)
		case a.lasting:
			out = append(out, "refused: "+a.String())
		case a.alone:
			out = append(out, "alone: "+a.String())
		default:
			out = append(out, "again: "+a.String())
		}
	}
	return out
}

const busLine = "- {name: a, eventbridge: security}"

func TestEventBridge(t *testing.T) {
	s := awsService(t, "EVENTBRIDGE")
	s.kind = "application/x-amz-json-1.1"
	s.reply = `{"FailedEntryCount":2,"Entries":[{"EventId":"11"},{"ErrorCode":"ThrottlingException","ErrorMessage":"slow down"},{"ErrorCode":"MalformedDetail","ErrorMessage":"no"}]}`
	got := carried(t, busLine, "f1", "f2", "f3")
	if diff := cmp.Diff([]string{"sent: event 11", "again: ThrottlingException: slow down", "refused: MalformedDetail: no"}, outcomes(got)); diff != "" {
		t.Error(diff) // only what failed is repeated
	}
	if target := s.header.Get("X-Amz-Target"); target != "AWSEvents.PutEvents" {
		t.Errorf("called %s", target)
	}
	var call struct {
		Entries []struct {
			Source, DetailType, Detail, EventBusName string
			Time                                     float64
		}
	}
	if err := json.Unmarshal(s.body, &call); err != nil || len(call.Entries) != 3 {
		t.Fatalf("%v in %s", err, s.body)
	}
	e := call.Entries[1]
	same(t, "entry", []string{"cairn", "Cairn Finding", "security", "f2"}, []string{e.Source, e.DetailType, e.EventBusName, leaves(t, e.Detail)["finding_id"]})
	if got := time.UnixMilli(int64(e.Time * 1000)); !got.Equal(time.UnixMilli(burst().EventTS)) && !got.Equal(time.Unix(burst().EventTS/1000, 0)) {
		t.Errorf("time %v", got)
	}
}

// TestWholeBatches: an error that speaks of one message of a batch must not take
// the others with it; one that speaks of the service is tried again.
func TestWholeBatches(t *testing.T) {
	s := awsService(t, "EVENTBRIDGE")
	s.kind = "application/x-amz-json-1.1"
	for _, test := range []struct {
		status      int
		code        string
		single, two string
	}{
		{400, "ValidationException", "refused", "alone"},
		{400, "ThrottlingException", "again", "again"},
		{400, "ResourceNotFoundException", "again", "again"}, // somebody can make the bus
		{400, "AccessDeniedException", "again", "again"},
		{400, "ExpiredTokenException", "again", "again"},
		{500, "InternalException", "again", "again"},
		{503, "ValidationException", "again", "again"}, // whatever it says, it is the service
	} {
		s.status, s.reply = test.status, `{"__type":"`+test.code+`","message":"it said so"}`
		for n, want := range map[int]string{1: test.single, 2: test.two} {
			got := carried(t, busLine, []string{"f1", "f2"}[:n]...)
			for _, o := range outcomes(got) {
				if o != want+": "+test.code+": it said so" {
					t.Errorf("%d %s for %d: %s", test.status, test.code, n, o)
				}
			}
			if test.status == 503 && got[0].after != 5*time.Second {
				t.Errorf("Retry-After became %v", got[0].after)
			}
		}
	}
}

func TestSecurityHubImport(t *testing.T) {
	s := awsService(t, "SECURITYHUB")
	s.kind = "application/json"
	s.reply = `{"FailedCount":2,"SuccessCount":1,"FailedFindings":[{"Id":"f2","ErrorCode":"InvalidInput","ErrorMessage":"no"},{"Id":"f3","ErrorCode":"InternalError","ErrorMessage":"later"}]}`
	line := "- {name: a, securityhub: {account: '012345678901', region: eu-west-1}}"
	got := carried(t, line, "f1", "f2", "f3")
	if diff := cmp.Diff([]string{"sent: imported", "refused: InvalidInput: no", "again: InternalError: later"}, outcomes(got)); diff != "" {
		t.Error(diff)
	}
	if s.path != "/findings/import" {
		t.Errorf("called %s", s.path)
	}
	// What goes over the wire is what was rendered: the SDK in between drops and adds nothing.
	var call struct{ Findings []any }
	if err := json.Unmarshal(s.body, &call); err != nil || len(call.Findings) != 3 {
		t.Fatalf("%v in %s", err, s.body)
	}
	row := burst()
	row.FindingID = "f2"
	_, b := rendered(t, line, row, About{})
	var want any
	if err := json.Unmarshal([]byte(b.Payload), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, call.Findings[1]); diff != "" {
		t.Error(diff)
	}
	s.status, s.reply = 429, `{"__type":"LimitExceededException","Message":"slow"}`
	if got := outcomes(carried(t, line, "f1", "f2")); !strings.HasPrefix(got[1], "again: LimitExceededException") {
		t.Errorf("%v", got)
	}
}

func TestSubject(t *testing.T) {
	same(t, "subject", "[high] Schl?ssel?? weg", subject(&body{Severity: "high", Title: "Schlüssel\n→ weg"})) // printable ASCII alone
	if got := subject(&body{Severity: "high", Title: strings.Repeat("x", 200)}); len(got) != 99 {
		t.Errorf("%d characters: SNS takes less than 100", len(got))
	}
}

// TestTopic publishes to an emulator of SNS and reads what subscribers get: the
// JSON, the attributes, and with a filter policy only what it asks for.
func TestTopic(t *testing.T) {
	e := local.Queues(t)
	atAWS(t, "SNS", e.URL())
	t.Setenv("AWS_ENDPOINT_URL_SQS", e.URL())
	settings, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	queues, topics := sqs.NewFromConfig(settings), sns.NewFromConfig(settings)
	for _, name := range []string{"alerts", "alerts.fifo"} {
		t.Run(name, func(t *testing.T) {
			topic, queue := subscribed(t, topics, queues, name)
			got := carried(t, "- {name: a, sns: '"+topic+"'}", "f1", "f2", "f1")
			for _, o := range outcomes(got) {
				if !strings.HasPrefix(o, "sent: message ") {
					t.Fatal(o)
				}
			}
			want := 3
			if strings.HasSuffix(name, ".fifo") {
				want = 2 // the same alert again is dropped by its id
			}
			var found []string
			for deadline := time.Now().Add(soon); len(found) < want && time.Now().Before(deadline); {
				out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"}})
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range out.Messages {
					message := leaves(t, *m.Body)
					if program := message["default"]; program != "" { // SNS itself chooses the form, the emulator passes all on
						if want := "HIGH: Secrets burst (update)\n"; !strings.HasPrefix(message["email"], want) || !strings.HasPrefix(message["sms"], "HIGH: Secrets burst (update): alice read 12") {
							t.Errorf("e-mail %q, telephone %q", message["email"], message["sms"])
						}
						message = leaves(t, program)
					} else if want == 3 {
						t.Errorf("no forms for people in %s", *m.Body)
					}
					found = append(found, message["finding_id"])
					attributes := map[string]string{}
					for k, v := range m.MessageAttributes {
						attributes[k] = aws.ToString(v.StringValue)
					}
					if diff := cmp.Diff(map[string]string{"severity": "high", "severity_number": "8", "rule_id": "r1", "kind": "correlation", "status": "open", "account": "123456789012", "region": "eu-central-1", "tactic": "credential-access"}, attributes); diff != "" {
						t.Error(diff)
					}
					if _, err := queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if slices.Sort(found); !slices.Equal(found, []string{"f1", "f1", "f2"}[3-want:]) {
				t.Errorf("received %v, want %d", found, want)
			}
		})
	}
	if got := outcomes(carried(t, "- {name: a, sns: 'arn:aws:sns:eu-central-1:000000000000:nowhere'}", "f1")); !strings.HasPrefix(got[0], "again: NotFound") {
		t.Errorf("%v: a topic can be made", got)
	}
}

// subscribed makes a topic with a queue behind it that asks for high severities.
func subscribed(t *testing.T, topics *sns.Client, queues *sqs.Client, name string) (topic, queue string) {
	t.Helper()
	var fifo map[string]string
	if strings.HasSuffix(name, ".fifo") {
		fifo = map[string]string{"FifoTopic": "true"}
	}
	made, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: fifo})
	if err != nil {
		t.Fatal(err)
	}
	var fifoQueue map[string]string
	if fifo != nil {
		fifoQueue = map[string]string{"FifoQueue": "true"}
	}
	q, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: fifoQueue})
	if err != nil {
		t.Fatal(err)
	}
	for policy, attribute := range map[string]string{`{"severity":["high"],"severity_number":[{"numeric":[">=",8]}]}`: "arn:aws:sqs:eu-central-1:000000000000:" + name} {
		if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: &attribute,
			Attributes: map[string]string{"RawMessageDelivery": "true", "FilterPolicy": policy}}); err != nil {
			t.Fatal(err)
		}
	}
	return *made.TopicArn, *q.QueueUrl
}
