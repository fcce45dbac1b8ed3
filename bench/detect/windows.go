package detect

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/window"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// What rules with windows cost. All times are processor time of one core.

// WindowCost is what windows cost without the matching before them.
type WindowCost struct {
	Name    string  `json:"name"`
	Windows int     `json:"open_windows"`
	Updates float64 `json:"updates_per_second"`
	Goal    float64 `json:"goal"`
	Floor   float64 `json:"floor"`
}

// RuleCost is what an event costs that meets one of many rules, each with a
// window: matching, window, and rows to the state every 50,000 events.
type RuleCost struct {
	Rules  int     `json:"rules"`
	Each   int     `json:"open_windows_per_rule"`
	Events float64 `json:"events_per_second"`
}

const (
	openWindows    = 1000
	distinctValues = 7200
	benchAccount   = "111111111111"
)

// loads are what is measured: 60 rules and 800 with as many
// windows in all, and 800 with as many each. The last does not fit into what
// the engine keeps decoded.
var loads = []RuleCost{{Rules: 60, Each: openWindows}, {Rules: 800, Each: 60 * openWindows / 800}, {Rules: 800, Each: openWindows}}

// measureWindows measures counting over a thousand open windows, and different
// values in one of 7,200.
func measureWindows() ([]WindowCost, error) {
	count := window.Spec{ID: "c", Version: "1", Type: window.EventCount, Rules: []window.Reference{{ID: "a"}}, GroupBy: []string{"group"}, Timespan: 10 * time.Minute}
	count.Condition.Bounds = []window.Bound{{Op: window.GTE, Value: 10}}
	distinct := count
	distinct.Type, distinct.Timespan = window.ValueCount, time.Hour
	distinct.Condition = window.Condition{Bounds: []window.Bound{{Op: window.GTE, Value: 10_000}}, Fields: []string{"value"}}
	out := []WindowCost{
		{Name: "count", Windows: openWindows, Goal: 1e6, Floor: 5e5},
		{Name: fmt.Sprintf("different values, %d in the window", distinctValues), Windows: 1, Goal: 5e5, Floor: 2.5e5},
	}
	var err error
	if out[0].Updates, err = driveWindows(count, openWindows, 50); err == nil {
		out[1].Updates, err = driveWindows(distinct, 1, distinctValues/3600)
	}
	return out, err
}

// driveWindows lets events meet a correlation and returns how many a second of
// processor time takes. The first hundred thousand only fill the windows.
func driveWindows(spec window.Spec, groups, perSecond int) (float64, error) {
	store, err := state.Open("", state.Options{})
	if err != nil {
		return 0, fmt.Errorf("open a state: %w", err)
	}
	e, err := window.Open(store, []window.Spec{spec}, time.Time{}, window.Options{Lateness: detect.Lateness})
	if err != nil {
		return 0, fmt.Errorf("open the windows: %w", err)
	}
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("%08x-1111-4222-8333-444444444444", i)
	}
	const events = 200_000
	begin := time.Duration(0)
	for i := range 2 * events {
		if i == events {
			begin = cpuTime()
		}
		at := time.Unix(synthEpoch, 0).Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		ev := window.Event{ID: names[i%len(names)], Time: at, Hash: key.HashOf(benchAccount), Account: benchAccount, Matched: []string{"a"}}
		ev.Field = func(path string) (string, bool) {
			if path == "group" {
				return names[i%groups], true
			}
			return names[i%len(names)], true
		}
		if _, err := e.Advance(at.Add(-detect.Lateness)); err != nil {
			return 0, fmt.Errorf("close windows: %w", err)
		}
		if _, err := e.Event(&ev); err != nil {
			return 0, fmt.Errorf("count an event: %w", err)
		}
	}
	return events / (cpuTime() - begin).Seconds(), nil
}

