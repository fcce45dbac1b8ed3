package cloudtrail

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
)

var gzipMagic = []byte{0x1f, 0x8b}

func (d *Decoder) gzip(p []byte, depth int) {
	if depth > 5 {
		d.reject(reasonTooDeep, nil, p)
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(p))
	if err != nil {
		d.reject(reasonCorruptGzip, err, p)
		return
	}
	plain, err := io.ReadAll(io.LimitReader(z, d.left+1))
	if err != nil {
		d.reject(reasonCorruptGzip, err, p)
		return
	}
	if int64(len(plain)) > d.left {
		d.reject(reasonBomb, nil, p)
		return
	}
	d.left -= int64(len(plain))
	d.layer(plain, depth+1)
}
