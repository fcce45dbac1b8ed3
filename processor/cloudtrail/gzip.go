package cloudtrail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// isGzip tells by the magic of RFC 1952.
func isGzip(p []byte) bool { return len(p) >= 2 && p[0] == 0x1f && p[1] == 0x8b }

// inflater keeps the tables of the decompressor from payload to payload.
type inflater struct {
	src    bytes.Reader
	reader *gzip.Reader
}

// gzip decodes what is compressed in p. What a broken stream held before the
// break is decoded all the same, and the break is reported.
func (d *Decoder) gzip(p []byte, depth int) {
	plain, err := d.zip.inflate(p, d.left)
	if errors.Is(err, errBomb) {
		d.reject(reasonBomb, err, p)
		return
	}
	d.left -= int64(len(plain))
	rejects := len(d.out.Rejects)
	d.endless = false
	if len(plain) > 0 {
		d.layer(plain, depth+1, true)
	}
	if err == nil {
		return
	}
	reason := reasonCorruptGzip
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		reason = reasonTruncatedGzip
		err = fmt.Errorf("it ends after %d bytes: %w", len(p), err)
	}
	if n := len(d.out.Rejects); n > rejects && d.endless {
		d.out.Rejects[n-1].Reason, d.out.Rejects[n-1].Err = reason, err
		return
	}
	d.reject(reason, err, p)
}

var errBomb = errors.New("unpacks to more than the limit")

// inflate unpacks all members of p, at most limit bytes. With an error come the
// bytes before it.
func (z *inflater) inflate(p []byte, limit int64) (plain []byte, err error) {
	z.src.Reset(p)
	if z.reader == nil {
		z.reader, err = gzip.NewReader(&z.src)
	} else {
		err = z.reader.Reset(&z.src)
	}
	if err != nil {
		return nil, err
	}
	plain = make([]byte, 0, unpackedSize(p, limit))
	for {
		if len(plain) == cap(plain) {
			plain = append(plain, 0)[:len(plain)]
		}
		n, err := z.reader.Read(plain[len(plain):min(int64(cap(plain)), limit+1)])
		plain = plain[:len(plain)+n]
		switch {
		case int64(len(plain)) > limit:
			return nil, errBomb
		case errors.Is(err, io.EOF):
			return plain, nil
		case err != nil:
			return plain, err
		}
	}
}

// unpackedSize guesses the room that p needs: the size at the end of a stream of
// one member is exact, unless it is a lie. Deflate gives at most 1032 to 1.
func unpackedSize(p []byte, limit int64) int64 {
	const least = 512
	if len(p) < 18 {
		return least
	}
	tail := p[len(p)-4:]
	size := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	// One byte more, so that the end is found without growing.
	return max(least, min(size+1, limit+1, 32*int64(len(p))))
}

// looksBase64 tells whether p is base64 of something that can be decoded: gzip,
// an aggregate, or JSON that begins with a name, an object or a text.
func looksBase64(p []byte) bool {
	if len(p) < 8 || isSpace(p[0]) {
		return false
	}
	var head [6]byte
	if n, err := base64.StdEncoding.Decode(head[:], p[:8]); err != nil || n < 3 {
		return false
	}
	switch {
	case isGzip(head[:]), isAggregate(head[:]), string(head[:3]) == "\xef\xbb\xbf":
	case head[0] == '{' && (head[1] == '"' || isSpace(head[1])):
	case head[0] == '[' && (head[1] == '{' || head[1] == '"' || isSpace(head[1])):
	default:
		return false
	}
	for _, c := range p {
		if !isBase64(c) {
			return false
		}
	}
	return true
}

func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '+' || c == '/' || c == '=' || c == '\n' || c == '\r'
}

// base64 decodes what p stands for.
func (d *Decoder) base64(p []byte, depth int) {
	plain := make([]byte, base64.StdEncoding.DecodedLen(len(p)))
	n, err := base64.StdEncoding.Decode(plain, p)
	if err != nil {
		d.reject(reasonBadBase64, err, p)
		return
	}
	d.layer(plain[:n:n], depth+1, true)
}
