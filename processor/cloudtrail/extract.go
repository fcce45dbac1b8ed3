package cloudtrail

import "github.com/go-json-experiment/json/jsontext"

// span says where the text of a member stands: offset (32 bits), length (28),
// whether it stands in the side buffer rather than in the record (1), and the
// kind of the value (3). The zero span means absent. One word per member keeps
// the members of an event free of pointers.
type span uint64

const (
	spanKind   = 7
	spanSide   = 1 << 3
	lengthBits = 28

	// maxRecord is the largest record that is taken apart. CloudTrail's own are at
	// most 1 MB; four times that leaves room, and fits the bits of a span.
	maxRecord = 4 << 20
)

// kinds maps the three kind bits to the kind; 0 is absent.
var kinds = [8]jsontext.Kind{0, 'n', 'f', 't', '"', '0', '{', '['}

const (
	kindNull uint8 = iota + 1
	kindFalse
	kindTrue
	kindString
	kindNumber
	kindObject
	kindArray
)

func kindOf(c byte) uint8 {
	switch c {
	case 'n':
		return kindNull
	case 'f':
		return kindFalse
	case 't':
		return kindTrue
	case '"':
		return kindString
	case '{':
		return kindObject
	case '[':
		return kindArray
	}
	return kindNumber
}

func newSpan(from, to int, kind uint8) span {
	return span(from)<<32 | span(to-from)<<4 | span(kind)
}

func (s span) kind() uint8 { return uint8(s & spanKind) }

// bounds returns where the text stands, in the record or in the side buffer.
func (s span) bounds() (from, to int) {
	from = int(s >> 32)
	return from, from + int(s>>4&(1<<lengthBits-1))
}

// members are the spans of one record; see Event.
type members struct {
	side   []byte // text that the record does not hold as it is needed: unescaped, compacted
	trees  *trees
	extra  span
	messy  bool // the record holds white space outside strings or invalid UTF-8
	fields [NumFields]span
	blobs  [NumBlobs]span
}

// extractor takes one record apart. It is reused from record to record.
type extractor struct {
	scanner
	m         *members
	base      int    // where the record begins in b
	side      []byte // grows over many records; an event keeps its own part
	sideBase  int
	seen      [numEntries / 64]uint64
	leftovers []leftover
	scratch   []byte
}

// record takes the object at i apart into m and returns its end, negative if it
// is not JSON.
func (x *extractor) record(i int, m *members) int {
	x.m, x.base, x.sideBase = m, i, len(x.side)
	x.seen = [numEntries / 64]uint64{}
	x.leftovers = x.leftovers[:0]
	x.flags = 0
	end := x.node(root, i, 1)
	if end < 0 || end-i > maxRecord {
		return end
	}
	m.messy = x.flags&(hasSpace|hasBadUTF) != 0
	return end
}

// complete finishes the record that was taken apart last. Until then its texts
// from the side buffer are out of reach; what turns out to be no record does
// without.
func (x *extractor) complete() {
	x.buildExtra()
	x.m.side = x.side[x.sideBase:len(x.side):len(x.side)]
}

// hasTime tells whether there is an eventTime, of whatever form.
func (m *members) hasTime() bool { return m.fields[EventTime].kind() > kindNull }

// isRecord tells whether the object has the look of a CloudTrail record.
func (m *members) isRecord() bool {
	for _, f := range [...]Field{EventTime, EventVersion, EventName, EventSource, EventID, EventType} {
		if m.fields[f] != 0 {
			return true
		}
	}
	return false
}

// node takes the object at i apart by what is known of its members.
func (x *extractor) node(n *node, i, depth int) int {
	i = x.space(i + 1)
	if i < len(x.b) && x.b[i] == '}' {
		return i + 1
	}
	for {
		quote, value, flags := x.name(i)
		if value < 0 {
			return value
		}
		x.flags |= flags
		if i = x.member(n, x.b[i+1:quote], flags, value, depth); i < 0 {
			return i
		}
		i = x.space(i)
		switch {
		case i < len(x.b) && x.b[i] == ',':
			i = x.space(i + 1)
		case i < len(x.b) && x.b[i] == '}':
			return i + 1
		default:
			return x.fail(i, errSyntax)
		}
	}
}

