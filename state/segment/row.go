// Package segment reads and writes state segments: immutable, sorted,
// checksummed files of rows, one row per key. A segment holds what one or many
// commits changed in the state of a shard (delta, merged), or the whole of it
// (base). The format is described in state/FORMAT.md.
package segment

// Row is one row of state, or its removal.
type Row struct {
	Key     []byte
	Value   []byte // nil when Deleted
	Deleted bool
}

// Limits of a row. MaxKey leaves room below the 65,000 bytes that Badger
// takes; MaxValue is the largest value of state.
const (
	MaxKey   = 60_000    // bytes
	MaxValue = 512 << 10 // bytes
)
