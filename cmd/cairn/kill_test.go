package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor"
)

// TestKill ends the real program in the ways that a machine and its users
// have, and holds what is left in the end against a run that was left alone.
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("sends signals")
	}
	p := build(t)
	t.Run("sample", func(t *testing.T) { p.killSuite(t, theSample(100), 10) })
	t.Run("history", func(t *testing.T) {
		c := corpus{name: "history", commit: 300, paths: []string{filepath.Join(dataFolder(t), "cloudtrail", "history")}}
		p.killSuite(t, c, 20)
	})
	t.Run("odd", func(t *testing.T) {
		// Pieces that cannot be decoded, duplicates, and times that go back
		// along the log. All accounts in one shard, or one without a commit
		// would let each run begin at the start.
		odd := filepath.Join(dataFolder(t), "cloudtrail", "odd")
		p.killSuite(t, corpus{name: "odd", commit: 20, flags: []string{"--shards", "1"}, paths: []string{odd}}, 10)
	})
	t.Run("signal", func(t *testing.T) { p.signals(t, theSample(100)) })
	t.Run("two at once", func(t *testing.T) { p.twoAtOnce(t, theSample(100)) })
}

// strike is what a kill met: whether a commit was under way.
type strike struct {
	staged bool // files are on stage that were not there before the run
	unseen bool // a commit stands whose files readers do not see yet
}

// killSuite replays a corpus again and again into fresh folders, each time
// killing it until it ends, until it was killed often enough.
func (p program) killSuite(t *testing.T, c corpus, kills int) {
	straight := filepath.Join(t.TempDir(), "straight")
	start := time.Now()
	p.must(t, c.replay(straight)...)
	whole := time.Since(start)
	want := p.remains(t, c, straight)
	if len(want.Findings) == 0 || len(want.Files) == 0 {
		t.Fatal("the straight run left nothing to compare with")
	}
	chance := rand.New(rand.NewPCG(15, 9)) // any seed will do; a fixed one makes a failure come again
	hits, tries, staged, unseen, rounds := 0, 0, 0, 0, 0
	for hits < kills || unseen == 0 {
		dir := filepath.Join(t.TempDir(), "killed")
		for {
			r := p.start(t, c.replay(dir)...)
			before := c.staged(t, dir)
			c.wait(t, chance, r, dir, whole)
			tries++
			if !r.kill() {
				if code := r.status(); code != exitDone {
					t.Fatalf("a run after a kill failed with %d: %s", code, r.err.String())
				}
				break
			}
			hits++
			s := c.strike(t, dir, before)
			if s.staged {
				staged++
			}
			if s.unseen {
				unseen++
			}
		}
		rounds++
		got := p.remains(t, c, dir)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: a killed replay ends otherwise (-straight +killed):\n%s", rounds, diff)
		}
		if tries > 8*kills {
			t.Fatalf("%d of %d kills hit a running process, %d a commit that was not wholly published: the test shows too little", hits, tries, unseen)
		}
	}
	if hits < tries/2 {
		t.Errorf("only %d of %d kills hit a running process", hits, tries)
	}
	t.Logf("%s: %d of %d kills hit in %d rounds; %d fell into a commit, %d of them between it and its publication; %d files compared a round, straight run %v",
		c.name, hits, tries, rounds, max(staged, unseen), unseen, len(want.Files), whole.Round(time.Millisecond))
}

// wait passes the time until the next kill. A third of the kills come at any
// moment of the first part of a run, a third shortly after a file was staged,
// which is to say before or in a commit, and a third when a manifest has just
// been written, which is when files are published.
func (c corpus) wait(t testing.TB, chance *rand.Rand, r *process, dir string, whole time.Duration) {
	skip := chance.IntN(8) // commits to let pass
	pause := time.Duration(chance.Int64N(int64(10 * time.Millisecond)))
	switch chance.IntN(3) {
	case 0:
		time.Sleep(time.Duration(chance.Int64N(int64(whole) * 2 / 3)))
	case 1:
		before := c.staged(t, dir)
		busy := func() bool { return c.staged(t, dir) > before }
		quiet := func() bool { return !busy() }
		for r.await(busy) && skip > 0 && r.await(quiet) {
			skip--
		}
		time.Sleep(pause)
	default:
		for last := c.written(t, dir); skip >= -4; skip-- { // the first four writes take the shards over
			if !r.await(func() bool { return c.written(t, dir) != last }) {
				return
			}
			last = c.written(t, dir)
		}
	}
}

