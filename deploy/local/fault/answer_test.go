package fault

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// settings points a client at the proxy; it makes one attempt.
func settings(p *Proxy) aws.Config {
	return aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String(p.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
}

// TestErrorsAreUnderstood: the SDK must read the answers as the service's own errors, of the right type.
func TestErrorsAreUnderstood(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	t.Run("kinesis", func(t *testing.T) {
		p := newProxy(t, s.URL, Rule{Operation: "GetRecords", Fate: Reply, Answer: Error(400, "ProvisionedThroughputExceededException")})
		_, err := kinesis.NewFromConfig(settings(p)).GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("i")})
		var want *kinesistypes.ProvisionedThroughputExceededException
		if !errors.As(err, &want) || !strings.Contains(want.ErrorMessage(), "injected") {
			t.Error(err)
		}
	})
	t.Run("dynamodb", func(t *testing.T) {
		p := newProxy(t, s.URL, Rule{Operation: "DescribeTable", Fate: Reply, Answer: Answer{400, "ResourceNotFoundException", "no table"}})
		_, err := dynamodb.NewFromConfig(settings(p)).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("t")})
		var want *dynamotypes.ResourceNotFoundException
		if !errors.As(err, &want) || want.ErrorMessage() != "no table" {
			t.Error(err)
		}
	})
	t.Run("sqs", func(t *testing.T) {
		p := newProxy(t, s.URL, Rule{Operation: "SendMessage", Fate: Reply, Answer: Error(400, "QueueDoesNotExist")})
		_, err := sqs.NewFromConfig(settings(p)).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(p.URL() + "/q"), MessageBody: aws.String("b")})
		var want *sqstypes.QueueDoesNotExist
		if !errors.As(err, &want) {
			t.Error(err)
		}
	})
	t.Run("sns", func(t *testing.T) {
		p := newProxy(t, s.URL, Rule{Operation: "Publish", Contains: "Message=b", Fate: Reply, Answer: Error(404, "NotFound")})
		_, err := sns.NewFromConfig(settings(p)).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn"), Message: aws.String("b")})
		var want *snstypes.NotFoundException
		if !errors.As(err, &want) {
			t.Error(err)
		}
	})
	t.Run("server error", func(t *testing.T) {
		p := newProxy(t, s.URL, Rule{Fate: Reply, Answer: Error(500, "InternalFailure")})
		_, err := sns.NewFromConfig(settings(p)).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn"), Message: aws.String("b")})
		var want smithy.APIError
		if !errors.As(err, &want) || want.ErrorCode() != "InternalFailure" {
			t.Error(err)
		}
	})
}

func TestS3Error(t *testing.T) {
	s := newService(t)
	p := newProxy(t, s.URL, Rule{Operation: "HeadObject", Fate: Reply, Answer: Error(404, "NotFound")}, Rule{Fate: Reply, Answer: Error(503, "SlowDown")})
	response, err := client.Get(p.URL() + "/b/k")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>injected by the fault proxy</Message><RequestId>fault</RequestId></Error>`
	if err != nil || response.StatusCode != 503 || string(body) != want {
		t.Errorf("%d %s %v", response.StatusCode, body, err)
	}
	head, err := client.Head(p.URL() + "/b/k")
	if err != nil || head.StatusCode != 404 {
		t.Errorf("head: %v %v", head, err)
	}
}

func TestOperation(t *testing.T) {
	for _, test := range []struct {
		method, target string
		header         [2]string
		want           string
	}{
		{"GET", "/b/k", [2]string{}, "GetObject"},
		{"HEAD", "/b/k/l", [2]string{}, "HeadObject"},
		{"PUT", "/b/k?x-id=PutObject", [2]string{}, "PutObject"},
		{"PUT", "/b/k", [2]string{"X-Amz-Copy-Source", "b/o"}, "CopyObject"},
		{"PUT", "/b/k?partNumber=1&uploadId=u", [2]string{}, "UploadPart"},
		{"POST", "/b/k?uploads", [2]string{}, "CreateMultipartUpload"},
		{"POST", "/b/k?uploadId=u", [2]string{}, "CompleteMultipartUpload"},
		{"DELETE", "/b/k?uploadId=u", [2]string{}, "AbortMultipartUpload"},
		{"DELETE", "/b/k", [2]string{}, "DeleteObject"},
		{"GET", "/b?list-type=2&prefix=a%2Fb", [2]string{}, "ListObjectsV2"},
		{"GET", "/b/?list-type=2", [2]string{}, "ListObjectsV2"},
		{"POST", "/b?delete", [2]string{}, "DeleteObjects"},
		{"PUT", "/b", [2]string{}, "CreateBucket"},
		{"HEAD", "/b", [2]string{}, "HeadBucket"},
		{"POST", "/", [2]string{"X-Amz-Target", "Kinesis_20131202.PutRecords"}, "PutRecords"},
		{"POST", "/", [2]string{"X-Amz-Target", "DynamoDB_20120810.UpdateItem"}, "UpdateItem"},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		if test.header[0] != "" {
			r.Header.Set(test.header[0], test.header[1])
		}
		if got := operation(r, nil); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.method, test.target, got, test.want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if got := operation(r, []byte(url.Values{"Action": {"Publish"}, "Message": {"a b"}}.Encode())); got != "Publish" {
		t.Errorf("form: %s", got)
	}
}

func TestFateNames(t *testing.T) {
	names := map[string]bool{}
	for f := Forward; f <= Repeat; f++ {
		names[f.String()] = true
	}
	if len(names) != int(Repeat)+1 {
		t.Errorf("names %v", names)
	}
}
