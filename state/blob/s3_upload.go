package blob

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
)

// Objects up to this size wait for their upload in RAM, larger ones in a
// temporary file. A commit writes a handful of small ones every few seconds.
const spoolLimit = 4 << 20

// s3Upload collects an object and sends it in one request at Commit, so that
// nothing of it is in the bucket before, and nothing has to be cleaned up.
type s3Upload struct {
	store *S3
	key   string
	small bytes.Buffer
	file  *os.File // once the object is larger than spoolLimit
	size  int64
	done  bool
	err   error
}

// Create begins an object.
func (s *S3) Create(_ context.Context, key string) (Upload, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	return &s3Upload{store: s, key: key}, nil
}

func (u *s3Upload) Write(p []byte) (int, error) {
	if u.done {
		return 0, failed("write", u.key, fs.ErrClosed)
	}
	if u.err != nil {
		return 0, u.err
	}
	if u.file == nil && u.small.Len()+len(p) <= spoolLimit {
		u.size += int64(len(p))
		return u.small.Write(p)
	}
	n, err := u.spill(p)
	u.size += int64(n)
	if err != nil {
		u.err = failed("write", u.key, explain(err))
	}
	return n, u.err
}

func (u *s3Upload) spill(p []byte) (int, error) {
	if u.file == nil {
		file, err := os.CreateTemp("", "cairn-upload-*")
		if err != nil {
			return 0, err
		}
		u.file = file
		if _, err := u.small.WriteTo(file); err != nil {
			return 0, err
		}
	}
	return u.file.Write(p)
}

// Commit sends the object.
func (u *s3Upload) Commit(ctx context.Context) error {
	if u.err != nil {
		return u.err
	}
	if u.done {
		return nil
	}
	var body io.ReadSeeker = bytes.NewReader(u.small.Bytes())
	if u.file != nil {
		body = io.NewSectionReader(u.file, 0, u.size)
	}
	if _, err := u.store.put(ctx, u.key, body); err != nil {
		return err
	}
	u.close()
	return nil
}

// Abort drops what was collected.
func (u *s3Upload) Abort() {
	if u.done {
		return
	}
	u.err = failed("put", u.key, fs.ErrClosed)
	u.close()
}

func (u *s3Upload) close() {
	u.done = true
	u.small = bytes.Buffer{}
	if u.file != nil {
		u.file.Close()
		_ = os.Remove(u.file.Name()) // nothing to be done; it lies in the folder for such files
		u.file = nil
	}
}
