package fleet

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/cairnstream/cairn/state/blob"
)

// stopped is a store that can be taken away.
type stopped struct {
	blob.Store
	down atomic.Bool
}

var errAway = errors.New("the store is away")

func (s *stopped) check() error {
	if s.down.Load() {
		return errAway
	}
	return nil
}

// Get reads an object, if the store is there; so do the others.
func (s *stopped) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := s.check(); err != nil {
		return nil, "", err
	}
	return s.Store.Get(ctx, key)
}

func (s *stopped) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, key)
}

func (s *stopped) Put(ctx context.Context, key string, data []byte) (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	return s.Store.Put(ctx, key, data)
}

func (s *stopped) PutIf(ctx context.Context, key string, data []byte, etag string) (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	return s.Store.PutIf(ctx, key, data, etag)
}

func (s *stopped) Create(ctx context.Context, key string) (blob.Upload, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Store.Create(ctx, key)
}
