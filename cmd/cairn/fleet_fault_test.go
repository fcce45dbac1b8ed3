package main

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/cairnstream/cairn/deploy/local/fault"
)

// leaseTableDown takes the lease table away for three leases.
func (g *ground) leaseTableDown(t *testing.T) {
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	f.worker()
	f.share(2, 2)
	wait := f.produce(g.small.pieces, 16*time.Second)
	time.Sleep(3 * time.Second)
	f.dynamo.Outage(true)
	time.Sleep(3 * lease)
	f.dynamo.Outage(false)
	back := time.Now()
	f.share(2, 2)
	f.note = append(f.note, fmt.Sprintf("down for %v; all shares held again %.1f s later", 3*lease, time.Since(back).Seconds()))
	wait()
	f.consumed(g.small.events)
	f.finish()
	f.check(g.small, 0)
}

// storeFaults works on an S3 that is often too busy, whose answers to writes get
// lost, and that repeats writes; a worker is killed meanwhile.
func (g *ground) storeFaults(t *testing.T) {
	f := g.newFleet(t, 4)
	s3 := proxied(t, "S3", g.objects)
	f.env = append(f.env, "AWS_ENDPOINT_URL_S3="+s3.URL())
	f.lake, f.state = "s3://cairn/"+f.stream+"/lake", "s3://cairn/"+f.stream+"/state"
	manifests := regexp.MustCompile("/MANIFEST$")
	lost := s3.Add(fault.Rule{Operation: "PutObject", Path: manifests, Calls: fault.Every(4), Fate: fault.LoseAnswer})
	again := s3.Add(fault.Rule{Operation: "PutObject", Path: manifests, Calls: fault.Every(5), Fate: fault.Repeat})
	other := s3.Add(fault.Rule{Operation: "PutObject", Calls: fault.Every(9), Fate: fault.LoseAnswer})
	busy := s3.Add(fault.Rule{Calls: fault.Sometimes(0.1, 8), Fate: fault.Reply, Answer: fault.Error(503, "SlowDown")})
	f.worker()
	f.worker()
	f.share(2, 2)
	wait := f.produce(g.small.pieces, 14*time.Second)
	time.Sleep(6 * time.Second)
	f.workers[1].crash()
	f.worker()
	wait()
	f.consumed(g.small.events)
	s3.Clear()
	f.finish()
	f.note = append(f.note, fmt.Sprintf("S3: %d times 503, %d answers lost to writes of manifests and %d to others, %d writes repeated", busy.Hits(), lost.Hits(), other.Hits(), again.Hits()))
	if busy.Hits() == 0 || lost.Hits() == 0 || again.Hits() == 0 {
		t.Error("nothing went wrong: the test shows nothing")
	}
	f.check(g.small, 0)
}

// threeTimes delivers everything three times, the repetitions in any order behind
// the first time.
func (g *ground) threeTimes(t *testing.T) {
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	f.put(t.Context(), repeated(g.small.pieces, 2), 400)
	f.consumed(3 * g.small.events)
	f.finish()
	c := f.sum()
	f.note = append(f.note, fmt.Sprintf("%d duplicates of %d", c.Duplicates, c.In))
	if want := int64(3*g.small.events - len(g.small.ids)); c.Duplicates != want {
		t.Errorf("%d duplicates, want %d", c.Duplicates, want)
	}
	f.check(g.small, 0)
}

// poison strews broken aggregates among the records, and good ones.
func (g *ground) poison(t *testing.T) {
	f := g.newFleet(t, 2)
	f.watching()
	f.worker()
	f.worker()
	records, bad := []streamRecord{}, 0
	for i, r := range g.small.pieces {
		switch i % 20 {
		case 5: // no protobuf behind a good checksum, which the client library would drop the batch for
			records = append(records, streamRecord{r.key, aggregate([]byte("\x0f\xff"))})
			bad++
		case 10: // a part with a key that is not there, behind a good one
			records = append(records, streamRecord{r.key, aggregate(keyTable(r.key), part(0, r.data), part(9, []byte("x")))})
			bad++
			continue
		case 15: // the message was cut
			whole := aggregate(keyTable(r.key), part(0, r.data))
			records = append(records, streamRecord{r.key, append(whole[:len(whole)/2], whole[len(whole)-md5.Size:]...)})
			bad++
		case 18:
			records = append(records, streamRecord{r.key, aggregate(keyTable(r.key), part(0, r.data))})
			continue
		}
		records = append(records, r)
	}
	f.produce(records, 8*time.Second)()
	f.consumed(g.small.events + bad)
	f.finish()
	f.note = append(f.note, fmt.Sprintf("%d broken aggregates, all quarantined", bad))
	f.check(g.small, bad)
}

// aggregate is a record as the Kinesis Producer Library makes it.
func aggregate(fields ...[]byte) []byte {
	message := bytes.Join(fields, nil)
	sum := md5.Sum(message)
	return append(append([]byte("\xf3\x89\x9a\xc2"), message...), sum[:]...)
}

func keyTable(key string) []byte { return lengthed(1, []byte(key)) }

func part(key byte, data []byte) []byte {
	return lengthed(3, append([]byte{1 << 3, key}, lengthed(3, data)...))
}

// lengthed is a protobuf field with a length.
func lengthed(number byte, data []byte) []byte {
	out := []byte{number<<3 | 2}
	n := len(data)
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), data...)
}
