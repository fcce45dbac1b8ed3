package rule

import (
	"slices"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// fieldIndex leads to rules that name neither call nor service, by another
// field of which they need one of a few values.
type fieldIndex struct {
	path  member
	rules map[string][]int32 // by the folded value
	all   []int32
}

// coarse are fields that say little: they have few values, or one that most
// events have.
var coarse = map[string]bool{"eventType": true, "eventVersion": true, "eventCategory": true, "readOnly": true, "managementEvent": true,
	"awsRegion": true, "recipientAccountId": true, "userIdentity.type": true}

// enterField puts a rule under the field that tells most, if it needs one.
func (s *Set) enterField(x *expr, n int32) bool {
	best, values := (*atom)(nil), []string(nil)
	x.leaves(func(a *atom) {
		if !a.path.scalar || best != nil && coarse[a.path.text] && !coarse[best.path.text] {
			return
		}
		found, ok := x.required(a.path.text)
		if ok && (best == nil || coarse[best.path.text] != coarse[a.path.text] || len(found) < len(values)) {
			best, values = a, found
		}
	})
	if best == nil {
		return false
	}
	i := slices.IndexFunc(s.fields, func(f fieldIndex) bool { return f.path.text == best.path.text })
	if i < 0 {
		i = len(s.fields)
		s.fields = append(s.fields, fieldIndex{path: best.path, rules: map[string][]int32{}})
	}
	index(s.fields[i].rules, values, n)
	s.fields[i].all = append(s.fields[i].all, n)
	return true
}

// byField adds the rules that the value of a field leads to. Where the field is
// no scalar, any value below it counts, as it does for an atom. A number may
// equal a value that is written in another way, so it leads to all.
func (m *Matcher) byField(f *fieldIndex, e *cloudtrail.Event) {
	if e.FieldKind(f.path.field) == '0' {
		m.candidates = append(m.candidates, f.all...)
		return
	}
	if text, ok := e.Text(f.path.field); ok {
		m.candidates = append(m.candidates, m.look(f.rules, text)...)
		return
	}
	f.path.each(e, func(v *cloudtrail.Value) bool {
		text, ok := v.Text()
		if !ok {
			m.candidates = append(m.candidates, f.all...)
			return false
		}
		m.candidates = append(m.candidates, m.look(f.rules, text)...)
		return true
	})
}
