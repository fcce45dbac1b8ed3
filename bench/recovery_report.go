package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// Overhead compares processing with commits against processing with a single
// commit at the end, as fast as one process goes.
type Overhead struct {
	Records         int64   `json:"records"` // of each run
	IntervalSeconds float64 `json:"interval_seconds"`
	Commits         int64   `json:"commits"` // of a run with commits, the last one included; median
	// Seconds of the runs, in turn: with commits, and with one.
	With    []float64 `json:"seconds_with_commits"`
	Without []float64 `json:"seconds_with_one"`
	// Share is how much longer the median with commits is, 0.1 for a tenth.
	Share float64 `json:"share"`
}

// never is an interval in which no commit falls due by the clock.
const never = 1000 * time.Hour

// overhead lets processes run through the same records with and without
// commits, in turn, each with an empty state. All end with their rows in files.
func (b *recovery) overhead(ctx context.Context) (*Overhead, error) {
	if b.OverheadRecords <= 0 {
		return nil, nil
	}
	o := &Overhead{Records: b.OverheadRecords, IntervalSeconds: b.OverheadEvery.Seconds()}
	var commits []int64
	for round := range max(1, b.OverheadRounds) {
		for i, every := range []time.Duration{b.OverheadEvery, never} {
			b.Progress(fmt.Sprintf("%d records, round %d, with commits: %v", b.OverheadRecords, round+1, i == 0))
			end, err := b.straight(ctx, every)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				o.With, commits = append(o.With, end.Seconds), append(commits, end.Commits)
				continue
			}
			if end.Commits > 2 {
				return nil, fmt.Errorf("a run that should commit once did so %d times: its state is too large for the comparison, take fewer records", end.Commits)
			}
			o.Without = append(o.Without, end.Seconds)
		}
	}
	o.Commits = quantile(commits, 0.5)
	o.Share = quantile(o.With, 0.5)/quantile(o.Without, 0.5) - 1
	return o, nil
}

// straight is one run through all records of the comparison.
func (b *recovery) straight(ctx context.Context, every time.Duration) (Happening, error) {
	dir := filepath.Join(b.Dir, "overhead")
	p, err := newPlace(dir)
	if err != nil {
		return Happening{}, err
	}
	at := time.Now().Add(-time.Duration(b.OverheadRecords) * time.Millisecond)
	o, err := start(ctx, b.arguments(p, at, 0, every, b.OverheadRecords))
	if err != nil {
		return Happening{}, err
	}
	end, err := o.finish()
	if err == nil && end.Records != b.OverheadRecords {
		err = fmt.Errorf("%d of %d records were processed", end.Records, b.OverheadRecords)
	}
	if err != nil {
		return end, err
	}
	return end, os.RemoveAll(dir)
}

func checkpointCost(commits []Happening, every time.Duration) CheckpointCost {
	c := CheckpointCost{Commits: len(commits), IntervalSeconds: every.Seconds()}
	if len(commits) == 0 {
		return c
	}
	var seconds, manifests []float64
	var bytes, requests []int64
	for _, h := range commits {
		seconds, manifests = append(seconds, h.Seconds), append(manifests, h.ManifestSeconds)
		bytes, requests = append(bytes, h.Bytes), append(requests, h.Requests)
	}
	c.P50, c.P99 = quantile(seconds, 0.5), quantile(seconds, 0.99)
	c.ManifestP50, c.ManifestP99 = quantile(manifests, 0.5), quantile(manifests, 0.99)
	c.Bytes, c.Requests = quantile(bytes, 0.5), quantile(requests, 0.5)
	return c
}

// quantile is the smallest value that a share q of all are not above; with few
// values a high quantile is the greatest of them.
func quantile[T cmp.Ordered](values []T, q float64) (v T) {
	if len(values) == 0 {
		return v
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// Print writes the report as a table for people: of each kind of run the median
// and the greatest.
func (r *RecoveryReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) }
	line("STATE ROWS\tEND\tRUNS\tFENCE s\tRESTORE s\tCOMMIT s\tMAX s\tUNCOMMITTED\tPEAK MB")
	for _, group := range grouped(r.Runs) {
		col := func(of func(RecoveryRun) float64, q float64) float64 {
			var values []float64
			for _, run := range group {
				values = append(values, of(run))
			}
			return quantile(values, q)
		}
		commit := func(r RecoveryRun) float64 { return r.SecondsToCommit }
		line("%d\t%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f", group[0].StateRows, group[0].Kill, len(group),
			col(func(r RecoveryRun) float64 { return r.FenceSeconds }, 0.5), col(func(r RecoveryRun) float64 { return r.RestoreSeconds }, 0.5),
			col(commit, 0.5), col(commit, 1), col(func(r RecoveryRun) float64 { return float64(r.Uncommitted) }, 0.5),
			col(func(r RecoveryRun) float64 { return float64(r.PeakRSSBytes) / 1e6 }, 1))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	c := r.Checkpoint
	line("\n%d commits, one each %.1f s: p50 %.0f ms, p99 %.0f ms (to the manifest %.0f and %.0f ms), %d bytes in %d writes",
		c.Commits, c.IntervalSeconds, 1e3*c.P50, 1e3*c.P99, 1e3*c.ManifestP50, 1e3*c.ManifestP99, c.Bytes, c.Requests)
	if o := r.Overhead; o != nil {
		line("%d records with %d commits: %.2f s; with one: %.2f s; overhead %.1f %%",
			o.Records, o.Commits, quantile(o.With, 0.5), quantile(o.Without, 0.5), 100*o.Share)
	}
	line("")
	for _, s := range r.Scope {
		line("- %s", s)
	}
	return t.Flush()
}

// grouped gathers the runs of one size and kind, in the order of their first.
func grouped(runs []RecoveryRun) (groups [][]RecoveryRun) {
	for _, run := range runs {
		i := slices.IndexFunc(groups, func(g []RecoveryRun) bool { return near(g[0], run) })
		if i < 0 {
			i, groups = len(groups), append(groups, nil)
		}
		groups[i] = append(groups[i], run)
	}
	return groups
}

// near tells runs of one kind and size; a state grows by some rows while it is
// measured.
func near(a, b RecoveryRun) bool {
	return a.Kill == b.Kill && a.StateRows <= 2*b.StateRows && b.StateRows <= 2*a.StateRows
}
