package export

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cairnstream/cairn/export/rowlog"
)

// DefaultMemoryLimit is the memory of a shard's open rows before they go to
// its spool file: about 100 MiB of raw rows, several commits of a busy shard.
const DefaultMemoryLimit = 16 << 20

// BufferOptions are the settings of a Buffer. The zero value keeps all rows in
// memory.
type BufferOptions struct {
	SpoolDir    string // folder of the spool files; empty: no spooling
	MemoryLimit int64  // bytes of compressed blocks in memory; 0: DefaultMemoryLimit
}

// A Buffer holds the open rows of one shard: those that are in no Parquet file
// yet. They lie as compressed blocks in memory and, above the limit, in
// unnamed files of SpoolDir. One goroutine calls its methods; the compression
// runs beside it.
type Buffer struct {
	codecs codecs
	open   [len(specs)]*tableRows
	log    []logged // blocks that no row log has yet, in the order in which they closed
	pack   *packer
	opts   BufferOptions
}

// codecs are the row codecs of one goroutine.
type codecs struct {
	events    *rowlog.Codec[EventRow]
	findings  *rowlog.Codec[FindingRow]
	changes   *rowlog.Codec[ChangeRow]
	resources *rowlog.Codec[ResourceRow]
	progress  *rowlog.Codec[ProgressRow]
}

// NewBuffer makes an empty Buffer.
func NewBuffer(opts BufferOptions) *Buffer {
	if opts.MemoryLimit <= 0 {
		opts.MemoryLimit = DefaultMemoryLimit
	}
	b := &Buffer{opts: opts, pack: newPacker(opts), codecs: codecs{
		events: codecOf[EventRow](Events), findings: codecOf[FindingRow](Findings), changes: codecOf[ChangeRow](Changes),
		resources: codecOf[ResourceRow](Resources), progress: codecOf[ProgressRow](Progress),
	}}
	for i := range b.open {
		b.open[i] = newTableRows(&specs[i])
	}
	return b
}

// codecOf makes a table's codec. The row types are part of the program, and a
// test describes them all, so an error here is a bug.
func codecOf[T any](t Table) *rowlog.Codec[T] {
	s, err := specOf(t)
	if err != nil {
		panic(err)
	}
	c, err := rowlog.NewCodec[T](s.sort...)
	if err != nil {
		panic(err)
	}
	return c
}

// AddEvent appends a row to events. The partition of this and the other
// methods is the value of the table's partition column, or a whole folder such
// as "account=…/region=…/dt=…". The row is encoded at once and may be reused.
func (b *Buffer) AddEvent(partition string, r *EventRow) error {
	return add(b, 0, partition, b.codecs.events, r)
}

// AddFinding appends a row to findings.
func (b *Buffer) AddFinding(partition string, r *FindingRow) error {
	return add(b, 1, partition, b.codecs.findings, r)
}

// AddChange appends a row to resource_changes.
func (b *Buffer) AddChange(partition string, r *ChangeRow) error {
	return add(b, 2, partition, b.codecs.changes, r)
}

// AddResource appends a row to resources.
func (b *Buffer) AddResource(partition string, r *ResourceRow) error {
	return add(b, 3, partition, b.codecs.resources, r)
}

// AddProgress appends a row to progress.
func (b *Buffer) AddProgress(partition string, r *ProgressRow) error {
	return add(b, 4, partition, b.codecs.progress, r)
}

// add encodes a row into the open block of its partition.
func add[T any](b *Buffer, table int, partition string, codec *rowlog.Codec[T], r *T) error {
	p := b.open[table].part(partition)
	if p.rows == 0 {
		p.raw = rowlog.AppendPartition(b.pack.rawBuffer(p.raw), partition)
	}
	start := len(p.raw)
	p.raw = codec.Append(rowlog.BeginRow(p.raw), r)
	rowlog.EndRow(p.raw, start)
	p.rows++
	b.open[table].rows++
	b.open[table].raw += int64(len(p.raw) - start)
	if len(p.raw) >= rowlog.MaxRaw {
		return b.seal(b.open[table], p)
	}
	return nil
}

// seal closes the open block of a partition.
func (b *Buffer) seal(t *tableRows, p *part) error {
	if p.rows == 0 {
		return nil
	}
	s, err := b.pack.seal(t.spec.id, p.rows, p.raw)
	p.raw, p.rows = nil, 0
	if err != nil {
		return err
	}
	p.blocks = append(p.blocks, s)
	if t.spec.table != Resources { // a snapshot can be taken again from the state
		s.refs.Add(1)
		b.log = append(b.log, logged{s, t.spec.table})
	}
	return nil
}

func (b *Buffer) sealAll(t *tableRows) error {
	for _, name := range t.names() {
		if err := b.seal(t, t.parts[name]); err != nil {
			return err
		}
	}
	return nil
}

// Open says how much of a table waits in the Buffer.
type Open struct {
	Rows       int64
	Raw        int64 // bytes as encoded, before compression
	Partitions int
}

// Open returns what waits of one table.
func (b *Buffer) Open(t Table) Open {
	for _, rows := range b.open {
		if rows.spec.table == t {
			return Open{Rows: rows.rows, Raw: rows.raw, Partitions: len(rows.parts)}
		}
	}
	return Open{}
}

// Memory is the number of bytes of compressed blocks in memory, those of
// batches that are not closed included.
func (b *Buffer) Memory() int64 { return b.pack.memory.Load() }

