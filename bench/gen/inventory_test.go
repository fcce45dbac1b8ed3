package gen

import (
	"cmp"
	"slices"
	"testing"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/resource"
)

// TestResourcesLiveAsInAWS plays a corpus into an inventory in the order in which it happened, and holds that every change of a
// resource that the corpus makes comes after its making and before its end. The inventory's own catalogue is the judge of what a
// record says.
func TestResourcesLiveAsInAWS(t *testing.T) {
	catalogue, err := resource.LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	lives := map[resource.Key]*life{}
	names := resource.MapNames{}
	for _, e := range inOrder(t, Options{Seed: 3, Accounts: 5, EventsPerDay: 1500, Duration: 2 * day}) {
		effects := catalogue.Changes(e, resource.Actor{}, names)
		if effects.Unidentified > 0 {
			t.Fatalf("the catalogue knows the call but finds no resource in it: %s", e.Raw)
		}
		for _, name := range effects.Learned {
			names.Learn(name)
		}
		for _, c := range effects.Changes {
			l := lives[c.Key]
			if l == nil {
				l = &life{}
				lives[c.Key] = l
			}
			l.add(t, &c)
		}
	}
	kinds := map[string]int{}
	for key, l := range lives {
		if l.made && l.gone {
			kinds[key.Type]++
		}
	}
	for _, want := range []string{"AWS::EC2::Instance", "AWS::EC2::Volume", "AWS::EC2::Snapshot", "AWS::EC2::SecurityGroup", "AWS::RDS::DBInstance",
		"AWS::RDS::DBSnapshot", "AWS::Lambda::Function", "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::IAM::AccessKey", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup"} {
		if kinds[want] == 0 {
			t.Errorf("no %s was made and removed", want)
		}
	}
}

// life is what happened to one resource so far.
type life struct {
	made, gone bool
	events     int
}

func (l *life) add(t *testing.T, c *resource.Change) {
	t.Helper()
	l.events++
	switch c.Effect {
	case resource.Create:
		if l.events > 1 {
			t.Errorf("%s %s: made by %s after it was used", c.Key.Type, c.Key.ID, c.EventName)
		}
		l.made = true
	case resource.Delete:
		if l.gone {
			t.Errorf("%s %s: removed twice", c.Key.Type, c.Key.ID)
		}
		l.gone = true
	default:
		if l.gone {
			t.Errorf("%s %s: %s after its end", c.Key.Type, c.Key.ID, c.EventName)
		}
	}
}

// inOrder returns the events of a corpus by their time, those of one second in the order of their making.
func inOrder(t *testing.T, o Options) []*cloudtrail.Event {
	t.Helper()
	var events []*cloudtrail.Event
	for r := range generator(t, o).Events() {
		e, err := cloudtrail.Parse(r.JSON)
		if err != nil {
			t.Fatalf("%v: %s", err, r.JSON)
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b *cloudtrail.Event) int { return cmp.Or(a.Time.Compare(b.Time)) })
	return events
}
