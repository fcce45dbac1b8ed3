package rule

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// atom is one test of one path. Equal atoms of all rules are one, and each is
// evaluated at most once per event.
type atom struct {
	path member
	test test
	id   string // equal for equal atoms
	// canon is what the version of a rule has of the atom, where that is not the
	// id.
	canon string
}

// test judges one value of a record.
type test interface {
	// scalar judges a text, number or boolean; number is true for a JSON number.
	scalar(text string, number bool) bool
}

// holds evaluates the atom for an event.
func (a *atom) holds(v *view) bool {
	if t, ok := a.test.(*sameAs); ok {
		return a.same(v, t)
	}
	if a.path.from != fromRecord {
		return a.holdsDerived(v)
	}
	e := v.Event
	switch t := a.test.(type) {
	case isNull:
		return a.absent(e)
	case keyExists:
		return a.path.exists(e) == bool(t)
	}
	if a.path.keyword {
		return searchObject(a.test, e.Tree())
	}
	if a.path.scalar {
		if text, ok := e.Text(a.path.field); ok {
			return a.test.scalar(text, e.FieldKind(a.path.field) == '0')
		}
	}
	found := false
	a.path.each(e, func(v *cloudtrail.Value) bool {
		found = judge(a.test, v)
		return !found
	})
	return found
}

// holdsDerived evaluates the atom for a field that stands in no record.
func (a *atom) holdsDerived(v *view) bool {
	found, any := false, false
	a.path.derived(v, func(text string) bool {
		any = true
		found = a.test.scalar(text, false)
		return !found
	})
	switch t := a.test.(type) {
	case isNull:
		return !any
	case keyExists:
		return any == bool(t)
	}
	return found
}

func judge(t test, v *cloudtrail.Value) bool {
	if text, ok := v.Text(); ok {
		return t.scalar(text, v.Kind() == '0')
	}
	return v.Kind() == '{' && searchObject(t, v)
}

// searchObject lets a text search see an object as its JSON.
func searchObject(t test, v *cloudtrail.Value) bool {
	if !searches(t) {
		return false
	}
	compact, opened := texts(v)
	return search(t, compact) || opened != "" && search(t, opened)
}

// searches tells whether a test looks into objects.
func searches(t test) bool {
	switch t := t.(type) {
	case *textTest:
		return t.search
	case regexpTest:
		return true
	case *listTest:
		return t.searches()
	}
	return false
}

// search holds a test against the JSON of an object.
func search(t test, text string) bool {
	if l, ok := t.(*listTest); ok {
		return l.search(text)
	}
	return t.scalar(text, false)
}

// absent tells whether a member at the path is null, or the key is not there.
func (a *atom) absent(e *cloudtrail.Event) bool {
	if a.path.scalar {
		switch e.FieldKind(a.path.field) {
		case 'n':
			return true
		case 0:
			return !a.path.bent(e) || !present(e.Tree(), a.path.steps)
		case '{', '[':
		default:
			return false
		}
	}
	if !a.path.bent(e) && (!a.path.within || e.Blob(a.path.blob) == nil) {
		return true
	}
	null := false
	a.path.each(e, func(v *cloudtrail.Value) bool {
		null = v.Kind() == 'n'
		return !null
	})
	return null || !a.path.exists(e)
}

// same tells whether a member at one path stands in the relation to a member
// at the other.
func (a *atom) same(v *view, t *sameAs) bool {
	found := false
	scalars(&a.path, v, func(left string, leftNumber bool) bool {
		scalars(&t.other, v, func(right string, rightNumber bool) bool {
			found = t.relation(left, right, leftNumber || rightNumber)
			return !found
		})
		return !found
	})
	return found
}

// scalars calls yield for the texts, numbers and booleans at a path until one
// call returns false.
func scalars(p *member, in *view, yield func(text string, number bool) bool) {
	if p.from != fromRecord {
		p.derived(in, func(text string) bool { return yield(text, false) })
		return
	}
	e := in.Event
	if p.scalar {
		if text, ok := e.Text(p.field); ok {
			yield(text, e.FieldKind(p.field) == '0')
			return
		}
	}
	p.each(e, func(v *cloudtrail.Value) bool {
		text, ok := v.Text()
		return !ok || yield(text, v.Kind() == '0')
	})
}

// isNull holds where the field is absent or null.
type isNull struct{}

func (isNull) scalar(string, bool) bool { return false }

// keyExists holds where the key is there, or is not.
type keyExists bool

func (keyExists) scalar(string, bool) bool { return false }

// textTest compares with a pattern; a text modifier or a wildcard lets it
// search objects too.
type textTest struct {
	pattern *pattern
	search  bool
}

func (t *textTest) scalar(text string, _ bool) bool { return t.pattern.matches(text) }

// literalTest is equality with a value that reads as a number: by value where
// either side is one, else by text.
type literalTest struct {
	pattern *pattern
	value   decimal
	number  bool // the rule has a number, not text
}

func (t *literalTest) scalar(text string, number bool) bool {
	if t.number || number {
		if d, ok := parseDecimal(text); ok {
			return d.compare(t.value) == 0
		}
	}
	return t.pattern.matches(text)
}

// setTest is equality with any of many texts.
type setTest map[string]struct{}

func (t setTest) scalar(text string, _ bool) bool {
	_, ok := lookFolded(t, text)
	return ok
}

type regexpTest struct{ *regexp.Regexp }

func (t regexpTest) scalar(text string, _ bool) bool { return t.MatchString(text) }

// networkTest holds for addresses inside a network. A value that is no
// address, such as the name of a service, never matches.
type networkTest netip.Prefix

func (t networkTest) scalar(text string, _ bool) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && netip.Prefix(t).Contains(addr.Unmap().WithZone(""))
}

// orderTest compares numbers and text that reads as a number.
type orderTest struct {
	limit decimal
	fits  func(int) bool
}

func (t *orderTest) scalar(text string, _ bool) bool {
	d, ok := parseDecimal(text)
	return ok && t.fits(d.compare(t.limit))
}

// sameAs compares with the members at another path.
type sameAs struct {
	other    member
	modifier string // contains, startswith, endswith; "" for equality
	relation func(left, right string, number bool) bool
}

func (*sameAs) scalar(string, bool) bool { return false }

// relations are the ways in which two fields can be compared.
func relationOf(modifier string, cased bool) func(left, right string, number bool) bool {
	form := fold
	if cased {
		form = func(s string) string { return s }
	}
	switch modifier {
	case "contains":
		return func(l, r string, _ bool) bool { return strings.Contains(form(l), form(r)) }
	case "startswith":
		return func(l, r string, _ bool) bool { return strings.HasPrefix(form(l), form(r)) }
	case "endswith":
		return func(l, r string, _ bool) bool { return strings.HasSuffix(form(l), form(r)) }
	}
	return func(l, r string, number bool) bool {
		if number {
			x, ok := parseDecimal(l)
			if y, also := parseDecimal(r); ok && also {
				return x.compare(y) == 0
			}
		}
		return form(l) == form(r)
	}
}
