// Package cloudtrail turns payload bytes into CloudTrail events. It does no I/O.
package cloudtrail

import (
	"bytes"
	"errors"
	"fmt"
)

// Reasons of rejects. They are fixed: metrics and tests count by them.
const (
	reasonNotJSON       = "not json"
	reasonTruncated     = "truncated"
	reasonNotObject     = "not an object"
	reasonNotCloudTrail = "not CloudTrail"
	reasonNoTime        = "no eventTime"
	reasonBadTime       = "bad eventTime"
	reasonTooLarge      = "too large"
	reasonTooDeep       = "too many layers"
	reasonTruncatedGzip = "truncated gzip"
	reasonCorruptGzip   = "corrupt gzip"
	reasonBomb          = "bomb"
)

// Reject is a piece of a payload that is no CloudTrail event.
type Reject struct {
	Ordinal int    // its place in the payload, in one numbering with events and controls
	Reason  string // a short fixed word or two
	Err     error  // what exactly is wrong; nil when Reason says it all
	Raw     []byte // the piece as received; it stands in the payload
}

// Records is what a payload holds. len(Events) + len(Rejects) + Control is the
// number of pieces in it.
type Records struct {
	Events   []Event
	Ordinals []int // Ordinals[i] is the place of Events[i] in the payload
	Rejects  []Reject
	Control  int   // messages that carry no event by design: CloudWatch's control messages, digests
	Bytes    int64 // JSON bytes, uncompressed
}

// DefaultMaxBytes is the limit of unpacked bytes when a Decoder sets none.
const DefaultMaxBytes = 256 << 20

// Decoder turns payloads into records. The zero Decoder is ready. It is not
// safe for concurrent use, but what it returned stays valid.
type Decoder struct {
	MaxBytes int64 // most bytes that one payload may unpack to; 0 means DefaultMaxBytes

	x       extractor
	slab    []members
	out     Records
	ordinal int
	left    int64 // of MaxBytes
}

// Decode takes a payload apart. It never fails as a whole: what cannot be
// decoded is a Reject. The result aliases payload, which must not be written
// again.
func (d *Decoder) Decode(payload []byte) Records {
	d.out, d.ordinal = Records{}, 0
	if d.left = d.MaxBytes; d.left <= 0 {
		d.left = DefaultMaxBytes
	}
	d.layer(payload, 0)
	out := d.out
	d.out, d.slab, d.x.side = Records{}, nil, nil
	return out
}

// Parse parses one bare record. It is for tests and tools; a stream goes
// through a Decoder.
func Parse(record []byte) (*Event, error) {
	x := extractor{scanner: scanner{b: record}}
	start := x.space(0)
	if start >= len(record) || record[start] != '{' {
		return nil, errors.New("parse record: " + reasonNotObject)
	}
	e := Event{m: &members{}}
	end := x.record(start, e.m)
	if end < 0 {
		return nil, fmt.Errorf("parse record: %w", x.failure())
	}
	if rest := x.space(end); rest < len(record) {
		return nil, fmt.Errorf("parse record: %w at byte %d", errSyntax, rest)
	}
	if end-start > maxRecord {
		return nil, errors.New("parse record: " + reasonTooLarge)
	}
	e.Raw = record[start:end:end]
	if reason := e.finish(); reason != "" {
		return nil, errors.New("parse record: " + reason)
	}
	return &e, nil
}

func (d *Decoder) reject(reason string, err error, raw []byte) {
	d.out.Rejects = append(d.out.Rejects, Reject{Ordinal: d.ordinal, Reason: reason, Err: err, Raw: raw[:len(raw):len(raw)]})
	d.ordinal++
}

func (d *Decoder) control() {
	d.out.Control++
	d.ordinal++
}

func (d *Decoder) accept(e Event) {
	d.out.Events = append(d.out.Events, e)
	d.out.Ordinals = append(d.out.Ordinals, d.ordinal)
	d.ordinal++
}

var utf8BOM = []byte("\xef\xbb\xbf")

// layer decodes bytes of any form.
func (d *Decoder) layer(p []byte, depth int) {
	switch {
	case bytes.HasPrefix(p, gzipMagic):
		d.gzip(p, depth)
	default:
		d.out.Bytes += int64(len(p))
		d.x.b = p
		d.stream(p)
	}
}

// stream decodes JSON values one behind the other.
func (d *Decoder) stream(p []byte) {
	i := 0
	if bytes.HasPrefix(p, utf8BOM) {
		i = len(utf8BOM)
	}
	for {
		if i = d.x.space(i); i >= len(p) {
			return
		}
		switch p[i] {
		case ',', '[', ']':
			i++
		case '{':
			i = d.object(i)
		default:
			d.reject(reasonNotJSON, nil, p[i:])
			return
		}
	}
}

func (d *Decoder) object(i int) int {
	b := d.x.b
	if quote, value, _ := d.x.name(d.x.space(i + 1)); value > 0 && value < len(b) && b[value] == '[' && string(b[d.x.space(i+1)+1:quote]) == "Records" {
		i = value + 1
		for {
			i = d.x.space(i)
			if i >= len(b) {
				return i
			}
			switch b[i] {
			case ',':
				i++
			case ']':
				i = d.x.space(i + 1)
				return i + 1
			case '{':
				i = d.record(i)
			default:
				d.reject(reasonNotJSON, nil, b[i:])
				return len(b)
			}
		}
	}
	return d.record(i)
}

func (d *Decoder) record(i int) int {
	b := d.x.b
	m := d.members()
	end := d.x.record(i, m)
	if end < 0 {
		d.reject(reasonNotJSON, d.x.failure(), b[i:])
		return len(b)
	}
	e := Event{Raw: b[i:end:end], m: m}
	if reason := e.finish(); reason != "" {
		d.reject(reason, nil, e.Raw)
		return end
	}
	d.accept(e)
	return end
}

func (d *Decoder) members() *members {
	if len(d.slab) == 0 {
		d.slab = make([]members, 64)
	}
	m := &d.slab[0]
	d.slab = d.slab[1:]
	return m
}
