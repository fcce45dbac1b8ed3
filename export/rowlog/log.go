package rowlog

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
)

// A row log is the object that a commit writes for the rows that are in no
// Parquet file yet:
//
//	header  "CRNROW" version:u8 0
//	block*  table:u8 codec:u8 schema:u16 rows:u32 packed:u32 raw:u32 crc32c:u32, packed bytes
//	footer  per table {table:u8 rows:u64 bytes:u64}, tables:u32, sha256 of all before:32, crc32c of the footer:u32, "CRNROWE1"
//
// All numbers are little-endian. A block's sum covers its header before the
// sum and its packed bytes. Its raw bytes are the partition (uvarint length,
// text) and the rows, each with its length as u32 before it. The footer's sum
// covers the footer up to the sum, and bytes are raw ones.
const (
	magic     = "CRNROW"
	magicEnd  = "CRNROWE1"
	tailSize  = 4 + sha256.Size + 4 + len(magicEnd)
	totalSize = 1 + 8 + 8
)

// Version is the number in a row log's header. Another one is refused.
const Version = 1

// ErrVersion says that a newer Cairn wrote the row log.
var ErrVersion = errors.New("rowlog: unknown version")

// Total is what a row log holds of one table.
type Total struct {
	Table uint8
	Rows  int64
	Bytes int64 // before compression
}

// Summary describes a finished row log.
type Summary struct {
	Totals []Total // by table number
	Size   int64
	SHA256 [sha256.Size]byte // of the whole object
}

// Writer writes one row log.
type Writer struct {
	w      io.Writer
	body   hash.Hash // all before the footer's sum
	whole  hash.Hash
	totals []Total
	size   int64
	err    error
}

// NewWriter begins a row log on w.
func NewWriter(w io.Writer) *Writer {
	lw := &Writer{w: w, body: sha256.New(), whole: sha256.New()}
	lw.write([]byte{magic[0], magic[1], magic[2], magic[3], magic[4], magic[5], Version, 0})
	return lw
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	w.body.Write(b)
	w.whole.Write(b)
	n, err := w.w.Write(b)
	w.size += int64(n)
	w.err = err
}

// Add appends a block.
func (w *Writer) Add(b Block) error {
	i := slices.IndexFunc(w.totals, func(t Total) bool { return t.Table == b.Table })
	if i < 0 {
		i = len(w.totals)
		w.totals = append(w.totals, Total{Table: b.Table})
	}
	w.totals[i].Rows += int64(b.Rows)
	w.totals[i].Bytes += int64(b.Raw)
	w.write(b.Data)
	return w.err
}

// Close writes the footer. It does not close the underlying writer.
func (w *Writer) Close() (Summary, error) {
	slices.SortFunc(w.totals, func(a, b Total) int { return int(a.Table) - int(b.Table) })
	var tail []byte
	for _, t := range w.totals {
		tail = append(tail, t.Table)
		tail = binary.LittleEndian.AppendUint64(tail, uint64(t.Rows))
		tail = binary.LittleEndian.AppendUint64(tail, uint64(t.Bytes))
	}
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(w.totals)))
	w.body.Write(tail)
	tail = w.body.Sum(tail)
	tail = binary.LittleEndian.AppendUint32(tail, crc32.Checksum(tail, castagnoli))
	w.write(append(tail, magicEnd...))
	s := Summary{Totals: w.totals, Size: w.size}
	w.whole.Sum(s.SHA256[:0])
	return s, w.err
}

// Read reads a row log from start to end, hands each block to yield, and checks
// every sum. A block that yield was given may be kept. If the log turns out to
// be damaged behind some good blocks, those were yielded already: the caller
// drops them when Read returns an error.
func Read(r io.Reader, yield func(Block) error) (Summary, error) {
	lr := &logReader{r: bufio.NewReaderSize(r, 64<<10), body: sha256.New(), whole: sha256.New()}
	if err := lr.header(); err != nil {
		return Summary{}, err
	}
	var seen Writer // keeps totals only
	seen.w, seen.body, seen.whole = io.Discard, sha256.New(), sha256.New()
	for {
		b, more, err := lr.block()
		if err != nil {
			return Summary{}, err
		}
		if !more {
			break
		}
		if err := seen.Add(b); err != nil {
			return Summary{}, err
		}
		if err := yield(b); err != nil {
			return Summary{}, err
		}
	}
	return lr.footer(seen.totals)
}

