package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dgraph-io/badger/v4/options"
	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/state/key"
)

// TestBadgerSettings holds the settings that correctness depends on. The ones
// for speed are free to be measured again.
func TestBadgerSettings(t *testing.T) {
	o := badgerOptions("d", nil)
	if o.ValueThreshold <= MaxValue {
		t.Errorf("values of %d bytes go to the value log, which nobody collects", MaxValue)
	}
	if o.ChecksumVerificationMode != options.OnTableRead {
		t.Error("tables are not verified")
	}
	if o.NumVersionsToKeep != 1 || o.Compression != options.None {
		t.Errorf("versions %d, compression %v", o.NumVersionsToKeep, o.Compression)
	}
}

// TestDirectoryIsSmall: no gigabytes of pre-allocated files, no value log.
func TestDirectoryIsSmall(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	for i := range 50 {
		s.Put(fmt.Appendf(nil, "K%02d", i), make([]byte, MaxValue/8))
	}
	if err := s.Apply(s.Freeze(), Marker{Checkpoint: 1}); err != nil {
		t.Fatal(err)
	}
	var apparent int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		apparent += info.Size()
		return err
	})
	if err != nil || apparent > 256<<20 {
		t.Errorf("%d MiB, %v", apparent>>20, err)
	}
}

func numbered(n int, value string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for i := range n {
			if !yield(Row{Key: fmt.Appendf(nil, "K%08d", i), Value: []byte(value)}, nil) {
				return
			}
		}
	}
}

func withRow(rows iter.Seq2[Row, error], last Row, err error) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if !yield(row, err) {
				return
			}
		}
		yield(last, err)
	}
}

func TestLoad(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := openStore(t, dir)
		want := map[string]string{}
		for row := range numbered(60_000, strings.Repeat("v", 100)) { // more than one buffer
			want[string(row.Key)] = string(row.Value)
		}
		rows := withRow(numbered(60_000, strings.Repeat("v", 100)), Row{Key: key.DedupRow(1, key.EventID{})}, nil)
		rows = withRow(rows, Row{Key: []byte("XO"), Deleted: true}, nil)
		if err := s.Load(rows, Marker{Checkpoint: 9, Epoch: 4}); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, s.Range(nil)); !maps.Equal(got, want) || s.Totals() != sum(want) {
			t.Errorf("%d rows, want %d; totals %+v, want %+v", len(got), len(want), s.Totals(), sum(want))
		}
		// It goes on as after any other commit.
		put(s, "K00000007", "new")
		s.Delete([]byte("K00000008"))
		want["K00000007"] = "new"
		delete(want, "K00000008")
		if err := s.Apply(s.Freeze(), Marker{Checkpoint: 10, Epoch: 4}); err != nil {
			t.Fatal(err)
		}
		if dir != "" {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir)
		}
		got, err := s.Scan(context.Background())
		if err != nil || got != sum(want) || s.Totals() != sum(want) {
			t.Errorf("scan %+v %v, totals %+v, want %+v", got, err, s.Totals(), sum(want))
		}
		if m, ok, err := s.Marker(); !ok || err != nil || m.Checkpoint != 10 || m.Epoch != 4 {
			t.Errorf("marker %+v %v %v", m, ok, err)
		}
	}
}

