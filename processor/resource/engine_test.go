package resource

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

type object = map[string]any

var (
	volume    = object{"volumeId": "vol-0a01"}
	someTag   = object{"resourcesSet": object{"items": []any{object{"resourceId": "i-0a01"}}}, "tagSet": object{"items": []any{object{"key": "a", "value": "b"}}}}
	terminate = object{"instancesSet": object{"items": []any{object{"instanceId": "i-0a01", "previousState": object{"name": "shutting-down"}}}}}
)

// Each event fails one of the tests that decide whether an event has an effect; the first has one.
func TestOrderOfTests(t *testing.T) {
	c := load(t)
	deleteVolume := func(more object) object {
		e := object{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVolume", "requestParameters": volume, "responseElements": object{"_return": true}}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	for name, test := range map[string]struct {
		event object
		want  int
	}{
		"has an effect":               {deleteVolume(nil), 1},
		"error in spite of response":  {deleteVolume(object{"errorCode": "Client.DryRunOperation"}), 0},
		"another source":              {deleteVolume(object{"eventSource": "opsworks.amazonaws.com"}), 0},
		"another name":                {deleteVolume(object{"eventName": "DescribeVolumes"}), 0},
		"longer name":                 {deleteVolume(object{"eventName": "DeleteVolume20150331"}), 0},
		"read only":                   {deleteVolume(object{"readOnly": true}), 0},
		"not read only":               {deleteVolume(object{"readOnly": false}), 1},
		"refused by the response":     {deleteVolume(object{"responseElements": object{"_return": false}}), 0},
		"no parameters":               {deleteVolume(object{"requestParameters": nil}), 0},
		"the list names the owner":    {deleteVolume(object{"resources": []any{object{"type": "AWS::EC2::Volume", "accountId": "444455556666"}}}), 0},
		"the list names another type": {deleteVolume(object{"resources": []any{object{"type": "AWS::S3::Bucket", "accountId": "444455556666"}}}), 1},
		"skipped by unless":           {object{"eventSource": "ec2.amazonaws.com", "eventName": "TerminateInstances", "responseElements": terminate}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := len(c.Changes(makeEvent(t, test.event), Actor{}, nil).Changes); got != test.want {
				t.Errorf("%d changes, want %d", got, test.want)
			}
		})
	}
}

