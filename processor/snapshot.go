package processor

import (
	"fmt"
	"iter"
	"math/big"
	"time"

	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// snapshotPart is a part of the shard's hash range with snapshots of its own:
// in a shard that was merged, one parent may have been ahead of the other.
type snapshotPart struct {
	lo, hi   string // decimal, both included
	hashes   key.Range
	share    float64   // of the whole hash range
	through  time.Time // newest snapshot, or where the stream begins
	boundary time.Time // the next one
}

// snapshotParts are the parts that a manifest names, or the whole range.
func (s *Shard) snapshotParts(m *manifest.Manifest) ([]snapshotPart, error) {
	refs := m.Snapshots
	if len(refs) == 0 {
		refs = []manifest.Snapshots{{Lo: m.HashRange[0], Hi: m.HashRange[1]}}
	}
	var parts []snapshotPart
	for _, ref := range refs {
		hashes, err := key.ParseRange(ref.Lo, ref.Hi)
		if err != nil {
			return nil, err
		}
		p := snapshotPart{lo: ref.Lo, hi: ref.Hi, hashes: hashes, share: share(ref.Lo, ref.Hi), through: ref.Through}
		if len(refs) == 1 {
			p.share = s.cfg.HashShare
		}
		s.follow(&p, m.Watermark)
		parts = append(parts, p)
	}
	return parts, nil
}

// follow sets the next snapshot time of a part.
func (s *Shard) follow(p *snapshotPart, watermark time.Time) {
	step := s.cfg.SnapshotEvery
	if watermark.IsZero() {
		return
	}
	if at := watermark.Truncate(max(step, time.Hour)); at.After(p.through) {
		p.through = at
	}
	if step <= 0 {
		return
	}
	p.boundary = watermark.Truncate(step).Add(step)
	for !p.boundary.After(p.through) {
		p.boundary = p.boundary.Add(step)
	}
}

// share is a hash range's part of the whole one.
func share(lo, hi string) float64 {
	first, ok1 := new(big.Int).SetString(lo, 10)
	last, ok2 := new(big.Int).SetString(hi, 10)
	if !ok1 || !ok2 {
		return 0
	}
	size := new(big.Int).Sub(last, first)
	f, _ := new(big.Float).SetInt(size.Add(size, big.NewInt(1))).Float64()
	return f / (1 << 64) / (1 << 64)
}

// part is the part of the range that a hash belongs to. One from outside goes
// with the lowest.
func (v *inventory) part(h key.Hash) *snapshotPart {
	for i := range v.parts {
		if v.parts[i].hashes.Contains(h) {
			return &v.parts[i]
		}
	}
	return &v.parts[0]
}

// unite makes one part of all when they are equally far.
func (s *Shard) unite() {
	v := s.inventory
	first := v.parts[0]
	for _, p := range v.parts {
		if !p.through.Equal(first.through) || !p.boundary.Equal(first.boundary) {
			return
		}
	}
	if len(v.parts) > 1 {
		first.lo, first.hi, first.hashes, first.share = s.cfg.HashRange[0], s.cfg.HashRange[1], v.own, s.cfg.HashShare
		v.parts = []snapshotPart{first}
	}
}

// snapshots tells the manifest how far the parts are, also where the stream
// began and nothing was taken: a child would else take what has no copies of
// the time before.
func (v *inventory) snapshots() []manifest.Snapshots {
	var out []manifest.Snapshots
	for _, p := range v.parts {
		if p.through.IsZero() && len(v.parts) == 1 {
			return nil
		}
		out = append(out, manifest.Snapshots{Lo: p.lo, Hi: p.hi, Through: p.through})
	}
	return out
}

// snapshotDue takes the snapshot whose time the watermark has passed, if there
// is one. When it passed several at once only the newest is taken. Where the
// stream begins there is nothing to take.
func (s *Shard) snapshotDue() error {
	if s.cfg.SnapshotEvery <= 0 {
		return nil
	}
	at, due := s.watermark.Truncate(s.cfg.SnapshotEvery), false
	for i := range s.inventory.parts {
		p := &s.inventory.parts[i]
		if p.boundary.IsZero() {
			s.follow(p, s.watermark)
		}
		due = due || !p.boundary.After(at)
	}
	if !due {
		return nil
	}
	if err := s.snapshot(at); err != nil {
		return err
	}
	if err := s.tidy(at); err != nil {
		return fmt.Errorf("after snapshot %s: %w", snapshotName(at), err)
	}
	for i := range s.inventory.parts {
		if p := &s.inventory.parts[i]; !p.boundary.After(at) {
			s.follow(p, s.watermark)
		}
	}
	s.unite()
	return nil
}

// inventoryRows are the rows of all resources, those of partition keys from
// outside of the range last.
func (s *Shard) inventoryRows() iter.Seq2[state.Row, error] {
	return func(yield func(state.Row, error) bool) {
		for _, prefix := range [][]byte{{key.SpaceKeyed}, key.Whole(key.Inventory), key.Whole(key.PreImage), key.Whole(key.Identity)} {
			for row, err := range s.store.Range(prefix) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// tidy drops the copies that were kept for snapshots up to at, which say
// nothing of the next one, also where the end of an earlier run had taken the
// snapshot already; and what is known of credentials that have expired.
func (s *Shard) tidy(at time.Time) error {
	var forget [][]byte
	for row, err := range s.inventoryRows() {
		if err != nil {
			return err
		}
		over, err := s.over(row, at)
		if err != nil {
			return err
		}
		if over {
			forget = append(forget, row.Key)
		}
	}
	for _, k := range forget {
		s.store.Delete(k)
	}
	return nil
}

func (s *Shard) over(row state.Row, at time.Time) (bool, error) {
	parts, err := key.Parse(row.Key)
	if err != nil {
		return false, err
	}
	switch parts.Kind {
	case key.PreImage:
		of, _, err := key.TakeTime(parts.Rest)
		return err == nil && !of.After(at), err
	case key.Identity:
		return identity.Expired(row.Value, s.watermark)
	}
	return false, nil
}

// snapshot writes the inventory as of at, but for the parts of the range of
// which that was done.
func (s *Shard) snapshot(at time.Time) error {
	due := map[*snapshotPart]bool{}
	for i := range s.inventory.parts {
		if p := &s.inventory.parts[i]; at.After(p.through) {
			due[p] = true
		}
	}
	if len(due) == 0 {
		return nil
	}
	forget := [][]byte{}
	for row, err := range s.inventoryRows() {
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshotName(at), err)
		}
		parts, err := key.Parse(row.Key)
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshotName(at), err)
		}
		of := s.inventory.part(parts.Hash)
		if parts.Kind != key.Inventory || !due[of] {
			continue
		}
		expired, err := s.snapshotRecord(parts, row.Value, at, of)
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshotName(at), err)
		}
		if expired {
			forget = append(forget, row.Key)
		}
	}
	for _, k := range forget {
		s.store.Delete(k)
	}
	for i := range s.inventory.parts {
		if p := &s.inventory.parts[i]; due[p] {
			p.through = at
			s.snapshots = append(s.snapshots, snapshotRow{at: at, share: p.share})
		}
	}
	return nil
}

