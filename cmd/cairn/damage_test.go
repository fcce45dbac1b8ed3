package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor"
)

// TestDamage breaks what lies on disk between two runs of the real program.
// The local cache is only that: whatever happens to it, the end is the same.
// Manifests and segments are the truth: damage to them is refused, and nothing
// is changed.
func TestDamage(t *testing.T) {
	p := build(t)
	c := redelivered(t, 150)
	want := p.straight(t, c)
	early, late, stopped := p.half(t, c, 1), p.half(t, c, 3), p.stopped(t, c, 2)
	whole := filepath.Join(t.TempDir(), "whole")
	p.must(t, c.replay(whole)...)
	for name, from := range map[string]string{"none": "", "older": early, "newer": whole} {
		t.Run("cache "+name, func(t *testing.T) {
			dir := fork(t, late)
			c.swapCache(t, dir, from)
			p.resumes(t, c, dir, want)
		})
	}
	t.Run("cache of other data", p.cacheOfOther)
	// What a kill leaves is Badger's log of rows; after an orderly stop they
	// are in a table.
	for name, harm := range map[string]func([]byte) []byte{"cut": cut, "emptied": empty, "flipped": flip} {
		t.Run("killed, "+name, func(t *testing.T) { p.harmBadger(t, c, late, want, "*.mem", harm) })
		t.Run("stopped, "+name, func(t *testing.T) { p.harmBadger(t, c, stopped, want, "*.sst", harm) })
		if os.Getenv("CAIRN_DATA") != "" { // slow
			t.Run("any killed, "+name, func(t *testing.T) { p.harmBadger(t, c, late, want, "*", harm) })
			t.Run("any stopped, "+name, func(t *testing.T) { p.harmBadger(t, c, stopped, want, "*", harm) })
		}
	}
	t.Run("segment", func(t *testing.T) { p.harmTruth(t, c, fork(t, stopped), want, c.segments(t, stopped)) })
	t.Run("manifest", func(t *testing.T) { p.harmTruth(t, c, fork(t, stopped), want, c.manifests(t, stopped)) })
}

