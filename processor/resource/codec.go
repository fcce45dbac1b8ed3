package resource

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// formatRecord is the first byte of an encoded record. Another number is refused.
const formatRecord = 1

// ErrFormat means that bytes are no record, or one of a format that this version does not know.
var ErrFormat = errors.New("resource: not an encoded record")

// The encoding: the format byte; the table of the distinct versions, oldest first; then the registers, which name their version
// by its place in the table plus one (0 is the zero version). Numbers are varints, texts have their length in front. An event id
// that is a canonical UUID takes 16 bytes. Everything is sorted, so equal records have equal bytes.

// AppendBinary appends the record's encoding to b. It never fails; the error satisfies encoding.BinaryAppender.
func (r *Record) AppendBinary(b []byte) ([]byte, error) {
	e := encoder{buf: append(b, formatRecord), versions: r.versions()}
	e.table()
	e.value(r.arn)
	e.value(r.state)
	for _, d := range []deed{r.born, r.died, r.changed, r.first} {
		e.deed(d)
	}
	e.version(r.lives)
	e.version(r.retagged)
	e.values(r.fields)
	e.values(r.tags)
	e.members(r.members)
	e.number(len(r.clears))
	for _, c := range r.clears {
		e.text(c.group)
		e.version(c.version)
	}
	e.number(len(r.events))
	for _, v := range r.events {
		e.version(v)
	}
	return e.buf, nil
}

// MarshalBinary is AppendBinary into a new slice.
func (r *Record) MarshalBinary() ([]byte, error) { return r.AppendBinary(make([]byte, 0, 512)) }

func (r *Record) versions() []Version {
	all := make([]Version, 0, 8+len(r.fields)+len(r.tags)+len(r.members)+len(r.events))
	all = append(all, r.arn.version, r.state.version, r.born.version, r.died.version, r.changed.version, r.first.version, r.lives, r.retagged)
	for _, v := range r.fields {
		all = append(all, v.version)
	}
	for _, v := range r.tags {
		all = append(all, v.version)
	}
	for _, m := range r.members {
		all = append(all, m.version)
	}
	for _, c := range r.clears {
		all = append(all, c.version)
	}
	all = append(all, r.events...)
	slices.SortFunc(all, Version.Compare)
	all = slices.Compact(all)
	if len(all) > 0 && all[0].IsZero() {
		all = all[1:]
	}
	return all
}

type encoder struct {
	buf      []byte
	versions []Version
}

func (e *encoder) number(n int) { e.buf = binary.AppendUvarint(e.buf, uint64(n)) }

func (e *encoder) text(s string) {
	e.number(len(s))
	e.buf = append(e.buf, s...)
}

func (e *encoder) flag(f bool) {
	n := byte(0)
	if f {
		n = 1
	}
	e.buf = append(e.buf, n)
}

func (e *encoder) table() {
	e.number(len(e.versions))
	var last int64
	for _, v := range e.versions {
		e.buf = binary.AppendVarint(e.buf, v.Time-last)
		last = v.Time
		e.buf = append(e.buf, byte(v.Rank))
		e.eventID(v.EventID)
	}
}

// eventID writes a canonical UUID as 0 and its 16 bytes, anything else as its length plus one and its bytes.
func (e *encoder) eventID(id string) {
	var raw [16]byte
	if parseUUID(id, &raw) {
		e.buf = append(append(e.buf, 0), raw[:]...)
		return
	}
	e.number(len(id) + 1)
	e.buf = append(e.buf, id...)
}

func (e *encoder) version(v Version) {
	i, found := slices.BinarySearchFunc(e.versions, v, Version.Compare)
	if !found {
		i = -1
	}
	e.number(i + 1)
}

func (e *encoder) value(v value) {
	e.version(v.version)
	e.flag(v.present)
	e.text(v.text)
}

func (e *encoder) values(values []value) {
	e.number(len(values))
	for _, v := range values {
		e.text(v.name)
		e.value(v)
	}
}

func (e *encoder) deed(d deed) {
	e.version(d.version)
	e.buf = append(e.buf, byte(d.effect))
	e.text(d.eventName)
	e.text(d.actor)
	e.text(d.via)
}

func (e *encoder) members(members []member) {
	e.number(len(members))
	for _, m := range members {
		e.text(m.Kind)
		e.text(m.Type)
		e.text(m.Key)
		e.version(m.version)
		e.flag(m.present)
		e.number(len(m.Detail))
		for _, a := range m.Detail {
			e.text(a.Name)
			e.text(a.Value)
		}
	}
}

const uuidForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"

