package processor

import (
	"slices"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/manifest"
)

// progress is what the rows of the table progress tell of one commit, gathered
// when the commit was frozen.
type progress struct {
	share     float64
	first     string // first record, "" when there was none
	from      time.Time
	span      span
	counts    manifest.Counts // since the last commit
	snapshots []snapshotRow
}

// progress gathers what the next commit will report.
func (s *Shard) progress() progress {
	return progress{share: s.cfg.HashShare, first: s.first, from: s.handle.Current().Watermark, span: s.since,
		counts: s.counts.Minus(s.handle.Current().Counts), snapshots: s.reported}
}

// rows are one row for each table that rolled and one for each snapshot. They
// stand also where nothing rolled: an idle shard proves its watermark.
func (p *progress) rows(m *manifest.Manifest, files []export.File) []export.ProgressRow {
	var rows []export.ProgressRow
	for _, table := range []export.Table{export.Events, export.Findings, export.Changes} {
		r := p.row(m, table)
		for _, f := range files {
			if f.Table == table {
				addFile(&r, f)
			}
		}
		if table == export.Events {
			r.Late, r.Duplicates, r.Quarantined, r.Control = p.counts.Late, p.counts.Duplicates, p.counts.Quarantined, p.counts.Control
		}
		rows = append(rows, r)
	}
	for _, s := range p.snapshots {
		r := p.row(m, export.Resources)
		name := snapshotName(s.at)
		r.SnapshotID = &name
		for _, f := range files {
			if f.Table == export.Resources && f.Partition == name {
				addFile(&r, f)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// row is what the rows of a commit have in common.
func (p *progress) row(m *manifest.Manifest, table export.Table) export.ProgressRow {
	return export.ProgressRow{
		TableName: string(table), Shard: m.Shard, HashShare: p.share, Checkpoint: m.Ckpt, Epoch: m.Epoch,
		FirstSequence: optional(p.first), LastSequence: optional(pad(m.Seq)),
		WatermarkFromTS: moment(p.from), WatermarkTS: m.Watermark.UnixMilli(),
		FirstEventTS: moment(p.span.firstEvent), LastEventTS: moment(p.span.event),
		FirstArrivalTS: moment(p.span.firstArrive), LastArrivalTS: moment(p.span.arrive),
		Files: []string{}, Gaps: []export.Gap{}, Closed: m.Closed,
	}
}

func addFile(r *export.ProgressRow, f export.File) {
	r.RowCount += f.Rows
	r.ByteCount += f.Bytes
	r.Files = append(slices.Clip(r.Files), f.Final)
}
