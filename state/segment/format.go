package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is the number of the segment format. Higher ones are refused.
const Version = 1

// Kind says which part of history a segment holds.
type Kind uint8

// The kinds of segments.
const (
	Delta  Kind = 1 // what one commit changed
	Merged Kind = 2 // several deltas in one; removals stay
	Base   Kind = 3 // all rows as of a commit; no removals
)

// String returns the name that the manifest uses.
func (k Kind) String() string {
	switch k {
	case Delta:
		return "delta"
	case Merged:
		return "merged"
	case Base:
		return "base"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

const (
	headMagic  = "CRNSEG"
	footMagic  = "CRNSEGE1"
	headSize   = len(headMagic) + 2
	frameSize  = 12 // in front of each block: packed, raw, crc32c
	footerSize = 80

	// blockSize is how many bytes of entries a block takes. Blocks of
	// 16 KiB pack 3 % worse, blocks of 256 KiB no better (rows of 230
	// bytes), and a look-up has to unpack a whole block.
	blockSize = 64 << 10

	// A single entry may be larger than a block: three varints, key, value.
	maxRaw = 3*binary.MaxVarintLen32 + MaxKey + MaxValue
)

var (
	// ErrCorrupt means that a segment's bytes are not those that were
	// written. Nothing read from it so far was wrong.
	ErrCorrupt = errors.New("segment is damaged")
	// ErrVersion means that a newer Cairn wrote the segment.
	ErrVersion = errors.New("segment version is newer than this program")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of the parts, one after the other.
func checksum(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

func header(kind Kind) []byte { return append([]byte(headMagic), Version, byte(kind)) }

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// block is what the index says of a block.
type block struct {
	first  []byte // key of its first entry
	offset uint64 // of the frame
	rows   uint32
}

func appendIndex(dst []byte, blocks []block) []byte {
	for _, b := range blocks {
		dst = binary.AppendUvarint(dst, uint64(len(b.first)))
		dst = append(dst, b.first...)
		dst = binary.LittleEndian.AppendUint64(dst, b.offset)
		dst = binary.LittleEndian.AppendUint32(dst, b.rows)
	}
	return dst
}

func parseIndex(index []byte) (blocks []block, err error) {
	for len(index) > 0 {
		n, width := binary.Uvarint(index)
		if width <= 0 || n > MaxKey || uint64(len(index)-width) < n+12 {
			return nil, corrupt("index entry %d", len(blocks))
		}
		index = index[width:]
		blocks = append(blocks, block{
			first:  index[:n:n],
			offset: binary.LittleEndian.Uint64(index[n:]),
			rows:   binary.LittleEndian.Uint32(index[n+8:]),
		})
		index = index[n+12:]
	}
	return blocks, nil
}

// footer is the end of a segment.
type footer struct {
	indexOffset     uint64
	indexLength     uint32
	indexSum        uint32 // of header and index
	rows, deletions uint64 // rows without removals; removals
	sha256          [32]byte
}

// front is the part of the footer that the SHA-256 covers.
func (f *footer) front() []byte {
	dst := binary.LittleEndian.AppendUint64(nil, f.indexOffset)
	dst = binary.LittleEndian.AppendUint32(dst, f.indexLength)
	dst = binary.LittleEndian.AppendUint32(dst, f.indexSum)
	dst = binary.LittleEndian.AppendUint64(dst, f.rows)
	return binary.LittleEndian.AppendUint64(dst, f.deletions)
}

// back is the rest of the footer.
func (f *footer) back() []byte {
	front := f.front()
	dst := append([]byte(nil), f.sha256[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, Version)
	dst = binary.LittleEndian.AppendUint32(dst, checksum(front, dst))
	return append(dst, footMagic...)
}

func parseFooter(b []byte) (f footer, err error) {
	le := binary.LittleEndian
	if string(b[72:]) != footMagic {
		return f, corrupt("no footer at its end; it may be cut off")
	}
	if sum := le.Uint32(b[68:]); sum != checksum(b[:68]) {
		return f, corrupt("checksum of the footer")
	}
	if v := le.Uint32(b[64:]); v != Version {
		return f, versionError(uint64(v))
	}
	f = footer{
		indexOffset: le.Uint64(b), indexLength: le.Uint32(b[8:]), indexSum: le.Uint32(b[12:]),
		rows: le.Uint64(b[16:]), deletions: le.Uint64(b[24:]),
	}
	copy(f.sha256[:], b[32:])
	return f, nil
}

func versionError(v uint64) error {
	if v > Version {
		return fmt.Errorf("segment has version %d, this program reads up to %d; use a later version of it: %w", v, Version, ErrVersion)
	}
	return corrupt("version %d", v)
}
