package rowlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression is the codec byte of a block.
type Compression uint8

// The codecs that a block may have. S2 is the one that is written: see
// BenchmarkBlock for the measurement behind it.
const (
	None Compression = 0
	Zstd Compression = 1
	S2   Compression = 2
)

const (
	// MaxRaw is the size of a block's rows at which it is closed. Larger
	// blocks compress no better and make the open rows lumpier. A single row
	// that is larger gets a block of its own.
	MaxRaw = 1 << 20

	// maxBlock refuses a length that no writer makes, before it is allocated.
	// A CloudTrail record has at most 256 KiB, a finding far less.
	maxBlock = 256 << 20

	headerSize = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Block is one closed block of rows of one table and partition. Data is the
// whole block as it stands in a row log, header included.
type Block struct {
	Table       uint8
	Compression Compression
	Schema      uint16
	Rows        int
	Raw         int // bytes before compression
	Data        []byte
}

// A Compressor turns raw blocks into Blocks. It belongs to one goroutine.
type Compressor struct {
	codec   Compression
	scratch []byte
	zstd    *zstd.Encoder
}

// NewCompressor makes a Compressor. Zstd is used at its fastest level.
func NewCompressor(codec Compression) (*Compressor, error) {
	c := &Compressor{codec: codec}
	if codec != Zstd {
		return c, nil
	}
	var err error
	c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	return c, err
}

// Block compresses raw, which AppendPartition and AppendRow made.
func (c *Compressor) Block(table uint8, schema uint16, rows int, raw []byte) Block {
	b := Block{Table: table, Compression: c.codec, Schema: schema, Rows: rows, Raw: len(raw)}
	packed := raw
	switch c.codec {
	case S2:
		if need := s2.MaxEncodedLen(len(raw)); cap(c.scratch) < need {
			c.scratch = make([]byte, need)
		}
		packed = s2.Encode(c.scratch[:cap(c.scratch)], raw)
	case Zstd:
		c.scratch = c.zstd.EncodeAll(raw, c.scratch[:0])
		packed = c.scratch
	}
	// A copy of the right size: most blocks wait for minutes.
	b.Data = make([]byte, headerSize+len(packed))
	b.putHeader(len(packed))
	copy(b.Data[headerSize:], packed)
	binary.LittleEndian.PutUint32(b.Data[16:], blockSum(b.Data))
	return b
}

func (b *Block) putHeader(packed int) {
	h := b.Data
	h[0], h[1] = b.Table, byte(b.Compression)
	binary.LittleEndian.PutUint16(h[2:], b.Schema)
	binary.LittleEndian.PutUint32(h[4:], uint32(b.Rows))
	binary.LittleEndian.PutUint32(h[8:], uint32(packed))
	binary.LittleEndian.PutUint32(h[12:], uint32(b.Raw))
}

// blockSum covers the header before the sum and the packed bytes behind it.
func blockSum(data []byte) uint32 {
	return crc32.Update(crc32.Checksum(data[:16], castagnoli), castagnoli, data[headerSize:])
}

// parseHeader reads a header and returns the number of packed bytes.
func parseHeader(h []byte) (Block, int, error) {
	b := Block{
		Table: h[0], Compression: Compression(h[1]),
		Schema: binary.LittleEndian.Uint16(h[2:]),
		Rows:   int(binary.LittleEndian.Uint32(h[4:])),
		Raw:    int(binary.LittleEndian.Uint32(h[12:])),
	}
	packed := int(binary.LittleEndian.Uint32(h[8:]))
	if packed > maxBlock || b.Raw > maxBlock {
		return b, 0, fmt.Errorf("a block of %d bytes, %d packed: %w", b.Raw, packed, ErrCorrupt)
	}
	return b, packed, nil
}

// ParseBlock reads a whole block and checks its sum. The block keeps data.
func ParseBlock(data []byte) (Block, error) {
	if len(data) < headerSize {
		return Block{}, fmt.Errorf("a block of %d bytes: %w", len(data), ErrCorrupt)
	}
	b, packed, err := parseHeader(data)
	if err != nil {
		return Block{}, err
	}
	if packed != len(data)-headerSize || binary.LittleEndian.Uint32(data[16:]) != blockSum(data) {
		return Block{}, fmt.Errorf("block checksum: %w", ErrCorrupt)
	}
	b.Data = data
	return b, nil
}

// A Decompressor opens blocks. It belongs to one goroutine.
type Decompressor struct {
	zstd *zstd.Decoder
}

// Open returns the raw bytes of a block in dst, which grows if it must, and
// checks its length. The block's sum was checked by ParseBlock.
func (d *Decompressor) Open(dst []byte, b Block) ([]byte, error) {
	packed := b.Data[headerSize:]
	var err error
	switch b.Compression {
	case None:
		dst = append(dst[:0], packed...)
	case S2:
		dst, err = s2.Decode(sized(dst, b.Raw), packed)
	case Zstd:
		dst, err = d.openZstd(sized(dst, b.Raw), packed)
	default:
		return nil, fmt.Errorf("rowlog: block with codec %d: a newer version wrote it", b.Compression)
	}
	if err != nil {
		return nil, fmt.Errorf("rowlog: open a block: %w", err)
	}
	if len(dst) != b.Raw {
		return nil, fmt.Errorf("a block of %d bytes where %d were written: %w", len(dst), b.Raw, ErrCorrupt)
	}
	return dst, nil
}

// sized returns dst with room for n bytes. Full blocks are a row larger than
// MaxRaw, one more and one less: they get the same room, so that a buffer
// serves for the next block too.
func sized(dst []byte, n int) []byte {
	const step = 64 << 10
	if cap(dst) < n {
		return make([]byte, n, (n+step-1)/step*step)
	}
	return dst[:n]
}

func (d *Decompressor) openZstd(dst, packed []byte) ([]byte, error) {
	if d.zstd == nil {
		var err error
		if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock)); err != nil {
			return nil, err
		}
	}
	return d.zstd.DecodeAll(packed, dst[:0])
}

