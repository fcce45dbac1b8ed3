package processortest

import (
	"context"
	"crypto/md5"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"
)

// Record is one record of a stream.
type Record struct {
	Sequence     string // decimal, not padded
	PartitionKey string
	Data         []byte
	Arrival      time.Time
}

// Shard is one shard of a Stream.
type Shard struct {
	ID       string
	Lo, Hi   *big.Int // hash range, both included
	Parents  []string // one after a split, two after a merge
	Children []string
	records  []Record
}

// HashRange is the range as Kinesis gives it, decimal.
func (s *Shard) HashRange() [2]string { return [2]string{s.Lo.String(), s.Hi.String()} }

// Share is the shard's part of the whole hash range.
func (s *Shard) Share() float64 {
	width := new(big.Int).Add(new(big.Int).Sub(s.Hi, s.Lo), big.NewInt(1))
	share, _ := new(big.Rat).SetFrac(width, hashes).Float64()
	return share
}

// hashes is the number of hash keys: MD5 has 128 bits.
var hashes = new(big.Int).Lsh(big.NewInt(1), 128)

// Stream is a Kinesis stream in memory. Sequence numbers rise over the whole
// stream, are longer than 64 bits, and differ in length.
type Stream struct {
	Gate Gate

	mu     sync.Mutex
	shards []*Shard
	next   *big.Int
	step   int64
}

// NewStream makes a stream of n shards that divide the hash range evenly.
// Sequence numbers gain a digit after about early records.
func NewStream(n int, early int64) *Stream {
	s := &Stream{step: 104729}
	s.next = new(big.Int).Exp(big.NewInt(10), big.NewInt(24), nil)
	s.next.Sub(s.next, big.NewInt(early*s.step))
	lo := new(big.Int)
	for i := 1; i <= n; i++ {
		end := new(big.Int).Div(new(big.Int).Mul(hashes, big.NewInt(int64(i))), big.NewInt(int64(n)))
		s.add(lo, new(big.Int).Sub(end, big.NewInt(1)))
		lo = end
	}
	return s
}

func (s *Stream) add(lo, hi *big.Int, parents ...string) {
	shard := &Shard{ID: fmt.Sprintf("shardId-%012d", len(s.shards)), Lo: lo, Hi: hi, Parents: parents}
	s.shards = append(s.shards, shard)
	for _, p := range parents {
		parent := s.shard(p)
		parent.Children = append(parent.Children, shard.ID)
	}
}

// Shards lists all shards, also those that have ended, in the order of their
// making. They do not change but for Children.
func (s *Stream) Shards() []Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Shard, len(s.shards))
	for i, shard := range s.shards {
		out[i] = *shard
		out[i].Children = slices.Clone(shard.Children)
	}
	return out
}

func (s *Stream) shard(id string) *Shard {
	for _, shard := range s.shards {
		if shard.ID == id {
			return shard
		}
	}
	return nil
}

// HashOf is where Kinesis places a partition key.
func HashOf(partitionKey string) *big.Int {
	sum := md5.Sum([]byte(partitionKey))
	return new(big.Int).SetBytes(sum[:])
}

// Put appends a record. It tells which shard took it and under which number.
func (s *Stream) Put(partitionKey string, data []byte, arrival time.Time) (shard, sequence string) {
	return s.PutAt(HashOf(partitionKey), partitionKey, data, arrival)
}

// PutAt appends a record with an explicit hash key.
func (s *Stream) PutAt(hash *big.Int, partitionKey string, data []byte, arrival time.Time) (shard, sequence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shards {
		if len(sh.Children) > 0 || hash.Cmp(sh.Lo) < 0 || hash.Cmp(sh.Hi) > 0 {
			continue
		}
		s.next.Add(s.next, big.NewInt(s.step+hash.Int64()%97))
		sequence = s.next.String()
		sh.records = append(sh.records, Record{sequence, partitionKey, data, arrival})
		return sh.ID, sequence
	}
	return "", "" // not reached: the open shards cover all hashes
}

// Split ends a shard; its children divide its range before hash key at.
func (s *Stream) Split(id string, at *big.Int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shard(id)
	if sh == nil || len(sh.Children) > 0 || at.Cmp(sh.Lo) <= 0 || at.Cmp(sh.Hi) > 0 {
		return false
	}
	s.add(sh.Lo, new(big.Int).Sub(at, big.NewInt(1)), id)
	s.add(new(big.Int).Set(at), sh.Hi, id)
	return true
}

// Merge ends two open shards with adjacent ranges, the lower one first, in
// favour of a new one.
func (s *Stream) Merge(lower, upper string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := s.shard(lower), s.shard(upper)
	if a == nil || b == nil || len(a.Children)+len(b.Children) > 0 || new(big.Int).Add(a.Hi, big.NewInt(1)).Cmp(b.Lo) != 0 {
		return false
	}
	s.add(a.Lo, b.Hi, lower, upper)
	return true
}

// Read returns up to limit records of a shard behind a sequence number, "" for
// all that there are. end tells that no more will ever come; with no records
// and no end the reader is at the tip.
func (s *Stream) Read(ctx context.Context, worker, id, after string, limit int) (records []Record, end bool, err error) {
	err = s.Gate.pass(ctx, Call{worker, "stream.read", id, false}, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		sh := s.shard(id)
		if sh == nil {
			return fmt.Errorf("stream: no shard %s", id)
		}
		from := len(sh.records)
		for i, r := range sh.records {
			if CompareSequences(r.Sequence, after) > 0 {
				from = i
				break
			}
		}
		to := min(from+limit, len(sh.records))
		records, end = slices.Clone(sh.records[from:to]), to == len(sh.records) && len(sh.Children) > 0
		return nil
	})
	return records, end, err
}

// Records are all records of a shard, without passing the gate.
func (s *Stream) Records(id string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shard(id).records)
}

// CompareSequences compares two sequence numbers as numbers; "" is below all.
func CompareSequences(a, b string) int {
	var x, y big.Int
	x.SetString("0"+a, 10)
	y.SetString("0"+b, 10)
	return x.Cmp(&y)
}
