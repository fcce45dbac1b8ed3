package detect

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// owned is a detector over a store that is lost in a crash. What was committed
// is a copy of the rows, the findings so far and the place in the stream.
type owned struct {
	t        *testing.T
	set      *rule.Set
	store    *state.Store
	detector *Detector
	found    []string

	rows      [][2][]byte
	committed int // events
	kept      int // findings
	watermark time.Time
}

// open begins from the last commit.
func (o *owned) open() {
	var err error
	if o.store, err = state.Open("", state.Options{}); err != nil {
		o.t.Fatal(err)
	}
	for _, row := range o.rows {
		o.store.Put(row[0], row[1])
	}
	if o.detector, err = Open(o.set, o.store, Options{Lateness: Lateness, Watermark: o.watermark}); err != nil {
		o.t.Fatal(err)
	}
	o.found = o.found[:o.kept]
}

func (o *owned) commit(events int, watermark time.Time) {
	if err := o.detector.Flush(); err != nil {
		o.t.Fatal(err)
	}
	o.rows, o.committed, o.kept, o.watermark = nil, events, len(o.found), watermark
	for _, space := range []byte{key.SpaceKeyed, key.SpaceWhole} {
		for row, err := range o.store.Range([]byte{space}) {
			if err != nil {
				o.t.Fatal(err)
			}
			o.rows = append(o.rows, [2][]byte{bytes.Clone(row.Key), bytes.Clone(row.Value)})
		}
	}
}

func (o *owned) take(found []Finding, err error) {
	if err != nil {
		o.t.Fatal(err)
	}
	for i := range found {
		f := &found[i]
		o.found = append(o.found, fmt.Sprint(f.ID, " ", f.Rule.ID, " ", f.Step, " ", f.Group, " ", f.From.Unix(), " ", f.To.Unix(), " ", f.Count, " ", f.EventIDs, " ", f.SuppressedBy, " ", f.Notes))
	}
}

// play feeds a stream. commit and crash are the odds of each, in a hundred
// events.
func (o *owned) play(stream []arrival, commits, crashes int, rng *rand.Rand) (lost int) {
	o.open()
	for i := 0; i < len(stream); i++ {
		watermark := stream[i].at.Add(-Lateness)
		o.take(o.detector.Advance(watermark))
		o.take(o.detector.Event(&Event{Input: rule.Input{Event: stream[i].event, Actor: identity.Resolve(stream[i].event)}, Hash: key.HashOf("111122223333"), Arrival: stream[i].at}))
		if rng.IntN(100) < commits {
			o.commit(i+1, watermark)
		}
		if rng.IntN(100) < crashes {
			lost += i + 1 - o.committed
			o.open()
			i = o.committed - 1
		}
	}
	o.take(o.detector.Advance(testStart.Add(48 * time.Hour)))
	return lost
}

// TestACrashInTheMiddleOfWindowsFindsTheSame: whatever is lost with the memory
// of a process, all kinds of rules find the same as without a crash, in the same
// order, with the same ids and the same events.
func TestACrashInTheMiddleOfWindowsFindsTheSame(t *testing.T) {
	set := load(t, allCorrelations)
	streams, lost, found := 20, 0, 0
	if testing.Short() {
		streams = 4
	}
	for seed := range streams {
		rng := rand.New(rand.NewPCG(uint64(seed), 2))
		stream := late(rng, drawn(t, rng, 150))
		alone := owned{t: t, set: set}
		alone.play(stream, 0, 0, rng)
		crashed := owned{t: t, set: set}
		lost += crashed.play(stream, 10, 12, rng)
		if diff := cmp.Diff(alone.found, crashed.found); diff != "" {
			t.Fatalf("stream %d (-left alone +crashed):\n%s", seed, diff)
		}
		found += len(alone.found)
	}
	if lost < 10*streams || found < 50*streams {
		t.Errorf("%d events were lost, %d steps of findings: the test shows too little", lost, found)
	}
	t.Logf("%d streams; %d events were lost and read again; %d steps of findings are the same", streams, lost, found)
}
