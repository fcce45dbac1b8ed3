package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// owner is a process that owns the measured shard.
type owner struct {
	*exec.Cmd
	errors strings.Builder
	done   chan struct{} // closed when the process has ended and all of its lines were read

	mu      sync.Mutex
	heard   []Happening
	openAt  time.Time
	waitErr error
}

// start runs the program with args. Its lines are read as they come.
func start(ctx context.Context, args []string) (*owner, error) {
	o := &owner{Cmd: exec.CommandContext(ctx, args[0], args[1:]...), done: make(chan struct{})}
	o.Stderr = &o.errors
	lines, err := o.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the shard's owner: %w", err)
	}
	if err := o.Start(); err != nil {
		return nil, fmt.Errorf("start the shard's owner: %w", err)
	}
	go func() {
		defer close(o.done)
		for in := bufio.NewScanner(lines); in.Scan(); {
			o.hear(in.Bytes())
		}
		o.waitErr = o.Wait()
	}()
	return o, nil
}

func (o *owner) hear(line []byte) {
	var h Happening
	if json.Unmarshal(line, &h) != nil {
		return // the end of a killed process's last line is missing
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, h)
	if h.Kind == "open" {
		o.openAt = time.Now()
	}
}

// told returns what the process has said so far, and when it had the shard.
func (o *owner) told() ([]Happening, time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.heard, o.openAt
}

// end ends the process: kill -9, or politely, and waits for it.
func (o *owner) end(with os.Signal) error {
	if err := o.Process.Signal(with); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the shard's owner: %w", err)
	}
	<-o.done
	if with != os.Kill && o.waitErr != nil {
		return fmt.Errorf("the shard's owner: %w: %s", o.waitErr, strings.TrimSpace(o.errors.String()))
	}
	return nil
}

// alive is an error when the process has ended by itself.
func (o *owner) alive() error {
	select {
	case <-o.done:
		return fmt.Errorf("the shard's owner ended by itself: %w: %s", o.waitErr, strings.TrimSpace(o.errors.String()))
	default:
		return nil
	}
}

// finish waits for a process that ends by itself and returns its last line.
func (o *owner) finish() (Happening, error) {
	<-o.done
	heard, _ := o.told()
	if o.waitErr != nil || len(heard) == 0 || heard[len(heard)-1].Kind != "end" {
		return Happening{}, fmt.Errorf("the shard's owner did not finish: %w: %s", o.waitErr, strings.TrimSpace(o.errors.String()))
	}
	return heard[len(heard)-1], nil
}

// peak is the greatest resident size of the process as it last told.
func (o *owner) peak() (bytes int64) {
	heard, _ := o.told()
	for _, h := range heard {
		bytes = max(bytes, h.PeakRSSBytes)
	}
	return bytes
}

// place is a data folder of the measured shard.
type place struct {
	dir   string
	store blob.Store
}

func newPlace(dir string) (*place, error) {
	s, err := blob.OpenDir(filepath.Join(dir, "state"))
	if err != nil {
		return nil, err
	}
	return &place{dir, s}, nil
}

func (p *place) manifest(ctx context.Context) (*manifest.Manifest, error) {
	return manifest.ReadManifest(ctx, p.store, manifest.Key("cairn", recoveryStream, recoveryShard))
}

// await polls the manifest until cond holds, and says when. It is read from
// outside, so that what counts is what the next owner would find.
func (p *place) await(ctx context.Context, o *owner, cond func(*manifest.Manifest) bool) (time.Time, error) {
	for {
		m, err := p.manifest(ctx)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return time.Time{}, err
		}
		if err == nil && cond(m) {
			return time.Now(), nil
		}
		if err := errors.Join(o.alive(), ctx.Err()); err != nil {
			return time.Time{}, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}
