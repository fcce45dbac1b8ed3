package parquetcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Bloom filters are split into blocks of 32 bytes, eight words; a value sets one bit in each word of one block.
// https://github.com/apache/parquet-format/blob/master/BloomFilter.md

const blockBytes = 32

// salts spread the lower half of a hash over the words of its block; the numbers are part of the format.
var salts = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// bloomHas says whether the filter may hold a value.
func bloomHas(filter, value []byte) bool {
	h := xxhash.Sum64(value)
	block := (h >> 32) * uint64(len(filter)/blockBytes) >> 32
	words := filter[block*blockBytes:]
	for i, salt := range salts {
		if bit := uint32(h) * salt >> 27; binary.LittleEndian.Uint32(words[4*i:])>>bit&1 == 0 {
			return false
		}
	}
	return true
}

// checkFilters wants filters on exactly the columns of the table, on text only, and every value found. A chunk without a value may do without.
func (c *checker) checkFilters(where string, g *rowGroup, columns []*column, want []string) {
	for i, leaf := range c.leaves {
		has := g.chunks[i].meta.has(14)
		empty := columns[i] != nil && columns[i].nulls() == columns[i].slots()
		if wanted := slices.Contains(want, leaf.dotted()); want != nil && has != wanted && (has || !empty) {
			c.fail("bloom filters", "%s, %s: has a filter: %v, want %v", where, leaf.dotted(), has, wanted)
		}
		if !has {
			continue
		}
		if leaf.kind != typeBytes {
			c.fail("bloom filters", "%s, %s: a filter on a column that is not text", where, leaf.dotted())
			continue
		}
		if columns[i] != nil {
			c.checkFilter(where+", "+leaf.dotted(), columns[i])
		}
	}
}

func (c *checker) checkFilter(where string, col *column) {
	filter, err := c.readFilter(col.chunk)
	if err != nil {
		c.fail("bloom filters", "%s: %v", where, err)
		return
	}
	missing := 0
	for _, p := range col.pages {
		for _, v := range p.values {
			if !bloomHas(filter, v) {
				missing++
			}
		}
	}
	if missing > 0 {
		c.fail("bloom filters", "%s: %d values are not in the filter", where, missing)
	}
}

// maxFilterBytes is what Trino is willing to read.
const maxFilterBytes = 128 << 20

func (c *checker) readFilter(ch *chunk) ([]byte, error) {
	offset := ch.meta.int(14)
	head := make([]byte, 64) // the header takes about 20 bytes
	if offset <= 0 || offset >= c.size {
		return nil, fmt.Errorf("filter at %d is outside the file", offset)
	}
	head = head[:min(int64(len(head)), c.size-offset)]
	if _, err := c.file.ReadAt(head, offset); err != nil {
		return nil, err
	}
	header, used, err := parseObject(head)
	if err != nil {
		return nil, fmt.Errorf("filter's header: %w", err)
	}
	n := header.int(1)
	if n <= 0 || n%blockBytes != 0 || n > maxFilterBytes || offset+int64(used)+n > c.size {
		return nil, fmt.Errorf("filter of %d bytes", n)
	}
	if !header.object(2).has(1) || !header.object(3).has(1) || !header.object(4).has(1) {
		return nil, errors.New("filter is not of split blocks with XXH64, uncompressed")
	}
	if length := ch.meta.int(15); ch.meta.has(15) && length != int64(used)+n {
		return nil, fmt.Errorf("filter takes %d bytes, the metadata says %d", int64(used)+n, length)
	}
	filter := make([]byte, n)
	_, err = c.file.ReadAt(filter, offset+int64(used))
	return filter, err
}
