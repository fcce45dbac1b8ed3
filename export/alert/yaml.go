package alert

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// node is a piece of the sinks file with its place.
type node struct {
	text  string  // of a scalar
	kind  byte    // 's' scalar, '0' null, 'l' list, 'm' map
	items []*node // of a list; values of a map
	keys  []*node // of a map
	line  int
	col   int
}

// problem is a mistake in the sinks file: "<file>:<line>:<column>: <what to do>".
type problem struct {
	file      string
	line, col int
	text      string
}

func (p *problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.file, p.line, p.col, p.text)
}

// parse reads a file of one YAML document; nil when it holds nothing.
func parse(file string, data []byte) (n *node, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser indexes past its end on some broken text
			n, err = nil, &problem{file, 1, 1, fmt.Sprintf("not valid YAML: %v", r)}
		}
	}()
	if !utf8.Valid(data) {
		return nil, &problem{file, 1, 1, "not valid YAML: it is not UTF-8"}
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		if n != nil {
			at := d.Body.GetToken().Position
			return nil, &problem{file, at.Line, at.Column, "sinks are one list: take the line --- out"}
		}
		if n, err = convert(file, d.Body); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// syntaxError does not show the text around a mistake, which may be a key.
func syntaxError(file string, err error) error {
	p := &problem{file: file, line: 1, col: 1, text: "not valid YAML"}
	var located yaml.Error
	if errors.As(err, &located) {
		if t := located.GetToken(); t != nil {
			p.line, p.col = t.Position.Line, t.Position.Column
		}
		p.text += ": " + located.GetMessage()
	}
	return p
}

func convert(file string, n ast.Node) (*node, error) {
	at := n.GetToken().Position
	out := &node{kind: 's', line: at.Line, col: at.Column}
	switch v := n.(type) {
	case *ast.MappingNode:
		return out, out.add(file, v.Values)
	case *ast.MappingValueNode:
		return out, out.add(file, []*ast.MappingValueNode{v})
	case *ast.SequenceNode:
		out.kind = 'l'
		for _, item := range v.Values {
			c, err := convert(file, item)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, c)
		}
	case *ast.LiteralNode:
		out.text = v.Value.Value
	case *ast.StringNode:
		out.text = v.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		out.text = n.GetToken().Value
	case *ast.NullNode:
		out.kind = '0'
	default:
		return nil, &problem{file, out.line, out.col, fmt.Sprintf("%s is not used in the sinks file: write the value itself", n.Type())}
	}
	return out, nil
}

func (n *node) add(file string, pairs []*ast.MappingValueNode) error {
	n.kind = 'm'
	for i, p := range pairs {
		at := p.Key.GetToken().Position
		if i == 0 {
			n.line, n.col = at.Line, at.Column
		}
		k := &node{kind: 's', text: keyText(p.Key), line: at.Line, col: at.Column}
		for _, other := range n.keys {
			if other.text == k.text {
				return &problem{file, k.line, k.col, fmt.Sprintf("the key %q stands twice in one map", k.text)}
			}
		}
		v, err := convert(file, p.Value)
		if err != nil {
			return err
		}
		n.keys, n.items = append(n.keys, k), append(n.items, v)
	}
	return nil
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return strings.TrimSpace(k.GetToken().Value)
}

// list is n itself if it is a list, else a list of n.
func (n *node) list() []*node {
	if n.kind == 'l' {
		return n.items
	}
	return []*node{n}
}
