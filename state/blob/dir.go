package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	tempDir = ".tmp"  // temporary files; on the same file system, so that rename is atomic
	lockDir = ".lock" // one empty file per key that was ever written with PutIf

	// A temporary file is left behind by a kill only. No upload takes an
	// hour: a commit refuses its own uploads that are older.
	tempAge = time.Hour
)

// Dir is the directory store. Its etag is the SHA-256 of the bytes, which is
// sound as long as no writer of a key that is compared repeats earlier bytes.
//
// After success an object survives the end of the process, and a power loss
// as far as the file system keeps its word on fsync. Before, the old object is
// whole. Compare-and-swap holds among all processes of the host.
type Dir struct {
	root string

	mu      sync.Mutex
	durable map[string]bool // directories whose entry in their parent is synced
}

// OpenDir opens the directory store at path, making the directory if it is
// missing, and removes temporary files older than one hour.
func OpenDir(path string) (*Dir, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	d := &Dir{root: root, durable: map[string]bool{}}
	if err := d.makeFolders(); err != nil && !readable(root, err) {
		return nil, fmt.Errorf("open store %s: %w", path, explain(err))
	}
	if err := d.sweep(time.Now().Add(-tempAge)); err != nil {
		return nil, fmt.Errorf("open store %s: sweep temporary files: %w", path, explain(err))
	}
	return d, nil
}

func (d *Dir) makeFolders() error {
	if err := makeRoot(d.root); err != nil {
		return err
	}
	for _, name := range []string{tempDir, lockDir} {
		if err := os.Mkdir(filepath.Join(d.root, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// makeRoot makes the store's directory and the missing ones above it so that
// they survive a power loss, like all that is promised below them.
func makeRoot(root string) error {
	var parents []string
	for dir := root; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		parents = append(parents, filepath.Dir(dir))
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, parent := range parents {
		if err := syncDir(parent); err != nil {
			return err
		}
	}
	if len(parents) == 0 {
		// It may have been made by a process that was killed before it
		// could sync; but also by somebody else, above whom we cannot.
		_ = syncDir(filepath.Dir(root))
	}
	return nil
}

// readable tells whether a failure to make the store's own folders leaves it
// usable for reading: tools list a lake on a read-only mount.
func readable(root string, err error) bool {
	if !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		return false
	}
	info, statErr := os.Stat(root)
	return statErr == nil && info.IsDir()
}

// URL returns the directory's absolute path.
func (d *Dir) URL() string { return d.root }

func (d *Dir) sweep(before time.Time) error {
	entries, err := os.ReadDir(filepath.Join(d.root, tempDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // an error here: another process swept it first
		}
		err = os.Remove(filepath.Join(d.root, tempDir, entry.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !readable(d.root, err) {
			return err
		}
	}
	return nil
}

// path is the file of a key. The store's own folders are out of reach.
func (d *Dir) path(key string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if top, _, _ := strings.Cut(key, "/"); top == tempDir || top == lockDir {
		return "", fmt.Errorf("key %q lies in a folder that the store keeps for itself", key)
	}
	return filepath.Join(d.root, filepath.FromSlash(key)), nil
}

// Get reads the whole object.
func (d *Dir) Get(ctx context.Context, key string) ([]byte, string, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", failed("get", key, explain(err))
	}
	return data, etagOf(data), ctx.Err()
}

func etagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// GetRange reads n bytes from off.
func (d *Dir) GetRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	file, err := d.open(key)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, failed("get range of", key, err)
	}
	if off < 0 || n < 0 || off > size || n > size-off {
		return nil, failed("get range of", key, outside(off, n, size))
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(file, off, n), data); err != nil {
		return nil, failed("get range of", key, err)
	}
	return data, ctx.Err()
}

func outside(off, n, size int64) error {
	return fmt.Errorf("bytes %d+%d are outside of the %d there are: %w", off, n, size, io.ErrUnexpectedEOF)
}

// Open opens the object for reading. A later Put does not disturb the stream.
func (d *Dir) Open(_ context.Context, key string) (io.ReadCloser, error) {
	file, err := d.open(key)
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (d *Dir) open(key string) (*os.File, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, failed("open", key, explain(err))
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = ErrNotFound
	}
	if err != nil {
		file.Close()
		return nil, failed("open", key, err)
	}
	return file, nil
}

// Put writes a temporary file, syncs it, renames it, and syncs the directory.
func (d *Dir) Put(ctx context.Context, key string, data []byte) (string, error) {
	upload, err := d.create(key)
	if err != nil {
		return "", err
	}
	defer upload.Abort()
	if _, err := io.Copy(upload, bytes.NewReader(data)); err != nil {
		return "", err
	}
	if err := upload.Commit(ctx); err != nil {
		return "", err
	}
	return etagOf(data), nil
}

// Delete removes the object. The removal may be undone by a power loss.
func (d *Dir) Delete(_ context.Context, key string) error {
	path, err := d.path(key)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("delete", key, explain(err))
	}
	return nil
}

// explain says in words what an operator has to do, and keeps the cause.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the file system is mounted read-only: %w", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the disk is full: %w", err)
	case errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk quota is used up: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the directory is not writable or readable for this user: %w", err)
	}
	return err
}
