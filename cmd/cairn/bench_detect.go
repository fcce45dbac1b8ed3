package main

import (
	"os"

	"github.com/cairnstream/cairn/bench/detect"
)

type benchDetectCmd struct {
	NAB   string   `name:"nab" help:"Also score the labelled series of DIR, in the layout of the Numenta Anomaly Benchmark: data/ and labels/combined_windows.json." placeholder:"DIR" type:"existingdir"`
	Seeds []uint64 `help:"Seeds of the generated principals." default:"5,6,7,8"`
	Keys  int      `help:"Generated principals per seed." default:"3000"`
}

// Run measures the quality of the learned thresholds and prints the report as
// JSON.
func (c *benchDetectCmd) Run(e *env) error {
	opts := detect.Options{Seeds: c.Seeds, Keys: max(1, c.Keys)}
	if c.NAB != "" {
		opts.NAB = os.DirFS(c.NAB)
	}
	report, err := detect.Run(opts)
	if err != nil {
		return err
	}
	return printJSON(e.out, report)
}
