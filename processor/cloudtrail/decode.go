package cloudtrail

import (
	"errors"
	"fmt"
	"slices"
)

// Reasons of rejects. They are fixed: metrics and tests count by them.
const (
	reasonNotJSON       = "not json"
	reasonTruncated     = "truncated"
	reasonNotObject     = "not an object"
	reasonNotCloudTrail = "not CloudTrail"
	reasonNotification  = "S3 notification"
	reasonNoTime        = "no eventTime"
	reasonBadTime       = "bad eventTime"
	reasonTooLarge      = "too large"
	reasonTooDeep       = "too many layers"
	reasonTruncatedGzip = "truncated gzip"
	reasonCorruptGzip   = "corrupt gzip"
	reasonBomb          = "bomb"
	reasonBadBase64     = "bad base64"
	reasonBadAggregate  = "broken aggregate"
)

// Reject is a piece of a payload that is no CloudTrail event.
type Reject struct {
	Ordinal int    // its place in the payload, in one numbering with events and controls
	Reason  string // a short fixed word or two
	Err     error  // what exactly is wrong; nil when Reason says it all
	Raw     []byte // the piece as received, empty where only an end is missing
	// File and Record say where a person finds the piece: a file, and the place in
	// it, counted from 1. A reader of files sets them.
	File   string
	Record int
}

// Records is what a payload holds. len(Events) + len(Rejects) + Control is the
// number of pieces in it.
type Records struct {
	Events   []Event
	Ordinals []int    // Ordinals[i] is the place of Events[i] in the payload
	Keys     []string // Keys[i] is the partition key of Events[i] inside a KPL aggregate; nil for other payloads
	Rejects  []Reject
	Control  int   // messages that carry no event by design: CloudWatch's control messages, digests, SNS handshakes
	Bytes    int64 // JSON bytes, uncompressed
}

// DefaultMaxBytes is the limit of unpacked bytes when a Decoder sets none. A
// CloudTrail file unpacks to some tens of megabytes at most.
const DefaultMaxBytes = 256 << 20

// maxLayers is how many wrappings (gzip, base64, a list, a text inside JSON, a
// KPL aggregate) a record may wear. The deepest sensible ones are eight: gzip of
// a list of stream records with base64 of gzip of a list of messages.
const maxLayers = 10

// Decoder turns payloads into records. The zero Decoder is ready. It is not
// safe for concurrent use, but what it returned stays valid.
type Decoder struct {
	MaxBytes int64 // most bytes that one payload may unpack to; 0 means DefaultMaxBytes

	x       extractor
	slab    []members // not yet used
	spare   *members  // handed out, but its record was none
	out     Records
	ordinal int
	key     string // of the part of an aggregate that is being decoded
	inParts bool
	left    int64 // of MaxBytes
	// brokenTo is where the last broken piece of the current text ends; endless
	// tells whether the text decoded last had no proper end.
	brokenTo int
	endless  bool
	budget   int // bytes that may still be read again to find the end of broken pieces
	zip      inflater
}

// Decode takes a payload apart. It never fails as a whole: what cannot be
// decoded is a Reject. The result aliases payload, which must not be written
// again.
func (d *Decoder) Decode(payload []byte) Records {
	d.out, d.ordinal, d.budget = Records{}, 0, 0
	if d.left = d.MaxBytes; d.left <= 0 {
		d.left = DefaultMaxBytes
	}
	d.layer(payload, 0, true)
	out := d.out
	d.out, d.slab, d.spare, d.x.side, d.x.b = Records{}, nil, nil, nil, nil
	d.key, d.inParts = "", false
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
	x.complete()
	e.Raw = record[start:end:end]
	if reason, err := e.finish(); reason != "" {
		return nil, fmt.Errorf("parse record: %s: %w", reason, err)
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
	if d.out.Events == nil {
		n := d.expected()
		d.out.Events, d.out.Ordinals = slices.Grow(d.out.Events, n), slices.Grow(d.out.Ordinals, n)
	}
	d.out.Events = append(d.out.Events, e)
	d.out.Ordinals = append(d.out.Ordinals, d.ordinal)
	if d.inParts {
		d.out.Keys = append(d.out.Keys, d.key)
	}
	d.ordinal++
}

// expected guesses how many records the current text holds; recorded ones are
// 0.9 to 1.7 KB. The bound keeps a large text without records cheap.
func (d *Decoder) expected() int { return min(len(d.x.b)/1024+1, 1024) }

// members returns an unused element of the slab.
func (d *Decoder) members() *members {
	if m := d.spare; m != nil {
		d.spare = nil
		return m
	}
	if len(d.slab) == 0 {
		d.slab = make([]members, min(d.expected(), 128))
	}
	m := &d.slab[0]
	d.slab = d.slab[1:]
	return m
}

// giveBack takes back what members handed out, for the next record.
func (d *Decoder) giveBack(m *members) {
	*m = members{}
	d.spare = m
}

// inside runs decode with p as the current text.
func (d *Decoder) inside(p []byte, decode func()) {
	text, brokenTo := d.x.b, d.brokenTo
	d.x.b, d.brokenTo = p, -1
	decode()
	d.endless = d.brokenTo >= len(p)
	d.x.b, d.brokenTo = text, brokenTo
}

// cut reports that the current text ends too early, unless a broken piece that
// reaches to the end was reported already.
func (d *Decoder) cut() {
	if end := len(d.x.b); d.brokenTo < end {
		d.reject(reasonTruncated, errCut, d.x.b[end:])
		d.brokenTo = end
	}
}

// layer decodes bytes of any form. count tells whether they add to Bytes when
// they turn out to be JSON: not when they stand inside JSON that was counted.
func (d *Decoder) layer(p []byte, depth int, count bool) {
	switch {
	case depth > maxLayers:
		d.reject(reasonTooDeep, nil, p)
	case isGzip(p):
		d.gzip(p, depth)
	case isAggregate(p):
		d.aggregate(p, depth)
	case looksBase64(p):
		d.base64(p, depth)
	default:
		if count {
			d.out.Bytes += int64(len(p))
		}
		// Enough for each byte to be read again some times around broken pieces, too
		// little for input made to be read again at each of its bytes.
		d.budget = max(d.budget, 32*len(p)+1<<16)
		d.inside(p, func() { d.sequence(0, false, depth) })
	}
}

// unquote returns the text of the JSON string that stands at from to to of the
// current text, in which the scanner met flags.
func (d *Decoder) unquote(from, to int, flags uint8) []byte {
	raw := d.x.b[from+1 : to-1]
	switch {
	case flags&notPlain == 0:
		return raw
	case flags&hasHigh == 0:
		return unescapeASCII(raw)
	}
	return appendText(make([]byte, 0, len(raw)), raw)
}