func TestUnidentified(t *testing.T) {
	c := load(t)
	for name, test := range map[string]struct {
		event object
		want  int
	}{
		"no parameters at all":   {object{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVolume"}, 1},
		"attachment of nobody":   {object{"eventSource": "ec2.amazonaws.com", "eventName": "DisassociateRouteTable", "requestParameters": object{"associationId": "rtbassoc-9"}}, 1},
		"a type we do not track": {object{"eventSource": "ec2.amazonaws.com", "eventName": "CreateTags", "requestParameters": object{"resourcesSet": object{"items": object{"resourceId": "tgw-1"}}}}, 0},
		"already going":          {object{"eventSource": "ec2.amazonaws.com", "eventName": "TerminateInstances", "responseElements": terminate}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if eff := c.Changes(makeEvent(t, test.event), Actor{}, nil); eff.Unidentified != test.want || len(eff.Changes) != 0 {
				t.Errorf("unidentified %d, %d changes; want %d and 0", eff.Unidentified, len(eff.Changes), test.want)
			}
		})
	}
}

func TestDuplicatesOfOneTagCallAreOneChangePerID(t *testing.T) {
	e := makeEvent(t, object{"eventSource": "ec2.amazonaws.com", "eventName": "CreateTags", "requestParameters": someTag})
	changes := load(t).Changes(e, Actor{}, nil).Changes
	if len(changes) != 1 || changes[0].Key.String() != "111122223333/eu-west-1/AWS::EC2::Instance/i-0a01" {
		t.Fatalf("%+v", changes)
	}
	if diff := cmp.Diff([]Attr{{"a", "b"}}, changes[0].Tags); diff != "" {
		t.Error(diff)
	}
}

// A record shows the owner in three ways; only the owner's copy counts.
func TestCopyOfAnotherAccount(t *testing.T) {
	c := load(t)
	grant := func(recipient, owner string) int {
		e := makeEvent(t, object{
			"eventSource": "kms.amazonaws.com", "eventName": "CreateGrant", "recipientAccountId": recipient,
			"requestParameters": object{"keyId": "arn:aws:kms:eu-west-1:" + owner + ":key/0000"}, "responseElements": object{"grantId": "g"},
		})
		return len(c.Changes(e, Actor{}, nil).Changes)
	}
	if own, foreign := grant("111122223333", "111122223333"), grant("111122223333", "444455556666"); own != 1 || foreign != 0 {
		t.Errorf("own copy %d changes, foreign copy %d; want 1 and 0", own, foreign)
	}
}

func TestActorAndVia(t *testing.T) {
	c := load(t)
	via := func(by any, given string) Actor {
		e := makeEvent(t, object{
			"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVolume", "requestParameters": volume,
			"userIdentity": object{"type": "IAMUser", "invokedBy": by},
		})
		return c.Changes(e, Actor{Root: "ann", Via: given}, nil).Changes[0].Actor
	}
	for _, test := range []struct {
		invokedBy any
		given     string
		want      string
	}{
		{nil, "", ""}, {"cloudformation.amazonaws.com", "", "cloudformation.amazonaws.com"},
		{"signin.amazonaws.com", "", ""}, // a person in the console
		{"cloudformation.amazonaws.com", "other", "other"},
	} {
		if got := via(test.invokedBy, test.given); got != (Actor{Root: "ann", Via: test.want}) {
			t.Errorf("invokedBy %v, given %q: %+v", test.invokedBy, test.given, got)
		}
	}
}

func TestVersionOfAChange(t *testing.T) {
	e := makeEvent(t, object{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVolume", "requestParameters": volume, "eventTime": "2026-03-01T10:00:00Z", "eventID": "abc"})
	// 2026-03-01T10:00:00Z is 1772359200 seconds after 1970; a delete has rank 2.
	if got := load(t).Changes(e, Actor{}, nil).Changes[0].Version.String(); got != "1772359200000/2/abc" {
		t.Error(got)
	}
}

func TestRegionsAndPartitions(t *testing.T) {
	c := load(t)
	for _, test := range []struct{ source, name, region, id, key, arn string }{
		{"ec2", "DeleteVolume", "cn-north-1", "volumeId", "111122223333/cn-north-1/AWS::EC2::Volume/x", "arn:aws-cn:ec2:cn-north-1:111122223333:volume/x"},
		{"ec2", "DeleteVolume", "us-gov-west-1", "volumeId", "111122223333/us-gov-west-1/AWS::EC2::Volume/x", "arn:aws-us-gov:ec2:us-gov-west-1:111122223333:volume/x"},
		{"s3", "DeleteBucket", "eu-west-1", "bucketName", "111122223333/global/AWS::S3::Bucket/x", "arn:aws:s3:::x"},
		{"iam", "DeleteUser", "us-east-1", "userName", "111122223333/global/AWS::IAM::User/x", "arn:aws:iam::111122223333:user/x"},
		{"iam", "DeleteAccessKey", "us-east-1", "accessKeyId", "111122223333/global/AWS::IAM::AccessKey/x", ""},
		{"ssm", "DeleteParameter", "eu-west-1", "name", "111122223333/eu-west-1/AWS::SSM::Parameter/x", "arn:aws:ssm:eu-west-1:111122223333:parameter/x"},
		{"secretsmanager", "PutSecretValue", "eu-west-1", "secretId", "111122223333/eu-west-1/AWS::SecretsManager::Secret/x", ""}, // its suffix is not known
	} {
		e := makeEvent(t, object{"eventSource": test.source + ".amazonaws.com", "eventName": test.name, "awsRegion": test.region, "requestParameters": object{test.id: "x"}})
		changes := c.Changes(e, Actor{}, nil).Changes
		if len(changes) != 1 {
			t.Errorf("%s: %d changes", test.name, len(changes))
			continue
		}
		var r Record
		view := c.ChangeView(&changes[0], r.Apply(&changes[0]))
		if view.Key.String() != test.key || view.ARN != test.arn {
			t.Errorf("%s: key %s, arn %s; want %s, %s", test.name, view.Key, view.ARN, test.key, test.arn)
		}
	}
}

// A parameter's ARN has one slash before a name that begins with one.
func TestARNOfNameWithSlash(t *testing.T) {
	got := load(t).Type("AWS::SSM::Parameter").arn(Key{"111122223333", "eu-west-1", "AWS::SSM::Parameter", "/a/b"}, "")
	if got != "arn:aws:ssm:eu-west-1:111122223333:parameter/a/b" {
		t.Error(got)
	}
}

func TestNameOfFunctionHasManyForms(t *testing.T) {
	kind := load(t).Type("AWS::Lambda::Function")
	for _, raw := range []string{
		"f", "f:live", "f:$LATEST", "111122223333:function:f", "111122223333:function:f:3",
		"arn:aws:lambda:eu-west-1:111122223333:function:f", "arn:aws:lambda:eu-west-1:111122223333:function:f:live",
	} {
		found, ok := kind.identify(raw)
		if !ok || found.id != "f" {
			t.Errorf("%s is %+v", raw, found)
		}
		if strings.HasPrefix(raw, "arn:") && (found.arn != "arn:aws:lambda:eu-west-1:111122223333:function:f" || found.account != "111122223333") {
			t.Errorf("%s is %+v", raw, found)
		}
	}
	if _, ok := kind.identify("arn:aws:s3:::f"); ok {
		t.Error("an ARN of another service is no function")
	}
}

// An ARN of the event replaces the one that the template gives, and only within the same life.
func TestBetterARN(t *testing.T) {
	c := load(t)
	var r Record
	for i, test := range []struct{ name, arn string }{
		{"DeleteUser", "arn:aws:iam::111122223333:user/ann"},
		{"CreateUser", "arn:aws:iam::111122223333:user/shop/ann"},
		{"TagUser", "arn:aws:iam::111122223333:user/shop/ann"},
	} {
		e := makeEvent(t, object{
			"eventSource": "iam.amazonaws.com", "eventName": test.name, "eventTime": fmt.Sprintf("2026-03-01T00:00:0%dZ", i),
			"requestParameters": object{"userName": "ann"}, "responseElements": object{"user": object{"arn": "arn:aws:iam::111122223333:user/shop/ann"}},
		})
		change := c.Changes(e, Actor{}, nil).Changes[0]
		if view := c.ChangeView(&change, r.Apply(&change)); view.ARN != test.arn {
			t.Errorf("%s: %s, want %s", test.name, view.ARN, test.arn)
		}
	}
}

func TestShapesThatBend(t *testing.T) {
	c := load(t)
	for name, test := range map[string]struct {
		tags any
		want []Attr
	}{
		"a list":              {[]any{object{"Key": "a", "Value": "1"}, object{"Key": "b", "Value": 2}}, []Attr{{"a", "1"}, {"b", "2"}}},
		"an object":           {object{"Key": "a", "Value": true}, []Attr{{"a", "true"}}},
		"a key without value": {object{"Key": "a"}, []Attr{{"a", ""}}},
		"an empty text":       {"", nil},
		"a list of it":        {[]any{""}, nil},
		"null":                {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := makeEvent(t, object{
				"eventSource": "s3.amazonaws.com", "eventName": "PutBucketTagging",
				"requestParameters": object{"bucketName": "b", "tagging": []any{""}, "Tagging": object{"TagSet": object{"Tag": test.tags}}},
			})
			changes := c.Changes(e, Actor{}, nil).Changes
			if len(changes) != 1 || !changes[0].ReplaceTags {
				t.Fatalf("%+v", changes)
			}
			if diff := cmp.Diff(test.want, changes[0].Tags); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLongTextIsCutAtACharacter(t *testing.T) {
	long := strings.Repeat("é", maxText) // two bytes each: the cut falls between characters
	if got := bound(long); len(got) > maxText || strings.ContainsRune(got, '\uFFFD') || !strings.HasPrefix(long, got) {
		t.Errorf("%d bytes", len(got))
	}
}

// Two groups of one name, one after the other: a call by name means the group of its time.
func TestNameMeansTheGroupOfItsTime(t *testing.T) {
	c := load(t)
	names := MapNames{}
	event := func(name, at string, q, r any) Effects {
		return c.Changes(makeEvent(t, object{"eventSource": "ec2.amazonaws.com", "eventName": name, "eventTime": at, "eventID": name + at, "requestParameters": q, "responseElements": r}), Actor{}, names)
	}
	for i, id := range []string{"sg-1", "sg-2"} {
		for _, l := range event("CreateSecurityGroup", fmt.Sprintf("2026-03-0%dT00:00:00Z", 2*i+1), object{"groupName": "web"}, object{"groupId": id}).Learned {
			names.Learn(l)
		}
	}
	for at, want := range map[string]string{"2026-03-02T00:00:00Z": "sg-1", "2026-03-04T00:00:00Z": "sg-2", "2026-02-01T00:00:00Z": "web"} {
		change := event("DeleteSecurityGroup", at, object{"groupName": "web"}, nil).Changes[0]
		if change.Key.ID != want || (change.Unresolved != "") != (want == "web") {
			t.Errorf("at %s the name is %+v, unresolved %q; want %s", at, change.Key, change.Unresolved, want)
		}
	}
}

func TestAddedFolders(t *testing.T) {
	added := fstest.MapFS{"mine.yml": {Data: []byte(`
source: ec2.amazonaws.com
types:
  AWS::EC2::TransitGateway:
    arn: "arn:{partition}:ec2:{region}:{account}:transit-gateway/{id}"
    id: {prefix: "tgw-", reused: false}
events:
  - {on: CreateTransitGateway, evidence: shape, effect: create, type: "AWS::EC2::TransitGateway", id: r.CreateTransitGatewayResponse.transitGateway.transitGatewayId}
  - {on: DeleteVolume, evidence: shape, effect: touch, type: "AWS::EC2::Volume", id: q.volumeId}
`)}, "notes.txt": {Data: []byte("not read")}}
	c, err := LoadCatalogue(added)
	if err != nil {
		t.Fatal(err)
	}
	create := makeEvent(t, object{"eventSource": "ec2.amazonaws.com", "eventName": "CreateTransitGateway", "responseElements": object{"CreateTransitGatewayResponse": object{"transitGateway": object{"transitGatewayId": "tgw-1"}}}})
	if got := c.Changes(create, Actor{}, nil).Changes; len(got) != 1 || got[0].Key.ID != "tgw-1" {
		t.Errorf("added entry: %+v", got)
	}
	replaced := makeEvent(t, object{"eventSource": "ec2.amazonaws.com", "eventName": "DeleteVolume", "requestParameters": volume})
	if got := c.Changes(replaced, Actor{}, nil).Changes; len(got) != 1 || got[0].Effect != Touch {
		t.Errorf("replaced entry: %+v", got)
	}
}
