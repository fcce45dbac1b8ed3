package rowlog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rawBlock is a raw block of texts as rows.
func rawBlock(partition string, rows ...string) []byte {
	raw := AppendPartition(nil, partition)
	for _, r := range rows {
		start := len(raw)
		raw = append(BeginRow(raw), r...)
		EndRow(raw, start)
	}
	return raw
}

func readRaw(raw []byte) (partition string, rows []string, err error) {
	in, err := NewRows(raw)
	if err != nil {
		return "", nil, err
	}
	for {
		start, end, ok := in.Next()
		if !ok {
			return in.Partition, rows, in.Err()
		}
		rows = append(rows, string(raw[start:end]))
	}
}

func compressor(t testing.TB, codec Compression) *Compressor {
	c, err := NewCompressor(codec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBlockRoundTrip(t *testing.T) {
	for _, codec := range []Compression{None, Zstd, S2} {
		t.Run(fmt.Sprint(codec), func(t *testing.T) {
			c := compressor(t, codec)
			var d Decompressor
			rapid.Check(t, func(rt *rapid.T) {
				rows := rapid.SliceOfN(rapid.StringN(0, 300, -1), 0, 50).Draw(rt, "rows")
				raw := rawBlock("2026-03-01", rows...)
				b, err := ParseBlock(c.Block(3, 9, len(rows), raw).Data)
				if err != nil {
					rt.Fatal(err)
				}
				if b.Table != 3 || b.Schema != 9 || b.Rows != len(rows) || b.Raw != len(raw) || b.Compression != codec {
					rt.Fatalf("header reads %+v", b)
				}
				got, err := d.Open(nil, b)
				if err != nil {
					rt.Fatal(err)
				}
				partition, back, err := readRaw(got)
				if err != nil || partition != "2026-03-01" || strings.Join(back, "|") != strings.Join(rows, "|") {
					rt.Fatalf("read %q %q, %v; want %q", partition, back, err, rows)
				}
			})
		})
	}
}

// Every byte of a block is under its sum.
func TestBlockDamage(t *testing.T) {
	good := compressor(t, S2).Block(1, 1, 2, rawBlock("p", "one", strings.Repeat("two", 40))).Data
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x40
		if _, err := ParseBlock(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d changed: %v, want ErrCorrupt", i, err)
		}
	}
	for n := range good {
		if _, err := ParseBlock(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v, want ErrCorrupt", n, err)
		}
	}
}

func TestBlockOfAnUnknownCodec(t *testing.T) {
	b := compressor(t, None).Block(1, 1, 1, rawBlock("p", "row"))
	b.Compression = 77
	var d Decompressor
	if _, err := d.Open(nil, b); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("Open gave %v", err)
	}
}

func TestRowsOfABrokenBlock(t *testing.T) {
	raw := rawBlock("p", "row", "another")
	for n := 1; n < len(raw); n++ {
		_, rows, err := readRaw(raw[:n])
		whole := n == 2 || n == 2+rowRoom+len("row") // after the partition, after a row
		if whole != (err == nil) {
			t.Errorf("cut at %d gave rows %q, error %v", n, rows, err)
		}
	}
}

// log writes blocks as a row log.
func writeLog(t testing.TB, blocks ...Block) ([]byte, Summary) {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, b := range blocks {
		if err := w.Add(b); err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), s
}

func TestLogRoundTrip(t *testing.T) {
	c := compressor(t, S2)
	for n := range 6 {
		var blocks []Block
		for i := range n {
			blocks = append(blocks, c.Block(uint8(4-i%3), 1, i+1, rawBlock("d", strings.Repeat("r", i*10))))
		}
		data, wrote := writeLog(t, blocks...)
		var got []Block
		read, err := Read(bytes.NewReader(data), func(b Block) error {
			got = append(got, b)
			return nil
		})
		if err != nil {
			t.Fatalf("%d blocks: %v", n, err)
		}
		if d := cmp.Diff(blocks, got); d != "" {
			t.Errorf("%d blocks differ (-wrote +read):\n%s", n, d)
		}
		if d := cmp.Diff(wrote, read); d != "" {
			t.Errorf("%d blocks: summary (-wrote +read):\n%s", n, d)
		}
		if int(read.Size) != len(data) {
			t.Errorf("summary says %d bytes of %d", read.Size, len(data))
		}
	}
}

func TestLogDamage(t *testing.T) {
	c := compressor(t, S2)
	good, _ := writeLog(t, c.Block(1, 1, 1, rawBlock("d", "one")), c.Block(2, 1, 1, rawBlock("d", "two")))
	ignore := func(Block) error { return nil }
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x21
		if _, err := Read(bytes.NewReader(bad), ignore); err == nil {
			t.Errorf("byte %d changed and nobody noticed", i)
		}
	}
	for n := range good {
		if _, err := Read(bytes.NewReader(good[:n]), ignore); err == nil {
			t.Errorf("cut at %d and nobody noticed", n)
		}
	}
	if _, err := Read(bytes.NewReader(append(bytes.Clone(good), 0)), ignore); err == nil {
		t.Error("a byte more and nobody noticed")
	}
}

func TestLogOfANewerVersion(t *testing.T) {
	data, _ := writeLog(t)
	data[len(magic)] = Version + 1
	if _, err := Read(bytes.NewReader(data), nil); !errors.Is(err, ErrVersion) {
		t.Errorf("Read gave %v, want ErrVersion", err)
	}
}

func TestReadStopsWithTheCaller(t *testing.T) {
	data, _ := writeLog(t, compressor(t, S2).Block(1, 1, 1, rawBlock("d", "one")))
	stop := errors.New("stop")
	if _, err := Read(bytes.NewReader(data), func(Block) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Read gave %v, want the caller's error", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterReportsItsOutput(t *testing.T) {
	w := NewWriter(failing{})
	if _, err := w.Close(); err == nil || err.Error() != "disk full" {
		t.Errorf("Close gave %v", err)
	}
}
