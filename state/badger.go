package state

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/cairnstream/cairn/state/key"
)

// badgerOptions are the settings for one shard's rows. Each differs from the
// default for a reason; the numbers were measured on two loaded cores with
// keys of 32 and values of 200 bytes.
func badgerOptions(dir string, log *slog.Logger) badger.Options {
	o := badger.DefaultOptions(dir).WithLogger(badgerLog{log})
	// What a kill leaves in the memtables has to be replayed at open:
	// with 1 M keys 0.43 s at 16 MiB, 2.56 s at the default of 64. Two
	// tables, one filling while the other is flushed; the default five
	// would only hold more RAM.
	o = o.WithMemTableSize(16 << 20).WithNumMemtables(2)
	// Read-modify-write runs at 22.9 k/s without compression, at 14.4 k/s
	// with Snappy and the block cache that compression needs. Without
	// compression blocks are read from the mapped file: the page cache is
	// the cache. The index cache is bounded, for 0 would keep all indices
	// of all shards in RAM.
	o = o.WithCompression(options.None).WithBlockCacheSize(0).WithIndexCacheSize(32 << 20)
	// Above every value (MaxValue), so the value log stays empty and never
	// needs collection.
	o = o.WithValueThreshold(1 << 20)
	// The default pre-allocates 2.2 GB of sparse files per database, which
	// breaks quotas and tmpfs. Small tables keep compactions short.
	o = o.WithValueLogFileSize(64 << 20).WithBaseTableSize(2 << 20)
	// A kill loses nothing without fsync, because the log is a mapped file;
	// after a host crash the boot id in the marker differs and the
	// directory is thrown away. One writer: no conflicts to detect.
	o = o.WithSyncWrites(false).WithDetectConflicts(false)
	// The default verifies nothing. On reading a table costs once per
	// table; on each block it would cost with each read.
	o = o.WithChecksumVerificationMode(options.OnTableRead)
	// Nobody reads an old version. Expiry is ours, in event time, so no
	// row has a time to live.
	o = o.WithNumVersionsToKeep(1)
	// Badger's metrics are process-wide variables, shared by all shards:
	// of no use, and counted with each read.
	return o.WithMetricsEnabled(false)
}

// badgerDB is the lower level in a directory.
type badgerDB struct{ db *badger.DB }

func openBadger(dir string, log *slog.Logger) (lower, error) {
	db, err := badger.Open(badgerOptions(dir, log))
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", dir, err)
	}
	return badgerDB{db}, nil
}

func (b badgerDB) close() error { return b.db.Close() }

func (b badgerDB) view() reader { return badgerView{b.db.NewTransaction(false)} }

// write commits in batches as large as Badger takes, and returns when all are
// in its log.
func (b badgerDB) write(rows iter.Seq2[Row, error]) error {
	batch := b.db.NewWriteBatch()
	defer batch.Cancel()
	for row, err := range rows {
		if err == nil && row.Deleted {
			err = batch.Delete(row.Key)
		} else if err == nil {
			err = batch.Set(row.Key, row.Value)
		}
		if err != nil {
			return err
		}
	}
	return batch.Flush()
}

// loadBuffer is how many bytes of rows go to Badger at a time during load.
const loadBuffer = 4 << 20

// load writes tables directly, past memtables and compaction.
func (b badgerDB) load(rows iter.Seq2[Row, error]) error {
	w := b.db.NewStreamWriter()
	if err := w.Prepare(); err != nil {
		return err
	}
	defer w.Cancel()
	buf := z.NewBuffer(loadBuffer+loadBuffer/4, "state.load")
	defer func() { _ = buf.Release() }()
	for row, err := range ascending(rows) {
		if err != nil {
			return err
		}
		badger.KVToBuffer(&pb.KV{Key: row.Key, Value: row.Value, Version: 1, StreamId: 1}, buf)
		if buf.LenNoPadding() < loadBuffer {
			continue
		}
		if err := w.Write(buf); err != nil {
			return err
		}
		buf.Reset()
	}
	if err := w.Write(buf); err != nil {
		return err
	}
	return w.Flush()
}

// badgerView is a read transaction.
type badgerView struct{ txn *badger.Txn }

func (v badgerView) close() { v.txn.Discard() }

func (v badgerView) get(k []byte) ([]byte, bool, error) {
	item, err := v.txn.Get(k)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value, err := item.ValueCopy(nil)
	return value, err == nil, err
}

func (v badgerView) rows(prefix []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		// No prefetch: values lie beside their keys.
		it := v.txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			if string(item.Key()) == markerKey {
				continue
			}
			if !give(item, yield) {
				return
			}
		}
	}
}

// give yields an item, and says whether to go on.
func give(item *badger.Item, yield func(Row, error) bool) bool {
	value, err := item.ValueCopy(nil)
	return yield(Row{Key: item.KeyCopy(nil), Value: value}, err) && err == nil
}

// seekAfter is after how many rows in a row that are not wanted a seek is made:
// it costs about as much as so many steps.
const seekAfter = 8

func (v badgerView) typed(t types) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		it := v.txn.NewIterator(badger.IteratorOptions{Prefix: []byte{key.SpaceKeyed}})
		defer it.Close()
		passed := 0
		for it.Rewind(); it.Valid(); {
			item := it.Item()
			switch k := item.Key(); {
			case t.has(string(k)):
				if passed = 0; !give(item, yield) {
					return
				}
				it.Next()
			case len(k) <= typeAt || passed < seekAfter:
				passed++
				it.Next()
			default:
				next := t.next(k)
				if passed = 0; next == nil {
					return
				}
				it.Seek(next)
			}
		}
	}
}

// badgerLog passes warnings and errors on; the rest is of no use to anyone.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(format string, args ...any) {
	if l.log != nil {
		l.log.Error("badger: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (l badgerLog) Warningf(format string, args ...any) {
	if l.log != nil {
		l.log.Warn("badger: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (badgerLog) Infof(string, ...any)  {}
func (badgerLog) Debugf(string, ...any) {}
