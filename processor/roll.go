package processor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/manifest"
)

// Rows are durable with their commit, in a row log, but a file per commit
// would be too small to query. So they stay open until a commit cuts them; the
// cut stands in the manifest before the file exists, and whoever encodes it,
// its rows, names and bytes are the same. A later commit takes the files in and
// drops their row logs, in one write.

// rolled are the tables whose rows are open across commits.
var rolled = []export.Table{export.Events, export.Findings, export.Changes}

// roll is a cut on its way to files.
type roll struct {
	ckpt   int64 // of the cut
	epoch  int64
	extent manifest.Extent
	batch  *export.Batch

	going  bool          // it begins behind the commit of its cut, which may fail
	done   chan struct{} // closed when files and err are there
	files  []export.File
	err    error
	staged time.Time
}

// ended tells that a roll is there and can be taken in.
func (r *roll) ended() bool {
	if r == nil || r.done == nil {
		return false
	}
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// start encodes and stages the files, beside processing and commits.
func (r *roll) start(s *Shard) {
	if r == nil {
		return
	}
	r.going = true
	go func() {
		defer close(r.done)
		r.err = s.persist(s.background, "roll", func() error { return r.run(s.background, s) })
	}()
}

// run encodes and stages the files. Doing it again writes the same bytes under
// the same names.
func (r *roll) run(ctx context.Context, s *Shard) error {
	began := time.Now()
	files, err := s.encode(ctx, r.batch, s.naming(r.epoch, r.ckpt, &r.extent))
	if err == nil {
		r.files, r.staged = files, began
	}
	return err
}

// naming is what the names of a roll's files, and their metadata, are made of.
// Epoch and writer are in the names of the staged files alone.
func (s *Shard) naming(epoch, ckpt int64, x *manifest.Extent) export.Naming {
	return export.Naming{Shard: s.cfg.Shard, Epoch: epoch, Checkpoint: ckpt, Writer: s.cfg.Writer,
		FirstSequence: cmp.Or(x.First, x.Last, "0"), LastSequence: cmp.Or(x.Last, "0")}
}

// encode rolls a batch when the process has a place for it.
func (s *Shard) encode(ctx context.Context, b *export.Batch, n export.Naming) ([]export.File, error) {
	if s.cfg.Rolls != nil {
		select {
		case s.cfg.Rolls <- struct{}{}:
			defer func() { <-s.cfg.Rolls }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return b.Roll(ctx, s.cfg.Lake, n, s.cfg.Encoders)
}

// stage encodes what becomes files in this commit, and the reports that are
// due, as files that no reader sees.
func (c *commit) stage(ctx context.Context) error {
	s, m := c.shard, c.next
	files, err := s.encode(ctx, c.rows, s.naming(m.Epoch, m.Ckpt, &c.extent))
	if err != nil {
		return err
	}
	m.Pending = append(m.Pending, pending(files)...)
	if c.files {
		m.Reports = append(m.Reports, reports(m, m.Ckpt, c.extent, files)...)
		markRolled(m, m.Ckpt, files)
	}
	m.Reports = append(m.Reports, c.snapshotReports(files)...)
	if !c.report {
		return nil
	}
	return c.stageReports(ctx)
}

// takeInRoll takes the files of a finished roll into the manifest and the row
// logs that they replace out of it. A commit that makes files of all rows waits
// for the roll before.
func (c *commit) takeInRoll(ctx context.Context) error {
	s := c.shard
	r := s.rolling
	if r == nil {
		return nil
	}
	if !c.files && !r.ended() {
		return nil
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.err != nil {
		return fmt.Errorf("roll of checkpoint %d: %w", r.ckpt, r.err)
	}
	c.take(r)
	return nil
}

// take enters a finished roll into the manifest.
func (c *commit) take(r *roll) {
	m := c.frozen
	m.Pending = append(m.Pending, pending(r.files)...)
	m.Reports = append(m.Reports, reports(m, r.ckpt, r.extent, r.files)...)
	m.Rolling = nil
	markRolled(m, r.ckpt, r.files)
	c.shard.rolling, c.taken = nil, r
}

// markRolled notes that the tables are in files up to ckpt, and drops the row
// logs that say nothing beyond.
func markRolled(m *manifest.Manifest, ckpt int64, files []export.File) {
	if m.Rolled == nil {
		m.Rolled = map[string]manifest.Mark{}
	}
	for _, t := range rolled {
		mark := manifest.Mark{Ckpt: ckpt, BytesPerRow: m.Rolled[string(t)].BytesPerRow}
		if rows, bytes := sizes(files, t); rows > 0 {
			mark.BytesPerRow = float64(bytes) / float64(rows)
		}
		m.Rolled[string(t)] = mark
	}
	m.RowLogs = slices.DeleteFunc(slices.Clone(m.RowLogs), func(l manifest.RowLog) bool {
		for table := range l.Tables {
			if l.Ckpt > m.Rolled[table].Ckpt {
				return false
			}
		}
		return true
	})
}

func sizes(files []export.File, t export.Table) (rows, bytes int64) {
	for _, f := range files {
		if f.Table == t {
			rows, bytes = rows+f.Rows, bytes+f.Bytes
		}
	}
	return rows, bytes
}

// markCut notes that a roll up to ckpt is due.
func markCut(m *manifest.Manifest, ckpt int64) {
	if m.Cut == nil {
		m.Cut = map[string]manifest.Mark{}
	}
	for _, t := range rolled {
		m.Cut[string(t)] = manifest.Mark{Ckpt: ckpt}
	}
}

// freezeRows decides what becomes of the open rows: files in this commit, a row
// log, or, behind the row log, a roll.
func (c *commit) freezeRows() {
	s, m := c.shard, c.frozen
	if c.files {
		c.rows, c.extent = s.rows.Freeze(), s.cut()
		markCut(m, m.Ckpt)
		m.Open = s.extent()
		return
	}
	c.log = s.rows.TakeLog()
	c.rows = s.rows.Freeze(export.Resources)
	if s.open.Since.IsZero() && (s.records > 0 || !c.log.Empty()) {
		s.open.Since = s.now
	}
	c.extent = s.extent()
	if s.rolling == nil && s.cutDue(m) {
		markCut(m, m.Ckpt)
		c.cut = &roll{ckpt: m.Ckpt, epoch: m.Epoch, extent: s.cut(), batch: s.rows.Freeze(rolled...), done: make(chan struct{})}
		m.Rolling = new(c.cut.extent)
		s.rolling = c.cut
	}
	m.Open = s.extent()
}

// cutDue tells that the open rows are old, large or scattered enough, or that
// an idle shard has to prove its watermark.
func (s *Shard) cutDue(m *manifest.Manifest) bool {
	if since := s.open.Since; !since.IsZero() && s.now.Sub(since) >= s.cfg.Roll.Age {
		return true
	}
	for _, t := range rolled {
		open := s.rows.Open(t)
		perRow := m.Rolled[string(t)].BytesPerRow
		size := float64(open.Raw) / packing
		if perRow > 0 {
			size = float64(open.Rows) * perRow
		}
		if s.cfg.Roll.Bytes > 0 && size >= float64(s.cfg.Roll.Bytes) {
			return true
		}
		if s.cfg.Roll.Days > 0 && open.Partitions > s.cfg.Roll.Days && s.now.Sub(s.open.Since) >= idleCommit {
			return true
		}
	}
	return s.reportDue()
}

// packing is how much smaller than its rows a file is taken to be before the
// first file was measured.
const packing = 8

// reportDue tells that nothing was said of an idle shard for long.
func (s *Shard) reportDue() bool {
	return s.cfg.Roll.ReportAge > 0 && s.open.Since.IsZero() && s.now.Sub(s.reportedAt) >= s.cfg.Roll.ReportAge && s.moved()
}

// logRows uploads the row log.
func (c *commit) logRows(ctx context.Context) error {
	if c.log == nil || c.log.Empty() {
		return nil
	}
	m := c.next
	name := fmt.Sprintf("%srows/%d-%d-%s.rows", manifest.Prefix(m.App, m.Stream, m.Shard), m.Epoch, m.Ckpt, m.Writer)
	up, err := c.shard.cfg.State.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("write row log: %w", err)
	}
	defer up.Abort()
	sum, err := c.log.Write(up)
	if err != nil {
		return err
	}
	if err := up.Commit(ctx); err != nil {
		return fmt.Errorf("write row log: %w", err)
	}
	ref := manifest.RowLog{Key: name, Ckpt: m.Ckpt, At: m.Committed, Bytes: sum.Bytes, SHA256: sum.SHA256, Tables: map[string]manifest.TableSize{}}
	for table, size := range sum.Tables {
		ref.Tables[string(table)] = manifest.TableSize{Rows: size.Rows, Bytes: size.Bytes}
	}
	m.RowLogs = append(slices.Clip(m.RowLogs), ref)
	return nil
}

// restoreRows reads the open rows back from the row logs. A cut that is not in
// files yet becomes a roll again, of the same rows under the same names.
func (s *Shard) restoreRows(ctx context.Context, m *manifest.Manifest) error {
	cut := m.Cut[string(rolled[0])].Ckpt
	divide := func() {
		if m.Rolling != nil && s.rolling == nil {
			s.rolling = &roll{ckpt: cut, epoch: m.Epoch, extent: *m.Rolling, batch: s.rows.Freeze(rolled...), done: make(chan struct{})}
		}
	}
	for _, l := range m.RowLogs {
		if l.Ckpt > cut {
			divide()
		}
		if err := s.restoreLog(ctx, m, l); err != nil {
			return fmt.Errorf("restore open rows from %s: %w", l.Key, err)
		}
	}
	divide()
	s.rolling.start(s)
	return nil
}

func (s *Shard) restoreLog(ctx context.Context, m *manifest.Manifest, l manifest.RowLog) error {
	data, err := fetch(ctx, s.cfg.State, l.Key, l.SHA256)
	if err != nil {
		return err
	}
	return s.rows.Restore(data, func(t export.Table) bool { return l.Ckpt > m.Rolled[string(t)].Ckpt })
}

func pending(files []export.File) []manifest.Pending {
	out := make([]manifest.Pending, 0, len(files))
	for _, f := range files {
		out = append(out, manifest.Pending{Stage: f.Stage, Final: f.Final, Table: string(f.Table), Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256})
	}
	return out
}

// stagedAt is when the objects were written, nil without any.
func (r *roll) stagedAt() *time.Time {
	if r == nil {
		return nil
	}
	return &r.staged
}
