package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/state/blob"
)

const bucket = "cairn-test"

// useFakeS3 starts an S3 on a loopback port and points the SDK at it.
func useFakeS3(t testing.TB) {
	t.Helper()
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(server.Close)
	useS3(t, server.URL)
	makeBucket(t)
}

// useVersityGW does the same with a program that checks signatures and checksums and keeps objects in files.
func useVersityGW(t testing.TB) {
	t.Helper()
	useS3(t, local.VersityGW(t).URL())
	makeBucket(t)
}

// useS3 points the SDK at an S3 in the way in which a user would.
func useS3(t testing.TB, url string) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", url)
	t.Setenv("AWS_REGION", local.S3Region)
	t.Setenv("AWS_ACCESS_KEY_ID", local.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", local.SecretKey)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func makeBucket(t testing.TB) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, url string) blob.Store {
	t.Helper()
	store, err := blob.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// forEachStore runs a test over every implementation of Store.
func forEachStore(t *testing.T, test func(t *testing.T, store blob.Store)) {
	t.Run("directory", func(t *testing.T) { test(t, open(t, t.TempDir())) })
	t.Run("s3", func(t *testing.T) {
		useFakeS3(t)
		test(t, open(t, "s3://"+bucket+"/some/prefix"))
	})
	t.Run("s3 bucket", func(t *testing.T) {
		useFakeS3(t)
		test(t, open(t, "s3://"+bucket))
	})
	t.Run("s3 in bad weather", func(t *testing.T) { test(t, useBadWeather(t)) })
	t.Run("versitygw", func(t *testing.T) {
		useVersityGW(t)
		test(t, open(t, "s3://"+bucket+"/some/prefix"))
	})
}

func keys(t testing.TB, store blob.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for o, err := range store.List(context.Background(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func want(t testing.TB, store blob.Store, key, value string) {
	t.Helper()
	data, _, err := store.Get(context.Background(), key)
	if err != nil || string(data) != value {
		t.Errorf("get %s: %q %v, want %q", key, data, err, value)
	}
}

func wantAbsent(t testing.TB, store blob.Store, key string) {
	t.Helper()
	if _, _, err := store.Get(context.Background(), key); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get %s: %v, want not found", key, err)
	}
}

func TestPutAndGet(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		first, err := store.Put(ctx, "a/b/one", []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		data, etag, err := store.Get(ctx, "a/b/one")
		if err != nil || string(data) != "hello" || etag != first || etag == "" {
			t.Errorf("got %q, etag %q, %v; put said etag %q", data, etag, err, first)
		}
		second, err := store.Put(ctx, "a/b/one", []byte("other"))
		if err != nil || second == first {
			t.Errorf("etag %q after %q, %v", second, first, err)
		}
		want(t, store, "a/b/one", "other")
		if _, err := store.Put(ctx, "empty", nil); err != nil {
			t.Error(err)
		}
		want(t, store, "empty", "")
		wantAbsent(t, store, "a/b")
		wantAbsent(t, store, "a/b/two")
	})
}

func TestKeysWithUnusualCharacters(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		for _, key := range []string{"dt=2024-01-31/x+y z%20ü.parquet", "_stage/shardId-000000000000/1-2-3"} {
			if _, err := store.Put(ctx, key, []byte(key)); err != nil {
				t.Fatal(err)
			}
			want(t, store, key, key)
			if err := store.Publish(ctx, key, "final/"+key); err != nil {
				t.Fatal(err)
			}
			want(t, store, "final/"+key, key)
		}
		for _, key := range []string{"", "/a", "a/", "a//b", "a/../b", ".", "a/.", "a\x00", `a\b`, strings.Repeat("k", 1025)} {
			_, _, getErr := store.Get(ctx, key)
			_, putErr := store.Put(ctx, key, nil)
			_, putIfErr := store.PutIf(ctx, key, nil, "")
			_, createErr := store.Create(ctx, key)
			for _, err := range []error{getErr, putErr, putIfErr, createErr, store.Delete(ctx, key), store.Publish(ctx, key, "a"), store.Publish(ctx, "a", key)} {
				if err == nil || !strings.Contains(err.Error(), "key ") {
					t.Errorf("key %q: %v", key, err)
				}
			}
		}
	})
}

func TestRange(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		if _, err := store.Put(ctx, "digits", []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			off, n int64
			want   string
		}{{0, 10, "0123456789"}, {3, 4, "3456"}, {9, 1, "9"}, {4, 0, ""}} {
			got, err := store.GetRange(ctx, "digits", c.off, c.n)
			if err != nil || string(got) != c.want {
				t.Errorf("%d+%d: %q %v, want %q", c.off, c.n, got, err, c.want)
			}
		}
		for _, c := range [][2]int64{{8, 3}, {10, 1}, {20, 5}, {-1, 2}, {2, -1}} {
			if got, err := store.GetRange(ctx, "digits", c[0], c[1]); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d+%d: %q %v, want unexpected EOF", c[0], c[1], got, err)
			}
		}
		if _, err := store.GetRange(ctx, "none", 0, 1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("range of an absent object: %v", err)
		}
		stream, err := store.Open(ctx, "digits")
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		if data, err := io.ReadAll(stream); err != nil || string(data) != "0123456789" {
			t.Errorf("stream: %q %v", data, err)
		}
		if _, err := store.Open(ctx, "none"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("stream of an absent object: %v", err)
		}
	})
}