// parseUUID reads the lower-case form with dashes and no other, so that formatUUID gives the same text back.
func parseUUID(id string, raw *[16]byte) bool {
	if len(id) != len(uuidForm) {
		return false
	}
	n := 0
	for i := range len(id) {
		if uuidForm[i] == '-' {
			if id[i] != '-' {
				return false
			}
			continue
		}
		digit, ok := hexDigit(id[i])
		if !ok {
			return false
		}
		raw[n/2] = raw[n/2]<<4 | digit
		n++
	}
	return true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

func formatUUID(to *strings.Builder, raw []byte) {
	var text [36]byte
	const digits = "0123456789abcdef"
	n := 0
	for i, b := range raw[:16] {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[n] = '-'
			n++
		}
		text[n], text[n+1] = digits[b>>4], digits[b&15]
		n += 2
	}
	to.Write(text[:])
}

// DecodeRecord reads what AppendBinary wrote. The record does not alias data. The error wraps ErrFormat.
func DecodeRecord(data []byte) (*Record, error) {
	if len(data) == 0 || data[0] != formatRecord {
		return nil, fmt.Errorf("%w: no format byte %d", ErrFormat, formatRecord)
	}
	d := newDecoder(data[1:])
	d.table()
	r := &Record{arn: d.value(""), state: d.value("")}
	for _, to := range []*deed{&r.born, &r.died, &r.changed, &r.first} {
		*to = d.deed()
	}
	r.lives, r.retagged = d.version(), d.version()
	r.fields, r.tags = d.values(), d.values()
	r.members = d.members()
	r.clears = list(&d, func() cleared { return cleared{d.text(), d.version()} })
	r.events = list(&d, d.version)
	if d.bad || len(d.rest) != 0 {
		return nil, fmt.Errorf("%w: cut short or too long", ErrFormat)
	}
	return r, nil
}

type decoder struct {
	rest     []byte
	all      string // what rest was in the beginning: all texts are parts of it
	uuids    strings.Builder
	versions []Version
	bad      bool
}

func newDecoder(data []byte) decoder { return decoder{rest: data, all: string(data)} }

func (d *decoder) number() int {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > 1<<31 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return int(n)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) text() string { return d.part(d.number()) }

// part is take as text.
func (d *decoder) part(n int) string {
	n = len(d.take(n))
	end := len(d.all) - len(d.rest)
	return d.all[end-n : end]
}

func (d *decoder) octet() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

// list reads a length and so many items. Every item takes at least one byte, so a wrong length cannot make it allocate much.
func list[T any](d *decoder, item func() T) []T {
	n := d.number()
	if n > len(d.rest) {
		d.bad, d.rest = true, nil
		return nil
	}
	if n == 0 {
		return nil
	}
	items := make([]T, 0, n)
	for range n {
		items = append(items, item())
	}
	return items
}

func (d *decoder) table() {
	n, _ := binary.Uvarint(d.rest)
	d.uuids.Grow(36 * int(min(n, uint64(len(d.rest))/16))) // so all event ids are parts of one text
	var last int64
	d.versions = list(d, func() Version {
		delta, size := binary.Varint(d.rest)
		if size <= 0 {
			d.bad, d.rest = true, nil
			return Version{}
		}
		d.rest = d.rest[size:]
		last += delta
		return Version{Time: last, Rank: Rank(d.octet()), EventID: d.eventID()}
	})
}

func (d *decoder) eventID() string {
	n := d.number()
	if n > 0 {
		return d.part(n - 1)
	}
	raw := d.take(16)
	if raw == nil {
		return ""
	}
	at := d.uuids.Len()
	formatUUID(&d.uuids, raw)
	return d.uuids.String()[at:]
}

func (d *decoder) version() Version {
	i := d.number()
	if i > len(d.versions) {
		d.bad = true
		return Version{}
	}
	if i == 0 {
		return Version{}
	}
	return d.versions[i-1]
}

func (d *decoder) value(name string) value {
	return value{name: name, version: d.version(), present: d.octet() == 1, text: d.text()}
}

func (d *decoder) values() []value { return list(d, func() value { return d.value(d.text()) }) }

func (d *decoder) deed() deed {
	return deed{version: d.version(), effect: Effect(d.octet()), eventName: d.text(), actor: d.text(), via: d.text()}
}

func (d *decoder) members() []member {
	return list(d, func() member {
		m := member{Relation: Relation{Kind: d.text(), Type: d.text(), Key: d.text()}, version: d.version(), present: d.octet() == 1}
		m.Detail = list(d, func() Attr { return Attr{d.text(), d.text()} })
		return m
	})
}
