package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/state/blob"
)

// The tests of this file put a proxy between the store and S3 and look at what the store makes of faults.

// faulty is a store behind a proxy, and the same one without it.
type faulty struct {
	blob.Store
	proxy  *fault.Proxy
	direct blob.Store
}

// forEachFaultyS3 runs a test over both S3s.
func forEachFaultyS3(t *testing.T, test func(t *testing.T, f *faulty)) {
	t.Run("gofakes3", func(t *testing.T) {
		server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
		t.Cleanup(server.Close)
		test(t, behindProxy(t, server.URL))
	})
	t.Run("versitygw", func(t *testing.T) { test(t, behindProxy(t, local.VersityGW(t).URL())) })
}

func behindProxy(t testing.TB, url string) *faulty {
	t.Helper()
	useS3(t, url)
	makeBucket(t)
	proxy, err := fault.New(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	direct := impatient(t, attempts)
	t.Setenv("AWS_ENDPOINT_URL", proxy.URL())
	return &faulty{Store: impatient(t, attempts), proxy: proxy, direct: direct}
}

// impatient is a store whose SDK does not wait long between its attempts.
func impatient(t testing.TB, attempts int) blob.Store {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	store, err := blob.NewS3(s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = true
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxBackoff, r.MaxAttempts = 5*time.Millisecond, attempts })
	}), bucket+"/p")
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// attempts is the SDK's own default, written down because the tests count on it.
const attempts = 3

var (
	slowDown = fault.Rule{Fate: fault.Reply, Answer: fault.Error(503, "SlowDown")}
	conflict = fault.Rule{Fate: fault.Reply, Answer: fault.Error(409, "ConditionalRequestConflict")}
	lost     = fault.Rule{Fate: fault.Lose}
	unheard  = fault.Rule{Fate: fault.LoseAnswer}
)

// on puts a rule on some calls of an operation.
func on(r fault.Rule, operation string, calls fault.Calls) fault.Rule {
	r.Operation, r.Calls = operation, calls
	return r
}

// put writes past the proxy.
func (f *faulty) put(t testing.TB, key, value string) (etag string) {
	t.Helper()
	etag, err := f.direct.Put(t.Context(), key, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return etag
}

// TestUnclearPutIf: whatever the fault, the store makes one attempt, and claims neither success nor refusal.
func TestUnclearPutIf(t *testing.T) {
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		for name, c := range map[string]struct {
			rule   fault.Rule
			landed bool
		}{
			"unavailable": {slowDown, false}, "conflict": {conflict, false}, "lost": {lost, false}, "unheard": {unheard, true},
			"request cut": {fault.Rule{Fate: fault.CutRequest, Bytes: 1}, false},
		} {
			for _, old := range []string{"", "old"} {
				f.proxy.Clear()
				etag, value := "", "new"
				if err := f.direct.Delete(t.Context(), "m"); err != nil {
					t.Fatal(err)
				}
				if old != "" {
					etag = f.put(t, "m", old)
				}
				f.proxy.Add(on(c.rule, "PutObject", fault.Calls{}))
				before := f.proxy.Count("PutObject")
				got, err := f.PutIf(t.Context(), "m", []byte("new"), etag)
				if err == nil || got != "" || errors.Is(err, blob.ErrChanged) || errors.Is(err, blob.ErrExists) || errors.Is(err, blob.ErrNotFound) {
					t.Errorf("%s over %q: etag %q, %v", name, old, got, err)
				}
				if n := f.proxy.Count("PutObject") - before; n != 1 {
					t.Errorf("%s: %d attempts", name, n)
				}
				if !c.landed {
					value = old
				}
				if value == "" {
					wantAbsent(t, f.direct, "m")
				} else {
					want(t, f.direct, "m", value)
				}
			}
		}
	})
}

// TestRepeatedPutIf: something on the way sends the write twice. The second one is refused, and that is what the store says.
func TestRepeatedPutIf(t *testing.T) {
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		f.proxy.Add(on(fault.Rule{Fate: fault.Repeat}, "PutObject", fault.Calls{}))
		if _, err := f.PutIf(t.Context(), "m", []byte("1"), ""); !errors.Is(err, blob.ErrExists) {
			t.Errorf("create: %v", err)
		}
		_, etag, err := f.Get(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.PutIf(t.Context(), "m", []byte("2"), etag); !errors.Is(err, blob.ErrChanged) {
			t.Errorf("change: %v", err)
		}
		want(t, f.direct, "m", "2")
	})
}

