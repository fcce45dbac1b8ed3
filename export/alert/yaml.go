package alert

import "github.com/cairnstream/cairn/export/yamlat"

// node is a piece of the sinks file with its place.
type node = yamlat.Node

// parse reads a file of one YAML document; nil when it holds nothing.
func parse(file string, data []byte) (*node, error) {
	docs, err := yamlat.Read(file, data, "the sinks file")
	switch {
	case err != nil || len(docs) == 0:
		return nil, err
	case len(docs) > 1:
		return nil, docs[1].Problem(file, "sinks are one list: take the line --- out")
	}
	return docs[0], nil
}
