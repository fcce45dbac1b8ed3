package processor

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// Config is what a shard is made of. The stores, rules and catalogue are
// shared by all shards of a process and are not changed by them.
type Config struct {
	App, Stream, Shard string
	HashRange          [2]string // first and last hash key of the shard, decimal
	HashShare          float64   // its part of the whole range
	// Parents are the shards that this one was split or merged from, as far as
	// the stream still lists them. All must have ended.
	Parents []string
	// Source is the identity of the input up to a sequence number. It stands in
	// the manifest, so that other input is refused instead of mixed in.
	Source func(sequence string) string

	Lake, State blob.Store
	Local       string // folder of the local cache; "": in memory
	Rules       *rule.Set
	Catalogue   *resource.Catalogue
	Accounts    *account.Book // what the organisation says of its accounts; nil: nothing
	// History is where rules that ask whether something is new look for what
	// was before them; nil: they learn from here on. Past, if set, answers
	// instead.
	History *LakePast
	Past    detect.Past

	Lateness      time.Duration // of the watermark behind arrival
	SnapshotEvery time.Duration // distance of inventory snapshots, at least an hour; 0: only at the end
	// KeepTombstones is how long a deleted resource stays in the inventory, in
	// event time behind the watermark.
	KeepTombstones time.Duration
	CommitRecords  int64 // a commit is due after so many records of the shard
	CommitBytes    int64 // or when so much state has changed
	// CommitEvery is how long committed work may stay behind the stream, by the
	// clock of the batches; 0 in a replay, which never looks at the clock.
	CommitEvery time.Duration
	Roll        Roll
	Encoders    int           // Parquet files that are encoded at once
	Rolls       chan struct{} // its capacity is how many shards of a process encode at once; nil: all
	Writer      string        // identifies this process in names, 16 hex digits
	Log         *slog.Logger  // nil: none

	// Checkpoint tells the lease table how far the last commit went, or
	// ShardEnd. It is a hint for people and other workers: the manifest alone
	// decides where reading goes on. nil: nobody is told.
	Checkpoint func(ctx context.Context, sequence string) error
	// Hint is what the lease table has. It is never ahead of the manifest,
	// unless the manifest was lost or put back.
	Hint string

	// Committed, if set, is told of each commit, on the goroutine that made it.
	Committed func(Commit)

	Outbox Outbox                                            // delivers alerts; nil: none are made
	Alerts func(*detect.Finding, *export.FindingRow) []Alert // what a finding has to be sent; nil: nothing
}

// Commit is what is told of a commit.
type Commit struct {
	Manifest *manifest.Manifest // must not be changed
	Before   manifest.Counts    // of the commit before
	Took     time.Duration      // from its beginning until all was published
}

// ShardEnd is the checkpoint of a shard that has ended and is all committed.
const ShardEnd = "SHARD_END"

// Roll says when open rows become files. The zero value makes files with each
// commit, as a replay does.
type Roll struct {
	Age       time.Duration // of the oldest open row; 0: with each commit
	Bytes     int64         // estimated size of the largest file
	ReportAge time.Duration // of the oldest report of progress that is in no file
	Days      int           // open partitions of a table, checked once a minute
}

// everyCommit tells that there are no row logs: rows go to files with the
// commit that makes them durable.
func (r Roll) everyCommit() bool { return r.Age == 0 }

// local is a folder of the shard's cache, "" when it is kept in memory.
func (c *Config) local(name string) string {
	if c.Local == "" {
		return ""
	}
	return filepath.Join(c.Local, c.Stream, c.Shard, name)
}

// logger is where the shard says what it does.
func (c *Config) logger() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log.With("shard", c.Shard)
}
