package detect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/resource"
)

const openRule = `title: Plain
id: plain
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
cairn: {asset: {s: {resource.encrypted: false}, condition: s}}
`

const stateRule = `title: Open
id: open
logsource: {product: cairn, category: resource}
detection:
  s: {resource.ports: [22, 3389]}
  old: {change.actor|endswith: bob}
  condition: s
level: high
cairn: {severity: {raise_when: old}}
`

func db(id string, pairs ...string) Touched {
	fields := map[string]string{"resource.key": id, "resource.state": "active"}
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = pairs[i+1]
	}
	return Touched{Key: id, After: assetFields(fields)}
}

// TestFindingsOfResourcesStayOpen until the condition ceases to hold, or the
// resource is gone; then the same may open anew, under another id.
func TestFindingsOfResourcesStayOpen(t *testing.T) {
	for name, over := range map[string]Touched{
		"better": db("one", "resource.encrypted", "true"), "not known any more": db("one"),
		"gone": db("one", "resource.encrypted", "false", "resource.state", "deleted"),
	} {
		s := newStream(t, openRule)
		s.event(ann, db("one", "resource.encrypted", "false"), db("two", "resource.encrypted", "false"), db("three", "resource.encrypted", "true"))
		s.event(ann, db("one", "resource.encrypted", "false"))
		s.open()
		s.now = s.now.Add(time.Hour)
		s.event(strings.Replace(bob, `"A"`, `"B"`, 1), over)
		s.event(strings.Replace(bob, `"A"`, `"B"`, 1), over)
		s.event(ann, db("one", "resource.encrypted", "false"))
		want := []string{"plain start medium", "plain start medium", "plain end medium resolved", "plain start medium"}
		if diff := cmp.Diff(want, s.steps()); diff != "" {
			t.Fatalf("%s\n%s", name, diff)
		}
		first, resolved, again := &s.found[0], &s.found[2], &s.found[3]
		if first.ID == s.found[1].ID || resolved.ID != first.ID || again.ID == first.ID || !slices.Equal(resolved.Resources, []string{"one"}) {
			t.Errorf("%s: ids %s, %s, %s, %s", name, first.ID, s.found[1].ID, resolved.ID, again.ID)
		}
		if row := resolved.Row("s"); row.State != "resolved" || *row.ActorRoot != "arn:aws:iam::111122223333:user/bob" || row.TriggerEventID == first.EventID {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

// TestWhatIsNotKnownIsNotSaidToBeMended: a change that leaves an attribute
// unknown ends the finding, and says so; one that makes it known mends it.
func TestWhatIsNotKnownIsNotSaidToBeMended(t *testing.T) {
	for want, after := range map[string]Touched{
		export.NotKnown: db("one", "resource.unknown", "encrypted"),
		"":              db("one", "resource.encrypted", "true"),
	} {
		s := newStream(t, openRule)
		s.event(ann, db("one", "resource.encrypted", "false"))
		s.event(bob, after)
		last := s.found[len(s.found)-1]
		if reason := last.Row("s").Fields[export.ReasonField]; !last.Resolved || reason != want || strings.Contains(last.Summary, "no longer known to hold") != (want != "") {
			t.Errorf("reason %q, want %q: %s", reason, want, last.Summary)
		}
	}
}

// TestRulesOverStateSpeakOfTheActorOfTheChange and follow it to its end.
func TestRulesOverStateSpeakOfTheActorOfTheChange(t *testing.T) {
	s := newStream(t, stateRule)
	s.event(bob, db("sg", "resource.ports", "22", "change.actor", "user/bob"))
	s.event(ann, db("sg", "resource.ports", "3389", "change.actor", "user/ann"))
	s.event(ann, db("other", "resource.ports", "443"))
	s.event(ann, db("sg", "resource.ports", "443"))
	if diff := cmp.Diff([]string{"open start critical", "open end critical resolved"}, s.steps()); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsGoneOpensNothing: what was known of a resource last stays known, and an event about it may come late.
func TestWhatIsGoneOpensNothing(t *testing.T) {
	s := newStream(t, stateRule)
	s.event(ann, db("sg", "resource.ports", "22"))
	s.event(ann, db("sg", "resource.ports", "22", "resource.state", "deleted"))
	s.event(ann, db("sg", "resource.ports", "22", "resource.state", "deleted"))
	s.event(ann, db("early", "resource.ports", "22", "resource.state", "deleted"))
	if diff := cmp.Diff([]string{"open start high", "open end high resolved"}, s.steps()); diff != "" {
		t.Error(diff)
	}
}

// TestFindingsFollowAResourceToItsKey: a group is opened by its name before its creation, which tells the id, is seen. That is one
// finding, and it is over when the group of that id is closed.
func TestFindingsFollowAResourceToItsKey(t *testing.T) {
	s := newStream(t, stateRule)
	s.event(ann, db("web", "resource.ports", "22"))
	s.moved = []Move{{"web", "sg-1"}}
	s.event(ann, db("sg-1", "resource.ports", "22"))
	s.moved = nil
	s.event(ann, db("sg-1", "resource.ports", "443"))
	if diff := cmp.Diff([]string{"open start high", "open end high resolved"}, s.steps()); diff != "" {
		t.Fatal(diff)
	}
	if over := s.found[1]; over.ID != s.found[0].ID || !slices.Equal(over.Resources, []string{"sg-1"}) {
		t.Errorf("finding %s about %v ended, want %s about sg-1", over.ID, over.Resources, s.found[0].ID)
	}
}

// TestTwoFindingsThatBecomeOneEndTogether: what was open under the name and
// under the id does not stay open for good.
func TestTwoFindingsThatBecomeOneEndTogether(t *testing.T) {
	s := newStream(t, stateRule)
	s.event(ann, db("web", "resource.ports", "22"))
	s.event(ann, db("sg-1", "resource.ports", "22"))
	s.moved = []Move{{"web", "sg-1"}}
	s.event(ann, db("sg-1", "resource.ports", "22"))
	s.moved = nil
	s.event(ann, db("sg-1", "resource.ports", "443"))
	var ended []string
	for _, f := range s.found {
		if f.Resolved {
			ended = append(ended, f.ID)
		}
	}
	if want := []string{s.found[1].ID, s.found[0].ID}; !slices.Equal(ended, want) {
		t.Errorf("ended %v, want %v", ended, want)
	}
}

// TestWhatWasBeforeIsOverAtOnce: a rule about the state without the event has
// nothing to resolve.
func TestWhatWasBeforeIsOverAtOnce(t *testing.T) {
	s := newStream(t, strings.Replace(openRule, "asset: {", "asset: {at: before, ", 1))
	before := func() Touched {
		return Touched{Key: "one", Before: assetFields(map[string]string{"resource.encrypted": "false"}), After: assetFields(map[string]string{"resource.state": "deleted"})}
	}
	s.event(ann, before())
	s.event(ann, before())
	s.event(ann, Touched{Key: "new", After: assetFields(map[string]string{"resource.encrypted": "false"})})
	if diff := cmp.Diff([]string{"plain start medium", "plain start medium"}, s.steps()); diff != "" {
		t.Error(diff)
	}
}

// TestARuleThatIsGoneResolvesNothing.
func TestARuleThatIsGoneResolvesNothing(t *testing.T) {
	s := newStream(t, openRule+"---\n"+stateRule)
	s.event(ann, db("one", "resource.encrypted", "false"))
	s.set = load(t, stateRule)
	s.open()
	s.event(ann, db("one", "resource.encrypted", "true"))
	if diff := cmp.Diff([]string{"plain start medium"}, s.steps()); diff != "" {
		t.Error(diff)
	}
}

func TestFieldsOfAResource(t *testing.T) {
	created := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	v := &resource.View{Key: resource.Key{Account: "111122223333", Region: "eu-west-1", Type: "AWS::EC2::SecurityGroup", ID: "sg-1"}, ARN: "arn:x", Name: "web",
		State: "active", Origin: "event", Owner: "team", Created: created, CreatedBy: "ann", Unknown: []string{"vpc", "rules"},
		Tags: []resource.Attr{{Name: "team", Value: "a"}, {Name: "x.y", Value: "dots"}}, Attributes: []resource.Attr{{Name: "world_ports", Value: "22,3389"}, {Name: "encrypted", Value: "false"}}}
	change := &resource.Change{Effect: resource.Create, EventName: "CreateSecurityGroup", EventSource: "ec2.amazonaws.com", Actor: resource.Actor{Root: "ann"}}
	r := Fields(v, change, created.Add(50*time.Hour))
	for path, want := range map[string][]string{
		"resource.type": {"AWS::EC2::SecurityGroup"}, "resource.key": {"111122223333/eu-west-1/AWS::EC2::SecurityGroup/sg-1"}, "resource.id": {"sg-1"},
		"resource.account": {"111122223333"}, "resource.region": {"eu-west-1"}, "resource.arn": {"arn:x"}, "resource.name": {"web"}, "resource.state": {"active"},
		"resource.origin": {"event"}, "resource.owner": {"team"}, "resource.environment": nil, "resource.vpc_id": nil, "resource.subnet_id": nil, "resource.created_by": {"ann"},
		"resource.age_days": {"2"}, "resource.unknown": {"vpc", "rules"}, "resource.tags.team": {"a"}, "resource.tags.x.y": {"dots"}, "resource.tags.none": nil,
		"resource.world_ports": {"22", "3389"}, "resource.encrypted": {"false"}, "resource.nothing": nil,
		"change.effect": {"create"}, "change.event": {"CreateSecurityGroup"}, "change.source": {"ec2.amazonaws.com"}, "change.actor": {"ann"}, "change.via": nil, "change.x": nil,
	} {
		if got := r(path); !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if got := Fields(v, nil, created)("change.effect"); got != nil {
		t.Errorf("without a change: %q", got)
	}
	if got := Fields(v, nil, created.Add(-time.Hour))("resource.age_days"); got != nil {
		t.Errorf("the age before the creation is %q", got)
	}
}

// TestSnapshotsFindWhatNoEventTells: an age passes a limit, and goes on until
// a snapshot no longer shows it.
func TestSnapshotsFindWhatNoEventTells(t *testing.T) {
	s := newStream(t, `title: Old
id: old
logsource: {product: cairn, category: resource}
detection: {s: {resource.age_days|gt: 90}, condition: s}
cairn: {evaluate: [snapshot]}
---
`+stateRule)
	if !s.detector.WantsSnapshots() || newStream(t, stateRule).detector.WantsSnapshots() {
		t.Error("the detector does not know whether it wants snapshots")
	}
	look := func(age string) {
		s.now = s.now.Add(24 * time.Hour)
		s.take(s.detector.Snapshot(&Snapshot{At: s.now, Key: "k", AccountID: "111122223333", Region: "eu-west-1", State: assetFields(map[string]string{"resource.age_days": age, "resource.ports": "22"}), Position: "7"}))
	}
	look("90")
	look("91")
	look("92")
	s.event(ann, db("k")) // a change does not speak of the age
	look("1")
	if diff := cmp.Diff([]string{"old start medium", "old end medium resolved"}, s.steps()); diff != "" {
		t.Fatal(diff)
	}
	row := s.found[0].Row("s")
	if *row.AccountID != "111122223333" || *row.Region != "eu-west-1" || row.TriggerEventID != "" || row.EventCount != 0 || row.EventTS != testStart.Add(48*time.Hour).UnixMilli() || row.Sequence != "7" ||
		row.Summary != "Old: k of account 111122223333 was found so at 2026-03-03 10:00:00 UTC" || s.found[1].ID != row.FindingID {
		t.Errorf("%+v", row)
	}
}
