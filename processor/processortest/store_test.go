package processortest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/google/go-cmp/cmp"
)

// verdicts answers calls in turn, the rest with Do.
func verdicts(list ...Verdict) Gate {
	return func(context.Context, Call) Verdict {
		if len(list) == 0 {
			return Do
		}
		v := list[0]
		list = list[1:]
		return v
	}
}

func TestStoreWritesConditionally(t *testing.T) {
	s := NewStore("mem").As("w", nil)
	ctx := t.Context()
	first, err := s.PutIf(ctx, "k", []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutIf(ctx, "k", []byte("2"), ""); !errors.Is(err, blob.ErrExists) {
		t.Errorf("second create: %v, want ErrExists", err)
	}
	second, err := s.PutIf(ctx, "k", []byte("2"), first)
	if err != nil || second == first {
		t.Errorf("change: etag %s after %s, %v", second, first, err)
	}
	if _, err := s.PutIf(ctx, "k", []byte("3"), first); !errors.Is(err, blob.ErrChanged) {
		t.Errorf("change over an old etag: %v, want ErrChanged", err)
	}
	if _, err := s.PutIf(ctx, "absent", []byte("3"), first); !errors.Is(err, blob.ErrChanged) {
		t.Errorf("change of an absent object: %v, want ErrChanged", err)
	}
	if data, etag, err := s.Get(ctx, "k"); string(data) != "2" || etag != second || err != nil {
		t.Errorf("read %q under %s, %v", data, etag, err)
	}
}

func TestStoreVerdicts(t *testing.T) {
	tests := []struct {
		verdict Verdict
		there   string
		err     error
	}{
		{Do, "1", nil}, {Fail, "", ErrUnknown}, {Lose, "1", ErrUnknown}, {Late, "1", ErrUnknown}, {Twice, "1", blob.ErrExists},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			store := NewStore("mem")
			_, err := store.As("w", verdicts(test.verdict)).PutIf(t.Context(), "k", []byte("1"), "")
			synctest.Wait()
			if !errors.Is(err, test.err) {
				t.Errorf("%v: error %v, want %v", test.verdict, err, test.err)
			}
			if data, _ := store.Peek("k"); string(data) != test.there {
				t.Errorf("%v: the store has %q, want %q", test.verdict, data, test.there)
			}
		})
	}
}

func TestStorePublishesOnce(t *testing.T) {
	for _, rename := range []bool{false, true} {
		store := NewStore("mem")
		store.Rename = rename
		s, ctx := store.As("w", nil), t.Context()
		up, err := s.Create(ctx, "_stage/a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := up.Write([]byte("rows")); err != nil {
			t.Fatal(err)
		}
		if n := len(store.Keys("")); n != 0 {
			t.Errorf("%d objects before Commit", n)
		}
		if err := up.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Publish(ctx, "_stage/a", "t/a"); err != nil {
				t.Errorf("rename %v: %v", rename, err)
			}
		}
		want := []string{"_stage/a", "t/a"}
		if rename {
			want = want[1:]
		}
		if d := cmp.Diff(want, store.Keys("")); d != "" {
			t.Errorf("rename %v: %s", rename, d)
		}
		if err := s.Publish(ctx, "_stage/b", "t/b"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("publish what never was: %v, want ErrNotFound", err)
		}
	}
}

func TestStoreReads(t *testing.T) {
	s, ctx := NewStore("mem").As("w", nil), t.Context()
	for _, k := range []string{"b/2", "a/1", "b/1"} {
		if _, err := s.Put(ctx, k, []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	for o, err := range s.List(ctx, "b/") {
		if err != nil || o.Size != 10 {
			t.Errorf("%+v, %v", o, err)
		}
		keys = append(keys, o.Key)
	}
	if d := cmp.Diff([]string{"b/1", "b/2"}, keys); d != "" {
		t.Error(d)
	}
	if part, err := s.GetRange(ctx, "a/1", 3, 4); string(part) != "3456" || err != nil {
		t.Errorf("range: %q, %v", part, err)
	}
	if _, err := s.GetRange(ctx, "a/1", 8, 4); err == nil {
		t.Error("a range beyond the end was read")
	}
	if err := s.Delete(ctx, "a/1"); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Get(ctx, "a/1"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("deleted: %v, want ErrNotFound", err)
	}
}

func TestLeaseTokens(t *testing.T) {
	l, ctx := NewLeases(nil), t.Context()
	old, err := l.Take(ctx, "w1", "s")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Checkpoint(ctx, "w1", "s", old.Token, "10"); err != nil {
		t.Fatal(err)
	}
	fresh, err := l.Take(ctx, "w2", "s")
	if err != nil || fresh.Checkpoint != "10" || fresh.Owner != "w2" {
		t.Fatalf("%+v, %v", fresh, err)
	}
	if err := l.Checkpoint(ctx, "w1", "s", old.Token, "9"); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("checkpoint under the old token: %v, want ErrLeaseLost", err)
	}
	if got := l.Look("s").Checkpoint; got != "10" {
		t.Errorf("checkpoint %s, want 10", got)
	}
}

func TestSinkCountsSends(t *testing.T) {
	s := NewSink(verdicts(Do, Lose, Fail, Twice))
	for range 4 {
		_ = s.Send(t.Context(), "w", "alert", []byte("body")) // two of the calls fail on purpose
	}
	if got := s.Sends()["alert"]; got != 4 {
		t.Errorf("%d alerts arrived, want 1 + 1 + 0 + 2", got)
	}
}
