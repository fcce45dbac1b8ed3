package kcl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
)

// ttl is a lease in these tests.
const ttl = time.Second

// member is one worker's leases, without the library.
type member struct {
	*Leases
	mu       sync.Mutex
	released []string
	hold     func(ctx context.Context) // in the middle of a release
}

// fleet is a lease table and the shards that it is for.
type fleet struct {
	t       *testing.T
	table   string
	parents map[string][]string
}

func newFleet(t *testing.T, shards ...string) *fleet {
	f := &fleet{t: t, table: newName(t) + "-leases", parents: map[string][]string{}}
	for _, s := range shards {
		f.parents[s] = nil
	}
	table := table{client: dynamo(t), name: f.table}
	if err := table.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// join adds a worker. Its leases end with the test, without a release.
func (f *fleet) join(worker string, more ...func(*LeaseConfig)) *member {
	m := &member{}
	cfg := LeaseConfig{
		Client: dynamo(f.t), Table: f.table, Worker: worker, TTL: ttl, Sync: time.Millisecond,
		Parents: func(shard string) ([]string, bool) { p, ok := f.parents[shard]; return p, ok },
		Release: func(ctx context.Context, shard string) error {
			if m.hold != nil {
				m.hold(ctx)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.released = append(m.released, shard)
			return nil
		},
	}
	for _, change := range more {
		change(&cfg)
	}
	m.Leases = NewLeases(cfg)
	f.t.Cleanup(m.die)
	return m
}

// die is what a killed process does: nothing more.
func (m *member) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, shard := range m.Held() {
		h := m.lease(shard)
		h.end(errors.New("killed"))
		h.expiry.Stop()
	}
}

// pause makes all writes of a worker to the table wait, as a stopped process or
// a broken network does, until resume.
type gate struct {
	mu     sync.Mutex
	broken func() error
}

func (g *gate) set(broken func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = broken
}

// client returns a DynamoDB client that asks the gate before each call.
func (g *gate) client(t *testing.T) *dynamodb.Client {
	return dynamodb.New(dynamo(t).Options(), func(o *dynamodb.Options) {
		o.RetryMaxAttempts = 1
		o.APIOptions = append(slices.Clone(o.APIOptions), func(s *middleware.Stack) error {
			return s.Initialize.Add(middleware.InitializeMiddlewareFunc("gate", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
				out middleware.InitializeOutput, md middleware.Metadata, err error,
			) {
				g.mu.Lock()
				broken := g.broken
				g.mu.Unlock()
				if broken != nil {
					if err := broken(); err != nil {
						return out, md, err
					}
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
		})
	})
}

func (m *member) mustAcquire(t *testing.T, shard string) *lease {
	t.Helper()
	h, err := m.acquire(shard)
	if err != nil {
		t.Fatalf("acquire %s: %v", shard, err)
	}
	return h
}

func (f *fleet) row(shard string) row {
	f.t.Helper()
	table := table{client: dynamo(f.t), name: f.table}
	r, err := table.get(f.t.Context(), shard)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func TestLeaseIsTakenRenewedAndReleased(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m, other := f.join("one"), f.join("two")
	h := m.mustAcquire(t, "a")
	if _, err := other.acquire("a"); !errors.Is(err, errBusy) {
		t.Errorf("a second worker took a held shard: %v", err)
	}
	time.Sleep(2 * ttl)
	if _, err := other.acquire("a"); !errors.Is(err, errBusy) || h.ctx.Err() != nil {
		t.Errorf("after two leases: other %v, owner %v; want it renewed", err, context.Cause(h.ctx))
	}
	if err := m.Checkpoint(t.Context(), "a", "17"); err != nil {
		t.Error(err)
	}
	if err := m.release(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if !errors.Is(context.Cause(h.ctx), errReleased) || !slices.Equal(m.released, []string{"a"}) {
		t.Errorf("after release: cause %v, released %v", context.Cause(h.ctx), m.released)
	}
	if next := other.mustAcquire(t, "a"); next.hint != "17" {
		t.Errorf("the next owner is told %q, want the checkpoint 17", next.hint)
	}
}

// A worker whose renewals stop, as a stopped process does, is out when its lease
// has run out; what it writes afterwards is refused.
func TestDefect01CheckpointIsFenced(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	var g gate
	old := f.join("old", func(c *LeaseConfig) { c.Client = g.client(t) })
	h := old.mustAcquire(t, "a")
	if err := old.checkpoint(t.Context(), h, "100"); err != nil {
		t.Fatal(err)
	}
	g.set(func() error { return errors.New("stopped") })
	successor := f.join("new")
	var next *lease
	eventually(t, "the successor takes the shard", func() bool {
		var err error
		next, err = successor.acquire("a")
		return err == nil
	})
	if err := successor.checkpoint(t.Context(), next, "200"); err != nil {
		t.Fatal(err)
	}
	g.set(nil) // the old one goes on
	// Its clock has told it already; the token has to hold even if it had not.
	_, err := old.table.update(t.Context(), "a", "LeaseToken = :mine", "SET Checkpoint = :s", map[string]string{":mine": h.token, ":s": "100"})
	if !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a late checkpoint: %v, want ErrLeaseLost", err)
	}
	if err := old.checkpoint(t.Context(), h, "100"); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a late checkpoint through Leases: %v, want ErrLeaseLost", err)
	}
	if err := old.release(t.Context(), "a"); err != nil {
		t.Errorf("release of a lost lease: %v", err)
	}
	if r := f.row("a"); r.checkpoint != "200" || r.owner != "new" || r.token != next.token {
		t.Errorf("the row is %+v, want that of the new owner at 200", r)
	}
}

// A row is free when it has not changed for a lease of the reader's own clock;
// what it says about time does not matter.
func TestDefect02NoClockOfAnotherHost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b")
	tab := table{client: dynamo(t), name: f.table}
	for shard, timeout := range map[string]string{"a": "1999-01-01T00:00:00Z", "b": "2999-01-01T00:00:00Z"} {
		_, err := tab.update(t.Context(), shard, "attribute_not_exists(LeaseToken)", "SET AssignedTo = :w, LeaseToken = :k, LeaseTimeout = :t",
			map[string]string{":w": "gone", ":k": "token", ":t": timeout})
		if err != nil {
			t.Fatal(err)
		}
	}
	m, began := f.join("one"), time.Now()
	for _, shard := range []string{"a", "b"} {
		if _, err := m.acquire(shard); !errors.Is(err, errBusy) {
			t.Errorf("%s was taken at once: %v", shard, err)
		}
	}
	for _, shard := range []string{"a", "b"} {
		eventually(t, "the dead owner's shard is taken", func() bool { _, err := m.acquire(shard); return err == nil })
	}
	if took := time.Since(began); took < ttl || took > 3*ttl {
		t.Errorf("taken over after %v, want a little more than %v", took, ttl)
	}
}

// The lease has a context that ends when it runs out, by a timer and not at the
// next renewal.
func TestDefect03LeaseHasAContext(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	var g gate
	m := f.join("one", func(c *LeaseConfig) { c.Client = g.client(t) })
	h := m.mustAcquire(t, "a")
	g.set(func() error { time.Sleep(10 * ttl); return errors.New("no answer") })
	began := time.Now()
	<-h.ctx.Done()
	if took := time.Since(began); took > ttl+ttl/4 {
		t.Errorf("the loss was noticed after %v, want %v at most", took, ttl)
	}
	if !errors.Is(context.Cause(h.ctx), ErrLeaseLost) {
		t.Errorf("cause %v", context.Cause(h.ctx))
	}
	g.set(nil)
}

// A lost lease is no error: the shard goes on elsewhere and nothing is lost. The
// log says what it means, and what to do when it happens often.
func TestLostLeaseIsAWarning(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	var out bytes.Buffer
	m := f.join("one", func(c *LeaseConfig) { c.Log = slog.New(slog.NewTextHandler(&out, nil)) })
	h := m.mustAcquire(t, "a")
	m.lose(h, fmt.Errorf("%w: it ran out without a renewal", ErrLeaseLost))
	m.lose(h, ErrLeaseLost) // told once
	line := out.String()
	for _, part := range []string{"level=WARN", "shard=a", "lease=1s", "could not renew it in time", "read again by the next owner", "--lease", "it ran out without a renewal"} {
		if !strings.Contains(line, part) {
			t.Errorf("no %q in %q", part, line)
		}
	}
	if n := strings.Count(line, "\n"); n != 1 {
		t.Errorf("%d lines, want one", n)
	}
	if v := value(t, m.cfg.Metrics.leaseEvents.WithLabelValues(eventLost)); v != 1 {
		t.Errorf("%v losses counted, want 1", v)
	}
}

// While a consumer winds down the shard is not taken again, and its release
// frees only its own lease.
func TestDefect04NoNewLeaseWhileTheOldConsumerEnds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one")
	entered, leave := make(chan struct{}), make(chan struct{})
	m.hold = func(context.Context) { close(entered); <-leave }
	h := m.mustAcquire(t, "a")
	done := make(chan error)
	go func() { done <- m.release(context.Background(), "a") }()
	<-entered
	if _, err := m.acquire("a"); !errors.Is(err, errBusy) {
		t.Errorf("taken while the last consumer commits: %v", err)
	}
	time.Sleep(2 * ttl)
	if h.ctx.Err() != nil {
		t.Errorf("the lease was not renewed during the last commit: %v", context.Cause(h.ctx))
	}
	second := make(chan error)
	go func() { second <- m.release(context.Background(), "a") }()
	select {
	case err := <-second:
		t.Errorf("a second release did not wait for the first: %v", err)
	case <-time.After(ttl / 2):
	}
	close(leave)
	if err := errors.Join(<-done, <-second); err != nil {
		t.Error(err)
	}
	if r := f.row("a"); r.token != "" {
		t.Errorf("after the release the row is %+v", r)
	}
}

// A renewal writes one attribute, and reading the table changes nothing of a
// running shard.
func TestDefect05And18RenewalLeavesTheCheckpoint(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one")
	h := m.mustAcquire(t, "a")
	c := &checkpointer{leases: m.Leases, worker: "one"}
	running := &par.ShardStatus{ID: "a", Mux: &sync.RWMutex{}, AssignedTo: "one", Checkpoint: "memory"}
	// Somebody repairs the hint by hand.
	if err := m.checkpoint(t.Context(), h, "300"); err != nil {
		t.Fatal(err)
	}
	before := f.row("a")
	if err := m.renewOnce(h); err != nil {
		t.Fatal(err)
	}
	after := f.row("a")
	if after.timeout == before.timeout {
		t.Error("the renewal did not change the row")
	}
	after.timeout = before.timeout
	if diff := cmp.Diff(before, after, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("the renewal changed more than the timeout:\n%s", diff)
	}
	if _, err := c.ListActiveWorkers(map[string]*par.ShardStatus{"a": running}); err != nil {
		t.Error(err)
	}
	if running.Checkpoint != "memory" || running.AssignedTo != "one" {
		t.Errorf("reading the table wrote %q and %q into a running shard", running.Checkpoint, running.AssignedTo)
	}
}

func TestDefect06And07ChildWaitsForAllParents(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "left", "right", "child", "orphan")
	f.parents["child"] = []string{"left", "right"}
	f.parents["orphan"] = nil // its parents are not listed any more
	m := f.join("one")
	busy := func(when string) {
		t.Helper()
		if _, err := m.acquire("child"); !errors.Is(err, errBusy) {
			t.Errorf("%s: the child was taken: %v", when, err)
		}
	}
	busy("no parent has a row")
	m.mustAcquire(t, "left")
	m.mustAcquire(t, "right")
	busy("the parents are being read")
	end := func(shard string) {
		if err := m.Checkpoint(t.Context(), shard, shardEnd); err != nil {
			t.Fatal(err)
		}
	}
	end("left")
	busy("one parent has ended")
	end("right")
	m.mustAcquire(t, "child")
	m.mustAcquire(t, "orphan")
	if _, err := m.acquire("unlisted"); !errors.Is(err, errBusy) {
		t.Errorf("a shard that the stream does not list was taken: %v", err)
	}
}

// Errors of the table for longer than a third of a lease, but not for a whole
// one, cost nothing.
func TestDefect17LeasesOutliveErrors(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b")
	var g gate
	m := f.join("one", func(c *LeaseConfig) { c.Client, c.TTL = g.client(t), 3*time.Second })
	a, b := m.mustAcquire(t, "a"), m.mustAcquire(t, "b")
	g.set(func() error { return &types.InternalServerError{} })
	time.Sleep(1500 * time.Millisecond)
	g.set(nil)
	time.Sleep(2500 * time.Millisecond)
	if a.ctx.Err() != nil || b.ctx.Err() != nil {
		t.Errorf("leases were dropped: %v, %v", context.Cause(a.ctx), context.Cause(b.ctx))
	}
	g.set(func() error { return &types.InternalServerError{} })
	<-a.ctx.Done()
	<-b.ctx.Done()
	if !errors.Is(context.Cause(a.ctx), ErrLeaseLost) {
		t.Errorf("cause after an outage longer than a lease: %v", context.Cause(a.ctx))
	}
}

func TestDefect19TwoWorkersMakeTheTable(t *testing.T) {
	t.Parallel()
	client, name := dynamo(t), newName(t)+"-leases"
	errs := make(chan error)
	for range 4 {
		go func() {
			table := table{client: client, name: name}
			errs <- table.ready(context.Background())
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	out, err := dynamo(t).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if out.Table.BillingModeSummary == nil || out.Table.BillingModeSummary.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("billing %+v, want on demand", out.Table.BillingModeSummary)
	}
}

func TestDefect20ClaimHandsAShardOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b", "c")
	owner, thief, third := f.join("owner"), f.join("thief"), f.join("third")
	for _, s := range []string{"a", "b", "c"} {
		owner.mustAcquire(t, s)
	}
	shards := slices.Collect(maps.Keys(f.parents))
	got, err := thief.owners(t.Context(), shards)
	if err != nil || len(got["owner"]) != 3 {
		t.Fatalf("owners %v, %v", got, err)
	}
	if err := thief.claim(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got, _ := third.owners(t.Context(), shards); len(got) != 0 {
		t.Errorf("while a shard is asked for, shares are compared: %v", got)
	}
	if err := third.claim(t.Context(), "a"); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a second claim: %v", err)
	}
	h := owner.lease("a")
	eventually(t, "the owner hears of the claim", func() bool { return errors.Is(owner.state(h), errWanted) })
	if err := owner.release(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*member{owner, third} {
		if _, err := m.acquire("a"); !errors.Is(err, errBusy) {
			t.Errorf("%s took the shard before the one that asked for it: %v", m.cfg.Worker, err)
		}
	}
	thief.mustAcquire(t, "a")
	if r := f.row("a"); r.owner != "thief" || r.claim != "" {
		t.Errorf("row %+v", r)
	}
}

// A claim whose worker has died does not keep a shard from the others for ever.
func TestClaimOfADeadWorkerRunsOut(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	owner, dead, other := f.join("owner"), f.join("dead"), f.join("other")
	h := owner.mustAcquire(t, "a")
	if err := dead.claim(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owner hears of the claim", func() bool { return owner.state(h) != nil })
	if err := owner.release(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "another worker takes the shard", func() bool { _, err := other.acquire("a"); return err == nil })
	if took := time.Since(began); took < ttl/2 {
		t.Errorf("taken after %v, before the claim had run out", took)
	}
}

func TestDeadOwnersAreNoWorkers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b")
	dead, m := f.join("dead"), f.join("one")
	dead.mustAcquire(t, "a")
	m.mustAcquire(t, "b")
	if got, _ := m.owners(t.Context(), []string{"a", "b"}); len(got) != 2 {
		t.Errorf("owners %v, want two", got)
	}
	dead.die()
	eventually(t, "the dead worker is not counted", func() bool { got, err := m.owners(t.Context(), []string{"a", "b"}); return err == nil && len(got) == 0 })
}

// One read of the table serves all questions of a round.
func TestDefect22OneScanPerRound(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	metrics, all := NewMetrics(), map[string]*par.ShardStatus{}
	m := f.join("one", func(c *LeaseConfig) { c.Metrics, c.Sync = metrics, time.Hour })
	for i := range 200 {
		id := "shard-" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		all[id] = &par.ShardStatus{ID: id, Mux: &sync.RWMutex{}}
	}
	m.cfg.Parents = func(string) ([]string, bool) { return []string{"unfinished"}, true }
	c := &checkpointer{leases: m.Leases, worker: "one"}
	for _, s := range all {
		if err := c.FetchCheckpoint(s); !errors.Is(err, chk.ErrSequenceIDNotFound) {
			t.Fatal(err)
		}
		if err := c.GetLease(s, "one"); !errors.As(err, &chk.ErrLeaseNotAcquired{}) {
			t.Fatal(err)
		}
	}
	if _, err := c.ListActiveWorkers(all); err != nil {
		t.Fatal(err)
	}
	if n := value(t, metrics.leaseScans); n != 1 {
		t.Errorf("%v reads of the table for a round over 200 shards, want 1", n)
	}
}

// When the answer to the write that took a lease is lost, the repetition finds
// the row taken, by this worker.
func TestTakeWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one")
	h := newLease("a", "")
	seen, until := row{}, time.Now().Add(ttl)
	if _, err := m.take(t.Context(), h, seen, until); err != nil {
		t.Fatal(err)
	}
	if now, err := m.take(t.Context(), h, seen, until); err != nil || now.token != h.token {
		t.Errorf("the repetition: %+v, %v; want the own lease", now, err)
	}
	if _, err := m.take(t.Context(), newLease("a", ""), seen, until); !errors.Is(err, errBusy) {
		t.Errorf("another acquisition: %v, want errBusy", err)
	}
}

// A release whose answer gets lost is tried again, and meets its own success.
func TestReleaseTwice(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one")
	h := m.mustAcquire(t, "a")
	m.hold = func(ctx context.Context) { // the last that happens before the row is freed
		if _, err := m.table.update(ctx, "a", "LeaseToken = :mine", freeRow, map[string]string{":mine": h.token}); err != nil {
			t.Error(err)
		}
	}
	if err := m.release(t.Context(), "a"); err != nil {
		t.Errorf("the second try of a release: %v", err)
	}
	f.join("two").mustAcquire(t, "a")
}

func TestReleaseHasADeadline(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one", func(c *LeaseConfig) { c.ReleaseTimeout = 200 * time.Millisecond })
	m.hold = func(ctx context.Context) { <-ctx.Done() }
	m.mustAcquire(t, "a")
	began := time.Now()
	if err := m.release(context.Background(), "a"); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second || f.row("a").token != "" {
		t.Errorf("released after %v, row %+v", took, f.row("a"))
	}
}

// A last commit that does not end even then is not waited for. Its lease is given
// up, and the caller hears of it.
func TestReleaseThatHangs(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one", func(c *LeaseConfig) { c.ReleaseTimeout = 200 * time.Millisecond })
	leave := make(chan struct{})
	defer close(leave)
	m.hold = func(context.Context) { <-leave }
	m.mustAcquire(t, "a")
	began := time.Now()
	if err := m.release(context.Background(), "a"); !errors.Is(err, errUncommitted) {
		t.Errorf("%v, want errUncommitted", err)
	}
	if took := time.Since(began); took < lingerTime || took > 5*time.Second || f.row("a").token != "" {
		t.Errorf("given up after %v, row %+v", took, f.row("a"))
	}
}

func TestFailedShardWaits(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m, other := f.join("one"), f.join("two")
	h := m.mustAcquire(t, "a")
	m.fail(h, errors.New("disk full"))
	if err := m.state(h); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("the consumer is told %v", err)
	}
	if err := m.release(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.acquire("a"); !errors.Is(err, errBusy) {
		t.Errorf("taken again at once: %v", err)
	}
	other.mustAcquire(t, "a") // it may go well elsewhere
	if got, err := m.owners(t.Context(), []string{"a"}); err != nil || len(got) != 0 {
		t.Errorf("a worker on which a shard has just failed compares shares: %v, %v", got, err)
	}
	if err := other.release(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the shard is taken again", func() bool { _, err := m.acquire("a"); return err == nil })
	if err := m.Checkpoint(t.Context(), "a", "5"); err != nil {
		t.Fatal(err)
	}
	if len(m.failures) != 0 {
		t.Errorf("after a commit the failures are %v", m.failures)
	}
}

func TestClosedWorkerTakesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a", "b")
	m := f.join("one")
	m.mustAcquire(t, "a")
	m.Close()
	if _, err := m.acquire("b"); !errors.Is(err, errClosing) {
		t.Errorf("took a shard while closing: %v", err)
	}
	if got, err := m.owners(t.Context(), []string{"a"}); err != nil || len(got) != 0 {
		t.Errorf("owners %v, %v", got, err)
	}
	if got := m.Held(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("held %v", got)
	}
}

func TestDeletedTableIsMadeAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one")
	h := m.mustAcquire(t, "a")
	if _, err := dynamo(t).DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &f.table}); err != nil {
		t.Fatal(err)
	}
	<-h.ctx.Done()
	if err := m.release(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	eventually(t, "the shard is taken in a new table", func() bool { _, err := m.acquire("a"); return err == nil })
}

