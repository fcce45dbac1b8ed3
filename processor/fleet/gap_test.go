package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// Sequence numbers of the tests, in order.
const (
	seq1 = "49590338271490256608559692538361571095921575989136588898"
	seq2 = "49590338271490256608559692540925702759324208523137515618"
	seq3 = "49590338271490256608559692551806319612365956082064425058"
	seq4 = "149590338271490256608559692551806319612365956082064425058"
)

func record(sequence string, arrival time.Time) processor.Record {
	return processor.Record{Sequence: sequence, PartitionKey: "k", Data: event(len(sequence), created, arrival), Arrival: arrival}
}

// abandoned leaves the shard as a fleet did that stopped in the past: one record
// read, and then, if tip is set, the shard was at its tip at that time.
func (p *place) abandoned(arrival, tip time.Time) {
	p.t.Helper()
	stream := info(theShard).Stream
	s, now := p.before(stream.Source()), arrival
	check := func(err error) {
		if err != nil {
			p.t.Fatal(err)
		}
	}
	check(s.Process(p.t.Context(), batch(now, record(seq1, arrival))))
	if !tip.IsZero() {
		now = tip
		check(s.Idle(p.t.Context(), tip))
	}
	check(s.Release(p.t.Context(), now, false))
	check(s.Close())
}

func TestGapOnOpening(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	tests := map[string]struct {
		last, tip time.Duration // ago; tip 0: never idle
		retention time.Duration
		left      []arrived
		empty     int
		want      *manifest.Gap
		quiet     bool // Kinesis is not asked
	}{
		"a position of an hour ago":                {last: time.Hour, retention: day, left: []arrived{{sequence: seq3, at: ago(time.Minute)}}, quiet: true},
		"records were removed":                     {last: 30 * time.Hour, retention: day, left: []arrived{{sequence: seq3, at: ago(23 * time.Hour)}}, want: &manifest.Gap{From: seq1, To: seq3, FromTime: ago(30 * time.Hour), ToTime: ago(23 * time.Hour), Reason: "retention"}},
		"longer numbers are later":                 {last: 30 * time.Hour, retention: day, left: []arrived{{sequence: seq4, at: ago(time.Hour)}}, want: &manifest.Gap{From: seq1, To: seq4, FromTime: ago(30 * time.Hour), ToTime: ago(time.Hour), Reason: "retention"}},
		"the stream keeps them longer":             {last: 30 * time.Hour, retention: 2 * day, left: []arrived{{sequence: seq3, at: ago(time.Hour)}}},
		"beyond a longer retention":                {last: 50 * time.Hour, retention: 2 * day, left: []arrived{{sequence: seq3, at: ago(time.Hour)}}, want: &manifest.Gap{From: seq1, To: seq3, FromTime: ago(50 * time.Hour), ToTime: ago(time.Hour), Reason: "retention"}},
		"the last record is there still":           {last: 30 * time.Hour, retention: day, left: []arrived{{sequence: seq1, at: ago(30 * time.Hour)}, {sequence: seq3, at: ago(time.Hour)}}},
		"nothing came, read to the tip since":      {last: 30 * time.Hour, tip: time.Hour, retention: day, left: []arrived{{sequence: seq3, at: ago(time.Minute)}}, quiet: true},
		"read to the tip, then away for too long":  {last: 60 * time.Hour, tip: 30 * time.Hour, retention: day, left: []arrived{{sequence: seq3, at: ago(time.Hour)}}, want: &manifest.Gap{From: seq1, To: seq3, FromTime: ago(30*time.Hour + tipMargin), ToTime: ago(time.Hour), Reason: "retention"}},
		"the first reads come back empty":          {last: 30 * time.Hour, retention: day, empty: 2, left: []arrived{{sequence: seq3, at: ago(time.Hour)}}, want: &manifest.Gap{From: seq1, To: seq3, FromTime: ago(30 * time.Hour), ToTime: ago(time.Hour), Reason: "retention"}},
		"nothing is left: it cannot be told apart": {last: 30 * time.Hour, retention: day, want: &manifest.Gap{From: seq1, FromTime: ago(30 * time.Hour), Reason: "retention"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "trail", single(created))
			var tip time.Time
			if test.tip > 0 {
				tip = ago(test.tip)
			}
			p.abandoned(ago(test.last), tip)
			stream, client := newTrimmed(t, test.retention, test.left...)
			stream.empty = test.empty
			p.cfg.Kinesis = client
			s, err := p.worker().open(t.Context(), info(theShard))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Release(t.Context(), time.Now(), false); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			p.checkGap(test.want, now.Add(-test.retention))
			if asked := stream.count("DescribeStreamSummary") > 0; asked == test.quiet {
				t.Errorf("the stream was asked: %v", asked)
			}
			if stream.limit > oldestLimit || stream.count("GetRecords") > 0 && stream.limit == 0 {
				t.Errorf("a look for one record reads up to %d", stream.limit)
			}
		})
	}
}

// checkGap holds manifest, metric and log against what should be there. horizon
// stands for the time up to which nothing is left.
func (p *place) checkGap(want *manifest.Gap, horizon time.Time) {
	p.t.Helper()
	var gaps []manifest.Gap
	if want != nil {
		gaps = []manifest.Gap{*want}
	}
	got := p.manifests()[theShard].Gaps
	if want != nil && want.To == "" && len(got) == 1 {
		if late := got[0].ToTime.Sub(horizon); late < 0 || late > time.Minute {
			p.t.Errorf("the gap ends %v after what the stream keeps begins", late)
		}
		got[0].ToTime = time.Time{}
	}
	if diff := cmp.Diff(gaps, got); diff != "" {
		p.t.Errorf("gaps in the manifest (-want +got):\n%s", diff)
	}
	if n := p.page()["cairn_gaps_total"]; n != float64(len(gaps)) {
		p.t.Errorf("%v gaps counted, want %d", n, len(gaps))
	}
	if n := len(p.log.lines("level=ERROR", "records may have been lost before they could be read", theShard)); n != len(gaps) {
		p.t.Errorf("%d lines in the log, want %d", n, len(gaps))
	}
}

