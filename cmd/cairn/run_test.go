package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cairnstream/cairn/processor/kcl"
)

func TestStartOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		want  time.Time
		wrong string
	}{
		"trim-horizon":              {want: time.Time{}},
		"latest":                    {want: now},
		"2026-03-01T10:00:00Z":      {want: now.Add(-2 * time.Hour)},
		"2026-03-01T13:00:00+02:00": {want: now.Add(-time.Hour)},
		"2026-03-01T12:00:01Z":      {wrong: "in the future"},
		"yesterday":                 {wrong: `not "yesterday"`},
		"TRIM_HORIZON":              {wrong: "must be trim-horizon, latest, or a time"},
		"":                          {wrong: "must be"},
	}
	for from, test := range tests {
		got, err := startOf(from, now)
		var usage usageError
		switch {
		case test.wrong != "" && (!errors.As(err, &usage) || !strings.Contains(err.Error(), test.wrong)):
			t.Errorf("--from %q: %v, want a usage error that tells %q", from, err, test.wrong)
		case test.wrong == "" && (err != nil || !got.Equal(test.want)):
			t.Errorf("--from %q: %v, %v, want %v", from, got, err, test.want)
		}
	}
}

// The help of run says how long a stop takes, and what signals do.
func TestRunHelp(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(&env{ctx: t.Context(), out: &out, err: &errs}, []string{"run", "--help"}); code != exitDone {
		t.Fatalf("exit status %d: %s", code, errs.String())
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	if stopLimit != 25*time.Second {
		t.Errorf("a stop takes %v at most, and the help says 25 seconds", stopLimit)
	}
	for _, part := range []string{"SIGTERM", "gone within 25 seconds", "SIGHUP", "--pprof", "--from", "--allow-unkeyed"} {
		if !strings.Contains(text, part) {
			t.Errorf("the help does not tell %q", part)
		}
	}
}

// What a stop is made of fits into its limit: a worker that gives up its shards in
// time is not cut off, and alerts have their part.
func TestStopFits(t *testing.T) {
	if left := stopLimit - alertTime - kcl.StopTime; left < time.Second {
		t.Errorf("%v between the end of a slow worker and the time at which it is given up", left)
	}
}

func TestUntilStopped(t *testing.T) {
	failed := errors.New("failed")
	tests := map[string]struct {
		run  func(ctx context.Context, end <-chan struct{}) error
		took time.Duration
		want error
	}{
		"it fails by itself": {func(context.Context, <-chan struct{}) error { time.Sleep(time.Second); return failed }, time.Second, failed},
		"it stops in time": {func(ctx context.Context, _ <-chan struct{}) error {
			<-ctx.Done()
			time.Sleep(5 * time.Second)
			return nil
		}, 65 * time.Second, nil},
		"it fails while it does": {func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return failed }, time.Minute, failed},
		"it does not stop":       {func(_ context.Context, end <-chan struct{}) error { <-end; return nil }, 70 * time.Second, errStop},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				end := make(chan struct{})
				defer close(end)
				began := time.Now()
				err := untilStopped(ctx, 10*time.Second, func(ctx context.Context) error { return test.run(ctx, end) })
				if took := time.Since(began); took != test.took || !errors.Is(err, test.want) {
					t.Errorf("%v after %v, want %v after %v", err, took, test.want, test.took)
				}
			})
		})
	}
}
