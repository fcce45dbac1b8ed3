package yamlat

import (
	"io/fs"
	"path"
)

// Folder is a folder of files that knows its own name, so that messages name
// files as a person finds them.
type Folder struct {
	fs.FS
	Name string
}

// Shown is the name of a file of source for people: with the name of its folder
// if source is a Folder.
func Shown(source fs.FS, file string) string {
	if f, ok := source.(Folder); ok {
		return path.Join(f.Name, file)
	}
	return file
}
