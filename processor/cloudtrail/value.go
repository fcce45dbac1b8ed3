package cloudtrail

import (
	"fmt"
	"iter"
	"math"

	"github.com/go-json-experiment/json/jsontext"
)

// Value is one JSON value of a parsed tree. A nil *Value is an absent value:
// all methods work on it. Trees are not safe for concurrent use.
type Value struct {
	doc      *document
	from, to uint32 // of the value in doc.src, quotes included
	name     uint32 // where the inside of its name begins, members only; it ends two bytes before from
	self     uint32 // index in doc.nodes
	next     uint32 // index of the sibling behind it in doc.nodes, 0 when last
	text     uint32 // 1 + index in doc.texts of the unescaped string, 0 when not yet
	count    uint32 // members or items
	kind     uint8
	flags    uint8 // hasEscape of the string; nameEscaped
}

const nameEscaped = 1 << 7

// document is what the values of one tree share.
type document struct {
	src   []byte // compact, valid UTF-8
	nodes []Value
	texts []string
}

// ParseValue parses one JSON text. Invalid UTF-8 becomes U+FFFD; duplicate
// names are allowed.
func ParseValue(json []byte) (*Value, error) {
	if len(json) > math.MaxUint32 {
		return nil, fmt.Errorf("parse value: %d bytes are more than a tree can address", len(json))
	}
	s := scanner{b: json}
	start := s.space(0)
	s.flags = 0
	end := s.value(start, 0)
	if end < 0 {
		return nil, fmt.Errorf("parse value: %w", s.failure())
	}
	messy := s.flags&(hasSpace|hasBadUTF) != 0
	if rest := s.space(end); rest < len(json) {
		return nil, fmt.Errorf("parse value: %w at byte %d", errSyntax, rest)
	}
	src := json[start:end]
	if messy {
		src = appendCompact(make([]byte, 0, len(src)), src)
	}
	return parseClean(src), nil
}

// parseClean parses text that is known to be compact, correct JSON in UTF-8.
func parseClean(src []byte) *Value {
	// A member takes some 20 bytes of JSON in recorded events; a guess that is a
	// little high costs less than a second allocation.
	d := &document{src: src, nodes: make([]Value, 0, len(src)/20+4)}
	p := treeParser{doc: d, scanner: scanner{b: src}}
	p.parse(0)
	for i := range d.nodes {
		d.nodes[i].doc = d
	}
	return &d.nodes[0]
}

type treeParser struct {
	scanner
	doc *document
}

// parse appends the value at i and all below it, and returns its end.
func (p *treeParser) parse(i int) int {
	at := len(p.doc.nodes)
	kind := kindOf(p.b[i])
	p.doc.nodes = append(p.doc.nodes, Value{from: uint32(i), self: uint32(at), kind: kind})
	var end int
	switch kind {
	case kindObject, kindArray:
		end = p.items(at, i)
	case kindString:
		var flags uint8
		end, flags = p.text(i)
		p.doc.nodes[at].flags = flags & hasEscape
	default:
		end = p.value(i, 0)
	}
	p.doc.nodes[at].to = uint32(end)
	return end
}

// items parses the members or items of the value with index at.
func (p *treeParser) items(at, i int) int {
	i++
	if p.b[i] == '}' || p.b[i] == ']' {
		return i + 1
	}
	count, last := uint32(0), 0
	for {
		here := len(p.doc.nodes)
		end := p.item(at, i)
		if last > 0 {
			p.doc.nodes[last].next = uint32(here)
		}
		count, last, i = count+1, here, end+1
		if p.b[end] != ',' {
			p.doc.nodes[at].count = count
			return i
		}
	}
}

func (p *treeParser) item(at, i int) int {
	if p.doc.nodes[at].kind == kindArray {
		return p.parse(i)
	}
	end, flags := p.text(i)
	here := len(p.doc.nodes)
	after := p.parse(end + 1)
	v := &p.doc.nodes[here]
	v.name = uint32(i + 1)
	if flags&hasEscape != 0 {
		v.flags |= nameEscaped
	}
	return after
}

// Kind returns the kind of the value; 0 for a nil Value.
func (v *Value) Kind() jsontext.Kind {
	if v == nil {
		return 0
	}
	return kinds[v.kind]
}

