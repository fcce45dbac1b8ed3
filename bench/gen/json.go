package gen

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// raw is one encoded JSON value. Records are put together from raw pieces, so that the part that many records share
// (a session's userIdentity) is encoded once.
type raw []byte

// obj encodes an object from name, value, name, value, … in that order: CloudTrail keeps a fixed order of members and so does
// the generator. A value is a string, bool, int, int64, raw, nil, []string or []raw. A nil raw is left out, an untyped nil is null.
func obj(pairs ...any) raw {
	b := append(make(raw, 0, 64*len(pairs)/2), '{')
	for i := 0; i < len(pairs); i += 2 {
		if v, ok := pairs[i+1].(raw); ok && v == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendValue(b, pairs[i].(string))
		b = appendValue(append(b, ':'), pairs[i+1])
	}
	return append(b, '}')
}

// list encodes an array of encoded values.
func list(items ...raw) raw {
	b := raw{'['}
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	return append(b, ']')
}

// items is the {"items": […]} with which EC2 wraps every list in a record.
func items(of ...raw) raw { return obj("items", list(of...)) }

func appendValue(b raw, v any) raw {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendText(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case raw:
		return append(b, v...)
	case []raw:
		return append(b, list(v...)...)
	case []string:
		return appendTexts(b, v)
	}
	panic(fmt.Sprintf("gen: a record has no place for a %T", v)) // a mistake in this package, found by its tests
}

func appendText(b raw, s string) raw {
	b, err := jsontext.AppendQuote([]byte(b), s)
	if err != nil {
		panic(err) // only for invalid UTF-8, and every text stands in this package
	}
	return b
}

func appendTexts(b raw, texts []string) raw {
	b = append(b, '[')
	for i, s := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}
