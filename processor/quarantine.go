package processor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"github.com/cairnstream/cairn/state/blob"
)

const (
	// rawLimit is the size up to which the bytes of a quarantined piece are kept
	// whole. A CloudTrail event has at most 256 KiB; what is larger than four of
	// them is no event, and its head tells what it is.
	rawLimit = 1 << 20
	rawHead  = 64 << 10
)

// Quarantined is one line of a quarantine object: a piece of input that could
// not be decoded, with the reason and all that is needed to try again.
type Quarantined struct {
	Reason   string    `json:"reason"`
	Error    string    `json:"error,omitempty"`
	Shard    string    `json:"shard"`
	Sequence string    `json:"sequence"`
	File     string    `json:"file,omitzero"`   // that it stood in, as it was named; "" from a stream
	Record   int       `json:"record,omitzero"` // place in the file, counted from 1
	Ordinal  int32     `json:"ordinal"`
	Arrival  time.Time `json:"arrival"`
	Raw      []byte    `json:"raw"`              // base64; the head alone when Size is greater
	Size     int       `json:"size"`             // of the whole piece, bytes
	SHA256   string    `json:"sha256,omitempty"` // of the whole piece, when Raw is only its head
}

// quarantine gathers what could not be decoded until the next commit.
type quarantine struct {
	lines bytes.Buffer
	count int64
	err   error
}

// add takes in a rejected piece. The bytes are copied: they must not keep a
// whole input file in memory.
func (q *quarantine) add(shard string, it *Item) {
	r := it.Reject
	line := Quarantined{Reason: r.Reason, Shard: shard, Sequence: it.Sequence, File: r.File, Record: r.Record, Ordinal: it.Ordinal,
		Arrival: it.Arrival, Raw: r.Raw, Size: len(r.Raw)}
	if r.Err != nil {
		line.Error = r.Err.Error()
	}
	if len(r.Raw) > rawLimit {
		sum := sha256.Sum256(r.Raw)
		line.SHA256, line.Raw = hex.EncodeToString(sum[:]), r.Raw[:rawHead]
	}
	if err := json.MarshalWrite(&q.lines, line); err != nil && q.err == nil {
		q.err = fmt.Errorf("quarantine %s: %w", it.Sequence, err)
	}
	q.lines.WriteByte('\n')
	q.count++
}

// take returns the lines since the last call as one zstd stream, nil if there
// were none.
func (q *quarantine) take() ([]byte, error) {
	if q.err != nil || q.count == 0 {
		return nil, q.err
	}
	// The tables of the default would take megabytes for a few lines.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("compress the quarantine: %w", err)
	}
	packed := z.EncodeAll(q.lines.Bytes(), nil)
	*q = quarantine{}
	return packed, nil
}

// ReadQuarantine reads the published quarantine of a lake, in the order of
// shards and checkpoints.
func ReadQuarantine(ctx context.Context, lake blob.Store) iter.Seq2[Quarantined, error] {
	return func(yield func(Quarantined, error) bool) {
		for o, err := range lake.List(ctx, "_dlq/") {
			if err != nil {
				yield(Quarantined{}, fmt.Errorf("list the quarantine: %w", err))
				return
			}
			lines, err := readLines(ctx, lake, o.Key)
			if err != nil {
				yield(Quarantined{}, fmt.Errorf("read %s: %w", o.Key, err))
				return
			}
			for _, q := range lines {
				if !yield(q, nil) {
					return
				}
			}
		}
	}
}

func readLines(ctx context.Context, lake blob.Store, key string) ([]Quarantined, error) {
	packed, _, err := lake.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	plain, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	var lines []Quarantined
	for line := range bytes.Lines(plain) {
		var q Quarantined
		if err := json.Unmarshal(line, &q); err != nil {
			return nil, err
		}
		lines = append(lines, q)
	}
	return lines, nil
}
