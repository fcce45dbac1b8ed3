package cloudtrail

import "strings"

// root is the tree of the members that Cairn knows, built once from the paths
// of the fields and blobs. It is read-only.
var root = buildSchema()

// node is an object of the record whose members are taken apart.
type node struct {
	prefix  string // dotted path of the object and a dot; "" for the record itself
	entries []*entry
	slots   [64]*entry // hash of the name to the first entry of its chain
}

// entry is one known member of a node.
type entry struct {
	id    int // position among all entries, for the set of members seen
	name  string
	field int // Field or -1
	blob  int // Blob or -1
	child *node
	next  *entry // next of the same hash
}

// slot hashes a name by its length and two bytes; the names of one object
// rarely meet, and a chain settles the rest.
func slot(name []byte) int {
	n := len(name)
	if n == 0 {
		return 0
	}
	return (n*5 + int(name[0])*3 + int(name[n-1])*7 + int(name[n/2])) & 63
}

// find returns the known member of that exact name, or nil.
func (n *node) find(name []byte) *entry {
	for e := n.slots[slot(name)]; e != nil; e = e.next {
		if e.name == string(name) {
			return e
		}
	}
	return nil
}

func (n *node) member(name string, next *int) *entry {
	if e := n.find([]byte(name)); e != nil {
		return e
	}
	h := slot([]byte(name))
	e := &entry{id: *next, name: name, field: -1, blob: -1, next: n.slots[h]}
	*next++
	n.slots[h] = e
	n.entries = append(n.entries, e)
	return e
}

// entryAt walks to the member of a dotted path and makes what is missing.
func (n *node) entryAt(path string, next *int) *entry {
	name, rest, nested := strings.Cut(path, ".")
	e := n.member(name, next)
	if !nested {
		return e
	}
	if e.child == nil {
		e.child = &node{prefix: n.prefix + name + "."}
	}
	return e.child.entryAt(rest, next)
}

func buildSchema() *node {
	n, next := &node{}, 0
	for f, path := range fieldPaths {
		n.entryAt(path, &next).field = f
	}
	for b, path := range blobPaths {
		n.entryAt(path, &next).blob = b
	}
	return n
}

// numEntries bounds the ids of entries; a test holds it.
const numEntries = 128
