package window

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"
)

// Rows are made of varints, so that small numbers are small. The first byte is
// the version of the form.
const rowVersion = 1

// writer appends to a row.
type writer struct{ buf []byte }

func (w *writer) uint(v uint64) { w.buf = binary.AppendUvarint(w.buf, v) }
func (w *writer) int(v int64)   { w.buf = binary.AppendVarint(w.buf, v) }
func (w *writer) float(v float64) {
	w.buf = binary.LittleEndian.AppendUint64(w.buf, math.Float64bits(v))
}

func (w *writer) text(s string) {
	w.uint(uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *writer) flag(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	w.buf = append(w.buf, b)
}

func (w *writer) header(newest int64) {
	w.buf = append(w.buf, rowVersion)
	w.int(newest)
}

// The forms of an id: most are UUIDs, or hashes of records without an id.
const (
	idText byte = iota
	idUUID
	idHash // "sha256:" and 32 hex digits
	idHex  // 32 hex digits: a finding
)

const hashPrefix = "sha256:"

// id packs the usual forms of ids into 17 bytes.
func (w *writer) id(s string) {
	form, digits := idText, ""
	switch {
	case len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-':
		form, digits = idUUID, s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:]
	case len(s) == len(hashPrefix)+32 && strings.HasPrefix(s, hashPrefix):
		form, digits = idHash, s[len(hashPrefix):]
	case len(s) == 32:
		form, digits = idHex, s
	}
	raw, err := hex.DecodeString(digits)
	if form == idText || err != nil || hex.EncodeToString(raw) != digits {
		w.buf = append(w.buf, idText)
		w.text(s)
		return
	}
	w.buf = append(append(w.buf, form), raw...)
}

func (w *writer) ids(list []string) {
	w.uint(uint64(len(list)))
	for _, s := range list {
		w.id(s)
	}
}

// reader takes a row apart. After a failure all it returns is zero.
type reader struct {
	buf    []byte
	failed bool
}

func (r *reader) fail() {
	r.failed, r.buf = true, nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.buf)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.buf)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

// count is a number of things that take at least a byte each.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.buf) {
		r.fail()
		return make([]byte, min(n, 16))
	}
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

func (r *reader) text() string   { return string(r.bytes(r.count())) }
func (r *reader) flag() bool     { return r.bytes(1)[0] != 0 }
func (r *reader) float() float64 { return math.Float64frombits(binary.LittleEndian.Uint64(r.bytes(8))) }
func (r *reader) header() (newest int64) {
	if r.bytes(1)[0] != rowVersion {
		r.fail()
	}
	return r.int()
}

func (r *reader) id() string {
	form := r.bytes(1)[0]
	if form == idText {
		return r.text()
	}
	if form > idHex {
		r.fail()
		return ""
	}
	s := hex.EncodeToString(r.bytes(16))
	switch form {
	case idUUID:
		return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
	case idHash:
		return hashPrefix + s
	}
	return s
}

func (r *reader) ids() (list []string) {
	for range r.count() {
		list = append(list, r.id())
	}
	return list
}
