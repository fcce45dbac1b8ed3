package parquetcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Decoders of the few encodings that Cairn writes. All values become byte strings in the form of PLAIN without length,
// which is also the form of bounds: text as it is, numbers little endian, booleans one byte.
// https://parquet.apache.org/docs/file-format/data-pages/encodings/

var errShort = errors.New("page ends inside a value")

// width is the size of one plain value in bytes; 0 for text.
func (p physical) width() int {
	switch p {
	case typeInt32:
		return 4
	case typeInt64, typeDouble:
		return 8
	}
	return 0
}

// plain decodes n values and returns them with what is left of data.
func plain(kind physical, data []byte, n int) ([][]byte, []byte, error) {
	if kind == typeBoolean {
		return plainBooleans(data, n)
	}
	out := make([][]byte, n)
	for i := range out {
		width := kind.width()
		if kind == typeBytes {
			if len(data) < 4 {
				return nil, nil, errShort
			}
			width = int(binary.LittleEndian.Uint32(data))
			data = data[4:]
		}
		if width > len(data) {
			return nil, nil, errShort
		}
		out[i], data = data[:width], data[width:]
	}
	return out, data, nil
}

func plainBooleans(data []byte, n int) ([][]byte, []byte, error) {
	if len(data) < (n+7)/8 {
		return nil, nil, errShort
	}
	out, values := make([][]byte, n), [2][]byte{{0}, {1}}
	for i := range out {
		out[i] = values[data[i/8]>>(i%8)&1]
	}
	return out, data[(n+7)/8:], nil
}

// hybrid decodes n numbers of the given bit width in runs of equal or bit-packed numbers (levels and dictionary indexes).
func hybrid(data []byte, width, n int) ([]uint32, error) {
	out := make([]uint32, 0, n)
	for len(out) < n {
		head, used := binary.Uvarint(data)
		if used <= 0 {
			return nil, errShort
		}
		data = data[used:]
		if head&1 == 0 {
			size := (width + 7) / 8
			if head>>1 == 0 || len(data) < size {
				return nil, errShort
			}
			var v uint32
			for i := range size {
				v |= uint32(data[i]) << (8 * i)
			}
			data = data[size:]
			for range min(int(min(head>>1, uint64(n))), n-len(out)) {
				out = append(out, v)
			}
			continue
		}
		groups := head >> 1
		if groups == 0 || groups > uint64(n/8+1) {
			return nil, fmt.Errorf("a run of %d groups where %d values are left", groups, n-len(out))
		}
		size := int(groups) * width
		if len(data) < size {
			return nil, errShort
		}
		for i := range min(int(groups)*8, n-len(out)) {
			out = append(out, uint32(unpack(data, i*width, width)))
		}
		data = data[size:]
	}
	return out, nil
}

// unpack reads width bits, at most 64, from bit position pos, least significant first.
func unpack(data []byte, pos, width int) uint64 {
	var v uint64
	for got := 0; got < width; {
		b := uint64(data[pos/8] >> (pos % 8))
		v |= b << got
		step := 8 - pos%8
		got += step
		pos += step
	}
	if width < 64 {
		v &= 1<<width - 1
	}
	return v
}

// delta decodes DELTA_BINARY_PACKED: blocks of differences, each packed in miniblocks with a bit width of their own.
func delta(kind physical, data []byte, n int) ([][]byte, error) {
	r := &thriftReader{data: data} // the same variable-length numbers
	blockSize, err1 := r.uvarint()
	miniblocks, err2 := r.uvarint()
	count, err3 := r.uvarint()
	value, err4 := r.varint()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, errShort
	}
	if count != uint64(n) || miniblocks == 0 || blockSize%128 != 0 || blockSize > 1<<16 || blockSize%miniblocks != 0 || blockSize/miniblocks%32 != 0 {
		return nil, fmt.Errorf("delta header: block of %d, %d miniblocks, %d values where the page has %d", blockSize, miniblocks, count, n)
	}
	size := int(blockSize / miniblocks)
	out := make([][]byte, 0, n)
	if n > 0 {
		out = append(out, number(kind, value))
	}
	for len(out) < n {
		least, err := r.varint()
		if err != nil {
			return nil, errShort
		}
		widths, err := r.bytes(miniblocks)
		if err != nil {
			return nil, errShort
		}
		for _, width := range widths {
			if len(out) == n {
				break // trailing miniblocks of the last block are left out
			}
			packed, err := r.bytes(uint64(size/8) * uint64(width))
			if err != nil || width > 64 {
				return nil, errShort
			}
			for i := 0; i < size && len(out) < n; i++ {
				value += least + int64(unpack(packed, i*int(width), int(width)))
				out = append(out, number(kind, value))
			}
		}
	}
	return out, nil
}

func number(kind physical, v int64) []byte {
	if kind == typeInt32 {
		return binary.LittleEndian.AppendUint32(nil, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(v))
}

// levelWidth is the number of bits of levels from 0 to top.
func levelWidth(top int) int { return bits.Len(uint(top)) }
