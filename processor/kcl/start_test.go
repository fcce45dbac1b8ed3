package kcl

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cairnstream/cairn/deploy/local"
)

// beginning starts a worker of an application of its own, which has not read the
// stream before, and stops it when so many events are committed.
func (s *testStream) beginning(app string, from time.Time) (*ledger, *running) {
	s.t.Helper()
	l := newLedger()
	w := s.start(app, func(c *Config) {
		c.App, c.From, c.Open, c.Position = app, from, l.open(app), l.position
	})
	w.holds(len(s.shardIDs()))
	eventually(s.t, "the shards are open", func() bool { return len(l.entries("open")) == len(s.shardIDs()) })
	return l, w
}

// committed waits for so many events and returns their ids.
func (l *ledger) committed(t *testing.T, n int) (ids []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events are committed", n), func() bool { return len(l.rows()) >= n })
	for id, times := range l.rows() {
		if times != 1 {
			t.Errorf("%s is committed %d times", id, times)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// numbered are the ids of the events from the first to the last.
func numbered(first, last int) (ids []string) {
	for i := first; i <= last; i++ {
		ids = append(ids, fmt.Sprintf("event-%d", i))
	}
	slices.Sort(ids)
	return ids
}

// A shard that nobody has read begins at its oldest record, at a time, or with
// what comes next. Whatever the start, what is committed decides from then on.
func TestStartOfReading(t *testing.T) {
	s := newStreamAt(t, local.NameKinesisLocal, 2)
	s.puts(20)
	const apart = 1500 * time.Millisecond // arrivals may be known to the second only
	time.Sleep(apart)
	between := time.Now()
	time.Sleep(apart)
	s.puts(20)
	time.Sleep(apart)

	oldest, w := s.beginning("oldest", time.Time{})
	if got, want := oldest.committed(t, 40), numbered(1, 40); !slices.Equal(got, want) {
		t.Errorf("from the trim horizon: %v, want all 40", got)
	}
	w.halt()
	aTime, w := s.beginning("time", between)
	if got, want := aTime.committed(t, 20), numbered(21, 40); !slices.Equal(got, want) {
		t.Errorf("from %v: %v, want the last 20", between, got)
	}
	w.halt()
	latest, w := s.beginning("latest", time.Now())
	s.puts(10)
	if got, want := latest.committed(t, 10), numbered(41, 50); !slices.Equal(got, want) {
		t.Errorf("latest: %v, want what was put after the start", got)
	}
	w.halt()

	s.puts(10) // while nobody reads
	again := s.start("again", func(c *Config) {
		c.App, c.From, c.Open, c.Position = "latest", time.Now(), latest.open("again"), latest.position
	})
	if got, want := latest.committed(t, 20), numbered(41, 60); !slices.Equal(got, want) {
		t.Errorf("a second start as latest: %v, want also what was put in between", got)
	}
	again.halt()
}
