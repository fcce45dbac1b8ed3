// Package key builds and takes apart the keys of a shard's state.
//
// The byte order of keys is their logical order: first the space (keyed rows
// before rows of the shard as a whole), then the hash of the partition key,
// then the type of the row, then the parts of the rest from left to right.
// Because the hash is the one by which Kinesis places records, the state of a
// shard is a range of keys, and a split of the shard is a cut of that range.
//
//	'K' | first 8 bytes of md5(partition key) | type | rest
//	'X' | type | rest
//
// The rest is made of parts that compare like the values they stand for:
// AppendString, AppendUint64, AppendInt64, AppendTime. A reader needs to know
// the parts of a type to take them apart again; they carry no tags.
package key

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
)

// FormatVersion is the number of the key layout. Another layout needs another
// number, in the manifest's format.
const FormatVersion = 1

// The two spaces: the first byte of each key.
const (
	// SpaceKeyed holds the rows that belong to one partition key.
	SpaceKeyed byte = 'K'
	// SpaceWhole holds the rows of the shard as a whole, and the rows of
	// records whose hash lies outside of the shard's range.
	SpaceWhole byte = 'X'
)

// The types of rows. What a row holds is its owner's business.
const (
	Aggregate byte = 'A' // open window: rule, state hash of the rule, window start, group key
	Baseline  byte = 'B' // learned threshold or first-seen: rule, state hash of the rule, group key
	Identity  byte = 'C' // identity entry: who a credential or a session is
	Dedup     byte = 'D' // event id, in SpaceWhole only
	Finding   byte = 'F' // findings about a resource that are not resolved
	Inventory byte = 'I' // resource
	Name      byte = 'N' // resource name to id
	Outbox    byte = 'O' // alert not yet sent
	PreImage  byte = 'P' // resource as it was for a snapshot
	Retired   byte = 'R' // since when a rule is gone whose rows are still there, in SpaceWhole only
)

// Hash is the first 8 bytes of the MD5 of a partition key: the place of the
// key in the stream, cut to 64 bits.
type Hash [8]byte

// HashOf returns the hash of a partition key.
func HashOf(partitionKey string) Hash {
	sum := md5.Sum([]byte(partitionKey))
	return Hash(sum[:8])
}

// Uint64 returns the hash as a number; it orders as the bytes do.
func (h Hash) Uint64() uint64 { return binary.BigEndian.Uint64(h[:]) }

// Keyed returns the key of a row of one partition key; with no rest, the
// prefix of all rows of this type and partition key. The parts of rest are
// joined as they are.
func Keyed(h Hash, kind byte, rest ...[]byte) []byte {
	return join(AppendKeyed(make([]byte, 0, 2+len(h)+length(rest)), h, kind), rest)
}

// AppendKeyed appends how the keys of a type and partition key begin.
func AppendKeyed(k []byte, h Hash, kind byte) []byte {
	return append(append(append(k, SpaceKeyed), h[:]...), kind)
}

// AppendWhole appends how the keys of a type of the shard as a whole begin.
func AppendWhole(k []byte, kind byte) []byte { return append(k, SpaceWhole, kind) }

// Whole returns the key of a row of the shard as a whole; with no rest, the
// prefix of all such rows of this type.
func Whole(kind byte, rest ...[]byte) []byte {
	return join(AppendWhole(make([]byte, 0, 2+length(rest)), kind), rest)
}

func length(parts [][]byte) (n int) {
	for _, p := range parts {
		n += len(p)
	}
	return n
}

func join(k []byte, parts [][]byte) []byte {
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

// Parts is a key taken apart. Rest aliases the key.
type Parts struct {
	Space byte
	Hash  Hash // zero in SpaceWhole
	Kind  byte
	Rest  []byte
}

// Parse takes a key apart.
func Parse(k []byte) (Parts, error) {
	switch {
	case len(k) >= 10 && k[0] == SpaceKeyed:
		return Parts{Space: SpaceKeyed, Hash: Hash(k[1:9]), Kind: k[9], Rest: k[10:]}, nil
	case len(k) >= 2 && k[0] == SpaceWhole:
		return Parts{Space: SpaceWhole, Kind: k[1], Rest: k[2:]}, nil
	}
	return Parts{}, fmt.Errorf("state key %q: neither keyed nor whole", k)
}

// IsDedup tells whether the key is that of an event id. Those rows are in
// segments and in RAM only, and do not count in a state hash.
func IsDedup(k []byte) bool {
	return len(k) >= 2 && k[0] == SpaceWhole && k[1] == Dedup
}

// PrefixEnd returns the first key after all keys with this prefix, nil when
// there is none.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// ErrTruncated means that a key ended inside of a part.
var ErrTruncated = errors.New("state key ends inside of a part")
