package export

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/cairnstream/cairn/export/columnar"
	"github.com/cairnstream/cairn/export/rowlog"
)

// An encoder turns the blocks of one partition after the other into Parquet.
// Its buffers are its worth: most files of a replay are small, and a fresh
// writer costs more than such a file.
//
// Peak memory of one encoder: the raw rows of a row group (maxGroupRaw), their
// keys (about 10 MiB), the open pages (at most 512 KiB for each column that
// holds values, about 10 MiB for events) and the compressed pages of the row
// group (about a sixth of the raw rows): some 55 MiB. Two added 155 MB to a
// process with the default GOGC, what the collector had not taken back yet
// included.
type encoder struct {
	tables   [len(specs)]*tableEncoder
	unpack   rowlog.Decompressor
	packed   []byte   // a block read from the spool
	blocks   [][]byte // raw blocks of the open row group
	spare    [][]byte
	rows     []groupRow
	order    []sortRow
	keys     []byte
	groupRaw int
}

const (
	// maxGroupRows and maxGroupRaw end a row group, whichever comes first.
	// Raw rows lie in memory until they are sorted: more would not fit the
	// memory of a replay, less would make chunks of a few KB that readers
	// fetch one by one.
	maxGroupRows = 100_000
	maxGroupRaw  = 32 << 20

	// Page sizes: a file of events may have hundreds of MB, the other tables
	// are small. Larger pages compress a little better, and two encoders'
	// worth of them must fit in memory.
	eventPageBytes = 512 << 10
	otherPageBytes = 256 << 10
)

// tableEncoder is the writer of one table.
type tableEncoder struct {
	writer *columnar.Writer
	key    []keyField
}

// encoders keeps idle encoders. It holds no state that shows in a file.
var encoders sync.Pool

func takeEncoder() *encoder {
	if e, ok := encoders.Get().(*encoder); ok {
		return e
	}
	return &encoder{}
}

func (e *encoder) giveBack() { encoders.Put(e) }

// table returns the encoder's writer for a table, made when first needed.
func (e *encoder) table(s *spec) (*tableEncoder, error) {
	i := s.id - 1
	if e.tables[i] != nil {
		return e.tables[i], nil
	}
	schema, err := s.schema()
	if err != nil {
		return nil, err
	}
	t := &tableEncoder{}
	if t.writer, err = columnar.NewWriter(schema); err != nil {
		return nil, err
	}
	if t.key, err = s.keyFields(); err != nil {
		return nil, err
	}
	e.tables[i] = t
	return t, nil
}

func (s *spec) schema() (*columnar.Schema, error) {
	fields, err := rowlog.Describe(s.row)
	if err != nil {
		return nil, err
	}
	page := otherPageBytes
	if s.table == Events {
		page = eventPageBytes
	}
	return columnar.NewSchema(fields, columnar.Options{
		First: s.sort, Sort: s.sort, Bloom: s.bloom, NoStats: s.noStats, PageBytes: page,
	})
}

// encode writes the file of a partition and returns the number of its rows.
func (e *encoder) encode(ctx context.Context, out io.Writer, j rollJob, n Naming) (int64, error) {
	t, err := e.table(j.spec)
	if err != nil {
		return 0, err
	}
	t.writer.Reset(out, CreatedBy, n.metadata(j.spec.table))
	e.begin()
	var rows int64
	for _, s := range j.part.blocks {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := e.addBlock(t, s)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	if err := e.endGroup(t); err != nil {
		return 0, err
	}
	return rows, t.writer.Close()
}

// metadata is what a file says about itself.
func (n Naming) metadata(t Table) []columnar.KeyValue {
	return []columnar.KeyValue{
		{Key: "cairn.table", Value: string(t)},
		{Key: "cairn.schema", Value: strconv.Itoa(SchemaNumber)},
		{Key: "cairn.shard", Value: n.Shard},
		{Key: "cairn.checkpoint", Value: strconv.FormatInt(n.Checkpoint, 10)},
		{Key: "cairn.first_sequence", Value: n.FirstSequence},
		{Key: "cairn.last_sequence", Value: n.LastSequence},
	}
}

// begin forgets the rows of the group before.
func (e *encoder) begin() {
	e.spare = append(e.spare, e.blocks...)
	e.blocks, e.rows, e.keys, e.groupRaw = e.blocks[:0], e.rows[:0], e.keys[:0], 0
}

// addBlock adds the rows of a block to the open row group and closes it when
// it is full. The cut depends on the rows alone, not on the blocks they came
// in: a takeover reads them from other blocks.
func (e *encoder) addBlock(t *tableEncoder, s *sealed) (int64, error) {
	b, err := s.data(&e.packed)
	if err != nil {
		return 0, err
	}
	if b.Schema > SchemaNumber {
		return 0, fmt.Errorf("rows of schema %d; this binary knows up to %d", b.Schema, SchemaNumber)
	}
	raw, err := e.unpack.Open(e.takeSpare(), b)
	if err != nil {
		return 0, err
	}
	e.blocks = append(e.blocks, raw)
	in, err := rowlog.NewRows(raw)
	if err != nil {
		return 0, err
	}
	var rows int64
	for {
		start, end, ok := in.Next()
		if !ok {
			return rows, in.Err()
		}
		rows++
		if e.groupFull(end - start) {
			if err := e.endGroup(t); err != nil {
				return rows, err
			}
			// The rest of this block belongs to the next group.
			e.spare = e.spare[:len(e.spare)-1]
			e.blocks = append(e.blocks, raw)
		}
		e.addRow(t, raw[start:end], start)
	}
}

func (e *encoder) takeSpare() []byte {
	if n := len(e.spare); n > 0 {
		b := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return b
	}
	return nil
}
