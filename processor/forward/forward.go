package forward

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/replay"
)

// Counts are what became of the input, and what was made of it.
type Counts struct {
	Files       int64 `json:"files"`
	Skipped     int64 `json:"skipped_files"` // by name: digests, and what is no log file
	Events      int64 `json:"events"`
	Bytes       int64 `json:"bytes"`       // of the input as JSON
	Undecodable int64 `json:"undecodable"` // pieces that went on the stream as they are
	Control     int64 `json:"control"`     // digests, handshakes: nothing to forward
	Lost        int64 `json:"lost"`        // pieces that could not be forwarded: see Problems
	Sent
}

// Problem is a piece of the input that could not be put on the stream.
type Problem struct {
	File   string `json:"file"`
	Record int    `json:"record"` // its place in the file, from 0
	Size   int    `json:"size"`   // bytes; 0: an end that is missing
	Reason string `json:"reason"`
}

// maxProblems bounds what is told one by one; all are counted.
const maxProblems = 100

// Forwarder puts what was decoded on a stream and counts it. One goroutine
// uses it.
type Forwarder struct {
	Problems []Problem // the first of them

	stream *Stream
	probe  cloudtrail.Decoder // looks at what was rejected
	counts Counts
	keys   map[string]string // account to partition key, so that it is made once
}

// New returns a Forwarder that writes to the stream.
func New(s *Stream) *Forwarder { return &Forwarder{stream: s, keys: map[string]string{}} }

// Counts is what was done so far.
func (f *Forwarder) Counts() Counts {
	c := f.counts
	c.Sent = f.stream.Sent
	return c
}

// Files forwards files and returns when all of their events are on the stream.
// The first file that cannot be read ends it. Progress, if set, is told how
// much was read after each file.
func (f *Forwarder) Files(ctx context.Context, in *replay.Inputs, decoders int, progress func(replay.Progress)) error {
	f.counts.Skipped += int64(in.Skipped)
	var done replay.Progress
	for p := range in.Decode(ctx, decoders) {
		file := &in.Files[p.File]
		if p.Err != nil {
			return p.Err
		}
		if err := f.take(ctx, file.Path, replay.AccountOf(file.Name), &p.Records); err != nil {
			return err
		}
		if !p.Last {
			continue
		}
		f.counts.Files++
		done.Files++
		done.Bytes += file.Size
		if progress != nil {
			progress(done)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("stopped: %w", err)
	}
	return f.stream.Flush(ctx)
}

// take puts what a payload held on its way, in its order. Origin names the
// payload in reports; account is that of its path, for pieces that name none.
func (f *Forwarder) take(ctx context.Context, origin, account string, r *cloudtrail.Records) error {
	f.counts.Bytes += r.Bytes
	f.counts.Control += int64(r.Control)
	j := 0
	for i := range r.Events {
		for ; j < len(r.Rejects) && r.Rejects[j].Ordinal < r.Ordinals[i]; j++ {
			if err := f.reject(ctx, origin, account, &r.Rejects[j]); err != nil {
				return err
			}
		}
		if err := f.event(ctx, origin, account, &r.Events[i], r.Ordinals[i]); err != nil {
			return err
		}
	}
	for ; j < len(r.Rejects); j++ {
		if err := f.reject(ctx, origin, account, &r.Rejects[j]); err != nil {
			return err
		}
	}
	return nil
}

func (f *Forwarder) event(ctx context.Context, origin, account string, e *cloudtrail.Event, place int) error {
	of := e.Account()
	if of == "" {
		of = account
	}
	raw := e.Raw
	if e.Kind == cloudtrail.Health {
		var err error
		if raw, err = healthEnvelope(e); err != nil {
			return err
		}
	}
	err := f.stream.add(ctx, f.key(of), raw)
	if err == nil {
		f.counts.Events++
		return nil
	}
	return f.lost(Problem{File: origin, Record: place, Size: len(raw)}, err)
}

// reject forwards a piece that could not be decoded. One that consists of
// nothing, the end that is missing in a file, cannot go on its own.
func (f *Forwarder) reject(ctx context.Context, origin, account string, r *cloudtrail.Reject) error {
	p := Problem{File: origin, Record: r.Ordinal, Size: len(r.Raw)}
	if len(r.Raw) == 0 {
		return f.lost(p, fmt.Errorf("%w: %s", errNothing, r.Reason))
	}
	raw := r.Raw
	if alone := f.probe.Decode(raw); len(alone.Events)+len(alone.Rejects)+alone.Control == 0 {
		// Such as an empty list, which is only wrong where a record should stand.
		raw = append(append([]byte("["), raw...), ']')
	}
	err := f.stream.add(ctx, f.key(account), raw)
	if err == nil {
		f.counts.Undecodable++
		return nil
	}
	return f.lost(p, err)
}

var errNothing = errors.New("the end is missing")

// lost notes a piece that cannot be forwarded; any other error is returned.
func (f *Forwarder) lost(p Problem, err error) error {
	if !errors.Is(err, errTooLarge) && !errors.Is(err, errNothing) {
		return err
	}
	f.counts.Lost++
	f.stream.log.Error("a piece cannot be put on the stream", "file", p.File, "record", p.Record, "bytes", p.Size, "error", err)
	if len(f.Problems) < maxProblems {
		p.Reason = err.Error()
		f.Problems = append(f.Problems, p)
	}
	return nil
}

// key is the partition key of an account: its id. What Kinesis would not take
// is no account, and goes with what names none.
func (f *Forwarder) key(account string) string {
	if key, ok := f.keys[account]; ok {
		return key
	}
	key := account
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) {
		key = NoAccount
	}
	if len(f.keys) >= maxKeys {
		clear(f.keys)
	}
	// The account stands in the payload, which must not be kept.
	account = string([]byte(account))
	if key != NoAccount {
		key = account
	}
	f.keys[account] = key
	return key
}

// maxKeys bounds the table of keys against input that makes accounts up.
const maxKeys = 100_000

// healthEnvelope wraps a Health event as EventBridge does. The decoder makes a
// record of such an envelope, and knows its kind by it.
func healthEnvelope(e *cloudtrail.Event) ([]byte, error) {
	text := func(f cloudtrail.Field) string { v, _ := e.Text(f); return v }
	quoted := func(v string) string {
		b, err := json.Marshal(v)
		if err != nil {
			return strconv.Quote(v) // cannot be: the decoder hands out valid UTF-8
		}
		return string(b)
	}
	detail := e.Tree().Get("detail").Raw()
	if detail == nil {
		return nil, errors.New("a Health event without its detail")
	}
	return fmt.Appendf(nil, `{"version":"0","detail-type":"AWS Health Event","source":"aws.health","account":%s,"time":%s,"region":%s,"detail":%s}`,
		quoted(text(cloudtrail.RecipientAccountID)), quoted(text(cloudtrail.EventTime)), quoted(text(cloudtrail.AWSRegion)), detail), nil
}
