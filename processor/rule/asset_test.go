package rule

import (
	"slices"
	"strings"
	"testing"
)

// fields answers for a resource as the inventory would.
func fields(pairs ...string) Resource {
	return func(path string) (values []string) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == path {
				values = append(values, pairs[i+1])
			}
		}
		return values
	}
}

func touched(resources ...Resource) func() []Resource {
	return func() []Resource { return resources }
}

const assetRule = `title: T
id: r
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
cairn: {asset: {type: ['AWS::RDS::DBInstance'], plain: {resource.encrypted: false, resource.state: active}, AT condition: plain}}
`

func TestAssetsAreOneResource(t *testing.T) {
	plain := fields("resource.type", "aws::rds::dbinstance", "resource.encrypted", "false", "resource.state", "active")
	half := fields("resource.type", "AWS::RDS::DBInstance", "resource.encrypted", "false", "resource.state", "stopped")
	rest := fields("resource.type", "AWS::RDS::DBInstance", "resource.encrypted", "true", "resource.state", "active")
	bucket := fields("resource.type", "AWS::S3::Bucket", "resource.encrypted", "false", "resource.state", "active")
	for name, c := range map[string]struct {
		at            string
		after, before func() []Resource
		want          int
	}{
		"the one":                       {"", touched(rest, plain), nil, 1},
		"two that fit together only":    {"", touched(half, rest), nil, 0},
		"another type":                  {"", touched(bucket), nil, 0},
		"nothing touched":               {"", nil, nil, 0},
		"it was so before":              {"at: before,", touched(rest), touched(plain), 1},
		"before says nothing of after":  {"at: before,", touched(plain), touched(rest), 0},
		"after says nothing of before":  {"at: after,", touched(rest), touched(plain), 0},
		"nothing was there before":      {"at: before,", touched(plain), nil, 0},
		"another event does not matter": {"", touched(plain), nil, 1},
	} {
		set := compileOne(t, strings.ReplaceAll(assetRule, "AT", c.at))
		found := set.Matcher().Judge(&Input{Event: event(t, `{"eventName":"A"}`), After: c.after, Before: c.before})
		if len(found) != c.want {
			t.Errorf("%s: %d matches, want %d", name, len(found), c.want)
		}
		if other := set.Matcher().Judge(&Input{Event: event(t, `{"eventName":"B"}`), After: c.after, Before: c.before}); len(other) != 0 {
			t.Errorf("%s: another event matches", name)
		}
	}
}

// TestTheTouchedAreAskedForOnce, and only when a rule wants to know.
func TestTheTouchedAreAskedForOnce(t *testing.T) {
	set := compileOne(t, strings.ReplaceAll(assetRule, "AT", "")+"---\n"+small("b", "B")+"---\n"+
		strings.ReplaceAll(selectionRule("resource.type: X"), "id: r", "id: q"))
	asked := 0
	in := &Input{Event: event(t, `{"eventName":"A"}`), After: func() []Resource { asked++; return nil }}
	m := set.Matcher()
	m.Judge(in)
	if asked != 1 {
		t.Errorf("asked %d times for one event", asked)
	}
	asked = 0
	compileOne(t, small("b", "B")).Matcher().Judge(in)
	if asked != 0 {
		t.Error("asked for a rule that does not want to know")
	}
}

func TestRulesOverResources(t *testing.T) {
	text := `title: Open
id: open
logsource: {product: cairn, category: resource}
detection:
  group: {resource.type: 'AWS::EC2::SecurityGroup', resource.world_ports: [22, 3389, all]}
  seed: {change.effect: seed}
  old: {resource.age_days|gt: 90}
  condition: group and not seed
level: medium
cairn: {severity: {raise_when: old}}
---
title: Unowned
id: unowned
logsource: {product: cairn, category: resource}
detection:
  s: {resource.owner: null, resource.tags.team|exists: false, account.environment: production}
  condition: s
cairn: {evaluate: [snapshot, change]}
---
title: Snapshot only
id: daily
logsource: {product: cairn, category: resource}
detection: {s: {resource.type|startswith: 'AWS::'}, condition: s}
cairn: {evaluate: snapshot}
`
	set := compileOne(t, text)
	group := []string{"resource.type", "AWS::EC2::SecurityGroup", "resource.world_ports", "443", "resource.world_ports", "22", "resource.owner", "x"}
	for name, c := range map[string]struct {
		r    Resource
		at   When
		want []string
		top  Level
	}{
		"open":        {fields(group...), OnChange, []string{"open"}, Medium},
		"old":         {fields(append(group, "resource.age_days", "91")...), OnChange, []string{"open"}, High},
		"from a seed": {fields(append(group, "change.effect", "seed")...), OnChange, nil, 0},
		"snapshot":    {fields(group...), OnSnapshot, []string{"daily"}, Medium},
		"unowned":     {fields("resource.type", "X"), OnChange, []string{"unowned"}, Medium},
		"tagged":      {fields("resource.type", "X", "resource.tags.team", "a"), OnSnapshot, nil, 0},
	} {
		m := set.Matcher()
		var got []string
		for _, r := range m.JudgeResource(c.r, Account{Environment: "production"}, c.at) {
			got = append(got, r.ID)
			if m.Level(r) != c.top {
				t.Errorf("%s: level %s, want %s", name, m.Level(r), c.top)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if !set.HasResourceRules() || compileOne(t, small("b", "B")).HasResourceRules() {
		t.Error("a set does not know whether it judges resources")
	}
	if found := set.Matcher().Match(event(t, `{"eventName":"A"}`)); len(found) != 0 {
		t.Errorf("an event meets rules over resources: %v", found)
	}
}
