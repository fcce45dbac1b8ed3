package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	bustypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	hubtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/go-json-experiment/json"
)

// connectAWS makes the client of a sink. Endpoints and credentials come from
// the SDK's own environment and files. It does not try again by itself: the
// queue does, and counts.
func connectAWS(ctx context.Context, s *Sink) (carrier, error) {
	region := s.get("region")
	topic := s.get("topic")
	if topic != "" {
		region = strings.Split(topic, ":")[3]
	}
	options := []func(*config.LoadOptions) error{
		// AWS_CA_BUNDLE may be set: the SDK refuses a plain http.Client then.
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(patience)),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	settings, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("sink %s: read the AWS settings: %w", s.Name, err)
	}
	switch s.Kind {
	case "sns":
		return topicCarrier{sns.NewFromConfig(settings), topic}, nil
	case "eventbridge":
		return busCarrier{eventbridge.NewFromConfig(settings), s.get("bus")}, nil
	case "securityhub":
		return hubCarrier{securityhub.NewFromConfig(settings)}, nil
	}
	return nil, fmt.Errorf("sink %s: nothing carries alerts to %s", s.Name, s.Kind)
}

// ofMessage are codes of errors that speak of the message, not of the service:
// trying again is of no use.
var ofMessage = []string{"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException", "ValidationError", "InvalidInputException", "InvalidInput",
	"InvalidArgument", "MalformedDetail", "SerializationException", "PutEventsEntrySizeExceeded"}

// refused is the answer that an error of the SDK stands for.
func refused(err error) answer {
	a := answer{err: err}
	var api smithy.APIError
	if errors.As(err, &api) {
		a.err, a.text = errors.New(api.ErrorCode()), printable([]byte(api.ErrorMessage()))
		a.lasting = slices.Contains(ofMessage, api.ErrorCode())
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		a.after = retryAfter(response.Response.Header.Get("Retry-After"), time.Now())
		a.lasting = a.lasting && response.HTTPStatusCode() < http.StatusInternalServerError
	}
	return a
}

// refusedAll is the answer to each of a batch that was refused as a whole: one
// of its messages may be the reason, and the others must not fall with it.
func refusedAll(err error, batch int) answer {
	a := refused(err)
	if a.lasting && batch > 1 {
		a.lasting, a.alone = false, true
	}
	return a
}

// topicCarrier publishes to a topic of SNS. A FIFO topic gets the id of the
// alert for deduplication, which it remembers for five minutes, and the finding
// as the group, which keeps its order.
type topicCarrier struct {
	client *sns.Client
	topic  string
}

func (c topicCarrier) carry(ctx context.Context, parcels []*parcel) (out []answer) {
	for _, p := range parcels {
		in := &sns.PublishInput{TopicArn: &c.topic, Message: &p.body.Payload, Subject: aws.String(subject(&p.body)), MessageAttributes: attributes(&p.body)}
		if strings.HasSuffix(c.topic, ".fifo") {
			in.MessageDeduplicationId, in.MessageGroupId = &p.id, &p.finding
		} else if forms := forms(&p.body); len(forms) <= maxForms {
			in.Message, in.MessageStructure = &forms, aws.String("json")
		}
		published, err := c.client.Publish(ctx, in)
		if err != nil {
			out = append(out, refused(err))
			continue
		}
		out = append(out, answer{text: "message " + aws.ToString(published.MessageId)})
	}
	return out
}

// maxForms is how long the message of a topic may be in all its forms: SNS
// takes 256 KB with the attributes.
const maxForms = 250_000

// forms are the message as programs get it, and in words for subscribers by
// e-mail and telephone. SNS gives each the form of its protocol.
func forms(b *body) string {
	text, err := encode(map[string]string{"default": b.Payload, "email": b.Letter, "sms": b.Short})
	if err != nil { // texts can be encoded
		return b.Payload
	}
	return text
}

// subject is that of an e-mail: printable ASCII, less than 100 characters.
func subject(b *body) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, "["+b.Severity+"] "+b.Title)
	return ascii[:min(len(ascii), 99)]
}

// attributes are for the filter policies of subscriptions. Empty ones are
// refused by SNS; raw delivery takes ten.
func attributes(b *body) map[string]snstypes.MessageAttributeValue {
	out := map[string]snstypes.MessageAttributeValue{
		"severity_number": {DataType: aws.String("Number"), StringValue: aws.String(strconv.FormatFloat(numbers[b.Severity], 'g', -1, 64))},
	}
	for name, value := range map[string]string{"severity": b.Severity, "rule_id": b.Rule, "kind": b.RuleKind, "status": b.Status, "account": b.Account, "region": b.Region, "tactic": b.Tactic} {
		if value != "" {
			out[name] = snstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	return out
}

// busCarrier puts events on a bus of EventBridge.
type busCarrier struct {
	client *eventbridge.Client
	bus    string
}

func (c busCarrier) carry(ctx context.Context, parcels []*parcel) []answer {
	in := &eventbridge.PutEventsInput{}
	for _, p := range parcels {
		detail := "Cairn Finding"
		if p.body.Step == "digest" {
			detail = "Cairn Digest"
		}
		in.Entries = append(in.Entries, bustypes.PutEventsRequestEntry{Source: aws.String("cairn"), DetailType: &detail, Detail: &p.body.Payload,
			EventBusName: &c.bus, Time: aws.Time(time.UnixMilli(p.time))})
	}
	put, err := c.client.PutEvents(ctx, in)
	out := make([]answer, len(parcels))
	for i := range out {
		switch {
		case err != nil:
			out[i] = refusedAll(err, len(parcels))
		case i >= len(put.Entries):
			out[i] = answer{err: errors.New("EventBridge did not say what became of it")}
		case aws.ToString(put.Entries[i].ErrorCode) != "":
			code := *put.Entries[i].ErrorCode
			out[i] = answer{err: errors.New(code), text: aws.ToString(put.Entries[i].ErrorMessage), lasting: slices.Contains(ofMessage, code)}
		default:
			out[i] = answer{text: "event " + aws.ToString(put.Entries[i].EventId)}
		}
	}
	return out
}

// hubCarrier imports findings into Security Hub.
type hubCarrier struct{ client *securityhub.Client }

func (c hubCarrier) carry(ctx context.Context, parcels []*parcel) []answer {
	out := make([]answer, len(parcels))
	in := &securityhub.BatchImportFindingsInput{}
	place := map[string]int{}
	for i, p := range parcels {
		var f hubtypes.AwsSecurityFinding
		if err := json.Unmarshal([]byte(p.body.Payload), &f); err != nil {
			out[i] = answer{err: fmt.Errorf("the finding cannot be read: %w", err), lasting: true}
			continue
		}
		place[p.finding] = i
		in.Findings = append(in.Findings, f)
		out[i] = answer{text: "imported"}
	}
	if len(in.Findings) == 0 {
		return out
	}
	done, err := c.client.BatchImportFindings(ctx, in)
	if err != nil {
		for _, i := range place {
			out[i] = refusedAll(err, len(in.Findings))
		}
		return out
	}
	for _, f := range done.FailedFindings {
		if i, ok := place[aws.ToString(f.Id)]; ok {
			code := aws.ToString(f.ErrorCode)
			out[i] = answer{err: errors.New(code), text: aws.ToString(f.ErrorMessage), lasting: slices.Contains(ofMessage, code)}
		}
	}
	return out
}
