package main

import (
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/rowlog"
	"github.com/cairnstream/cairn/state/manifest"
	"github.com/cairnstream/cairn/state/segment"
)

// formats are the numbers of all formats that this build writes. It reads its
// own and refuses higher ones.
func formats() map[string]int {
	return map[string]int{
		"manifest": manifest.Format, "segment": segment.Version, "row log": rowlog.Version, "lake schema": export.SchemaNumber,
	}
}
