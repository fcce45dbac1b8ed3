package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

const kinds = `---
title: Gone
id: gone
correlation: {type: temporal_ordered, rules: [c, b], timespan: 10m, group-by: [awsRegion], condition: c and not b}
---
title: New
id: new
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: [A, B]}, condition: s}
cairn: {first_seen: {fields: [userIdentity.arn], min_history: 1d}}
---
title: More
id: more
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: [A, B, C]}, condition: s}
cairn: {baseline: {by: [userIdentity.arn], threshold: {score: 1}}}
`

// TestShardsMakeNoDifference: the findings of many accounts are the same in one
// shard, in four and in sixteen.
func TestShardsMakeNoDifference(t *testing.T) {
	set := load(t, small("a", "A")+burst+"---\n"+strings.ReplaceAll(small("b", "B"), "eventName: A", "eventName: B")+"---\n"+
		strings.ReplaceAll(small("c", "C"), "eventName: A", "eventName: C")+kinds)
	rapid.Check(t, func(t *rapid.T) {
		type moment struct{ account, gap, name, user int }
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) moment {
			return moment{rapid.IntRange(0, 5).Draw(t, "account"), rapid.SampledFrom([]int{0, 1, 30, 600, 40_000}).Draw(t, "gap"), rapid.IntRange(0, 2).Draw(t, "name"), rapid.IntRange(0, 2).Draw(t, "user")}
		}), 10, 120).Draw(t, "events")
		run := func(shards int) (out []string) {
			detectors := make([]*Detector, shards)
			for i := range detectors {
				store, err := state.Open("", state.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if detectors[i], err = Open(set, store, Options{Lateness: Lateness}); err != nil {
					t.Fatal(err)
				}
			}
			take := func(found []Finding, err error) {
				if err != nil {
					t.Fatal(err)
				}
				for i := range found {
					f := &found[i]
					out = append(out, fmt.Sprint(f.ID, f.Rule.ID, f.Step, f.Level, f.SuppressedBy, f.Summary))
				}
			}
			now := testStart
			for i, m := range events {
				now = now.Add(time.Duration(m.gap) * time.Second)
				for _, d := range detectors {
					take(d.Advance(now.Add(-Lateness)))
				}
				account := fmt.Sprintf("%012d", m.account)
				e, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventID":"%d","eventTime":%q,"recipientAccountId":%q,"awsRegion":"r","eventName":"%c","userIdentity":{"type":"IAMUser","arn":"u%d"}}`,
					i, now.Format(time.RFC3339), account, 'A'+m.name, m.user))
				if err != nil {
					t.Fatal(err)
				}
				h := key.HashOf(account)
				take(detectors[int(h[0])%shards].Event(&Event{Input: rule.Input{Event: e, Actor: identity.Resolve(e)}, Hash: h, Arrival: now}))
			}
			for _, d := range detectors {
				take(d.Advance(now.Add(48 * time.Hour)))
			}
			slices.Sort(out)
			return out
		}
		one := run(1)
		for _, shards := range []int{4, 16} {
			if diff := cmp.Diff(one, run(shards)); diff != "" {
				t.Fatalf("%d shards:\n%s", shards, diff)
			}
		}
	})
}
