package replay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/klauspost/compress/gzip"
)

// peekBytes is how far into a file the first eventTime is looked for. The
// first record of a CloudTrail file is seldom longer than a few KiB; the limit
// of one is 256 KiB.
const peekBytes = 256 << 10

// eventTime finds a time whether or not the record is text inside JSON.
var eventTime = regexp.MustCompile(`"?eventTime\\*"\s*:\s*\\*"([^"\\]+)`)

// firstEventTime is the first eventTime in f, or zero if its head shows none.
// It only orders files, so a file that cannot be understood is not an error
// here; one that cannot be read is.
func firstEventTime(ctx context.Context, f *File) (time.Time, error) {
	r, err := f.open(ctx)
	if err != nil {
		return time.Time{}, unreadable(f, err)
	}
	defer func() { _ = r.Close() }()
	head, err := io.ReadAll(io.LimitReader(plain(r), peekBytes))
	if err != nil && len(head) == 0 {
		return time.Time{}, nil
	}
	m := eventTime.FindSubmatch(head)
	if m == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, string(m[1]))
	if err != nil {
		return time.Time{}, nil //nolint:nilerr // the decoder reports a bad time where it stands; here it only means "no order from this file"
	}
	return t, nil
}

// plain undoes gzip where r holds it.
func plain(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	if magic, err := b.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return b
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return b
	}
	return z
}

func unreadable(f *File, err error) error {
	return fmt.Errorf("cannot read %s: %w; make it readable or leave it out, then run the same command again", f.Path, err)
}
