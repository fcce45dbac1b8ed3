package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cairnstream/cairn/processor/kcl"
	"github.com/cairnstream/cairn/processor/rule"
)

// Rules are the rules that all shards of a process use. They can be exchanged
// while the shards are at work.
type Rules struct{ set atomic.Pointer[rule.Set] }

// NewRules begins with a set.
func NewRules(set *rule.Set) *Rules {
	r := &Rules{}
	r.set.Store(set)
	return r
}

// Set is the present set.
func (r *Rules) Set() *rule.Set { return r.set.Load() }

// groups tells whether a rule needs all events of a partition key.
func groups(r *rule.Rule) bool {
	return r.Correlation != nil || r.Baseline != nil || r.FirstSeen != nil
}

// grouping are the ids of those rules of a set.
func grouping(set *rule.Set) (ids []string) {
	for _, r := range set.Rules() {
		if groups(r) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// name lists some of many ids for people.
func name(ids []string) string {
	const most = 5
	if len(ids) <= most {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
}

// unkeyedAdvice is what an operator can do about rules that do not go with the
// stream.
const unkeyedAdvice = "switch the stream back (aws kinesis update-stream-record-distribution-strategy, USER_PARTITION_KEY), " +
	"leave these rules out, or accept that they miss things with --allow-unkeyed"

// UseRules makes set the present one; each shard takes it between two batches.
// Rules that group are refused with kcl.ErrUnkeyed, and the set before stays,
// while the stream does not keep together what they group.
func (w *Worker) UseRules(set *rule.Set) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ids := grouping(set); w.unkeyed && !w.cfg.AllowUnkeyed && len(ids) > 0 {
		return fmt.Errorf("%w (%s): %s", kcl.ErrUnkeyed, name(ids), unkeyedAdvice)
	}
	w.cfg.Rules.set.Store(set)
	w.blind()
	return nil
}

// distribution notes how the stream places records. A worker that runs goes on
// when that changes, for all other rules, the lake and the inventory do not mind.
func (w *Worker) distribution(unkeyed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.unkeyed
	w.unkeyed = unkeyed
	ids := w.blind()
	switch {
	case unkeyed && len(ids) > 0 && w.cfg.AllowUnkeyed:
		w.cfg.Log.Warn("rules that group see only a part of what they group, as --allow-unkeyed accepts", "rules", name(ids))
	case unkeyed && len(ids) > 0:
		w.cfg.Log.Error("rules that group see only a part of what they group: "+unkeyedAdvice, "rules", name(ids), "error", kcl.ErrUnkeyed)
	case was && !unkeyed:
		w.cfg.Log.Info("the stream places records by their partition key again")
	}
}

// blind needs mu. It counts the rules that group on a stream that does not keep
// together what they group.
func (w *Worker) blind() (ids []string) {
	if w.unkeyed {
		ids = grouping(w.cfg.Rules.Set())
	}
	w.cfg.Metrics.blind(len(ids), w.cfg.AllowUnkeyed)
	return ids
}

// RuleFiles are the folders that rules come from while a worker runs.
type RuleFiles struct {
	dirs []string
	load func() (*rule.Set, error)
	seen uint64 // fingerprint of what was loaded last

	// Ask, if not nil, has the rules loaded at once, changed or not.
	Ask   <-chan os.Signal
	Every time.Duration // between two looks at the folders; 0: 5 s
}

// WatchRules notes how the folders look before their rules are loaded for the
// first time, so that no change after that is missed. load compiles all rules,
// those of the folders and others.
func WatchRules(dirs []string, load func() (*rule.Set, error)) *RuleFiles {
	return &RuleFiles{dirs: dirs, load: load, seen: fingerprint(dirs)}
}

// rulesEvery is how often the folders of rules are looked at by default.
const rulesEvery = 5 * time.Second

// FollowRules loads the rules anew when their files have changed, or on request,
// until ctx ends. Files that change from one look to the next are being written,
// and are waited for. Rules with mistakes are not taken: the old ones go on, and the log
// and a metric tell of it.
func (w *Worker) FollowRules(ctx context.Context, files *RuleFiles) {
	tick := time.NewTicker(cmp.Or(files.Every, rulesEvery))
	defer tick.Stop()
	for last := files.seen; ; {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-files.Ask:
			asked = true
		}
		now := fingerprint(files.dirs)
		if asked || now != files.seen && now == last {
			w.reload(files)
			files.seen = now
		}
		last = now
	}
}

func (w *Worker) reload(files *RuleFiles) {
	before := w.cfg.Rules.Set().Hash()
	set, err := files.load()
	if err == nil {
		err = w.UseRules(set)
	}
	w.cfg.Metrics.Reloaded(ReloadRules, err == nil)
	if err != nil {
		w.cfg.Log.Error("the rules were not reloaded, those from before stay: correct the files, they are read again when they change", "error", err)
		return
	}
	w.cfg.Log.Info("rules reloaded", "rules", len(set.Rules()), "changed", set.Hash() != before)
}

// fingerprint tells whether files in some folders have changed, by their names,
// sizes and times. Links are followed, as a release or a mounted volume may be
// switched by one.
func fingerprint(dirs []string) uint64 {
	sum := fnv.New64a()
	for _, dir := range dirs {
		root, err := filepath.EvalSymlinks(dir)
		if err != nil {
			root = dir
		}
		// What cannot be read shows up when the rules are loaded.
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // see above
			}
			if info, err := os.Stat(path); err == nil {
				_, _ = fmt.Fprintln(sum, path, info.Size(), info.ModTime().UnixNano())
			} else if !errors.Is(err, fs.ErrNotExist) {
				_, _ = fmt.Fprintln(sum, path, err)
			}
			return nil
		})
	}
	return sum.Sum64()
}
