package detect

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
)

// testStart is when the events of a test happen unless it says otherwise.
var testStart = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// player makes the events of a test. What an event does not say comes from
// base; what neither says is filled in, the same on each run.
type player struct {
	source fs.FS
	dir    string
	base   map[string]any
	now    time.Time
	events int
}

// step plays one step of a test.
func (p *player) step(s *Simulation, step *testStep, yield func(*Finding)) error {
	if step.File != "" {
		return p.file(s, path.Join(p.dir, step.File), yield)
	}
	pause, err := rule.ParseDuration(cmp.Or(step.Every, step.Advance))
	if err != nil {
		return err
	}
	if step.Event == nil {
		p.now = p.now.Add(pause)
		return s.Advance(p.now, yield)
	}
	for range max(1, step.Repeat) {
		e, err := testEvent(p.base, step.Event, p.now, p.events)
		if err != nil {
			return err
		}
		if err := s.Event(e, yield); err != nil {
			return err
		}
		p.events++
		p.now = p.now.Add(pause)
	}
	return nil
}

// file plays the events of a file in the order in which they stand there.
func (p *player) file(s *Simulation, name string, yield func(*Finding)) error {
	events, err := fileEvents(p.source, name)
	for _, e := range events {
		if err := s.Event(e, yield); err != nil {
			return err
		}
	}
	return err
}

func fileEvents(source fs.FS, name string) ([]*cloudtrail.Event, error) {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var d cloudtrail.Decoder
	records := d.Decode(data)
	if len(records.Rejects) > 0 {
		return nil, fmt.Errorf("%s: %s", name, records.Rejects[0].Reason)
	}
	var events []*cloudtrail.Event
	for i := range records.Events {
		events = append(events, &records.Events[i])
	}
	return events, nil
}

func testEvent(base, over map[string]any, at time.Time, n int) (*cloudtrail.Event, error) {
	record := overlay(base, over)
	for name, value := range map[string]any{
		"eventVersion": "1.11", "eventID": fmt.Sprintf("00000000-0000-4000-8000-%012x", n), "eventTime": at.UTC().Format(time.RFC3339),
		"recipientAccountId": "111122223333", "awsRegion": "us-east-1", "eventType": "AwsApiCall",
	} {
		if _, ok := record[name]; !ok {
			record[name] = value
		}
	}
	text, err := json.Marshal(record, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("make the event: %w", err)
	}
	return cloudtrail.Parse(text)
}

// overlay lays over upon base, member by member.
func overlay(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range over {
		below, isMap := out[name].(map[string]any)
		above, both := value.(map[string]any)
		if isMap && both {
			out[name] = overlay(below, above)
			continue
		}
		out[name] = value
	}
	return out
}
