package processortest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Generator makes the records that producers would put into a stream:
// CloudTrail events of a few accounts that make, change and remove a few
// resources, alone, in lists, in EventBridge's envelope and in aggregates;
// among them copies, late events, control messages and pieces that nobody can
// decode. All of it follows from the seed.
type Generator struct {
	// Mixed lets the parts of an aggregate have different partition keys, of
	// which some may not belong into the shard that gets the aggregate.
	Mixed bool
	// MaxLate is how late the late events may be.
	MaxLate time.Duration

	rand     *rand.Rand
	accounts []string
	number   int
	sent     []event // for copies
}

type event struct {
	key  string
	data []byte
}

// Produced is one record to put.
type Produced struct {
	PartitionKey string
	Data         []byte
}

// NewGenerator makes a generator of events of the given number of accounts.
func NewGenerator(seed uint64, accounts int) *Generator {
	g := &Generator{MaxLate: 30 * time.Hour, rand: rand.New(rand.NewPCG(seed, 0x6361697267656e))}
	for i := range accounts {
		g.accounts = append(g.accounts, fmt.Sprintf("%012d", 111122220000+i*7919))
	}
	return g
}

// Next makes a record that arrives now.
func (g *Generator) Next(now time.Time) Produced {
	switch n := g.rand.IntN(100); {
	case n < 4:
		return Produced{g.account(), g.broken()}
	case n < 6:
		return Produced{g.account(), []byte(`{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logEvents":[{"id":"","timestamp":0,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`)}
	case n < 12:
		e := g.event(now)
		return Produced{e.key, fmt.Appendf(nil, `{"version":"0","id":"%d","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","detail":%s}`, n, e.data)}
	case n < 22:
		return g.aggregate(now)
	case n < 30:
		e, f := g.event(now), g.event(now)
		return Produced{e.key, fmt.Appendf(nil, `{"Records":[%s,%s]}`, e.data, f.data)}
	}
	e := g.event(now)
	return Produced{e.key, e.data}
}

func (g *Generator) account() string { return g.accounts[g.rand.IntN(len(g.accounts))] }

// aggregate packs some events, a broken piece among them now and then.
func (g *Generator) aggregate(now time.Time) Produced {
	var parts []Produced
	for range 2 + g.rand.IntN(3) {
		if g.rand.IntN(12) == 0 {
			parts = append(parts, Produced{g.account(), g.broken()})
			continue
		}
		e := g.event(now)
		parts = append(parts, Produced{e.key, e.data})
	}
	if !g.Mixed {
		for i := range parts {
			parts[i].PartitionKey = parts[0].PartitionKey
		}
	}
	return Produced{parts[0].PartitionKey, Aggregate(parts)}
}

func (g *Generator) broken() []byte {
	g.number++
	return [][]byte{
		fmt.Appendf(nil, `{"eventVersion":"1.11","eventID":"broken-%d`, g.number),
		fmt.Appendf(nil, `{"eventVersion":"1.11","eventID":"timeless-%d","eventName":"CreateUser"}`, g.number),
		fmt.Appendf(nil, `%d`, g.number),
		fmt.Appendf([]byte("\x1f\x8b\x08\x00"), "%d", g.number),
	}[g.rand.IntN(4)]
}

// event makes an event or repeats an earlier one, in rare cases under another
// partition key.
func (g *Generator) event(now time.Time) event {
	if len(g.sent) > 0 && g.rand.IntN(8) == 0 {
		e := g.sent[g.rand.IntN(len(g.sent))]
		if g.rand.IntN(10) == 0 {
			e.key = g.account()
		}
		return e
	}
	e := g.fresh(now)
	g.sent = append(g.sent, e)
	return e
}