func TestFailedLoadLeavesNoMarker(t *testing.T) {
	broken := errors.New("broken")
	for name, rows := range map[string]iter.Seq2[Row, error]{
		"error":        withRow(numbered(100, "v"), Row{}, broken),
		"out of order": withRow(numbered(100, "v"), Row{Key: []byte("K00000050")}, nil),
	} {
		s := openStore(t, t.TempDir())
		if err := s.Load(rows, Marker{Checkpoint: 1}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if m, ok, err := s.Marker(); ok || err != nil {
			t.Errorf("%s: marker %+v %v", name, m, err)
		}
		if err := s.Discard(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the directory is still there: %v", name, err)
		}
	}
}

func TestMarkerOfAnotherFormat(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{`{"format":2}`, `not json`} {
		s := openStore(t, dir)
		if err := s.lower.write(one(Row{Key: []byte(markerKey), Value: []byte(text)})); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrMarker) {
			t.Errorf("%s: %v", text, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOwnerBesideApply runs the owner, a commit and a reader of views at the
// same time: under -race it finds what they share, and without it that each
// sees a whole state.
func TestOwnerBesideApply(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "badger": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, dir)
			const keys, commits = 200, 30
			rows := map[string]string{}
			set := func(i, v int) {
				k := fmt.Sprintf("K%03d", i)
				put(s, k, strconv.Itoa(v))
				rows[k] = strconv.Itoa(v)
			}
			for c := range commits {
				for i := range keys {
					set(i, c)
				}
				o := s.Freeze()
				var wait sync.WaitGroup
				wait.Go(func() {
					if err := s.Apply(o, Marker{Checkpoint: int64(c + 1)}); err != nil {
						t.Error(err)
					}
				})
				for i := range keys { // the owner goes on meanwhile
					if i%3 == c%3 {
						set(i, c+1000)
					}
					k := fmt.Sprintf("K%03d", i)
					if v, ok, err := s.Get([]byte(k)); err != nil || !ok || string(v) != rows[k] {
						t.Fatalf("commit %d: %s is %q %v %v, want %s", c, k, v, ok, err, rows[k])
					}
				}
				if diff := cmp.Diff(rows, contents(t, s.Range([]byte("K")))); diff != "" {
					t.Fatalf("commit %d: %s", c, diff)
				}
				wait.Wait()
				view := s.View()
				for k, v := range contents(t, view.Range(nil)) {
					if v != strconv.Itoa(c) {
						t.Fatalf("commit %d: view has %s = %s", c, k, v)
					}
				}
				view.Close()
			}
		})
	}
}

func TestRangeAllowsWritesInItsLoop(t *testing.T) {
	s := openStore(t, t.TempDir())
	for i := range 100 {
		put(s, fmt.Sprintf("K%03d", i), "committed")
	}
	if err := s.Apply(s.Freeze(), Marker{Checkpoint: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		put(s, fmt.Sprintf("K%03d", 2*i), "overlay")
	}
	n := 0
	for row, err := range s.Range([]byte("K")) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		s.Delete(row.Key)
		put(s, "A"+string(row.Key), "")       // refused: neither keyed nor whole
		put(s, "Kx"+string(row.Key[1:]), "x") // not seen by this loop, or seen once
		if n > 250 {
			t.Fatal("the loop does not end")
		}
	}
	for k := range contents(t, s.Range([]byte("K0"))) {
		t.Errorf("%s is left", k)
	}
	if s.Err() == nil {
		t.Error("a key outside of the spaces was accepted")
	}
}

func TestFreezeTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	s := openStore(t, "")
	s.Freeze()
	s.Freeze()
}

func TestApplyOfAnotherOverlay(t *testing.T) {
	s := openStore(t, "")
	o := s.Freeze()
	if err := s.Apply(&Overlay{table: newTable()}, Marker{}); err == nil {
		t.Error("a foreign overlay was applied")
	}
	if err := s.Apply(o, Marker{}); err != nil {
		t.Error(err)
	}
	if err := s.Apply(o, Marker{}); err == nil {
		t.Error("an overlay was applied twice")
	}
}

// breaking is a lower level that fails after some rows.
type breaking struct {
	lower
	after int
}

var errBroken = errors.New("broken")

func (b *breaking) write(rows iter.Seq2[Row, error]) error {
	return b.lower.write(func(yield func(Row, error) bool) {
		for row, err := range rows {
			if b.after--; b.after < 0 {
				yield(Row{}, errBroken)
				return
			}
			if !yield(row, err) {
				return
			}
		}
	})
}