// Text returns a scalar as text: a string unescaped, a number or boolean as it
// is written. It is false for null, objects, arrays and a nil Value.
func (v *Value) Text() (string, bool) {
	if v == nil || v.kind < kindFalse || v.kind > kindNumber {
		return "", false
	}
	switch {
	case v.kind != kindString:
		return alias(v.doc.src[v.from:v.to]), true
	case v.flags&hasEscape == 0:
		return alias(v.doc.src[v.from+1 : v.to-1]), true
	case v.text == 0:
		text := appendText(nil, v.doc.src[v.from+1:v.to-1])
		v.doc.texts = append(v.doc.texts, alias(text))
		v.text = uint32(len(v.doc.texts))
	}
	return v.doc.texts[v.text-1], true
}

// Raw returns the JSON of the value as it stands in the record, but compact and
// valid UTF-8; nil for a nil Value.
func (v *Value) Raw() []byte {
	if v == nil {
		return nil
	}
	return v.doc.src[v.from:v.to:v.to]
}

// Len returns the number of items of an array or members of an object
// (duplicates counted), 0 for all else.
func (v *Value) Len() int {
	if v == nil {
		return 0
	}
	return int(v.count)
}

// first returns the first child, nil if there is none.
func (v *Value) first() *Value {
	if v == nil || v.count == 0 {
		return nil
	}
	return &v.doc.nodes[v.self+1] // children follow their parent in the arena
}

// sibling returns the child behind v, nil after the last.
func (v *Value) sibling() *Value {
	if v.next == 0 {
		return nil
	}
	return &v.doc.nodes[v.next]
}

// Get returns the member of that exact name, the last one when there are
// several; nil when v has none or is not an object.
func (v *Value) Get(name string) *Value {
	if v == nil || v.kind != kindObject {
		return nil
	}
	var found *Value
	for c := v.first(); c != nil; c = c.sibling() {
		if c.named(name) {
			found = c
		}
	}
	return found
}

func (v *Value) named(name string) bool {
	raw := v.doc.src[v.name : v.from-2]
	if v.flags&nameEscaped == 0 {
		return string(raw) == name
	}
	return string(appendText(nil, raw)) == name
}

func (v *Value) nameText() string {
	raw := v.doc.src[v.name : v.from-2]
	if v.flags&nameEscaped == 0 {
		return alias(raw)
	}
	return alias(appendText(nil, raw))
}

// Index returns item i of an array; nil when v is no array or has no such item.
func (v *Value) Index(i int) *Value {
	if v == nil || v.kind != kindArray || i < 0 {
		return nil
	}
	c := v.first()
	for ; c != nil && i > 0; i-- {
		c = c.sibling()
	}
	return c
}

// Items yields the items of an array in order; nothing for all else.
func (v *Value) Items() iter.Seq[*Value] {
	return func(yield func(*Value) bool) {
		if v == nil || v.kind != kindArray {
			return
		}
		for c := v.first(); c != nil && yield(c); c = c.sibling() {
		}
	}
}

// Members yields the members of an object in the order of the record; of those
// with the same name only the last. It yields nothing for all else.
func (v *Value) Members() iter.Seq2[string, *Value] {
	return func(yield func(string, *Value) bool) {
		if v == nil || v.kind != kindObject {
			return
		}
		last := v.duplicates()
		for c := v.first(); c != nil; c = c.sibling() {
			name := c.nameText()
			if l, twice := last[name]; twice && l != c {
				continue
			}
			if !yield(name, c) {
				return
			}
		}
	}
}

// duplicates maps each name that stands more than once to its last member; nil
// when there is none. Few members are compared pair by pair, without a map.
func (v *Value) duplicates() map[string]*Value {
	if v.count > 16 {
		last := make(map[string]*Value, v.count)
		for c := v.first(); c != nil; c = c.sibling() {
			last[c.nameText()] = c
		}
		return last
	}
	var last map[string]*Value
	for c := v.first(); c != nil; c = c.sibling() {
		name := c.nameText()
		if later := v.Get(name); later != c {
			if last == nil {
				last = make(map[string]*Value)
			}
			last[name] = later
		}
	}
	return last
}
