package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

type fataler interface{ Fatal(...any) }

func write(t fataler, kind Kind, rows []Row) ([]byte, Summary) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Add(r.Key, r.Value, r.Deleted); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), sum
}

func read(data []byte) ([]Row, error) {
	r, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return collect(r.Range(nil, nil))
}

func collect(seq iter.Seq2[Row, error]) (rows []Row, err error) {
	for row, err := range seq {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// sameRows compares rows fast: cmp walks values byte by byte. No value and an
// empty one are the same.
func sameRows(a, b []Row) bool {
	return slices.EqualFunc(a, b, func(x, y Row) bool {
		return x.Deleted == y.Deleted && bytes.Equal(x.Key, y.Key) && bytes.Equal(x.Value, y.Value)
	})
}

// rowsGen draws sorted rows with shared prefixes and now and then a value that
// fills a block.
var rowsGen = rapid.Custom(func(t *rapid.T) []Row {
	keys := rapid.SliceOfDistinct(rapid.StringMatching(`[ab]{1,6}[c-z]{0,2}`), rapid.ID[string]).Draw(t, "keys")
	sort.Strings(keys)
	rows := make([]Row, len(keys))
	for i, k := range keys {
		rows[i].Key = []byte(k)
		switch rapid.IntRange(0, 9).Draw(t, "shape") {
		case 0:
			rows[i].Deleted = true
		case 1:
			rows[i].Value = bytes.Repeat([]byte(k), blockSize/len(k)+1)
		default:
			rows[i].Value = rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "value")
		}
	}
	return rows
})

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rowsGen.Draw(t, "rows")
		data, sum := write(t, Merged, rows)
		whole := sha256.Sum256(data)
		deleted := int64(0)
		for _, r := range rows {
			if r.Deleted {
				deleted++
			}
		}
		want := Summary{Rows: int64(len(rows)) - deleted, Deletions: deleted, Bytes: int64(len(data)), SHA256: hex.EncodeToString(whole[:])}
		if diff := cmp.Diff(want, sum); diff != "" {
			t.Fatalf("summary: %s", diff)
		}
		r, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind() != Merged || r.Rows() != want.Rows || r.Deletions() != deleted {
			t.Fatalf("kind %v, rows %d, deletions %d", r.Kind(), r.Rows(), r.Deletions())
		}
		if err := r.Verify(); err != nil {
			t.Fatal(err)
		}
		lo, hi := rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "lo"), rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "hi")
		var within []Row
		for _, row := range rows {
			if string(row.Key) >= lo && (hi == "" || string(row.Key) < hi) {
				within = append(within, row)
			}
		}
		bound := []byte(hi)
		if hi == "" {
			bound = nil
		}
		got, err := collect(r.Range([]byte(lo), bound))
		if err != nil || !sameRows(within, got) {
			t.Fatalf("range [%q, %q): %v; %d rows, want %d", lo, hi, err, len(got), len(within))
		}
		for _, row := range rows {
			got, ok, err := r.Get(row.Key)
			if err != nil || !ok || !sameRows([]Row{row}, []Row{got}) {
				t.Fatalf("get %q: %v %v %v", row.Key, got, ok, err)
			}
		}
		if _, ok, err := r.Get([]byte("b0")); ok || err != nil {
			t.Fatalf("get of an absent key: %v %v", ok, err)
		}
	})
}

// TestFormat reads a segment put together by hand after the description of the
// format, so that writer and reader cannot drift away from it together.
func TestFormat(t *testing.T) {
	le := binary.LittleEndian
	entries := []byte{
		0, 2, 1 + 2, 'K', 'a', 'h', 'i', // Ka = "hi"
		1, 1, 0, 'b', // Kb removed
		2, 1, 1 + 0, 'c', // Kbc = ""
	}
	enc, _ := zstd.NewWriter(nil)
	packed := enc.EncodeAll(entries, nil)
	frame := le.AppendUint32(nil, uint32(len(packed)))
	frame = le.AppendUint32(frame, uint32(len(entries)))
	frame = le.AppendUint32(frame, checksum(frame, packed))
	head := []byte("CRNSEG\x01\x02")
	index := []byte{2, 'K', 'a', 8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0}

	data := slices.Concat(head, frame, packed)
	offset := len(data)
	data = append(data, index...)
	foot := len(data)
	data = le.AppendUint64(data, uint64(offset))
	data = le.AppendUint32(data, uint32(len(index)))
	data = le.AppendUint32(data, checksum(head, index))
	data = le.AppendUint64(data, 2)
	data = le.AppendUint64(data, 1)
	sum := sha256.Sum256(data)
	data = append(data, sum[:]...)
	data = le.AppendUint32(data, 1)
	data = le.AppendUint32(data, checksum(data[foot:]))
	data = append(data, "CRNSEGE1"...)
	if len(data)-foot != 80 {
		t.Fatalf("footer of %d bytes", len(data)-foot)
	}

	got, err := read(data)
	want := []Row{{Key: []byte("Ka"), Value: []byte("hi")}, {Key: []byte("Kb"), Deleted: true}, {Key: []byte("Kbc"), Value: []byte{}}}
	if err != nil || !sameRows(want, got) {
		t.Fatalf("%v %s", err, cmp.Diff(want, got))
	}
	// The writer makes the same but for the choices of its compressor.
	mine, _ := write(t, Merged, want)
	if !bytes.HasPrefix(mine, head) || !bytes.HasSuffix(mine, []byte("CRNSEGE1")) || !bytes.Contains(mine, index) {
		t.Errorf("the writer's segment differs in header, index or end:\n%x", mine)
	}
}

