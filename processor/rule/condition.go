package rule

import (
	"strings"
)

// condition compiles the text of a condition:
//
//	expr = and {"or" and}      and = not {"and" not}      not = {"not"} item
//	item = name | "(" expr ")" | ("1" | "any" | "all") "of" ("them" | pattern)
func (d *detection) condition(n *node) *expr {
	if before, after, ok := strings.Cut(n.Text, "|"); ok {
		return d.fail(n, "%q is the old form of a correlation, and stands alone in a condition: write a correlation rule over %q instead, with a timespan",
			strings.TrimSpace("| "+strings.TrimSpace(after)), strings.TrimSpace(before))
	}
	p := &conditionParser{d: d, at: n, words: conditionWords(n.Text)}
	if len(p.words) == 0 {
		return d.fail(n, "the condition is empty: write, for example, condition: selection")
	}
	x := p.or()
	if p.failed == nil && len(p.words) > 0 {
		p.fail("unexpected %q in the condition: join the parts with and, or", p.words[0])
	}
	if p.failed != nil {
		return p.failed
	}
	return x
}

func conditionWords(text string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
}

type conditionParser struct {
	d      *detection
	at     *node
	words  []string
	failed *expr
}

func (p *conditionParser) fail(format string, args ...any) *expr {
	if p.failed == nil {
		p.failed = p.d.fail(p.at, format, args...)
	}
	p.words = nil
	return p.failed
}

// next tells whether the next word is this key word, and takes it.
func (p *conditionParser) next(word string) bool {
	if len(p.words) > 0 && strings.EqualFold(p.words[0], word) {
		p.words = p.words[1:]
		return true
	}
	return false
}

func (p *conditionParser) or() *expr {
	kids := []*expr{p.and()}
	for p.next("or") {
		kids = append(kids, p.and())
	}
	return or(kids...)
}

func (p *conditionParser) and() *expr {
	kids := []*expr{p.not()}
	for p.next("and") {
		kids = append(kids, p.not())
	}
	return and(kids...)
}

func (p *conditionParser) not() *expr {
	if p.next("not") {
		return not(p.not())
	}
	return p.item()
}

func (p *conditionParser) item() *expr {
	switch {
	case len(p.words) == 0:
		return p.fail("the condition ends too early")
	case p.next("("):
		x := p.or()
		if !p.next(")") {
			return p.fail("a bracket of the condition is not closed")
		}
		return x
	}
	word := p.words[0]
	p.words = p.words[1:]
	if len(p.words) > 0 && strings.EqualFold(p.words[0], "of") {
		p.words = p.words[1:]
		return p.of(word)
	}
	x, ok := p.d.named[word]
	if !ok {
		return p.fail("the condition names %q, which the detection does not have%s", word, p.d.nearest(word))
	}
	p.d.used[word] = true
	return x
}

// of is "1 of them", "all of selection_*" and the like.
func (p *conditionParser) of(how string) *expr {
	if len(p.words) == 0 {
		return p.fail("the condition ends behind %q", how+" of")
	}
	pattern := p.words[0]
	p.words = p.words[1:]
	var kids []*expr
	for _, name := range p.d.order {
		if fitsName(pattern, name) {
			p.d.used[name] = true
			kids = append(kids, p.d.named[name])
		}
	}
	switch {
	case len(kids) == 0:
		return p.fail("%q fits no part of the detection", pattern)
	case how == "1" || strings.EqualFold(how, "any"):
		return or(kids...)
	case strings.EqualFold(how, "all"):
		return and(kids...)
	}
	return p.fail("%q of is not Sigma: only 1, any and all are; write the pairs, or a temporal correlation with a count", how)
}

// fitsName: them leaves out names that begin with an underscore.
func fitsName(pattern, name string) bool {
	if strings.EqualFold(pattern, "them") {
		return !strings.HasPrefix(name, "_")
	}
	return newPattern(squeeze(strings.ReplaceAll(pattern, "*", star)), true).matches(name)
}

// nearest offers a name that may have been meant.
func (d *detection) nearest(word string) string {
	if best := nearest(word, d.order); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}
