// Package blob keeps objects under slash-separated keys in a directory or in
// an S3 bucket, with the few operations that a commit needs: whole and ranged
// reads, atomic writes, compare-and-swap, and publication of staged objects.
//
// Both stores promise read-after-write. An object is whole or absent, never
// partly there. What may be retried blindly and what may not:
//
//   - Get, GetRange, Open, List, Delete and Publish are idempotent.
//   - Put and Upload.Commit of the same bytes are idempotent.
//   - PutIf is not: an error other than ErrExists and ErrChanged means that
//     the write may or may not have happened, and only reading tells.
//     Even these two can be the answer to one's own write when something
//     between here and the store repeated the request; package manifest
//     resolves both.
//
// The directory store is for one host and a local file system; it relies on
// flock, rename and fsync. Network file systems are not supported.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"time"
)

// The errors that callers tell apart; each is wrapped with the operation and
// the key. All other errors are the store's own.
var (
	// ErrNotFound means that the store answered and has no such object.
	ErrNotFound = errors.New("object not found")
	// ErrExists means that PutIf wanted the object to be absent and it is not.
	ErrExists = errors.New("object exists already")
	// ErrChanged means that PutIf found another etag than the expected one,
	// or no object at all.
	ErrChanged = errors.New("object changed")
)

// Object describes one stored object.
type Object struct {
	Key      string
	Size     int64     // bytes
	Modified time.Time // the store's clock, UTC
}

// Store is a set of objects. All methods may be called concurrently.
//
// A key is a relative slash-separated path without empty, "." or ".."
// elements. A key must not be a proper path prefix of another one: a directory
// cannot hold both "a" and "a/b".
type Store interface {
	// Get returns the object's bytes and its etag: an opaque text that
	// differs when the bytes do.
	Get(ctx context.Context, key string) (data []byte, etag string, err error)
	// GetRange returns n bytes from offset off; fewer are an error.
	GetRange(ctx context.Context, key string, off, n int64) ([]byte, error)
	// Open returns a stream of the object's bytes. The caller closes it.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Put writes the object whatever was there before.
	Put(ctx context.Context, key string, data []byte) (etag string, err error)
	// PutIf writes the object if its etag is the given one, or, with the
	// empty etag, if it is absent. Of several concurrent calls with one
	// etag exactly one succeeds.
	PutIf(ctx context.Context, key string, data []byte, etag string) (newETag string, err error)
	// Create begins an object of unknown size.
	Create(ctx context.Context, key string) (Upload, error)
	// Publish gives the bytes of stage to final, replacing final. It is
	// idempotent: with stage gone and final there it succeeds. With both
	// gone the error is ErrNotFound. Whether stage is still there
	// afterwards depends on the store.
	Publish(ctx context.Context, stage, final string) error
	// List yields the objects whose keys begin with prefix, in byte order
	// of their keys. After an error it ends.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes the object; an absent one is no error.
	Delete(ctx context.Context, key string) error
	// URL returns "s3://bucket/prefix" or the directory's absolute path.
	URL() string
}

// Upload is an object being written. Nothing of it is visible before Commit.
// One goroutine uses it at a time.
type Upload interface {
	io.Writer
	// Commit makes the object visible and durable. On an error it may be
	// called again.
	Commit(ctx context.Context) error
	// Abort drops what was written. After a successful Commit it does
	// nothing, so it can be deferred.
	Abort()
}

// Open opens the store that url names: "s3://bucket" or "s3://bucket/prefix",
// or a directory as a plain path or "file:///path". A missing directory is
// made. The S3 store is not contacted.
func Open(ctx context.Context, url string) (Store, error) {
	scheme, rest, found := strings.Cut(url, "://")
	switch {
	case !found:
		return openDir(url)
	case scheme == "file" && filepath.IsAbs(rest):
		return openDir(rest)
	case scheme == "file":
		return nil, fmt.Errorf("open store %q: a file URL needs an absolute path, as in file:///var/lib/cairn", url)
	case scheme == "s3":
		return openS3(ctx, rest)
	}
	return nil, fmt.Errorf("open store %q: unknown scheme %q; use s3://bucket/prefix or a directory", url, scheme)
}

func openDir(path string) (Store, error) {
	d, err := OpenDir(path)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// checkKey refuses keys that a store could not hold faithfully.
func checkKey(key string) error {
	if key == "" || len(key) > 1024 || strings.ContainsAny(key, "\x00\\") {
		return fmt.Errorf("key %q is empty, longer than 1024 bytes, or has a character that stores cannot hold", key)
	}
	for element := range strings.SplitSeq(key, "/") {
		if element == "" || element == "." || element == ".." {
			return fmt.Errorf("key %q has the path element %q", key, element)
		}
	}
	return nil
}

func failed(op, key string, err error) error {
	return fmt.Errorf("%s %s: %w", op, key, err)
}
