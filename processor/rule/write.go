package rule

import (
	"fmt"
	"strconv"
	"strings"
)

// yaml writes a node in flow style, which is JSON but for the keys.
func (n *node) yaml() string {
	switch n.kind {
	case nodeMap:
		parts := make([]string, len(n.keys))
		for i, k := range n.keys {
			parts[i] = scalarText(k.text) + ": " + n.items[i].yaml()
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case nodeList:
		parts := make([]string, len(n.items))
		for i, item := range n.items {
			parts[i] = item.yaml()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case nodeNull:
		return "null"
	case nodeNumber, nodeBool:
		return n.text
	}
	return scalarText(n.text)
}

// scalarText quotes what YAML could take for something else.
func scalarText(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		plain = plain && (letter || i > 0 && ('0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' || c == '|'))
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}

// newForm is the YAML of what a rule in the old form was converted to: its
// hidden rules, and the correlation over them.
func (r *Rule) newForm() string {
	var b strings.Builder
	doc := r.draft.doc.node
	for _, hidden := range r.draft.hidden {
		fmt.Fprintf(&b, "title: %s\nid: %s\nlevel: informational\nlogsource: %s\ndetection:\n", scalarText(hidden.Title), scalarText(hidden.ID), doc.get("logsource").yaml())
		body := doc.get("detection")
		for i, k := range body.keys {
			if k.text != "condition" && k.text != "timeframe" {
				fmt.Fprintf(&b, "  %s: %s\n", scalarText(k.text), body.items[i].yaml())
			}
		}
		fmt.Fprintf(&b, "  condition: %s\n---\n", scalarText(hidden.draft.condition))
	}
	for i, k := range doc.keys {
		if k.text != "logsource" && k.text != "detection" {
			fmt.Fprintf(&b, "%s: %s\n", scalarText(k.text), doc.items[i].yaml())
		}
	}
	fmt.Fprintf(&b, "correlation:\n")
	for i, k := range r.draft.converted.keys {
		fmt.Fprintf(&b, "  %s: %s\n", k.text, r.draft.converted.items[i].yaml())
	}
	return b.String()
}
