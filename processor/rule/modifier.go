package rule

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// modifiers are what stands behind a field's name.
type modifiers struct {
	compare string // "", contains, startswith, endswith, re, cidr, lt, lte, gt, gte, exists, fieldref
	text    string // contains, startswith or endswith beside fieldref or base64
	encode  string // base64 or base64offset
	flags   string // of re
	all     bool
	cased   bool
	neq     bool
	expand  bool
}

// refused are modifiers of Sigma that make no sense here, with what to do.
var refused = map[string]string{
	"windash": "CloudTrail holds no Windows command lines; write the variants as a list",
	"utf16":   "CloudTrail holds no UTF-16; write the variants as a list", "utf16le": "CloudTrail holds no UTF-16; write the variants as a list",
	"utf16be": "CloudTrail holds no UTF-16; write the variants as a list", "wide": "CloudTrail holds no UTF-16; write the variants as a list",
	"minute": seasonAdvice, "hour": seasonAdvice, "day": seasonAdvice, "week": seasonAdvice, "month": seasonAdvice, "year": seasonAdvice,
}

const seasonAdvice = "parts of a time are no fields; a rhythm is a matter of a baseline: write cairn: {baseline: {season: weekday}}"

// modifiers reads what stands behind a field's name.
func (d *detection) modifiers(k *node, text string) (m modifiers, ok bool) {
	if text == "" {
		return m, true
	}
	for word := range strings.SplitSeq(text, "|") {
		if advice, no := refused[word]; no {
			d.fail(k, "modifier %s is not supported for CloudTrail: %s", word, advice)
			return m, false
		}
		if !m.take(word) {
			d.fail(k, "unknown modifier %q in %q: known are all, base64, base64offset, cased, cidr, contains, endswith, exists, expand, fieldref, gt, gte, lt, lte, neq, re, startswith", word, k.Text)
			return m, false
		}
	}
	if text := m.conflict(); text != "" {
		d.fail(k, "%s", text)
		return m, false
	}
	return m, true
}

func (m *modifiers) take(word string) bool {
	switch word {
	case "all":
		m.all = true
	case "cased":
		m.cased = true
	case "neq":
		m.neq = true
	case "expand":
		m.expand = true
	case "contains", "startswith", "endswith":
		m.text = word
	case "base64", "base64offset":
		m.encode = word
	case "re", "cidr", "lt", "lte", "gt", "gte", "exists", "fieldref":
		if m.compare != "" {
			return false
		}
		m.compare = word
	case "i", "m", "s":
		m.flags += word
		return m.compare == "re"
	default:
		return false
	}
	return true
}

// conflict says which of the modifiers do not go together.
func (m *modifiers) conflict() string {
	switch {
	case m.neq && m.all:
		return "neq and all do not go together: neq already means that no value is equal"
	case m.compare == "exists" && (m.all || m.neq || m.cased || m.text != ""):
		return "exists stands alone and takes true or false"
	case m.compare != "" && m.compare != "fieldref" && m.text != "":
		return m.compare + " and " + m.text + " do not go together"
	case m.cased && m.compare != "" && m.compare != "fieldref":
		return "cased goes with text only, not with " + m.compare
	case m.encode != "" && (m.compare != "" || m.text == "startswith" || m.text == "endswith"):
		return m.encode + " goes with contains or with equality"
	}
	return ""
}

// value compiles one value of a field.
func (d *detection) value(p member, m modifiers, v *node) *expr {
	if v.Kind == yamlat.List || v.Kind == yamlat.Map {
		return d.fail(v, "a value is text, a number, true, false or null")
	}
	if v.Kind == yamlat.Number && leadingZero(v.Text) {
		return d.fail(v, "quote %s: as a number an account id would lose its zero", v.Text)
	}
	switch m.compare {
	case "exists":
		if v.Kind != yamlat.Bool {
			return d.fail(v, "exists takes true or false")
		}
		return leaf(p, keyExists(v.Text == "true"), "exists"+v.Text)
	case "re":
		return d.regexp(p, m, v)
	case "cidr":
		return d.network(p, v)
	case "lt", "lte", "gt", "gte":
		return d.ordered(p, m, v)
	case "fieldref":
		if text := badPath(v.Text, d.scope); text != "" {
			return d.fail(v, "%s", text)
		}
		return leaf(p, &sameAs{bindPath(v.Text), m.text, relationOf(m.text, m.cased)}, fmt.Sprint("ref", m.text, m.cased, v.Text))
	}
	if v.Kind == yamlat.Null {
		return leaf(p, isNull{}, "null")
	}
	return d.text(p, m, v)
}

func leadingZero(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return len(text) > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9'
}

