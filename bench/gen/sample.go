package gen

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"time"
)

//go:generate go test . -run SampleIsCurrent -rewrite

// sampleClump makes the programs of the sample work every fifteen minutes, so that a day fits into some hundred files.
const sampleClump = 15 * time.Minute

//go:embed sample
var sample embed.FS

// Sample is the bundled corpus: one working day of a small organisation with an intrusion, in the layout of a CloudTrail bucket.
// README.md tells what happens in it.
func Sample() fs.FS { return below("sample/logs") }

// below is fs.Sub for a constant name, which cannot fail.
func below(dir string) fs.FS {
	sub, err := fs.Sub(sample, dir)
	if err != nil {
		panic(err)
	}
	return sub
}

// writeSample writes the bundled sample anew below dir: logs and labels.tsv.
func writeSample(dir string) (Summary, error) {
	g, err := New(sampleOptions())
	if err != nil {
		return Summary{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Summary{}, fmt.Errorf("gen: %w", err)
	}
	return g.write(dir+"/logs", dir+"/labels.tsv")
}
