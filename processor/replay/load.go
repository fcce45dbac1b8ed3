package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

const (
	// wholeBytes is the stored size up to which a file is read and decoded in
	// one piece. CloudTrail delivers files of a few MiB at most; larger ones are
	// exports, which are read line by line so that memory stays bounded.
	wholeBytes = 32 << 20
	// chunkBytes is the size of the pieces of a larger file.
	chunkBytes = 16 << 20
	// aheadBytes bounds the stored bytes that are decoded ahead of the shards.
	// CloudTrail gzips about 10:1, so this is about 80 MiB of JSON.
	aheadBytes = 8 << 20
)

// piece is a decoded part of a file, in the order of the log.
type piece struct {
	file    int
	records cloudtrail.Records
	last    bool  // of its file
	err     error // why the file, or the rest of it, could not be read; then it is the last
	cost    int64
}

// loader reads and decodes files ahead of their use, several at a time, and
// hands them over in the order of the log.
type loader struct {
	files []File
	order chan chan piece // one channel per file, in order
	room  *budget
}

// load starts the loader at file number from. It goes on behind a file that
// cannot be read, unless the caller ends ctx.
func load(ctx context.Context, files []File, from, workers int) *loader {
	l := &loader{files: files, order: make(chan chan piece, 4*workers), room: newBudget(aheadBytes)}
	type job struct {
		file int
		out  chan piece
	}
	jobs := make(chan job)
	for range workers {
		go func() {
			var d cloudtrail.Decoder
			for j := range jobs {
				if err := l.decode(ctx, &d, j.file, j.out); err != nil {
					_ = send(ctx, j.out, piece{file: j.file, last: true, err: err, cost: files[j.file].Size}) // fails with ctx only
				}
				close(j.out)
			}
		}()
	}
	go func() {
		defer close(l.order)
		defer close(jobs)
		for i := from; i < len(files); i++ {
			if !l.room.take(ctx, files[i].Size) {
				return
			}
			j := job{file: i, out: make(chan piece, 1)}
			select {
			case l.order <- j.out:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				close(j.out)
				return
			}
		}
	}()
	return l
}

// decode sends the pieces of one file.
func (l *loader) decode(ctx context.Context, d *cloudtrail.Decoder, i int, out chan<- piece) error {
	f := &l.files[i]
	r, err := f.open(ctx)
	if err != nil {
		return unreadable(f, err)
	}
	defer func() { _ = r.Close() }()
	if f.Size > wholeBytes {
		return l.decodeChunks(ctx, d, i, r, out)
	}
	payload := make([]byte, 0, f.Size+1)
	payload, err = readAll(payload, r)
	if err != nil {
		return unreadable(f, err)
	}
	if unpacked(payload) > wholeBytes {
		return l.decodeChunks(ctx, d, i, bytes.NewReader(payload), out)
	}
	return send(ctx, out, piece{file: i, records: d.Decode(payload), last: true, cost: f.Size})
}

// unpacked is the size that a gzip file says it unpacks to, modulo 2³² (RFC
// 1952, ISIZE); 0 for any other file.
func unpacked(payload []byte) int64 {
	if len(payload) < 18 || payload[0] != 0x1f || payload[1] != 0x8b {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(payload[len(payload)-4:]))
}

// decodeChunks reads a file that is too large for one piece. It is cut at line
// ends, which separate records only if each line is a JSON value of its own;
// any other file this large is one value and is read whole, up to the
// decoder's limit.
func (l *loader) decodeChunks(ctx context.Context, d *cloudtrail.Decoder, i int, r io.Reader, out chan<- piece) error {
	f := &l.files[i]
	in := bufio.NewReaderSize(plain(r), 1<<20)
	var rest []byte
	whole := false // one value, not a line each
	for first := true; ; first = false {
		chunk := append(make([]byte, 0, chunkBytes+len(rest)), rest...)
		chunk, err := readAll(chunk, io.LimitReader(in, chunkBytes))
		if err != nil && !cutShort(err) {
			return unreadable(f, err)
		}
		end := err != nil || len(chunk)-len(rest) < chunkBytes
		if len(chunk) >= cloudtrail.DefaultMaxBytes {
			return fmt.Errorf("%s holds one JSON value or line of more than %d MiB: write one record a line, for example with jq -c '.Records[]', and replay that", f.Path, cloudtrail.DefaultMaxBytes>>20)
		}
		whole = whole || first && !lines(chunk)
		if !end && (whole || bytes.IndexByte(chunk, '\n') < 0) {
			rest = chunk // a value that goes on
			continue
		}
		chunk, rest = cut(chunk, end)
		records := d.Decode(chunk)
		if err != nil {
			records.Rejects = append(records.Rejects, cloudtrail.Reject{Ordinal: pieces(&records), Reason: "truncated gzip", Err: fmt.Errorf("it ends after %d bytes: %w", f.Size, err)})
		}
		p := piece{file: i, records: records, last: end}
		if end {
			p.cost = f.Size
		}
		if err := send(ctx, out, p); err != nil || end {
			return err
		}
	}
}

// cut splits chunk behind its last line end, unless it is the last one.
func cut(chunk []byte, end bool) (head, rest []byte) {
	if end {
		return chunk, nil
	}
	i := bytes.LastIndexByte(chunk, '\n') + 1
	return chunk[:i:i], chunk[i:]
}

// lines tells whether the first line of a chunk is a JSON value of its own.
func lines(chunk []byte) bool {
	line, _, ok := bytes.Cut(chunk, []byte("\n"))
	return ok && len(bytes.TrimSpace(line)) > 0 && jsontext.Value(line).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// cutShort tells an end of input in the middle of a gzip stream, or one that
// does not decode, from a read that failed.
func cutShort(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || isGzip(err)
}

// pieces counts what a payload held.
func pieces(r *cloudtrail.Records) int {
	return len(r.Events) + len(r.Rejects) + r.Control
}

func readAll(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

func send(ctx context.Context, out chan<- piece, p piece) error {
	select {
	case out <- p:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
}

func isGzip(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt)
}