func (g *Generator) fresh(now time.Time) event {
	g.number++
	at := now.Add(-time.Duration(g.rand.IntN(15*60)) * time.Second)
	switch g.rand.IntN(20) {
	case 0: // late, at times behind the horizon of the ids
		at = now.Add(-time.Duration(g.rand.Int64N(int64(g.MaxLate))).Truncate(time.Minute))
	case 1: // a clock that runs ahead
		at = now.Add(time.Duration(g.rand.IntN(600)) * time.Second)
	}
	account := g.account()
	key := account
	if g.rand.IntN(15) == 0 {
		key = "other-" + g.account()
	}
	source, name, request, response := g.action()
	record := map[string]any{
		"eventVersion": "1.11", "eventType": "AwsApiCall", "eventCategory": "Management", "managementEvent": true,
		"eventTime": at.UTC().Format(time.RFC3339), "eventSource": source, "eventName": name, "awsRegion": "eu-west-1",
		// Ids that only differ in their second half.
		"eventID":            fmt.Sprintf("63616972-6e00-4bbb-8ccc-%07x%05x", g.rand.Uint32()>>4, g.number),
		"recipientAccountId": account, "sourceIPAddress": "203.0.113.7", "readOnly": response == nil && request == nil,
		"userIdentity": map[string]any{"type": "IAMUser", "userName": "ada", "principalId": "AIDAEXAMPLE", "accountId": account,
			"arn": "arn:aws:iam::" + account + ":user/ada"},
		"requestParameters": request, "responseElements": response,
	}
	data, err := json.Marshal(record)
	if err != nil {
		panic(err) // the record is made of texts and maps
	}
	return event{key, data}
}

type params = map[string]any

// action is one call of one of three services on one of a few resources.
func (g *Generator) action() (source, name string, request, response any) {
	n := g.rand.IntN(3)
	user, bucket, group, instance := fmt.Sprintf("user-%d", n), fmt.Sprintf("cairn-bucket-%d", n), fmt.Sprintf("sg-0a%d", n), fmt.Sprintf("i-0b%d", n)
	const iam, s3, ec2 = "iam.amazonaws.com", "s3.amazonaws.com", "ec2.amazonaws.com"
	switch g.rand.IntN(12) {
	case 0:
		return iam, "CreateUser", params{"userName": user}, params{"user": params{"userName": user, "userId": "AIDA" + user, "path": "/"}}
	case 1:
		return iam, "DeleteUser", params{"userName": user}, nil
	case 2:
		return iam, "CreateAccessKey", params{"userName": user}, params{"accessKey": params{"accessKeyId": fmt.Sprintf("AKIA%d", n), "userName": user, "status": "Active"}}
	case 3:
		return iam, "AttachUserPolicy", params{"userName": user, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, nil
	case 4:
		return s3, "CreateBucket", params{"bucketName": bucket}, nil
	case 5:
		return s3, "DeleteBucket", params{"bucketName": bucket}, nil
	case 6:
		return s3, "PutBucketTagging", params{"bucketName": bucket, "Tagging": params{"TagSet": params{"Tag": params{"Key": "team", "Value": fmt.Sprint(g.rand.IntN(9))}}}}, nil
	case 7:
		return ec2, "RunInstances", params{"instanceType": "t3.micro"}, params{"instancesSet": params{"items": []any{params{
			"instanceId": instance, "imageId": "ami-1", "instanceType": "t3.micro", "instanceState": params{"name": "pending"}}}}}
	case 8:
		return ec2, "TerminateInstances", params{"instancesSet": params{"items": []any{params{"instanceId": instance}}}},
			params{"instancesSet": params{"items": []any{params{"instanceId": instance, "currentState": params{"name": "shutting-down"}}}}}
	case 9: // teaches the group's name
		return ec2, "CreateSecurityGroup", params{"groupName": "group " + group, "vpcId": "vpc-1"}, params{"_return": true, "groupId": group}
	case 10: // by name or by id
		if g.rand.IntN(2) == 0 {
			return ec2, "DeleteSecurityGroup", params{"groupName": "group " + group}, params{"_return": true}
		}
		return ec2, "DeleteSecurityGroup", params{"groupId": group}, params{"_return": true}
	}
	return ec2, "DescribeInstances", nil, nil
}

// Key is a partition key that is in use.
func (g *Generator) Key() string { return g.account() }
