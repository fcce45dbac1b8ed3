package rule

import "github.com/cairnstream/cairn/export/yamlat"

// node is a piece of a rule file with its place.
type node = yamlat.Node

// parseYAML reads all documents of a file.
func parseYAML(file string, data []byte) ([]*node, error) {
	return yamlat.Read(file, data, "rules")
}