// member takes the value at i, of the member of n with that name.
func (x *extractor) member(n *node, name []byte, flags uint8, i, depth int) int {
	key := name
	if flags&notPlain != 0 {
		x.scratch = appendText(x.scratch[:0], name)
		key = x.scratch
	}
	e := n.find(key)
	if e == nil {
		end := x.value(i, depth)
		x.leave(leftover{n, nil, name, flags, i, end})
		return end
	}
	if word, bit := e.id/64, uint64(1)<<(e.id%64); x.seen[word]&bit != 0 {
		x.forget(e)
	} else {
		x.seen[word] |= bit
	}
	if e.field >= 0 {
		return x.scalar(n, e, i, depth)
	}
	return x.compound(n, e, i, depth)
}

func (x *extractor) leave(l leftover) {
	if l.to >= 0 {
		x.leftovers = append(x.leftovers, l)
	}
}

// scalar takes a value that is expected to be text, a number or a boolean.
func (x *extractor) scalar(n *node, e *entry, i, depth int) int {
	if i < len(x.b) && x.b[i] == '"' {
		end, flags := x.text(i)
		if end < 0 {
			return end
		}
		x.flags |= flags
		if flags&notPlain == 0 {
			x.m.fields[e.field] = newSpan(i+1-x.base, end-1-x.base, kindString)
			return end
		}
		x.m.fields[e.field] = x.put(kindString, func(dst []byte) []byte { return appendText(dst, x.b[i+1:end-1]) })
		return end
	}
	end := x.value(i, depth)
	if end < 0 {
		return end
	}
	kind := kindOf(x.b[i])
	x.m.fields[e.field] = newSpan(i-x.base, end-x.base, kind)
	if kind >= kindObject {
		x.leave(leftover{n, e, nil, 0, i, end})
	}
	return end
}

// compound takes a value that is expected to be an object or an array.
func (x *extractor) compound(n *node, e *entry, i, depth int) int {
	before := x.flags
	x.flags = 0
	var end int
	if e.child != nil && i < len(x.b) && x.b[i] == '{' {
		end = x.node(e.child, i, depth+1)
	} else {
		end = x.value(i, depth)
	}
	flags := x.flags
	x.flags |= before
	if end < 0 {
		return end
	}
	kind := kindOf(x.b[i])
	if !e.holds(kind) && kind != kindNull {
		x.leave(leftover{n, e, nil, 0, i, end})
	}
	if e.blob >= 0 {
		s := x.blob(i, end, kind, flags)
		x.m.blobs[e.blob] = s
		if (e.blob == int(Resources) && kind == kindArray || e.blob == int(FederatedAttributes) && kind == kindObject) &&
			!fitsColumns(x.b[i:end]) {
			x.leave(leftover{n, e, nil, 0, i, end})
		}
	}
	return end
}

// holds tells whether the columns of a compound member can keep a value of that
// kind without loss.
func (e *entry) holds(kind uint8) bool {
	switch {
	case e.child != nil, e.blob == int(FederatedAttributes):
		return kind == kindObject
	case e.blob == int(Resources):
		return kind == kindArray
	}
	return kind >= kindObject
}

func (x *extractor) blob(i, end int, kind, flags uint8) span {
	if flags&(hasSpace|hasBadUTF) == 0 {
		return newSpan(i-x.base, end-x.base, kind)
	}
	return x.put(kind, func(dst []byte) []byte { return appendCompact(dst, x.b[i:end]) })
}

// put writes text into the side buffer of the record.
func (x *extractor) put(kind uint8, write func([]byte) []byte) span {
	if x.side == nil {
		x.side = make([]byte, 0, min(len(x.b)/8+256, 64<<10))
	}
	from := len(x.side) - x.sideBase
	x.side = write(x.side)
	return newSpan(from, len(x.side)-x.sideBase, kind) | spanSide
}

// forget drops what an earlier member of the same name left: the last one wins.
func (x *extractor) forget(e *entry) {
	if e.field >= 0 {
		x.m.fields[e.field] = 0
	}
	if e.blob >= 0 {
		x.m.blobs[e.blob] = 0
	}
	kept := x.leftovers[:0]
	for _, l := range x.leftovers {
		if l.known != e && l.in != e.child {
			kept = append(kept, l)
		}
	}
	x.leftovers = kept
	if e.child == nil {
		return
	}
	for _, below := range e.child.entries {
		x.forget(below)
	}
}
