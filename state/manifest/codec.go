package manifest

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

var (
	// ErrFormat means that a newer Cairn wrote the manifest.
	ErrFormat = errors.New("format is newer than this program")
	// ErrIdentity means that the manifest belongs to another shard or stream.
	ErrIdentity = errors.New("manifest is of another stream or shard")
	// ErrInvalid means that a manifest breaks one of its own rules.
	ErrInvalid = errors.New("manifest is invalid")
)

// Encode returns the manifest's bytes. Equal manifests give equal bytes.
func Encode(m *Manifest) ([]byte, error) {
	if m.Format != Format {
		return nil, fmt.Errorf("encode manifest: format %d, want %d: %w", m.Format, Format, ErrInvalid)
	}
	data, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	data = append(data, '\n')
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("encode manifest of %s/%s: %d bytes are more than %d: %w", m.Stream, m.Shard, len(data), MaxBytes, ErrInvalid)
	}
	return data, nil
}

// Decode reads a manifest. Members that this format does not have are refused:
// the next commit would lose them.
func Decode(data []byte) (*Manifest, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("decode manifest: %d bytes are more than %d: %w", len(data), MaxBytes, ErrInvalid)
	}
	if err := checkFormat(data); err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("decode manifest: %w: %w", ErrInvalid, err)
	}
	return m, nil
}

// checkFormat looks at the format alone, because the rest of another format
// may not even parse.
func checkFormat(data []byte) error {
	var head struct {
		Format int    `json:"format"`
		Config Config `json:"config"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("decode manifest: %w: %w", ErrInvalid, err)
	}
	switch {
	case head.Format > Format:
		return fmt.Errorf("manifest has format %d, this program reads up to %d; it was written by version %q, use that one or a later one: %w",
			head.Format, Format, head.Config.Version, ErrFormat)
	case head.Format < 1:
		return fmt.Errorf("decode manifest: format %d: %w", head.Format, ErrInvalid)
	}
	return nil
}

// Clone returns a deep copy, which the next commit can be made from.
func (m *Manifest) Clone() *Manifest {
	c := *m
	c.Parents = clone(m.Parents)
	c.Segments = clone(m.Segments)
	c.Gaps = clone(m.Gaps)
	c.Pending = clone(m.Pending)
	c.Cut, c.Rolled = cloneMap(m.Cut), cloneMap(m.Rolled)
	if m.StateHash != nil {
		c.StateHash = new(*m.StateHash)
	}
	c.Dedup = clone(m.Dedup)
	for i := range c.Dedup {
		c.Dedup[i].Hours = clone(c.Dedup[i].Hours)
	}
	c.RowLogs = clone(m.RowLogs)
	for i := range c.RowLogs {
		c.RowLogs[i].Tables = cloneMap(c.RowLogs[i].Tables)
	}
	c.Open = m.Open.clone()
	if m.Rolling != nil {
		c.Rolling = new(m.Rolling.clone())
	}
	c.Reports = clone(m.Reports)
	for i := range c.Reports {
		c.Reports[i].Extent = c.Reports[i].Extent.clone()
		c.Reports[i].Files = clone(c.Reports[i].Files)
	}
	c.Snapshots = clone(m.Snapshots)
	return &c
}

func (e Extent) clone() Extent {
	e.From, e.Gaps = clone(e.From), clone(e.Gaps)
	return e
}
