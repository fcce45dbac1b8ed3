package detect

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/state/key"
)

// remembering are rules that remember something, each in its own way.
const remembering = `title: Single
id: single
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
---
title: Count
id: count
correlation: {type: event_count, rules: [single], group-by: [actor.root], timespan: 7d, condition: {gte: 3}, generate: true}
---
title: New
id: new
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
cairn: {first_seen: {fields: [actor.root], history: 60d, min_history: 1d}}
---
title: More
id: more
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
cairn: {baseline: {by: [actor.root]}}
---
` + openRule

const another = "title: Other\nid: other\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: Z}, condition: s}\n"

// rows counts the rows of the store by their types.
func (s *stream) rows() map[string]int {
	s.t.Helper()
	if err := s.detector.Flush(); err != nil {
		s.t.Fatal(err)
	}
	n := map[string]int{}
	for _, space := range []byte{key.SpaceKeyed, key.SpaceWhole} {
		for row, err := range s.store.Range([]byte{space}) {
			if err != nil {
				s.t.Fatal(err)
			}
			parts, err := key.Parse(row.Key)
			if err != nil {
				s.t.Fatal(err)
			}
			n[string(parts.Kind)]++
		}
	}
	return n
}

// use exchanges the rules as a shard does.
func (s *stream) use(text string) {
	s.t.Helper()
	if err := s.detector.Flush(); err != nil {
		s.t.Fatal(err)
	}
	s.set = load(s.t, text)
	s.open()
}

// TestStateOfRulesThatAreGoneIsRemovedAfterADay: windows, suppressions,
// baselines, first-seen values and open findings, and nothing before.
func TestStateOfRulesThatAreGoneIsRemovedAfterADay(t *testing.T) {
	s := newStream(t, remembering)
	s.event(ann, db("one", "resource.encrypted", "false"))
	s.advance(10 * time.Minute)
	s.event(bob)
	before := s.rows()
	if before["A"] < 3 || before["B"] < 4 || before["F"] != 1 || before["R"] != 0 {
		t.Fatalf("rows %v: the rules remember too little", before)
	}
	s.use(another)
	gone := s.rows()
	owners := gone["R"] // single (suppression), count, new, more, and the findings of plain
	if delete(gone, "R"); owners != 5 {
		t.Errorf("%d owners are gone, want 5", owners)
	}
	if diff := cmp.Diff(before, gone); diff != "" {
		t.Errorf("rows when the rules went (-before +after):\n%s", diff)
	}
	s.advance(20 * time.Hour)
	s.open() // another owner: the day does not begin anew
	s.advance(4*time.Hour - time.Second)
	if got := s.rows(); got["A"] != before["A"] || got["B"] != before["B"] || got["F"] != 1 {
		t.Errorf("rows within a day: %v, want %v", got, before)
	}
	s.advance(time.Second)
	if got := s.rows(); len(got) != 0 {
		t.Errorf("rows after a day: %v", got)
	}
	if want := int64(before["A"] + before["B"] + before["F"]); s.detector.Swept() != want {
		t.Errorf("%d rows counted, want %d", s.detector.Swept(), want)
	}
}

// TestARollBackFindsItsState: rules that come back within a day go on as if
// they had never been away, and the next time they go has a day of its own.
func TestARollBackFindsItsState(t *testing.T) {
	s := newStream(t, remembering)
	s.event(ann, db("one", "resource.encrypted", "false"))
	s.advance(10 * time.Minute)
	s.event(ann)
	s.use(another)
	s.advance(23 * time.Hour)
	s.use(remembering)
	if got := s.rows(); got["R"] != 0 {
		t.Errorf("%d rules are still said to be gone", got["R"])
	}
	s.found = nil
	s.advance(2 * time.Hour)
	s.event(ann, db("one", "resource.encrypted", "true")) // the third of its window
	if diff := cmp.Diff([]string{"single start medium", "count start medium", "plain end medium resolved"}, s.steps()); diff != "" {
		t.Errorf("found after the roll-back:\n%s", diff)
	}
	s.use(another)
	s.advance(23 * time.Hour)
	if got := s.rows(); got["A"] == 0 || got["B"] == 0 {
		t.Errorf("rows %v: the second time was counted from the first", got)
	}
}

// TestAChangedRuleBeginsAnewAndItsOldStateGoes, that of the new version stays.
func TestAChangedRuleBeginsAnewAndItsOldStateGoes(t *testing.T) {
	version := func(name string) string {
		return fmt.Sprintf("title: New\nid: new\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: [A, %s]}, condition: s}\ncairn: {first_seen: {fields: [actor.root], min_history: 1d}}\n", name)
	}
	s := newStream(t, version("B"))
	s.event(ann)
	one := s.rows()["B"]
	s.use(version("C"))
	s.event(bob)
	if got := s.rows()["B"]; got != 2*one {
		t.Errorf("%d rows of two versions, want %d", got, 2*one)
	}
	s.advance(24 * time.Hour)
	if got := s.rows(); got["B"] != one || got["R"] != 0 {
		t.Errorf("rows %v, want %d of the new version", got, one)
	}
}

// TestMuchStateIsRemovedInSteps, so that no commit holds all of it.
func TestMuchStateIsRemovedInSteps(t *testing.T) {
	s := newStream(t, another)
	s.n = 1
	const rows = 2*maxSwept + 10
	prefix := append(key.AppendString(key.AppendString(nil, "gone"), "1"), baseline.FormatVersion)
	for i := range rows {
		s.store.Put(key.Keyed(key.HashOf(fmt.Sprint(i%7)), key.Baseline, prefix, key.AppendUint64(nil, uint64(i))), []byte("x"))
	}
	s.open()
	s.advance(24 * time.Hour)
	for _, want := range []int{rows - maxSwept, rows - 2*maxSwept, 0} {
		if got := s.rows(); got["B"] != want || (got["R"] == 0) != (want == 0) {
			t.Errorf("%v rows are left, want %d", got, want)
		}
		s.advance(time.Second)
	}
}