type logReader struct {
	r           *bufio.Reader
	body, whole hash.Hash
	size        int64
}

func (l *logReader) take(b []byte) error {
	n, err := io.ReadFull(l.r, b)
	l.size += int64(n)
	if err != nil {
		return fmt.Errorf("row log cut at %d: %w", l.size, errors.Join(ErrCorrupt, err))
	}
	l.whole.Write(b)
	return nil
}

func (l *logReader) header() error {
	h := make([]byte, len(magic)+2)
	if err := l.take(h); err != nil {
		return err
	}
	if string(h[:len(magic)]) != magic {
		return fmt.Errorf("not a row log: %w", ErrCorrupt)
	}
	if h[len(magic)] != Version {
		return fmt.Errorf("version %d, this binary reads %d: %w", h[len(magic)], Version, ErrVersion)
	}
	l.body.Write(h)
	return nil
}

// block reads the next block; false means that the footer follows. The two can
// be told apart because a footer is shorter than a block's header only when
// nothing follows it, and its last bytes are known.
func (l *logReader) block() (Block, bool, error) {
	if l.atFooter() {
		return Block{}, false, nil
	}
	h := make([]byte, headerSize)
	if err := l.take(h); err != nil {
		return Block{}, false, err
	}
	_, packed, err := parseHeader(h)
	if err != nil {
		return Block{}, false, err
	}
	data := append(h, make([]byte, packed)...)
	if err := l.take(data[headerSize:]); err != nil {
		return Block{}, false, err
	}
	l.body.Write(data)
	b, err := ParseBlock(data)
	return b, true, err
}

// maxTables bounds the footer; a table's number is one byte, five are in use.
const maxTables = 64

// atFooter reports whether what is left of the log is exactly a footer.
func (l *logReader) atFooter() bool {
	rest, err := l.r.Peek(maxTables*totalSize + tailSize + 1)
	if err == nil || len(rest) < tailSize || string(rest[len(rest)-len(magicEnd):]) != magicEnd {
		return false
	}
	n := len(rest) - tailSize
	return n%totalSize == 0 && int(binary.LittleEndian.Uint32(rest[n:])) == n/totalSize
}

func (l *logReader) footer(seen []Total) (Summary, error) {
	rest, _ := l.r.Peek(maxTables*totalSize + tailSize + 1)
	tail := make([]byte, len(rest))
	if err := l.take(tail); err != nil {
		return Summary{}, err
	}
	sum := len(tail) - len(magicEnd) - 4
	if crc32.Checksum(tail[:sum], castagnoli) != binary.LittleEndian.Uint32(tail[sum:]) {
		return Summary{}, fmt.Errorf("footer checksum: %w", ErrCorrupt)
	}
	l.body.Write(tail[:sum-sha256.Size])
	if string(l.body.Sum(nil)) != string(tail[sum-sha256.Size:sum]) {
		return Summary{}, fmt.Errorf("sha256 of the blocks: %w", ErrCorrupt)
	}
	s := Summary{Size: l.size}
	l.whole.Sum(s.SHA256[:0])
	for n := binary.LittleEndian.Uint32(tail[sum-sha256.Size-4:]); n > 0; n-- {
		s.Totals = append(s.Totals, Total{
			Table: tail[0], Rows: int64(binary.LittleEndian.Uint64(tail[1:])), Bytes: int64(binary.LittleEndian.Uint64(tail[9:])),
		})
		tail = tail[totalSize:]
	}
	slices.SortFunc(seen, func(a, b Total) int { return int(a.Table) - int(b.Table) })
	if !slices.Equal(seen, s.Totals) {
		return Summary{}, fmt.Errorf("the footer counts other rows than the blocks hold: %w", ErrCorrupt)
	}
	return s, nil
}
