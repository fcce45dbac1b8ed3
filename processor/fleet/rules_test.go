package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairnstream/cairn/processor/rule"
)

// followed is a worker, with or without a stream, whose rules come from a folder.
type followed struct {
	*place
	dir string
	ask chan os.Signal
}

func (p *place) load(dir string) func() (*rule.Set, error) {
	return func() (*rule.Set, error) {
		set, _, err := rule.Load(rule.Options{}, os.DirFS(dir))
		return set, err
	}
}

// follow lets a worker follow the rules of a folder until the test ends. meanwhile
// happens between the first load and the beginning of that.
func (p *place) follow(w *Worker, dir string, meanwhile func()) *followed {
	p.t.Helper()
	f := &followed{place: p, dir: dir, ask: make(chan os.Signal, 1)}
	files := WatchRules([]string{dir}, p.load(dir))
	files.Ask, files.Every = f.ask, 20*time.Millisecond
	if meanwhile != nil {
		meanwhile()
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.FollowRules(ctx, files) }()
	p.t.Cleanup(func() { cancel(); <-done })
	return f
}

func (f *followed) change(name, text string) {
	f.t.Helper()
	write(f.t, filepath.Join(f.dir, name), text)
}

// reloads waits until rules were taken and refused so often.
func (f *followed) reloads(taken, refused float64) {
	f.t.Helper()
	f.eventually("the rules are reloaded", func() bool {
		page := f.page()
		return page["cairn_reloads_total taken rules"] == taken && page["cairn_reloads_total refused rules"] == refused
	})
}

// Rules follow their files while shards are at work. Rules with a mistake are not
// taken: those from before go on, and the log says why.
func TestRulesFollowTheirFiles(t *testing.T) {
	p := onStream(t, 2, single(created))
	r := p.run()
	f := p.follow(r.Worker, ruleFolder(t, single(created)), nil)
	n := 0
	// both puts events of two kinds and waits until they have been judged.
	both := func(findings int64) {
		t.Helper()
		p.put(append(events(n+1, n+10, created), events(n+11, n+20, deleted)...)...)
		n += 20
		p.eventually("all is judged", func() bool { return p.sum().Rows == int64(n) })
		if got := p.sum().Findings; got != findings {
			t.Errorf("%d findings after %d events, want %d", got, n, findings)
		}
	}
	both(10)
	f.change("1.yml", single(deleted))
	f.reloads(1, 0)
	both(10 + 20)
	f.change("1.yml", "title: half a rule\ndetection: {condition: selection\n")
	f.reloads(1, 1)
	both(30 + 20)
	if lines := p.log.lines("level=ERROR", "the rules were not reloaded, those from before stay", "1.yml:"); len(lines) != 1 {
		t.Errorf("the log says: %v", p.log.lines("level=ERROR"))
	}
	f.change("1.yml", single(deleted))
	f.reloads(2, 1)
	if err := os.Remove(filepath.Join(f.dir, "0.yml")); err != nil {
		t.Fatal(err)
	}
	f.reloads(3, 1)
	both(50 + 10)
	// The counters follow a commit after the manifest has it.
	p.eventually("60 findings are counted", func() bool { return p.page()["cairn_findings_total"] == 60 })
	if n := len(p.log.lines("rules reloaded")); n != 3 {
		t.Errorf("%d reloads in the log, want 3", n)
	}
}

// A signal has the rules loaded at once; without one they are loaded only when
// their files have changed.
func TestRulesOnRequest(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	w := p.worker()
	f := p.follow(w, ruleFolder(t, single(created)), nil)
	before := p.cfg.Rules.Set()
	time.Sleep(200 * time.Millisecond)
	f.reloads(0, 0)
	f.ask <- syscall.SIGHUP
	f.reloads(1, 0)
	if now := p.cfg.Rules.Set(); now == before || now.Hash() != before.Hash() {
		t.Error("the rules were not loaded anew")
	}
	if len(p.log.lines("rules reloaded", "rules=1", "changed=false")) != 1 {
		t.Errorf("the log says %v", p.log.lines())
	}
	time.Sleep(200 * time.Millisecond)
	f.reloads(1, 0)
	f.change("more.yml", single(deleted))
	f.reloads(2, 0)
	if n := len(p.cfg.Rules.Set().Rules()); n != 2 {
		t.Errorf("%d rules", n)
	}
}