func sample() []Row {
	var rows []Row
	for i := range 400 {
		row := Row{Key: fmt.Appendf(nil, "K%06d", i), Value: bytes.Repeat([]byte{byte(i), byte(i * i)}, 200)}
		if i%7 == 0 {
			row = Row{Key: row.Key, Deleted: true}
		}
		rows = append(rows, row)
	}
	return rows
}

// TestEveryFlippedBitIsAnError: a reader of a damaged segment fails, or never
// looked at the damaged byte; what it returned before failing was right.
func TestEveryFlippedBitIsAnError(t *testing.T) {
	rows := sample()[:8]
	good, _ := write(t, Delta, rows)
	for i := range good {
		for bit := range 8 {
			data := bytes.Clone(good)
			data[i] ^= 1 << bit
			got, err := read(data)
			if err == nil {
				t.Fatalf("bit %d of byte %d of %d: no error", bit, i, len(good))
			}
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
			if !sameRows(rows[:len(got)], got) {
				t.Fatalf("bit %d of byte %d: wrong rows before the error", bit, i)
			}
		}
	}
	if _, err := read(good); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCutIsAnError(t *testing.T) {
	good, _ := write(t, Delta, sample())
	for n := 0; n < len(good); n += 1 + n/64 {
		if _, err := read(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(good), err)
		}
	}
	if _, err := Open(bytes.NewReader(good[:len(good)-5]), int64(len(good))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shorter than announced: %v", err)
	}
}

func TestVersionIsRefused(t *testing.T) {
	data, _ := write(t, Base, nil)
	data[len(headMagic)] = Version + 1
	_, err := read(data)
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte("k"), n) }
	for name, rows := range map[string][]Row{
		"empty key":          {{}},
		"long key":           {{Key: long(MaxKey + 1)}},
		"long value":         {{Key: long(1), Value: long(MaxValue + 1)}},
		"same key":           {{Key: long(1)}, {Key: long(1)}},
		"falling key":        {{Key: long(2)}, {Key: long(1)}},
		"removal in base":    {{Key: long(1), Deleted: true}},
		"removal with value": {{Key: long(1), Value: long(1), Deleted: true}},
	} {
		w, err := NewWriter(io.Discard, Base)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			err = w.Add(r.Key, r.Value, r.Deleted)
		}
		if err == nil {
			t.Errorf("%s: no error from Add", name)
		}
		if _, err := w.Close(); err == nil {
			t.Errorf("%s: no error from Close", name)
		}
	}
}

func TestLargestRow(t *testing.T) {
	rows := []Row{
		{Key: append([]byte("a"), bytes.Repeat([]byte{1}, MaxKey-1)...), Value: bytes.Repeat([]byte{2}, MaxValue)},
		{Key: append([]byte("b"), bytes.Repeat([]byte{1}, MaxKey-1)...), Value: bytes.Repeat([]byte{3}, MaxValue)},
	}
	data, _ := write(t, Delta, rows)
	got, err := read(data)
	if err != nil || !sameRows(rows, got) {
		t.Errorf("rows of the largest size do not come back: %v", err)
	}
}

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriteErrorIsReturned(t *testing.T) {
	for _, room := range []int{0, 10, 200} {
		w, err := NewWriter(&fullDisk{room}, Delta)
		if err == nil {
			_ = w.Add([]byte("a"), []byte("b"), false) // Close tells
			_, err = w.Close()
		}
		if room < 100 && !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
		if room == 200 && err != nil {
			t.Errorf("room enough: %v", err)
		}
	}
}

// TestMergeIsApplyingInTurn: newest wins, removals stay, Live drops them.
func TestMergeIsApplyingInTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(rowsGen, 0, 6).Draw(t, "segments")
		applied := map[string]Row{}
		var seqs []iter.Seq2[Row, error]
		for _, rows := range segments {
			data, _ := write(t, Delta, rows)
			r, err := Open(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			seqs = append(seqs, r.Range(nil, nil))
			for _, row := range rows {
				applied[string(row.Key)] = row
			}
		}
		var want, live []Row
		for _, row := range applied {
			want = append(want, row)
		}
		slices.SortFunc(want, func(a, b Row) int { return bytes.Compare(a.Key, b.Key) })
		for _, row := range want {
			if !row.Deleted {
				live = append(live, row)
			}
		}
		if got, err := collect(Merge(seqs...)); err != nil || !sameRows(want, got) {
			t.Fatalf("merge: %v; %d rows, want %d", err, len(got), len(want))
		}
		if got, err := collect(Live(Merge(seqs...))); err != nil || !sameRows(live, got) {
			t.Fatalf("live: %v; %d rows, want %d", err, len(got), len(live))
		}
	})
}

