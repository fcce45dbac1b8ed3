package resource

import (
	"fmt"
	"slices"
)

// Names answers which id a name had at a time. The names are learned from other events (Learned); who calls Catalogue.Changes
// keeps them, as NameRow values in the shard's state or in a MapNames.
type Names interface {
	// Lookup returns the id that the name had at the version, false when nobody taught it.
	Lookup(kind, scope, name string, at Version) (id string, ok bool)
}

// Learned is a name that an event teaches: what is called Name in Scope is the resource ID.
type Learned struct {
	Kind    string // "name <type>" or "member <type>"
	Scope   string // <account>/<region>, for names followed by /<vpc or "default">
	Name    string
	ID      string
	Version Version
	// Made is true when this event gave the name to the id, so that the name did not mean this id before. Otherwise the event
	// only shows a name that was in use, maybe for long.
	Made bool
	// Unresolved is the key under which changes stand that came when the name was not known.
	Unresolved Key
}

// Row is the text under which the name's NameRow is kept.
func (l Learned) Row() string { return NameKey(l.Kind, l.Scope, l.Name) }

// NameKey is the text under which the row of a name is kept.
func NameKey(kind, scope, name string) string { return kind + "\x00" + scope + "\x00" + name }

// maxMeanings is how many ids of one name are kept, the newest. A name is rarely given again; a launch tool that reuses one name
// for every run needs only those of the last day.
const maxMeanings = 32

// NameRow holds the ids that one name has had. Like a Record it takes what it learns in any order.
type NameRow struct{ meanings []meaning } // oldest first

type meaning struct {
	version Version
	made    bool
	id      string
}

func (m meaning) compare(n meaning) int {
	if c := m.version.Compare(n.version); c != 0 {
		return c
	}
	if m.id < n.id {
		return -1
	} else if m.id > n.id {
		return 1
	}
	return cmpBool(m.made, n.made)
}

// Learn adds what l says. It reports whether the row changed.
func (n *NameRow) Learn(l Learned) bool {
	m := meaning{l.Version, l.Made, l.ID}
	i, found := slices.BinarySearchFunc(n.meanings, m, meaning.compare)
	if found {
		return false
	}
	n.meanings = slices.Insert(n.meanings, i, m)
	if drop := len(n.meanings) - maxMeanings; drop > 0 {
		n.meanings = slices.Delete(n.meanings, 0, drop)
	}
	return true
}

// Lookup returns the id at the version: the newest meaning up to then, else the first later one, unless that gave the name.
func (n *NameRow) Lookup(at Version) (id string, ok bool) {
	i, found := slices.BinarySearchFunc(n.meanings, at, func(m meaning, at Version) int { return m.version.Compare(at) })
	switch {
	case found:
		return n.meanings[i].id, true
	case i > 0:
		return n.meanings[i-1].id, true
	case i < len(n.meanings) && !n.meanings[i].made:
		return n.meanings[i].id, true
	}
	return "", false
}

// AppendBinary appends the row's encoding to b; it never fails.
func (n *NameRow) AppendBinary(b []byte) ([]byte, error) {
	e := encoder{buf: append(b, formatRecord)}
	for _, m := range n.meanings {
		e.versions = append(e.versions, m.version)
	}
	e.versions = slices.Compact(e.versions)
	e.table()
	e.number(len(n.meanings))
	for _, m := range n.meanings {
		e.version(m.version)
		e.flag(m.made)
		e.text(m.id)
	}
	return e.buf, nil
}

// DecodeNameRow reads what NameRow.AppendBinary wrote. The error wraps ErrFormat.
func DecodeNameRow(data []byte) (*NameRow, error) {
	if len(data) == 0 || data[0] != formatRecord {
		return nil, fmt.Errorf("%w: no format byte %d", ErrFormat, formatRecord)
	}
	d := newDecoder(data[1:])
	d.table()
	n := &NameRow{list(&d, func() meaning { return meaning{d.version(), d.octet() == 1, d.text()} })}
	if d.bad || len(d.rest) != 0 {
		return nil, fmt.Errorf("%w: name row cut short or too long", ErrFormat)
	}
	return n, nil
}

// MapNames is a name index in memory, for tests and tools. The key is that of NameKey.
type MapNames map[string]*NameRow

// Learn adds what l says.
func (m MapNames) Learn(l Learned) {
	row := m[l.Row()]
	if row == nil {
		row = &NameRow{}
		m[l.Row()] = row
	}
	row.Learn(l)
}

// Lookup implements Names.
func (m MapNames) Lookup(kind, scope, name string, at Version) (string, bool) {
	row := m[NameKey(kind, scope, name)]
	if row == nil {
		return "", false
	}
	return row.Lookup(at)
}
