// Package manifest holds the commit record of a shard: one JSON object that
// names everything the shard's state consists of. What it does not name does
// not exist. It is written by compare-and-swap only, so writing it is the
// commit, and raising its epoch shuts an earlier owner out.
//
// Handle is the way to write it; ReadManifest is for those who only look.
package manifest

import (
	"encoding"
	"fmt"
	"strconv"
	"time"
)

// Format is the number this package writes. Higher ones are refused.
const Format = 1

// MaxBytes is the largest manifest. A manifest is a list of references and has
// 5 to 20 KiB; one above this limit is a bug, and is neither written nor read.
const MaxBytes = 1 << 20

// The name of the manifest below the shard's folder.
const name = "MANIFEST"

// Prefix returns the folder of a shard's objects in the state store, with a
// slash at its end.
func Prefix(app, stream, shard string) string { return app + "/" + stream + "/" + shard + "/" }

// Key returns the key of a shard's manifest.
func Key(app, stream, shard string) string { return Prefix(app, stream, shard) + name }

// Manifest is the state of a shard as of one commit. Times are UTC.
type Manifest struct {
	Format    int       `json:"format"`
	App       string    `json:"app"`
	Stream    string    `json:"stream"`
	Shard     string    `json:"shard"`
	HashRange [2]string `json:"hashRange"` // decimal, both ends included
	// Source is the stream's ARN and creation time, or the digest of a
	// replay's input: a stream made again under its old name is another.
	Source  string   `json:"source"`
	Parents []Parent `json:"parents,omitempty"`

	Epoch  int64  `json:"epoch"`  // raised by one by each owner
	Writer string `json:"writer"` // 16 hex digits, random, of the owner's process
	Ckpt   int64  `json:"ckpt"`   // number of the commit

	Seq       string    `json:"seq"` // last record that is wholly included; decimal, empty before the first
	Arrival   time.Time `json:"arrival,omitzero"`
	Watermark time.Time `json:"watermark,omitzero"`
	Newest    time.Time `json:"newest,omitzero"` // newest event time; one ahead of its arrival counts as its arrival
	Counts    Counts    `json:"counts"`

	Segments  []Segment `json:"segments,omitempty"` // in the order in which they apply
	StateRows int64     `json:"stateRows"`
	StateHash *Hash     `json:"stateHash"` // null until a child's first restore

	Dedup   []Dedup         `json:"dedup,omitempty"`
	RowLogs []RowLog        `json:"rowLogs,omitempty"`
	Cut     map[string]Mark `json:"cut,omitempty"`    // table: a roll is due up to here
	Rolled  map[string]Mark `json:"rolled,omitempty"` // table: rows up to here are in files
	Pending []Pending       `json:"pending,omitempty"`
	// Open is what was done since the last cut, Rolling what lies between the
	// last two cuts while Cut is above Rolled, and Reports tells of rolls whose
	// row in the table progress is in no file yet.
	Open    Extent   `json:"open,omitzero"`
	Rolling *Extent  `json:"rolling,omitempty"`
	Reports []Report `json:"reports,omitempty"`

	Outbox    int64       `json:"outbox,omitempty"` // alerts in the state that are not known to be delivered
	Snapshots []Snapshots `json:"snapshots,omitempty"`
	Gaps      []Gap       `json:"gaps,omitempty"` // the newest; the table progress has all

	Closed    bool      `json:"closed"` // the shard has ended and all of it is published
	Config    Config    `json:"config"`
	Committed time.Time `json:"committed,omitzero"`
}

// Parent names the shard that this one was split or merged from.
type Parent struct {
	Shard string `json:"shard"`
	Ckpt  int64  `json:"ckpt"`
}

// Which rows outside of the hash order a segment contributes.
const (
	WholeAll = "all" // all of them
	WholeIDs = "ids" // event ids only: the upper child of a split
)

// Segment refers to a state segment.
type Segment struct {
	Key  string `json:"key"`
	Kind string `json:"kind"` // "delta", "merged", "base"
	// From and To are the first and last checkpoint that the segment
	// covers, 0 and 0 for an inherited one.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Lo and Hi are the hash range to use of it, decimal, both included;
	// empty for the whole.
	Lo     string `json:"lo,omitempty"`
	Hi     string `json:"hi,omitempty"`
	X      string `json:"x"` // WholeAll or WholeIDs
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of the whole object, hex
}

