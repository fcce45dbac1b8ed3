package processor_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// hosts are the machines of a simulation with local caches on disk. A worker
// that dies leaves its files as they are at that moment; a host that loses its
// power leaves less.
type hosts struct {
	world *world
	root  string
	made  int
	free  []*host
}

type host struct {
	dir    string
	shards []string // that left something here
}

// take finds a host for a worker: in most cases one that knows the shard.
func (h *hosts) take(shard string) *host {
	if h.root == "" {
		return nil
	}
	i := slices.IndexFunc(h.free, func(m *host) bool { return slices.Contains(m.shards, shard) })
	if i < 0 || h.world.chance(250) {
		h.made++
		m := &host{dir: filepath.Join(h.root, strconv.Itoa(h.made)), shards: []string{shard}}
		h.world.must("make a host", os.MkdirAll(m.dir, 0o700))
		return m
	}
	m := h.free[i]
	h.free = slices.Delete(h.free, i, i+1)
	return m
}

// giveBack makes a host free whose worker has ended in peace.
func (h *hosts) giveBack(m *host) {
	if m != nil {
		h.free = append(h.free, m)
	}
}

// crash keeps what a worker that is about to die has on disk. The worker itself
// goes on in its old folder, which nobody looks at again.
func (h *hosts) crash(m *host) {
	if m == nil {
		return
	}
	h.made++
	left := &host{dir: filepath.Join(h.root, strconv.Itoa(h.made)), shards: m.shards}
	if text, err := exec.Command("cp", "-a", m.dir, left.dir).CombinedOutput(); err != nil {
		h.world.watch.errorf("copy %s: %v: %s", m.dir, err, text)
		return
	}
	if h.world.chance(250) {
		h.world.logf("its host loses power")
		h.world.add(&h.world.sum.PowerLosses)
		h.world.must("lose power", h.losePower(left.dir))
	}
	h.free = append(h.free, left)
}

// losePower takes away what was not synced: the end of every file that is
// written in place. The host has another boot id afterwards.
func (h *hosts) losePower(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) == 0 || len(data) > 1<<20 {
			return err
		}
		if filepath.Base(path) == "opened" {
			return os.WriteFile(path, bytes.Repeat([]byte("0"), len(data)), 0o600)
		}
		return os.Truncate(path, int64(h.world.rand.IntN(len(data))))
	})
}
