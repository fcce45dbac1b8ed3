package forward

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

var errNoRegion = errors.New("no AWS region: set AWS_REGION or a region in the AWS configuration file")

// elsewhere is the region for the signature of requests to another endpoint
// than Amazon's, which has no regions.
const elsewhere = "us-east-1"

// Kinesis returns a client with the SDK's own settings.
func Kinesis(ctx context.Context) (*kinesis.Client, error) {
	cfg, err := load(ctx)
	if err != nil {
		return nil, err
	}
	client := kinesis.NewFromConfig(cfg, func(o *kinesis.Options) {
		if o.Region == "" && o.BaseEndpoint != nil {
			o.Region = elsewhere
		}
	})
	if client.Options().Region == "" {
		return nil, fmt.Errorf("connect to Kinesis: %w", errNoRegion)
	}
	return client, nil
}

// SQS returns a client with the SDK's own settings.
func SQS(ctx context.Context) (*sqs.Client, error) {
	cfg, err := load(ctx)
	if err != nil {
		return nil, err
	}
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if o.Region == "" && o.BaseEndpoint != nil {
			o.Region = elsewhere
		}
	})
	if client.Options().Region == "" {
		return nil, fmt.Errorf("connect to SQS: %w", errNoRegion)
	}
	return client, nil
}

func load(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(awshttp.NewBuildableClient()))
	if err != nil {
		return cfg, fmt.Errorf("read the AWS settings: %w", err)
	}
	return cfg, nil
}