// Dedup refers to an object of event ids, packed by hour.
type Dedup struct {
	Key    string      `json:"key"`
	Hours  []DedupHour `json:"hours"`
	Bytes  int64       `json:"bytes"`
	SHA256 string      `json:"sha256"`
}

// DedupHour is one hour inside of a Dedup object.
type DedupHour struct {
	Hour   int64 `json:"hour"` // hours since 1970
	IDs    int64 `json:"ids"`
	Offset int64 `json:"offset"` // bytes
}

// RowLog refers to the rows of one commit that are in no file yet.
type RowLog struct {
	Key    string               `json:"key"`
	Ckpt   int64                `json:"ckpt"`
	At     time.Time            `json:"at"`
	Bytes  int64                `json:"bytes"`
	SHA256 string               `json:"sha256"`
	Tables map[string]TableSize `json:"tables"`
}

// TableSize is the share of one table in a row log.
type TableSize struct {
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"` // before compression
}

// Extent is what a shard did between two cuts. Sequence numbers are decimal,
// empty and zero values mean that there was nothing.
type Extent struct {
	First  string    `json:"first,omitempty"` // first and last record
	Last   string    `json:"last,omitempty"`
	From   []Reach   `json:"from,omitempty"` // where the watermark began
	To     time.Time `json:"to,omitzero"`    // where it ended
	Counts Counts    `json:"counts,omitzero"`

	FirstEvent   time.Time `json:"firstEvent,omitzero"`
	LastEvent    time.Time `json:"lastEvent,omitzero"`
	FirstArrival time.Time `json:"firstArrival,omitzero"`
	LastArrival  time.Time `json:"lastArrival,omitzero"`

	Gaps  []Gap     `json:"gaps,omitempty"`
	Since time.Time `json:"since,omitzero"` // when its first row was committed, by the owner's clock
}

// Reach is a watermark and the part of the whole hash range that had it: a
// merged shard begins with one for each of its parents.
type Reach struct {
	Share     float64   `json:"share"`
	Watermark time.Time `json:"watermark,omitzero"`
}

// Report is a roll of one table, or a snapshot, that the table progress has to
// tell of.
type Report struct {
	Table    string   `json:"table"`
	Snapshot string   `json:"snapshot,omitempty"`
	Share    float64  `json:"share,omitempty"` // of a snapshot that is a part of the shard's
	Ckpt     int64    `json:"ckpt"`
	Epoch    int64    `json:"epoch"`
	Extent   Extent   `json:"extent"`
	Rows     int64    `json:"rows"`
	Bytes    int64    `json:"bytes"`
	Files    []string `json:"files,omitempty"`
}

// Mark is a place in the sequence of checkpoints, and the measured size of a
// row in the table's files, from which the next file's size is estimated.
type Mark struct {
	Ckpt        int64   `json:"ckpt"`
	BytesPerRow float64 `json:"bytesPerRow,omitempty"`
}

// Pending is a staged file that has to be published.
type Pending struct {
	Stage  string `json:"stage"`
	Final  string `json:"final"`
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Snapshots is the progress of inventory snapshots in one hash range.
type Snapshots struct {
	Lo      string    `json:"lo"`
	Hi      string    `json:"hi"`
	Through time.Time `json:"through,omitzero"` // newest snapshot written
}

// Gap is input that was lost before it could be read.
type Gap struct {
	From     string    `json:"from"` // sequence numbers on both sides
	To       string    `json:"to"`
	FromTime time.Time `json:"fromTime,omitzero"`
	ToTime   time.Time `json:"toTime,omitzero"`
	Reason   string    `json:"reason"`
}

// Config tells people what made the commit.
type Config struct {
	Version string `json:"version"`
	Rules   string `json:"rules"` // hash of the rule set
	// Accounts is the digest of the accounts file, "" without one.
	Accounts string `json:"accounts,omitempty"`
	// Lateness is how far the watermark stayed behind arrival, as 20m0s; "" in a
	// manifest of a version that did not note it.
	Lateness string `json:"lateness,omitempty"`
}

// Hash is a state hash, written as 16 hex digits: JSON numbers have 53 bits.
type Hash uint64

var (
	_ encoding.TextMarshaler   = Hash(0)
	_ encoding.TextUnmarshaler = (*Hash)(nil)
)

// MarshalText writes 16 hex digits.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText reads 16 hex digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 16 {
		return fmt.Errorf("state hash %q: want 16 hex digits", text)
	}
	v, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return fmt.Errorf("state hash %q: %w", text, err)
	}
	*h = Hash(v)
	return nil
}
