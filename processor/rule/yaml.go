package rule

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// node is a piece of YAML with its place, reduced to what rules are made of.
type node struct {
	kind      nodeKind
	text      string // of a scalar, as written
	items     []*node
	keys      []*node // of a map, beside items
	line, col int
}

type nodeKind uint8

const (
	nodeText nodeKind = iota // quoted or plain text
	nodeNumber
	nodeBool
	nodeNull
	nodeList
	nodeMap
)

// problem is a mistake in a rule file. Its text is
// "<file>:<line>:<column>: <what, and what to write instead>".
type problem struct {
	file      string
	line, col int
	text      string
}

func (p *problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.file, p.line, p.col, p.text)
}

// parseYAML reads all documents of a file. JSON is YAML too. The file is cut
// into documents here, because the parser drops those behind an empty one.
func parseYAML(file string, data []byte) ([]*node, error) {
	if !utf8.Valid(data) {
		return nil, &problem{file, 1, 1, "not valid YAML: it is not UTF-8"}
	}
	var docs []*node
	for _, part := range splitDocuments(data) {
		n, err := parseDocument(file, part.text, part.before)
		if err != nil {
			return nil, err
		}
		if n != nil {
			docs = append(docs, n)
		}
	}
	return docs, nil
}

// part is a document of a file, and the number of lines before it.
type part struct {
	text   []byte
	before int
}

// splitDocuments cuts at the lines that begin with "---", which YAML allows
// nowhere else, block texts included.
func splitDocuments(data []byte) (parts []part) {
	start, first, number := 0, 0, 0
	at := 0
	for line := range bytes.Lines(data) {
		if mark := bytes.TrimRight(line, " \t\r\n"); string(mark) == "---" || bytes.HasPrefix(mark, []byte("--- ")) {
			parts = append(parts, part{data[start:at], first})
			start, first = at+3, number
		}
		at += len(line)
		number++
	}
	return append(parts, part{data[start:], first})
}

// parseDocument reads one document; nil when it holds nothing.
func parseDocument(file string, data []byte, before int) (n *node, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser indexes past its end on some broken text
			n, err = nil, &problem{file, before + 1, 1, fmt.Sprintf("not valid YAML: %v", r)}
		}
	}()
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, moved(syntaxError(file, err), before)
	}
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		if n, err = convert(file, d.Body); err != nil {
			return nil, moved(err, before)
		}
		n.moveDown(before)
		return n, nil
	}
	return nil, nil
}

// moved counts the place of a mistake from the beginning of the file.
func moved(err error, lines int) error {
	var p *problem
	if errors.As(err, &p) {
		p.line += lines
	}
	return err
}

func (n *node) moveDown(lines int) {
	n.line += lines
	for _, k := range n.keys {
		k.moveDown(lines)
	}
	for _, item := range n.items {
		item.moveDown(lines)
	}
}

// SyntaxError gives an error of the YAML parser the form of all mistakes in
// rule files, "<file>:<line>:<column>: …".
func SyntaxError(file string, err error) error { return syntaxError(file, err) }

// syntaxError gives a parser's error the form of all others.
func syntaxError(file string, err error) error {
	p := &problem{file: file, line: 1, col: 1, text: err.Error()}
	var located yaml.Error
	if errors.As(err, &located) {
		p.text = located.GetMessage()
		if t := located.GetToken(); t != nil {
			p.line, p.col = t.Position.Line, t.Position.Column
		}
	}
	p.text = "not valid YAML: " + p.text
	return p
}

func convert(file string, n ast.Node) (*node, error) {
	out := &node{line: n.GetToken().Position.Line, col: n.GetToken().Position.Column}
	switch v := n.(type) {
	case *ast.MappingNode:
		return out, out.addPairs(file, v.Values)
	case *ast.MappingValueNode:
		return out, out.addPairs(file, []*ast.MappingValueNode{v})
	case *ast.SequenceNode:
		out.kind = nodeList
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
	case *ast.IntegerNode, *ast.FloatNode:
		out.kind, out.text = nodeNumber, n.GetToken().Value
	case *ast.BoolNode:
		out.kind, out.text = nodeBool, strings.ToLower(n.GetToken().Value)
	case *ast.NullNode:
		out.kind = nodeNull
	default:
		return nil, &problem{file, out.line, out.col, fmt.Sprintf("%s is not used in rules: write the value itself", n.Type())}
	}
	return out, nil
}

func (n *node) addPairs(file string, pairs []*ast.MappingValueNode) error {
	n.kind = nodeMap
	for i, p := range pairs {
		at := p.Key.GetToken()
		if i == 0 {
			n.line, n.col = at.Position.Line, at.Position.Column
		}
		k := &node{text: keyText(p.Key), line: at.Position.Line, col: at.Position.Column}
		if n.get(k.text) != nil {
			return &problem{file, k.line, k.col, fmt.Sprintf("the key %q stands twice in one map", k.text)}
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
	return k.GetToken().Value
}

// get is the value of a key, nil if there is none.
func (n *node) get(name string) *node {
	if n == nil || n.kind != nodeMap {
		return nil
	}
	for i, k := range n.keys {
		if k.text == name {
			return n.items[i]
		}
	}
	return nil
}

// list is n itself if it is a list, else a list of n.
func (n *node) list() []*node {
	if n.kind == nodeList {
		return n.items
	}
	return []*node{n}
}

// scalar tells whether n is text, a number or a boolean.
func (n *node) scalar() bool { return n.kind <= nodeBool }

// str is the text of a key's scalar, "" where it is absent.
func (n *node) str(name string) string {
	if v := n.get(name); v != nil && v.scalar() {
		return v.text
	}
	return ""
}

// strs are the texts of a key's list of scalars.
func (n *node) strs(name string) (out []string) {
	v := n.get(name)
	if v == nil || v.kind == nodeNull {
		return nil
	}
	for _, item := range v.list() {
		if item.scalar() {
			out = append(out, item.text)
		}
	}
	return out
}
