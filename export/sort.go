package export

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cairnstream/cairn/export/rowlog"
)

// groupRow is the place of a row of the open row group and of its key: its
// sort columns, laid out as bytes whose order is the order of the rows. There
// are no pointers, so the garbage collector passes the rows by.
type groupRow struct {
	block, offset, size uint32 // in encoder.blocks
	start, end          uint32 // of the key in encoder.keys
}

// sortRow is what a sort moves around: 16 bytes a row.
type sortRow struct {
	prefix uint64 // of the key, behind what all keys of the group share
	row    uint32 // in encoder.rows, in the order of arrival
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

// addRow adds the row that stands at offset in the newest block.
func (e *encoder) addRow(t *tableEncoder, row []byte, offset int) {
	start := len(e.keys)
	e.keys = appendKey(e.keys, row, t.key)
	e.rows = append(e.rows, groupRow{
		block: uint32(len(e.blocks) - 1), offset: uint32(offset), size: uint32(len(row)),
		start: uint32(start), end: uint32(len(e.keys)),
	})
	e.groupRaw += len(row)
}

// endGroup sorts the rows of the open row group and writes it.
func (e *encoder) endGroup(t *tableEncoder) error {
	e.sortRows()
	for _, s := range e.order {
		r := &e.rows[s.row]
		if err := t.writer.Append(e.blocks[r.block][r.offset : r.offset+r.size]); err != nil {
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
	e.order = e.order[:0]
	for i := range e.rows {
		r := &e.rows[i]
		e.order = append(e.order, sortRow{prefix: keyPrefix(e.keys[int(r.start)+shared : r.end]), row: uint32(i)})
	}
	order := func(a, b sortRow) int {
		if a.prefix != b.prefix {
			if a.prefix < b.prefix {
				return -1
			}
			return 1
		}
		if c := bytes.Compare(e.key(a.row), e.key(b.row)); c != 0 {
			return c
		}
		return int(int64(a.row) - int64(b.row))
	}
	if !slices.IsSortedFunc(e.order, order) {
		slices.SortFunc(e.order, order)
	}
}

func (e *encoder) key(row uint32) []byte { return e.keys[e.rows[row].start:e.rows[row].end] }

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
