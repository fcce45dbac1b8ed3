package state

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// rowHash is the share of one row in the state hash: xxhash64 over the key's
// length (8 bytes, little-endian), the key and the value. The state hash is
// the sum of the shares modulo 2^64, so it does not depend on order and can be
// kept up to date with each put and delete.
func rowHash(key, value []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(key)))
	_, _ = d.Write(length[:])
	_, _ = d.Write(key)
	_, _ = d.Write(value)
	return d.Sum64()
}

// Totals are the number of rows and the state hash, both without event ids.
type Totals struct {
	Rows int64
	Hash uint64
}

func (t *Totals) add(sum uint64)    { t.Rows++; t.Hash += sum }
func (t *Totals) remove(sum uint64) { t.Rows--; t.Hash -= sum }
