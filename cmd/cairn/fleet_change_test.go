package main

import (
	"fmt"
	"testing"
	"time"
)

// balance shares twelve shards among one, three and again one worker.
func (g *ground) balance(t *testing.T) {
	f := g.newFleet(t, 12)
	f.watching()
	wait := f.produce(g.small.pieces, 45*time.Second)
	began := time.Now()
	f.worker()
	f.share(12)
	alone := time.Since(began)
	began = time.Now()
	f.worker()
	f.worker()
	f.share(4, 4, 4)
	shared := time.Since(began)
	began = time.Now()
	f.workers[0].stop()
	f.workers[2].stop()
	f.share(12)
	wait()
	f.note = append(f.note, fmt.Sprintf("one took 12 shards in %.0f s, three had 4 each after %.0f s, one had all %.0f s after the others were stopped", alone.Seconds(), shared.Seconds(), time.Since(began).Seconds()))
	f.consumed(g.small.events)
	f.finish()
	f.check(g.small, 0)
}

// rollingRestart exchanges all workers, one after the other.
func (g *ground) rollingRestart(t *testing.T) {
	f := g.newFleet(t, 6)
	f.watching()
	for range 3 {
		f.worker()
	}
	f.share(2, 2, 2)
	wait := f.produce(g.small.pieces, 20*time.Second)
	var stops []time.Duration
	for _, old := range f.workers[:3:3] {
		stops = append(stops, old.stop())
		f.worker()
		time.Sleep(3 * time.Second)
	}
	f.share(2, 2, 2)
	wait()
	f.consumed(g.small.events)
	f.finish()
	f.note = append(f.note, "workers stopped in "+spread(stops))
	f.check(g.small, 0)
}

// handOver stops one of two workers in good order, again and again.
func (g *ground) handOver(t *testing.T) {
	n := rounds("CAIRN_KILLS", 2)
	tr := g.lasting(t, n)
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	f.worker()
	f.share(2, 2)
	wait := f.produce(tr.pieces, time.Duration(n)*20*time.Second)
	time.Sleep(3 * time.Second)
	var took recovery
	var stops []time.Duration
	for range n {
		old := f.running()[0]
		shards, at := old.held(), time.Now()
		stops = append(stops, old.stop())
		f.takeover(&took, shards, at)
		f.worker()
		f.share(2, 2)
	}
	f.hurry.Store(true)
	wait()
	f.consumed(tr.events)
	f.finish()
	f.note = append(f.note, fmt.Sprintf("%d times SIGTERM: exit after %s, %s", n, spread(stops), took))
	f.check(tr, 0)
}