// redelivered is the sample with each third file delivered once more some
// hours later: an id that a restart forgets would become a second row.
func redelivered(t *testing.T, commit int) corpus {
	t.Helper()
	logs := t.TempDir()
	if err := os.CopyFS(logs, gen.Sample()); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := filepath.WalkDir(logs, func(path string, d fs.DirEntry, err error) error {
		if n++; err != nil || d.IsDir() || n%3 > 0 {
			return err
		}
		hour := regexp.MustCompile(`T(0\d|1\d)(\d\dZ_)`) // up to 19:59, so that the copy is of the same day
		again := hour.ReplaceAllStringFunc(path, func(s string) string {
			h, _ := strconv.Atoi(s[1:3])
			return fmt.Sprintf("T%02d%sagain", h+3, s[3:])
		})
		if again == path {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(again, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return corpus{name: "redelivered", commit: commit, flags: []string{"--snapshot-every", "1h"}, paths: []string{logs}}
}

// stopped is half, but with an orderly stop, after which nothing is left to be
// published.
func (p program) stopped(t *testing.T, c corpus, commits int) string {
	t.Helper()
	for range 10 {
		dir := p.stop(t, c, commits)
		if !c.strike(t, dir, 0).unseen {
			return dir
		}
	}
	t.Fatal("each stop fell between a commit and its publication")
	return ""
}

func (p program) stop(t *testing.T, c corpus, commits int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stopped")
	r := p.start(t, c.replay(dir)...)
	if !r.await(c.committed(t, dir, commits)) {
		t.Fatalf("the replay ended before its commit %d: %s", commits, r.err.String())
	}
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	r.complain(t, "stopped")
	return dir
}

// fork copies a data folder.
func fork(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	copyFolder(t, dir, from)
	return dir
}

// copyFolder copies a folder. The system's own program knows how to leave out
// the hundred megabytes of nothing that Badger's files have at their ends.
func copyFolder(t *testing.T, to, from string) {
	t.Helper()
	if out, err := exec.Command("cp", "-R", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// writeSparse writes a file without the zeros at its end and gives it its size.
func writeSparse(path string, data []byte) error {
	if err := os.WriteFile(path, bytes.TrimRight(data, "\x00"), 0o644); err != nil {
		return err
	}
	return os.Truncate(path, int64(len(data)))
}

// cacheOfOther gives a folder the cache of one that had less input, but the
// same number of commits, so that only the state's hash tells them apart.
func (p program) cacheOfOther(t *testing.T) {
	grown := func(upTo string) (corpus, string) {
		c := corpus{commit: 1_000_000, paths: []string{t.TempDir()}}
		dir := filepath.Join(t.TempDir(), "data")
		addSample(t, c.paths[0], upTo)
		p.must(t, c.replay(dir)...)
		return c, dir
	}
	c, dir := grown("1600Z")
	_, cache := grown("1000Z")
	plain := fork(t, dir)
	c.swapCache(t, dir, cache)
	addSample(t, c.paths[0], "2400Z")
	p.must(t, c.replay(plain)...)
	p.resumes(t, c, dir, p.remains(t, c, plain))
}

// addSample copies the files of the sample that were delivered before a time
// of day to a folder.
func addSample(t *testing.T, to, before string) {
	t.Helper()
	err := fs.WalkDir(gen.Sample(), ".", func(path string, d fs.DirEntry, err error) error {
		_, delivered, ok := strings.Cut(filepath.Base(path), "_20260303T")
		if err != nil || d.IsDir() || !ok || delivered >= before {
			return err
		}
		data, err := fs.ReadFile(gen.Sample(), path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, filepath.Base(path)), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// swapCache replaces the local cache by that of another data folder, or by none.
func (c corpus) swapCache(t *testing.T, dir, from string) {
	t.Helper()
	if err := os.RemoveAll(c.local(dir)); err != nil {
		t.Fatal(err)
	}
	if from == "" {
		return
	}
	copyFolder(t, c.local(dir), c.local(from))
}

// The ways in which a file breaks.
func cut(data []byte) []byte { return data[:len(data)/2] }
func empty([]byte) []byte    { return nil }

// flip inverts one bit of a byte, in the middle of what was written: files of
// Badger are made long, with zeros.
func flip(data []byte) []byte {
	if used := len(bytes.TrimRight(data, "\x00")); used > 0 {
		data[used/2] ^= 0x80
	}
	return data
}

// harmBadger breaks a file of the first local database that has it, a name at
// a time, and each time takes up the replay where it stood.
func (p program) harmBadger(t *testing.T, c corpus, dir string, want remains, pattern string, harm func([]byte) []byte) {
	names := map[string]bool{}
	for _, path := range c.glob(t, dir, "local", "*", "*", "badger", pattern) {
		names[filepath.Base(path)] = true
	}
	if len(names) == 0 {
		t.Fatalf("no %s in the local databases: the test shows nothing", pattern)
	}
	for name := range names {
		t.Run(name, func(t *testing.T) {
			copied := fork(t, dir)
			change(t, c.glob(t, copied, "local", "*", "*", "badger", name)[0], harm)
			// Badger panics over a table that was cut, on a goroutine of its
			// own. That may happen once.
			if r := p.start(t, c.replay(copied)...); r.status() != exitDone {
				if !strings.Contains(r.err.String(), "badger/v4/table") {
					t.Errorf("exit status %d: %s", r.status(), r.err.String())
				}
				t.Log("the first run ended inside of Badger")
			}
			p.resumes(t, c, copied, want)
		})
	}
}

func change(t *testing.T, path string, harm func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeSparse(path, harm(data)); err != nil {
		t.Fatal(err)
	}
}

// segments are the names of the segments that count: a kill can leave others.
func (c corpus) segments(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := processor.Manifests(t.Context(), store(t, c.state(dir)), "cairn")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, s := range m.Segments {
			names = append(names, s.Key)
		}
	}
	return names
}

func (c corpus) manifests(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, path := range c.glob(t, dir, "state", "cairn", "*", "*", "MANIFEST") {
		name, err := filepath.Rel(c.state(dir), path)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.ToSlash(name))
	}
	return names
}

// harmTruth breaks objects of the state in turn: the program must refuse to
// run, name the object and leave everything as it was; with the object mended
// it goes on.
func (p program) harmTruth(t *testing.T, c corpus, dir string, want remains, names []string) {
	if len(names) == 0 {
		t.Fatal("no such object")
	}
	before := c.look(t, dir)
	for _, name := range names[:min(4, len(names))] {
		c.swapCache(t, dir, "") // or the segment might not be needed
		path := filepath.Join(c.state(dir), name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		change(t, path, flip)
		p.start(t, c.replay(dir)...).complain(t, name)
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, c.look(t, dir)); diff != "" {
			t.Errorf("a refused run changed something:\n%s", diff)
		}
	}
	p.resumes(t, c, dir, want)
}
