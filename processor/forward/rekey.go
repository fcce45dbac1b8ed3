package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/blob"
)

const (
	// readRecords bounds the records of a read, and readAtOnce the shards read at
	// once: a round holds some tens of MiB at most.
	readRecords = 2000
	readAtOnce  = 8
	// busyPause and idlePause lie between two rounds. A shard allows five reads a
	// second, for all of its consumers together.
	busyPause = 250 * time.Millisecond
	idlePause = time.Second
	// saveEvery is how much is read again after a kill. A save is one small object.
	saveEvery = 5 * time.Second
	// listEvery is how often children of shards are looked for when no shard ended.
	listEvery = time.Minute
)

// SourceCounts are what was read from a stream.
type SourceCounts struct {
	Read   int64 `json:"records_read"` // Kinesis records
	Shards int64 `json:"shards_ended"` // read to their end
}

// Source is a stream that is read to be keyed anew. One process reads all of
// its shards, in rounds, children after their parents. It is at least once:
// after a kill the last seconds are read again.
//
// Limits: there are no leases, so a second process for the same pair of streams
// ends one of the two at its next save; and the order of events is that of
// their arrival in the source, as near as a round tells, since a source that
// keys at random has no better one.
type Source struct {
	Counts SourceCounts

	client    *kinesis.Client
	name      string
	plain     *string
	arn       *string
	log       *slog.Logger
	book      *book
	pause     func(context.Context, time.Duration) error
	listed    map[string][]string // shard to its parents
	at        time.Time           // of the list
	iterators map[string]string
	decoder   cloudtrail.Decoder
}

// OpenSource looks at the stream, and at how far it was read before. The first
// time it is read from start on; the zero time is its beginning. To names the
// stream that is written: positions belong to the pair.
func OpenSource(ctx context.Context, client *kinesis.Client, name, to string, store blob.Store, start time.Time, log *slog.Logger) (*Source, error) {
	s := &Source{client: client, name: name, log: log, pause: sleep, iterators: map[string]string{}}
	s.plain, s.arn = streamName(name)
	var missing *types.ResourceNotFoundException
	switch err := s.list(ctx); {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("there is no stream %s in this account and region: name another with --from-stream", name)
	case err != nil:
		return nil, err
	}
	var err error
	s.book, err = openBook(ctx, store, name, to, start)
	return s, err
}

// read is what came of one shard in a round.
type read struct {
	shard   string
	records []types.Record
	next    *string // nil: the shard has ended
	err     error
}

// Rekey forwards the source until ctx ends, and then ends the round in hand.
func (f *Forwarder) Rekey(ctx context.Context, s *Source) error {
	work, cancel := outlast(ctx, grace)
	defer cancel()
	for ctx.Err() == nil {
		n, err := f.rekeyRound(ctx, work, s)
		if err != nil {
			return err
		}
		pause := busyPause
		if n == 0 {
			pause = idlePause
		}
		if err := s.pause(ctx, pause); err != nil {
			break
		}
	}
	return s.book.save(work)
}

