package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/cairnstream/cairn/state/segment"
)

const (
	// Segments up to this size are fetched whole, in one request.
	wholeObject = 1 << 20
	// The end of a larger one holds its footer and, of all but the very
	// largest, its index.
	tailSize = 64 << 10
	// Pieces of larger segments. One request to S3 takes some 30 ms
	// whatever it fetches, so large pieces for large segments; two are in
	// RAM for each segment being read, so not larger than needed.
	minPiece, maxPiece = 1 << 20, 8 << 20
)

// object reads a stored segment piece by piece and fetches the next piece
// while one is used. It is for one goroutine.
type object struct {
	ctx   context.Context
	store blob.Store
	ref   manifest.Segment
	piece int64

	tail  []byte
	at    int64 // number of the piece in data
	data  []byte
	ahead chan fetched // the piece after it; nil when none was asked for

	sum    hash.Hash // of the pieces so far, while they came in turn
	summed int64
}

type fetched struct {
	data []byte
	err  error
}

// openSegment opens the segment that ref names. One that is fetched whole is
// compared with the SHA-256 of ref at once, a larger one by finish.
func openSegment(ctx context.Context, store blob.Store, ref manifest.Segment) (*segment.Reader, *object, error) {
	if ref.Bytes <= wholeObject {
		data, _, err := store.Get(ctx, ref.Key)
		if err != nil {
			return nil, nil, err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != ref.SHA256 {
			return nil, nil, mismatch(ref)
		}
		r, err := segment.Open(bytes.NewReader(data), int64(len(data)))
		return r, nil, failedSegment(ref, err)
	}
	tail, err := store.GetRange(ctx, ref.Key, ref.Bytes-tailSize, tailSize)
	if err != nil {
		return nil, nil, err
	}
	o := &object{ctx: ctx, store: store, ref: ref, piece: min(max(ref.Bytes/64, minPiece), maxPiece), tail: tail, at: math.MinInt64, sum: sha256.New()}
	r, err := segment.Open(o, ref.Bytes)
	return r, o, failedSegment(ref, err)
}

func failedSegment(ref manifest.Segment, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", ref.Key, err)
}

func mismatch(ref manifest.Segment) error {
	return fmt.Errorf("%s: %w: its SHA-256 is not the one in the manifest", ref.Key, segment.ErrCorrupt)
}

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= o.ref.Bytes {
		return 0, io.EOF
	}
	if start := o.ref.Bytes - int64(len(o.tail)); off >= start {
		n = copy(p, o.tail[off-start:])
	}
	for n < len(p) && off+int64(n) < o.ref.Bytes {
		at := off + int64(n)
		if err := o.load(at / o.piece); err != nil {
			return n, err
		}
		n += copy(p[n:], o.data[at%o.piece:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// load makes the given piece the current one.
func (o *object) load(number int64) error {
	if number == o.at {
		return nil
	}
	var f fetched
	if o.ahead != nil && number == o.at+1 {
		f = <-o.ahead
	} else {
		f = o.fetch(number)
	}
	o.ahead = nil
	if f.err != nil {
		o.at = math.MinInt64
		return f.err
	}
	inTurn := number == o.at+1 || number == 0
	o.at, o.data = number, f.data
	if number == o.summed {
		o.sum.Write(f.data)
		o.summed++
	}
	if inTurn && (number+1)*o.piece < o.ref.Bytes {
		ahead := make(chan fetched, 1)
		go func() { ahead <- o.fetch(number + 1) }()
		o.ahead = ahead
	}
	return nil
}

func (o *object) fetch(number int64) fetched {
	off := number * o.piece
	data, err := o.store.GetRange(o.ctx, o.ref.Key, off, min(o.piece, o.ref.Bytes-off))
	return fetched{data, err}
}

// finish reads what is left and compares the SHA-256, if all of the object was
// read in turn so far.
func (o *object) finish() error {
	if o.summed == 0 {
		return nil
	}
	for o.summed*o.piece < o.ref.Bytes {
		if err := o.load(o.summed); err != nil {
			return err
		}
	}
	if hex.EncodeToString(o.sum.Sum(nil)) != o.ref.SHA256 {
		return mismatch(o.ref)
	}
	return nil
}
