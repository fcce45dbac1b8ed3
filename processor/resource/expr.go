package resource

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// op is what an expression does.
type op uint8

const (
	opConstant op = iota
	opPath
	opFirst // a | b
	opJoin  // a + b
	opCall
)

// root is where a path begins.
type root uint8

const (
	rootItem     root = iota // .   the member that `each` gave, or the event
	rootRequest              // q.
	rootResponse             // r.
	rootAdditional
	rootService
	rootIdentity
	rootResources // res(TYPE)
	rootAccount
	rootRegion
	rootCaller
)

var (
	blobRoots = map[string]root{"q": rootRequest, "r": rootResponse, "x": rootAdditional, "s": rootService, "u": rootIdentity}
	wordRoots = map[string]root{"account": rootAccount, "region": rootRegion, "caller": rootCaller}
	functions = map[string]int{ // number of arguments
		"lower": 1, "last": 2, "arn": 1, "digest": 1, "bool": 1, "name": 1, "member": 1, "policy_public": 1, "keys": 1,
	}
)

type step struct {
	name string
	each bool // [] : go into the members
}

// expr is one compiled path, or a tree of them.
type expr struct {
	op    op
	root  root
	steps []step
	text  string // constant, function name, type of res()
	args  []*expr
}

// parseExpr compiles a path of the catalogue. event stands in for <Event>.
func parseExpr(text, event string) (*expr, error) {
	p := &exprParser{tokens: tokenize(strings.ReplaceAll(text, "<Event>", event))}
	x, err := p.first()
	if err == nil && p.peek() != "" {
		err = fmt.Errorf("unexpected %q", p.peek())
	}
	if err != nil {
		return nil, fmt.Errorf("path %q does not parse: %w", text, err)
	}
	return x, nil
}

var tokenForm = regexp.MustCompile(`'[^']*'|[|+(),]|[A-Za-z0-9_.:\[\]<>-]+|\S`)

func tokenize(text string) []string { return tokenForm.FindAllString(text, -1) }

type exprParser struct{ tokens []string }

func (p *exprParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *exprParser) next() string {
	t := p.peek()
	p.tokens = p.tokens[min(1, len(p.tokens)):]
	return t
}

func (p *exprParser) first() (*expr, error) { return p.chain("|", opFirst, p.join) }

func (p *exprParser) join() (*expr, error) { return p.chain("+", opJoin, p.term) }

func (p *exprParser) chain(sign string, op op, part func() (*expr, error)) (*expr, error) {
	x, err := part()
	if err != nil || p.peek() != sign {
		return x, err
	}
	all := &expr{op: op, args: []*expr{x}}
	for p.peek() == sign {
		p.next()
		if x, err = part(); err != nil {
			return nil, err
		}
		all.args = append(all.args, x)
	}
	return all, nil
}

func (p *exprParser) term() (*expr, error) {
	t := p.next()
	switch {
	case t == "":
		return nil, fmt.Errorf("it ends too early")
	case t[0] == '\'' && len(t) > 1:
		return &expr{op: opConstant, text: t[1 : len(t)-1]}, nil
	case p.peek() == "(":
		return p.call(t)
	}
	return parsePath(t)
}

func (p *exprParser) call(name string) (*expr, error) {
	p.next()
	if name == "res" {
		x := &expr{op: opPath, root: rootResources, text: p.next()}
		return x, p.expect(")")
	}
	want, known := functions[name]
	if !known {
		return nil, fmt.Errorf("no function %q", name)
	}
	x := &expr{op: opCall, text: name}
	for {
		arg, err := p.first()
		if err != nil {
			return nil, err
		}
		x.args = append(x.args, arg)
		if p.peek() != "," {
			break
		}
		p.next()
	}
	if len(x.args) != want {
		return nil, fmt.Errorf("%s takes %d arguments, not %d", name, want, len(x.args))
	}
	return x, p.expect(")")
}

func (p *exprParser) expect(t string) error {
	if got := p.next(); got != t {
		return fmt.Errorf("want %q, found %q", t, got)
	}
	return nil
}

var stepForm = regexp.MustCompile(`^[A-Za-z0-9_:-]+(\[\])?$`)

func parsePath(text string) (*expr, error) {
	if r, ok := wordRoots[text]; ok {
		return &expr{op: opPath, root: r}, nil
	}
	head, rest, dotted := strings.Cut(text, ".")
	x := &expr{op: opPath}
	switch r, blob := blobRoots[head]; {
	case blob && dotted:
		x.root = r
	case head == "" && dotted:
		x.root = rootItem
	default:
		return nil, fmt.Errorf("%q begins with none of q. r. x. s. u. . res( account region caller", text)
	}
	for name := range strings.SplitSeq(rest, ".") {
		if rest == "" && x.root == rootItem {
			break // a lone dot is the member itself
		}
		if !stepForm.MatchString(name) {
			return nil, fmt.Errorf("%q is no name of a member", name)
		}
		name, each := strings.CutSuffix(name, "[]")
		x.steps = append(x.steps, step{name, each})
	}
	return x, nil
}

// comparison is a `when` or `unless`.
type comparison struct {
	path   *expr
	exists bool
	values []string
}

var comparisonForm = regexp.MustCompile(`^(.*\S)\s+(==\s*(\S.*)|in\s*\[(.*)\]|exists)$`)

// parseComparison compiles "path == value", "path in [a, b]" or "path exists".
func parseComparison(text, event string) (*comparison, error) {
	m := comparisonForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return nil, fmt.Errorf("comparison %q is none of `path == value`, `path in [..]`, `path exists`", text)
	}
	path, err := parseExpr(m[1], event)
	if err != nil {
		return nil, err
	}
	c := &comparison{path: path, exists: m[2] == "exists"}
	if m[3] != "" {
		c.values = []string{constant(m[3])}
	}
	for v := range strings.SplitSeq(m[4], ",") {
		if v = strings.TrimSpace(v); v != "" {
			c.values = append(c.values, constant(v))
		}
	}
	return c, nil
}

func constant(text string) string { return strings.Trim(text, `'"`) }

func (c *comparison) holds(s *scope) bool {
	items := c.path.eval(s)
	if c.exists {
		return len(items) > 0
	}
	return slices.ContainsFunc(items, func(it item) bool { return slices.Contains(c.values, it.text()) })
}