// TestBrokenApply: wherever it breaks, the marker speaks of the last complete
// checkpoint, reads are right meanwhile, and Apply can be repeated.
func TestBrokenApply(t *testing.T) {
	const rows = 5
	for after := range rows + 1 { // the last one breaks the marker itself
		s := openStore(t, t.TempDir())
		for i := range rows {
			put(s, fmt.Sprintf("K%d", i), "1")
		}
		if err := s.Apply(s.Freeze(), Marker{Checkpoint: 1}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for i := range rows {
			put(s, fmt.Sprintf("K%d", i), "2")
			want[fmt.Sprintf("K%d", i)] = "2"
		}
		o, whole := s.Freeze(), s.lower
		s.lower = &breaking{whole, after}
		if err := s.Apply(o, Marker{Checkpoint: 2}); !errors.Is(err, errBroken) {
			t.Fatalf("after %d rows: %v", after, err)
		}
		s.lower = whole
		if m, _, err := s.Marker(); err != nil || m.Checkpoint != 1 {
			t.Errorf("after %d rows: marker %+v %v", after, m, err)
		}
		if diff := cmp.Diff(want, contents(t, s.Range(nil))); diff != "" {
			t.Errorf("after %d rows: %s", after, diff)
		}
		if err := s.Apply(o, Marker{Checkpoint: 2}); err != nil {
			t.Fatal(err)
		}
		if m, _, err := s.Marker(); err != nil || m.Checkpoint != 2 || m.Totals != sum(want) {
			t.Errorf("repeated after %d rows: marker %+v %v", after, m, err)
		}
	}
}

// TestUnchangedRowsAreNotWritten: state that is computed again and comes out
// the same costs nothing in the delta.
func TestUnchangedRowsAreNotWritten(t *testing.T) {
	s := openStore(t, "")
	put(s, "Ka", "1")
	put(s, "Kb", "1")
	if err := s.Apply(s.Freeze(), Marker{Checkpoint: 1}); err != nil {
		t.Fatal(err)
	}
	put(s, "Ka", "1")
	s.Delete([]byte("Kabsent"))
	if s.DirtyRows() != 0 || s.DirtyBytes() != 0 {
		t.Errorf("%d rows, %d bytes", s.DirtyRows(), s.DirtyBytes())
	}
	s.Delete([]byte("Kb"))
	s.Delete([]byte("Kb"))
	if s.DirtyRows() != 1 || s.DirtyBytes() != 2 {
		t.Errorf("%d rows, %d bytes", s.DirtyRows(), s.DirtyBytes())
	}
}

// TestBootID: the same in one boot, and there on Linux.
func TestBootID(t *testing.T) {
	if id := BootID(); id != BootID() || strings.ContainsAny(id, " \n") {
		t.Errorf("boot id %q, then %q", id, BootID())
	}
}

// killEnv makes the test binary a process that commits until it is killed.
const killEnv = "CAIRN_TEST_COMMIT_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killEnv); dir != "" {
		fmt.Fprintln(os.Stderr, commitForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const killKeys = 3000

// touched tells which keys commit n changes, valueAt what a key holds after it.
func touched(i, n int) bool { return (i+n)%3 == 0 }

func valueAt(i, n int) string {
	for ; n > 0; n-- {
		if touched(i, n) {
			return strconv.Itoa(n)
		}
	}
	return ""
}

func commitForEver(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	m, _, err := s.Marker()
	if err != nil {
		return err
	}
	for n := int(m.Checkpoint) + 1; ; n++ {
		for i := range killKeys {
			if touched(i, n) {
				put(s, fmt.Sprintf("K%04d", i), strconv.Itoa(n))
			}
		}
		if err := s.Apply(s.Freeze(), Marker{Checkpoint: int64(n), Epoch: 1}); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilledCommits: after a kill at any moment the directory holds the
// marker's checkpoint, at least the last one that was reported, and perhaps a
// part of the next. Applying the next again makes it whole.
func TestKilledCommits(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		reported := killAfter(t, dir, 5+7*round)
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, ok, err := s.Marker()
		if err != nil || !ok || int(m.Checkpoint) < reported || m.BootID != BootID() {
			t.Fatalf("marker %+v %v %v, reported %d", m, ok, err, reported)
		}
		n := int(m.Checkpoint)
		for i := range killKeys {
			v, _, err := s.Get(fmt.Appendf(nil, "K%04d", i))
			if err != nil || string(v) != valueAt(i, n) && string(v) != valueAt(i, n+1) {
				t.Fatalf("key %d is %q %v at checkpoint %d, want %q", i, v, err, n, valueAt(i, n))
			}
		}
		want := map[string]string{}
		next := func(yield func(Row, error) bool) {
			for i := range killKeys {
				k, v := fmt.Sprintf("K%04d", i), valueAt(i, n+1)
				if v != "" {
					want[k] = v
				}
				if touched(i, n+1) && !yield(Row{Key: []byte(k), Value: []byte(v)}, nil) {
					return
				}
			}
		}
		if err := s.CatchUp(next, Marker{Checkpoint: m.Checkpoint + 1, Epoch: 1}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Scan(context.Background()); err != nil || got != sum(want) {
			t.Fatalf("round %d: %+v %v, want %+v", round, got, err, sum(want))
		}
		if err := s.CatchUp(numbered(0, ""), Marker{Checkpoint: m.Checkpoint + 1, Epoch: 1, Totals: sum(want)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter lets a process commit n times and kills it in one of the next.
func killAfter(t *testing.T, dir string, n int) (reported int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range n {
		if !lines.Scan() {
			t.Fatalf("the process ended by itself: %v", cmd.Wait())
		}
		if reported, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return reported
}

func benchStore(b *testing.B, dir string, n int) *Store {
	s := openStore(b, dir)
	if err := s.Load(numbered(n, strings.Repeat("v", 200)), Marker{Checkpoint: 1}); err != nil {
		b.Fatal(err)
	}
	return s
}

func spread(i, n int) []byte { return fmt.Appendf(nil, "K%08d", i*7919%n) }

func BenchmarkStore(b *testing.B) {
	const n = 200_000
	value := []byte(strings.Repeat("w", 200))
	b.Run("get from badger", func(b *testing.B) {
		s := benchStore(b, b.TempDir(), n)
		for i := 0; b.Loop(); i++ {
			if _, ok, err := s.Get(spread(i, n)); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("get hot", func(b *testing.B) {
		s := benchStore(b, b.TempDir(), n)
		for i := 0; b.Loop(); i++ {
			if _, ok, err := s.Get(spread(i%1000, n)); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("put hot", func(b *testing.B) {
		s := benchStore(b, b.TempDir(), n)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			value[0] = byte(i)
			s.Put(spread(i%1000, n), value)
		}
	})
	b.Run("read-modify-write, commit each 10,000", func(b *testing.B) {
		s := benchStore(b, b.TempDir(), n)
		for i := 0; b.Loop(); i++ {
			k := spread(i, n)
			if _, ok, err := s.Get(k); !ok || err != nil {
				b.Fatal(ok, err)
			}
			value[i%200]++
			s.Put(k, value)
			if i%10_000 == 9_999 {
				if err := s.Apply(s.Freeze(), Marker{Checkpoint: int64(i)}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkApply10k(b *testing.B) {
	const n = 200_000
	s := benchStore(b, b.TempDir(), n)
	value := []byte(strings.Repeat("w", 200))
	for c := 0; b.Loop(); c++ {
		b.StopTimer()
		value[c%200]++
		for i := range 10_000 {
			s.Put(spread(c*10_000+i, n), value)
		}
		o := s.Freeze()
		b.StartTimer()
		if err := s.Apply(o, Marker{Checkpoint: int64(c)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad200k(b *testing.B) {
	for b.Loop() {
		s, err := Open(b.TempDir(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Load(numbered(200_000, strings.Repeat("v", 200)), Marker{Checkpoint: 1}); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan200k(b *testing.B) {
	s := benchStore(b, b.TempDir(), 200_000)
	for b.Loop() {
		if t, err := s.Scan(context.Background()); err != nil || t != s.Totals() {
			b.Fatal(t, err)
		}
	}
}
