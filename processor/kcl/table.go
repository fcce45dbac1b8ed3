package kcl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Attributes of a row of the lease table; all of them are strings.
const (
	attrShard      = "ShardID"      // key
	attrOwner      = "AssignedTo"   // worker, for people and for the fair share
	attrToken      = "LeaseToken"   // of this acquisition; absent: nobody has the shard
	attrTimeout    = "LeaseTimeout" // changes with each renewal; the value is for people
	attrCheckpoint = "Checkpoint"   // last committed sequence number, or shardEnd; a hint
	attrClaim      = "ClaimRequest" // worker that wants the shard
	attrClaimTime  = "ClaimTime"    // for people
)

// shardEnd is the checkpoint of a shard that has been read to its end.
const shardEnd = "SHARD_END"

// ErrLeaseLost tells that the lease of a shard is not, or no longer, this
// worker's.
var ErrLeaseLost = errors.New("the lease is lost")

// row is one row of the lease table; an absent attribute is "".
type row struct {
	shard, owner, token, timeout, checkpoint, claim string
}

// table is a lease table in DynamoDB.
type table struct {
	client *dynamodb.Client
	name   string
}

// ensure returns when the table is there and usable. Of several workers that
// create it at once, one does.
func (t *table) ensure(ctx context.Context) error {
	_, err := t.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &t.name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(attrShard), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(attrShard), KeyType: types.KeyTypeHash}},
	})
	var inUse *types.ResourceInUseException
	var limit *types.LimitExceededException // of tables that are being created; another worker may be among them
	if err != nil && !errors.As(err, &inUse) && !errors.As(err, &limit) {
		return fmt.Errorf("create the lease table %s: %w", t.name, err)
	}
	return t.active(ctx)
}

// ready returns when the table is there; it creates the table if need be. It
// asks before it creates, so a worker without the right to create tables can use
// one that stands.
func (t *table) ready(ctx context.Context) error {
	out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return t.ensure(ctx)
	case err != nil:
		return fmt.Errorf("look for the lease table %s: %w", t.name, err)
	}
	if k := out.Table.KeySchema; len(k) != 1 || aws.ToString(k[0].AttributeName) != attrShard {
		return fmt.Errorf("the table %s is no lease table: its key is not %s alone", t.name, attrShard)
	}
	return t.active(ctx)
}

func (t *table) active(ctx context.Context) error {
	for {
		out, err := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
		var missing *types.ResourceNotFoundException
		switch {
		case err == nil && (out.Table.TableStatus == types.TableStatusActive || out.Table.TableStatus == types.TableStatusUpdating):
			return nil
		case err != nil && !errors.As(err, &missing):
			return fmt.Errorf("wait for the lease table %s: %w", t.name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lease table %s: %w", t.name, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// scan reads the whole table, consistently.
func (t *table) scan(ctx context.Context) (map[string]row, error) {
	rows := map[string]row{}
	pages := dynamodb.NewScanPaginator(t.client, &dynamodb.ScanInput{TableName: &t.name, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the lease table %s: %w", t.name, err)
		}
		for _, item := range page.Items {
			r := readRow(item)
			rows[r.shard] = r
		}
	}
	return rows, nil
}

// get reads one row, consistently; one that is not there is empty.
func (t *table) get(ctx context.Context, shard string) (row, error) {
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: keyOf(shard), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return row{}, fmt.Errorf("read the lease of %s: %w", shard, err)
	}
	return readRow(out.Item), nil
}

// update changes one row and returns it as it is then. When the condition does
// not hold the error is ErrLeaseLost.
func (t *table) update(ctx context.Context, shard, condition, change string, values map[string]string) (row, error) {
	in := &dynamodb.UpdateItemInput{
		TableName:                 &t.name,
		Key:                       keyOf(shard),
		ConditionExpression:       &condition,
		UpdateExpression:          &change,
		ExpressionAttributeValues: map[string]types.AttributeValue{},
		ReturnValues:              types.ReturnValueAllNew,
	}
	for k, v := range values {
		in.ExpressionAttributeValues[k] = &types.AttributeValueMemberS{Value: v}
	}
	out, err := t.client.UpdateItem(ctx, in)
	if err != nil {
		return row{}, fmt.Errorf("write the lease of %s: %w", shard, conditional(err))
	}
	return readRow(out.Attributes), nil
}

// remove deletes the row of a shard that has been read to its end. Any other
// row stays, without an error.
func (t *table) remove(ctx context.Context, shard string) error {
	_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &t.name,
		Key:                       keyOf(shard),
		ConditionExpression:       aws.String(attrCheckpoint + " = :end"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":end": &types.AttributeValueMemberS{Value: shardEnd}},
	})
	if err = conditional(err); err != nil && !errors.Is(err, ErrLeaseLost) {
		return fmt.Errorf("delete the lease of %s: %w", shard, err)
	}
	return nil
}

// conditional makes ErrLeaseLost of a condition that did not hold.
func conditional(err error) error {
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return ErrLeaseLost
	}
	return err
}

func keyOf(shard string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{attrShard: &types.AttributeValueMemberS{Value: shard}}
}

func readRow(item map[string]types.AttributeValue) row {
	text := func(name string) string {
		if s, ok := item[name].(*types.AttributeValueMemberS); ok {
			return s.Value
		}
		return ""
	}
	return row{text(attrShard), text(attrOwner), text(attrToken), text(attrTimeout), text(attrCheckpoint), text(attrClaim)}
}
