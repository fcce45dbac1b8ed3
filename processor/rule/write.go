package rule

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cairnstream/cairn/export/yamlat"
)

// flow writes a node in the flow style of YAML, which is JSON but for the keys.
func flow(n *node) string {
	switch n.Kind {
	case yamlat.Map:
		parts := make([]string, len(n.Keys))
		for i, k := range n.Keys {
			parts[i] = scalarText(k.Text) + ": " + flow(n.Items[i])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yamlat.List:
		parts := make([]string, len(n.Items))
		for i, item := range n.Items {
			parts[i] = flow(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yamlat.Null:
		return "null"
	case yamlat.Number, yamlat.Bool:
		return n.Text
	}
	return scalarText(n.Text)
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
		fmt.Fprintf(&b, "title: %s\nid: %s\nlevel: informational\nlogsource: %s\ndetection:\n", scalarText(hidden.Title), scalarText(hidden.ID), flow(doc.Get("logsource")))
		body := doc.Get("detection")
		for i, k := range body.Keys {
			if k.Text != "condition" && k.Text != "timeframe" {
				fmt.Fprintf(&b, "  %s: %s\n", scalarText(k.Text), flow(body.Items[i]))
			}
		}
		fmt.Fprintf(&b, "  condition: %s\n---\n", scalarText(hidden.draft.condition))
	}
	for i, k := range doc.Keys {
		if k.Text != "logsource" && k.Text != "detection" {
			fmt.Fprintf(&b, "%s: %s\n", scalarText(k.Text), flow(doc.Items[i]))
		}
	}
	fmt.Fprintf(&b, "correlation:\n")
	for i, k := range r.draft.converted.Keys {
		fmt.Fprintf(&b, "  %s: %s\n", k.Text, flow(r.draft.converted.Items[i]))
	}
	return b.String()
}
