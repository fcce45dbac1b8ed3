package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/cairnstream/cairn/processor/fleet"
	"github.com/cairnstream/cairn/processor/rule"
)

// compile loads the chosen rules while a worker runs: its error, which goes to
// the log, names every broken rule.
func (f ruleFlags) compile() (*rule.Set, error) {
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	set, _, err := rule.Load(rule.Options{}, sources...)
	return set, err
}

// followRules loads the rules anew when their files change, or on SIGHUP.
func (c *runCmd) followRules(e *env, w *fleet.Worker, files *fleet.RuleFiles) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	files.Ask = asked
	w.FollowRules(e.ctx, files)
}
