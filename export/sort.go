package export

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cairnstream/cairn/export/rowlog"
)

// sortRow is a row of the open row group with its place in the order. Its sort
// columns are laid out as bytes whose order is the order of the rows.
type sortRow struct {
	row        []byte
	prefix     uint64 // of the key, behind what all keys of the group share
	start, end uint32 // of the key in encoder.keys
}

// keyField is how a sort column stands at the beginning of a row.
type keyField struct {
	kind     rowlog.Kind
	optional bool
}

func (s *spec) keyFields() ([]keyField, error) {
	fields, err := rowlog.Describe(s.row)
	if err != nil {
		return nil, err
	}
	ordered, err := rowlog.Order(fields, s.sort...)
	if err != nil {
		return nil, err
	}
	keys := make([]keyField, len(s.sort))
	for i := range keys {
		keys[i] = keyField{ordered[i].Kind, ordered[i].Optional}
	}
	return keys, nil
}

// appendKey appends the sort columns of a row in a form that compares as
// bytes: NULL is 0 and stands first, a string is 1, its bytes with 0 written as
// 0 255, and 0 0 at its end; an integer 8 bytes with the sign turned.
func appendKey(dst []byte, row []byte, fields []keyField) []byte {
	r := rowlog.NewReader(row)
	for _, f := range fields {
		if f.kind != rowlog.String {
			dst = binary.BigEndian.AppendUint64(dst, uint64(r.Int())^1<<63)
			continue
		}
		b, ok := r.Text(f.optional)
		if !ok {
			dst = append(dst, 0)
			continue
		}
		dst = appendKeyText(append(dst, 1), b)
	}
	return dst
}

func appendKeyText(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return append(append(dst, b...), 0, 0)
		}
		dst = append(append(dst, b[:i]...), 0, 255)
		b = b[i+1:]
	}
}

func (e *encoder) groupFull(next int) bool {
	return len(e.rows) >= maxGroupRows || len(e.rows) > 0 && e.groupRaw+next > maxGroupRaw
}

func (e *encoder) addRow(t *tableEncoder, row []byte) {
	start := len(e.keys)
	e.keys = appendKey(e.keys, row, t.key)
	e.rows = append(e.rows, sortRow{row: row, start: uint32(start), end: uint32(len(e.keys))})
	e.groupRaw += len(row)
}

// endGroup sorts the rows of the open row group and writes it.
func (e *encoder) endGroup(t *tableEncoder) error {
	e.sortRows()
	for i := range e.rows {
		if err := t.writer.Append(e.rows[i].row); err != nil {
			return err
		}
	}
	err := t.writer.EndGroup()
	e.begin()
	return err
}

// sortRows sorts by the keys, equal ones by arrival. Rows of a group are alike
// in account and hour, so what all keys share is cut off first; then the
// prefix decides most comparisons.
func (e *encoder) sortRows() {
	shared := e.sharedPrefix()
	for i := range e.rows {
		r := &e.rows[i]
		r.prefix = keyPrefix(e.keys[int(r.start)+shared : r.end])
	}
	order := func(a, b sortRow) int {
		if a.prefix != b.prefix {
			if a.prefix < b.prefix {
				return -1
			}
			return 1
		}
		if c := bytes.Compare(e.keys[a.start:a.end], e.keys[b.start:b.end]); c != 0 {
			return c
		}
		return int(int64(a.start) - int64(b.start))
	}
	if !slices.IsSortedFunc(e.rows, order) {
		slices.SortFunc(e.rows, order)
	}
}

func keyPrefix(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var p [8]byte
	copy(p[:], b)
	return binary.BigEndian.Uint64(p[:])
}

// sharedPrefix is the number of bytes with which all keys begin.
func (e *encoder) sharedPrefix() int {
	if len(e.rows) == 0 {
		return 0
	}
	first := e.keys[e.rows[0].start:e.rows[0].end]
	n := len(first)
	for i := range e.rows {
		k := e.keys[e.rows[i].start:e.rows[i].end]
		n = min(n, len(k))
		for n > 0 && !bytes.Equal(first[:n], k[:n]) {
			n--
		}
	}
	return n
}
