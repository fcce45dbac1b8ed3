package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// rounds is how often a scenario does what it does.
func rounds(variable string, standard int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return standard
}

// recovery is how long shards were without an owner, and until the next one had
// committed.
type recovery struct{ owned, committed []time.Duration }

func (r recovery) String() string {
	return "next owner after " + spread(r.owned) + ", its first commit after " + spread(r.committed)
}

// takeover waits for the first commits of the shards that a worker had, by
// others, and notes how long after a time they came.
func (f *crew) takeover(r *recovery, shards []string, since time.Time) {
	f.t.Helper()
	for _, shard := range shards {
		f.until("a commit of "+shard+" by its new owner", time.Minute, func() bool { return !f.watch.firstCommit(shard, since).IsZero() })
		r.owned = append(r.owned, f.watch.takenOver(shard, since).Sub(since))
		r.committed = append(r.committed, f.watch.firstCommit(shard, since).Sub(since))
	}
}

// killUnderLoad kills one of two workers again and again.
func (g *ground) killUnderLoad(t *testing.T) {
	n := rounds("CAIRN_KILLS", 2)
	tr := g.lasting(t, n)
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	f.worker()
	f.share(2, 2)
	wait := f.produce(tr.pieces, time.Duration(n)*26*time.Second)
	time.Sleep(3 * time.Second)
	var took recovery
	for range n {
		victim := f.running()[0]
		shards := victim.held()
		victim.crash()
		at := time.Now()
		f.takeover(&took, shards, at)
		f.worker()
		f.share(2, 2)
	}
	f.hurry.Store(true)
	wait()
	f.consumed(tr.events)
	f.finish()
	f.note = append(f.note, fmt.Sprintf("%d kills, lease %v: %s", n, lease, took))
	f.check(tr, 0)
}

// pause stops a worker for longer than its leases last and lets it go on.
func (g *ground) pause(t *testing.T) {
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	f.worker()
	f.share(2, 2)
	wait := f.produce(g.small.pieces, 16*time.Second)
	time.Sleep(3 * time.Second)
	frozen := f.workers[0]
	shards, at := frozen.held(), time.Now()
	f.signal(frozen, syscall.SIGSTOP)
	var took recovery
	f.takeover(&took, shards, at)
	time.Sleep(2 * lease)
	f.signal(frozen, syscall.SIGCONT)
	f.share(2, 2) // it takes part again
	wait()
	f.consumed(g.small.events)
	f.finish()
	f.note = append(f.note, fmt.Sprintf("stopped for %.0f s; %s", time.Since(at).Seconds(), took))
	f.check(g.small, 0)
}

func (f *crew) signal(m *member, s syscall.Signal) {
	f.t.Helper()
	if err := m.Process.Signal(s); err != nil {
		f.t.Fatalf("worker %d has ended by itself: %s", m.number, m.tail())
	}
}
