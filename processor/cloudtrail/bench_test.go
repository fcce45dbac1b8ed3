package cloudtrail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// generatedFile is a CloudTrail file of n records in the shapes and proportions
// of a busy account: describe calls of a console session, calls of a role with
// a long request, and errors. Records are about 1 KB.
func generatedFile(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		switch i % 4 {
		case 0, 1:
			fmt.Fprintf(&b, `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE%08d","arn":"arn:aws:iam::111122223333:user/user%03d","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE%08d","userName":"user%03d","sessionContext":{"sessionIssuer":{},"webIdFederationData":{},"attributes":{"creationDate":"2023-07-10T08:02:53Z","mfaAuthenticated":"false"}},"invokedBy":"signin.amazonaws.com"},"eventTime":"2023-07-10T12:%02d:%02dZ","eventSource":"ec2.amazonaws.com","eventName":"DescribeVolumes","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.%d","userAgent":"signin.amazonaws.com","requestParameters":{"volumeSet":{},"filterSet":{"items":[{"name":"availability-zone","valueSet":{"items":[{"value":"us-east-1c"}]}}]}},"responseElements":null,"requestID":"24b759c3-6502-480f-b1da-%012d","eventID":"0e34db06-0f32-45f2-9c1c-%012d","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.2","cipherSuite":"ECDHE-RSA-AES128-GCM-SHA256","clientProvidedHostHeader":"ec2.us-east-1.amazonaws.com"}}`,
				i, i%50, i, i%50, i/60%60, i%60, i%250, i, i)
		case 2:
			fmt.Fprintf(&b, `{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:deploy-%d","arn":"arn:aws:sts::111122223333:assumed-role/deploy/deploy-%d","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE%08d","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/deploy","accountId":"111122223333","userName":"deploy"},"attributes":{"creationDate":"2023-07-10T08:02:53Z","mfaAuthenticated":"false"}}},"eventTime":"2023-07-10T12:%02d:%02dZ","eventSource":"iam.amazonaws.com","eventName":"PutRolePolicy","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.%d","userAgent":"aws-sdk-go/1.44.1 (go1.20; linux; amd64)","requestParameters":{"roleName":"worker","policyName":"inline","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:PutObject\"],\"Resource\":\"arn:aws:s3:::example-bucket/*\"}]}"},"responseElements":null,"requestID":"24b759c3-6502-480f-b1da-%012d","eventID":"0e34db06-0f32-45f2-9c1c-%012d","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`,
				i, i, i, i/60%60, i%60, i%250, i, i)
		default:
			fmt.Fprintf(&b, `{"eventVersion":"1.08","userIdentity":{"type":"AWSService","invokedBy":"lambda.amazonaws.com"},"eventTime":"2023-07-10T12:%02d:%02dZ","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":"us-east-1","sourceIPAddress":"lambda.amazonaws.com","userAgent":"lambda.amazonaws.com","errorCode":"AccessDenied","errorMessage":"User is not authorized to perform \"sts:AssumeRole\"","requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/worker","roleSessionName":"worker-%d"},"responseElements":{"credentials":{"accessKeyId":"ASIAEXAMPLE%08d","sessionToken":"REDACTED","expiration":"Jul 10, 2023, 1:00:00 PM"}},"requestID":"24b759c3-6502-480f-b1da-%012d","eventID":"0e34db06-0f32-45f2-9c1c-%012d","readOnly":true,"resources":[{"accountId":"111122223333","type":"AWS::IAM::Role","ARN":"arn:aws:iam::111122223333:role/worker"}],"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","sharedEventID":"1e34db06-0f32-45f2-9c1c-%012d","eventCategory":"Management"}`,
				i/60%60, i%60, i, i, i, i, i)
		}
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func BenchmarkDecodeRecords(b *testing.B) {
	const n = 1000
	file := generatedFile(n)
	var d Decoder
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if r := d.Decode(file); len(r.Events) != n {
			b.Fatalf("%d events, want %d", len(r.Events), n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
}

func BenchmarkDecodeHistory(b *testing.B) {
	data := os.Getenv("CAIRN_DATA")
	if data == "" {
		b.Skip("set CAIRN_DATA to the data folder")
	}
	var files [][]byte
	var z inflater
	events, size := 0, 0
	err := filepath.WalkDir(filepath.Join(data, "cloudtrail/history"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".gz") || len(files) >= 400 {
			return err
		}
		packed, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		plain, err := z.inflate(packed, 1<<30)
		files, size = append(files, plain), size+len(plain)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	var d Decoder
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		events = 0
		for _, f := range files {
			events += len(d.Decode(f).Events)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
	b.ReportMetric(float64(events), "events")
}

func BenchmarkTree(b *testing.B) {
	var d Decoder
	events := d.Decode(generatedFile(100)).Events
	b.ReportAllocs()
	for b.Loop() {
		for i := range events {
			events[i].m.trees = nil
			if events[i].Tree().Get("eventName").Kind() != '"' {
				b.Fatal("no eventName")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}

// The forms of a stream: one event in an EventBridge envelope, and a CloudWatch
// Logs message of 100 in gzip.
func BenchmarkDecodeEnvelopes(b *testing.B) {
	var d Decoder
	events := d.Decode(generatedFile(100)).Events
	bridge := []byte(`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","account":"111122223333",` +
		`"time":"2023-07-10T12:00:00Z","region":"us-east-1","resources":[],"detail":` + string(events[0].Raw) + `}`)
	var logs strings.Builder
	logs.WriteString(`{"messageType":"DATA_MESSAGE","logEvents":[`)
	for i, e := range events {
		fmt.Fprintf(&logs, `%s{"id":"%d","timestamp":1688990400000,"message":%s}`, []string{"", ","}[min(i, 1)], i, quote(string(e.Raw)))
	}
	logs.WriteString(`]}`)
	for _, c := range []struct {
		name    string
		payload []byte
		events  int
	}{{"eventbridge", bridge, 1}, {"cloudwatch", []byte(logs.String()), 100}, {"cloudwatch-gzip", pack([]byte(logs.String())), 100}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.payload)))
			b.ReportAllocs()
			for b.Loop() {
				if r := d.Decode(c.payload); len(r.Events) != c.events {
					b.Fatalf("%d events, want %d", len(r.Events), c.events)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.events), "ns/event")
		})
	}
}

// BenchmarkScanOnly is the floor: the grammar alone, nothing extracted; and the
// same by jsontext.
func BenchmarkScanOnly(b *testing.B) {
	file := generatedFile(1000)
	b.Run("cairn", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			s := scanner{b: file}
			if s.value(0, 0) != len(file) {
				b.Fatal("no JSON")
			}
		}
	})
	b.Run("jsontext", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		for b.Loop() {
			if !jsontext.Value(file).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
				b.Fatal("no JSON")
			}
		}
	})
}
