package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/deploy/local/fault"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/manifest"
)

// s3Replay replays the sample into a bucket behind a proxy.
type s3Replay struct {
	program
	proxy *fault.Proxy
}

// TestKillAtEachStoreCall replays into a bucket again and again. Each time the
// process is killed right before, or right after, another one of the calls that
// change the bucket, or the answer to that call is lost. What is left in the end
// is what a replay leaves that was left alone. CAIRN_SOAK=1 takes every call
// instead of one in six.
func TestKillAtEachStoreCall(t *testing.T) {
	s := s3Replay{build(t), bucketBehindProxy(t)}
	_, calls := s.run(t, "straight", fault.Rule{}, false)
	want := s.remains(t, "straight")
	if len(want.Files) == 0 || calls < 20 {
		t.Fatalf("%d files after %d calls: the test shows too little", len(want.Files), calls)
	}
	step := 6
	if os.Getenv("CAIRN_SOAK") != "" {
		step = 1
	}
	kills, lost, tried := 0, 0, 0
	for n := 1; n <= calls; n += step {
		tried++
		for _, how := range []string{"before", "after", "lost"} {
			name := fmt.Sprintf("%s-%d", how, n)
			rule := fault.Rule{Calls: fault.Nth(n)}
			if how == "lost" {
				rule.Fate = fault.LoseAnswer
			}
			killed, _ := s.run(t, name, rule, how == "before")
			if killed {
				kills++
			} else if how == "lost" {
				lost++
			}
			if diff := cmp.Diff(want, s.remains(t, name)); diff != "" {
				t.Fatalf("%s call %d of %d: the replay ends otherwise (-straight +faulty):\n%s", how, n, calls, diff)
			}
			s.clear(t, name)
		}
	}
	if kills < 2*tried*9/10 {
		t.Errorf("only %d of %d kills hit the process", kills, 2*tried)
	}
	t.Logf("%d of %d calls that change the bucket: %d kills, %d lost answers, all ended alike", tried, calls, kills, lost)
}

// run replays into a folder of the bucket until that succeeds, the first time
// under a rule. It tells whether the process was killed, and how many calls
// changed the folder.
func (s s3Replay) run(t *testing.T, name string, rule fault.Rule, before bool) (killed bool, calls int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	ready := make(chan *process, 1)
	kill := func(context.Context, fault.Call) {
		r := <-ready
		_ = r.Process.Kill()
		<-r.done
	}
	if rule.Calls != (fault.Calls{}) {
		rule.Path = regexp.MustCompile("^/example/" + name + "/")
		switch {
		case rule.Fate == fault.LoseAnswer:
		case before:
			rule.Before, rule.Fate = kill, fault.Lose
		default:
			rule.After = kill
		}
		rule.Method = "PUT" // copies too; a replay deletes nothing
		s.proxy.Add(rule)
	}
	defer s.proxy.Clear()
	seen := len(s.proxy.Calls())
	first := s.start(t, s.args(name, dir)...)
	ready <- first
	switch code := first.status(); {
	case code == -1:
		killed = true
		s.must(t, s.args(name, dir)...)
	case code != exitDone:
		t.Fatalf("%s: exit status %d: %s", name, code, first.err.String())
	}
	for _, c := range s.proxy.Calls()[min(seen, len(s.proxy.Calls())):] {
		if c.Method == "PUT" {
			calls++
		}
	}
	return killed, calls
}

func (s s3Replay) args(name, dir string) []string {
	return []string{"replay", "--data", dir, "--lake", "s3://example/" + name + "/lake", "--state", "s3://example/" + name + "/state",
		"--shards", "2", "--commit-records", "500", "--snapshot-every", "6h", "--no-progress", filepath.Join("..", "..", "bench", "gen", "sample")}
}

// bucketBehindProxy starts an S3 on loopback with one bucket and points the
// environment of the test to a proxy in front of it.
func bucketBehindProxy(t *testing.T) *fault.Proxy {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("example"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	proxy, err := fault.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": proxy.URL(), "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return proxy
}

// s3Remains is what readers and the next owner find in a bucket.
type s3Remains struct {
	Files     map[string]string // visible objects of the lake and their digests
	Manifests []manifest.Manifest
}

func (s s3Replay) remains(t *testing.T, name string) s3Remains {
	t.Helper()
	r := s3Remains{Files: map[string]string{}}
	lake := store(t, "s3://example/"+name+"/lake")
	for o, err := range lake.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(o.Key, "_stage/"):
		case strings.HasPrefix(o.Key, "progress/"), o.Key == "_cairn.json": // name the processes that took part
			r.Files[o.Key] = ""
		default:
			data, _, err := lake.Get(t.Context(), o.Key)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			r.Files[o.Key] = hex.EncodeToString(sum[:])
		}
	}
	manifests, err := processor.Manifests(t.Context(), store(t, "s3://example/"+name+"/state"), "cairn")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		r.Manifests = append(r.Manifests, nameless(*m))
	}
	return r
}

func (s s3Replay) clear(t *testing.T, name string) {
	t.Helper()
	all := store(t, "s3://example/"+name)
	var keys []string
	for o, err := range all.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	for _, k := range keys {
		if err := all.Delete(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
}