// AppendPartition begins a raw block: the partition of all of its rows.
func AppendPartition(dst []byte, partition string) []byte { return appendText(dst, partition, 0) }

// rowRoom is what BeginRow leaves for the row's length: 4 bytes, so that a row
// need not be moved when its length is known.
const rowRoom = 4

// BeginRow leaves room for a row's length at the end of dst. The row follows,
// then EndRow with the length that dst had before.
func BeginRow(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// EndRow fills in the length of the row that BeginRow began at start.
func EndRow(dst []byte, start int) {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-rowRoom))
}

// Rows walks over the rows of a raw block.
type Rows struct {
	Partition string // of all rows
	raw       []byte
	at        int
	err       error
}

// NewRows reads a raw block's partition and stands before its first row.
func NewRows(raw []byte) (*Rows, error) {
	r := NewReader(raw)
	b, _ := r.Text(false)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("partition of a block: %w", err)
	}
	return &Rows{Partition: string(b), raw: raw, at: len(raw) - len(r.Rest())}, nil
}

// Next returns the place of the next row's bytes in the raw block. It returns
// false at the end, and when the block is broken: see Err.
func (r *Rows) Next() (start, end int, ok bool) {
	left := len(r.raw) - r.at
	if left == 0 || r.err != nil {
		return 0, 0, false
	}
	start = r.at + rowRoom
	if left >= rowRoom {
		end = start + int(binary.LittleEndian.Uint32(r.raw[r.at:]))
	}
	if left < rowRoom || end > len(r.raw) {
		r.err = fmt.Errorf("a block ends inside a row: %w", ErrCorrupt)
		return 0, 0, false
	}
	r.at = end
	return start, end, true
}

// Size is the number of bytes of the rows that Next has not returned.
func (r *Rows) Size() int { return len(r.raw) - r.at }

// Err returns ErrCorrupt if the block ended inside a row.
func (r *Rows) Err() error { return r.err }
