package detect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// allCorrelations is one rule of each kind that looks at several events, and
// one that looks at one.
const allCorrelations = `{title: A, id: a, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: A}, condition: s}}
---
{title: B, id: b, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: B}, condition: s}}
---
{title: C, id: c, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: C}, condition: s}}
---
{title: One, id: one, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: C, requestParameters.size: 9}, condition: s}, cairn: {suppress: none}}
---
{title: Count, id: count, correlation: {type: event_count, rules: [a], group-by: [userIdentity.arn], timespan: 4m, condition: {gte: 4}}}
---
{title: Few, id: few, correlation: {type: event_count, rules: [a, b], group-by: [userIdentity.arn], timespan: 4m, condition: {lt: 2}}}
---
{title: Between, id: between, correlation: {type: event_count, rules: [a], group-by: [userIdentity.arn], timespan: 4m, condition: {gte: 3, lt: 5}}}
---
{title: Values, id: values, correlation: {type: value_count, rules: [b], group-by: [userIdentity.arn], timespan: 4m, condition: {field: requestParameters.secret, gte: 3}}}
---
{title: Sum, id: sum, correlation: {type: value_sum, rules: [c], group-by: [userIdentity.arn], timespan: 4m, condition: {field: requestParameters.size, gte: 20}}}
---
{title: Mean, id: mean, correlation: {type: value_avg, rules: [c], group-by: [userIdentity.arn], timespan: 4m, condition: {field: requestParameters.size, gte: 7}}}
---
{title: Percentile, id: percentile, correlation: {type: value_percentile, rules: [c], group-by: [userIdentity.arn], timespan: 4m, condition: {field: requestParameters.size, percentile: 75, gte: 8}}}
---
{title: Together, id: together, correlation: {type: temporal, rules: [a, b, c], group-by: [userIdentity.arn], timespan: 1m}}
---
{title: Ordered, id: ordered, correlation: {type: temporal_ordered, rules: [a, b, c], group-by: [userIdentity.arn], timespan: 2m}}
---
{title: Boolean, id: boolean, correlation: {type: temporal, rules: [a, b, c], group-by: [userIdentity.arn], timespan: 1m, condition: a and b and not c}}
---
{title: Absent, id: absent, correlation: {type: temporal_ordered, rules: [a, b], group-by: [userIdentity.arn], timespan: 1m, condition: a and not b}}
---
{title: Alias, id: alias, correlation: {type: temporal_ordered, rules: [b, c], group-by: [thing], timespan: 1m, aliases: {thing: {b: requestParameters.secret, c: requestParameters.other}}}}
---
{title: Tumbling, id: tumbling, correlation: {type: event_count, rules: [a], group-by: [userIdentity.arn], timespan: 5m, condition: {gte: 4}}, cairn: {window: {kind: tumbling}}}
---
{title: Session, id: session, correlation: {type: event_count, rules: [b], group-by: [userIdentity.arn], timespan: 30m, condition: {gte: 4}}, cairn: {window: {kind: session, gap: 3m}}}
---
{title: Chain, id: chain, correlation: {type: temporal_ordered, rules: [absent, c], group-by: [userIdentity.arn], timespan: 5m}}
---
{title: New, id: new, logsource: {product: aws, service: cloudtrail}, detection: {s: {eventName: [A, B, C]}, condition: s}, cairn: {first_seen: {fields: [userIdentity.arn], min_history: 1d}, suppress: none}}
`

// arrival is an event and when it came.
type arrival struct {
	event *cloudtrail.Event
	at    time.Time
}

