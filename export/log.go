package export

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/cairnstream/cairn/export/rowlog"
)

// logged is a block that waits for its row log.
type logged struct {
	*sealed
	table Table
}

// A Log is what one commit adds to the open rows: the content of its row log.
// Its blocks are those of the Buffer, so a row is compressed once.
type Log struct {
	pack   *packer
	blocks []logged
	err    error
}

// TakeLog closes the open blocks and returns the rows that were added since
// the call before. Rows of resources are not among them: a snapshot can be
// taken again from the state. The Log may be written on another goroutine and
// must be closed.
func (b *Buffer) TakeLog() *Log {
	l := &Log{pack: b.pack}
	for _, t := range b.open {
		if err := b.sealAll(t); err != nil && l.err == nil {
			l.err = err
		}
	}
	l.blocks, b.log = b.log, nil
	return l
}

// dropLog takes the blocks of some tables out of the next row log.
func (b *Buffer) dropLog(drop func(Table) bool) {
	kept := b.log[:0]
	for _, l := range b.log {
		if !drop(l.table) {
			kept = append(kept, l)
			continue
		}
		// The batch holds the block as well, so nothing is freed here that
		// could fail.
		l.refs.Add(-1)
	}
	clear(b.log[len(kept):])
	b.log = kept
}

// Empty reports whether there are no rows to log.
func (l *Log) Empty() bool { return len(l.blocks) == 0 }

// LogSummary is what is in a row log.
type LogSummary struct {
	Tables map[Table]LogSize
	Bytes  int64  // of the object
	SHA256 string // of the object, hex
}

// LogSize is the share of one table in a row log.
type LogSize struct {
	Rows  int64
	Bytes int64 // as encoded, before compression
}

// Write writes the row log to w. It may be called again after an error.
func (l *Log) Write(w io.Writer) (LogSummary, error) {
	sum, err := l.write(w)
	if err != nil {
		return LogSummary{}, err
	}
	out := LogSummary{Tables: map[Table]LogSize{}, Bytes: sum.Size, SHA256: hex.EncodeToString(sum.SHA256[:])}
	for _, t := range sum.Totals {
		spec, err := specByID(t.Table)
		if err != nil {
			return LogSummary{}, err
		}
		out.Tables[spec.table] = LogSize{Rows: int64(t.Rows), Bytes: int64(t.Bytes)}
	}
	return out, nil
}

func (l *Log) write(w io.Writer) (rowlog.Summary, error) {
	if l.err != nil {
		return rowlog.Summary{}, l.err
	}
	out := rowlog.NewWriter(w)
	var scratch []byte
	for _, s := range l.blocks {
		b, err := s.data(&scratch)
		if err == nil {
			err = out.Add(b)
		}
		if err != nil {
			return rowlog.Summary{}, fmt.Errorf("export: row log: %w", err)
		}
	}
	s, err := out.Close()
	if err != nil {
		return s, fmt.Errorf("export: row log: %w", err)
	}
	return s, nil
}

// Close gives up the Log's blocks.
func (l *Log) Close() error {
	var errs []error
	for _, s := range l.blocks {
		errs = append(errs, l.pack.release(s.sealed))
	}
	l.blocks = nil
	return errors.Join(errs...)
}

// Restore adds the rows of a row log to the Buffer, without those of tables
// for which keep says no. Logs are restored in the order of their commits. A
// damaged log adds nothing.
func (b *Buffer) Restore(log io.Reader, keep func(Table) bool) error {
	r := restorer{buffer: b, keep: keep}
	if _, err := rowlog.Read(log, r.add); err != nil {
		return errors.Join(fmt.Errorf("export: restore open rows: %w", err), r.drop())
	}
	for _, f := range r.found {
		t := b.open[f.table]
		p := t.part(f.partition)
		if err := b.seal(t, p); err != nil { // rows that came before stay before
			return err
		}
		p.blocks = append(p.blocks, f.sealed)
		t.rows += int64(f.block.Rows)
		t.raw += f.raw
	}
	return nil
}

// restorer gathers the blocks of one log.
type restorer struct {
	buffer *Buffer
	keep   func(Table) bool
	unpack rowlog.Decompressor
	raw    []byte
	found  []restored
}

type restored struct {
	*sealed
	table     int // in Buffer.open
	partition string
	raw       int64
}

func (r *restorer) add(b rowlog.Block) error {
	s, err := specByID(b.Table)
	if err != nil {
		return err
	}
	if b.Schema > SchemaNumber {
		return fmt.Errorf("rows of schema %d of %s; this binary knows up to %d", b.Schema, s.table, SchemaNumber)
	}
	if !r.keep(s.table) {
		return nil
	}
	// Only its partition is wanted, but opening a block is quick.
	if r.raw, err = r.unpack.Open(r.raw, b); err != nil {
		return err
	}
	rows, err := rowlog.NewRows(r.raw)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	close(done)
	f := restored{&sealed{done: done, block: b}, int(s.id) - 1, rows.Partition, int64(rows.Size())}
	f.refs.Store(1)
	r.found = append(r.found, f)
	return r.buffer.pack.store(f.sealed)
}

// drop gives up what was gathered.
func (r *restorer) drop() error {
	var errs []error
	for _, f := range r.found {
		errs = append(errs, r.buffer.pack.release(f.sealed))
	}
	return errors.Join(errs...)
}
