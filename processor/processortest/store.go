package processortest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc64"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairnstream/cairn/state/blob"
)

// Store is an object store in memory. A worker sees it through As.
type Store struct {
	// Rename says that Publish moves the object, as a directory does; else it
	// copies, as S3 does.
	Rename bool
	// Watch, if not nil, is told of every change, in the order in which they
	// happen. It must not call the store.
	Watch func(Change)

	url     string
	mu      sync.Mutex
	objects map[string]object
}

type object struct {
	data     []byte
	etag     string
	modified time.Time
}

// Change is one change of a Store.
type Change struct {
	Worker string // who caused it
	Op     string // "put", "publish" or "delete"
	Key    string
	Stage  string // of a publication
	Data   []byte // now; nil when deleted. Not to be changed
}

// NewStore makes an empty store. The url is only a name.
func NewStore(url string) *Store { return &Store{url: url, objects: map[string]object{}} }

// As is the store as a worker sees it. Its calls pass the gate.
func (s *Store) As(worker string, gate Gate) blob.Store { return &view{s, worker, gate} }

// Keys lists the keys with a prefix, in order.
func (s *Store) Keys(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for k := range s.objects {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Peek returns an object's bytes, which are not to be changed.
func (s *Store) Peek(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	return o.data, ok
}

func (s *Store) get(key string) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return o, fmt.Errorf("get %s: %w", key, blob.ErrNotFound)
	}
	return o, nil
}

var etags = crc64.MakeTable(crc64.ECMA)

// put writes an object if allow says so, which sees the present one.
func (s *Store) put(worker, key string, data []byte, allow func(o object, there bool) error) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there := s.objects[key]
	if err := allow(old, there); err != nil {
		return "", fmt.Errorf("put %s: %w", key, err)
	}
	o := object{data: data, etag: fmt.Sprintf("%016x-%d", crc64.Checksum(data, etags), len(data)), modified: time.Now().UTC()}
	s.objects[key] = o
	s.changed(Change{Worker: worker, Op: "put", Key: key, Data: data})
	return o.etag, nil
}

func always(object, bool) error { return nil }

func matches(etag string) func(object, bool) error {
	return func(o object, there bool) error {
		switch {
		case etag == "" && there:
			return blob.ErrExists
		case etag != "" && o.etag != etag:
			return blob.ErrChanged
		}
		return nil
	}
}

func (s *Store) publish(worker, stage, final string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[stage]
	if !ok {
		if _, done := s.objects[final]; done {
			return nil
		}
		return fmt.Errorf("publish %s: %w", stage, blob.ErrNotFound)
	}
	if s.Rename {
		delete(s.objects, stage)
	}
	o.modified = time.Now().UTC()
	s.objects[final] = o
	s.changed(Change{Worker: worker, Op: "publish", Key: final, Stage: stage, Data: o.data})
	return nil
}

func (s *Store) remove(worker, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; !ok {
		return
	}
	delete(s.objects, key)
	s.changed(Change{Worker: worker, Op: "delete", Key: key})
}

func (s *Store) changed(c Change) {
	if s.Watch != nil {
		s.Watch(c)
	}
}

// view is a Store as one worker sees it.
type view struct {
	store  *Store
	worker string
	gate   Gate
}

func (v *view) pass(ctx context.Context, op, key string, write bool, do func() error) error {
	if err := v.gate.pass(ctx, Call{v.worker, op, key, write}, do); err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	return nil
}

func (v *view) read(ctx context.Context, op, key string) (o object, err error) {
	err = v.pass(ctx, op, key, false, func() (err error) { o, err = v.store.get(key); return err })
	return o, err
}

// Get implements blob.Store.
func (v *view) Get(ctx context.Context, key string) ([]byte, string, error) {
	o, err := v.read(ctx, "get", key)
	return slices.Clone(o.data), o.etag, err
}

// GetRange implements blob.Store.
func (v *view) GetRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	o, err := v.read(ctx, "getrange", key)
	if err == nil && (off < 0 || off+n > int64(len(o.data))) {
		err = fmt.Errorf("getrange %s: %d bytes at %d of %d: %w", key, n, off, len(o.data), io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(o.data[off : off+n]), nil
}

// Open implements blob.Store.
func (v *view) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	o, err := v.read(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(o.data)), nil
}

// Put implements blob.Store.
func (v *view) Put(ctx context.Context, key string, data []byte) (etag string, err error) {
	return v.put(ctx, "put", key, data, always)
}

// PutIf implements blob.Store.
func (v *view) PutIf(ctx context.Context, key string, data []byte, etag string) (newETag string, err error) {
	return v.put(ctx, "putif", key, data, matches(etag))
}

// put writes an object. A write that arrives late ends when nobody listens to
// it any more, so what it returns is looked at only after a success.
func (v *view) put(ctx context.Context, op, key string, data []byte, allow func(object, bool) error) (string, error) {
	data = slices.Clone(data)
	var written string
	err := v.pass(ctx, op, key, true, func() (err error) { written, err = v.store.put(v.worker, key, data, allow); return err })
	if err != nil {
		return "", err
	}
	return written, nil
}

// Publish implements blob.Store.
func (v *view) Publish(ctx context.Context, stage, final string) error {
	return v.pass(ctx, "publish", final, true, func() error { return v.store.publish(v.worker, stage, final) })
}

// Delete implements blob.Store.
func (v *view) Delete(ctx context.Context, key string) error {
	return v.pass(ctx, "delete", key, true, func() error { v.store.remove(v.worker, key); return nil })
}

// List implements blob.Store.
func (v *view) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		var found []blob.Object
		err := v.pass(ctx, "list", prefix, false, func() error {
			for _, k := range v.store.Keys(prefix) {
				if o, err := v.store.get(k); err == nil {
					found = append(found, blob.Object{Key: k, Size: int64(len(o.data)), Modified: o.modified})
				}
			}
			return nil
		})
		if err != nil {
			yield(blob.Object{}, err)
			return
		}
		for _, o := range found {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// URL implements blob.Store.
func (v *view) URL() string { return v.store.url }

// Create implements blob.Store.
func (v *view) Create(_ context.Context, key string) (blob.Upload, error) {
	return &upload{view: v, key: key}, nil
}

// upload is an object being written.
type upload struct {
	view *view
	key  string
	data bytes.Buffer
}

func (u *upload) Write(p []byte) (int, error) { return u.data.Write(p) }

func (u *upload) Commit(ctx context.Context) error {
	_, err := u.view.Put(ctx, u.key, u.data.Bytes())
	return err
}

func (u *upload) Abort() {}