func TestMergePassesErrorsOnAndStops(t *testing.T) {
	broken := errors.New("broken")
	stopped := 0
	rows := func(n int, err error) iter.Seq2[Row, error] {
		return func(yield func(Row, error) bool) {
			defer func() { stopped++ }()
			for i := range n {
				if !yield(Row{Key: fmt.Appendf(nil, "%03d", i)}, nil) {
					return
				}
			}
			if err != nil {
				yield(Row{}, err)
			}
		}
	}
	got, err := collect(Merge(rows(5, nil), rows(2, broken), rows(9, nil)))
	if !errors.Is(err, broken) || len(got) > 3 || stopped != 3 {
		t.Errorf("%d rows, error %v, %d of 3 sequences ended", len(got), err, stopped)
	}
	stopped = 0
	for range Merge(rows(5, nil), rows(5, nil)) {
		break
	}
	if stopped != 2 {
		t.Errorf("left early: %d of 2 sequences ended", stopped)
	}
	if _, err := collect(Merge(rows(0, broken), rows(1, nil))); !errors.Is(err, broken) {
		t.Errorf("error of the first row: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, rows := range [][]Row{nil, sample()[:3], sample()} {
		data, _ := write(f, Delta, rows)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := read(data)
		if err != nil {
			return
		}
		// What reads without an error is a segment: it can be written
		// again, to the same rows.
		again, _ := write(t, Merged, rows)
		got, err := read(again)
		if err != nil || !sameRows(rows, got) {
			t.Fatalf("%v; %d rows, want %d", err, len(got), len(rows))
		}
	})
}

// FuzzBlock hands arbitrary bytes to the parsers behind the checksums.
func FuzzBlock(f *testing.F) {
	f.Add([]byte{0, 1, 3, 'a', 'x', 'y', 1, 1, 0, 'b'}, uint32(2), []byte("a"))
	f.Fuzz(func(t *testing.T, raw []byte, n uint32, first []byte) {
		rows, err := parseEntries(raw, block{first: first, rows: n})
		if err == nil && len(rows) != int(n) {
			t.Fatalf("%d rows, want %d", len(rows), n)
		}
		if !slices.IsSortedFunc(rows, func(a, b Row) int { return bytes.Compare(a.Key, b.Key) }) {
			t.Fatal("keys do not rise")
		}
		if blocks, err := parseIndex(raw); err == nil && !bytes.Equal(appendIndex(nil, blocks), raw) {
			// A length may be written in more bytes than it needs.
			if again, err := parseIndex(appendIndex(nil, blocks)); err != nil || len(again) != len(blocks) {
				t.Fatalf("index does not come back: %v", err)
			}
		}
	})
}

func benchRows(n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		// 32-byte keys and 200-byte values that compress to about 40 %.
		sum := sha256.Sum256(fmt.Appendf(nil, "%d", i))
		rows[i].Key = fmt.Appendf(nil, "K%08x-%08d-%013d", i*2654435761>>8, i, i)[:32]
		rows[i].Value = fmt.Appendf(nil, `{"arn":"arn:aws:iam::123456789012:role/%x","state":"live","seen":%d,"tags":{"team":"payments","env":"production"}}`, sum[:20], i)
		for len(rows[i].Value) < 200 {
			rows[i].Value = append(rows[i].Value, sum[len(rows[i].Value)%32])
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return bytes.Compare(a.Key, b.Key) })
	return rows
}

func rawBytes(rows []Row) (n int64) {
	for _, r := range rows {
		n += int64(len(r.Key) + len(r.Value))
	}
	return n
}

func BenchmarkWrite100k(b *testing.B) {
	rows := benchRows(100_000)
	b.SetBytes(rawBytes(rows))
	var size int64
	for b.Loop() {
		_, sum := write(b, Delta, rows)
		size = sum.Bytes
	}
	b.ReportMetric(float64(size), "bytes")
}

func BenchmarkRead100k(b *testing.B) {
	rows := benchRows(100_000)
	data, _ := write(b, Delta, rows)
	b.SetBytes(rawBytes(rows))
	for b.Loop() {
		if got, err := read(data); err != nil || len(got) != len(rows) {
			b.Fatal(err)
		}
	}
}

func BenchmarkMerge16x10k(b *testing.B) {
	rows := benchRows(160_000)
	var seqs []iter.Seq2[Row, error]
	for i := range 16 {
		var part []Row
		for j := i; j < len(rows); j += 16 {
			part = append(part, rows[j])
		}
		data, _ := write(b, Delta, part)
		r, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		seqs = append(seqs, r.Range(nil, nil))
	}
	b.SetBytes(rawBytes(rows))
	for b.Loop() {
		n := 0
		for range Merge(seqs...) {
			n++
		}
		if n != len(rows) {
			b.Fatal(n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	rows := benchRows(100_000)
	data, _ := write(b, Base, rows)
	r, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		i = (i + 7919) % len(rows)
		if _, ok, err := r.Get(rows[i].Key); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