// written tells when a manifest was last written.
func (c corpus) written(t testing.TB, dir string) (last time.Time) {
	t.Helper()
	for _, path := range c.glob(t, dir, "state", "cairn", "*", "*", "MANIFEST") {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// staged counts the files on stage. Those of a killed process stay there.
func (c corpus) staged(t testing.TB, dir string) int {
	t.Helper()
	return len(c.glob(t, dir, "lake", "_stage", "*", "*"))
}

// strike looks at what a killed process left, before which there were so many
// files on stage.
func (c corpus) strike(t testing.TB, dir string, before int) (s strike) {
	t.Helper()
	s.staged = c.staged(t, dir) > before
	if _, err := os.Stat(c.state(dir)); err != nil {
		return s
	}
	manifests, err := processor.Manifests(t.Context(), store(t, c.state(dir)), "cairn")
	if err != nil {
		t.Fatalf("a kill left a manifest that cannot be read: %v", err)
	}
	seen := visible(t, c.lake(dir))
	for _, m := range manifests {
		for name := range seen {
			if n, ok := checkpointOf(name, m.Shard); ok && n > m.Ckpt {
				t.Errorf("readers see %s, but %s has %d commits", name, m.Shard, m.Ckpt)
			}
		}
		for _, f := range m.Pending {
			if _, err := os.Stat(filepath.Join(c.lake(dir), f.Final)); err != nil {
				s.unseen = true
			}
		}
	}
	return s
}

// checkpointOf is the number of the commit in a file's name, if it is one of
// the shard's.
func checkpointOf(name, shard string) (n int64, ok bool) {
	_, rest, ok := strings.Cut(name, "/"+shard+"-")
	if !ok || len(rest) < 10 {
		return 0, false
	}
	n, err := strconv.ParseInt(rest[:10], 10, 64)
	return n, err == nil
}

// committed tells that some shard has committed n times in dir.
func (c corpus) committed(t testing.TB, dir string, n int) func() bool {
	return func() bool {
		for _, shard := range c.glob(t, dir, "state", "cairn", "*", "*", "seg") {
			segments, _ := filepath.Glob(filepath.Join(shard, "*"))
			if len(segments) >= n {
				return true
			}
		}
		return false
	}
}

// half makes a data folder of a replay that was killed after some commits.
func (p program) half(t testing.TB, c corpus, commits int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "half")
	r := p.start(t, c.replay(dir)...)
	if !r.await(c.committed(t, dir, commits)) || !r.kill() {
		t.Fatalf("the replay ended before its commit %d: %s", commits, r.err.String())
	}
	return dir
}

// straight is what a replay leaves that is left alone.
func (p program) straight(t testing.TB, c corpus) remains {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "straight")
	p.must(t, c.replay(dir)...)
	return p.remains(t, c, dir)
}

// resumes runs the replay to its end and compares all that is left.
func (p program) resumes(t testing.TB, c corpus, dir string, want remains) {
	t.Helper()
	p.must(t, c.replay(dir)...)
	if diff := cmp.Diff(want, p.remains(t, c, dir)); diff != "" {
		t.Errorf("the replay ends otherwise (-straight +resumed):\n%s", diff)
	}
}

// signals stops a replay as Ctrl-C and a service manager do.
func (p program) signals(t *testing.T, c corpus) {
	want := p.straight(t, c)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			r := p.start(t, c.replay(dir)...)
			if !r.await(c.committed(t, dir, 1)) {
				t.Fatalf("the replay ended before its first commit: %s", r.err.String())
			}
			if err := r.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			sent := time.Now()
			r.complain(t, "stopped; what was committed is kept")
			// Long enough for a loaded machine, short of what a service manager waits (systemd: 90 s, Kubernetes: 30 s).
			if took := time.Since(sent); took > 5*time.Second {
				t.Errorf("it ended %v after the signal", took)
			}
			p.resumes(t, c, dir, want)
		})
	}
}

// twoAtOnce starts the same replay twice on one data folder.
func (p program) twoAtOnce(t *testing.T, c corpus) {
	want := p.straight(t, c)
	dir := filepath.Join(t.TempDir(), "data")
	first := p.start(t, c.replay(dir)...)
	if !first.await(c.committed(t, dir, 1)) {
		t.Fatalf("the replay ended before its first commit: %s", first.err.String())
	}
	second := p.start(t, c.replay(dir)...)
	won := 0
	for _, r := range []*process{first, second} {
		if r.status() == exitDone {
			won++
			continue
		}
		r.complain(t, "another")
		t.Logf("it says: %s", strings.TrimSpace(r.err.String()))
	}
	if won != 1 {
		t.Errorf("%d of two processes on one data folder came to the end, want one", won)
	}
	p.resumes(t, c, dir, want)
}
