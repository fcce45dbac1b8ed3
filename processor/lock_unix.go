//go:build unix

package processor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockLocal takes the folder of a shard's local cache for this process, until
// the result is closed or the process ends. Without a folder there is nothing
// to lock.
func lockLocal(dir string) (io.Closer, error) {
	if dir == "" {
		return io.NopCloser(nil), nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make room for the local cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the local cache: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return file, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another process is at work in it: wait for its end, or use another --data")
	}
	return nil, errors.Join(fmt.Errorf("lock the local cache %s: %w", dir, err), file.Close())
}
