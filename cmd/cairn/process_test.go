package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// program is the built program: what a user runs, with a life of its own that
// can be ended from outside.
type program string

// build makes the program once for a test and its subtests, with the race
// detector when CAIRN_RACE is set.
func build(t *testing.T) program {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program and runs it many times; left out with -short")
	}
	path := filepath.Join(t.TempDir(), "cairn")
	args := []string{"build", "-o", path, "."}
	if os.Getenv("CAIRN_RACE") != "" {
		args = slices.Insert(args, 1, "-race")
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program(path)
}

// process is a run of the program.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
	done     chan struct{} // closed when it has ended
	began    time.Time
}

func (p program) start(t testing.TB, args ...string) *process {
	t.Helper()
	return p.launch(t, []string{"NO_COLOR=1", "CAIRN_LOG=error"}, nil, args...)
}

// launch starts a run with more settings in its environment. Its standard error
// goes to a file, or when there is none to process.err.
func (p program) launch(t testing.TB, env []string, errors *os.File, args ...string) *process {
	t.Helper()
	r := &process{Cmd: exec.Command(string(p), args...), done: make(chan struct{}), began: time.Now()}
	r.Stdout, r.Stderr = &r.out, &r.err
	if errors != nil {
		r.Stderr = errors
	}
	r.Env = append(os.Environ(), env...)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.Wait() // the status is in ProcessState
		close(r.done)
	}()
	t.Cleanup(func() {
		_ = r.Process.Kill()
		<-r.done
	})
	return r
}

// status waits for the end and returns the exit status, -1 after a signal.
func (r *process) status() int {
	<-r.done
	return r.ProcessState.ExitCode()
}

func (r *process) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// kill ends the process with SIGKILL and tells whether it was still running.
func (r *process) kill() (hit bool) {
	_ = r.Process.Kill()
	return r.status() == -1
}

// await waits until cond holds; false means that the process ended first.
func (r *process) await(cond func() bool) bool {
	for !cond() {
		if r.ended() {
			return false
		}
		time.Sleep(200 * time.Microsecond)
	}
	return true
}

// must runs the program to its end and returns what it printed.
func (p program) must(t testing.TB, args ...string) string {
	t.Helper()
	r := p.start(t, args...)
	if code := r.status(); code != exitDone {
		t.Fatalf("cairn %v: exit status %d: %s", args, code, r.err.String())
	}
	return r.out.String()
}

// corpus is an input and the way to replay it.
type corpus struct {
	name   string
	paths  []string
	commit int // records of a shard between two commits
	flags  []string
	sub    string // where below the data folder all of it is
}

// theSample is the bundled corpus, with a commit each commit records of a shard.
// It is a single day, so there is a snapshot each hour of it.
func theSample(commit int) corpus {
	return corpus{name: "sample", commit: commit, flags: []string{"--snapshot-every", "1h"}, sub: "sample"}
}

// replay is the command line of a replay into dir.
func (c corpus) replay(dir string) []string {
	args := []string{"replay", "--data", dir, "--commit-records", fmt.Sprint(c.commit), "--no-progress"}
	return append(append(args, c.flags...), c.paths...)
}

func (c corpus) lake(dir string) string  { return filepath.Join(dir, c.sub, "lake") }
func (c corpus) state(dir string) string { return filepath.Join(dir, c.sub, "state") }
func (c corpus) local(dir string) string { return filepath.Join(dir, c.sub, "local") }

// glob finds files below the data folder, for which stars may stand.
func (c corpus) glob(t testing.TB, dir string, parts ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(append([]string{dir, c.sub}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// remains is all that a data folder holds, as far as anybody can tell: the
// visible files of the lake byte for byte, the rows of progress, the
// manifests, and what the commands print of findings and inventory. Left out
// is what names the processes that took part: the epoch, of which each start
// is one, and the writer.
type remains struct {
	Files               map[string]string
	Progress            []export.ProgressRow
	Manifests           []manifest.Manifest
	Findings, Resources string
}

// remains gathers what is left in dir.
func (p program) remains(t testing.TB, c corpus, dir string) remains {
	t.Helper()
	r := c.look(t, dir)
	r.Findings = p.must(t, "findings", "--data", dir, "--output", "json")
	r.Resources = p.must(t, "resources", "list", "--data", dir, "--output", "json")
	return r
}

// look is remains without the commands, which refuse damaged data.
func (c corpus) look(t testing.TB, dir string) remains {
	t.Helper()
	r := remains{Files: visible(t, c.lake(dir))}
	for row, err := range export.ReadRows[export.ProgressRow](t.Context(), store(t, c.lake(dir)), export.Selection{}) {
		if err != nil {
			t.Fatal(err)
		}
		row.Epoch = 0
		r.Progress = append(r.Progress, *row)
	}
	manifests, err := processor.Manifests(t.Context(), store(t, c.state(dir)), "cairn")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		r.Manifests = append(r.Manifests, nameless(*m))
	}
	return r
}

// nameless is a manifest without what depends on the processes that wrote it.
func nameless(m manifest.Manifest) manifest.Manifest {
	m = *m.Clone()
	m.Epoch, m.Writer, m.Committed = 0, "", time.Time{}
	for i := range m.Segments {
		m.Segments[i].Key = ""
	}
	for i := range m.Pending {
		m.Pending[i].Stage = ""
		if m.Pending[i].Table == string(export.Progress) {
			m.Pending[i].Bytes, m.Pending[i].SHA256 = 0, ""
		}
	}
	return m
}

// visible are the files that readers of a lake see, and their digests. Files
// of progress hold the epoch, and _cairn.json the id of a state, which is made
// by chance: of them only the names count here.
func visible(t testing.TB, lake string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(lake, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(lake, path)
		name = filepath.ToSlash(name)
		if d != nil && d.IsDir() && (name == "_stage" || strings.HasPrefix(name, ".") && name != ".") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		files[name] = hex.EncodeToString(sum[:])
		if strings.HasPrefix(name, "progress/") || name == "_cairn.json" {
			files[name] = ""
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}

func store(t testing.TB, dir string) blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// complain checks that a run failed with one line on standard error that holds
// one of the words.
func (r *process) complain(t testing.TB, words ...string) {
	t.Helper()
	code, text := r.status(), r.err.String()
	if code != exitFailed || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "cairn: ") {
		t.Errorf("exit status %d and %q, want %d and one line", code, text, exitFailed)
	}
	for _, w := range words {
		if strings.Contains(text, w) {
			return
		}
	}
	t.Errorf("%q names none of %q", text, words)
}
