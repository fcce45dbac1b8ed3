package rule

import (
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// texts are the two texts of an object that a search sees: its compact JSON,
// and the same with every text that is itself JSON put in raw, one level deep.
// Policies stand as text inside text, and so are found. The second is "" when
// it is the same.
func texts(v *cloudtrail.Value) (compact, opened string) {
	compact = string(v.Raw())
	var b strings.Builder
	if open(&b, v) {
		opened = b.String()
	}
	return compact, opened
}

// open writes v with its embedded JSON put in raw, and tells whether there was
// any.
func open(b *strings.Builder, v *cloudtrail.Value) (found bool) {
	switch v.Kind() {
	case '{':
		b.WriteByte('{')
		first := true
		for name, member := range v.Members() {
			if !first {
				b.WriteByte(',')
			}
			first = false
			quoted, _ := jsontext.AppendQuote(nil, name) // only invalid UTF-8 fails, and it writes that as U+FFFD
			b.Write(quoted)
			b.WriteByte(':')
			found = open(b, member) || found
		}
		b.WriteByte('}')
		return found
	case '[':
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			found = open(b, v.Index(i)) || found
		}
		b.WriteByte(']')
		return found
	case '"':
		if text, _ := v.Text(); embedded(text) != "" {
			b.WriteString(embedded(text))
			return true
		}
	}
	b.Write(v.Raw())
	return false
}

// embedded is the JSON inside a text, compact; "" if it holds none.
func embedded(text string) string {
	if strings.HasPrefix(text, "%7B") || strings.HasPrefix(text, "%5B") {
		if decoded, err := url.PathUnescape(text); err == nil {
			text = decoded
		}
	}
	if t := strings.TrimLeft(text, " \t\r\n"); t == "" || t[0] != '{' && t[0] != '[' {
		return ""
	}
	v := jsontext.Value(text)
	if !v.IsValid(jsontext.AllowDuplicateNames(true)) || v.Compact(jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true)) != nil {
		return ""
	}
	return string(v)
}
