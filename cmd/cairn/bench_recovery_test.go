package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestBenchScripts runs the measurements in testdata/bench in small.
func TestBenchScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for some seconds; left out with -short")
	}
	testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "bench"), RequireExplicitExec: true})
}