// A shard that nobody has read has nothing to lose.
func TestNoGapInANewShard(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	stream, client := newTrimmed(t, 24*time.Hour, arrived{sequence: seq3, at: time.Now()})
	p.cfg.Kinesis = client
	s, err := p.worker().open(t.Context(), info(theShard))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if len(stream.calls) != 0 {
		t.Errorf("calls %v", stream.calls)
	}
}

// While it is not known whether records were lost, the shard is not read.
func TestLookForGapThatFails(t *testing.T) {
	for operation, what := range map[string]string{"DescribeStreamSummary": "ask how long the stream trail keeps records", "GetShardIterator": "look for the oldest record of " + theShard, "GetRecords": "look for the oldest record of " + theShard} {
		p := newPlace(t, "trail", single(created))
		p.abandoned(time.Now().Add(-30*time.Hour), time.Time{})
		stream, client := newTrimmed(t, 24*time.Hour, arrived{sequence: seq3, at: time.Now()})
		stream.fails = operation
		p.cfg.Kinesis = client
		s, err := p.worker().open(t.Context(), info(theShard))
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, want it to tell %q", operation, err, what)
		}
		if s != nil {
			t.Errorf("%s: a shard", operation)
		}
		if n := p.page()["cairn_open_failures_total"]; n != 1 {
			t.Errorf("%s: %v failures counted", operation, n)
		}
		stream.fails = ""
		if s, err = p.worker().open(t.Context(), info(theShard)); err != nil { // the local cache is free again
			t.Errorf("%s: the next attempt: %v", operation, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A worker that reads so far behind that records are removed before it comes to
// them notices that between two batches, once in a while.
func TestGapWhileReading(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	stream, client := newTrimmed(t, 24*time.Hour)
	p.cfg.Kinesis = client
	s, err := p.worker().open(t.Context(), info(theShard))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	read := func(sequence string, arrival time.Time) {
		t.Helper()
		if err := s.Process(t.Context(), batch(now, record(sequence, arrival))); err != nil {
			t.Fatal(err)
		}
	}
	read(seq1, now.Add(-23*time.Hour-30*time.Minute))
	if n := stream.count("GetRecords"); n != 0 {
		t.Errorf("%d looks at a shard that is not behind its retention", n)
	}
	// An hour in which the store was down: the next record in the stream is seq3.
	now = now.Add(time.Hour)
	stream.left = []arrived{{sequence: seq3, at: now.Add(-24 * time.Hour)}}
	read(seq3, now.Add(-24*time.Hour))
	now = now.Add(time.Second)
	read(seq4, now.Add(-24*time.Hour))
	if n := stream.count("GetRecords"); n != 1 {
		t.Errorf("%d looks within a minute, want one", n)
	}
	if err := s.Release(t.Context(), now, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p.checkGap(&manifest.Gap{From: seq1, To: seq3, FromTime: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC), ToTime: time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC), Reason: "retention"}, time.Time{})
}

// What was read before it was removed is not lost, and time that is accounted for
// is not part of the next gap.
func TestGapsMeetWhatWasRead(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	now := time.Now().UTC().Truncate(time.Millisecond)
	p.abandoned(now.Add(-30*time.Hour), time.Time{})
	stream, client := newTrimmed(t, 24*time.Hour, arrived{sequence: seq3, at: now.Add(-24 * time.Hour)})
	p.cfg.Kinesis = client
	s, err := p.worker().open(t.Context(), info(theShard))
	if err != nil {
		t.Fatal(err)
	}
	// seq2 was read all the same; until it comes to it, the stream has removed more.
	stream.left = []arrived{{sequence: seq4, at: now.Add(-24*time.Hour + 2*time.Minute)}}
	later := now.Add(2 * time.Minute)
	if err := s.Process(t.Context(), batch(later, record(seq2, later.Add(-24*time.Hour)))); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), later, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	gaps := p.manifests()[theShard].Gaps
	if len(gaps) != 2 || gaps[0].To != seq3 || gaps[1].From != seq1 || gaps[1].To != seq2 {
		t.Fatalf("gaps %+v, want one to %s at first, then to %s", gaps, seq3, seq2)
	}
	if early := gaps[0].FromTime.Sub(now.Add(-30 * time.Hour)); early != 0 {
		t.Errorf("the first gap begins %v after the last record", early)
	}
	if d := gaps[1].FromTime.Sub(now.Add(-24 * time.Hour)); d < 0 || d > time.Minute {
		t.Errorf("the second gap begins at %v, %v after what was looked at", gaps[1].FromTime, d)
	}
}

// A shard on which nothing happens for a day, and which is read to its tip, has
// lost nothing when the next record comes.
func TestNoGapInAQuietShard(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	stream, client := newTrimmed(t, 24*time.Hour)
	p.cfg.Kinesis = client
	s, err := p.worker().open(t.Context(), info(theShard))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	if err := s.Process(t.Context(), batch(now, record(seq1, now))); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		now = now.Add(time.Hour)
		if err := s.Idle(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	stream.left = []arrived{{sequence: seq3, at: now}}
	if err := s.Process(t.Context(), batch(now.Add(time.Second), record(seq3, now))); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), now.Add(time.Second), false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p.checkGap(nil, time.Time{})
	if n := stream.count("DescribeStreamSummary"); n != 0 {
		t.Errorf("the stream was asked %d times", n)
	}
}
