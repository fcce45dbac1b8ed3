package detect

import (
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
)

// Cost is what a window of a key costs: processor time per active window, bytes
// of state per key. Times are the least of some rounds, because what else runs
// on a machine can only add to them.
type Cost struct {
	NS         float64 `json:"ns"`
	Bytes      int     `json:"bytes"`
	GaugeNS    float64 `json:"gauge_ns"`
	GaugeBytes int     `json:"gauge_bytes"`
}

// costRounds is how often a cost is measured.
const costRounds = 7

// measureCost times the models on generated activity.
func measureCost() (Cost, error) {
	c := Cost{Bytes: baseline.StateBytes, GaugeBytes: baseline.GaugeBytes}
	m, err := baseline.NewModel(baseline.Spec{By: []string{"actor.root"}})
	if err != nil {
		return c, err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	account := make([]*synthKey, accountKeys)
	for i := range account {
		account[i] = newKey(rng, usual)
	}
	c.NS = least(func() int { return countPass(m, account) })
	c.GaugeNS = least(func() int { return gaugePass(account) })
	return c, nil
}

// least is the processor time of one of the things that pass does and counts.
func least(pass func() int) (ns float64) {
	for round := range costRounds {
		begin := cpuTime()
		n := pass()
		if one := float64((cpuTime() - begin).Nanoseconds()) / float64(n); round == 0 || one < ns {
			ns = one
		}
	}
	return ns
}

// countPass lets the count model see all active windows of an account.
func countPass(m *baseline.Model, account []*synthKey) (windows int) {
	pop, states := m.NewPopulation(), make([]baseline.State, len(account))
	for t := range synthWindows {
		for i, k := range account {
			if y := k.counts[t]; y > 0 {
				p := m.Touch(&states[i], uint32(synthFirst+t), y)
				score := m.Score(&states[i], &pop, p)
				baseline.LearnPopulation(&pop, p)
				m.Learn(&states[i], p, &score)
				windows++
			}
		}
	}
	return windows
}

// gaugePass lets the gauge model see a series of 200,000 points.
func gaugePass(account []*synthKey) (points int) {
	var g baseline.Gauge
	points = 20 * synthWindows
	for t := range points {
		g.Add(float64(account[t%2].counts[t%synthWindows]), t/12%24)
	}
	return points
}

// cpuTime is the processor time of the process, which other programs do not
// stretch.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
