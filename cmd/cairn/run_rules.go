package main

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/processor/fleet"
)

// rulesEvery is how often the folders of rules are looked at. A signal does it
// at once.
const rulesEvery = 10 * time.Second

// followRules loads the rules anew when their files change, or on SIGHUP. Rules
// with mistakes are not taken: the old ones go on, and the log says why.
func (c *runCmd) followRules(e *env, rules *fleet.Rules, metrics *fleet.Metrics, log *slog.Logger) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	tick := time.NewTicker(rulesEvery)
	defer tick.Stop()
	have := fingerprint(c.Rules)
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-asked:
		case <-tick.C:
			now := fingerprint(c.Rules)
			if now == have {
				continue
			}
			have = now
		}
		set, err := c.load(e)
		metrics.Reloaded(err == nil)
		if err != nil {
			log.Error("the rules were not reloaded, those from before stay", "error", err)
			continue
		}
		changed := set.Hash() != rules.Set().Hash()
		rules.Exchange(set)
		log.Info("rules reloaded", "rules", len(set.Rules()), "changed", changed)
	}
}

// fingerprint tells whether files in some folders have changed, by their names,
// sizes and times.
func fingerprint(dirs []string) uint64 {
	sum := fnv.New64a()
	for _, dir := range dirs {
		// What cannot be read shows up when the rules are loaded.
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // see above
			}
			if info, err := d.Info(); err == nil {
				_, _ = fmt.Fprintln(sum, path, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return sum.Sum64()
}