func (d *detection) text(p member, m modifiers, v *node) *expr {
	if m.encode != "" {
		return d.encoded(p, m, v)
	}
	source := unescape(v.Text)
	if source == "" && m.text != "" {
		return d.fail(v, "an empty value with %s matches everything: remove it, or write '' without a modifier for the empty text", m.text)
	}
	switch m.text {
	case "contains":
		source = squeeze(star + source + star)
	case "startswith":
		source = squeeze(source + star)
	case "endswith":
		source = squeeze(star + source)
	}
	t := newPattern(source, m.cased)
	literal, plain := t.literal()
	if plain && m.text == "" && !m.cased {
		if n, ok := parseDecimal(literal); ok {
			return leaf(p, &literalTest{t, n, v.Kind == yamlat.Number}, fmt.Sprint("number", v.Kind, t.key()))
		}
	}
	return leaf(p, &textTest{t, m.text != "" || !plain}, fmt.Sprint("text", m.text != "", t.key()))
}

// encoded searches for text that was put into Base64. With offset there are
// three forms, because the text may begin at any of three places in a group;
// the letters at both ends that also depend on the neighbours are left out.
func (d *detection) encoded(p member, m modifiers, v *node) *expr {
	if v.Text == "" {
		return d.fail(v, "%s of an empty text", m.encode)
	}
	raw := []byte(v.Text)
	forms := []string{base64.StdEncoding.EncodeToString(raw)}
	if m.encode == "base64offset" {
		forms = forms[:0]
		for shift, skip := range []int{0, 2, 3} {
			padded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), raw...))
			drop := []int{0, 3, 2}[(len(raw)+shift)%3]
			forms = append(forms, padded[skip:len(padded)-drop])
		}
	}
	var kids []*expr
	for _, form := range forms {
		if m.text == "contains" {
			form = star + form + star
		}
		t := newPattern(form, true)
		kids = append(kids, leaf(p, &textTest{t, m.text != ""}, "text"+t.key()))
	}
	return or(kids...)
}

func (d *detection) network(p member, v *node) *expr {
	prefix, ok := d.prefix(v)
	if !ok {
		return or()
	}
	return leaf(p, networkTest(prefix), "cidr"+prefix.String())
}

// prefix reads a network, or one address. Addresses are unmapped, so networks
// are too.
func (d *detection) prefix(v *node) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(v.Text)
	if err != nil {
		if addr, single := netip.ParseAddr(v.Text); single == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
	}
	if err != nil {
		d.fail(v, "%q is no network: write it as 203.0.113.0/24 or 2001:db8::/32", v.Text)
		return prefix, false
	}
	if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), true
}

// networks makes one test of many networks.
func (d *detection) networks(p member, values []*node) *expr {
	n := newNetworks()
	var names []string
	for i, v := range values {
		if prefix, ok := d.prefix(v); ok {
			n.add(prefix, int32(i))
			names = append(names, prefix.String())
		}
	}
	slices.Sort(names)
	return leaf(p, n, "cidrs"+strings.Join(slices.Compact(names), "\x02"))
}

func (d *detection) ordered(p member, m modifiers, v *node) *expr {
	limit, ok := parseDecimal(v.Text)
	if !ok {
		return d.fail(v, "%s compares numbers, and %q is none", m.compare, v.Text)
	}
	fits := map[string]func(int) bool{
		"lt": func(c int) bool { return c < 0 }, "lte": func(c int) bool { return c <= 0 },
		"gt": func(c int) bool { return c > 0 }, "gte": func(c int) bool { return c >= 0 },
	}[m.compare]
	return leaf(p, &orderTest{limit, fits}, m.compare+v.Text)
}

// maxRegexp bounds the length of a regular expression, bytes.
const maxRegexp = 4 << 10

func (d *detection) regexp(p member, m modifiers, v *node) *expr {
	if len(v.Text) > maxRegexp {
		return d.fail(v, "the regular expression has %d bytes, at most %d are taken: split it into a list", len(v.Text), maxRegexp)
	}
	if what := beyondRE2(v.Text); what != "" {
		return d.fail(v, "%s is not supported in regular expressions (RE2): write two conditions instead, or a list of simpler expressions", what)
	}
	text := v.Text
	if m.flags != "" {
		text = "(?" + m.flags + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return d.fail(v, "the regular expression is not valid: %s", regexpAdvice(err))
	}
	return leaf(p, regexpTest{re}, "re"+text)
}

// beyondRE2 names a construct of other engines that RE2 leaves out because it
// can take exponential time.
func beyondRE2(text string) string {
	for _, c := range []struct{ mark, name string }{
		{"(?=", "lookahead (?="}, {"(?!", "lookahead (?!"}, {"(?<=", "lookbehind (?<="}, {"(?<!", "lookbehind (?<!"},
		{"(?>", "an atomic group (?>"}, {"(?R)", "recursion (?R)"}, {"*+", "a possessive quantifier *+"}, {"++", "a possessive quantifier ++"},
	} {
		if i := strings.Index(text, c.mark); i >= 0 && (i == 0 || text[i-1] != '\\') {
			return fmt.Sprintf("%s at %d", c.name, i+1)
		}
	}
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '\\' {
			if text[i+1] >= '1' && text[i+1] <= '9' {
				return fmt.Sprintf("the back-reference \\%c at %d", text[i+1], i+1)
			}
			i++
		}
	}
	return ""
}

func regexpAdvice(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	if strings.Contains(text, string(syntax.ErrInvalidRepeatSize)) {
		return text + " (repeats go up to 1000)"
	}
	return text
}
