package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func clone[T any](s []T) []T                      { return slices.Clone(s) }
func cloneMap[V any](m map[string]V) map[string]V { return maps.Clone(m) }
func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrInvalid)...)
}

// CompareSeq orders sequence numbers: decimal, up to 129 digits, without
// leading zeros. The empty one, which stands for the beginning, is the lowest.
func CompareSeq(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// Identity says whose manifest is expected. Empty members are not compared.
type Identity struct {
	App, Stream, Shard string
	HashRange          [2]string
	Source             string
}

// CheckIdentity refuses the manifest of another stream, shard or source.
func (m *Manifest) CheckIdentity(want Identity) error {
	for _, c := range []struct{ what, have, want string }{
		{"app", m.App, want.App},
		{"stream", m.Stream, want.Stream},
		{"shard", m.Shard, want.Shard},
		{"start of the hash range", m.HashRange[0], want.HashRange[0]},
		{"end of the hash range", m.HashRange[1], want.HashRange[1]},
		{"source", m.Source, want.Source},
	} {
		if c.want != "" && c.have != c.want {
			return fmt.Errorf("manifest of shard %s: its %s is %q, expected %q; the state belongs to other input, use another state folder or --app: %w",
				m.Shard, c.what, c.have, c.want, ErrIdentity)
		}
	}
	return nil
}

// Check refuses a manifest that contradicts itself.
func (m *Manifest) Check() error {
	c := m.Counts
	switch {
	case m.App == "" || m.Stream == "" || m.Shard == "":
		return invalid("manifest without app, stream or shard")
	case c.In != c.Rows+c.Duplicates+c.Control+c.Quarantined:
		return invalid("accounting of shard %s at checkpoint %d: in %d is not rows %d + duplicates %d + control %d + quarantined %d",
			m.Shard, m.Ckpt, c.In, c.Rows, c.Duplicates, c.Control, c.Quarantined)
	case m.Closed && len(m.Pending)+len(m.RowLogs) > 0:
		return invalid("shard %s closed with %d files to publish and %d row logs", m.Shard, len(m.Pending), len(m.RowLogs))
	}
	for table, mark := range m.Rolled {
		if mark.Ckpt > m.Cut[table].Ckpt {
			return invalid("table %s of shard %s is rolled up to %d and cut up to %d", table, m.Shard, mark.Ckpt, m.Cut[table].Ckpt)
		}
	}
	return nil
}

// CheckNext refuses a next commit that is not a step forward from m.
func (m *Manifest) CheckNext(next *Manifest) error {
	if err := next.Check(); err != nil {
		return err
	}
	identity := Identity{App: m.App, Stream: m.Stream, Shard: m.Shard, HashRange: m.HashRange}
	if err := next.CheckIdentity(identity); err != nil {
		return err
	}
	switch {
	case m.Closed && next.Ckpt != m.Ckpt:
		return invalid("commit %d after shard %s was closed", next.Ckpt, m.Shard)
	case next.Ckpt < m.Ckpt:
		return invalid("checkpoint falls from %d to %d", m.Ckpt, next.Ckpt)
	case next.Ckpt == m.Ckpt && next.Epoch == m.Epoch && next.Closed == m.Closed:
		return invalid("second commit of checkpoint %d in epoch %d", m.Ckpt, m.Epoch)
	case next.Epoch < m.Epoch:
		return invalid("epoch falls from %d to %d", m.Epoch, next.Epoch)
	case CompareSeq(next.Seq, m.Seq) < 0:
		return invalid("sequence number falls from %s to %q", m.Seq, next.Seq)
	case next.Watermark.Before(m.Watermark):
		return invalid("watermark falls from %v to %v", m.Watermark, next.Watermark)
	}
	if err := checkMarks("cut", m.Cut, next.Cut); err != nil {
		return err
	}
	return checkMarks("rolled", m.Rolled, next.Rolled)
}

func checkMarks(what string, before, after map[string]Mark) error {
	for _, table := range slices.Sorted(maps.Keys(before)) {
		if after[table].Ckpt < before[table].Ckpt {
			return invalid("%s of table %s falls from %d to %d", what, table, before[table].Ckpt, after[table].Ckpt)
		}
	}
	return nil
}
