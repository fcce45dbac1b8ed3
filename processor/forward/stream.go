package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Limits of Kinesis (PutRecords, API reference).
const (
	maxRecord         = 1 << 20 // of data and partition key of a record, unless the stream allows more
	maxRequestRecords = 500
	maxKey            = 256 // characters of a partition key; bytes here, to be on the safe side
	// maxRequestBytes bounds all data and partition keys of a request. Kinesis
	// takes 10 MiB; half of that was its limit before and is that of emulators, and
	// a request of that size costs no more per byte.
	maxRequestBytes = 5 << 20
)

const (
	// aggregateBytes is the size at which an aggregate is closed. A shard takes
	// 1 MiB a second, so larger ones would be throttled as a whole more often;
	// smaller ones gain nothing, since Kinesis bills per 25 KiB.
	aggregateBytes = 512 << 10
	// waitingBytes is how much may wait before a request is made: more than a
	// request takes, so that requests are full when many accounts are busy.
	waitingBytes = 16 << 20
)

// NoAccount is the partition key of what names no account.
const NoAccount = "none"

// errTooLarge means that a piece does not fit into a record of the stream.
var errTooLarge = errors.New("does not fit into a record of the stream, even as gzip")

// Sent counts what was put on the stream.
type Sent struct {
	Records    int64 `json:"records"`      // Kinesis records
	Aggregates int64 `json:"aggregates"`   // those of them that are aggregates; the rest are single large events
	Bytes      int64 `json:"stream_bytes"` // data of the records
	Requests   int64 `json:"requests"`     // PutRecords calls
	Retries    int64 `json:"retries"`      // records that were sent again
}

// entry is a record of the stream, ready to be sent.
type entry struct {
	key       string
	data      []byte
	aggregate bool
	pieces    int
}

func (e *entry) size() int { return len(e.key) + len(e.data) }

// lane holds what waits under one partition key, in order.
type lane struct {
	closed []entry
	open   *aggregate // behind all of closed
}

func (l *lane) empty() bool { return len(l.closed) == 0 && l.open == nil }

// Stream gathers pieces into aggregates and puts those on a Kinesis stream. One
// goroutine uses it.
type Stream struct {
	Sent Sent

	name  string
	limit int // of a record, with its key
	send  func(context.Context, []types.PutRecordsRequestEntry) ([]types.PutRecordsResultEntry, error)
	retry backoff
	log   *slog.Logger

	lanes   map[string]*lane
	keys    []string // of lanes that hold something, the one that waits longest first
	waiting int      // bytes in lanes
}

// Open looks at the stream, named by name or ARN, and returns a Stream that
// writes to it.
func Open(ctx context.Context, client *kinesis.Client, name string, log *slog.Logger) (*Stream, error) {
	plain, arn := streamName(name)
	out, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: plain, StreamARN: arn})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("there is no stream %s in this account and region: create it, or name another with --stream", name)
	case err != nil:
		return nil, fmt.Errorf("look at the stream %s: %w", name, err)
	case out.StreamDescriptionSummary == nil:
		return nil, fmt.Errorf("look at the stream %s: the answer does not describe it", name)
	}
	d := out.StreamDescriptionSummary
	if d.StreamStatus == types.StreamStatusDeleting || d.StreamStatus == types.StreamStatusCreating {
		return nil, fmt.Errorf("the stream %s is %s: wait until it is ACTIVE, or name another with --stream", name, d.StreamStatus)
	}
	s := newStream(name, log, func(ctx context.Context, entries []types.PutRecordsRequestEntry) ([]types.PutRecordsResultEntry, error) {
		out, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: plain, StreamARN: arn, Records: entries},
			func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }) // backoff does it, without jitter and as long as it takes
		if err != nil {
			return nil, err
		}
		return out.Records, nil
	})
	if kib := aws.ToInt32(d.MaxRecordSizeInKiB); kib > 0 {
		s.limit = int(kib) << 10
	}
	return s, nil
}

// streamName tells a name from an ARN.
func streamName(name string) (plain, arn *string) {
	if strings.HasPrefix(name, "arn:") {
		return nil, &name
	}
	return &name, nil
}

func newStream(name string, log *slog.Logger, send func(context.Context, []types.PutRecordsRequestEntry) ([]types.PutRecordsResultEntry, error)) *Stream {
	return &Stream{name: name, limit: maxRecord, send: send, retry: backoff{sleep: sleep}, log: log, lanes: map[string]*lane{}}
}

// add takes one piece under a partition key. It may wait for the stream. The
// piece is copied. An error that is errTooLarge concerns this piece alone.
func (s *Stream) add(ctx context.Context, key string, piece []byte) error {
	if err := s.place(key, piece); err != nil {
		return err
	}
	for s.waiting >= waitingBytes {
		if err := s.round(ctx, false); err != nil {
			return err
		}
	}
	return nil
}

// place puts a piece at the end of its lane.
func (s *Stream) place(key string, piece []byte) error {
	single, err := s.single(key, piece)
	if err != nil {
		return err
	}
	l := s.lane(key)
	switch {
	case single != nil:
		s.closeOpen(key, l)
		s.waiting += len(key) + len(single)
		l.closed = append(l.closed, entry{key: key, data: single, pieces: 1})
		return nil
	case l.open != nil && l.open.sizeWith(len(piece)) > aggregateBytes:
		s.closeOpen(key, l)
	}
	if l.open == nil {
		l.open = newAggregate(key, len(piece))
		s.waiting += len(key) + l.open.size()
	}
	before := l.open.size()
	l.open.add(piece)
	s.waiting += l.open.size() - before
	return nil
}

