package resource

import "testing"

func BenchmarkChangesWithoutEffect(b *testing.B) {
	c := load(b)
	e := makeEvent(b, object{"eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances", "readOnly": true})
	b.ReportAllocs()
	for b.Loop() {
		if eff := c.Changes(e, Actor{}, nil); len(eff.Changes) > 0 {
			b.Fatal("a change")
		}
	}
}

func runInstances() object {
	return object{"eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "responseElements": object{"instancesSet": object{"items": []any{object{
		"instanceId": "i-0a01", "imageId": "ami-1", "instanceState": object{"name": "pending"}, "instanceType": "t3.micro", "subnetId": "subnet-1", "vpcId": "vpc-1",
		"privateDnsName": "ip-10-0-0-5.eu-west-1.compute.internal", "privateIpAddress": "10.0.0.5", "placement": object{"availabilityZone": "eu-west-1a"},
		"groupSet": object{"items": []any{object{"groupId": "sg-1", "groupName": "web"}}}, "tagSet": object{"items": []any{object{"key": "Name", "value": "web"}}},
	}}}}}
}

func BenchmarkChanges(b *testing.B) {
	c := load(b)
	e := makeEvent(b, runInstances())
	b.ReportAllocs()
	for b.Loop() {
		if eff := c.Changes(e, Actor{}, nil); len(eff.Changes) == 0 {
			b.Fatal("no change")
		}
	}
}

// BenchmarkApply is what a shard does with a mutating event beside the catalogue: decode, apply, encode.
func BenchmarkApply(b *testing.B) {
	c := load(b)
	launched := c.Changes(makeEvent(b, runInstances()), Actor{Root: "arn:aws:iam::111122223333:user/ann"}, nil).Changes[0]
	var first Record
	first.Apply(&launched)
	data := encode(b, &first)
	tag := c.Changes(makeEvent(b, object{"eventSource": "ec2.amazonaws.com", "eventName": "CreateTags", "requestParameters": someTag}), Actor{}, nil).Changes[0]
	b.ReportAllocs()
	b.ReportMetric(float64(len(data)), "bytes/record")
	for b.Loop() {
		r, err := DecodeRecord(data)
		if err != nil {
			b.Fatal(err)
		}
		r.Apply(&tag)
		if data, err = r.AppendBinary(data[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func TestNoEffectAllocatesNothing(t *testing.T) {
	c := load(t)
	for name, e := range map[string]object{
		"read only":    {"eventSource": "ec2.amazonaws.com", "eventName": "DescribeInstances", "readOnly": true},
		"failed":       {"eventSource": "ec2.amazonaws.com", "eventName": "RunInstances", "errorCode": "Client.UnauthorizedOperation"},
		"other source": {"eventSource": "sts.amazonaws.com", "eventName": "AssumeRole"},
		"versioned":    {"eventSource": "lambda.amazonaws.com", "eventName": "ListFunctions20150331"},
	} {
		event := makeEvent(t, e)
		if n := testing.AllocsPerRun(100, func() { c.Changes(event, Actor{}, nil) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
