package rule

import (
	"bytes"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// member is a dotted path into a record, bound to the fastest way to reach it.
type member struct {
	text    string
	steps   []string
	field   cloudtrail.Field
	scalar  bool // field is the member itself
	blob    cloudtrail.Blob
	within  bool // blob holds the member
	deeper  []string
	keyword bool // the whole record, as text
	from    source
	mark    []byte // how a name with the same first step begins in Event.Extra
}

// bindPath finds the fastest way to a path.
func bindPath(text string) member {
	p := member{text: text, steps: strings.Split(text, ".")}
	if p.from, _ = sourceOf(text); p.from != fromRecord {
		return p
	}
	p.mark = []byte(`"` + p.steps[0])
	if f, ok := cloudtrail.FieldByPath(text); ok {
		p.field, p.scalar = f, true
	}
	for b := range cloudtrail.NumBlobs {
		name := b.Path()
		if text == name || strings.HasPrefix(text, name+".") {
			p.blob, p.within = b, true
			p.deeper = p.steps[strings.Count(name, ".")+1:]
		}
	}
	return p
}

// each calls yield for all values at the path until one call returns false. A
// path goes through arrays: every member is a value.
func (p *member) each(e *cloudtrail.Event, yield func(*cloudtrail.Value) bool) {
	switch {
	case p.bent(e):
		walk(e.Tree(), p.steps, yield)
	case p.within:
		if v := e.BlobTree(p.blob); v != nil {
			walk(v, p.deeper, yield)
		}
	}
}

// bent tells whether the record keeps members with the path's first step
// outside of its columns: such as have no column, an unexpected shape, or dots
// in their names. Without them, what no column holds is absent, and the record
// need not be parsed.
func (p *member) bent(e *cloudtrail.Event) bool { return bytes.Contains(e.Extra(), p.mark) }

// walk follows steps from v. A name of the record may hold dots, so a step
// takes in as many parts as a member's name has.
func walk(v *cloudtrail.Value, steps []string, yield func(*cloudtrail.Value) bool) bool {
	switch v.Kind() {
	case '[':
		for i := range v.Len() {
			if !walk(v.Index(i), steps, yield) {
				return false
			}
		}
		return true
	case '{':
		if len(steps) == 0 {
			return yield(v)
		}
		for n := 1; n <= len(steps); n++ {
			name := steps[0]
			if n > 1 {
				name = strings.Join(steps[:n], ".")
			}
			if member := v.Get(name); member != nil && !walk(member, steps[n:], yield) {
				return false
			}
		}
		return true
	}
	return len(steps) > 0 || yield(v)
}

// exists tells whether the key is there, whatever its value.
func (p *member) exists(e *cloudtrail.Event) bool {
	if p.scalar && e.FieldKind(p.field) != 0 {
		return true
	}
	if p.within && len(p.deeper) > 0 && !p.bent(e) {
		return present(e.BlobTree(p.blob), p.deeper)
	}
	return present(e.Tree(), p.steps)
}

func present(v *cloudtrail.Value, steps []string) bool {
	if len(steps) == 0 {
		return v != nil
	}
	switch v.Kind() {
	case '[':
		for i := range v.Len() {
			if present(v.Index(i), steps) {
				return true
			}
		}
	case '{':
		for n := 1; n <= len(steps); n++ {
			if member := v.Get(strings.Join(steps[:n], ".")); member != nil && present(member, steps[n:]) {
				return true
			}
		}
	}
	return false
}
