package forward

import (
	"crypto/md5"
	"encoding/binary"
)

// The wire format of an aggregate is told in processor/cloudtrail/kpl.go, where
// it is read. Here an aggregate has one partition key, so the table of keys has
// one entry and each record names entry 0.
const (
	magic     = "\xf3\x89\x9a\xc2"
	tagKey    = 1<<3 | 2 // partition_key_table, bytes
	tagRecord = 3<<3 | 2 // records, message
	tagIndex  = 1 << 3   // partition_key_index, varint
	tagData   = 3<<3 | 2 // data, bytes
)

const (
	// firstBuffer is the first size of an aggregate's buffer: most accounts are quiet.
	firstBuffer = 4 << 10
	// growBuffer is the size behind which a buffer is made as large as an aggregate
	// gets: such an account is busy.
	growBuffer = 64 << 10
)

// aggregate is one record of the stream that is being filled.
type aggregate struct {
	buf    []byte // magic and message so far
	pieces int
}

// newAggregate begins an aggregate. The key is at most 256 bytes long.
func newAggregate(key string, size int) *aggregate {
	buf := make([]byte, 0, max(firstBuffer, overhead(key, size)+size))
	buf = append(buf, magic...)
	buf = append(buf, tagKey)
	buf = binary.AppendUvarint(buf, uint64(len(key)))
	return &aggregate{buf: append(buf, key...)}
}

// add appends one piece.
func (a *aggregate) add(data []byte) {
	inner := 3 + uvarintLen(len(data)) + len(data)
	if need := a.sizeWith(len(data)); need > cap(a.buf) && need > growBuffer {
		a.buf = append(make([]byte, 0, max(need, aggregateBytes)), a.buf...)
	}
	a.buf = append(a.buf, tagRecord)
	a.buf = binary.AppendUvarint(a.buf, uint64(inner))
	a.buf = append(a.buf, tagIndex, 0, tagData)
	a.buf = binary.AppendUvarint(a.buf, uint64(len(data)))
	a.buf = append(a.buf, data...)
	a.pieces++
}

// sizeWith is how many bytes the aggregate takes with a further piece of n bytes.
func (a *aggregate) sizeWith(n int) int { return len(a.buf) + partSize(n) + md5.Size }

// size is how many bytes the aggregate takes.
func (a *aggregate) size() int { return len(a.buf) + md5.Size }

// close completes the aggregate and returns it.
func (a *aggregate) close() []byte {
	sum := md5.Sum(a.buf[len(magic):])
	return append(a.buf, sum[:]...)
}

// partSize is what a piece of n bytes takes in an aggregate.
func partSize(n int) int {
	inner := 3 + uvarintLen(n) + n
	return 1 + uvarintLen(inner) + inner
}

// overhead is what an aggregate with that key and one piece of n bytes takes
// beside the piece.
func overhead(key string, n int) int {
	return len(magic) + 1 + uvarintLen(len(key)) + len(key) + partSize(n) - n + md5.Size
}

func uvarintLen(n int) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}