// rekeyRound reads each shard once, forwards what was read, and then notes how
// far that is.
func (f *Forwarder) rekeyRound(ctx, work context.Context, s *Source) (records int, err error) {
	if time.Since(s.at) > listEvery {
		if err := s.list(ctx); err != nil {
			return 0, s.excuse(ctx, err)
		}
	}
	reads, err := s.round(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range inOrder(reads) {
		records++
		payload := s.decoder.Decode(r.Data)
		if err := f.take(work, s.name+"/"+aws.ToString(r.SequenceNumber), "", &payload); err != nil {
			return 0, err
		}
	}
	if err := f.stream.Flush(work); err != nil {
		return 0, err
	}
	s.Counts.Read += int64(records)
	if records > 0 {
		s.log.Info("forwarded", "stream", s.name, "records", records, "events_so_far", f.counts.Events)
	}
	return records, s.advance(work, reads)
}

// inOrder merges the records of all shards by their arrival. Within a shard
// the order of the shard holds.
func inOrder(reads []read) (out []types.Record) {
	for _, r := range reads {
		out = append(out, r.records...)
	}
	slices.SortStableFunc(out, func(a, b types.Record) int {
		return aws.ToTime(a.ApproximateArrivalTimestamp).Compare(aws.ToTime(b.ApproximateArrivalTimestamp))
	})
	return out
}

// list learns the shards and their parents.
func (s *Source) list(ctx context.Context) error {
	listed := map[string][]string{}
	in := &kinesis.ListShardsInput{StreamName: s.plain, StreamARN: s.arn}
	for {
		out, err := s.client.ListShards(ctx, in)
		if err != nil {
			return fmt.Errorf("list the shards of %s: %w", s.name, err)
		}
		for _, shard := range out.Shards {
			listed[aws.ToString(shard.ShardId)] = parents(shard)
		}
		if out.NextToken == nil {
			s.listed, s.at = listed, time.Now()
			return nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // which names the stream
	}
}

func parents(s types.Shard) (out []string) {
	for _, p := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if p != nil {
			out = append(out, *p)
		}
	}
	return out
}

// due are the shards to read now: those that have not ended and whose parents
// have. A parent that is no longer listed holds nothing any more.
func (s *Source) due() (shards []string) {
	for _, id := range slices.Sorted(maps.Keys(s.listed)) {
		waits := slices.ContainsFunc(s.listed[id], func(parent string) bool {
			_, listed := s.listed[parent]
			return listed && !s.book.shard(parent).Ended
		})
		if !waits && !s.book.shard(id).Ended {
			shards = append(shards, id)
		}
	}
	return shards
}

// round reads all shards that are due once.
func (s *Source) round(ctx context.Context) ([]read, error) {
	due := s.due()
	reads := make([]read, len(due))
	iterators := make([]string, len(due)) // the map is not for several goroutines
	for i, id := range due {
		iterators[i] = s.iterators[id]
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, readAtOnce)
	for i, id := range due {
		free <- struct{}{}
		wg.Go(func() {
			reads[i] = s.read(ctx, id, iterators[i])
			<-free
		})
	}
	wg.Wait()
	for _, r := range reads {
		if r.err != nil {
			delete(s.iterators, r.shard)
			if err := s.excuse(ctx, r.err); err != nil {
				return nil, err
			}
		}
	}
	return reads, nil
}

// excuse passes over errors that trying again mends, and the end of ctx.
func (s *Source) excuse(ctx context.Context, err error) error {
	var expired *types.ExpiredIteratorException
	switch {
	case ctx.Err() != nil:
		return nil //nolint:nilerr // to be ended is what ctx is for
	case errors.As(err, &expired), passing(err):
		s.log.Warn("the source cannot be read, trying again", "stream", s.name, "error", err)
		return nil
	}
	return err
}

// read reads a shard once, from where the book says if there is no iterator.
func (s *Source) read(ctx context.Context, shard, iterator string) read {
	r := read{shard: shard}
	if iterator == "" {
		in := s.book.iterator(shard)
		in.StreamName, in.StreamARN = s.plain, s.arn
		out, err := s.client.GetShardIterator(ctx, in)
		if err != nil {
			r.err = fmt.Errorf("find the position in %s of %s: %w", shard, s.name, err)
			return r
		}
		iterator = aws.ToString(out.ShardIterator)
	}
	out, err := s.client.GetRecords(ctx, &kinesis.GetRecordsInput{StreamARN: s.arn, ShardIterator: &iterator, Limit: aws.Int32(readRecords)})
	if err != nil {
		r.err = fmt.Errorf("read %s of %s: %w", shard, s.name, err)
		return r
	}
	r.records, r.next = out.Records, out.NextShardIterator
	return r
}

// advance notes how far each shard was read. All of it is on the other stream.
func (s *Source) advance(ctx context.Context, reads []read) error {
	ended := false
	for _, r := range reads {
		if r.err != nil {
			continue
		}
		if n := len(r.records); n > 0 {
			s.book.moved(r.shard, aws.ToString(r.records[n-1].SequenceNumber))
		}
		if r.next != nil {
			s.iterators[r.shard] = *r.next
			continue
		}
		s.log.Info("a shard has ended", "stream", s.name, "shard", r.shard)
		s.book.ended(r.shard)
		s.Counts.Shards++
		delete(s.iterators, r.shard)
		ended = true
	}
	if ended {
		s.at = time.Time{} // look for its children in the next round
		s.book.forget(s.listed)
	}
	return s.book.saveIfDue(ctx, s.log, time.Now(), ended)
}
