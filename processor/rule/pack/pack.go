// Package pack holds the rules that come with Cairn, in folders named for the tactics of MITRE ATT&CK. They are Cairn's own, and each
// has a file with its tests beside it: events on which it must fire, and events on which it must be silent.
package pack

import (
	"embed"
	"io/fs"
)

//go:embed */*.yml
var rules embed.FS

// FS returns the folder of the bundled rules and their tests, in the form that rule.Load and rule.RunTests read.
func FS() fs.FS { return rules }
