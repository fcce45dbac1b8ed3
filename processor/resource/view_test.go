package resource

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var instanceKey = Key{"111122223333", "eu-west-1", "AWS::EC2::Instance", "i-0a01"}

func TestViewOfAnInstance(t *testing.T) {
	c := load(t)
	launched := at(1000, Create, "run")
	launched.EventName, launched.State, launched.Actor = "RunInstances", StateCreating, Actor{Root: "ann", Via: "autoscaling.amazonaws.com"}
	launched.Set = []Attr{{"image_id", "ami-1"}, {"instance_type", "t3.micro"}, {"private_ip", "10.0.0.5"}}
	launched.Tags = []Attr{{"Environment", "prod"}, {"Name", "web"}, {"TEAM", "shop"}}
	launched.Add = []Relation{{Kind: "in", Type: "AWS::EC2::VPC", Key: "111122223333/eu-west-1/AWS::EC2::VPC/vpc-1"}}
	stopped := at(9000, Update, "stop")
	stopped.EventName, stopped.State, stopped.Actor = "StopInstances", StateStopped, Actor{Root: "bob"}
	r := fold([]*Change{stopped, launched})
	got := c.View(instanceKey, r, time.Unix(10000, 0))
	want := View{
		Key: instanceKey, ARN: "arn:aws:ec2:eu-west-1:111122223333:instance/i-0a01", Name: "web", State: StateStopped, Origin: OriginEvent,
		Owner: "shop", Environment: "prod", InstanceType: "t3.micro", ImageID: "ami-1", VPCID: "vpc-1", PrivateIP: "10.0.0.5",
		Tags: launched.Tags, Attributes: launched.Set, Relations: launched.Add,
		Created: time.Unix(1000, 0).UTC(), CreatedBy: "ann", CreatedVia: "autoscaling.amazonaws.com", CreatedEventID: "run", CreatedEventName: "RunInstances",
		Changed: time.Unix(9000, 0).UTC(), ChangedBy: "bob", ChangedEventID: "stop", ChangedEventName: "StopInstances",
		FirstSeen: time.Unix(1000, 0).UTC(), EventIDs: []string{"stop", "run"},
	}
	want.Unknown = got.Unknown
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(c.Type("AWS::EC2::Instance").Attributes); len(got.Unknown) != n-3 {
		t.Errorf("%d of %d attributes unknown, 3 were shown", len(got.Unknown), n)
	}
}

func TestCreationSettles(t *testing.T) {
	c := load(t)
	launched := at(1000, Create, "run")
	launched.State = StateCreating
	r := fold([]*Change{launched})
	for after, want := range map[time.Duration]string{0: StateCreating, 10*time.Minute - 1: StateCreating, 10 * time.Minute: StateActive} {
		if got := c.View(instanceKey, r, time.Unix(1000, 0).Add(after)).State; got != want {
			t.Errorf("%v after the launch it is %s, want %s", after, got, want)
		}
	}
	volume := Key{"111122223333", "eu-west-1", "AWS::EC2::Volume", "vol-1"}
	if got := c.View(volume, r, time.Unix(1000, 0)).State; got != StateActive {
		t.Errorf("a volume does not settle, it is %s", got)
	}
}

func TestStatesAndOrigins(t *testing.T) {
	c := load(t)
	for name, test := range map[string]struct {
		changes       []*Change
		state, origin string
		created       bool
	}{
		"touched":                {[]*Change{at(5, Tag, "a")}, StateUnknown, OriginTouched, false},
		"created later":          {[]*Change{at(5, Tag, "a"), at(1, Create, "b")}, StateUnknown, OriginEvent, true},
		"seeded":                 {[]*Change{at(1, Seed, "s"), at(5, Tag, "a")}, StateUnknown, OriginSeed, false},
		"seeded after its birth": {[]*Change{at(1, Create, "a"), at(5, Seed, "s")}, StateUnknown, OriginEvent, true},
		"tombstone":              {[]*Change{at(1, Create, "a"), at(5, Delete, "d")}, StateDeleted, OriginEvent, true},
		"tombstone of a touch":   {[]*Change{at(5, Delete, "d")}, StateDeleted, OriginTouched, false},
		"reused":                 {[]*Change{at(1, Create, "a"), at(5, Delete, "d"), at(6, Create, "c")}, StateUnknown, OriginEvent, true},
	} {
		t.Run(name, func(t *testing.T) {
			v := c.View(instanceKey, fold(test.changes), time.Unix(100000, 0))
			if v.State != test.state || v.Origin != test.origin || v.Created.IsZero() == test.created {
				t.Errorf("state %s, origin %s, created %v", v.State, v.Origin, v.Created)
			}
			if v.Deleted.IsZero() == (test.state == StateDeleted) {
				t.Errorf("deleted %v", v.Deleted)
			}
		})
	}
}

