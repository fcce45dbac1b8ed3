package detect

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
)

// Report is what "cairn bench detect" prints.
type Report struct {
	NAB       *NABReport         `json:"nab,omitempty"` // only with a folder of labelled series
	Synthetic []*SyntheticReport `json:"synthetic"`
	Mean      SyntheticMean      `json:"synthetic_mean"`
	Cost      Cost               `json:"cost"`
}

// SyntheticMean is the mean over the seeds.
type SyntheticMean struct {
	Recall2  float64 `json:"recall_1e2"`
	Recall3  float64 `json:"recall_1e3"`
	NewKeys2 float64 `json:"new_key_ratio_1e2"`
	NewKeys3 float64 `json:"new_key_ratio_1e3"`
}

// Cost is what a window of a key costs: processor time per active window, bytes
// of state per key.
type Cost struct {
	NS         float64 `json:"ns"`
	Bytes      int     `json:"bytes"`
	GaugeNS    float64 `json:"gauge_ns"`
	GaugeBytes int     `json:"gauge_bytes"`
}

// Options of Run.
type Options struct {
	NAB   fs.FS // folder of labelled series; nil: none
	Seeds []uint64
	Keys  int // generated principals per seed
}

// Run measures how well the learned thresholds detect, and what they cost.
func Run(opts Options) (*Report, error) {
	r := &Report{}
	var err error
	if opts.NAB != nil {
		if r.NAB, err = NAB(opts.NAB); err != nil {
			return nil, fmt.Errorf("labelled series: %w", err)
		}
	}
	for _, seed := range opts.Seeds {
		s, err := Synthetic(seed, opts.Keys)
		if err != nil {
			return nil, fmt.Errorf("seed %d: %w", seed, err)
		}
		r.Synthetic = append(r.Synthetic, s)
		n := float64(len(opts.Seeds))
		r.Mean.Recall2 += s.Recall2 / n
		r.Mean.Recall3 += s.Recall3 / n
		r.Mean.NewKeys2 += s.NewKeyFalseAlarms.Ratio2 / n
		r.Mean.NewKeys3 += s.NewKeyFalseAlarms.Ratio3 / n
	}
	r.Cost, err = measureCost()
	return r, err
}

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
		account[i] = newKey(rng)
	}
	pop, states, n := m.NewPopulation(), make([]baseline.State, len(account)), 0
	begin := cpuTime()
	for t := range synthWindows {
		for i, k := range account {
			if y := k.counts[t]; y > 0 {
				p := m.Touch(&states[i], uint32(synthFirst+t), y)
				score := m.Score(&states[i], &pop, p)
				baseline.LearnPopulation(&pop, p)
				m.Learn(&states[i], p, &score)
				n++
			}
		}
	}
	c.NS = float64((cpuTime() - begin).Nanoseconds()) / float64(n)
	var g baseline.Gauge
	begin = cpuTime()
	for t := range 20 * synthWindows {
		g.Add(float64(account[t%2].counts[t%synthWindows]), t/12%24)
	}
	c.GaugeNS = float64((cpuTime() - begin).Nanoseconds()) / float64(20*synthWindows)
	return c, nil
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
