package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/state/blob"
)

// manyRows adds events of several days and accounts, out of order, and some
// rows of other tables. The same rows each time.
func manyRows(t testing.TB, b *Buffer, n int, between func(i int)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		account := fmt.Sprintf("%012d", rng.IntN(5))
		request := strings.Repeat(fmt.Sprintf(`{"n":%d}`, rng.IntN(1e9)), 1+rng.IntN(40))
		r := EventRow{
			EventTime: fmt.Sprintf("2026-03-01T12:%02d:%02dZ", rng.IntN(60), rng.IntN(60)), EventID: uuid(rng), RecipientAccountID: &account,
			RequestParameters: &request, UserIdentity: &UserIdentity{ARN: &account, AccessKeyID: &account},
		}
		addRow(t, b, fmt.Sprintf("2026-03-%02d", 1+rng.IntN(3)), &r)
		if i%10 == 0 {
			attributes := map[string]string{}
			for k := range 12 {
				attributes[fmt.Sprint("key", k*7%12)] = uuid(rng)
			}
			addRow(t, b, "2026-03-01", &ChangeRow{ResourceKey: account, Version: r.EventID, AttributesSet: attributes})
		}
		if between != nil {
			between(i)
		}
	}
}

// digests are the names and digests of what a buffer rolls to.
func digests(t testing.TB, b *Buffer, encoders int) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range publish2(t, b, encoders) {
		out[f.Final] = fmt.Sprintf("%d rows, %d bytes, %s", f.Rows, f.Bytes, f.SHA256)
	}
	return out
}

func publish2(t testing.TB, b *Buffer, encoders int) []File {
	t.Helper()
	batch := b.Freeze()
	files, err := batch.Roll(t.Context(), openStore(t), testNaming, encoders)
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Close(); err != nil {
		t.Fatal(err)
	}
	return files
}

// Same rows, same bytes: whatever runs at once, wherever the blocks were cut,
// and however often the rows went through a row log.
func TestRollIsAFunctionOfTheRows(t *testing.T) {
	const n = 4000
	plain := NewBuffer(BufferOptions{})
	manyRows(t, plain, n, nil)
	want := digests(t, plain, 1)
	if len(want) != 4 {
		t.Fatalf("rolled %d files, want three days of events and one of changes", len(want))
	}
	t.Run("encoders", func(t *testing.T) {
		for _, encoders := range []int{1, 2, 4} {
			b := NewBuffer(BufferOptions{})
			manyRows(t, b, n, nil)
			if d := cmp.Diff(want, digests(t, b, encoders)); d != "" {
				t.Errorf("%d encoders (-want +got):\n%s", encoders, d)
			}
		}
	})
	t.Run("spool", func(t *testing.T) {
		b := NewBuffer(BufferOptions{SpoolDir: t.TempDir(), MemoryLimit: 1})
		manyRows(t, b, n, nil)
		if d := cmp.Diff(want, digests(t, b, 2)); d != "" {
			t.Errorf("spooled rows (-want +got):\n%s", d)
		}
	})
	t.Run("row logs", func(t *testing.T) {
		b, again := NewBuffer(BufferOptions{}), NewBuffer(BufferOptions{})
		manyRows(t, b, n, func(i int) {
			if i%700 == 0 {
				restoreLog(t, b, again)
			}
		})
		restoreLog(t, b, again)
		if d := cmp.Diff(want, digests(t, again, 2)); d != "" {
			t.Errorf("restored rows (-want +got):\n%s", d)
		}
	})
}

// restoreLog takes a row log from one buffer to another.
func restoreLog(t testing.TB, from, to *Buffer) {
	t.Helper()
	l := from.TakeLog()
	var data bytes.Buffer
	s, err := l.Write(&data)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(data.Bytes()); int(s.Bytes) != data.Len() || s.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("summary of %d bytes does not describe the log of %d", s.Bytes, data.Len())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := to.Restore(&data, func(Table) bool { return true }); err != nil {
		t.Fatal(err)
	}
}