// drawn makes an hour of events of a few users, a day behind one that made the
// account known.
func drawn(t *testing.T, rng *rand.Rand, n int) (out []*cloudtrail.Event) {
	parse := func(id int, at time.Time, name, user string) {
		e, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventID":"e%d","eventTime":%q,"eventName":%q,"recipientAccountId":"111122223333","userIdentity":{"type":"IAMUser","arn":%q},
			"requestParameters":{"secret":"s%d","other":"s%d","size":%d}}`, id, at.Format(time.RFC3339), name, user, rng.IntN(6), rng.IntN(6), rng.IntN(10)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	parse(0, testStart.Add(-36*time.Hour), "A", "u0")
	for i := 1; i < n; i++ {
		parse(i, testStart.Add(time.Duration(rng.IntN(3600))*time.Second), string("ABC"[rng.IntN(3)]), fmt.Sprintf("u%d", rng.IntN(4)))
	}
	return out
}

// late lets each event come up to the lateness after it happened, and returns
// them in the order in which they come.
func late(rng *rand.Rand, events []*cloudtrail.Event) (out []arrival) {
	for _, e := range events {
		out = append(out, arrival{e, e.Time.Add(time.Duration(rng.Int64N(int64(Lateness))))})
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return a.at.Compare(b.at) })
	return out
}

// early are the rules that speak as soon as enough has come: who speaks first
// depends on the order, and with it the id. What they say in the end does not.
var early = map[string]bool{"count": true, "values": true, "sum": true, "together": true, "ordered": true, "alias": true, "session": true, "chain": true}

// settled are the findings of a stream that no order within the lateness may
// change: of rules that speak early how each finding ended, of the others all
// that is said, ids included.
func settled(t *testing.T, set *rule.Set, stream []arrival) (out []string) {
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(set, store, Options{Lateness: Lateness})
	if err != nil {
		t.Fatal(err)
	}
	take := func(found []Finding, err error) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range found {
			f := &found[i]
			text := fmt.Sprint(f.Rule.ID, " ", f.Step, " ", f.Group, " ", f.From.Unix(), " ", f.To.Unix(), " ", f.Count)
			switch {
			case f.Rule.ID == "new":
				text = fmt.Sprint(f.Rule.ID, f.Group) // of one second any event may be the first
			case !early[f.Rule.ID]:
				text += " " + f.ID + " " + f.SuppressedBy
			case f.Step != End || f.Notes["merged_into"] != "" || f.Notes["void"] != "":
				continue
			}
			out = append(out, text)
		}
	}
	for _, a := range stream {
		take(d.Advance(a.at.Add(-Lateness)))
		take(d.Event(&Event{Input: rule.Input{Event: a.event, Actor: identity.Resolve(a.event)}, Hash: key.HashOf("111122223333"), Arrival: a.at}))
	}
	take(d.Advance(testStart.Add(48 * time.Hour)))
	slices.Sort(out)
	return out
}

// TestAnyOrderWithinTheLatenessFindsTheSame holds all kinds of rules against
// many orders of arrival of the same events.
func TestAnyOrderWithinTheLatenessFindsTheSame(t *testing.T) {
	streams, orders := 25, 40
	if testing.Short() {
		streams, orders = 3, 10
	}
	const events = 150
	set := load(t, allCorrelations)
	found, byRule := 0, map[string]int{}
	for seed := range streams {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		all := drawn(t, rng, events)
		var inOrder []arrival
		for _, e := range all {
			inOrder = append(inOrder, arrival{e, e.Time})
		}
		slices.SortStableFunc(inOrder, func(a, b arrival) int { return a.at.Compare(b.at) })
		want := settled(t, set, inOrder)
		found += len(want)
		for _, text := range want {
			id, _, _ := strings.Cut(strings.ReplaceAll(text, "[", " "), " ")
			byRule[id]++
		}
		for n := range orders {
			if diff := cmp.Diff(want, settled(t, set, late(rng, all))); diff != "" {
				t.Fatalf("stream %d, order %d (-in order of time +as it came):\n%s", seed, n, diff)
			}
		}
	}
	for _, r := range set.Rules() {
		if !r.Silent && byRule[r.ID] == 0 {
			t.Errorf("%s found nothing: the test says nothing of it", r.ID)
		}
	}
	t.Logf("%d orders of %d streams of %d events, %d findings in each order of all streams: %v", streams*orders, streams, events, found, byRule)
}