func TestUnsetIsNotUnknown(t *testing.T) {
	c := load(t)
	update := at(5, Update, "u")
	update.Unset = []string{"concurrency"}
	v := c.View(Key{"111122223333", "eu-west-1", "AWS::Lambda::Function", "f"}, fold([]*Change{update}), time.Unix(10, 0))
	for _, name := range v.Unknown {
		if name == "concurrency" {
			t.Error("an attribute that was cleared counts as unknown")
		}
	}
	if v.Name != "f" {
		t.Errorf("name %q: a function is called by its id", v.Name)
	}
}

func TestOwnerTagsCanBeChosen(t *testing.T) {
	c := load(t).WithTags([]string{"CostCentre"}, nil)
	tagged := at(1, Create, "a")
	tagged.Tags = []Attr{{"Env", "test"}, {"costcentre", "42"}, {"owner", "ann"}}
	if v := c.View(instanceKey, fold([]*Change{tagged}), time.Unix(10, 0)); v.Owner != "42" || v.Environment != "test" {
		t.Errorf("owner %q, environment %q", v.Owner, v.Environment)
	}
}

func TestDerivations(t *testing.T) {
	rule := func(key string) Relation { return Relation{Kind: "allows", Type: "rule", Key: key} }
	share := []Relation{{Kind: "shared_with", Type: "group", Key: "all"}}
	for _, test := range []struct {
		made string
		view View
		want string
	}{
		{"world_ports", View{}, ""},
		{"world_ports", View{Relations: []Relation{rule("ingress tcp 22-22 0.0.0.0/0")}}, "22"},
		{"world_ports", View{Relations: []Relation{rule("ingress tcp 0-65535 ::/0")}}, "22,3389"},
		{"world_ports", View{Relations: []Relation{rule("ingress tcp 22-22 192.0.2.7/0")}}, "22"},
		{"world_ports", View{Relations: []Relation{rule("ingress tcp 80-80 0.0.0.0/0"), rule("ingress udp 22-22 0.0.0.0/0")}}, ""},
		{"world_ports", View{Relations: []Relation{rule("ingress tcp 22-22 10.0.0.0/8"), rule("egress all 0.0.0.0/0")}}, ""},
		{"world_ports", View{Relations: []Relation{rule("ingress all 0.0.0.0/0"), rule("ingress tcp 22-22 0.0.0.0/0")}}, "all"},
		{"shared_with_all", View{Relations: share}, "true"},
		{"shared_with_all", View{Origin: OriginEvent}, "false"},
		{"shared_with_all", View{Origin: OriginTouched}, ""},
		{"bucket_public", View{}, ""},
		{"bucket_public", View{Attributes: []Attr{{"acl_public", "false"}, {"policy_public", "false"}}}, "false"},
		{"bucket_public", View{Attributes: []Attr{{"policy_public", "true"}}}, "true"},
		{"bucket_public", View{Attributes: []Attr{{"policy_public", "true"}, {"restrict_public_buckets", "true"}, {"acl_public", "false"}}}, "false"},
		{"bucket_public", View{Attributes: []Attr{{"acl_public", "true"}, {"ignore_public_acls", "true"}}}, ""},
		{"permission_public", View{}, ""},
		{"permission_public", View{Attributes: []Attr{{"principal", "*"}}}, "true"},
		{"permission_public", View{Attributes: []Attr{{"principal", "*"}, {"organization", "o-1"}}}, "false"},
		{"permission_public", View{Attributes: []Attr{{"principal", "s3.amazonaws.com"}}}, "false"},
		{"url_public", View{Attributes: []Attr{{"auth_type", "NONE"}}}, "true"},
		{"url_public", View{Attributes: []Attr{{"auth_type", "AWS_IAM"}}}, "false"},
	} {
		if got := derivations[test.made](&test.view); got != test.want {
			t.Errorf("%s of %+v is %q, want %q", test.made, test.view.Relations, got, test.want)
		}
	}
}

