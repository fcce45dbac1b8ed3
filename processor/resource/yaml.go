package resource

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// node is a piece of a YAML file that knows where it stands, so that every error of the catalogue can say file and line.
type node struct {
	file   string
	line   int
	kind   nodeKind
	text   string  // scalar
	quoted bool    // the scalar stood in quotes
	items  []*node // list
	pairs  []pair  // mapping, in the order of the file
}

type nodeKind uint8

const (
	scalarNode nodeKind = iota
	listNode
	mappingNode
)

type pair struct {
	key   string
	line  int
	value *node
}

func (k nodeKind) String() string { return [...]string{"a value", "a list", "a mapping"}[k] }

func (n *node) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", n.file, n.line, fmt.Errorf(format, args...))
}

// parseYAML reads the one document of a file.
func parseYAML(file string, data []byte) (*node, error) {
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s:1: want one YAML document, found %d", file, len(f.Docs))
	}
	return convert(file, f.Docs[0].Body)
}

func convert(file string, from ast.Node) (*node, error) {
	n := &node{file: file}
	if t := from.GetToken(); t != nil && t.Position != nil {
		n.line = t.Position.Line
	}
	switch from := from.(type) {
	case *ast.MappingNode:
		return n, n.mapping(from.Values)
	case *ast.MappingValueNode:
		return n, n.mapping([]*ast.MappingValueNode{from})
	case *ast.SequenceNode:
		n.kind = listNode
		for _, v := range from.Values {
			item, err := convert(file, v)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		return n, nil
	case *ast.StringNode:
		n.text = from.Value
		n.quoted = from.Token.Value != "" && (from.Token.Type.String() == "SingleQuote" || from.Token.Type.String() == "DoubleQuote")
		return n, nil
	case *ast.LiteralNode:
		n.text = from.Value.Value
		return n, nil
	case *ast.NullNode:
		return n, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		n.text = from.GetToken().Value
		return n, nil
	}
	return nil, n.errorf("anchors, aliases and tags have no meaning here (%s)", from.Type())
}

func (n *node) mapping(values []*ast.MappingValueNode) error {
	n.kind = mappingNode
	seen := map[string]bool{}
	for _, v := range values {
		key := v.Key.GetToken().Value
		value, err := convert(n.file, v.Value)
		if err != nil {
			return err
		}
		if seen[key] {
			return n.errorf("key %q stands twice", key)
		}
		seen[key] = true
		if line := v.Key.GetToken().Position.Line; len(n.pairs) == 0 {
			n.line = line
		}
		n.pairs = append(n.pairs, pair{key, v.Key.GetToken().Position.Line, value})
	}
	return nil
}

// expect says whether the node has the kind that its place needs.
func (n *node) expect(kind nodeKind) error {
	if n.kind != kind {
		return n.errorf("want %s, found %s", kind, n.kind)
	}
	return nil
}

// fields walks a mapping; a key without a reader is an error.
func (n *node) fields(readers map[string]func(*node) error) error {
	if err := n.expect(mappingNode); err != nil {
		return err
	}
	for _, p := range n.pairs {
		read, known := readers[p.key]
		if !known {
			return (&node{file: n.file, line: p.line}).errorf("unknown key %q", p.key)
		}
		if err := read(p.value); err != nil {
			return err
		}
	}
	return nil
}

// each calls read for every item of a list; a lone value is a list of one.
func (n *node) each(read func(*node) error) error {
	if n.kind != listNode {
		return read(n)
	}
	for _, item := range n.items {
		if err := read(item); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) texts(to *[]string) error {
	return n.each(func(item *node) error {
		if err := item.expect(scalarNode); err != nil {
			return err
		}
		*to = append(*to, item.text)
		return nil
	})
}

func (n *node) string(to *string) error {
	*to = n.text
	return n.expect(scalarNode)
}

func (n *node) bool(to *bool) error {
	if n.kind != scalarNode || n.quoted || n.text != "true" && n.text != "false" {
		return n.errorf("want true or false")
	}
	*to = n.text == "true"
	return nil
}
