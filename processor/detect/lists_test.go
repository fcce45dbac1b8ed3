package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
)

const listed = `network,reason
198.51.100.0/24,scanner
`

// withList is a rule of single events, a correlation over it, a first-seen rule
// and a baseline, all of which ask one list.
const withList = `title: From a bad network
id: match
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A, sourceIPAddress|cidr|expand: '%bad%'}, condition: s}
---
title: Often
id: count
correlation: {type: event_count, rules: [match], group-by: [sourceIPAddress], timespan: 10m, condition: {gte: 2}, generate: true}
---
title: New
id: new
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A, sourceIPAddress|cidr|expand: '%bad%'}, condition: s}
cairn: {first_seen: {fields: [awsRegion]}, suppress: none}
---
title: Many
id: many
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A, sourceIPAddress|cidr|expand: '%bad%'}, condition: s}
cairn: {baseline: {statistic: count, by: [awsRegion], threshold: {score: 1}, min_count: 2}}
`

// TestFindingsSayWhatAListSaid: all kinds of findings have the entry, what
// stands beside it, and the hash of the list.
func TestFindingsSayWhatAListSaid(t *testing.T) {
	set, _, err := rule.Load(rule.Options{}, folder("r.yml", withList, "_lists/bad.csv", listed))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Simulate(set, &resource.Catalogue{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	got := map[string]map[string]string{}
	take := func(f *Finding) {
		row := f.Row("s")
		for name, v := range row.Fields {
			if len(name) > 4 && name[:4] == "list" {
				if got[row.RuleID] == nil {
					got[row.RuleID] = map[string]string{}
				}
				got[row.RuleID][name] = v
			}
		}
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for i := range 240 {
		region, when := "eu-west-1", at.Add(time.Duration(i)*time.Second)
		if i == 0 { // what the account has done for long
			region, when = "eu-central-1", at.Add(-10*24*time.Hour)
		}
		e, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventID":"e%d","eventTime":"%s","eventName":"A","awsRegion":"%s","recipientAccountId":"111122223333","sourceIPAddress":"198.51.100.7"}`,
			i, when.Format(time.RFC3339), region))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Event(e, take); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Advance(at.Add(48*time.Hour), take); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(listed))
	said := map[string]string{"list.bad": hex.EncodeToString(sum[:6]), "list.bad.match": "198.51.100.0/24", "list.bad.reason": "scanner"}
	want := map[string]map[string]string{"match": said, "count": said, "new": said, "many": said}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAWindowGoesOnUnderAnotherList: a changed list is exchanged between two
// events. What was counted stays, and what is found then names the new list.
func TestAWindowGoesOnUnderAnotherList(t *testing.T) {
	text := "title: C\nid: c\ncorrelation: {type: event_count, rules: [match], group-by: [sourceIPAddress], timespan: 10m, condition: {gte: 2}}\n---\n" + withList
	sets := [2]*rule.Set{}
	for i, list := range []string{listed, listed + "203.0.113.0/24,new\n"} {
		var err error
		if sets[i], _, err = rule.Load(rule.Options{}, folder("r.yml", text, "_lists/bad.csv", list)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Simulate(sets[0], &resource.Catalogue{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	hashes := map[string]string{}
	take := func(f *Finding) { hashes[f.Rule.ID] = f.Row("s").Fields["list.bad"] }
	for i, set := range sets {
		if i > 0 { // as a shard exchanges its rules
			if err := s.Detector.Flush(); err != nil {
				t.Fatal(err)
			}
			if s.Detector, err = Open(set, s.store, Options{Lateness: Lateness, Watermark: s.Clock().Add(-Lateness)}); err != nil {
				t.Fatal(err)
			}
		}
		e, err := testEvent(nil, map[string]any{"eventName": "A", "sourceIPAddress": "198.51.100.7"}, testStart.Add(time.Duration(i)*time.Minute), i)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Event(e, take); err != nil {
			t.Fatal(err)
		}
	}
	if want := sets[1].Rules()[0].Lists()[0].Hash; hashes["c"] != want || want == sets[0].Rules()[0].Lists()[0].Hash {
		t.Errorf("%v, want %s", hashes, want)
	}
}
