package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"

	"github.com/klauspost/compress/zstd"
)

// Reader reads a segment. Whatever it returns without an error is what was
// written: every byte it uses is covered by a checksum. It may be used from
// several goroutines if its io.ReaderAt may.
type Reader struct {
	in     io.ReaderAt
	size   int64
	kind   Kind
	foot   footer
	blocks []block
	unpack *zstd.Decoder
}

// Open reads the header, the footer and the index of a segment of size bytes.
func Open(in io.ReaderAt, size int64) (*Reader, error) {
	r := &Reader{in: in, size: size}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return r, nil
}

func (r *Reader) open() error {
	head, err := r.openEnds()
	if err != nil {
		return err
	}
	index, err := r.bytes(int64(r.foot.indexOffset), int64(r.foot.indexLength))
	if err != nil {
		return err
	}
	if checksum(head, index) != r.foot.indexSum {
		return corrupt("checksum of header and index")
	}
	r.kind = Kind(head[len(headMagic)+1])
	if r.kind < Delta || r.kind > Base {
		return corrupt("unknown kind %d", r.kind)
	}
	if r.blocks, err = parseIndex(index); err != nil {
		return err
	}
	if err := r.checkBlocks(); err != nil {
		return err
	}
	r.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecodeAllCapLimit(true))
	return err
}

// openEnds reads header and footer and checks that the index lies between.
func (r *Reader) openEnds() (head []byte, err error) {
	if r.size < int64(headSize+footerSize) {
		return nil, corrupt("%d bytes are too few", r.size)
	}
	if head, err = r.bytes(0, int64(headSize)); err != nil {
		return nil, err
	}
	if string(head[:len(headMagic)]) != headMagic {
		return nil, corrupt("not a segment: it begins with %q", head)
	}
	if v := head[len(headMagic)]; v != Version {
		return nil, versionError(uint64(v))
	}
	foot, err := r.bytes(r.size-footerSize, footerSize)
	if err != nil {
		return nil, err
	}
	if r.foot, err = parseFooter(foot); err != nil {
		return nil, err
	}
	end := uint64(r.size - footerSize)
	if r.foot.indexOffset > end || end-r.foot.indexOffset != uint64(r.foot.indexLength) {
		return nil, corrupt("index of %d bytes at %d in %d bytes", r.foot.indexLength, r.foot.indexOffset, r.size)
	}
	return head, nil
}

// checkBlocks checks that the blocks fill the space between header and index.
func (r *Reader) checkBlocks() error {
	next, rows := uint64(headSize), uint64(0)
	for i, b := range r.blocks {
		if i == 0 && b.offset != next || b.offset < next {
			return corrupt("block %d begins at %d", i, b.offset)
		}
		if i > 0 && bytes.Compare(b.first, r.blocks[i-1].first) <= 0 {
			return corrupt("block %d is out of order", i)
		}
		next, rows = b.offset+frameSize+1, rows+uint64(b.rows)
	}
	if next > r.foot.indexOffset || len(r.blocks) == 0 && next != r.foot.indexOffset {
		return corrupt("blocks reach beyond the index")
	}
	if rows != r.foot.rows+r.foot.deletions {
		return corrupt("index has %d rows, footer %d", rows, r.foot.rows+r.foot.deletions)
	}
	return nil
}

func (r *Reader) bytes(off, n int64) ([]byte, error) {
	p := make([]byte, n)
	got, err := r.in.ReadAt(p, off)
	if got == len(p) {
		return p, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = corrupt("%d bytes at %d: %w", n, off, io.ErrUnexpectedEOF)
	}
	return nil, err
}

// Kind is the segment's kind.
func (r *Reader) Kind() Kind { return r.kind }

// Rows is the number of rows without removals.
func (r *Reader) Rows() int64 { return int64(r.foot.rows) }

// Deletions is the number of removals.
func (r *Reader) Deletions() int64 { return int64(r.foot.deletions) }

// Get returns the row of a key, which may be a removal.
func (r *Reader) Get(key []byte) (row Row, ok bool, err error) {
	i := r.blockOf(key)
	if i < 0 {
		return Row{}, false, nil
	}
	rows, err := r.block(i)
	if err != nil {
		return Row{}, false, err
	}
	at := lowest(rows, key)
	if at == len(rows) || !bytes.Equal(rows[at].Key, key) {
		return Row{}, false, nil
	}
	return rows[at], true, nil
}

// blockOf is the only block that can hold the key, -1 if there is none.
func (r *Reader) blockOf(key []byte) int {
	return sort.Search(len(r.blocks), func(i int) bool { return bytes.Compare(r.blocks[i].first, key) > 0 }) - 1
}

func lowest(rows []Row, key []byte) int {
	return sort.Search(len(rows), func(i int) bool { return bytes.Compare(rows[i].Key, key) >= 0 })
}

// Range yields the rows with lo <= key < hi in key order, removals included;
// an empty lo is the beginning and a nil hi the end. Only the blocks of the
// range are read. The slices may be kept; a kept row keeps its block.
func (r *Reader) Range(lo, hi []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for i := max(r.blockOf(lo), 0); i < len(r.blocks); i++ {
			if hi != nil && bytes.Compare(r.blocks[i].first, hi) >= 0 {
				return
			}
			rows, err := r.block(i)
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !yieldWithin(rows, lo, hi, yield) {
				return
			}
		}
	}
}

