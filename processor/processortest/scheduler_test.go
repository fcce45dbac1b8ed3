package processortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestSchedulerHoldsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sched := NewScheduler(1)
		store := NewStore("mem")
		for _, w := range []string{"w2", "w1"} {
			for _, k := range []string{"b", "a"} {
				go func() { _, _ = store.As(w, sched.Gate).Put(t.Context(), k, []byte(w)) }()
			}
		}
		synctest.Wait()
		want := []Call{{"w1", "put", "a", true}, {"w1", "put", "b", true}, {"w2", "put", "a", true}, {"w2", "put", "b", true}}
		if d := cmp.Diff(want, sched.Parked()); d != "" {
			t.Error(d)
		}
		sched.Release(3, Do)
		synctest.Wait()
		if d := cmp.Diff([]string{"b"}, store.Keys("")); d != "" {
			t.Error(d)
		}
		sched.Open()
		synctest.Wait()
		if d := cmp.Diff([]string{"a", "b"}, store.Keys("")); d != "" {
			t.Error(d)
		}
	})
}

// TestSchedulerKillsWorkers: whether a write of a worker that dies happened is
// open, but its caller never hears of it, and nothing else of it happens later.
func TestSchedulerKillsWorkers(t *testing.T) {
	fates := map[bool]int{}
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			sched, store := NewScheduler(seed), NewStore("mem")
			answer := make(chan error, 1)
			go func() { _, err := store.As("w", sched.Gate).Put(t.Context(), "k", nil); answer <- err }()
			synctest.Wait()
			sched.Kill("w")
			if err := <-answer; !errors.Is(err, ErrUnknown) {
				t.Errorf("the dead worker heard %v", err)
			}
			if err := store.As("w", sched.Gate).Delete(t.Context(), "k"); !errors.Is(err, ErrUnknown) {
				t.Errorf("the dead worker deleted: %v", err)
			}
			sched.Open()
			synctest.Wait()
			fates[len(store.Keys("")) > 0]++
		})
	}
	if fates[true] == 0 || fates[false] == 0 {
		t.Errorf("writes of dead workers happened %d times and did not %d times, want both", fates[true], fates[false])
	}
}

func TestSchedulerLetsCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sched := NewScheduler(1)
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { _, _, err := NewStore("mem").As("w", sched.Gate).Get(ctx, "k"); answer <- err }()
		synctest.Wait()
		cancel()
		if err := <-answer; !errors.Is(err, ErrUnknown) {
			t.Errorf("a call whose context ended: %v", err)
		}
		if n := len(sched.Parked()); n != 0 {
			t.Errorf("%d calls wait for nobody", n)
		}
	})
}

// TestPassThrough: of the calls that need not wait some still do, always the
// same ones, and none of a caller that is gone.
func TestPassThrough(t *testing.T) {
	held := 0
	gate := PassThrough(func(context.Context, Call) Verdict { held++; return Do }, func(c Call) bool { return !c.Write })
	for range 2 {
		for i := range 100 {
			gate(t.Context(), Call{Worker: "w", Op: "get", Key: fmt.Sprint(i)})
		}
	}
	if held == 0 || held > 100 || held%2 != 0 {
		t.Errorf("%d of 2 times 100 calls had to wait", held)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	held = 0
	for i := range 100 {
		gate(ctx, Call{Worker: "w", Op: "get", Key: fmt.Sprint(i)})
		gate(t.Context(), Call{Worker: "w", Op: "put", Key: fmt.Sprint(i), Write: true})
	}
	if held != 200 {
		t.Errorf("%d calls had to wait, want all 200", held)
	}
}
