package detect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/resource"
)

// compare runs two sets over some events: a name and a user each, a minute
// apart.
func compare(t *testing.T, old, new string, events ...string) map[string]RuleDiff {
	t.Helper()
	b, err := NewBacktest(load(t, old), load(t, new), &resource.Catalogue{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range events {
		name, user, _ := strings.Cut(text, " ")
		e, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventID":"e%d","eventTime":%q,"recipientAccountId":"1","eventName":%q,"userIdentity":{"type":"IAMUser","arn":%q}}`,
			i, testStart.Add(time.Duration(i)*time.Minute).Format(time.RFC3339), name, user))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	diffs, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]RuleDiff{}
	for _, d := range diffs {
		out[d.ID] = d
	}
	return out
}

func TestABacktestTellsWhatDiffers(t *testing.T) {
	old := small("a", "A") + "---\n" + small("gone", "Gone") + "---\n" + small("same", "Same")
	new := strings.Replace(small("a", "A"), "eventName: A", "eventName: [A, B]", 1) + "---\n" + small("more", "More") + "level: high\n---\n" + small("same", "Same") + "level: high\n"
	got := compare(t, old, new, "A ann", "A ann", "B ann", "A bob")
	a := got["a"]
	if a.Findings != [2]int{3, 4} || a.Alerts != [2]int{2, 2} || a.Added != 1 || a.Removed != 0 || a.Same != 3 || a.Level != 0 || len(a.Samples.Added) != 1 || !strings.Contains(a.Samples.Added[0], "called B") {
		t.Errorf("%+v", a)
	}
	if g := got["gone"]; g.Only != "old" || g.Removed != 3 || !g.Changed() {
		t.Errorf("%+v", g)
	}
	if m := got["more"]; m.Only != "new" || m.Added != 3 || !m.Changed() {
		t.Errorf("%+v", m)
	}
	if s := got["same"]; s.Level != 3 || s.Same != 0 || !s.Changed() {
		t.Errorf("%+v", s)
	}
	if len(got) != 4 {
		t.Errorf("%d rules", len(got))
	}
}

func TestTheSameSetsDoNotDiffer(t *testing.T) {
	for id, d := range compare(t, small("a", "A")+burst, small("a", "A")+burst, "A ann", "A ann", "A ann", "A ann") {
		if d.Changed() || d.Same == 0 {
			t.Errorf("%s: %+v", id, d)
		}
	}
}

func TestThePreviewOfSuppressions(t *testing.T) {
	var events []string
	for range 30 {
		events = append(events, "A ann", "A bob")
	}
	d := compare(t, small("a", "A"), small("a", "A"), events...)["a"]
	// an hour of a call a minute, of two people in turn
	want := [][]Preview{
		{{"10m", "actor", 12}, {"10m", "resource", 6}, {"10m", "account", 6}},
		{{"1h", "actor", 2}, {"1h", "resource", 1}, {"1h", "account", 1}},
		{{"1d", "actor", 2}, {"1d", "resource", 1}, {"1d", "account", 1}},
	}
	if diff := cmp.Diff(want, d.Preview); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Loud{{"ann", 30}, {"bob", 30}}, d.Loudest); diff != "" {
		t.Error(diff)
	}
}
