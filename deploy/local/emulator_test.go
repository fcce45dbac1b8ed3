package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// settings points a client at an emulator.
func settings(e *Emulator) aws.Config {
	return aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String(e.URL()), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
}

// stream makes a stream of one shard with the given records.
func stream(t *testing.T, client *kinesis.Client, records ...string) *types.StreamDescription {
	t.Helper()
	name := aws.String("trail")
	if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		out, err := client.DescribeStream(t.Context(), &kinesis.DescribeStreamInput{StreamName: name})
		if err != nil {
			t.Fatal(err)
		}
		if out.StreamDescription.StreamStatus == types.StreamStatusActive {
			for _, r := range records {
				if _, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("k"), Data: []byte(r)}); err != nil {
					t.Fatal(err)
				}
			}
			return out.StreamDescription
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the stream did not become active")
	return nil
}

func TestKinesisEmulators(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *Emulator{NameKinesalite: Kinesalite, NameKinesisLocal: KinesisLocal} {
		t.Run(name, func(t *testing.T) {
			client := kinesis.NewFromConfig(settings(start(t)))
			d := stream(t, client, "one", "two")
			it, err := client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: d.StreamName, ShardId: d.Shards[0].ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
			if err != nil {
				t.Fatal(err)
			}
			out, err := client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
			if err != nil || len(out.Records) != 2 || string(out.Records[1].Data) != "two" {
				t.Errorf("records %v, %v", out, err)
			}
		})
	}
}

// TestFanOut: without the shim the SDK refuses to subscribe.
func TestFanOut(t *testing.T) {
	client := kinesis.NewFromConfig(settings(KinesisLocal(t)))
	d := stream(t, client, "one", "two")
	consumer, err := client.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: d.StreamARN, ConsumerName: aws.String("c")})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // registration takes 50 ms
	out, err := client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{ConsumerARN: consumer.Consumer.ConsumerARN, ShardId: d.Shards[0].ShardId,
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}})
	if err != nil {
		t.Fatal(err)
	}
	events := out.GetStream()
	defer events.Close()
	var got []string
	for len(got) < 2 {
		select {
		case event, open := <-events.Events():
			if !open {
				t.Fatalf("the subscription ended after %v: %v", got, events.Err())
			}
			e, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
			if !ok {
				t.Fatalf("event %T", event)
			}
			for _, r := range e.Value.Records {
				got = append(got, string(r.Data))
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no more events after %v", got)
		}
	}
	if got[0] != "one" || got[1] != "two" {
		t.Errorf("records %v", got)
	}
}

func TestDynalite(t *testing.T) {
	client := dynamodb.NewFromConfig(settings(Dynalite(t)))
	table := aws.String("leases")
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: table, BillingMode: dynamotypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: dynamotypes.KeyTypeHash}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }).
		Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: table}, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	put := &dynamodb.PutItemInput{TableName: table, Item: map[string]dynamotypes.AttributeValue{"id": &dynamotypes.AttributeValueMemberS{Value: "a"}}, ConditionExpression: aws.String("attribute_not_exists(id)")}
	if _, err := client.PutItem(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	var refused *dynamotypes.ConditionalCheckFailedException
	if _, err := client.PutItem(t.Context(), put); !errors.As(err, &refused) {
		t.Errorf("second conditional write: %v", err)
	}
}

func TestQueues(t *testing.T) {
	e := Queues(t)
	queues, topics := sqs.NewFromConfig(settings(e)), sns.NewFromConfig(settings(e))
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("direct")}); err != nil {
		t.Fatal(err)
	}
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("t")})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sqs:eu-central-1:000000000000:q"
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn,
		Attributes: map[string]string{"RawMessageDelivery": "true"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Publish(t.Context(), &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String("by topic")}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for deadline := time.Now().Add(20 * time.Second); len(got) < 2 && time.Now().Before(deadline); {
		out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			got[*m.Body] = true
		}
	}
	if !got["direct"] || !got["by topic"] {
		t.Errorf("received %v", got)
	}
}

// TestEmulatorsListenOnLoopbackOnly: nobody else on the network is to reach them.
func TestEmulatorsListenOnLoopbackOnly(t *testing.T) {
	other := otherAddress(t)
	for _, name := range Names() {
		start := func(t testing.TB) *Emulator { return startFor(t, name) }
		if name == NameVersityGW {
			start = VersityGW
		}
		e := start(t)
		at, err := url.Parse(e.URL())
		if err != nil || at.Hostname() != "127.0.0.1" {
			t.Fatalf("%s: %s %v", name, e.URL(), err)
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(other, at.Port()), time.Second); err == nil {
			conn.Close()
			t.Errorf("%s answers at %s", name, other)
		}
	}
}

func otherAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	t.Skip("this host has the loopback interface only")
	return ""
}

func TestStop(t *testing.T) {
	e := Dynalite(t)
	e.Stop()
	e.Stop()
	select {
	case <-e.Done():
	default:
		t.Error("the process lives on")
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(e.URL(), "http://")); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

func TestEndOfContextEndsEmulator(t *testing.T) {
	Require(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e, err := Start(ctx, NameDynalite)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-e.Done():
	case <-time.After(10 * time.Second):
		t.Error("the process lives on")
		e.Stop()
	}
}

func TestStartUnknown(t *testing.T) {
	Require(t)
	if _, err := Start(t.Context(), "mainframe"); err == nil || !strings.Contains(err.Error(), "there are dynalite, kinesalite, kinesis-local, queues, versitygw") {
		t.Errorf("error %v, want one with the names", err)
	}
}

// TestVersityGWCannotBeBuilt: the error says what was tried.
func TestVersityGWCannotBeBuilt(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	if path, err := installVersityGW(t.Context()); err == nil || !strings.Contains(err.Error(), "go install github.com/versity/versitygw") {
		t.Errorf("%s, %v", path, err)
	}
}

// TestOutput: the line with the port may come in pieces and after others.
func TestOutput(t *testing.T) {
	o := &output{wanted: 7, port: make(chan int, 1)}
	for _, piece := range []string{"noise\ncairn-listening {\"wanted\":6,\"port\":1}\ncairn-lis", "tening {\"wanted\":7,\"port", "\":4242}\ncairn-listening {\"wanted\":7,\"port\":2}\n", strings.Repeat("x", keepOutput-3) + "end"} {
		if _, err := fmt.Fprint(o, piece); err != nil {
			t.Fatal(err)
		}
	}
	if port := <-o.port; port != 4242 {
		t.Errorf("port %d", port)
	}
	if kept := o.String(); len(kept) != keepOutput || !strings.HasSuffix(kept, "end") {
		t.Errorf("kept %d bytes", len(kept))
	}
}
