package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/state/manifest"
)

// RecoveryOptions say what to measure.
type RecoveryOptions struct {
	// Program is the command that runs a ShardRun; what it is to do is added as
	// flags: --data, --feed, --start, --rate, --commit-every, --until.
	Program []string
	Dir     string  // an empty folder; some 500 bytes a row
	Rows    []int64 // sizes of state
	Runs    int     // of each kind of end, for each size
	Rate    float64 // records a second
	// CommitEvery is the interval of commits while processes are ended, and
	// OverheadEvery that of the comparison with a single commit.
	CommitEvery, OverheadEvery time.Duration
	OverheadRecords            int64 // of each run of the comparison; 0: no comparison
	OverheadRounds             int
	Progress                   func(string) // told what is measured next; nil: nobody
}

// RecoveryReport is what recoveries and commits cost. What it leaves out, and
// what a fleet adds, is in Scope.
type RecoveryReport struct {
	Scope      []string       `json:"scope"`
	Settings   map[string]any `json:"settings"`
	Runs       []RecoveryRun  `json:"runs"`
	Checkpoint CheckpointCost `json:"checkpoint"`
	Overhead   *Overhead      `json:"overhead"` // null when it was not measured
	Go         string         `json:"go"`
	CPUs       int            `json:"cpus"`
}

// scope is what the figures mean.
var scope = []string{
	"one shard; stores and local cache in one folder of a local disk, no network",
	"times run from the signal that ends the old process; the new one is started when that is gone, so the lease's expiry and a scheduler's notice come on top",
	"the first commit waits for the first interval of commits unless the program commits earlier; restore_seconds is without that",
	"records go on arriving at the rate all the time, so the new owner begins with a backlog",
	"other host: the local cache is deleted, but files are in the page cache of this one",
}

// The ways in which an owner ends.
const (
	KillSameHost      = "kill -9, same host"
	KillOtherHost     = "kill -9, other host"
	GracefulOtherHost = "graceful, other host"
)

var kills = []string{KillSameHost, KillOtherHost, GracefulOtherHost}

// RecoveryRun is one change of owner. Times are seconds since the signal.
type RecoveryRun struct {
	StateRows       int64   `json:"state_rows"`
	Kill            string  `json:"kill"`
	SecondsToCommit float64 `json:"seconds_to_commit"` // first commit of the new owner
	FenceSeconds    float64 `json:"fence_seconds"`     // the old owner could not commit any more from here on
	RestoreSeconds  float64 `json:"restore_seconds"`   // state, ids and rows are there; reading goes on
	// Uncommitted is how many records had arrived and were in no commit when the
	// signal was sent: they are read again, or for the first time.
	Uncommitted  int64 `json:"uncommitted_records"`
	PeakRSSBytes int64 `json:"peak_rss_bytes"` // of the new process, up to its last commit
}

// CheckpointCost is what commits cost beside processing, at the rate of
// the runs; the first commit of each owner, which is larger, is left out.
type CheckpointCost struct {
	Commits         int     `json:"commits"`
	IntervalSeconds float64 `json:"interval_seconds"`
	P50             float64 `json:"p50"` // seconds, all steps
	P99             float64 `json:"p99"`
	ManifestP50     float64 `json:"manifest_p50"` // seconds until the manifest was written
	ManifestP99     float64 `json:"manifest_p99"`
	Bytes           int64   `json:"bytes"`    // median of a commit
	Requests        int64   `json:"requests"` // writes, median of a commit
}

// Recovery measures. Processes of its own are all that it ends.
func Recovery(ctx context.Context, opts RecoveryOptions) (*RecoveryReport, error) {
	b := &recovery{RecoveryOptions: opts, feed: filepath.Join(opts.Dir, "records.ndjson")}
	if b.Progress == nil {
		b.Progress = func(string) {}
	}
	r := &RecoveryReport{Scope: scope, Go: runtime.Version(), CPUs: runtime.GOMAXPROCS(0), Settings: map[string]any{
		"rate": opts.Rate, "commit_every_seconds": opts.CommitEvery.Seconds(), "runs": opts.Runs}}
	if err := writeFeed(b.feed); err != nil {
		return nil, err
	}
	for _, rows := range opts.Rows {
		runs, err := b.size(ctx, rows)
		if err != nil {
			return nil, fmt.Errorf("state of %d rows: %w", rows, err)
		}
		r.Runs = append(r.Runs, runs...)
	}
	r.Checkpoint = checkpointCost(b.commits, opts.CommitEvery)
	var err error
	r.Overhead, err = b.overhead(ctx)
	return r, err
}

// recovery is a measurement under way.
type recovery struct {
	RecoveryOptions
	feed    string
	commits []Happening
}

// arguments are the command line of an owner.
func (b *recovery) arguments(p *place, at time.Time, rate float64, every time.Duration, until int64) []string {
	return append(slices.Clone(b.Program), "--data", p.dir, "--feed", b.feed, "--start", strconv.FormatInt(at.UnixNano(), 10),
		"--rate", strconv.FormatFloat(rate, 'f', -1, 64), "--commit-every", every.String(), "--until", strconv.FormatInt(until, 10))
}

// seeded is how many records the state is multiplied from.
const seeded = 5000

