// Command cairn-local is AWS on a laptop: it starts emulators of Kinesis and
// DynamoDB, makes a stream, and prints the settings with which cairn and other
// programs find them. It runs until Ctrl-C; what the emulators hold is gone then.
//
//	go run ./deploy/local/cairn-local | tee local.env
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/cairnstream/cairn/deploy/local"
)

func main() {
	stream := flag.String("stream", "cairn", "name of the stream to make")
	shards := flag.Int("shards", 4, "its shards")
	fanOut := flag.Bool("fan-out", false, "a Kinesis with enhanced fan-out, which is slower")
	queues := flag.Bool("queues", false, "SQS and SNS too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := up(ctx, *stream, int32(min(*shards, 1000)), services(*fanOut, *queues)) //nolint:gosec // at most 1000
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "cairn-local:", err)
		os.Exit(1) //nolint:gocritic // the emulators end with this process
	}
}

// service is an emulator and the services that it is.
type service struct {
	emulator string
	names    []string // as in AWS_ENDPOINT_URL_<name>
}

func services(fanOut, queues bool) []service {
	stream := local.NameKinesalite
	if fanOut {
		stream = local.NameKinesisLocal
	}
	all := []service{{stream, []string{"KINESIS"}}, {local.NameDynalite, []string{"DYNAMODB"}}}
	if queues {
		all = append(all, service{local.NameQueues, []string{"SQS", "SNS"}})
	}
	return all
}

// up starts the emulators and stays until ctx ends or one of them does.
func up(ctx context.Context, stream string, shards int32, all []service) error {
	var settings []string
	ended := make(chan error, len(all))
	for _, s := range all {
		fmt.Fprintf(os.Stderr, "starting %s …\n", s.emulator)
		e, err := local.Start(ctx, s.emulator)
		if err != nil {
			return err
		}
		defer e.Stop()
		for _, name := range s.names {
			settings = append(settings, "AWS_ENDPOINT_URL_"+name+"="+e.URL())
		}
		if s.names[0] == "KINESIS" {
			if err := makeStream(ctx, e.URL(), stream, shards); err != nil {
				return err
			}
		}
		go func() { <-e.Done(); ended <- fmt.Errorf("%s has ended:\n%s", e.Name(), e.Output()) }()
	}
	settings = append(settings, "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID="+local.AccessKey, "AWS_SECRET_ACCESS_KEY="+local.SecretKey, "CAIRN_STREAM="+stream)
	fmt.Println("export " + strings.Join(settings, " "))
	fmt.Fprintf(os.Stderr, "ready: stream %s with %d shards; Ctrl-C ends it all\n", stream, shards)
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// makeStream returns when the stream can be used.
func makeStream(ctx context.Context, url, name string, shards int32) error {
	client := kinesis.NewFromConfig(aws.Config{Region: "eu-central-1", BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider(local.AccessKey, local.SecretKey, "")})
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		return fmt.Errorf("make the stream: %w", err)
	}
	wait := func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 50 * time.Millisecond }
	if err := kinesis.NewStreamExistsWaiter(client, wait).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &name}, 30*time.Second); err != nil {
		return errors.Join(errors.New("the stream does not become active"), err)
	}
	return nil
}