// TestIdempotentOperationsEndRight: faults that pass are survived without the caller's notice; those that stay are errors which
// cannot be taken for an answer of the store.
func TestIdempotentOperationsEndRight(t *testing.T) {
	operations := map[string]struct {
		name  string
		do    func(ctx context.Context, s blob.Store) error
		check func(t *testing.T, s blob.Store)
	}{
		"put": {"PutObject", func(ctx context.Context, s blob.Store) error {
			_, err := s.Put(ctx, "new", []byte("value"))
			return err
		}, func(t *testing.T, s blob.Store) { want(t, s, "new", "value") }},
		"publish": {"CopyObject", func(ctx context.Context, s blob.Store) error { return s.Publish(ctx, "stage", "final") },
			func(t *testing.T, s blob.Store) { want(t, s, "final", "staged") }},
		"delete": {"DeleteObject", func(ctx context.Context, s blob.Store) error { return s.Delete(ctx, "old") },
			func(t *testing.T, s blob.Store) { wantAbsent(t, s, "old") }},
		"get": {"GetObject", func(ctx context.Context, s blob.Store) error { return got(s.Get(ctx, "old")) }, nil},
		"get range": {"GetObject", func(ctx context.Context, s blob.Store) error {
			data, err := s.GetRange(ctx, "old", 1, 2)
			return got(data, "", err, "ld")
		}, nil},
		"list": {"ListObjectsV2", listed, nil},
	}
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		for name, o := range operations {
			for _, rule := range []fault.Rule{slowDown, lost, unheard} {
				f.proxy.Clear()
				f.put(t, "old", "old")
				f.put(t, "stage", "staged")
				for _, key := range []string{"new", "final"} {
					if err := f.direct.Delete(t.Context(), key); err != nil {
						t.Fatal(err)
					}
				}
				passing := f.proxy.Add(on(rule, o.name, fault.Between(1, attempts-1)))
				if err := o.do(t.Context(), f); err != nil || passing.Hits() != attempts-1 {
					t.Errorf("%s, %v twice: %v; %d hits", name, rule.Fate, err, passing.Hits())
				}
				if o.check != nil {
					o.check(t, f.direct)
				}
				passing.Remove()
				f.proxy.Add(on(rule, o.name, fault.Calls{}))
				err := o.do(t.Context(), f)
				if err == nil || errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrChanged) || errors.Is(err, blob.ErrExists) {
					t.Errorf("%s, %v always: %v", name, rule.Fate, err)
				}
			}
		}
	})
}

// got turns a read into an error unless it read what it should.
func got(data []byte, _ string, err error, value ...string) error {
	should := append(value, "old")[0]
	if err == nil && string(data) != should {
		return fmt.Errorf("%w: read %q", blob.ErrChanged, data)
	}
	return err
}

func listed(ctx context.Context, s blob.Store) error {
	n := 0
	for _, err := range s.List(ctx, "") {
		if err != nil {
			return err
		}
		n++
	}
	if n < 2 {
		return fmt.Errorf("%w: %d objects", blob.ErrChanged, n)
	}
	return nil
}

// TestPublishAnswersErrorWithOK: S3 may begin an answer with 200 and then report that the copy failed.
func TestPublishAnswersErrorWithOK(t *testing.T) {
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		f.put(t, "stage", "staged")
		failing := fault.Rule{Fate: fault.Reply, Answer: fault.Error(200, "InternalError")}
		always := f.proxy.Add(on(failing, "CopyObject", fault.Calls{}))
		if err := f.Publish(t.Context(), "stage", "final"); err == nil {
			t.Error("a failed copy passed for done")
		}
		wantAbsent(t, f.direct, "final")
		always.Remove()
		f.proxy.Add(on(failing, "CopyObject", fault.Nth(1)))
		if err := f.Publish(t.Context(), "stage", "final"); err != nil {
			t.Error(err)
		}
		want(t, f.direct, "final", "staged")
	})
}

// TestCutReads: a read that breaks off is begun again; if it always does, there is an error and never a part of an object.
func TestCutReads(t *testing.T) {
	object := strings.Repeat("0123456789", 20_000)
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		f.put(t, "o", object)
		for _, n := range []int64{0, 1, 4095, 100_000, int64(len(object)) - 1} {
			cut := fault.Rule{Operation: "GetObject", Fate: fault.CutAnswer, Bytes: n}
			cut.Calls = fault.Between(1, 2)
			f.proxy.Clear()
			f.proxy.Add(cut)
			if data, _, err := f.Get(t.Context(), "o"); err != nil || string(data) != object {
				t.Errorf("get, cut at %d twice: %d bytes, %v", n, len(data), err)
			}
			f.proxy.Clear()
			cut.Calls = fault.Calls{}
			f.proxy.Add(cut)
			if data, etag, err := f.Get(t.Context(), "o"); err == nil || data != nil || etag != "" {
				t.Errorf("get, cut at %d: %d bytes, %v", n, len(data), err)
			}
			if data, err := f.GetRange(t.Context(), "o", 0, int64(len(object))); err == nil || data != nil {
				t.Errorf("range, cut at %d: %d bytes, %v", n, len(data), err)
			}
			stream, err := f.Open(t.Context(), "o")
			if err != nil {
				continue
			}
			data, err := io.ReadAll(stream)
			stream.Close()
			if err == nil || !strings.HasPrefix(object, string(data)) {
				t.Errorf("stream, cut at %d: %d bytes, %v", n, len(data), err)
			}
		}
	})
}