// single returns the form of a piece that is too large for an aggregate: as it
// is, or as gzip, which the other side recognises. It is nil for all others.
func (s *Stream) single(key string, piece []byte) ([]byte, error) {
	room := s.limit - len(key)
	switch {
	case overhead(key, len(piece))+len(piece) <= maxRecord-len(key):
		return nil, nil
	case len(piece) <= room: // just without the aggregate, or on a stream with large records
		return append([]byte(nil), piece...), nil
	}
	packed, err := pack(piece)
	if err != nil {
		return nil, err
	}
	if len(packed) > room {
		return nil, errTooLarge
	}
	return packed, nil
}

func (s *Stream) lane(key string) *lane {
	l := s.lanes[key]
	if l == nil {
		l = &lane{}
		s.lanes[key] = l
	}
	if l.empty() {
		s.keys = append(s.keys, key)
	}
	return l
}

func (s *Stream) closeOpen(key string, l *lane) {
	if l.open == nil {
		return
	}
	// Its size was counted with the MD5, so waiting stays right.
	l.closed = append(l.closed, entry{key: key, data: l.open.close(), aggregate: true, pieces: l.open.pieces})
	l.open = nil
}

// Flush returns when all that was added is on the stream.
func (s *Stream) Flush(ctx context.Context) error {
	for len(s.keys) > 0 {
		if err := s.round(ctx, true); err != nil {
			return err
		}
	}
	return nil
}

// round makes one request: the first record of each lane, as many as it takes.
// Open aggregates are closed when all is to go, or when nothing else waits.
func (s *Stream) round(ctx context.Context, all bool) error {
	request := s.heads(all)
	if len(request) == 0 {
		request = s.heads(true)
	}
	failed, reason, err := s.put(ctx, request)
	if err != nil {
		return err
	}
	s.advance(request, failed)
	if len(failed) == 0 {
		s.retry.reset()
		return nil
	}
	s.Sent.Retries += int64(len(failed))
	if len(failed) < len(request) {
		s.retry.progress()
	}
	level := slog.LevelDebug
	if s.retry.next >= longWait {
		level = slog.LevelWarn
	}
	s.log.Log(ctx, level, "the stream did not take all records, they are sent again", "stream", s.name, "records", len(failed), "reason", reason)
	if err := s.retry.wait(ctx); err != nil {
		return fmt.Errorf("put records on %s: %w: %w", s.name, err, reason)
	}
	return nil
}

// heads collects the first record of each lane up to the limits of a request.
func (s *Stream) heads(open bool) (request []*entry) {
	bytes := 0
	for _, key := range s.keys {
		l := s.lanes[key]
		if len(l.closed) == 0 && open {
			s.closeOpen(key, l)
		}
		if len(l.closed) == 0 {
			continue
		}
		e := &l.closed[0]
		if len(request) == maxRequestRecords || len(request) > 0 && bytes+e.size() > maxRequestBytes {
			break
		}
		request, bytes = append(request, e), bytes+e.size()
	}
	return request
}

// put makes the request and returns which of its records failed and why. An
// error is one that trying again does not mend.
func (s *Stream) put(ctx context.Context, request []*entry) (failed map[string]bool, reason, err error) {
	entries := make([]types.PutRecordsRequestEntry, len(request))
	for i, e := range request {
		entries[i] = types.PutRecordsRequestEntry{Data: e.data, PartitionKey: aws.String(e.key)}
	}
	s.Sent.Requests++
	results, err := s.send(ctx, entries)
	if err == nil && len(results) != len(request) {
		err = fmt.Errorf("%d results for %d records", len(results), len(request))
	}
	failed = map[string]bool{}
	switch {
	case err != nil && (ctx.Err() != nil || !passing(err)):
		return nil, nil, fmt.Errorf("put records on %s: %w", s.name, err)
	case err != nil: // whether anything was taken is not known
		for _, e := range request {
			failed[e.key] = true
		}
		return failed, err, nil
	}
	for i, r := range results {
		if r.ErrorCode != nil {
			failed[request[i].key] = true
			reason = fmt.Errorf("%s: %s", *r.ErrorCode, aws.ToString(r.ErrorMessage))
		}
	}
	return failed, reason, nil
}

// advance takes what was put out of the lanes. A lane that had a record in the
// request goes behind the others; one whose record failed keeps its place.
func (s *Stream) advance(request []*entry, failed map[string]bool) {
	sent := map[string]bool{}
	for _, e := range request {
		if failed[e.key] {
			continue
		}
		sent[e.key] = true
		s.Sent.Records++
		s.Sent.Bytes += int64(len(e.data))
		if e.aggregate {
			s.Sent.Aggregates++
		}
		s.waiting -= e.size()
		l := s.lanes[e.key]
		l.closed[0] = entry{}
		l.closed = l.closed[1:]
	}
	keys, behind := s.keys[:0], []string(nil)
	for _, key := range s.keys {
		switch {
		case s.lanes[key].empty():
			delete(s.lanes, key)
		case sent[key]:
			behind = append(behind, key)
		default:
			keys = append(keys, key)
		}
	}
	s.keys = append(keys, behind...)
}