// A file that is being written is not loaded before it is whole.
func TestRulesThatAreBeingWritten(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	w := p.worker()
	dir := ruleFolder(t, single(created))
	files := WatchRules([]string{dir}, p.load(dir))
	files.Every = time.Second
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.FollowRules(ctx, files)
	text := single(deleted)
	for part := 1; part <= 8; part++ { // longer than two looks
		write(t, filepath.Join(dir, "1.yml"), text[:len(text)*part/8])
		time.Sleep(300 * time.Millisecond)
	}
	f := &followed{place: p}
	f.reloads(1, 0)
	if n := len(p.cfg.Rules.Set().Rules()); n != 2 {
		t.Errorf("%d rules, want 2", n)
	}
}

// A change between the first load and the beginning of the watch is not missed.
func TestRulesThatChangeAtTheStart(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	dir := ruleFolder(t, single(created))
	f := p.follow(p.worker(), dir, func() { write(t, filepath.Join(dir, "more.yml"), single(deleted)) })
	f.reloads(1, 0)
}

// A folder that goes away, as a volume that is mounted anew, leaves the rules.
func TestRulesWhoseFolderGoesAway(t *testing.T) {
	p := newPlace(t, "trail", single(created))
	w := p.worker()
	dir := filepath.Join(t.TempDir(), "rules")
	if err := os.Symlink(ruleFolder(t, single(created)), dir); err != nil {
		t.Fatal(err)
	}
	files := WatchRules([]string{dir}, func() (*rule.Set, error) {
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
		return p.load(dir)()
	})
	files.Every = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.FollowRules(ctx, files)
	f := &followed{place: p}
	before := p.cfg.Rules.Set()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	f.reloads(0, 1)
	if p.cfg.Rules.Set() != before {
		t.Error("other rules")
	}
	// Another release of the rules, and then a file of it, behind a link.
	next := ruleFolder(t, single(created), single(deleted))
	if err := os.Symlink(next, dir); err != nil {
		t.Fatal(err)
	}
	f.reloads(1, 1)
	f.dir = next
	f.change("0.yml", strings.Replace(single(created), "high", "low", 1))
	f.reloads(2, 1)
}

func TestFingerprint(t *testing.T) {
	dir := ruleFolder(t, single(created))
	elsewhere := ruleFolder(t, single(deleted))
	old := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	changes := []struct {
		what    string
		do      func() error
		differs bool
	}{
		{"nothing", func() error { return nil }, false},
		{"a file is added", func() error { return os.WriteFile(filepath.Join(dir, "a"), []byte("12"), 0o600) }, true},
		{"its time", func() error { return os.Chtimes(filepath.Join(dir, "a"), old, old) }, true},
		{"its size, not its time", func() error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "a"), []byte("123"), 0o600), os.Chtimes(filepath.Join(dir, "a"), old, old))
		}, true},
		{"its name", func() error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")) }, true},
		{"a link to a file", func() error { return os.Symlink(filepath.Join(elsewhere, "0.yml"), filepath.Join(dir, "link.yml")) }, true},
		{"the file behind the link", func() error { return os.Chtimes(filepath.Join(elsewhere, "0.yml"), old, old) }, true},
		{"it is gone", func() error { return os.Remove(filepath.Join(dir, "b")) }, true},
		{"an empty folder", func() error { return os.Mkdir(filepath.Join(dir, "sub"), 0o700) }, false},
		{"a file in it", func() error { return os.WriteFile(filepath.Join(dir, "sub", "c"), nil, 0o600) }, true},
	}
	before := fingerprint([]string{dir})
	for _, c := range changes {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		now := fingerprint([]string{dir})
		if (now != before) != c.differs {
			t.Errorf("%s: another fingerprint: %v, want %v", c.what, now != before, c.differs)
		}
		before = now
	}
	if fingerprint([]string{dir, elsewhere}) == before || fingerprint([]string{filepath.Join(dir, "absent")}) == before {
		t.Error("other folders have the same fingerprint")
	}
}
