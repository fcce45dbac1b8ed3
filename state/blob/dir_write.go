package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// dirUpload is a temporary file that Commit moves to its place.
type dirUpload struct {
	store  *Dir
	key    string
	path   string
	file   *os.File // nil after success or Abort
	temp   string
	synced bool // the bytes are on disk
	err    error
}

// Create begins an object in a temporary file.
func (d *Dir) Create(_ context.Context, key string) (Upload, error) {
	upload, err := d.create(key)
	if err != nil {
		return nil, err
	}
	return upload, nil
}

func (d *Dir) create(key string) (*dirUpload, error) {
	path, err := d.path(key)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Join(d.root, tempDir), "*.part")
	if err != nil {
		return nil, failed("create", key, explain(err))
	}
	return &dirUpload{store: d, key: key, path: path, file: file, temp: file.Name()}, nil
}

// Write appends to the temporary file. After a failed write the upload cannot
// be committed: what follows a hole must not become visible.
func (u *dirUpload) Write(p []byte) (int, error) {
	if u.file == nil {
		return 0, failed("write", u.key, fs.ErrClosed)
	}
	n, err := u.file.Write(p)
	u.synced = false
	if err != nil {
		u.err = failed("write", u.key, explain(err))
		return n, u.err
	}
	return n, nil
}

// Commit syncs the file, renames it into place and syncs the directory.
func (u *dirUpload) Commit(ctx context.Context) error {
	if u.file == nil && u.err == nil {
		return nil // committed before
	}
	if err := u.flush(ctx); err != nil {
		return err
	}
	if err := u.place(); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(u.path)); err != nil {
		return failed("put", u.key, explain(err))
	}
	u.close()
	return nil
}

// flush brings the bytes to disk: the part of Commit that is slow and that
// several uploads can do at the same time.
func (u *dirUpload) flush(ctx context.Context) error {
	if u.err != nil {
		return u.err
	}
	if err := ctx.Err(); err != nil {
		return failed("put", u.key, err)
	}
	if u.synced {
		return nil
	}
	// A failed fsync is never repeated: the kernel reports lost pages once,
	// so a second call could succeed without them.
	if err := u.file.Sync(); err != nil {
		u.err = failed("put", u.key, explain(err))
		return u.err
	}
	if err := u.file.Chmod(0o644); err != nil {
		return failed("put", u.key, explain(err))
	}
	u.synced = true
	return nil
}

// place renames the file to its key. It makes the object visible; the caller
// syncs the directory. Done before is done.
func (u *dirUpload) place() error {
	if u.temp == "" {
		return nil
	}
	if err := u.store.rename(u.temp, u.path); err != nil {
		return failed("put", u.key, explain(err))
	}
	u.temp = ""
	return nil
}

func (u *dirUpload) close() {
	u.file.Close() // synced: nothing left to fail
	u.file = nil
}

// Abort closes and removes the temporary file.
func (u *dirUpload) Abort() {
	if u.file == nil {
		return
	}
	if u.err == nil {
		u.err = failed("put", u.key, fs.ErrClosed)
	}
	u.close()
	if u.temp != "" {
		_ = os.Remove(u.temp) // left-overs are swept after an hour
	}
}

// rename moves a file to a path whose directory may be missing.
func (d *Dir) rename(from, to string) error {
	if err := d.makeDir(filepath.Dir(to), false); err != nil {
		return err
	}
	err := os.Rename(from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Somebody removed the directory behind the store's back, or from is gone.
	if err := d.makeDir(filepath.Dir(to), true); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// makeDir makes a directory and its parents so that they survive a power
// loss: an object is only as durable as the path to it. Each directory costs
// one fsync of its parent in the life of the store.
func (d *Dir) makeDir(dir string, again bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.makeDirLocked(dir, again)
}

func (d *Dir) makeDirLocked(dir string, again bool) error {
	if dir == d.root || d.durable[dir] && !again {
		return nil
	}
	if err := d.makeDirLocked(filepath.Dir(dir), again); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	d.durable[dir] = true
	return nil
}

// PutIf compares and writes under a file lock of the key.
func (d *Dir) PutIf(ctx context.Context, key string, data []byte, etag string) (string, error) {
	path, err := d.path(key)
	if err != nil {
		return "", err
	}
	unlock, err := d.lock(ctx, key)
	if err != nil {
		return "", failed("lock", key, explain(err))
	}
	defer unlock()
	if err := compare(path, etag); err != nil {
		return "", failed("put", key, err)
	}
	return d.Put(ctx, key, data)
}

// compare checks that the file has the etag, or is absent if that is empty.
func compare(path, etag string) error {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && etag == "":
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return ErrChanged
	case err != nil:
		return explain(err)
	case etag == "":
		return ErrExists
	case etagOf(data) != etag:
		return ErrChanged
	}
	return nil
}

// lock takes the key's lock. The lock goes with the process, so a killed
// holder does not leave it behind.
func (d *Dir) lock(ctx context.Context, key string) (unlock func(), err error) {
	sum := sha256.Sum256([]byte(key))
	name := filepath.Join(d.root, lockDir, hex.EncodeToString(sum[:16]))
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := waitLock(ctx, file); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil // closing releases
}

// Publish renames stage to final and syncs both directories.
func (d *Dir) Publish(ctx context.Context, stage, final string) error {
	if err := ctx.Err(); err != nil {
		return failed("publish", stage, err)
	}
	from, to, err := d.move(stage, final)
	if err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(to), filepath.Dir(from)} {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("publish", final, explain(err))
		}
	}
	return nil
}

// move renames without syncing and returns both paths.
func (d *Dir) move(stage, final string) (from, to string, err error) {
	if from, err = d.path(stage); err != nil {
		return "", "", err
	}
	if to, err = d.path(final); err != nil {
		return "", "", err
	}
	err = d.rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(to); statErr == nil {
			return from, to, nil // published before
		}
	}
	if err != nil {
		return "", "", failed("publish "+stage+" as", final, explain(err))
	}
	return from, to, nil
}

// syncDir makes the entries of a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
