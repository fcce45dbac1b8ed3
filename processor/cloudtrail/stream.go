package cloudtrail

import "bytes"

// sequence decodes the values from i on, to the end of the text or of the array
// that i stands in. It takes commas, white space, nothing at all, and the record
// separators and byte order marks that concatenated files leave behind, as what
// may stand between two values.
func (d *Decoder) sequence(i int, inArray bool, depth int) int {
	b := d.x.b
	for {
		if i = d.gap(i); i >= len(b) {
			if inArray {
				d.cut()
			}
			return i
		}
		switch c := b[i]; {
		case c == '{':
			i = d.object(i, depth)
		case c == '[' && !inArray:
			i = d.sequence(i+1, true, depth)
		case c == ']' && inArray:
			return i + 1
		default:
			i = d.stranger(i, inArray, depth)
		}
	}
}

const recordSeparator = 0x1e // of RFC 7464, JSON text sequences

// gap skips what may stand between two values.
func (d *Decoder) gap(i int) int {
	b := d.x.b
	for i < len(b) {
		switch c := b[i]; {
		case isSpace(c), c == ',', c == recordSeparator:
			i++
		case c == 0xef && bytes.HasPrefix(b[i:], []byte("\xef\xbb\xbf")):
			i += 3
		default:
			return i
		}
	}
	return i
}

// object decodes the object at i: a record or an envelope. Which of the two is
// tried first follows from the first name; both find out when they are wrong.
func (d *Decoder) object(i, depth int) int {
	first, value := d.firstName(i)
	if value > 0 && (isList(first) && d.x.b[value] == '[' || isLogData(first, d.x.b[value:])) {
		return d.container(i, depth)
	}
	if root.find(first) == nil {
		if end, done := d.envelope(i, depth); done {
			return end
		}
	}
	return d.record(i, depth)
}

// isLogData tells whether an object whose first member is that one is a message
// of CloudWatch Logs with data. It spares those a look through the whole object.
func isLogData(name, value []byte) bool {
	return string(name) == "messageType" && bytes.HasPrefix(value, []byte(`"DATA_MESSAGE"`))
}

// firstName peeks at the first member: its name and where its value stands; the
// position is 0 when there is no such thing.
func (d *Decoder) firstName(i int) (name []byte, value int) {
	start := d.x.space(i + 1)
	quote, value, _ := d.x.name(start)
	if value < 0 || value >= len(d.x.b) {
		return nil, 0
	}
	return d.x.b[start+1 : quote], value
}

// record decodes the object at i as a record, and as an envelope if it is none.
func (d *Decoder) record(i, depth int) int {
	b, m := d.x.b, d.members()
	end := d.x.record(i, m)
	if end < 0 {
		d.giveBack(m)
		return d.container(i, depth)
	}
	e := Event{Raw: b[i:end:end], m: m}
	if !m.hasTime() {
		if _, done := d.envelope(i, depth); done {
			d.giveBack(m)
			return end
		}
	}
	switch {
	case !m.isRecord():
		d.reject(reasonNotCloudTrail, nil, e.Raw)
	case end-i > maxRecord:
		d.reject(reasonTooLarge, nil, e.Raw)
	default:
		d.x.complete()
		if reason, err := e.finish(); reason != "" {
			d.reject(reason, err, e.Raw)
			break
		}
		d.accept(e)
		return end
	}
	d.giveBack(m)
	return end
}

// isList tells whether a member of that name holds records or messages: the
// list of a CloudTrail file (in two spellings, also those of what AWS hands to
// a Lambda function), of a CloudWatch Logs message, of an SQS answer.
func isList(name []byte) bool { return partOf(name) == partList }

// container decodes the lists of the object at i and skips its other members.
// It returns behind the object, or where to go on when the object is broken.
func (d *Decoder) container(i, depth int) int {
	if depth >= maxLayers {
		return d.tooDeep(i)
	}
	b, at, found := d.x.b, d.x.space(i+1), false
	for {
		quote, value, _ := d.x.name(at)
		if value < 0 {
			break
		}
		list := value < len(b) && isList(b[at+1:quote])
		if list && b[value] == '[' {
			at, found = d.sequence(value+1, true, depth+1), true
		} else {
			found = found || list && b[value] == 'n'
			if at = d.x.value(value, 1); at < 0 {
				break
			}
		}
		at = d.x.space(at)
		if at < len(b) && b[at] == '}' {
			if !found {
				d.reject(reasonNotCloudTrail, nil, b[i:at+1])
			}
			return at + 1
		}
		if at >= len(b) || b[at] != ',' {
			break
		}
		at = d.x.space(at + 1)
	}
	return d.loose(i, at, found)
}

// loose is where to go on in the object at i whose members broke off at some
// place: there, when a list was decoded before.
func (d *Decoder) loose(i, at int, found bool) int {
	switch {
	case !found:
		return d.broken(i)
	case at < 0:
		at = min(d.x.at, len(d.x.b))
	}
	if at >= len(d.x.b) {
		d.cut()
	}
	return at
}

func (d *Decoder) tooDeep(i int) int {
	end := d.x.value(i, 0)
	if end < 0 {
		return d.broken(i)
	}
	d.reject(reasonTooDeep, nil, d.x.b[i:end])
	return end
}

// stranger decodes what stands where an object should: a text that may hold
// one, another value, or no JSON at all.
func (d *Decoder) stranger(i int, inArray bool, depth int) int {
	b := d.x.b
	switch next := d.x.space(i + 1); {
	case b[i] != '"' && b[i] != '[':
		return d.word(i, inArray)
	case b[i] == '[' && next < len(b) && b[next] == '{' && depth < maxLayers:
		return d.sequence(next, true, depth+1) // a bracket too many, or lists joined
	}
	d.x.flags = 0
	end := d.x.value(i, 0)
	if end < 0 || !d.endsValue(end) {
		return d.broken(i)
	}
	if b[i] == '"' {
		if text := d.unquote(i, end, d.x.flags); holdsMore(text) {
			d.layer(text, depth+1, false)
			return end
		}
	}
	d.reject(reasonNotObject, nil, b[i:end])
	return end
}

// endsValue tells whether what stands behind a value may stand there. A quote
// too many makes a text of what is none, and gives itself away here.
func (d *Decoder) endsValue(end int) bool {
	next := d.x.space(end)
	if next >= len(d.x.b) || bytes.IndexByte(d.x.b[end:next], '\n') >= 0 {
		return true
	}
	switch d.x.b[next] {
	case ',', ']', '{', '[', '"', recordSeparator:
		return true
	}
	return false
}

// word rejects a number, a literal, or anything up to where an object may begin.
func (d *Decoder) word(i int, inArray bool) int {
	b := d.x.b
	end := i + 1
	for end < len(b) && b[end] != '\n' && b[end] != '{' && !(inArray && (b[end] == ',' || b[end] == ']')) {
		end++
	}
	piece := bytes.TrimRight(b[i:end], " \t\r,")
	s := scanner{b: piece}
	if s.value(0, 0) == len(piece) {
		d.reject(reasonNotObject, nil, piece)
	} else {
		d.reject(reasonNotJSON, errSyntax, piece)
	}
	if end >= len(b) {
		d.brokenTo = end
	}
	return end
}

// holdsMore tells whether a text is worth to be decoded on its own.
func holdsMore(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[') || looksBase64(text)
}
