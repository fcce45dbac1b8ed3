package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newDir(t testing.TB) *Dir {
	t.Helper()
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func tempFiles(t testing.TB, d *Dir) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(d.root, tempDir))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestOpenSweepsOldTemporaryFiles(t *testing.T) {
	d := newDir(t)
	for name, age := range map[string]time.Duration{"old.part": 2 * time.Hour, "young.part": 50 * time.Minute} {
		path := filepath.Join(d.root, tempDir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenDir(d.root); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(d.root, tempDir))
	if err != nil || len(left) != 1 || left[0].Name() != "young.part" {
		t.Errorf("left: %v %v", left, err)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	d := newDir(t)
	ctx := context.Background()
	u, err := d.Create(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	u.Abort()
	if _, err := d.Put(ctx, "b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := d.Put(cancelled, "c", []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n := tempFiles(t, d); n != 0 {
		t.Errorf("%d temporary files", n)
	}
}

func TestObjectsAreReadableForOthers(t *testing.T) {
	d := newDir(t)
	if _, err := d.Put(context.Background(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(d.root, "a"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v %v: another user's query engine reads the lake", info.Mode(), err)
	}
}

func TestOwnFoldersAreOutOfReach(t *testing.T) {
	d := newDir(t)
	for _, key := range []string{".tmp/x", ".lock/x", ".tmp"} {
		if _, err := d.Put(context.Background(), key, nil); err == nil {
			t.Errorf("put of %s succeeded", key)
		}
	}
	if _, err := d.PutIf(context.Background(), "m", nil, ""); err != nil {
		t.Fatal(err)
	}
	for o := range d.List(context.Background(), "") {
		if o.Key != "m" {
			t.Errorf("listed: %s", o.Key)
		}
	}
}

// TestErrorsSayWhatToDo: the words are for the operator, the cause stays.
func TestErrorsSayWhatToDo(t *testing.T) {
	for cause, words := range map[syscall.Errno]string{
		syscall.ENOSPC: "disk is full", syscall.EROFS: "read-only", syscall.EDQUOT: "quota", syscall.EACCES: "not writable", syscall.EIO: "input/output",
	} {
		err := failed("put", "k", explain(&fs.PathError{Op: "write", Path: "/p", Err: cause}))
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "/p") {
			t.Errorf("%v: %v", cause, err)
		}
	}
	if err := explain(&fs.PathError{Err: syscall.ENOENT}); !errors.Is(err, ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

// TestFullDisk writes to a real full device.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	d := newDir(t)
	u, err := d.create("a")
	if err != nil {
		t.Fatal(err)
	}
	u.file.Close()
	u.file = full
	if _, err := u.Write([]byte("x")); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("write: %v", err)
	}
	if err := u.Commit(context.Background()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("commit after a failed write: %v", err)
	}
	if _, _, err := d.Get(context.Background(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("get: %v", err)
	}
}

// TestReadOnlyDirectory needs a user whom permissions bind.
func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("permissions do not bind the superuser")
	}
	d := newDir(t)
	if _, err := d.Put(context.Background(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(d.root, tempDir), d.root} {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o755)
	}
	d, err := OpenDir(d.root)
	if err != nil {
		t.Fatalf("open for reading: %v", err)
	}
	if data, _, err := d.Get(context.Background(), "a"); err != nil || string(data) != "x" {
		t.Errorf("get: %q %v", data, err)
	}
	if _, err := d.Put(context.Background(), "b", nil); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("put: %v", err)
	}
}

func TestFoldersRemovedByOthersAreMadeAgain(t *testing.T) {
	d := newDir(t)
	ctx := context.Background()
	for range 2 {
		if _, err := d.Put(ctx, "a/b/c", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(d.root, "a")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLockCanBeGivenUp(t *testing.T) {
	d := newDir(t)
	unlock, err := d.lock(context.Background(), "m")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := d.PutIf(ctx, "m", nil, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while locked: %v", err)
	}
	unlock()
	if _, err := d.PutIf(context.Background(), "m", nil, ""); err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

// TestStreamSurvivesReplacement: a reader goes on with the object it opened.
func TestStreamSurvivesReplacement(t *testing.T) {
	d := newDir(t)
	ctx := context.Background()
	if _, err := d.Put(ctx, "a", []byte("old")); err != nil {
		t.Fatal(err)
	}
	stream, err := d.Open(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := d.Put(ctx, "a", []byte("new")); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(stream); err != nil || got.String() != "old" {
		t.Errorf("got %q %v", got.String(), err)
	}
}

// TestDirIsAMap compares the directory store with a map under every order of
// operations, the store being opened anew at any time.
func TestDirIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp("", "dir-is-a-map-*")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(root)
		ctx, model := context.Background(), map[string]string{}
		var d *Dir
		reopen := func(t *rapid.T) {
			if d, err = OpenDir(root); err != nil {
				t.Fatal(err)
			}
		}
		reopen(t)
		name := rapid.SampledFrom([]string{"a/1", "a/2", "b", "c/d/e"})
		value := rapid.StringN(0, 3, 9)
		t.Repeat(map[string]func(*rapid.T){
			"reopen": reopen,
			"put": func(t *rapid.T) {
				k, v := name.Draw(t, "key"), value.Draw(t, "value")
				if _, err := d.Put(ctx, k, []byte(v)); err != nil {
					t.Fatal(err)
				}
				model[k] = v
			},
			"putIf": func(t *rapid.T) {
				k, v := name.Draw(t, "key"), value.Draw(t, "value")
				old, there := model[k]
				etag := rapid.SampledFrom([]string{"", etagOf([]byte(old)), "other"}).Draw(t, "etag")
				_, err := d.PutIf(ctx, k, []byte(v), etag)
				switch allowed := there && etag == etagOf([]byte(old)) || !there && etag == ""; {
				case allowed && err == nil:
					model[k] = v
				case allowed:
					t.Fatal(err)
				case etag == "" && !errors.Is(err, ErrExists), etag != "" && !errors.Is(err, ErrChanged):
					t.Fatalf("etag %q over %q (%v): %v", etag, old, there, err)
				}
			},
			"publish": func(t *rapid.T) {
				from, to := name.Draw(t, "stage"), name.Draw(t, "final")
				err := d.Publish(ctx, from, to)
				v, there := model[from]
				_, done := model[to]
				if (there || done) != (err == nil) {
					t.Fatalf("publish %s as %s: %v", from, to, err)
				}
				if there && from != to {
					model[to] = v
					delete(model, from)
				}
			},
			"delete": func(t *rapid.T) {
				k := name.Draw(t, "key")
				if err := d.Delete(ctx, k); err != nil {
					t.Fatal(err)
				}
				delete(model, k)
			},
			"": func(t *rapid.T) {
				n := 0
				for o, err := range d.List(ctx, "") {
					data, etag, getErr := d.Get(ctx, o.Key)
					if err != nil || getErr != nil || model[o.Key] != string(data) || etag != etagOf(data) || o.Size != int64(len(data)) {
						t.Fatalf("%+v: %q %v %v, want %q", o, data, err, getErr, model[o.Key])
					}
					n++
				}
				if n != len(model) {
					t.Fatalf("%d objects, want %d", n, len(model))
				}
			},
		})
	})
}

// counterEnv makes the test binary a writer of TestKilledWriters.
const counterEnv = "CAIRN_TEST_COUNTER_DIR"

// TestMain turns the test binary, when asked to, into a process that increments
// a counter until it is killed, or into the one that TestPowerLoss traces.
func TestMain(m *testing.M) {
	if root := os.Getenv(counterEnv); root != "" {
		fmt.Fprintln(os.Stderr, countForEver(root))
		os.Exit(1)
	}
	if root := os.Getenv(tracedEnv); root != "" {
		if err := runTraced(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func countForEver(root string) error {
	d, err := OpenDir(root)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for {
		data, etag, err := d.Get(ctx, "counter")
		if err != nil {
			return err
		}
		// The value grows, so a torn one would not parse.
		next := append(data, fmt.Sprintf("%d\n", bytes.Count(data, []byte("\n")))...)
		if _, err := d.PutIf(ctx, "counter", next, etag); err != nil && !errors.Is(err, ErrChanged) {
			return err
		}
	}
}

// TestKilledWriters: processes that compare and swap one object are killed at
// any moment. The object is always whole, no step is lost or made twice, and
// no lock stays behind.
func TestKilledWriters(t *testing.T) {
	d := newDir(t)
	ctx := context.Background()
	if _, err := d.Put(ctx, "counter", nil); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for round := range 6 {
		var writers []*exec.Cmd
		for range 3 {
			w := exec.Command(os.Args[0])
			w.Env = append(os.Environ(), counterEnv+"="+d.root)
			if err := w.Start(); err != nil {
				t.Fatal(err)
			}
			writers = append(writers, w)
		}
		from := steps
		for deadline := time.Now().Add(20 * time.Second); steps < from+20+round && time.Now().Before(deadline); {
			data, _, err := d.Get(ctx, "counter")
			if err != nil {
				t.Fatal(err)
			}
			steps = checkCounter(t, data)
		}
		for _, w := range writers {
			_ = w.Process.Kill()
			_ = w.Wait()
		}
		if steps < from+20 {
			t.Fatalf("round %d: only %d steps, a lock must have stayed", round, steps-from)
		}
	}
	data, etag, err := d.Get(ctx, "counter")
	if err != nil {
		t.Fatal(err)
	}
	checkCounter(t, data)
	if _, err := d.PutIf(ctx, "counter", nil, etag); err != nil {
		t.Errorf("after the kills: %v", err)
	}
}

func checkCounter(t *testing.T, data []byte) (steps int) {
	t.Helper()
	for line := range strings.Lines(string(data)) {
		if line != fmt.Sprintf("%d\n", steps) {
			t.Fatalf("step %d is %q", steps, line)
		}
		steps++
	}
	return steps
}

func BenchmarkPut20KB(b *testing.B) {
	d, data := newDir(b), bytes.Repeat([]byte("x"), 20<<10)
	for i := 0; b.Loop(); i++ {
		if _, err := d.Put(context.Background(), fmt.Sprintf("a/%d", i%1000), data); err != nil {
			b.Fatal(err)
		}
	}
}

func stage(b *testing.B, d *Dir, n int) (uploads []Upload, moves []Move) {
	data := bytes.Repeat([]byte("x"), 20<<10)
	for i := range n {
		m := Move{Stage: fmt.Sprintf("_stage/s/%d", i), Final: fmt.Sprintf("events/dt=%d/%d", i%30, i)}
		u, err := d.create(m.Stage)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := u.Write(data); err != nil {
			b.Fatal(err)
		}
		uploads, moves = append(uploads, u), append(moves, m)
	}
	return uploads, moves
}

// BenchmarkStagePublish300 is a commit of 300 files of 20 KB in 30 folders,
// one after the other and together.
func BenchmarkStagePublish300(b *testing.B) {
	ctx := context.Background()
	b.Run("single", func(b *testing.B) {
		d := newDir(b)
		for b.Loop() {
			uploads, moves := stage(b, d, 300)
			for _, u := range uploads {
				if err := u.Commit(ctx); err != nil {
					b.Fatal(err)
				}
			}
			for _, m := range moves {
				if err := d.Publish(ctx, m.Stage, m.Final); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("together", func(b *testing.B) {
		d := newDir(b)
		for b.Loop() {
			uploads, moves := stage(b, d, 300)
			if err := CommitAll(ctx, uploads); err != nil {
				b.Fatal(err)
			}
			if err := PublishAll(ctx, d, moves); err != nil {
				b.Fatal(err)
			}
		}
	})
}
