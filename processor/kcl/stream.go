package kcl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// ErrUnkeyed tells that the stream places records without regard to their
// partition key, so that rules cannot group what belongs together.
var ErrUnkeyed = errors.New("the stream distributes records by itself (record distribution strategy AUTO), not by partition key: " +
	"events of one account are spread over all shards, and rules that group would not see them together")

// Stream is what is asked of a stream before its shards are read.
type Stream struct {
	Name    string
	ARN     string
	Created time.Time
	Unkeyed bool // places records without regard to their partition key
}

// Source is the identity of the stream: one that was deleted and made again
// under the same name has another.
func (s *Stream) Source() string {
	return s.ARN + " " + s.Created.UTC().Format(time.RFC3339Nano)
}

// Describe asks for a stream.
func Describe(ctx context.Context, client *kinesis.Client, name string) (Stream, error) {
	out, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		return Stream{}, fmt.Errorf("describe the stream %s: %w", name, err)
	}
	d := out.StreamDescriptionSummary
	return Stream{
		Name:    name,
		ARN:     aws.ToString(d.StreamARN),
		Created: aws.ToTime(d.StreamCreationTimestamp),
		Unkeyed: d.RecordDistributionStrategy == types.RecordDistributionStrategyAuto,
	}, nil
}