func TestPutIf(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		if _, err := store.PutIf(ctx, "m", []byte("x"), "etag"); !errors.Is(err, blob.ErrChanged) {
			t.Errorf("change of an absent object: %v", err)
		}
		one, err := store.PutIf(ctx, "m", []byte("1"), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.PutIf(ctx, "m", []byte("x"), ""); !errors.Is(err, blob.ErrExists) {
			t.Errorf("create over an object: %v", err)
		}
		two, err := store.PutIf(ctx, "m", []byte("2"), one)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.PutIf(ctx, "m", []byte("x"), one); !errors.Is(err, blob.ErrChanged) {
			t.Errorf("change with an old etag: %v", err)
		}
		if _, etag, err := store.Get(ctx, "m"); err != nil || etag != two {
			t.Errorf("etag %q %v, want %q", etag, err, two)
		}
		want(t, store, "m", "2")
		if err := store.Delete(ctx, "m"); err != nil {
			t.Fatal(err)
		}
		if _, err := store.PutIf(ctx, "m", []byte("3"), ""); err != nil {
			t.Errorf("create after deletion: %v", err)
		}
	})
}

// TestPutIfHasOneWinner: many writers increment a counter, each through a
// store of its own. Every success is one step; in each round, one of n wins.
func TestPutIfHasOneWinner(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		etag := ""
		const rounds, writers = 12, 8
		for round := range rounds {
			var wait sync.WaitGroup
			etags, errs := make([]string, writers), make([]error, writers)
			for w := range writers {
				other := open(t, store.URL())
				wait.Go(func() {
					etags[w], errs[w] = other.PutIf(ctx, "counter", fmt.Appendf(nil, "%d by %d", round, w), etag)
				})
			}
			wait.Wait()
			winner := -1
			for w, err := range errs {
				switch {
				case err == nil && winner >= 0:
					t.Fatalf("round %d: %d and %d won", round, winner, w)
				case err == nil:
					winner = w
				case !errors.Is(err, blob.ErrExists) && !errors.Is(err, blob.ErrChanged):
					t.Fatalf("round %d, writer %d: %v", round, w, err)
				}
			}
			if winner < 0 {
				t.Fatalf("round %d: nobody won", round)
			}
			want(t, store, "counter", fmt.Sprintf("%d by %d", round, winner))
			etag = etags[winner]
		}
	})
}

