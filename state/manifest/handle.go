package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cairnstream/cairn/state/blob"
)

var (
	// ErrFenced means that another owner has written the manifest: the
	// shard must be stopped at once, without another write, publication or
	// alert, and its local directory deleted.
	ErrFenced = errors.New("fenced: another owner has taken over the shard")
	// ErrUnresolved means that it is not known whether the last write
	// landed, or that it did not for too long. The shard must be stopped;
	// the next owner finds out.
	ErrUnresolved = errors.New("manifest write is unresolved")
)

const (
	// A write that did not land is repeated for this long. Longer outages
	// are the next owner's: an owner that cannot commit should let go.
	repeatFor = 30 * time.Second

	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// Handle is a manifest and the etag under which it was last seen. It is the
// only way to write one. It is not safe for concurrent use.
type Handle struct {
	store   blob.Store
	key     string
	etag    string
	current *Manifest // nil in a handle that Create is about to fill
	dead    error     // why nothing may be written any more
}

// ReadManifest reads the manifest at key, to look at it only.
func ReadManifest(ctx context.Context, store blob.Store, key string) (*Manifest, error) {
	h, err := Open(ctx, store, key)
	if err != nil {
		return nil, err
	}
	return h.current, nil
}

// Open reads the manifest at key. An absent one is blob.ErrNotFound.
func Open(ctx context.Context, store blob.Store, key string) (*Handle, error) {
	data, etag, err := store.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	return &Handle{store: store, key: key, etag: etag, current: m}, nil
}

// Create writes the first manifest of a shard. If another one is there already
// the error is ErrFenced: its owner was faster.
func Create(ctx context.Context, store blob.Store, key string, first *Manifest) (*Handle, error) {
	if err := first.Check(); err != nil {
		return nil, err
	}
	h := &Handle{store: store, key: key}
	if err := h.write(ctx, first); err != nil {
		return nil, err
	}
	return h, nil
}

// Current is the manifest as last read or written. It must not be changed:
// use Clone to make the next one.
func (h *Handle) Current() *Manifest { return h.current }

// Key is the manifest's key in its store.
func (h *Handle) Key() string { return h.key }

// TakeOver makes writer the owner: it raises the epoch and leaves the rest as
// it is. After success no earlier owner can commit. now is for people.
func (h *Handle) TakeOver(ctx context.Context, writer string, now time.Time) error {
	next := h.current.Clone()
	next.Epoch++
	next.Writer = writer
	next.Committed = now.UTC()
	return h.commit(ctx, next)
}

// Commit replaces the manifest by next, if nobody else has replaced it since.
// next must have the epoch and writer of Current: ownership is taken by
// TakeOver only.
//
// An error other than ErrInvalid and ErrIdentity, which are found before
// anything is written, is the end of the handle. With ErrUnresolved the commit
// may have landed or may still land. ctx should end when the lease is lost;
// until then an unanswered write is read back again and again.
func (h *Handle) Commit(ctx context.Context, next *Manifest) error {
	if next.Epoch != h.current.Epoch || next.Writer != h.current.Writer {
		return invalid("commit as epoch %d, writer %s by the owner of epoch %d, writer %s",
			next.Epoch, next.Writer, h.current.Epoch, h.current.Writer)
	}
	return h.commit(ctx, next)
}

func (h *Handle) commit(ctx context.Context, next *Manifest) error {
	if h.dead != nil {
		return fmt.Errorf("commit %s: %w", h.key, h.dead)
	}
	if err := h.current.CheckNext(next); err != nil {
		return err
	}
	return h.write(ctx, next)
}

// write puts next and makes it current, or marks the handle dead.
func (h *Handle) write(ctx context.Context, next *Manifest) error {
	data, err := Encode(next)
	if err != nil {
		return err
	}
	etag, err := h.put(ctx, data)
	if err != nil {
		h.dead = err
		return fmt.Errorf("commit %s, checkpoint %d, epoch %d: %w", h.key, next.Ckpt, next.Epoch, err)
	}
	m, err := Decode(data)
	if err != nil {
		h.dead = err
		return err
	}
	h.etag, h.current = etag, m
	return nil
}

// put writes data and, unless the store says clearly that it did, reads back
// what became of it. A refusal is no clear answer either: something on the way
// may have sent the request twice, and then it is our own success that the
// second one met.
func (h *Handle) put(ctx context.Context, data []byte) (etag string, err error) {
	etag, err = h.store.PutIf(ctx, h.key, data, h.etag)
	if err == nil {
		return etag, nil
	}
	repeat, cancel := context.WithTimeout(ctx, repeatFor)
	defer cancel()
	pause := backoff{}
	for {
		etag, landed, readErr := h.readBack(ctx, data)
		if readErr != nil {
			return "", fmt.Errorf("%w (the write said: %w)", readErr, err)
		}
		if landed {
			return etag, nil
		}
		if pause.wait(repeat) != nil {
			return "", fmt.Errorf("%w: it did not land in %v: %w", ErrUnresolved, repeatFor, err)
		}
		if etag, err = h.store.PutIf(ctx, h.key, data, h.etag); err == nil {
			return etag, nil
		}
	}
}

// readBack finds out what became of a write of data over h.etag. It asks until
// the store answers or ctx ends.
func (h *Handle) readBack(ctx context.Context, data []byte) (etag string, landed bool, err error) {
	pause := backoff{}
	for {
		found, etag, err := h.store.Get(ctx, h.key)
		switch {
		case err == nil && etag == h.etag:
			return "", false, nil
		case err == nil && bytes.Equal(found, data):
			// Stricter than comparing writer, epoch, checkpoint and
			// closed: a late copy of an earlier attempt with other
			// bytes must never pass for this one.
			return etag, true, nil
		case err == nil:
			return "", false, h.fenced(found)
		case errors.Is(err, blob.ErrNotFound) && h.etag == "":
			return "", false, nil
		case errors.Is(err, blob.ErrNotFound):
			return "", false, fmt.Errorf("%w: the manifest was deleted", ErrFenced)
		}
		if waitErr := pause.wait(ctx); waitErr != nil {
			return "", false, fmt.Errorf("%w: %w: %w", ErrUnresolved, waitErr, err)
		}
	}
}

func (h *Handle) fenced(found []byte) error {
	m, err := Decode(found)
	if err != nil {
		return fmt.Errorf("%w: what it wrote cannot be read: %w", ErrFenced, err)
	}
	return fmt.Errorf("%w: found epoch %d, writer %s, checkpoint %d", ErrFenced, m.Epoch, m.Writer, m.Ckpt)
}

// backoff waits longer each time, without chance: two owners do not wait for
// each other here, so there is no herd to spread.
type backoff struct{ next time.Duration }

func (b *backoff) wait(ctx context.Context) error {
	b.next = min(max(2*b.next, firstBackoff), lastBackoff)
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
