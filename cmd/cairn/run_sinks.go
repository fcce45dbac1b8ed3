package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor/fleet"
)

// sinksEvery is how often the files of sinks are looked at.
const sinksEvery = 10 * time.Second

// sinkFiles are the sinks beside the rules, which may change while a worker
// runs.
type sinkFiles struct {
	dirs    []string
	metrics *fleet.Metrics
	log     *slog.Logger
	seen    uint64 // sum of the files that were read last
}

// watchSinks watches the files of sinks in folders of rules.
func watchSinks(dirs []string, metrics *fleet.Metrics, log *slog.Logger) *sinkFiles {
	return &sinkFiles{dirs: dirs, metrics: metrics, log: log}
}

// load reads the sinks. How the files look is noted first, so that no change
// after that is missed.
func (f *sinkFiles) load() (*alert.Sinks, error) {
	f.seen = f.sum()
	return loadSinks(f.dirs)
}

// loadSinks reads the sinks beside the rules. The error joins all mistakes.
func loadSinks(dirs []string) (*alert.Sinks, error) {
	sources, err := folders(dirs)
	if err != nil {
		return nil, err
	}
	return alert.Load(alert.Options{}, sources...)
}

// follow loads the sinks anew when their files change, and on SIGHUP, when
// values of the environment or of other files that they name may have changed
// too, and gives them to out. Sinks with mistakes are not taken: the old ones go
// on, and the log says why.
func (f *sinkFiles) follow(ctx context.Context, out *outbox) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	tick := time.NewTicker(sinksEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			f.reload(ctx, out)
		case <-tick.C:
			f.look(ctx, out)
		}
	}
}

// look reloads what has changed.
func (f *sinkFiles) look(ctx context.Context, out *outbox) {
	if f.sum() != f.seen {
		f.reload(ctx, out)
	}
}

func (f *sinkFiles) reload(ctx context.Context, out *outbox) {
	sinks, err := f.load()
	if err == nil {
		err = out.exchange(ctx, sinks)
	}
	f.metrics.Reloaded(fleet.ReloadSinks, err == nil)
	if err != nil {
		f.log.Error("the sinks of alerts were not reloaded, those from before stay: correct the file, it is read again when it changes", "error", err)
		return
	}
	f.log.Info("sinks of alerts reloaded", "sinks", len(sinks.All()))
}

// sum tells whether the files have changed.
func (f *sinkFiles) sum() uint64 {
	h := fnv.New64a()
	for _, dir := range f.dirs {
		data, err := fs.ReadFile(os.DirFS(dir), alert.FileName)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			_, _ = fmt.Fprintln(h, err)
		}
		_, _ = fmt.Fprintln(h, len(data), err == nil)
		_, _ = h.Write(data)
	}
	return h.Sum64()
}