func TestForeignTableIsRefused(t *testing.T) {
	t.Parallel()
	name, id := newName(t)+"-orders", "OrderID"
	_, err := dynamo(t).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &id, AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: &id, KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	table := table{client: dynamo(t), name: name}
	if err := table.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "no lease table") {
		t.Errorf("a table with another key: %v", err)
	}
}

func TestFinishedRowsAloneAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "done", "open")
	m := f.join("one")
	m.mustAcquire(t, "done")
	m.mustAcquire(t, "open")
	if err := m.Checkpoint(t.Context(), "done", shardEnd); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"done", "open", "never"} {
		if err := m.table.remove(t.Context(), s); err != nil {
			t.Errorf("remove %s: %v", s, err)
		}
	}
	if f.row("done").shard != "" || f.row("open").shard == "" {
		t.Errorf("left: done %+v, open %+v", f.row("done"), f.row("open"))
	}
}

// What the library is told where to begin comes from the manifest while the
// lease is held, and an empty answer replaces what was known.
func TestPositionComesFromTheManifest(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "a")
	m := f.join("one")
	position, failed := "", error(nil)
	c := &checkpointer{leases: m.Leases, worker: "one", position: func(context.Context, string) (string, error) { return position, failed }}
	s := &par.ShardStatus{ID: "a", Mux: &sync.RWMutex{}}
	if err := c.GetLease(s, "one"); err != nil || s.GetLeaseOwner() != "one" {
		t.Fatalf("lease: %v, owner %q", err, s.GetLeaseOwner())
	}
	if err := m.Checkpoint(t.Context(), "a", "hint"); err != nil {
		t.Fatal(err)
	}
	s.SetCheckpoint("hint")
	if err := c.FetchCheckpoint(s); err != chk.ErrSequenceIDNotFound || s.GetCheckpoint() != "" {
		t.Errorf("no manifest: %v, %q", err, s.GetCheckpoint())
	}
	position = "42"
	if err := c.FetchCheckpoint(s); err != nil || s.GetCheckpoint() != "42" {
		t.Errorf("with a manifest: %v, %q", err, s.GetCheckpoint())
	}
	failed = errors.New("no store")
	if err := c.FetchCheckpoint(s); !errors.Is(err, failed) {
		t.Errorf("store down: %v", err)
	}
	ending := &par.ShardStatus{ID: "a", Mux: &sync.RWMutex{}} // the library clears the owner first
	if err := c.FetchCheckpoint(ending); err != nil || ending.GetCheckpoint() != "hint" {
		t.Errorf("from the event loop: %v, %q; want the hint", err, ending.GetCheckpoint())
	}
	if err := c.GetLease(ending, "one"); !errors.As(err, &chk.ErrLeaseNotAcquired{}) {
		t.Errorf("the event loop got the lease that is ending: %v", err)
	}
	if owner, err := c.GetLeaseOwner("a"); err != nil || owner != "one" {
		t.Errorf("owner %q, %v", owner, err)
	}
	if _, err := c.GetLeaseOwner("none"); !errors.Is(err, chk.NoLeaseOwnerErr) {
		t.Errorf("owner of a free shard: %v", err)
	}
}
