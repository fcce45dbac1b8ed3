package cloudtrail

// buildExtra writes the members without a column as one JSON object. Of a name
// that stands twice in one object the last wins, as for columns.
func (x *extractor) buildExtra() {
	if len(x.leftovers) == 0 {
		return
	}
	last := lastOfName(x.leftovers)
	x.m.extra = x.put(kindObject, func(dst []byte) []byte {
		open := byte('{')
		for k, l := range x.leftovers {
			if last != nil && last[l.identity()] != k {
				continue
			}
			dst = append(dst, open, '"')
			dst = l.appendPath(dst)
			dst = append(dst, '"', ':')
			dst = appendCompact(dst, x.b[l.from:l.to])
			open = ','
		}
		return append(dst, '}')
	})
}

// leftover is a member that has no place among fields and blobs.
type leftover struct {
	in       *node
	known    *entry // set when the value of a known member does not fit its column
	name     []byte // of an unknown member: as written, between its quotes
	escaped  uint8  // flags of the name
	from, to int    // of the value, in the text
}

// identity tells members of a record apart. A dotted path could not: a name may
// hold dots itself.
type identity struct {
	in   *node
	name string
}

func (l *leftover) identity() identity {
	switch {
	case l.known != nil:
		return identity{l.in, l.known.name}
	case l.escaped&notPlain == 0:
		return identity{l.in, alias(l.name)}
	}
	return identity{l.in, alias(appendText(nil, l.name))}
}

// lastOfName maps each member to the last leftover of it; nil for a single
// leftover, the usual case.
func lastOfName(all []leftover) map[identity]int {
	if len(all) < 2 {
		return nil
	}
	last := make(map[identity]int, len(all))
	for k, l := range all {
		last[l.identity()] = k
	}
	return last
}

// appendPath appends the dotted path as the inside of a JSON string.
func (l *leftover) appendPath(dst []byte) []byte {
	dst = append(dst, l.in.prefix...)
	switch {
	case l.known != nil:
		return append(dst, l.known.name...)
	case l.escaped&hasBadUTF == 0:
		return append(dst, l.name...)
	}
	return appendClean(dst, l.name)
}

// fitsColumns tells whether the columns of a list of resources, or of the map
// of federated attributes, hold all of the checked JSON: a list of objects with
// no other members than ARN, accountId and type, or one object; each value a
// string, each name once.
func fitsColumns(json []byte) bool {
	s := scanner{b: json}
	if json[0] == '{' {
		_, ok := s.fitsMap(0, nil)
		return ok
	}
	i := s.space(1)
	for json[i] != ']' {
		ok := json[i] == '{'
		if ok {
			i, ok = s.fitsMap(i, resourceColumns)
		}
		if !ok {
			return false
		}
		if i = s.space(i); json[i] == ',' {
			i = s.space(i + 1)
		}
	}
	return true
}

var resourceColumns = []string{"ARN", "accountId", "type"}

// fitsMap tells whether the object at i has only string values and only names
// among those allowed (nil: any), each once; and where it ends, if it fits.
func (s *scanner) fitsMap(i int, allowed []string) (end int, ok bool) {
	var names [32][]byte
	n := 0
	for i = s.space(i + 1); s.b[i] != '}'; {
		quote, value, flags := s.name(i)
		name := s.b[i+1 : quote]
		if s.b[value] != '"' || flags&notPlain != 0 || n == len(names) || allowed != nil && !contains(allowed, name) {
			return 0, false
		}
		for _, earlier := range names[:n] {
			if string(earlier) == string(name) {
				return 0, false
			}
		}
		names[n] = name
		n++
		end, _ := s.text(value)
		if i = s.space(end); s.b[i] == ',' {
			i = s.space(i + 1)
		}
	}
	return i + 1, true
}

func contains(names []string, name []byte) bool {
	for _, n := range names {
		if n == string(name) {
			return true
		}
	}
	return false
}