// measure measures detection with rules over single events and a
// correlation over each, once all windows are open.
func (c *RuleCost) measure() error {
	set, err := countingRules(c.Rules)
	if err != nil {
		return err
	}
	store, err := state.Open("", state.Options{})
	if err != nil {
		return fmt.Errorf("open a state: %w", err)
	}
	d, err := detect.Open(set, store, detect.Options{Lateness: detect.Lateness})
	if err != nil {
		return fmt.Errorf("open the detection: %w", err)
	}
	const block, blocks = 50_000, 4
	measured, spent := 0, time.Duration(0)
	for from := 0; measured < blocks*block; from += block {
		events, err := c.calls(from, block)
		if err != nil {
			return err
		}
		begin := cpuTime()
		if err := detectBlock(d, events); err != nil {
			return err
		}
		if from >= c.Rules*c.Each {
			measured, spent = measured+block, spent+cpuTime()-begin
		}
	}
	c.Events = float64(measured) / spent.Seconds()
	return nil
}

func detectBlock(d *detect.Detector, events []*cloudtrail.Event) error {
	in := detect.Event{Hash: key.HashOf(benchAccount)}
	for _, e := range events {
		if _, err := d.Advance(e.Time.Add(-detect.Lateness)); err != nil {
			return fmt.Errorf("close windows: %w", err)
		}
		in.Input, in.Arrival = rule.Input{Event: e, Actor: identity.Resolve(e)}, e.Time
		if _, err := d.Event(&in); err != nil {
			return fmt.Errorf("detect: %w", err)
		}
	}
	if err := d.Flush(); err != nil {
		return fmt.Errorf("write the rows: %w", err)
	}
	return nil
}

// countingRules are n rules, each for a call, and n that count its callers'
// calls in an hour.
func countingRules(n int) (*rule.Set, error) {
	dir, err := os.MkdirTemp("", "cairn-bench-rules-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for rules: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, `title: Call %[1]d
id: call-%[1]d
name: call_%[1]d
logsource: {product: aws, service: cloudtrail}
detection:
  call: {eventSource: service%[2]d.amazonaws.com, eventName: Call%[1]d}
  condition: call
---
title: Calls %[1]d
id: calls-%[1]d
correlation:
  type: event_count
  rules: [call_%[1]d]
  group-by: [sourceIPAddress]
  timespan: 1h
  condition: {gte: 1000}
---
`, i, i%60)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), bytes.TrimSuffix(text.Bytes(), []byte("---\n")), 0o600); err != nil {
		return nil, fmt.Errorf("write rules: %w", err)
	}
	set, _, err := rule.Load(rule.Options{}, os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("load the rules of the benchmark: %w", err)
	}
	return set, nil
}

// calls are events of which each meets one of the rules. Those of an hour meet
// each rule from as many addresses as it shall have windows.
func (c *RuleCost) calls(from, count int) ([]*cloudtrail.Event, error) {
	out := make([]*cloudtrail.Event, count)
	for i := range out {
		at := from + i
		r, group := at%c.Rules, at/c.Rules%c.Each
		when := time.Unix(synthEpoch, 0).Add(time.Duration(at) * time.Hour / time.Duration(c.Rules*c.Each))
		e, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::%[1]s:user/ann","accountId":"%[1]s","accessKeyId":"AKIAEXAMPLE","userName":"ann"},`+
			`"eventTime":"%[2]s","eventSource":"service%[3]d.amazonaws.com","eventName":"Call%[4]d","awsRegion":"eu-central-1","sourceIPAddress":"198.51.%[5]d.%[6]d","userAgent":"aws-cli/2.15.0",`+
			`"requestParameters":{"name":"thing-%[7]d"},"responseElements":null,"eventID":"%08[7]x-1111-4222-8333-444444444444","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"%[1]s","eventCategory":"Management"}`,
			benchAccount, when.UTC().Format(time.RFC3339), r%60, r, group/250, group%250, at))
		if err != nil {
			return nil, fmt.Errorf("parse an event of the benchmark: %w", err)
		}
		out[i] = e
	}
	return out, nil
}