func TestRolledFileIsWhatItSays(t *testing.T) {
	b := NewBuffer(BufferOptions{})
	manyRows(t, b, 50, nil)
	store := openStore(t)
	batch := b.Freeze(Events)
	files, err := batch.Roll(t.Context(), store, testNaming, 1)
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	for i, f := range files {
		data, _, err := store.Get(t.Context(), f.Stage)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if f.Bytes != int64(len(data)) || f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %d bytes %s, the object has %d", f.Stage, f.Bytes, f.SHA256, len(data))
		}
		day := fmt.Sprintf("2026-03-%02d", i+1)
		if want := "events/dt=" + day + "/shardId-000000000000-0000000017-0.parquet"; f.Final != want || f.Partition != day || f.Table != Events {
			t.Errorf("file %d is %s (%s of %s), want %s", i, f.Final, f.Partition, f.Table, want)
		}
		if want := "_stage/shardId-000000000000/0000000003-0000000017-0123456789abcdef-events-" + day; f.Stage != want {
			t.Errorf("file %d is staged at %s, want %s", i, f.Stage, want)
		}
		rows += f.Rows
	}
	if rows != 50 || batch.Rows(Events) != 50 || batch.Rows(Changes) != 0 {
		t.Errorf("files have %d rows, batch has %d of events and %d of changes; want 50, 50, 0", rows, batch.Rows(Events), batch.Rows(Changes))
	}
	if got := b.Open(Changes); got.Rows != 5 || got.Partitions != 1 {
		t.Errorf("changes that were not frozen: %+v, want 5 rows of 1 partition", got)
	}
	if got := b.Open(Events); got != (Open{}) {
		t.Errorf("events that were frozen are still there: %+v", got)
	}
}

func TestPartitionFolders(t *testing.T) {
	for _, tt := range []struct {
		table     Table
		partition string
		want      string
	}{
		{Events, "2026-03-01", "events/dt=2026-03-01/s-0000000002-0.parquet"},
		{Events, "account=1/region=r/dt=2026-03-01", "events/account=1/region=r/dt=2026-03-01/s-0000000002-0.parquet"},
		{Resources, "2026-03-01T00-00", "resources/snapshot=2026-03-01T00-00/s-0000000002-0.parquet"},
	} {
		n := Naming{Shard: "s", Checkpoint: 2}
		if got := n.Final(tt.table, tt.partition); got != tt.want {
			t.Errorf("final name %s, want %s", got, tt.want)
		}
		if got := n.stage(tt.table, tt.partition); strings.Count(got, "/") != 2 {
			t.Errorf("stage name %s is not one object in the shard's folder", got)
		}
	}
}

// An empty buffer rolls to nothing, also when it had rows before.
func TestRollNothing(t *testing.T) {
	b := NewBuffer(BufferOptions{})
	for range 2 {
		if files := publish2(t, b, 2); len(files) != 0 {
			t.Errorf("rolled %v out of nothing", files)
		}
		l := b.TakeLog()
		if !l.Empty() {
			t.Error("a log of nothing is not empty")
		}
	}
}

