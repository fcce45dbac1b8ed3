package rule

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// op is what an expression does with its parts.
type op uint8

const (
	opAtom op = iota
	opAnd
	opOr
	opNot
)

// expr is the condition of a rule as a tree over atoms.
type expr struct {
	op   op
	kids []*expr
	atom *atom
	slot int // of the atom in the set; given at compilation
}

func and(kids ...*expr) *expr { return join(opAnd, kids) }
func or(kids ...*expr) *expr  { return join(opOr, kids) }
func not(kid *expr) *expr     { return &expr{op: opNot, kids: []*expr{kid}} }

func join(o op, kids []*expr) *expr {
	if len(kids) == 1 {
		return kids[0]
	}
	return &expr{op: o, kids: kids}
}

func leaf(p member, t test, id string) *expr {
	return &expr{op: opAtom, atom: &atom{path: p, test: t, id: p.text + "\x00" + id}}
}

// eval evaluates the tree; ask answers for an atom.
func (x *expr) eval(ask func(*expr) bool) bool {
	switch x.op {
	case opAtom:
		return ask(x)
	case opNot:
		return !x.kids[0].eval(ask)
	case opAnd:
		for _, k := range x.kids {
			if !k.eval(ask) {
				return false
			}
		}
		return true
	}
	for _, k := range x.kids {
		if k.eval(ask) {
			return true
		}
	}
	return false
}

// String is a canonical text of the tree: equal texts decide alike.
func (x *expr) String() string {
	if x.op == opAtom {
		return cmp.Or(x.atom.canon, x.atom.id)
	}
	parts := make([]string, len(x.kids))
	for i, k := range x.kids {
		parts[i] = k.String()
	}
	return [...]string{"", "and", "or", "not"}[x.op] + "(" + strings.Join(parts, "\x01") + ")"
}

// required are texts of which the field at a path must equal one for the tree
// to hold, folded; ok is false when no such list follows from it.
func (x *expr) required(path string) (values []string, ok bool) {
	switch x.op {
	case opAtom:
		return x.atom.required(path)
	case opAnd:
		for _, k := range x.kids {
			if more, found := k.required(path); found && (!ok || len(more) < len(values)) {
				values, ok = more, true
			}
		}
		return values, ok
	case opOr:
		for _, k := range x.kids {
			more, found := k.required(path)
			if !found {
				return nil, false
			}
			values = append(values, more...)
		}
		return values, len(x.kids) > 0
	}
	return nil, false
}

func (a *atom) required(path string) ([]string, bool) {
	if a.path.text != path {
		return nil, false
	}
	switch t := a.test.(type) {
	case *textTest:
		if text, ok := t.pattern.literal(); ok {
			return []string{fold(text)}, true
		}
	case setTest:
		return slices.Collect(maps.Keys(t)), true
	case *listTest:
		if len(t.others) == 0 && t.networks == nil && !t.cased {
			return slices.Collect(maps.Keys(t.plain)), true
		}
	}
	return nil, false
}
