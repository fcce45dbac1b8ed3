package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker for a release: -ldflags "-X main.version=1.2.3".
var version = ""

type versionCmd struct {
	output
}

// versions are the numbers that decide whether two builds understand each
// other.
type versions struct {
	Version  string         `json:"version"`
	Go       string         `json:"go"`
	Platform string         `json:"platform"`
	Formats  map[string]int `json:"formats"`
}

// Run prints the versions.
func (c *versionCmd) Run(e *env) error {
	v := versions{Version: buildVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Formats: formats()}
	if c.json() {
		return printJSON(e.out, v)
	}
	_, err := fmt.Fprintf(e.out, "cairn %s (%s, %s)\nmanifest %d, segment %d, row log %d, lake schema %d\n", v.Version, v.Go, v.Platform,
		v.Formats["manifest"], v.Formats["segment"], v.Formats["row log"], v.Formats["lake schema"])
	return err
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
