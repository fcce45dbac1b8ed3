package processor

import (
	"context"
	"slices"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/state/manifest"
)

// Reports wait in the manifest until there are some for one file of the table
// progress. They stand also where nothing rolled: an idle shard proves its
// watermark.

// reports are those of one roll, one for each table.
func reports(m *manifest.Manifest, ckpt int64, x manifest.Extent, files []export.File) []manifest.Report {
	var out []manifest.Report
	for _, table := range rolled {
		r := manifest.Report{Table: string(table), Ckpt: ckpt, Epoch: m.Epoch, Extent: x}
		if table != export.Events {
			r.Extent.Counts = manifest.Counts{} // of pieces: they are told once
		}
		for _, f := range files {
			if f.Table == table {
				addFile(&r, f)
			}
		}
		out = append(out, r)
	}
	return out
}

// snapshotReports are those of the snapshots that were taken before the
// commit, one for each part of the hash range that it was taken of.
func (c *commit) snapshotReports(files []export.File) []manifest.Report {
	var out []manifest.Report
	for _, shot := range c.shots {
		x := c.extent
		x.Counts = manifest.Counts{}
		r := manifest.Report{Table: string(export.Resources), Snapshot: snapshotName(shot.at), Share: shot.share, Ckpt: c.next.Ckpt, Epoch: c.next.Epoch, Extent: x}
		for _, f := range files {
			if f.Table == export.Resources && f.Partition == r.Snapshot {
				addFile(&r, f)
			}
		}
		out = append(out, r)
	}
	return out
}

func addFile(r *manifest.Report, f export.File) {
	r.Rows += f.Rows
	r.Bytes += f.Bytes
	r.Files = append(slices.Clip(r.Files), f.Final)
}

// freezeReports decides whether the reports so far become a file.
func (c *commit) freezeReports() {
	s := c.shard
	waiting := len(c.frozen.Reports)+len(c.shots) > 0 && s.now.Sub(s.reportedAt) >= s.cfg.Roll.ReportAge
	c.report = c.files || waiting
	if c.report {
		s.reportedAt = s.now
	}
}

// stageReports encodes the waiting reports as a file of the table progress.
func (c *commit) stageReports(ctx context.Context) error {
	s, m := c.shard, c.next
	rows := export.NewBuffer(export.BufferOptions{})
	for i := range m.Reports {
		for _, r := range c.progressRows(&m.Reports[i]) {
			if err := rows.AddProgress(reportDay(m), &r); err != nil {
				return err
			}
		}
	}
	m.Reports = nil
	batch := rows.Freeze()
	defer func() { _ = batch.Close() }()
	files, err := s.encode(ctx, batch, s.naming(m.Epoch, m.Ckpt, &c.extent))
	m.Pending = append(m.Pending, pending(files)...)
	return err
}

// reportDay is the partition of a report: the day of the last arrival. A shard
// that never had a record still moved its watermark.
func reportDay(m *manifest.Manifest) string {
	at := m.Arrival
	if at.IsZero() {
		at = m.Watermark
	}
	return at.Format(time.DateOnly)
}

// progressRows are the rows of a report: one, or in a merged shard's first
// one for each parent, with its share and watermark. What is counted stands in
// the first of them.
func (c *commit) progressRows(r *manifest.Report) []export.ProgressRow {
	from := r.Extent.From
	if r.Snapshot != "" || len(from) == 0 {
		share := r.Share
		if share == 0 {
			share = c.shard.cfg.HashShare
		}
		reach := manifest.Reach{Share: share}
		if len(from) > 0 {
			reach.Watermark = from[0].Watermark
		}
		from = []manifest.Reach{reach}
	}
	var out []export.ProgressRow
	for i, reach := range from {
		row := c.progressRow(r, reach)
		if i > 0 {
			row.RowCount, row.ByteCount, row.Files, row.Gaps = 0, 0, []string{}, []export.Gap{}
			row.Late, row.Duplicates, row.Quarantined, row.Control = 0, 0, 0, 0
		}
		out = append(out, row)
	}
	return out
}

func (c *commit) progressRow(r *manifest.Report, from manifest.Reach) export.ProgressRow {
	x := &r.Extent
	row := export.ProgressRow{
		TableName: r.Table, SnapshotID: optional(r.Snapshot), Shard: c.next.Shard, HashShare: from.Share, Checkpoint: r.Ckpt, Epoch: r.Epoch,
		FirstSequence: optional(x.First), LastSequence: optional(lastOf(x, c.next)),
		WatermarkFromTS: moment(from.Watermark), WatermarkTS: x.To.UnixMilli(),
		FirstEventTS: moment(x.FirstEvent), LastEventTS: moment(x.LastEvent),
		FirstArrivalTS: moment(x.FirstArrival), LastArrivalTS: moment(x.LastArrival),
		RowCount: r.Rows, ByteCount: r.Bytes, Late: x.Counts.Late, Duplicates: x.Counts.Duplicates,
		Quarantined: x.Counts.Quarantined, Control: x.Counts.Control,
		Files: append([]string{}, r.Files...), Gaps: []export.Gap{}, Closed: c.closed,
	}
	for _, g := range x.Gaps {
		row.Gaps = append(row.Gaps, export.Gap{FromSequence: g.From, ToSequence: g.To, Reason: g.Reason})
	}
	return row
}

// lastOf is the place up to which a report tells: that of its extent, or, for
// one without records, that of its commit.
func lastOf(x *manifest.Extent, m *manifest.Manifest) string {
	if x.Last != "" {
		return x.Last
	}
	return pad(m.Seq)
}

// snapshotRow is a snapshot taken since the last commit.
type snapshotRow struct {
	at    time.Time
	share float64 // of the whole hash range that it is of
}