// size measures all ends of owners of a shard with so many rows.
func (b *recovery) size(ctx context.Context, rows int64) (runs []RecoveryRun, err error) {
	b.Progress(fmt.Sprintf("make a state of %d rows", rows))
	p, err := newPlace(filepath.Join(b.Dir, fmt.Sprintf("rows-%d", rows)))
	if err != nil {
		return nil, err
	}
	first, err := start(ctx, b.arguments(p, time.Now().Add(-seeded*time.Millisecond), 0, b.CommitEvery, seeded))
	if err != nil {
		return nil, err
	}
	if _, err := first.finish(); err != nil {
		return nil, err
	}
	if err := errors.Join(fillState(ctx, p.store, rows, "00000000000000f1"), p.forget()); err != nil {
		return nil, err
	}
	// From here on record i arrives at start + i/rate, whoever is there to read it.
	began := time.Now().Add(-time.Duration(seeded / b.Rate * float64(time.Second)))
	args := b.arguments(p, began, b.Rate, b.CommitEvery, 0)
	old, err := start(ctx, args)
	if err != nil {
		return nil, err
	}
	for i := range b.Runs * len(kills) {
		kill := kills[i%len(kills)]
		b.Progress(fmt.Sprintf("%d rows: %s, %d of %d", rows, kill, i/len(kills)+1, b.Runs))
		run, next, err := b.change(ctx, p, old, args, kill, began)
		if err != nil {
			return nil, errors.Join(err, old.end(os.Kill))
		}
		if len(runs) > 0 {
			runs[len(runs)-1].PeakRSSBytes = old.peak()
		}
		b.commits = append(b.commits, later(old)...)
		runs, old = append(runs, run), next
	}
	err = old.end(syscall.SIGTERM)
	runs[len(runs)-1].PeakRSSBytes = old.peak()
	b.commits = append(b.commits, later(old)...)
	return runs, err
}

// later are the commits of an owner but its first.
func later(o *owner) (commits []Happening) {
	heard, _ := o.told()
	for _, h := range heard {
		if h.Kind == "commit" && !h.First {
			commits = append(commits, h)
		}
	}
	return commits
}

// forget deletes the local cache, as another host would be without it.
func (p *place) forget() error {
	if err := os.RemoveAll(filepath.Join(p.dir, "local")); err != nil {
		return fmt.Errorf("delete the local cache: %w", err)
	}
	return nil
}

// change lets an owner work for a while, ends it, starts the next one, and waits
// for its first commit.
func (b *recovery) change(ctx context.Context, p *place, old *owner, args []string, kill string, began time.Time) (run RecoveryRun, next *owner, err error) {
	if err := b.settle(ctx, p, old); err != nil {
		return run, nil, err
	}
	signal := os.Signal(os.Kill)
	if kill == GracefulOtherHost {
		signal = syscall.SIGTERM
	}
	before, err := p.manifest(ctx)
	if err != nil {
		return run, nil, err
	}
	at := time.Now()
	committed, _ := strconv.ParseInt(before.Seq, 10, 64) // empty before the first record
	run.Kill, run.Uncommitted = kill, int64(at.Sub(began).Seconds()*b.Rate)-committed
	if err := old.end(signal); err != nil {
		return run, nil, err
	}
	// A commit may have landed between the look and the signal.
	if before, err = p.manifest(ctx); err != nil {
		return run, nil, err
	}
	if kill != KillSameHost {
		if err := p.forget(); err != nil {
			return run, nil, err
		}
	}
	run.StateRows = before.StateRows
	if next, err = start(ctx, args); err != nil {
		return run, nil, err
	}
	fenced, err := p.await(ctx, next, func(m *manifest.Manifest) bool { return m.Epoch > before.Epoch })
	if err == nil {
		run.FenceSeconds = fenced.Sub(at).Seconds()
		fenced, err = p.await(ctx, next, func(m *manifest.Manifest) bool { return m.Epoch > before.Epoch && m.Ckpt > before.Ckpt })
	}
	if err != nil {
		return run, nil, errors.Join(err, next.end(os.Kill))
	}
	run.SecondsToCommit = fenced.Sub(at).Seconds()
	if _, err := p.epochOf(ctx, next); err != nil { // what it said may still be on its way
		return run, nil, errors.Join(err, next.end(os.Kill))
	}
	_, open := next.told()
	run.RestoreSeconds = open.Sub(at).Seconds()
	return run, next, nil
}

// settle waits until an owner has made two commits beside its first, and for
// half an interval more: ends come neither right before nor right after one.
func (b *recovery) settle(ctx context.Context, p *place, o *owner) error {
	epoch, err := p.epochOf(ctx, o)
	if err != nil {
		return err
	}
	m, err := p.manifest(ctx)
	if err != nil {
		return err
	}
	target := m.Ckpt + 3
	if heard, _ := o.told(); len(heard) > 1 { // it has committed already
		target = m.Ckpt + 2
	}
	if _, err := p.await(ctx, o, func(m *manifest.Manifest) bool { return m.Epoch == epoch && m.Ckpt >= target }); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.CommitEvery / 2):
		return nil
	}
}

// epochOf waits until a process has the shard.
func (p *place) epochOf(ctx context.Context, o *owner) (epoch int64, err error) {
	_, err = p.await(ctx, o, func(m *manifest.Manifest) bool {
		_, open := o.told()
		epoch = m.Epoch
		return !open.IsZero()
	})
	return epoch, err
}
