package export

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/cairnstream/cairn/state/blob"
)

// Row is any row type.
type Row interface {
	EventRow | FindingRow | ChangeRow | ResourceRow | ProgressRow
}

// TableOf is the table whose rows are of type T.
func TableOf[T Row]() Table {
	switch any((*T)(nil)).(type) {
	case *EventRow:
		return Events
	case *FindingRow:
		return Findings
	case *ChangeRow:
		return Changes
	case *ResourceRow:
		return Resources
	default:
		return Progress
	}
}

// Selection says which rows ReadRows reads. The zero value reads all.
type Selection struct {
	// Partition is asked for each partition folder, such as "2026-03-01" (of
	// a folder of several columns, "account=…/region=…/dt=…"); nil: all.
	Partition func(partition string) bool
}

// ReadRows yields the published rows of a table: file after file in the order
// of their names, the rows of each in its order. It reads whole files, one at
// a time, so it is for tables of findings, resources and changes and not for
// months of events. After an error it ends.
func ReadRows[T Row](ctx context.Context, store blob.Store, s Selection) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for key, err := range dataFiles(ctx, store, TableOf[T](), s) {
			more := true
			if err == nil {
				more, err = readFile(ctx, store, key, func(row *T) bool { return yield(row, nil) })
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// dataFiles yields the keys of a table's selected files.
func dataFiles(ctx context.Context, store blob.Store, t Table, s Selection) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range store.List(ctx, string(t)+"/") {
			if err != nil {
				yield("", fmt.Errorf("export: list %s: %w", t, err))
				return
			}
			p, ok := partitionOf(t, o.Key)
			if !ok || s.Partition != nil && !s.Partition(p) {
				continue
			}
			if !yield(o.Key, nil) {
				return
			}
		}
	}
}

// partitionOf is the partition in a file's key, as AddEvent and the others
// were given it. It is false for what is no data file.
func partitionOf(t Table, key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, string(t)+"/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 || !strings.HasSuffix(rest, ".parquet") {
		return "", false
	}
	folder := rest[:i]
	if value, ok := strings.CutPrefix(folder, t.PartitionColumn()+"="); ok && !strings.Contains(value, "/") {
		return value, true
	}
	return folder, strings.Contains(folder, "=")
}

// readBatch rows are decoded at once.
const readBatch = 256

// readFile yields the rows of one file. It returns false when yield did.
func readFile[T Row](ctx context.Context, store blob.Store, key string, yield func(*T) bool) (more bool, err error) {
	data, _, err := store.Get(ctx, key)
	if err != nil {
		return false, fmt.Errorf("export: %w", err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return false, fmt.Errorf("export: open %s: %w", key, err)
	}
	if err := checkFile(f, TableOf[T]()); err != nil {
		return false, fmt.Errorf("export: %s: %w", key, err)
	}
	r := parquet.NewGenericReader[T](f)
	defer func() {
		if e := r.Close(); err == nil && e != nil {
			err = fmt.Errorf("export: close %s: %w", key, e)
		}
	}()
	for left := f.NumRows(); left > 0; {
		// Fresh rows each time: the caller may keep them.
		rows := make([]T, min(left, readBatch))
		n, err := r.Read(rows)
		if n == 0 && err != nil {
			return false, fmt.Errorf("export: read %s: %w", key, err)
		}
		left -= int64(n)
		for i := range rows[:n] {
			if !yield(&rows[i]) {
				return false, nil
			}
		}
	}
	return true, nil
}

// checkFile refuses files of another table. A file of a later schema can be
// read: what is new in it is passed over.
func checkFile(f *parquet.File, t Table) error {
	table, ok := f.Lookup("cairn.table")
	if !ok || table != string(t) {
		return fmt.Errorf("a file of table %q in the folder of %s", table, t)
	}
	return nil
}

// Partitions lists the partitions of a table that have files, in order.
func Partitions(ctx context.Context, store blob.Store, t Table) ([]string, error) {
	var out []string
	for o, err := range store.List(ctx, string(t)+"/") {
		if err != nil {
			return nil, fmt.Errorf("export: list %s: %w", t, err)
		}
		if p, ok := partitionOf(t, o.Key); ok && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out, nil
}

// wholeStream is what the shares of a complete snapshot add up to, less what
// adding fractions may lose. The views of package athena have it too.
const wholeStream = 0.999999

// NewestSnapshot is the newest snapshot of resources that every shard has
// written, "" if there is none.
func NewestSnapshot(ctx context.Context, store blob.Store) (string, error) {
	shares := map[string]float64{}
	newest := ""
	for p, err := range ReadRows[ProgressRow](ctx, store, Selection{}) {
		if err != nil {
			return "", err
		}
		if p.TableName != string(Resources) || p.SnapshotID == nil {
			continue
		}
		id := *p.SnapshotID
		if shares[id] += p.HashShare; shares[id] > wholeStream {
			newest = max(newest, id)
		}
	}
	return newest, nil
}