func TestPolicyPublic(t *testing.T) {
	for policy, want := range map[string]string{
		`{"Statement":[{"Effect":"Allow","Principal":"*"}]}`:                                                "true",
		`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"}}}`:                                          "true",
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:x","*"]}}]}`:                              "true",
		`%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%22%2A%22%7D%7D`:            "true",
		`{"Statement":[{"Effect":"Deny","Principal":"*"}]}`:                                                 "false",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"Bool":{"aws:SecureTransport":1}}}]}`: "false",
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"*"}}]}`:                                    "false",
		`{}`:       "false",
		`not JSON`: "",
		`[]`:       "",
	} {
		if got := policyPublic(item{made: policy}); got != want {
			t.Errorf("%s: %q, want %q", policy, got, want)
		}
	}
}

func TestChangeViewOfADelete(t *testing.T) {
	c := load(t)
	deleted := at(5, Delete, "d")
	deleted.Key, deleted.State, deleted.EventName, deleted.EventSource = instanceKey, StateDeleted, "TerminateInstances", "ec2.amazonaws.com"
	var r Record
	v := c.ChangeView(deleted, r.Apply(deleted))
	no := false
	want := ChangeView{
		Key: instanceKey, ARN: "arn:aws:ec2:eu-west-1:111122223333:instance/i-0a01", Effect: "delete", State: "deleted", Alive: &no,
		Version: "0000000005000/2/d", Time: time.Unix(5, 0).UTC(), EventID: "d", EventName: "TerminateInstances", EventSource: "ec2.amazonaws.com",
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	tag := at(6, Tag, "t")
	if v := c.ChangeView(tag, r.Apply(tag)); v.Alive != nil {
		t.Errorf("a tag of an instance says alive %v", *v.Alive)
	}
}

func TestNameRowLearnsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lessons := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Learned {
			return Learned{
				Kind: "name x", Scope: "s", Name: "n", ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id"),
				Version: Version{rapid.Int64Range(1, 60).Draw(t, "ms"), RankCreate, "e"}, Made: rapid.Bool().Draw(t, "made"),
			}
		}), 0, 60).Draw(t, "lessons")
		var one, other NameRow
		for _, l := range lessons {
			one.Learn(l)
		}
		for _, l := range rapid.Permutation(append(lessons, lessons...)).Draw(t, "order") {
			other.Learn(l)
		}
		a, _ := one.AppendBinary(nil)
		b, _ := other.AppendBinary(nil)
		if string(a) != string(b) {
			t.Fatalf("%+v\n%+v", one, other)
		}
		back, err := DecodeNameRow(a)
		if err != nil || !cmp.Equal(one.meanings, back.meanings, cmp.AllowUnexported(meaning{})) && len(one.meanings) > 0 {
			t.Fatalf("round trip: %v %+v", err, back)
		}
	})
}

func TestNameBeforeItsFirstLesson(t *testing.T) {
	at := func(ms int64) Version { return Version{ms, RankChange, "x"} }
	for _, test := range []struct {
		made bool
		want bool
	}{{true, false}, {false, true}} {
		var row NameRow
		row.Learn(Learned{ID: "sg-1", Version: Version{10, RankCreate, "e"}, Made: test.made})
		if id, ok := row.Lookup(at(5)); ok != test.want || ok && id != "sg-1" {
			t.Errorf("made %v: %q %v", test.made, id, ok)
		}
		if id, ok := row.Lookup(at(10)); !ok || id != "sg-1" {
			t.Errorf("after the lesson: %q %v", id, ok)
		}
	}
}
