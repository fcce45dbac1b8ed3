package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/cairnstream/cairn/state/blob"
)

// Naming is what the names and the metadata of a roll's files are made of.
type Naming struct {
	Shard         string
	Epoch         int64
	Checkpoint    int64  // of the cut
	Writer        string // 16 hex digits of the process
	FirstSequence string // extent of the rows, for the metadata; may be empty
	LastSequence  string
}

// File is one staged Parquet file.
type File struct {
	Table     Table
	Partition string
	Stage     string // key of the staged object
	Final     string // key under which it is to be published
	Rows      int64
	Bytes     int64
	SHA256    string // hex
}

// A Batch holds frozen rows until they are in files.
type Batch struct {
	tables []*tableRows
	pack   *packer
	err    error
}

// Rows is the number of rows of a table in the batch.
func (b *Batch) Rows(t Table) int64 {
	for _, rows := range b.tables {
		if rows.spec.table == t {
			return rows.rows
		}
	}
	return 0
}

// Roll encodes and stages one Parquet file per table and partition, as many at
// once as encoders says (0: one). The files come in the order of Tables, then
// of their partitions. The bytes of a file depend on its rows, their order and
// Shard, Checkpoint, FirstSequence and LastSequence only. Roll may be called
// again after an error; it stages under the same names.
func (b *Batch) Roll(ctx context.Context, store blob.Store, n Naming, encoders int) ([]File, error) {
	if b.err != nil {
		return nil, b.err
	}
	var jobs []rollJob
	for _, t := range b.tables {
		for _, name := range t.names() {
			jobs = append(jobs, rollJob{spec: t.spec, part: t.parts[name]})
		}
	}
	files := make([]File, len(jobs))
	err := runJobs(ctx, max(encoders, 1), len(jobs), func(ctx context.Context, e *encoder, i int) error {
		f, err := jobs[i].stage(ctx, store, n, e)
		if err != nil {
			return fmt.Errorf("export: roll %s %s: %w", jobs[i].spec.table, jobs[i].part.name, err)
		}
		files[i] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// runJobs runs do for 0 to n-1 on some goroutines, each with its own encoder,
// and stops at the first error.
func runJobs(ctx context.Context, workers, n int, do func(context.Context, *encoder, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			e := takeEncoder()
			defer e.giveBack()
			for i := range next {
				if err := do(ctx, e, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// rollJob is one file to be written.
type rollJob struct {
	spec *spec
	part *part
}

func (j rollJob) stage(ctx context.Context, store blob.Store, n Naming, e *encoder) (File, error) {
	f := File{
		Table: j.spec.table, Partition: j.part.name,
		Stage: n.stage(j.spec.table, j.part.name), Final: n.Final(j.spec.table, j.part.name),
	}
	up, err := store.Create(ctx, f.Stage)
	if err != nil {
		return f, err
	}
	defer up.Abort()
	sum := sha256.New()
	out := &counter{w: io.MultiWriter(up, sum)}
	if f.Rows, err = e.encode(ctx, out, j, n); err != nil {
		return f, err
	}
	if err := up.Commit(ctx); err != nil {
		return f, err
	}
	f.Bytes, f.SHA256 = out.n, hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// stage is the key of a staged file. Table and partition stand at its end, so
// that tables which roll at one checkpoint do not meet.
func (n Naming) stage(t Table, partition string) string {
	flat := strings.ReplaceAll(partition, "/", ",")
	return fmt.Sprintf("_stage/%s/%010d-%010d-%s-%s-%s", n.Shard, n.Epoch, n.Checkpoint, n.Writer, t, flat)
}

// Final is the key of a published file: a function of table, partition, shard
// and checkpoint alone.
func (n Naming) Final(t Table, partition string) string {
	return fmt.Sprintf("%s/%s/%s-%010d-0.parquet", t, Folder(t, partition), n.Shard, n.Checkpoint)
}

// Folder is a partition's folder below its table: "dt=2026-03-01" for the
// partition "2026-03-01". A partition that is a folder already stays one.
func Folder(t Table, partition string) string {
	if strings.Contains(partition, "=") {
		return partition
	}
	return t.PartitionColumn() + "=" + partition
}

// Close gives the memory and the spool files of the batch back. The files that
// Roll staged stay.
func (b *Batch) Close() error {
	var errs []error
	for _, t := range b.tables {
		for _, name := range t.names() {
			for _, s := range t.parts[name].blocks {
				errs = append(errs, b.pack.release(s))
			}
		}
	}
	b.tables = nil
	return errors.Join(errs...)
}