// TestCutLists: a list is whole or an error.
func TestCutLists(t *testing.T) {
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		var all []string
		for i := range 30 {
			key := fmt.Sprintf("l/%02d", i)
			f.put(t, key, "x")
			all = append(all, key)
		}
		for _, n := range []int64{0, 10, 300, 2000} {
			f.proxy.Clear()
			f.proxy.Add(fault.Rule{Operation: "ListObjectsV2", Fate: fault.CutAnswer, Bytes: n, Calls: fault.Nth(1)})
			var found []string
			var failure error
			for o, err := range f.List(t.Context(), "l/") {
				if failure = err; err == nil {
					found = append(found, o.Key)
				}
			}
			if diff := cmp.Diff(all, found); failure == nil && diff != "" {
				t.Errorf("cut at %d: %s", n, diff)
			}
		}
	})
}

// TestResetUploads: the connection breaks in the middle of a large object. Nothing of it is visible until it is whole.
func TestResetUploads(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 400<<10) // 6.4 MB
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		for _, n := range []int64{0, 1 << 20, int64(len(big)) - 1} {
			cut := fault.Rule{Operation: "PutObject", Fate: fault.CutRequest, Bytes: n}
			always := f.proxy.Add(cut)
			key := fmt.Sprintf("up/%d", n)
			u, err := f.Create(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Abort()
			if _, err := u.Write(big); err != nil {
				t.Fatal(err)
			}
			if err := u.Commit(t.Context()); err == nil {
				t.Errorf("cut at %d always: committed", n)
			}
			wantAbsent(t, f.direct, key)
			always.Remove()
			cut.Calls = fault.Between(1, attempts-1)
			once := f.proxy.Add(cut)
			if err := u.Commit(t.Context()); err != nil || once.Hits() != attempts-1 {
				t.Errorf("cut at %d twice: %v, %d hits", n, err, once.Hits())
			}
			once.Remove()
			if data, _, err := f.direct.Get(t.Context(), key); err != nil || !bytes.Equal(data, big) {
				t.Errorf("cut at %d: %d bytes, %v", n, len(data), err)
			}
		}
	})
}

// TestStoreOutage: nothing is absent or changed while the store cannot be reached.
func TestStoreOutage(t *testing.T) {
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		etag := f.put(t, "m", "old")
		f.proxy.Outage(true)
		_, _, getErr := f.Get(t.Context(), "m")
		_, putErr := f.PutIf(t.Context(), "m", []byte("new"), etag)
		_, createErr := f.PutIf(t.Context(), "n", []byte("new"), "")
		for _, err := range []error{getErr, putErr, createErr, f.Delete(t.Context(), "m"), f.Publish(t.Context(), "m", "n"), listed(t.Context(), f)} {
			if err == nil || errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrChanged) || errors.Is(err, blob.ErrExists) {
				t.Errorf("in the outage: %v", err)
			}
		}
		f.proxy.Outage(false)
		want(t, f, "m", "old")
		if _, err := f.PutIf(t.Context(), "m", []byte("new"), etag); err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// TestSlowStoreCanBeGivenUp: the context ends the wait for an answer.
func TestSlowStoreCanBeGivenUp(t *testing.T) {
	forEachFaultyS3(t, func(t *testing.T, f *faulty) {
		gate := fault.NewGate()
		defer gate.Open()
		f.proxy.Add(fault.Rule{Path: regexp.MustCompile("/m$"), Before: gate.Wait})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := f.PutIf(ctx, "m", []byte("x"), ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put: %v", err)
		}
		if _, _, err := f.Get(ctx, "m"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get: %v", err)
		}
	})
}

// badWeather lets the calls that may be repeated fail now and then. Conditional writes are left alone: there is no telling what
// they should return.
func badWeather() []fault.Rule {
	return []fault.Rule{
		on(slowDown, "GetObject", fault.Every(5)), on(fault.Rule{Fate: fault.CutAnswer, Bytes: 3}, "GetObject", fault.Every(7)),
		on(unheard, "CopyObject", fault.Every(3)), on(slowDown, "ListObjectsV2", fault.Every(2)), on(lost, "DeleteObject", fault.Every(2)),
		on(fault.Rule{Delay: 20 * time.Millisecond}, "PutObject", fault.Every(10)),
	}
}

func useBadWeather(t testing.TB) blob.Store {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	f := behindProxy(t, server.URL)
	f.proxy.Add(badWeather()...)
	return impatient(t, 10) // of many concurrent calls one can have bad luck several times
}