// snapshotRecord writes one resource, as it was if later changes are known
// already. It tells when the record is a tombstone that may go.
func (s *Shard) snapshotRecord(parts key.Parts, value []byte, at time.Time, of *snapshotPart) (expired bool, err error) {
	k, ok := resource.ParseKey(string(parts.Rest))
	if !ok {
		return false, fmt.Errorf("state row %q is no resource", parts.Rest)
	}
	if at.Equal(of.boundary) {
		kept := key.Keyed(parts.Hash, key.PreImage, key.AppendTime(nil, at), parts.Rest)
		if parts.Space == key.SpaceWhole {
			kept = key.Whole(key.PreImage, key.AppendTime(nil, at), parts.Rest)
		}
		before, found, err := s.store.Get(kept)
		if err != nil {
			return false, err
		}
		if found {
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
	view := s.cfg.Catalogue.View(k, record, at)
	row := ResourceRow(&view, at, s.watermark, s.cfg.Shard)
	if err := s.rows.AddResource(snapshotName(at), &row); err != nil || !s.detector.WantsSnapshots() {
		return false, err
	}
	return false, s.judgeSnapshot(at, parts, &view)
}

// Resources counts the resources that are not deleted.
func (s *Shard) Resources() (n int64, err error) {
	for row, err := range s.inventoryRows() {
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
