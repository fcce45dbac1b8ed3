package processor

import (
	"fmt"
	"time"

	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state/key"
)

// snapshotRow is a snapshot taken since the last commit.
type snapshotRow struct {
	at   time.Time
	rows int64
}

// snapshotDue takes the snapshot whose time the watermark has passed, if there
// is one. When it passed several at once only the newest is taken. Where the
// stream begins there is nothing to take.
func (s *Shard) snapshotDue() error {
	step := s.cfg.SnapshotEvery
	if step <= 0 {
		return nil
	}
	at := s.watermark.Truncate(step)
	if at.Add(step).Equal(s.inventory.boundary) {
		return nil
	}
	if s.snapshotted.IsZero() {
		s.snapshotted = at
	}
	if err := s.snapshot(at); err != nil {
		return err
	}
	// What was kept beside for the old boundary says nothing of the next one,
	// also where the end of an earlier run had taken the snapshot already.
	if err := s.forgetPreImages(); err != nil {
		return fmt.Errorf("after snapshot %s: %w", snapshotName(at), err)
	}
	s.inventory.boundary = at.Add(step)
	return nil
}

// forgetPreImages drops the copies that were kept for a snapshot.
func (s *Shard) forgetPreImages() error {
	var forget [][]byte
	for row, err := range s.store.Range([]byte{key.SpaceKeyed}) {
		if err != nil {
			return err
		}
		parts, err := key.Parse(row.Key)
		if err != nil {
			return err
		}
		if parts.Kind == key.PreImage {
			forget = append(forget, row.Key)
		}
	}
	for _, k := range forget {
		s.store.Delete(k)
	}
	return nil
}

// snapshot writes the inventory as of at, unless that was done.
func (s *Shard) snapshot(at time.Time) error {
	if !at.After(s.snapshotted) {
		return nil
	}
	s.snapshotted = at
	done := snapshotRow{at: at}
	forget := [][]byte{}
	for row, err := range s.store.Range([]byte{key.SpaceKeyed}) {
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshotName(at), err)
		}
		parts, err := key.Parse(row.Key)
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshotName(at), err)
		}
		switch parts.Kind {
		case key.Inventory:
			expired, err := s.snapshotRecord(parts, row.Value, &done)
			if err != nil {
				return fmt.Errorf("snapshot %s: %w", snapshotName(at), err)
			}
			if expired {
				forget = append(forget, row.Key)
			}
		}
	}
	for _, k := range forget {
		s.store.Delete(k)
	}
	s.reported = append(s.reported, done)
	return nil
}

// snapshotRecord writes one resource, as it was if later changes are known
// already. It tells when the record is a tombstone that may go.
func (s *Shard) snapshotRecord(parts key.Parts, value []byte, done *snapshotRow) (expired bool, err error) {
	k, ok := resource.ParseKey(string(parts.Rest))
	if !ok {
		return false, fmt.Errorf("state row %q is no resource", parts.Rest)
	}
	if done.at.Equal(s.inventory.boundary) {
		before, kept, err := s.store.Get(key.Keyed(parts.Hash, key.PreImage, parts.Rest))
		if err != nil {
			return false, err
		}
		if kept {
			value = before
		}
	}
	record, err := resource.DecodeRecord(value)
	if err != nil {
		return false, fmt.Errorf("state of %s: %w", k, err)
	}
	if record.Empty() {
		return false, nil // not there yet at the time of the snapshot
	}
	if record.Expired(s.watermark, s.cfg.KeepTombstones) {
		return true, nil
	}
	view := s.cfg.Catalogue.View(k, record, done.at)
	row := ResourceRow(&view, done.at, s.watermark, s.cfg.Shard)
	done.rows++
	return false, s.rows.AddResource(snapshotName(done.at), &row)
}

// Resources counts the resources that are not deleted.
func (s *Shard) Resources() (n int64, err error) {
	for row, err := range s.store.Range([]byte{key.SpaceKeyed}) {
		if err != nil {
			return 0, err
		}
		parts, err := key.Parse(row.Key)
		if err != nil {
			return 0, err
		}
		if parts.Kind != key.Inventory {
			continue
		}
		record, err := resource.DecodeRecord(row.Value)
		if err != nil {
			return 0, fmt.Errorf("state row %q: %w", parts.Rest, err)
		}
		if !record.Gone() {
			n++
		}
	}
	return n, nil
}