// Freeze takes the rows of the given tables, or of all tables, out of the
// Buffer. The Batch may be rolled on another goroutine. An error of the
// compression or the spool shows up in Roll. Rows that no row log has got by
// then will be in none: where they must be, TakeLog comes first.
func (b *Buffer) Freeze(tables ...Table) *Batch {
	batch := &Batch{pack: b.pack}
	defer b.dropLog(func(t Table) bool { return len(tables) == 0 || slices.Contains(tables, t) })
	for i, t := range b.open {
		if len(tables) > 0 && !slices.Contains(tables, t.spec.table) {
			continue
		}
		if err := b.sealAll(t); err != nil && batch.err == nil {
			batch.err = err
		}
		batch.tables = append(batch.tables, t)
		b.open[i] = newTableRows(t.spec)
	}
	return batch
}

// tableRows are the open rows of one table.
type tableRows struct {
	spec  *spec
	parts map[string]*part
	last  *part // the partition of the newest row
	rows  int64
	raw   int64
}

// part are the open rows of one partition: closed blocks and an open one.
type part struct {
	name   string
	raw    []byte
	rows   int
	blocks []*sealed
}

func newTableRows(s *spec) *tableRows {
	return &tableRows{spec: s, parts: make(map[string]*part)}
}

func (t *tableRows) part(name string) *part {
	if t.last != nil && t.last.name == name {
		return t.last
	}
	p := t.parts[name]
	if p == nil {
		p = &part{name: name}
		t.parts[name] = p
	}
	t.last = p
	return p
}

// names are the partitions in byte order.
func (t *tableRows) names() []string {
	names := make([]string, 0, len(t.parts))
	for name := range t.parts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sealed is a block on its way through compression, then in memory or in the
// spool. Its fields may be read once done is closed.
type sealed struct {
	refs   atomic.Int32 // the rows' own, and a row log's while one waits
	done   chan struct{}
	block  rowlog.Block // Data is nil when it lies in the spool
	spool  *spool
	offset int64
	size   int
	err    error
}

// data returns the block with its bytes. Those of a spooled one are read into
// scratch.
func (s *sealed) data(scratch *[]byte) (rowlog.Block, error) {
	<-s.done
	if s.err != nil || s.spool == nil {
		return s.block, s.err
	}
	*scratch = slices.Grow((*scratch)[:0], s.size)[:s.size]
	return s.spool.read(s.offset, *scratch)
}

// packer compresses blocks beside the goroutine that fills them, at most
// packers at once: one is enough for a shard's speed, two even out bursts.
type packer struct {
	opts   BufferOptions
	memory atomic.Int64
	free   chan *rowlog.Compressor
	mu     sync.Mutex
	raws   [][]byte // buffers to be used again
	spool  *spool   // newest spool file
}

const packers = 2

func newPacker(opts BufferOptions) *packer {
	p := &packer{opts: opts, free: make(chan *rowlog.Compressor, packers)}
	for range packers {
		p.free <- nil // made when first needed
	}
	return p
}

// rawBuffer returns an empty buffer for a block. A partition may stay tiny (a
// late row of an old day), so its buffer grows with it.
func (p *packer) rawBuffer(old []byte) []byte {
	if old != nil {
		return old[:0]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.raws); n > 0 {
		raw := p.raws[n-1]
		p.raws = p.raws[:n-1]
		return raw
	}
	return make([]byte, 0, 4<<10)
}

func (p *packer) giveBack(raw []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.raws) < 2*packers {
		p.raws = append(p.raws, raw[:0])
	}
}

// seal starts the compression of a raw block and takes the buffer over. It
// waits while others are being compressed.
func (p *packer) seal(table uint8, rows int, raw []byte) (*sealed, error) {
	c := <-p.free
	if c == nil {
		var err error
		if c, err = rowlog.NewCompressor(blockCompression); err != nil {
			p.free <- nil
			return nil, fmt.Errorf("export: %w", err)
		}
	}
	s := &sealed{done: make(chan struct{})}
	s.refs.Store(1)
	go func() {
		s.block = c.Block(table, SchemaNumber, rows, raw)
		p.giveBack(raw)
		p.free <- c
		s.err = p.store(s)
		close(s.done)
	}()
	return s, nil
}

// store keeps a block in memory or, above the limit, in the spool.
func (p *packer) store(s *sealed) error {
	s.size = len(s.block.Data)
	if p.memory.Add(int64(s.size)) <= p.opts.MemoryLimit || p.opts.SpoolDir == "" {
		return nil
	}
	sp, offset, err := p.spoolFor(s.size)
	if err != nil {
		return err
	}
	if err := sp.write(offset, s.block.Data); err != nil {
		return errors.Join(err, sp.release())
	}
	p.memory.Add(-int64(s.size))
	s.spool, s.offset, s.block.Data = sp, offset, nil
	return nil
}

// release gives up one reference to a block; with the last one go its memory
// or its share of the spool.
func (p *packer) release(s *sealed) error {
	<-s.done
	if s.refs.Add(-1) > 0 {
		return nil
	}
	if s.spool != nil {
		return s.spool.release()
	}
	p.memory.Add(-int64(s.size))
	s.block.Data = nil
	return nil
}

// blockCompression is the codec of the open rows and of the row log.
const blockCompression = rowlog.S2
