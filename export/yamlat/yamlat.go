// Package yamlat reads YAML and keeps the place of every piece, so that a
// mistake can be told with file, line and column: "<file>:<line>:<column>:
// <what, and what to write instead>". It takes what settings and rules are made
// of, texts, numbers, lists and maps; anchors, tags and the like are mistakes,
// and so is a key that stands twice in one map.
package yamlat

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

// Node is a piece of YAML with its place, counted from 1.
type Node struct {
	Kind      Kind
	Text      string // of a scalar, as written; of a boolean in small letters
	Items     []*Node
	Keys      []*Node // of a map, beside Items
	Line, Col int
}

// Kind is what a node is.
type Kind uint8

// The kinds. Those before Null are scalars.
const (
	Text Kind = iota // quoted or plain text
	Number
	Bool
	Null
	List
	Map
)

// Problem is a mistake in a file.
type Problem struct {
	File      string
	Line, Col int
	Text      string
}

// Error is "<file>:<line>:<column>: <text>".
func (p *Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Text)
}

// Problem is a mistake at the place of the node.
func (n *Node) Problem(file, format string, args ...any) *Problem {
	return &Problem{file, n.Line, n.Col, fmt.Sprintf(format, args...)}
}

// Read reads all documents of a file; those that hold nothing are left out.
// JSON is YAML too. what names such files in messages, as "rules". The file is
// cut into documents here, because the parser drops those behind an empty one.
// The error is a *Problem.
func Read(file string, data []byte, what string) ([]*Node, error) {
	r := reader{file, what}
	if !utf8.Valid(data) {
		return nil, &Problem{file, 1, 1, "not valid YAML: it is not UTF-8"}
	}
	var docs []*Node
	for _, part := range splitDocuments(data) {
		n, err := r.document(part.text, part.before)
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

// reader reads one file.
type reader struct{ file, what string }

// document reads one document; nil when it holds nothing.
func (r reader) document(data []byte, before int) (n *Node, err error) {
	defer func() {
		if broken := recover(); broken != nil { // the parser indexes past its end on some broken text
			n, err = nil, &Problem{r.file, before + 1, 1, fmt.Sprintf("not valid YAML: %v", broken)}
		}
	}()
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, moved(SyntaxError(r.file, err), before)
	}
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		if n, err = r.convert(d.Body); err != nil {
			return nil, moved(err, before)
		}
		n.moveDown(before)
		return n, nil
	}
	return nil, nil
}

// moved counts the place of a mistake from the beginning of the file.
func moved(err error, lines int) error {
	var p *Problem
	if errors.As(err, &p) {
		p.Line += lines
	}
	return err
}

func (n *Node) moveDown(lines int) {
	n.Line += lines
	for _, k := range n.Keys {
		k.moveDown(lines)
	}
	for _, item := range n.Items {
		item.moveDown(lines)
	}
}

// SyntaxError gives an error of the YAML parser the form of all mistakes. The
// text around it is not shown: it may be a key.
func SyntaxError(file string, err error) error {
	p := &Problem{File: file, Line: 1, Col: 1, Text: "not valid YAML"}
	var located yaml.Error
	if errors.As(err, &located) {
		p.Text += ": " + located.GetMessage()
		if t := located.GetToken(); t != nil {
			p.Line, p.Col = t.Position.Line, t.Position.Column
		}
	}
	return p
}

func (r reader) convert(n ast.Node) (*Node, error) {
	out := &Node{Line: n.GetToken().Position.Line, Col: n.GetToken().Position.Column}
	switch v := n.(type) {
	case *ast.MappingNode:
		return out, r.addPairs(out, v.Values)
	case *ast.MappingValueNode:
		return out, r.addPairs(out, []*ast.MappingValueNode{v})
	case *ast.SequenceNode:
		out.Kind = List
		for _, item := range v.Values {
			c, err := r.convert(item)
			if err != nil {
				return nil, err
			}
			out.Items = append(out.Items, c)
		}
	case *ast.LiteralNode:
		out.Text = v.Value.Value
	case *ast.StringNode:
		out.Text = v.Value
	case *ast.IntegerNode, *ast.FloatNode:
		out.Kind, out.Text = Number, n.GetToken().Value
	case *ast.BoolNode:
		out.Kind, out.Text = Bool, strings.ToLower(n.GetToken().Value)
	case *ast.NullNode:
		out.Kind = Null
	default:
		return nil, out.Problem(r.file, "%s is not used in %s: write the value itself", n.Type(), r.what)
	}
	return out, nil
}

func (r reader) addPairs(n *Node, pairs []*ast.MappingValueNode) error {
	n.Kind = Map
	for i, p := range pairs {
		at := p.Key.GetToken()
		if i == 0 {
			n.Line, n.Col = at.Position.Line, at.Position.Column
		}
		k := &Node{Text: keyText(p.Key), Line: at.Position.Line, Col: at.Position.Column}
		if n.Get(k.Text) != nil {
			return k.Problem(r.file, "the key %q stands twice in one map", k.Text)
		}
		v, err := r.convert(p.Value)
		if err != nil {
			return err
		}
		n.Keys, n.Items = append(n.Keys, k), append(n.Items, v)
	}
	return nil
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	return strings.TrimSpace(k.GetToken().Value)
}

// Get is the value of a key of a map, nil if there is none. The node may be nil.
func (n *Node) Get(name string) *Node {
	if n == nil || n.Kind != Map {
		return nil
	}
	for i, k := range n.Keys {
		if k.Text == name {
			return n.Items[i]
		}
	}
	return nil
}

// List is n's items if it is a list, else n alone.
func (n *Node) List() []*Node {
	if n.Kind == List {
		return n.Items
	}
	return []*Node{n}
}

// Scalar tells whether n is text, a number or a boolean.
func (n *Node) Scalar() bool { return n.Kind < Null }

// TextOf is the text of a key's scalar, "" where it is absent.
func (n *Node) TextOf(name string) string {
	if v := n.Get(name); v != nil && v.Scalar() {
		return v.Text
	}
	return ""
}

// TextsOf are the texts of a key's scalar, or of its list of scalars.
func (n *Node) TextsOf(name string) (out []string) {
	v := n.Get(name)
	if v == nil || v.Kind == Null {
		return nil
	}
	for _, item := range v.List() {
		if item.Scalar() {
			out = append(out, item.Text)
		}
	}
	return out
}
