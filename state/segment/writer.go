package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
)

// Writer writes one segment. It is not safe for concurrent use.
type Writer struct {
	out    io.Writer
	kind   Kind
	pack   *zstd.Encoder
	sum    hash.Hash // of the whole object
	offset uint64

	raw      []byte // entries of the open block
	packed   []byte // scratch
	rows     uint32 // in the open block
	first    []byte // of the open block
	last     []byte // key added before
	blocks   []block
	live     uint64
	removals uint64
	err      error
}

// Summary describes a finished segment.
type Summary struct {
	Rows      int64  // without removals
	Deletions int64  // removals
	Bytes     int64  // of the object
	SHA256    string // of the object, hex
}

// NewWriter begins a segment of the given kind. Close must be called, also
// after an error.
func NewWriter(w io.Writer, kind Kind) (*Writer, error) {
	// One goroutine and a window of one block: a process writes a few
	// segments at a time, and 8 MiB each is what the default would take.
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(blockSize), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("write segment: %w", err)
	}
	s := &Writer{out: w, kind: kind, pack: pack, sum: sha256.New()}
	s.write(header(kind))
	return s, s.err
}

func (w *Writer) write(p []byte) {
	if w.err != nil {
		return
	}
	if _, err := w.out.Write(p); err != nil {
		w.err = fmt.Errorf("write segment: %w", err)
		return
	}
	w.sum.Write(p)
	w.offset += uint64(len(p))
}

// Add appends a row. Keys must rise. A removal has no value, and none is
// allowed in a base.
func (w *Writer) Add(key, value []byte, deleted bool) error {
	if w.err == nil {
		w.err = w.check(key, value, deleted)
	}
	if w.err != nil {
		return w.err
	}
	if len(w.raw) > 0 && len(w.raw)+len(key)+len(value)+3*binary.MaxVarintLen32 > blockSize {
		w.flush()
	}
	w.append(key, value, deleted)
	return w.err
}

func (w *Writer) check(key, value []byte, deleted bool) error {
	switch {
	case len(key) == 0 || len(key) > MaxKey:
		return fmt.Errorf("write segment: key of %d bytes: want 1 to %d", len(key), MaxKey)
	case len(value) > MaxValue:
		return fmt.Errorf("write segment: value of %d bytes: at most %d", len(value), MaxValue)
	case w.last != nil && bytes.Compare(key, w.last) <= 0:
		return fmt.Errorf("write segment: key %q after %q", key, w.last)
	case deleted && (w.kind == Base || len(value) > 0):
		return fmt.Errorf("write segment: removal of %q with a value or in a base", key)
	case w.rows == math.MaxUint32:
		return fmt.Errorf("write segment: more than %d rows in a block", w.rows)
	}
	return nil
}

func (w *Writer) append(key, value []byte, deleted bool) {
	shared := 0
	if len(w.raw) == 0 {
		w.first = bytes.Clone(key)
	} else {
		shared = sharedPrefix(w.last, key)
	}
	w.raw = binary.AppendUvarint(w.raw, uint64(shared))
	w.raw = binary.AppendUvarint(w.raw, uint64(len(key)-shared))
	if deleted {
		w.raw = binary.AppendUvarint(w.raw, 0)
		w.removals++
	} else {
		w.raw = binary.AppendUvarint(w.raw, uint64(len(value))+1)
		w.live++
	}
	w.raw = append(w.raw, key[shared:]...)
	w.raw = append(w.raw, value...)
	w.last = append(w.last[:0], key...)
	w.rows++
}

func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// flush ends the open block.
func (w *Writer) flush() {
	if len(w.raw) == 0 {
		return
	}
	w.packed = w.pack.EncodeAll(w.raw, w.packed[:0])
	var frame [frameSize]byte
	binary.LittleEndian.PutUint32(frame[0:], uint32(len(w.packed)))
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(w.raw)))
	binary.LittleEndian.PutUint32(frame[8:], checksum(frame[:8], w.packed))
	w.blocks = append(w.blocks, block{first: w.first, offset: w.offset, rows: w.rows})
	w.write(frame[:])
	w.write(w.packed)
	w.raw, w.rows = w.raw[:0], 0
}

// Close writes the index and the footer. It does not close the underlying
// writer.
func (w *Writer) Close() (Summary, error) {
	defer func() { _ = w.pack.Close() }() // it has no stream open: EncodeAll only
	w.flush()
	index := appendIndex(nil, w.blocks)
	if w.err == nil && len(index) > math.MaxUint32 {
		w.err = fmt.Errorf("write segment: index of %d bytes", len(index))
	}
	f := footer{
		indexOffset: w.offset, indexLength: uint32(len(index)), indexSum: checksum(header(w.kind), index),
		rows: w.live, deletions: w.removals,
	}
	w.write(index)
	w.write(f.front())
	copy(f.sha256[:], w.sum.Sum(nil))
	w.write(f.back())
	if w.err != nil {
		return Summary{}, w.err
	}
	return Summary{Rows: int64(w.live), Deletions: int64(w.removals), Bytes: int64(w.offset), SHA256: hex.EncodeToString(w.sum.Sum(nil))}, nil
}