func TestSpoolKeepsMemoryBelowItsLimit(t *testing.T) {
	dir := t.TempDir()
	const limit = 64 << 10
	b := NewBuffer(BufferOptions{SpoolDir: dir, MemoryLimit: limit})
	manyRows(t, b, 60_000, nil)
	l := b.TakeLog() // closes the open blocks
	for _, s := range l.blocks {
		<-s.done
	}
	if m := b.Memory(); m > limit {
		t.Errorf("%d bytes in memory, the limit is %d", m, limit)
	}
	spooled := slices.ContainsFunc(l.blocks, func(s logged) bool { return s.spool != nil })
	if !spooled {
		t.Fatal("nothing was spooled, so the test shows nothing")
	}
	batch := b.Freeze()
	if err := errors.Join(batch.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if m := b.Memory(); m != 0 {
		t.Errorf("%d bytes in memory after all was closed", m)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("spool files left: %v, %v", left, err)
	}
}

// A batch may be closed while a log of the same rows still waits, and the
// other way round.
func TestLogOutlivesItsBatch(t *testing.T) {
	b := NewBuffer(BufferOptions{SpoolDir: t.TempDir(), MemoryLimit: 1})
	manyRows(t, b, 300, nil)
	l := b.TakeLog()
	if err := b.Freeze().Close(); err != nil {
		t.Fatal(err)
	}
	again := NewBuffer(BufferOptions{})
	var data bytes.Buffer
	if _, err := l.Write(&data); err != nil {
		t.Fatal(err)
	}
	if err := again.Restore(&data, func(t Table) bool { return t == Events }); err != nil {
		t.Fatal(err)
	}
	if got := again.Open(Events).Rows; got != 300 {
		t.Errorf("restored %d events, want 300", got)
	}
	if got := again.Open(Changes).Rows; got != 0 {
		t.Errorf("restored %d changes that nobody wanted", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreOfADamagedLogAddsNothing(t *testing.T) {
	b := NewBuffer(BufferOptions{})
	manyRows(t, b, 300, nil)
	var data bytes.Buffer
	if _, err := b.TakeLog().Write(&data); err != nil {
		t.Fatal(err)
	}
	bad := data.Bytes()
	bad[len(bad)-60] ^= 1
	again := NewBuffer(BufferOptions{SpoolDir: t.TempDir(), MemoryLimit: 1})
	if err := again.Restore(bytes.NewReader(bad), func(Table) bool { return true }); err == nil {
		t.Error("a damaged log was restored")
	}
	if got := again.Open(Events); got != (Open{}) || again.Memory() != 0 {
		t.Errorf("left behind: %+v, %d bytes", got, again.Memory())
	}
}

// Rows that went into a file need no row log, those of a snapshot never do.
func TestLogHasOpenRowsAlone(t *testing.T) {
	b := NewBuffer(BufferOptions{})
	addRow(t, b, "2026-03-01", &EventRow{EventID: "a"})
	addRow(t, b, "2026-03-01", &FindingRow{FindingID: "f"})
	addRow(t, b, "2026-03-01T00-00", &ResourceRow{ResourceKey: "r"})
	_ = b.Freeze(Events).Close()
	l := b.TakeLog()
	defer l.Close()
	if len(l.blocks) != 1 || l.blocks[0].table != Findings {
		t.Errorf("the log has %d blocks, want one of findings", len(l.blocks))
	}
	if !b.TakeLog().Empty() {
		t.Error("the same rows are in two logs")
	}
}

func TestRollFails(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := NewBuffer(BufferOptions{})
	manyRows(t, b, 100, nil)
	batch := b.Freeze()
	if _, err := batch.Roll(ctx, openStore(t), testNaming, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Roll gave %v, want Canceled", err)
	}
	// The rows are still there.
	if files, err := batch.Roll(t.Context(), openStore(t), testNaming, 2); err != nil || len(files) != 4 {
		t.Errorf("the second Roll gave %d files, %v", len(files), err)
	}
	broken := errors.New("no room")
	if _, err := batch.Roll(t.Context(), fullStore{openStore(t), broken}, testNaming, 2); !errors.Is(err, broken) {
		t.Errorf("Roll gave %v, want the store's error", err)
	}
}

// fullStore takes no new objects.
type fullStore struct {
	blob.Store
	err error
}

func (s fullStore) Create(context.Context, string) (blob.Upload, error) { return nil, s.err }

func TestSpoolDirThatIsNotThere(t *testing.T) {
	b := NewBuffer(BufferOptions{SpoolDir: filepath.Join(t.TempDir(), "nowhere"), MemoryLimit: 1})
	addRow(t, b, "2026-03-01", &EventRow{EventID: "a"})
	batch := b.Freeze()
	if _, err := batch.Roll(t.Context(), openStore(t), testNaming, 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Roll gave %v, want ErrNotExist", err)
	}
}
