package rule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// takers read the members of a map, by key.
type takers map[string]func(v *node)

// members reads a map that may hold nothing but the known keys. where is how
// the map is called in messages.
func (d *document) members(n *node, where string, take takers) bool {
	if n.Kind != yamlat.Map {
		d.fail(n, "%s is a map", where)
		return false
	}
	for i, k := range n.Keys {
		if read, ok := take[k.Text]; ok {
			read(n.Items[i])
			continue
		}
		d.unknown(k, where, slices.Sorted(maps.Keys(take)))
	}
	return true
}

// unknown refuses a key, and offers one that may have been meant.
func (d *document) unknown(k *node, where string, known []string) {
	if best := nearest(k.Text, known); best != "" {
		d.fail(k, "unknown key %q in %s; did you mean %s?", k.Text, where, best)
		return
	}
	d.fail(k, "unknown key %q in %s; known are %s", k.Text, where, strings.Join(known, ", "))
}

// word reads one of a few words.
func (d *document) word(n *node, what string, known ...string) string {
	if n.Scalar() && slices.Contains(known, n.Text) {
		return n.Text
	}
	d.fail(n, "unknown %s %q: known are %s", what, n.Text, strings.Join(known, ", "))
	return ""
}

// flag reads true or false.
func (d *document) flag(n *node, what string) bool {
	if n.Kind != yamlat.Bool {
		d.fail(n, "%s is true or false", what)
	}
	return n.Text == "true"
}

// number reads a decimal number.
func (d *document) number(n *node, what string) float64 {
	v, err := strconv.ParseFloat(n.Text, 64)
	if err != nil || !n.Scalar() {
		d.fail(n, "%s is a number", what)
	}
	return v
}

// whole reads a number without fraction that is at least least.
func (d *document) whole(n *node, what string, least int) int {
	v, err := strconv.Atoi(n.Text)
	if err != nil || !n.Scalar() || v < least {
		d.fail(n, "%s is a whole number from %d on", what, least)
	}
	return v
}

// paths reads a path or a list of paths, at most limit of them.
func (d *document) paths(n *node, what string, limit int) (out []Path) {
	for _, item := range n.List() {
		if p, ok := d.path(item); ok {
			out = append(out, p)
		}
	}
	if len(n.List()) == 0 || len(n.List()) > limit {
		d.fail(n, "%s takes 1 to %d paths", what, limit)
	}
	return out
}

// path reads a path of a field.
func (d *document) path(n *node) (Path, bool) {
	if !n.Scalar() || n.Text == "" {
		d.fail(n, "a path is text, such as userIdentity.arn")
		return Path{}, false
	}
	if text := badPath(n.Text, overEvents); text != "" {
		d.fail(n, "%s", text)
		return Path{}, false
	}
	return newPath(n.Text), true
}
