package parquetcheck

import (
	"errors"
	"fmt"
	"strings"
)

// Values of FieldRepetitionType.
const (
	required = 0
	optional = 1
	repeated = 2
)

// Fields of the union LogicalType, and the old ConvertedType where it says something of its own.
const (
	logicalString    = 1
	logicalMap       = 2
	logicalList      = 3
	logicalTimestamp = 8
	logicalInteger   = 10

	convertedUTF8            = 0
	convertedMap             = 1
	convertedMapKeyValue     = 2
	convertedList            = 3
	convertedTimestampMillis = 9
	convertedInt32           = 17
	convertedInt64           = 18
)

// node is one element of the schema with its children and, for leaves, its levels.
type node struct {
	element    object // SchemaElement
	name       string
	path       []string
	repetition int64
	kind       physical // leaves only
	children   []*node
	maxDef     int // how many of the path are not required
	maxRep     int // how many of the path are repeated
	column     int // place among the leaves; groups: -1
}

func (n *node) leaf() bool      { return !n.element.has(5) }
func (n *node) dotted() string  { return strings.Join(n.path, ".") }
func (n *node) logical() object { return n.element.object(10) }

// converted returns the old annotation, or -1.
func (n *node) converted() int64 {
	if !n.element.has(6) {
		return -1
	}
	return n.element.int(6)
}

func (n *node) is(logical int16) bool { return n.logical().has(logical) }

// buildSchema makes the tree from the flat list and returns the root and the leaves in order.
func buildSchema(elements []object) (root *node, leaves []*node, err error) {
	b := schemaBuilder{elements: elements}
	root, err = b.next(nil)
	if err == nil && len(b.elements) > 0 {
		err = fmt.Errorf("%d elements are left over", len(b.elements))
	}
	if err == nil && root.leaf() {
		err = errors.New("root has no columns")
	}
	return root, b.leaves, err
}

type schemaBuilder struct {
	elements []object // those not yet used
	leaves   []*node
}

func (b *schemaBuilder) next(parent *node) (*node, error) {
	if len(b.elements) == 0 {
		return nil, errors.New("an element is missing")
	}
	e := b.elements[0]
	b.elements = b.elements[1:]
	n := &node{element: e, name: e.text(4), repetition: e.int(3), kind: physical(e.int(1)), column: -1}
	if parent != nil {
		n.path = append(append([]string{}, parent.path...), n.name)
		n.maxDef, n.maxRep = parent.maxDef, parent.maxRep
		if n.repetition != required {
			n.maxDef++
		}
		if n.repetition == repeated {
			n.maxRep++
		}
	}
	if n.leaf() {
		n.column = len(b.leaves)
		b.leaves = append(b.leaves, n)
		return n, nil
	}
	for range e.int(5) {
		child, err := b.next(n)
		if err != nil {
			return nil, err
		}
		n.children = append(n.children, child)
	}
	return n, nil
}

// checkSchema holds the rules of names, nesting and types, and compares the columns with those that the table should have.
func (c *checker) checkSchema(table Table) {
	c.checkNames(c.root, "")
	for _, column := range c.root.children {
		c.checkShape(column)
	}
	if table.Columns == nil {
		return
	}
	if len(table.Columns) != len(c.root.children) {
		c.fail("schema", "%d columns, want %d", len(c.root.children), len(table.Columns))
	}
	for i, column := range c.root.children {
		if i >= len(table.Columns) {
			c.fail("schema", "column %s is not of table %s", column.name, table.Name)
			continue
		}
		want := table.Columns[i]
		if column.name != want.Name || column.athena() != want.Type {
			c.fail("schema", "column %d is %s %s, want %s %s", i, column.name, column.athena(), want.Name, want.Type)
		}
	}
}

// checkNames wants lower-case names that stay different when case is dropped: Athena drops it.
func (c *checker) checkNames(n *node, where string) {
	seen := map[string]bool{}
	for _, child := range n.children {
		folded := strings.ToLower(child.name)
		if child.name != folded {
			c.fail("names", "%s%s is not lower case", where, child.name)
		}
		if seen[folded] {
			c.fail("names", "%s%s stands twice when case is dropped", where, child.name)
		}
		if child.name == "" {
			c.fail("names", "%sa column has no name", where)
		}
		seen[folded] = true
		c.checkNames(child, where+child.name+".")
	}
}

// checkShape wants three-level lists, maps with a required key, and no repeated field beside those.
func (c *checker) checkShape(n *node) {
	switch {
	case n.repetition == repeated:
		c.fail("shape", "%s is repeated outside a list or map", n.dotted())
	case n.leaf():
		c.checkLeaf(n)
		return
	case n.isList():
		c.checkList(n)
		return
	case n.isMap():
		c.checkMap(n)
		return
	case len(n.children) == 0:
		c.fail("shape", "%s is a struct without members", n.dotted())
	}
	if !n.leaf() {
		for _, child := range n.children {
			c.checkShape(child)
		}
	}
}