func TestUpload(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		big := bytes.Repeat([]byte("0123456789abcdef"), 400<<10) // 6.4 MB: spooled to disk for S3
		for key, data := range map[string][]byte{"up/small": []byte("small"), "up/big": big, "up/empty": nil} {
			u, err := store.Create(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Abort()
			for part := range slices.Chunk(data, 1<<20) {
				if _, err := u.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			wantAbsent(t, store, key)
			for range 2 { // the second has nothing to do
				if err := u.Commit(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := u.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("write after commit: %v", err)
			}
			u.Abort()
			if got, _, err := store.Get(ctx, key); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes, %v; want %d", key, len(got), err, len(data))
			}
		}
		dropped, err := store.Create(ctx, "up/dropped")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dropped.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		dropped.Abort()
		if err := dropped.Commit(ctx); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("commit after abort: %v", err)
		}
		if diff := cmp.Diff([]string{"up/big", "up/empty", "up/small"}, keys(t, store, "")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPublish(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		put := func(key, value string) {
			t.Helper()
			if _, err := store.Put(ctx, key, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		put("_stage/s/1", "rows")
		for range 3 {
			if err := store.Publish(ctx, "_stage/s/1", "events/dt=2024-01-01/f"); err != nil {
				t.Fatal(err)
			}
			want(t, store, "events/dt=2024-01-01/f", "rows")
		}
		if err := store.Delete(ctx, "_stage/s/1"); err != nil { // as garbage collection does
			t.Fatal(err)
		}
		if err := store.Publish(ctx, "_stage/s/1", "events/dt=2024-01-01/f"); err != nil {
			t.Errorf("stage gone, final there: %v", err)
		}
		put("_stage/s/1", "rows") // rolled once more by the next owner
		if err := store.Publish(ctx, "_stage/s/1", "events/dt=2024-01-01/f"); err != nil {
			t.Errorf("both there: %v", err)
		}
		if err := store.Publish(ctx, "_stage/s/2", "events/dt=2024-01-01/g"); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("both gone: %v", err)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		var uploads []blob.Upload
		var moves []blob.Move
		for i := range 50 {
			m := blob.Move{Stage: fmt.Sprintf("_stage/s/%02d", i), Final: fmt.Sprintf("events/dt=%d/%02d", i%7, i)}
			u, err := store.Create(ctx, m.Stage)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(u, m.Final); err != nil {
				t.Fatal(err)
			}
			uploads, moves = append(uploads, u), append(moves, m)
		}
		if got := keys(t, store, ""); len(got) != 0 {
			t.Fatalf("visible before the commit: %v", got)
		}
		for range 2 {
			if err := blob.CommitAll(ctx, uploads); err != nil {
				t.Fatal(err)
			}
		}
		want(t, store, moves[17].Stage, moves[17].Final)
		for range 2 {
			if err := blob.PublishAll(ctx, store, moves); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range moves {
			want(t, store, m.Final, m.Final)
		}
		if err := blob.PublishAll(ctx, store, []blob.Move{{Stage: "_stage/none", Final: "none"}}); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("both gone: %v", err)
		}
	})
}

func TestList(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		all := []string{"a-b", "a/b", "a/b.c", "a/bc/d", "a0", "ab/c", "b"} // in byte order; "a" < "a-b" is not
		for i, key := range all {
			if _, err := store.Put(ctx, key, bytes.Repeat([]byte("x"), i)); err != nil {
				t.Fatal(err)
			}
		}
		for prefix, want := range map[string][]string{
			"": all, "a": all[:6], "a/": all[1:4], "a/b": all[1:4], "a/bc": all[3:4], "a/bc/": all[3:4], "a/bc/d": all[3:4], "ab": all[5:6], "c": nil, "c/d": nil, "a/x/y": nil, "b/": nil,
		} {
			if diff := cmp.Diff(want, keys(t, store, prefix)); diff != "" {
				t.Errorf("prefix %q: %s", prefix, diff)
			}
		}
		for o, err := range store.List(ctx, "a/bc/d") {
			if err != nil || o.Size != 3 || time.Since(o.Modified) > time.Hour || o.Modified.Location() != time.UTC {
				t.Errorf("%+v %v", o, err)
			}
		}
		for range store.List(ctx, "") {
			break // leaving early is allowed
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		for _, err := range store.List(cancelled, "") {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		}
	})
}

func TestListOfManyPages(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		const n = 1203 // pages have 1,000
		var uploads []blob.Upload
		for i := range n {
			u, err := store.Create(context.Background(), fmt.Sprintf("many/%04d", i))
			if err != nil {
				t.Fatal(err)
			}
			uploads = append(uploads, u)
		}
		if err := blob.CommitAll(context.Background(), uploads); err != nil {
			t.Fatal(err)
		}
		if got := keys(t, store, "many/"); len(got) != n || !slices.IsSorted(got) {
			t.Errorf("%d keys of %d, sorted: %v", len(got), n, slices.IsSorted(got))
		}
	})
}

func TestDelete(t *testing.T) {
	forEachStore(t, func(t *testing.T, store blob.Store) {
		ctx := context.Background()
		if _, err := store.Put(ctx, "a/b", nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := store.Delete(ctx, "a/b"); err != nil {
				t.Error(err)
			}
		}
		wantAbsent(t, store, "a/b")
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	for url, message := range map[string]string{
		"gs://bucket":   `unknown scheme "gs"`,
		"s3://":         "no bucket",
		"s3://b/../c":   "path element",
		"file://a/b":    "absolute path",
		"/dev/null/sub": "not a directory",
	} {
		t.Setenv("AWS_REGION", "eu-central-1")
		if _, err := blob.Open(context.Background(), url); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("open %s: %v, want %q", url, err, message)
		}
	}
	t.Setenv("AWS_REGION", "")
	if _, err := blob.Open(context.Background(), "s3://bucket"); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("no region: %v", err)
	}
}

func TestURL(t *testing.T) {
	useFakeS3(t)
	dir := t.TempDir()
	for url, want := range map[string]string{
		dir: dir, dir + "/": dir, "file://" + dir: dir, "s3://b": "s3://b", "s3://b/": "s3://b", "s3://b/p/q/": "s3://b/p/q",
	} {
		if got := open(t, url).URL(); got != want {
			t.Errorf("URL of %s is %s, want %s", url, got, want)
		}
	}
}

func TestNoSuchBucketIsNotAnAbsentObject(t *testing.T) {
	useFakeS3(t)
	store := open(t, "s3://other-bucket/p")
	_, _, err := store.Get(context.Background(), "a")
	if err == nil || errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), "bucket other-bucket does not exist") {
		t.Errorf("got %v", err)
	}
	if _, err := store.PutIf(context.Background(), "a", nil, "etag"); err == nil || errors.Is(err, blob.ErrChanged) {
		t.Errorf("put: %v", err)
	}
}
