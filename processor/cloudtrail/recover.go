package cloudtrail

import (
	"bytes"
	"errors"
)

// broken rejects the piece that begins at i and is not JSON, and returns where
// the next piece may begin. A piece should be as small as can be told: what
// follows may be whole records.
func (d *Decoder) broken(i int) int {
	b, reason := d.x.b, reasonNotJSON
	var err error
	if d.x.value(i, 0) < 0 {
		err = d.x.failure()
		d.budget -= d.x.at - i
		if errors.Is(err, errCut) {
			reason = reasonTruncated
		}
	}
	end := d.pieceEnd(i)
	if end >= len(b) {
		d.brokenTo = len(b)
	}
	d.reject(reason, err, bytes.TrimRight(b[i:end], " \t\r\n,"))
	return end
}

// pieceEnd finds the end of the broken piece at i. It ends where its brackets
// match; when that is doubtful, or nowhere, it ends where something whole
// begins before: an object on a new line, or a record with behind it what may
// stand behind a record.
func (d *Decoder) pieceEnd(i int) int {
	switch {
	case d.budget <= 0:
		return len(d.x.b)
	case d.x.b[i] != '{' && d.x.b[i] != '[':
		return d.nextPiece(i+1, len(d.x.b))
	}
	limit := min(len(d.x.b), i+d.budget)
	n, read, sure := matching(d.x.b[i:limit])
	d.budget -= read
	// Brackets also match around several records, when one bracket is wrong.
	sure = sure && bytes.Count(d.x.b[i:i+n], []byte(`"eventTime"`)) < 2
	switch {
	case n > 0 && sure:
		return i + n
	case n > 0:
		return d.nextPiece(i+1, i+n)
	}
	return d.nextPiece(i+1, len(d.x.b))
}

// matching returns the length of the bracketed text at the start of b, 0 when
// the brackets do not match, and how much of b it has read. It is not sure when
// a string holds a line break: then a quote is missing, or too many.
func matching(b []byte) (n, read int, sure bool) {
	var open []byte
	sure = true
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			size, breaks := quoted(b[i:])
			sure = sure && !breaks
			i += size - 1
		case '{', '[':
			open = append(open, c+2) // in ASCII the closing bracket is two behind
		case '}', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return 0, i, false
			}
			open = open[:len(open)-1]
		default:
			if !outsideStrings(c) {
				return 0, i, false
			}
		}
		if len(open) == 0 {
			return min(i+1, len(b)), i + 1, sure
		}
	}
	return 0, len(b), false
}

// quoted returns the size of the string at the start of b, however odd its
// inside, and whether there is a line break in it.
func quoted(b []byte) (size int, breaks bool) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, breaks
		case '\\':
			i++
		case '\n':
			breaks = true
		}
	}
	return len(b), true
}

// outsideStrings tells whether JSON may hold c outside strings and brackets:
// white space, a separator, or part of a number or literal. With a quote too
// many, words stand there, and their letters give it away.
func outsideStrings(c byte) bool {
	return isSpace(c) || '0' <= c && c <= '9' || bytes.IndexByte([]byte(",:+-.eEtrufalsn"), c) >= 0
}

// nextPiece finds where, between from and limit, something whole begins.
func (d *Decoder) nextPiece(from, limit int) int {
	b := d.x.b
	for i := from; i < limit; i++ {
		k := bytes.IndexByte(b[i:limit], '{')
		if k < 0 || d.budget <= 0 {
			break
		}
		d.budget -= k + 1
		if i += k; b[i-1] == '\n' || d.wholeRecord(i) {
			return i
		}
	}
	return limit
}

// wholeRecord tells whether the object at i is a whole record or envelope and
// stands as one: not as the value of a member, and with no further member behind it.
// With a brace missing, the rest of a record can look like a record of its own.
func (d *Decoder) wholeRecord(i int) bool {
	b := d.x.b
	if before := bytes.TrimRight(b[:i], " \t\r\n"); bytes.HasSuffix(before, []byte(":")) {
		return false
	}
	end := d.x.value(i, 0)
	if end < 0 {
		d.budget -= d.x.at - i
		return false
	}
	d.budget -= end - i
	next := d.gap(end)
	if next < len(b) && b[next] != '{' && b[next] != ']' && b[next] != '[' {
		return false
	}
	p := d.partsOf(i)
	return p.has(partEventTime) || p.has(partList) || p.has(partDetailType) || d.carries(&p)
}
