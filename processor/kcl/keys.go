package kcl

import (
	"regexp"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/state/key"
)

// A key is taken for random when one account has more than randomKeys of them
// within keyWindow events.
const (
	keyWindow  = 1000
	randomKeys = 32
)

// Kinds of odd partition keys, as metrics and log name them.
const (
	oddMissing   = "missing"    // a record without a partition key
	oddOutside   = "outside"    // a key that does not lead to the shard
	oddRandom    = "random"     // a new key for each record or so
	oddLogStream = "log_stream" // keys of CloudWatch log streams: one per account and region
)

// logStreamKey is what CloudWatch Logs uses as a partition key by default: the
// name of CloudTrail's log stream.
var logStreamKey = regexp.MustCompile(`^\d{12}_CloudTrail_[a-z0-9-]+(_\d+)?$`)

// keyWatch looks at the partition keys of one shard. Rules that group see only
// what has one key, the account by default; other keys make them see less than
// their author thinks.
type keyWatch struct {
	hashes key.Range
	seen   map[string]map[key.Hash]struct{} // keys of each account
	events int
	found  map[string]bool // kinds that were reported
}

func newKeyWatch(hashes key.Range) *keyWatch {
	return &keyWatch{hashes: hashes, seen: map[string]map[key.Hash]struct{}{}, found: map[string]bool{}}
}

// keyFindings is what a batch shows.
type keyFindings struct {
	missing, outside int
	first            []string // oddRandom, oddLogStream: found here for the first time
}

// look goes through a batch and the records it was made of.
func (w *keyWatch) look(records []processor.Record, b *processor.Batch) (f keyFindings) {
	for i := range records {
		switch k := records[i].PartitionKey; {
		case k == "":
			f.missing++
		case !w.found[oddLogStream] && logStreamKey.MatchString(k):
			f.first = w.report(oddLogStream, f.first)
		}
	}
	for i := range b.Items {
		it := &b.Items[i]
		if !w.hashes.Contains(it.Key) {
			f.outside++
		}
		if it.Event != nil && w.random(it.Event.Account(), it.Key) {
			f.first = w.report(oddRandom, f.first)
		}
	}
	return f
}

func (w *keyWatch) report(kind string, first []string) []string {
	if w.found[kind] {
		return first
	}
	w.found[kind] = true
	return append(first, kind)
}

func (w *keyWatch) random(account string, k key.Hash) bool {
	if w.events++; w.events > keyWindow {
		w.events = 1
		clear(w.seen)
	}
	keys := w.seen[account]
	if keys == nil {
		keys = map[key.Hash]struct{}{}
		w.seen[account] = keys
	}
	keys[k] = struct{}{}
	return len(keys) > randomKeys
}
