package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/deploy/local"
)

// TestFleetThroughput measures one worker: how many events it takes in while
// there are always more, and its memory. Set CAIRN_MEASURE to run it, CAIRN_CORPUS
// to a folder of CloudTrail files to measure with them too, and CAIRN_PROFILE to a
// folder for profiles of the worker's CPU time.
func TestFleetThroughput(t *testing.T) {
	if os.Getenv("CAIRN_MEASURE") == "" {
		t.Skip("set CAIRN_MEASURE to measure")
	}
	awsSettings(t, nil)
	g := &ground{program: build(t), streams: local.Kinesalite(t).URL(), tables: local.Dynalite(t).URL()}
	t.Run("answers that are ready, one event a record", func(t *testing.T) {
		g.throughput(t, newCanned(t, 12, 150_000, 1))
	})
	zipped := newCanned(t, 4, 600_000, 100)
	t.Run("answers that are ready, gzip of 100 events", func(t *testing.T) { g.throughput(t, zipped) })
	t.Run("the same without rules", func(t *testing.T) { g.throughput(t, zipped, "--no-default-rules") })
	if dir := os.Getenv("CAIRN_CORPUS"); dir != "" {
		files := cannedFiles(t, dir, 4, 100)
		t.Run("files, gzip of 100 events", func(t *testing.T) { g.throughput(t, files) })
		t.Run("files without rules", func(t *testing.T) { g.throughput(t, files, "--no-default-rules") })
	}
	t.Run("kinesalite", g.kinesaliteThroughput)
	t.Run("memory of idle shards", g.shardMemory)
}

// cannedFleet is a fleet on a canned stream, with the settings of production but
// for the address of its metrics.
func (g *ground) cannedFleet(t *testing.T, c *canned) *crew {
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	f := g.newFleet(t, 1) // whose stream on the emulator is not used
	f.stream = strings.ReplaceAll(f.stream, "--", "-")
	f.env = append(f.env, "AWS_ENDPOINT_URL_KINESIS="+server.URL)
	f.flags = usual.flags()
	return f
}

func (g *ground) throughput(t *testing.T, c *canned, flags ...string) {
	f := g.cannedFleet(t, c)
	m := f.worker(append(flags, "--pprof")...)
	if dir := os.Getenv("CAIRN_PROFILE"); dir != "" {
		go m.profile(filepath.Join(dir, strings.ReplaceAll(filepath.Base(t.Name()), ",", "")+".pprof"))
	}
	f.measure(m, c.events)
}

// profile saves what the worker does with its CPU time in the seconds in which
// it takes its leases and the first that follow.
func (m *member) profile(path string) {
	for !m.ended() && m.find(healthAddress) == "" {
		time.Sleep(50 * time.Millisecond)
	}
	response, err := http.Get("http://" + m.find(healthAddress) + "/debug/pprof/profile?seconds=6")
	if err != nil {
		m.f.t.Error(err)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		m.f.t.Error(err)
	}
}

// measure waits until a worker has committed all, and prints the rate between a
// tenth and nine tenths, as in the beginning it takes its leases.
func (f *crew) measure(m *member, events int) {
	type sample struct {
		at time.Time
		in int64
	}
	var samples []sample
	f.until("all is committed", 5*time.Minute, func() bool {
		in := f.sum().In
		if len(samples) == 0 || samples[len(samples)-1].in < in {
			samples = append(samples, sample{time.Now(), in})
		}
		time.Sleep(100 * time.Millisecond)
		return in >= int64(events)
	})
	first, last := samples[0], samples[len(samples)-1]
	for _, s := range samples {
		if s.in < int64(events)/10 {
			first = s
		}
	}
	cpu, rss := m.usage()
	f.t.Logf("%d events: %.0f events/s committed (over %.1f s); %.1f s of CPU, %.0f events a CPU second; peak memory %d MiB; %d shards", events,
		float64(last.in-first.in)/last.at.Sub(first.at).Seconds(), last.at.Sub(first.at).Seconds(), cpu, float64(events)/cpu, rss>>20, len(f.manifests()))
	m.stop()
}

// usage is the CPU time of a process in seconds and its greatest resident size.
func (m *member) usage() (cpu float64, peak int64) {
	page := m.metrics()
	for _, line := range strings.Split(page, "\n") {
		if text, ok := strings.CutPrefix(line, "process_cpu_seconds_total "); ok {
			cpu, _ = strconv.ParseFloat(text, 64)
		}
	}
	return cpu, m.memory("VmHWM:")
}

// memory is a figure of /proc/<pid>/status in bytes.
func (m *member) memory(name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.Process.Pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

func (g *ground) kinesaliteThroughput(t *testing.T) {
	f := g.newFleet(t, 4)
	f.flags = usual.flags()
	now := time.Now().UTC()
	tr, err := gen.Fit(gen.Options{Seed: 60, Accounts: 12, Start: now.Add(-100 * time.Minute), Duration: 90 * time.Minute}, 30_000)
	if err != nil {
		t.Fatal(err)
	}
	var records []streamRecord
	for r := range tr.Events() {
		records = append(records, streamRecord{r.Account, r.JSON})
	}
	began := time.Now()
	f.put(t.Context(), records, 0)
	t.Logf("%d records put in %v", len(records), time.Since(began).Round(time.Millisecond))
	f.measure(f.worker(), len(records))
}

// shardMemory holds a worker with few shards against some with many, all idle.
func (g *ground) shardMemory(t *testing.T) {
	const few = 2
	resident := map[int]int64{}
	for _, shards := range []int{few, 26, 100} {
		t.Run(strconv.Itoa(shards), func(t *testing.T) {
			f := g.cannedFleet(t, newCanned(t, shards, 200*shards, 1))
			m := f.worker()
			f.share(shards)
			f.until("all is committed", 2*time.Minute, func() bool { return len(f.manifests()) == shards && f.sum().In >= int64(150*shards) })
			time.Sleep(5 * time.Second)
			resident[shards] = m.memory("VmRSS:")
			more := float64(resident[shards]-resident[few]) / float64(max(1, shards-few)) / (1 << 20)
			t.Logf("%d shards: resident %d MiB, %.1f MiB for each more than %d", shards, resident[shards]>>20, more, few)
			m.stop()
		})
	}
}