func (n *node) isList() bool { return n.is(logicalList) || n.converted() == convertedList }

func (n *node) isMap() bool {
	return n.is(logicalMap) || n.converted() == convertedMap || n.converted() == convertedMapKeyValue
}

// checkList: readers fall back to older two-level readings of a list when its repeated group has one of these names.
func (c *checker) checkList(n *node) {
	if len(n.children) != 1 {
		c.fail("shape", "list %s has %d children, want 1", n.dotted(), len(n.children))
		return
	}
	group := n.children[0]
	if group.repetition != repeated || group.leaf() || len(group.children) != 1 {
		c.fail("shape", "list %s is not of three levels", n.dotted())
		return
	}
	if group.name == "array" || group.name == n.name+"_tuple" {
		c.fail("shape", "the repeated group of list %s is called %s, which readers take for the item itself", n.dotted(), group.name)
	}
	if group.children[0].repetition == repeated {
		c.fail("shape", "the item of list %s is repeated", n.dotted())
		return
	}
	c.checkShape(group.children[0])
}

func (c *checker) checkMap(n *node) {
	if len(n.children) != 1 || n.children[0].repetition != repeated || n.children[0].leaf() || len(n.children[0].children) != 2 {
		c.fail("shape", "map %s is not a repeated group of key and value", n.dotted())
		return
	}
	key, value := n.children[0].children[0], n.children[0].children[1]
	if key.repetition != required {
		c.fail("shape", "the first child of map %s, its key, is not required", n.dotted())
	}
	if key.name != "key" || value.name != "value" {
		c.fail("shape", "map %s holds %s and %s, want key and value", n.dotted(), key.name, value.name)
	}
	c.checkShape(key)
	c.checkShape(value)
}

// checkLeaf allows the types of Cairn's tables and nothing else. Times are the ones that go wrong: other units and local
// times read as different moments in different engines, and INT96 has no order.
func (c *checker) checkLeaf(n *node) {
	switch n.kind {
	case typeInt96:
		c.fail("times", "%s is INT96", n.dotted())
	case typeInt64:
		c.checkInt64(n)
	case typeInt32:
		if n.converted() >= 0 && n.converted() != convertedInt32 || !n.isSigned(32) {
			c.fail("types", "%s is an INT32 that is not a plain signed number", n.dotted())
		}
	case typeBytes:
		if !n.is(logicalString) && n.converted() != convertedUTF8 {
			c.fail("types", "%s holds bytes that are not marked as text", n.dotted())
		}
	case typeBoolean, typeDouble:
	default:
		c.fail("types", "%s is of physical type %d, which no table uses", n.dotted(), n.kind)
	}
}

func (c *checker) checkInt64(n *node) {
	if n.isTime() {
		return
	}
	plain := n.converted() < 0 || n.converted() == convertedInt64
	if !plain || n.is(logicalTimestamp) || !n.isSigned(64) {
		c.fail("times", "%s is neither a plain number nor TIMESTAMP(MILLIS, UTC)", n.dotted())
	}
}

// isTime says whether the leaf is TIMESTAMP(MILLIS, isAdjustedToUTC). The unit is a union: 1 are milliseconds.
func (n *node) isTime() bool {
	t := n.logical().object(logicalTimestamp)
	return t.bool(1) && t.object(2).has(1) && (n.converted() < 0 || n.converted() == convertedTimestampMillis)
}

// isSigned says whether a number has either no annotation or that of a signed one of the given width.
func (n *node) isSigned(width int64) bool {
	if len(n.logical()) == 0 {
		return true
	}
	t := n.logical().object(logicalInteger)
	return t.int(1) == width && t.bool(2)
}

// athena renders the type as in a table definition of Athena, with `?` after everything that may be NULL.
func (n *node) athena() string {
	text := n.athenaType()
	if n.repetition == optional {
		text += "?"
	}
	return text
}

func (n *node) athenaType() string {
	switch {
	case n.leaf():
		return n.athenaLeaf()
	case n.isList() && len(n.children) == 1 && len(n.children[0].children) == 1:
		return "array<" + n.children[0].children[0].athena() + ">"
	case n.isMap() && len(n.children) == 1 && len(n.children[0].children) == 2:
		return "map<" + n.children[0].children[0].athena() + "," + n.children[0].children[1].athena() + ">"
	}
	members := make([]string, len(n.children))
	for i, child := range n.children {
		members[i] = child.name + ":" + child.athena()
	}
	return "struct<" + strings.Join(members, ",") + ">"
}

func (n *node) athenaLeaf() string {
	switch n.kind {
	case typeBytes:
		return "string"
	case typeBoolean:
		return "boolean"
	case typeDouble:
		return "double"
	case typeInt32:
		return "int"
	case typeInt64:
		if n.isTime() {
			return "timestamp"
		}
		return "bigint"
	}
	return fmt.Sprintf("unknown(%d)", n.kind)
}
