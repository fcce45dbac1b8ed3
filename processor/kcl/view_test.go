package kcl

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFree(t *testing.T) {
	const lease = 10 * time.Second
	tests := map[string]struct {
		row  row
		wait time.Duration
		want bool
	}{
		"no row":                        {row{shard: "a"}, 0, true},
		"released":                      {row{shard: "a", checkpoint: "5"}, 0, true},
		"held":                          {row{shard: "a", token: "k", timeout: "t"}, 9 * time.Second, false},
		"held by one who died":          {row{shard: "a", token: "k", timeout: "t"}, 11 * time.Second, true},
		"released to another":           {row{shard: "a", claim: "other"}, 9 * time.Second, false},
		"released to one who died":      {row{shard: "a", claim: "other"}, 11 * time.Second, true},
		"released to this worker":       {row{shard: "a", claim: "me"}, 0, true},
		"held, this worker asks for it": {row{shard: "a", token: "k", timeout: "t", claim: "me"}, 9 * time.Second, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newView()
				v.set(test.row, time.Now())
				time.Sleep(test.wait)
				if got := v.free(test.row, "me", lease); got != test.want {
					t.Errorf("free = %v, want %v", got, test.want)
				}
			})
		})
	}
}

// Each change of a row starts the wait anew.
func TestSightingFollowsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView()
		r := row{shard: "a", token: "k", timeout: "1"}
		v.set(r, time.Now())
		time.Sleep(8 * time.Second)
		r.timeout = "2"
		v.set(r, time.Now())
		time.Sleep(8 * time.Second)
		v.set(r, time.Now()) // seen again, unchanged
		if v.free(r, "me", 10*time.Second) {
			t.Error("free 8 s after a renewal, with a lease of 10 s")
		}
		time.Sleep(3 * time.Second)
		if !v.free(r, "me", 10*time.Second) {
			t.Error("not free 11 s after the last renewal, with a lease of 10 s")
		}
	})
}

// A read of the table that began before a write of this worker does not undo
// what is known of the row; a later one does.
func TestReadDoesNotUndoAWrite(t *testing.T) {
	v := newView()
	at := time.Unix(1000, 0)
	mine := row{shard: "a", token: "mine"}
	v.set(mine, at)
	v.written["a"] = at
	v.replace(map[string]row{"a": {shard: "a"}, "b": {shard: "b", token: "x"}}, at.Add(-time.Second), at.Add(time.Second))
	if v.rows["a"] != mine || v.rows["b"].token != "x" {
		t.Errorf("after an older read: %+v", v.rows)
	}
	v.replace(map[string]row{"a": {shard: "a", token: "other"}}, at.Add(2*time.Second), at.Add(3*time.Second))
	if v.rows["a"].token != "other" || len(v.rows) != 1 || len(v.seen) != 1 || len(v.written) != 0 {
		t.Errorf("after a newer read: rows %+v, seen %+v, written %+v", v.rows, v.seen, v.written)
	}
}

func TestBackoff(t *testing.T) {
	want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
	for i, w := range want {
		if got := backoff(i + 1); got != w*time.Second {
			t.Errorf("after %d failures: %v, want %v", i+1, got, w*time.Second)
		}
	}
	if got := backoff(1000); got != time.Minute {
		t.Errorf("after 1000 failures: %v, want a minute", got)
	}
}
