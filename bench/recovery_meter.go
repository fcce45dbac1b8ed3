package bench

import (
	"context"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/cairnstream/cairn/state/blob"
)

// meter is a state store that measures the commits of one shard. A commit
// begins with the first object that bears its number and ends when the lease
// table is told of it. Segments that are merged beside commits and copies of
// manifests are not counted.
type meter struct {
	blob.Store
	say func(Happening)

	mu       sync.Mutex
	began    time.Time
	manifest time.Duration
	bytes    int64
	requests int64
	commits  int64
}

func newMeter(store blob.Store, say func(Happening)) *meter { return &meter{Store: store, say: say} }

// ofCommit tells an object that a commit writes for itself: a row log or packed
// ids, <epoch>-<checkpoint>-<writer>, or a delta, <epoch>-<c>-<c>-<writer>.
func ofCommit(key string) bool {
	switch path.Base(path.Dir(key)) {
	case "rows", "dedup":
		return true
	case "seg":
		parts := strings.Split(path.Base(key), "-")
		return len(parts) == 4 && parts[1] == parts[2]
	}
	return false
}

func (m *meter) begin(key string) bool {
	if !ofCommit(key) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() {
		m.began = time.Now()
	}
	m.requests++
	return true
}

func (m *meter) wrote(n int) {
	m.mu.Lock()
	m.bytes += int64(n)
	m.mu.Unlock()
}

// Put measures an object of a commit.
func (m *meter) Put(ctx context.Context, key string, data []byte) (string, error) {
	if m.begin(key) {
		m.wrote(len(data))
	}
	return m.Store.Put(ctx, key, data)
}

// PutIf measures the manifest of a commit; that of a takeover belongs to none.
func (m *meter) PutIf(ctx context.Context, key string, data []byte, etag string) (string, error) {
	etag, err := m.Store.PutIf(ctx, key, data, etag)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && !m.began.IsZero() && path.Base(key) == "MANIFEST" {
		m.manifest, m.bytes, m.requests = time.Since(m.began), m.bytes+int64(len(data)), m.requests+1
	}
	return etag, err
}

// Create measures an object of a commit that is written in pieces.
func (m *meter) Create(ctx context.Context, key string) (blob.Upload, error) {
	own := m.begin(key)
	u, err := m.Store.Create(ctx, key)
	if err != nil || !own {
		return u, err
	}
	return &meteredUpload{u, m}, nil
}

type meteredUpload struct {
	blob.Upload
	meter *meter
}

func (u *meteredUpload) Write(p []byte) (int, error) {
	n, err := u.Upload.Write(p)
	u.meter.wrote(n)
	return n, err
}

// checkpoint is the last step of a commit.
func (m *meter) checkpoint(_ context.Context, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commits++
	if m.began.IsZero() {
		return nil // time alone moved: nothing was written but the manifest
	}
	m.say(Happening{Kind: "commit", Seconds: time.Since(m.began).Seconds(), ManifestSeconds: m.manifest.Seconds(),
		Bytes: m.bytes, Requests: m.requests, First: m.commits == 1})
	m.began, m.manifest, m.bytes, m.requests = time.Time{}, 0, 0, 0
	return nil
}
