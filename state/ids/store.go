package ids

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// Write writes the ids of one or more hours, ascending, as the object of the
// commit that next describes, and returns the reference that next has to carry.
// The object's name has the epoch, checkpoint and writer of next, so two owners
// never write one name, and writing again is harmless.
func Write(ctx context.Context, store blob.Store, next *manifest.Manifest, hours []Hour) (manifest.Dedup, error) {
	ref := manifest.Dedup{Key: fmt.Sprintf("%sdedup/%d-%d-%s.ids",
		manifest.Prefix(next.App, next.Stream, next.Shard), next.Epoch, next.Ckpt, next.Writer)}
	upload, err := store.Create(ctx, ref.Key)
	if err != nil {
		return ref, err
	}
	defer upload.Abort()
	out := bufio.NewWriterSize(upload, 256<<10)
	e := encoder{out: out, sum: sha256.New()}
	if ref.Hours, err = e.encode(hours); err != nil {
		return ref, fmt.Errorf("write %s: %w", ref.Key, err)
	}
	if err := errors.Join(out.Flush(), ctx.Err()); err != nil {
		return ref, fmt.Errorf("write %s: %w", ref.Key, err)
	}
	if err := upload.Commit(ctx); err != nil {
		return ref, err
	}
	ref.Bytes, ref.SHA256 = e.at, hex.EncodeToString(e.sum.Sum(nil))
	return ref, nil
}

// encoder writes an object and knows how far it is.
type encoder struct {
	out io.Writer
	sum hash.Hash
	at  int64
}

func (e *encoder) write(b []byte) error {
	e.sum.Write(b)
	e.at += int64(len(b))
	_, err := e.out.Write(b)
	return err
}

func (e *encoder) encode(hours []Hour) (refs []manifest.DedupHour, err error) {
	if err := e.write(header()); err != nil {
		return nil, err
	}
	for i, h := range hours {
		if i > 0 && hours[i-1].Hour >= h.Hour {
			return nil, fmt.Errorf("hour %d comes after hour %d", h.Hour, hours[i-1].Hour)
		}
		refs = append(refs, manifest.DedupHour{Hour: h.Hour, IDs: int64(len(h.IDs)), Offset: e.at})
		if err := e.hour(h); err != nil {
			return nil, err
		}
	}
	return refs, e.write(footer(len(hours)))
}

func (e *encoder) hour(h Hour) error {
	if len(h.IDs) > math.MaxUint32 {
		return fmt.Errorf("hour %d has %d ids", h.Hour, len(h.IDs))
	}
	head := hourHead(h.Hour, len(h.IDs))
	sum := crc32.Checksum(head, castagnoli)
	if err := e.write(head); err != nil {
		return err
	}
	for i := range h.IDs {
		id := h.IDs[i][:]
		if i > 0 && bytes.Compare(h.IDs[i-1][:], id) >= 0 {
			return fmt.Errorf("ids %d and %d of hour %d are out of order", i-1, i, h.Hour)
		}
		sum = crc32.Update(sum, castagnoli, id)
		if err := e.write(id); err != nil {
			return err
		}
	}
	return e.write(binary.LittleEndian.AppendUint32(nil, sum))
}

// ReadHour reads one hour of the object that ref names. It fetches nothing
// else, and verifies what it fetched.
func ReadHour(ctx context.Context, store blob.Store, ref manifest.Dedup, h manifest.DedupHour) (Set, error) {
	size := sectionSize(h.IDs)
	if h.IDs < 0 || h.Offset < int64(headSize) || h.Offset+size > ref.Bytes {
		return Set{}, fmt.Errorf("%s: %w: the manifest places hour %d outside of the object", ref.Key, ErrCorrupt, h.Hour)
	}
	data, err := store.GetRange(ctx, ref.Key, h.Offset, size)
	if err != nil {
		return Set{}, err
	}
	hour, set, err := parseHour(data)
	if err != nil {
		return Set{}, fmt.Errorf("%s: %w", ref.Key, err)
	}
	if hour != h.Hour || int64(set.Len()) != h.IDs {
		return Set{}, fmt.Errorf("%s: %w: it has hour %d with %d ids where the manifest says hour %d with %d",
			ref.Key, ErrCorrupt, hour, set.Len(), h.Hour, h.IDs)
	}
	return set, nil
}

// Verify reads the whole object that ref names and holds it against ref.
func Verify(ctx context.Context, store blob.Store, ref manifest.Dedup) error {
	data, _, err := store.Get(ctx, ref.Key)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != ref.SHA256 || int64(len(data)) != ref.Bytes {
		return fmt.Errorf("%s: %w: its SHA-256 is not the one in the manifest", ref.Key, ErrCorrupt)
	}
	hours, _, err := Decode(data)
	if err != nil {
		return fmt.Errorf("%s: %w", ref.Key, err)
	}
	for _, h := range ref.Hours { // hours behind the horizon may be gone from ref
		if int64(hours[h.Hour].Len()) != h.IDs {
			return fmt.Errorf("%s: %w: hour %d has %d ids, the manifest says %d", ref.Key, ErrCorrupt, h.Hour, hours[h.Hour].Len(), h.IDs)
		}
	}
	return nil
}
