package state

import (
	"errors"
	"fmt"
	"iter"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/state/manifest"
)

// Marker says what a lower level holds: all of a checkpoint, and perhaps a
// part of the next one.
type Marker struct {
	Checkpoint int64
	Epoch      int64
	BootID     string // of the host when it was written; filled in by the store if empty
	Totals            // of the checkpoint; filled in by Apply and Load
}

// markerKey lies before all rows.
const markerKey = "\x00marker"

// markerFormat is the number of the marker and of the way rows lie in Badger.
// Any other one makes the directory useless, which costs one restore.
const markerFormat = 1

type markerJSON struct {
	Format     int           `json:"format"`
	Checkpoint int64         `json:"ckpt"`
	Epoch      int64         `json:"epoch"`
	Boot       string        `json:"boot"`
	Rows       int64         `json:"rows"`
	Hash       manifest.Hash `json:"hash"`
}

// ErrMarker means that the directory was written by another version of the
// program, or is damaged: delete it and load the state anew.
var ErrMarker = errors.New("local state cannot be used")

// Marker returns the marker, false if the directory is empty or was never
// completely loaded.
func (s *Store) Marker() (Marker, bool, error) {
	view := s.lower.view()
	defer view.close()
	data, ok, err := view.get([]byte(markerKey))
	if err != nil {
		return Marker{}, false, fmt.Errorf("read marker: %w", err)
	}
	if !ok {
		return Marker{}, false, nil
	}
	var m markerJSON
	if err := json.Unmarshal(data, &m); err != nil {
		return Marker{}, false, fmt.Errorf("read marker: %w: %w", ErrMarker, err)
	}
	if m.Format != markerFormat {
		return Marker{}, false, fmt.Errorf("marker has format %d, this program reads %d: %w", m.Format, markerFormat, ErrMarker)
	}
	return Marker{Checkpoint: m.Checkpoint, Epoch: m.Epoch, BootID: m.Boot, Totals: Totals{Rows: m.Rows, Hash: uint64(m.Hash)}}, true, nil
}

// mark writes the marker. The rows that it speaks of are written before.
func (s *Store) mark(m Marker) error {
	if m.BootID == "" {
		m.BootID = BootID()
	}
	data, err := json.Marshal(markerJSON{
		Format: markerFormat, Checkpoint: m.Checkpoint, Epoch: m.Epoch, Boot: m.BootID, Rows: m.Rows, Hash: manifest.Hash(m.Hash),
	})
	if err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	if err := s.lower.write(one(Row{Key: []byte(markerKey), Value: data})); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return nil
}

func one(row Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { yield(row, nil) }
}

// Usable tells whether a directory with this marker can be brought to the
// manifest's checkpoint by applying the segments above it. bootID is this
// boot's: pages that were never synced may be lost in another one, and an
// unknown boot is another one. A base above the marker's checkpoint has lost
// the removals between.
func (m Marker) Usable(bootID string, of *manifest.Manifest) bool {
	if bootID == "" || m.BootID != bootID || m.Checkpoint > of.Ckpt || m.Epoch > of.Epoch {
		return false
	}
	for _, s := range of.Segments {
		if s.Kind == "base" && s.To > m.Checkpoint {
			return false
		}
	}
	return true
}
