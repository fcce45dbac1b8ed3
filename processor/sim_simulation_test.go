package processor_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The simulation runs shards as they are over a store, a stream, a lease table
// and a sink in memory (package processortest). A seed decides the input, the
// settings and the order of everything that happens: which call goes next and
// what becomes of it, which worker dies, who takes a shard from whom, when the
// stream is resharded. While it runs, every write is held against what the
// commit protocol allows; at its end all that is left is held against an oracle
// that reads the stream once from front to back (sim_oracle_test.go).
//
//	go test ./processor -run TestSimulation                        1,000 seeds, 60 with -short
//	go test ./processor -run TestSimulation -sim.seeds=10000       more of them
//	go test ./processor -run TestSimulation -sim.seed=17           one, with its trace
//	go test ./processor -run TestSimulation -sim.badger -sim.seeds=500     with local caches on disk, power losses included
//	CAIRN_SIM_SEEDS=1000000 go test ./processor -run TestSimulation -timeout 0
var (
	simSeeds       = flag.Int("sim.seeds", envInt("CAIRN_SIM_SEEDS"), "number of seeds of the simulation; 0: 1,000, with -short 60")
	simFirst       = flag.Uint64("sim.first", 1, "first seed of the simulation")
	simPart        = flag.String("sim.part", "", "run this part of the seeds, as in 0/2; for processes that TestSimulation starts")
	simOut         = flag.String("sim.out", "", "where a part writes what it went through")
	simBadger      = flag.Bool("sim.badger", false, "keep the local caches on disk")
	simCollections = flag.Int("sim.collections", 1, "collections of garbage in a thousand steps, each after a pause of two days")
	simSeed        = flag.Uint64("sim.seed", 0, "run this seed alone and print its trace")
)

func envInt(name string) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return 0
	}
	return n
}

func seedCount() int {
	switch {
	case *simSeeds > 0:
		return *simSeeds
	case testing.Short():
		return 60
	}
	return 1000
}

// totals are what all seeds together went through.
type totals struct {
	mu sync.Mutex

	Seeds, Steps, Records, Crashes, Takeovers, Handovers, Stops, Ambiguous, Commits, Fenced int
	Rolls, Compactions, Splits, Merges, Snapshots, Resends, Garbage, PowerLosses, Failures  int
}

func (t *totals) fields() []*int {
	return []*int{&t.Seeds, &t.Steps, &t.Records, &t.Crashes, &t.Takeovers, &t.Handovers, &t.Stops, &t.Ambiguous, &t.Commits, &t.Fenced,
		&t.Rolls, &t.Compactions, &t.Splits, &t.Merges, &t.Snapshots, &t.Resends, &t.Garbage, &t.PowerLosses}
}

func (t *totals) plus(u *totals) {
	for i, n := range u.fields() {
		*t.fields()[i] += *n
	}
}

func (t *totals) String() string {
	return fmt.Sprintf("%d seeds, %d steps, %d records: %d crashes, %d live takeovers, %d hand-overs, %d shards stopped by errors, %d fenced; "+
		"%d writes without an answer, %d commits, %d rolls, %d compactions, %d splits, %d merges, %d snapshots, %d alert re-sends, %d objects of garbage, %d power losses",
		t.Seeds, t.Steps, t.Records, t.Crashes, t.Takeovers, t.Handovers, t.Stops, t.Fenced,
		t.Ambiguous, t.Commits, t.Rolls, t.Compactions, t.Splits, t.Merges, t.Snapshots, t.Resends, t.Garbage, t.PowerLosses)
}

// TestSimulation divides the seeds among processes. Within one, all seeds share
// a bubble and with it what the packages keep for reuse, such as encoders: what
// was made inside of a bubble must not be used outside of it.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		sum := new(totals)
		synctest.Test(t, func(t *testing.T) { simulate(t, *simSeed, sum, true) })
		t.Log(sum)
		return
	}
	began, parts := time.Now(), runtime.GOMAXPROCS(0)
	found := make([]*totals, parts)
	t.Run("parts", func(t *testing.T) {
		for i := range parts {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				found[i] = runPart(t, i, parts)
			})
		}
	})
	sum := new(totals)
	for i := range found {
		if found[i] == nil {
			return
		}
		sum.plus(found[i])
	}
	t.Logf("%v in %v", sum, time.Since(began).Round(time.Millisecond))
}

// perProcess is how many seeds a process runs: a bubble keeps what its timers
// and pools have held, some megabytes a seed, until the process ends.
const perProcess = 200

// runPart runs each parts-th seed, in one process after the other.
func runPart(t *testing.T, i, parts int) *totals {
	sum := new(totals)
	for done := 0; done < seedCount(); done += perProcess * parts {
		sum.plus(runProcess(t, i, parts, *simFirst+uint64(done), min(perProcess*parts, seedCount()-done)))
	}
	return sum
}

// runProcess runs each parts-th of some seeds in a process of its own.
func runProcess(t *testing.T, i, parts int, first uint64, seeds int) *totals {
	sum := new(totals)
	out := filepath.Join(t.TempDir(), "totals.json")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSimulationPart$", "-test.timeout=0",
		fmt.Sprintf("-sim.part=%d/%d", i, parts), fmt.Sprintf("-sim.seeds=%d", seeds), fmt.Sprintf("-sim.first=%d", first), "-sim.out="+out,
		fmt.Sprintf("-sim.badger=%v", *simBadger), fmt.Sprintf("-sim.collections=%d", *simCollections))
	// One thread for each process, and a collector that runs seldom, though not
	// so seldom that fresh pages cost more than it does.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=200")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err == nil {
		err = json.Unmarshal(data, sum)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestSimulationPart is one process of TestSimulation.
func TestSimulationPart(t *testing.T) {
	var part, parts int
	if _, err := fmt.Sscanf(*simPart, "%d/%d", &part, &parts); err != nil {
		t.Skip("it is started by TestSimulation")
	}
	sum, at := new(totals), uint64(0)
	defer func() { // a panic ends the process; say where it was
		if !t.Failed() && sum.Failures == 0 && sum.Seeds*parts < *simSeeds-parts {
			fmt.Fprintf(os.Stderr, "in seed %d\n", at)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		for i := part; i < *simSeeds && sum.Failures == 0; i += parts {
			at = *simFirst + uint64(i)
			trace := simulate(t, at, sum, false)
			if i == part {
				again := simulate(t, at, new(totals), false)
				if d := cmp.Diff(events(trace), events(again)); d != "" {
					t.Errorf("seed %d does not repeat itself (-first +second):\n%s", at, d)
				}
			}
		}
	})
	data, err := json.Marshal(sum)
	if err == nil {
		err = os.WriteFile(*simOut, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// events are the lines of a trace. What an error says may depend on which of two
// goroutines noticed it first.
func events(trace string) []string {
	lines := strings.Split(trace, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, " ends: ")
	}
	return lines
}

// simulate runs one seed. The trace of a failing one is printed.
func simulate(t *testing.T, seed uint64, sum *totals, print bool) (trace string) {
	w := &world{seed: seed, sum: sum}
	w.run(t)
	if len(w.watch.errs) > 0 {
		w.add(&sum.Failures)
	}
	if print || len(w.watch.errs) > 0 {
		t.Logf("seed %d; again with -run TestSimulation -sim.seed=%d\n%s", seed, seed, w.log.String())
	}
	return w.log.String()
}