func yieldWithin(rows []Row, lo, hi []byte, yield func(Row, error) bool) bool {
	rows = rows[lowest(rows, lo):]
	if hi != nil {
		rows = rows[:lowest(rows, hi)]
	}
	for _, row := range rows {
		if !yield(row, nil) {
			return false
		}
	}
	return true
}

// block reads, verifies and takes apart one block.
func (r *Reader) block(i int) ([]Row, error) {
	rows, err := r.readBlock(i)
	if err != nil {
		return nil, fmt.Errorf("segment block %d: %w", i, err)
	}
	return rows, nil
}

func (r *Reader) readBlock(i int) ([]Row, error) {
	b := r.blocks[i]
	end := r.foot.indexOffset
	if i+1 < len(r.blocks) {
		end = r.blocks[i+1].offset
	}
	p, err := r.bytes(int64(b.offset), int64(end-b.offset))
	if err != nil {
		return nil, err
	}
	packed, rawSize := p[frameSize:], binary.LittleEndian.Uint32(p[4:])
	if binary.LittleEndian.Uint32(p) != uint32(len(packed)) || rawSize > maxRaw {
		return nil, corrupt("%d bytes packed of %d", len(packed), rawSize)
	}
	if binary.LittleEndian.Uint32(p[8:]) != checksum(p[:8], packed) {
		return nil, corrupt("checksum")
	}
	raw, err := r.unpack.DecodeAll(packed, make([]byte, 0, rawSize))
	if err != nil {
		return nil, corrupt("unpack: %w", err)
	}
	if uint32(len(raw)) != rawSize {
		return nil, corrupt("unpacked %d bytes of %d", len(raw), rawSize)
	}
	rows, err := parseEntries(raw, b)
	if err != nil {
		return nil, err
	}
	if i+1 < len(r.blocks) && bytes.Compare(rows[len(rows)-1].Key, r.blocks[i+1].first) >= 0 {
		return nil, corrupt("reaches into the next block")
	}
	return rows, nil
}

// parseEntries takes the entries of a block apart. Values alias raw; keys that
// share bytes with the one before are put together in one allocation.
func parseEntries(raw []byte, b block) ([]Row, error) {
	if uint64(b.rows) > uint64(len(raw))/3 || b.rows == 0 {
		return nil, corrupt("%d rows in %d bytes", b.rows, len(raw))
	}
	rows := make([]Row, 0, b.rows)
	var keys arena
	last := []byte(nil)
	for len(raw) > 0 {
		e, rest, err := parseEntry(raw)
		if err != nil || e.shared > uint64(len(last)) || len(rows) == 0 && e.shared != 0 {
			return nil, corrupt("entry %d", len(rows))
		}
		key := e.suffix
		if e.shared > 0 {
			key = keys.join(last[:e.shared], e.suffix)
		}
		if len(key) == 0 || len(key) > MaxKey || last != nil && bytes.Compare(key, last) <= 0 {
			return nil, corrupt("key of entry %d", len(rows))
		}
		rows = append(rows, Row{Key: key, Value: e.value, Deleted: e.deleted})
		last, raw = key, rest
	}
	if len(rows) != int(b.rows) || !bytes.Equal(rows[0].Key, b.first) {
		return nil, corrupt("%d rows from %q, the index says %d from %q", len(rows), rows[0].Key, b.rows, b.first)
	}
	return rows, nil
}

type rawEntry struct {
	shared        uint64
	suffix, value []byte
	deleted       bool
}

func parseEntry(p []byte) (e rawEntry, rest []byte, err error) {
	var length [3]uint64
	for i := range length {
		n, width := binary.Uvarint(p)
		if width <= 0 {
			return e, nil, ErrCorrupt
		}
		length[i], p = n, p[width:]
	}
	shared, unshared, value := length[0], length[1], length[2]
	e.shared, e.deleted = shared, value == 0
	if value > 0 {
		value--
	}
	if unshared > uint64(len(p)) || value > uint64(len(p))-unshared {
		return e, nil, ErrCorrupt
	}
	e.suffix = p[:unshared:unshared]
	if !e.deleted {
		e.value = p[unshared : unshared+value : unshared+value]
	}
	return e, p[unshared+value:], nil
}

// arena hands out pieces of large allocations.
type arena struct{ free []byte }

func (a *arena) join(x, y []byte) []byte {
	n := len(x) + len(y)
	if n > cap(a.free)-len(a.free) {
		a.free = make([]byte, 0, max(n, 8<<10))
	}
	start := len(a.free)
	a.free = append(append(a.free, x...), y...)
	return a.free[start:len(a.free):len(a.free)]
}

// Verify reads the whole segment and compares its SHA-256.
func (r *Reader) Verify() error {
	h := sha256.New()
	covered := r.size - footerSize + 32
	n, err := io.Copy(h, io.NewSectionReader(r.in, 0, covered))
	if err != nil {
		return fmt.Errorf("verify segment: %w", err)
	}
	if n != covered || !bytes.Equal(h.Sum(nil), r.foot.sha256[:]) {
		return fmt.Errorf("verify segment: %w", corrupt("SHA-256"))
	}
	return nil
}
